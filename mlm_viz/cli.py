"""The command `mlm-viz`: `lab` opens the notebooks, `models` lists what is bundled, `train` and `evaluate` make models.

A further command is one more `Command` in `COMMANDS`. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlm_viz import paths
from mlm_viz.errors import MlmVizError
from mlm_viz.strings import say
from mlm_viz.training import commands

FIRST_NOTEBOOK = "01_fill_the_blank.ipynb"
PORT_VARIABLE = "MLM_VIZ_PORT"
DEFAULT_PORT = 8888
# Read by JupyterLab from every `labconfig` folder on the configuration path: ours is put there for this launch only.
LAB_CONFIG = Path(__file__).resolve().parent / "jupyter"
CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))


@dataclass(frozen=True)
class Command:
    """One subcommand: its name, what it adds to its parser, and what it does (returning the exit status)."""

    name: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


# --- lab ----------------------------------------------------------------------------------------


def lab_command(
    folder: Path,
    *,
    notebook: str | None = None,
    port: int = DEFAULT_PORT,
    ip: str = "localhost",
    as_root: bool = False,
    browser: bool = True,
) -> list[str]:
    """The arguments JupyterLab is started with on `folder`, with `notebook` (a path inside it) open at the start."""
    command = [
        f"--ServerApp.root_dir={folder}",
        f"--ServerApp.port={port}",
        f"--ServerApp.ip={ip}",
        # Nothing may be asked of the network: no news, no updates, no catalogue of extensions.
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
        # nbclassic is installed for a file it ships; its server would greet people with a plan of migration.
        "--ServerApp.jpserver_extensions={'nbclassic': False}",
        # The attention of a long text is tens of megabytes in one message; the defaults would cut it off.
        "--ZMQChannelsWebsocketConnection.iopub_data_rate_limit=1e10",
        "--ZMQChannelsWebsocketConnection.iopub_msg_rate_limit=1e5",
        # At this level the address is what is left of the log.
        "--log-level=WARN",
    ]
    if notebook is not None:
        command.append(f"--LabApp.default_url=/lab/tree/{notebook}")
    if as_root:
        command.append("--allow-root")
    if not browser:
        command.append("--no-browser")
    return command


def lab_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What is set in the environment for a launch: our settings for JupyterLab, and no telemetry."""
    config_path = [str(LAB_CONFIG), *filter(None, [environ.get("JUPYTER_CONFIG_PATH")])]
    return {
        "JUPYTER_CONFIG_PATH": os.pathsep.join(config_path),
        # The kernel called python3 must be the one of this environment, not one in the home directory.
        "JUPYTER_PREFER_ENV_PATH": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def browser_opens(environ: Mapping[str, str], *, platform: str = sys.platform) -> bool:
    """Whether a browser can be expected to open: a desktop, and not a container."""
    if "container" in environ or any(mark.exists() for mark in CONTAINER_MARKS):
        return False
    if platform in {"darwin", "win32"}:
        return "SSH_CONNECTION" not in environ
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def _add_lab(parser: argparse.ArgumentParser) -> None:
    port = os.environ.get(PORT_VARIABLE) or DEFAULT_PORT  # a string is parsed, and refused, like a typed one
    parser.add_argument("folder", nargs="?", type=Path, help=say("cli.lab.folder"))
    parser.add_argument("--port", type=_port, default=port, help=say("cli.lab.port", variable=PORT_VARIABLE))
    parser.add_argument("--ip", default="localhost", help=say("cli.lab.ip"))
    parser.add_argument("--no-browser", action="store_true", help=say("cli.lab.no_browser"))


def _port(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text) < 2**16):
        raise argparse.ArgumentTypeError(say("cli.lab.bad_port", text=text))
    return int(text)


def _run_lab(arguments: argparse.Namespace) -> int:
    folder: Path = (arguments.folder or paths.notebooks_dir() or Path.cwd()).resolve()
    if not folder.is_dir():
        print(say("cli.lab.no_folder", folder=folder), file=sys.stderr)
        return 2
    browser = not arguments.no_browser and browser_opens(os.environ)
    command = lab_command(
        folder,
        notebook=FIRST_NOTEBOOK if (folder / FIRST_NOTEBOOK).is_file() else None,
        port=arguments.port,
        ip=arguments.ip,
        as_root=hasattr(os, "geteuid") and os.geteuid() == 0,
        browser=browser,
    )
    os.environ.update(lab_environment(os.environ))
    print(say("cli.lab.opening" if browser else "cli.lab.address", folder=folder), flush=True)
    # Only now, because Jupyter reads the environment when it is imported.
    from jupyterlab.labapp import LabApp

    LabApp.launch_instance(command)
    return 0


# --- models -------------------------------------------------------------------------------------


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--paths", action="store_true", help=say("cli.models.paths"))


def _run_models(arguments: argparse.Namespace) -> int:
    folders = bundled_models()
    for folder in folders:
        print(folder if arguments.paths else _describe(folder))
    if not folders:
        print(say("cli.models.none", folder=paths.models_dir()), file=sys.stderr)
    return 0 if folders else 1


def bundled_models() -> list[Path]:
    """The directories of the bundled models, by name."""
    found = (config.parent for config in paths.models_dir().glob("*/config.json"))
    return sorted(found, key=lambda folder: (folder.name != "default", folder.name))


def _describe(folder: Path) -> str:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    # T5 has names of its own, and counts its two halves apart.
    halves = f"{config['num_layers']}+{config['num_decoder_layers']}" if "num_decoder_layers" in config else "?"
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    return say(
        "cli.models.line",
        name=folder.name,
        family=config.get("model_type", "?"),
        layers=config.get("num_hidden_layers", halves),
        heads=config.get("num_attention_heads", config.get("num_heads", "?")),
        width=config.get("hidden_size", config.get("d_model", "?")),
        megabytes=size / 1e6,
    )


# --- all ----------------------------------------------------------------------------------------

COMMANDS = (
    Command("lab", _add_lab, _run_lab),
    Command("models", _add_models, _run_models),
    Command("train", commands.add_train, commands.run_train),
    Command("evaluate", commands.add_evaluate, commands.run_evaluate),
)


def build_parser() -> argparse.ArgumentParser:
    """The parser of `mlm-viz` with all its commands."""
    parser = argparse.ArgumentParser(prog="mlm-viz", description=say("cli.about"))
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="command")
    for command in COMMANDS:
        text = say(f"cli.{command.name}.about")
        subparser = subparsers.add_parser(command.name, help=text, description=text)
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = build_parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except (FileNotFoundError, MlmVizError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
