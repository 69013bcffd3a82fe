"""A real JupyterLab in a real browser that reaches nothing but this machine: what the journeys and screenshots drive."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import nbformat
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_LOCAL = {"localhost", "127.0.0.1", "::1"}
# Whatever is not on this machine is asked for at a proxy that is not there. (Chromium leaves this machine's out by itself.)
_NOWHERE = "--proxy-server=http://127.0.0.1:9"
_START_SECONDS = 90
PATIENCE = 120_000  # ms; other work may share the processor
# What the page says of a widget that took more than two seconds to get ready.
TOO_LATE = "[anywidget] Failed to initialize model."


def launch(playwright: Playwright) -> Browser:
    """Debian's Chromium where it is installed, else Playwright's own; what is expected of its pages may take a while."""
    expect.set_options(timeout=PATIENCE)
    return playwright.chromium.launch(executable_path=shutil.which("chromium"), args=[*CHROMIUM_FLAGS, _NOWHERE])


@dataclass
class Watch:
    """What a page did that it should not have done.

    Attributes:
        outside: addresses of other machines that it asked for; none can be reached.
        errors: in its console.
        late: complaints that a widget was not ready in two seconds. On a busy machine there may be some, and they do no
            harm: a journey of its own is about that.
    """

    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        """Note every request to another machine and every error in the console."""
        page.on("request", lambda request: self._see(request.url))
        page.on("websocket", lambda socket: self._see(socket.url))
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self._note(f"{error}\n{error.stack}"))

    def _see(self, url: str) -> None:
        address = urlsplit(url)
        if address.scheme in {"http", "https", "ws", "wss"} and address.hostname not in _LOCAL:
            self.outside.append(url)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(f"{message.text} ({message.location.get('url', '')})")

    def _note(self, complaint: str) -> None:
        (self.late if TOO_LATE in complaint else self.errors).append(complaint)


@dataclass
class Lab:
    """A running JupyterLab.

    Attributes:
        address: of the server, without a slash at the end.
        token: that opens it.
        folder: the notebooks it serves.
    """

    address: str
    token: str
    folder: Path

    def open(self, page: Page, notebook: str) -> None:
        """Open a notebook and wait until its kernel is ready."""
        page.goto(f"{self.address}/lab/tree/{notebook}?reset&token={self.token}")
        page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook").wait_for(timeout=PATIENCE)
        # Run before the kernel has been attached, JupyterLab would ask which one to use.
        page.locator("#jp-main-statusbar", has_text="| Idle").wait_for(timeout=PATIENCE)

    def run_all(self, page: Page, patience: float = PATIENCE) -> None:
        """Run all cells and wait until the last one has run, `patience` milliseconds at most."""
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.locator(".lm-Menu-itemLabel", has_text=re.compile(r"^Run All Cells$")).click()
        page.wait_for_function(
            """() => {
                const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputArea-prompt')].map(p => p.textContent);
                return prompts.length > 0 && prompts.every(p => /\\[\\d+\\]/.test(p));
            }""",
            timeout=patience,
        )


def write_notebook(path: Path, cells: list[str]) -> None:
    """A notebook of these cells."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=kernel)
    nbformat.write(notebook, path)


@contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    """JupyterLab on `folder`, started as `mlm-viz lab` starts it; its settings and log go beside the folder."""
    log, port, token = folder.parent / "lab.log", _free_port(), secrets.token_hex(16)
    command = [sys.executable, "-m", "mlm_viz.cli", "lab", str(folder), "--no-browser", "--port", str(port)]
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "JUPYTER_TOKEN": token,
        "JUPYTER_CONFIG_DIR": str(folder.parent / "config"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder.parent / "workspaces"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder.parent / "settings"),
    }
    with log.open("w") as output:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            started = Lab(f"http://localhost:{port}", token, folder)
            _wait(started, server, log)
            yield started
        finally:
            server.terminate()
            try:
                server.wait(timeout=60)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


def _wait(started: Lab, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        if _answers(f"{started.address}/api?token={started.token}"):
            return
        time.sleep(0.2)  # between two looks at the condition above
    message = f"JupyterLab did not start:\n{log.read_text()}"
    raise RuntimeError(message)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
