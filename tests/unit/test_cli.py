"""The command line: how JupyterLab is called, and what is answered to what was typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlm_viz import cli, paths


def test_lab_command_names_folder_port_and_notebook() -> None:
    command = cli.lab_command(Path("/notes"), notebook="01.ipynb", port=9000, ip="0.0.0.0")
    assert "--ServerApp.root_dir=/notes" in command
    assert "--ServerApp.port=9000" in command
    assert "--ServerApp.ip=0.0.0.0" in command
    assert "--LabApp.default_url=/lab/tree/01.ipynb" in command


def test_lab_command_without_a_notebook_leaves_the_first_page_to_jupyter() -> None:
    assert not [word for word in cli.lab_command(Path("/notes")) if "default_url" in word]


@pytest.mark.parametrize("as_root", [True, False])
@pytest.mark.parametrize("browser", [True, False])
def test_lab_command_for_root_and_without_a_browser(*, as_root: bool, browser: bool) -> None:
    command = cli.lab_command(Path("/notes"), as_root=as_root, browser=browser)
    assert ("--allow-root" in command) == as_root
    assert ("--no-browser" in command) != browser


def test_lab_command_is_understood_by_jupyterlab() -> None:
    from jupyterlab.labapp import LabApp

    known = {f"{c.__name__}.{name}" for c in LabApp.classes for name in c.class_traits(config=True)}
    known |= {f"LabApp.{name}" for name in LabApp.class_traits(config=True)}
    known |= {"--allow-root", "--no-browser", "--log-level"}
    from jupyter_server.serverapp import ServerApp

    known |= {f"ServerApp.{name}" for name in ServerApp.class_traits(config=True)}
    known |= {f"{c.__name__}.{name}" for c in ServerApp.classes for name in c.class_traits(config=True)}
    given = [word.split("=")[0] for word in cli.lab_command(Path("/n"), notebook="x", as_root=True, browser=False)]
    assert [word for word in given if word not in known and word.removeprefix("--") not in known] == []


def test_lab_environment_goes_before_what_was_set() -> None:
    assert cli.lab_environment({})["JUPYTER_CONFIG_PATH"] == str(cli.LAB_CONFIG)
    both = cli.lab_environment({"JUPYTER_CONFIG_PATH": "/mine"})["JUPYTER_CONFIG_PATH"]
    assert both.endswith("/mine")
    assert both.startswith(str(cli.LAB_CONFIG))


def test_settings_of_the_launch_fit_the_schema_of_jupyterlab() -> None:
    import jupyterlab

    schemas = Path(jupyterlab.__file__).parent / "schemas"
    settings = json.loads((cli.LAB_CONFIG / "labconfig" / "default_setting_overrides.json").read_text())
    for plugin, values in settings.items():
        package, name = plugin.split(":")
        schema = json.loads((schemas / package / f"{name}.json").read_text())
        assert set(values) <= set(schema["properties"])
    assert settings["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"


@pytest.mark.parametrize(
    ("environ", "platform", "opens"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": ":0", "container": "podman"}, "linux", False),
        ({}, "darwin", True),
        ({"SSH_CONNECTION": "1 2 3 4"}, "darwin", False),
    ],
)
def test_browser_opens_only_on_a_desktop(
    environ: dict[str, str], platform: str, opens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "CONTAINER_MARKS", ())
    assert cli.browser_opens(environ, platform=platform) == opens


def test_a_marked_container_opens_no_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "CONTAINER_MARKS", (tmp_path,))
    assert not cli.browser_opens({"DISPLAY": ":0"}, platform="linux")


def test_port_comes_from_the_line_then_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLM_VIZ_PORT", raising=False)
    assert cli.build_parser().parse_args(["lab"]).port == 8888
    monkeypatch.setenv("MLM_VIZ_PORT", "9001")
    assert cli.build_parser().parse_args(["lab"]).port == 9001
    assert cli.build_parser().parse_args(["lab", "--port", "9002"]).port == 9002


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x", ""])
def test_a_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["lab", f"--port={port}"])
    assert "1 to 65535" in capsys.readouterr().err


def test_a_folder_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lab", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_models_lists_the_bundled_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models"]) == 0
    assert capsys.readouterr().out.startswith("default: modernbert, ")


def test_models_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MLM_VIZ_DATA", str(tmp_path))
    assert cli.main(["models"]) == 1
    assert str(tmp_path) in capsys.readouterr().err
    assert paths.models_dir() == tmp_path / "models"


def test_a_data_directory_that_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLM_VIZ_DATA", "/nowhere")
    with pytest.raises(FileNotFoundError, match="MLM_VIZ_DATA"):
        paths.data_dir()
    assert cli.main(["models"]) == 2


def test_every_command_describes_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for command in cli.COMMANDS:
        with pytest.raises(SystemExit):
            cli.main([command.name, "--help"])
        assert "usage: mlm-viz" in capsys.readouterr().out
