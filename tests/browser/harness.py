"""A plain page that mounts one widget module on a stand-in for the anywidget model: no JupyterLab, no kernel."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from mlm_viz.widgets.script import script

WIDGETS = Path(__file__).parents[2] / "mlm_viz" / "widgets"

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,">
<link rel="stylesheet" href="/strip.css"><link rel="stylesheet" href="/heads.css">
<style>body { margin: 16px; background: #fff } body[data-jp-theme-light="false"] { background: #111 }</style></head>
<body data-jp-theme-light="true"><button id="before">before</button></body></html>"""

# As Backbone's model does, `set` keeps the value and tells every view at once, unless the value is the same; `kernel` is
# what Python would know: a copy of what `save_changes` sent.
MODEL = """() => {
window.Model = class {
  constructor(state) {
    this.state = state;
    this.kernel = { ...state };
    this.unsent = {};
    this.handlers = new Map();
    this.saves = 0;
  }
  get(name) { return this.state[name]; }
  set(name, value) {
    if (typeof name !== "string") return this;
    if (JSON.stringify(this.state[name]) === JSON.stringify(value)) { this.state[name] = value; return; }
    this.state[name] = this.unsent[name] = value;
    for (const handler of this.handlers.get(`change:${name}`) ?? []) handler();
  }
  on(name, handler) { this.handlers.set(name, [...(this.handlers.get(name) ?? []), handler]); }
  off(name, handler) { this.handlers.set(name, (this.handlers.get(name) ?? []).filter((h) => h !== handler)); }
  save_changes() {
    Object.assign(this.kernel, structuredClone(this.unsent));
    this.unsent = {};
    this.saves += 1;
  }
  listeners() { return [...this.handlers.values()].flat().length; }
}; }
"""

MOUNT = """async ([name, state]) => {
  const widget = (await import(`/${name}.js`)).default;
  const bytes = state.thumbnails && Uint8Array.from(atob(state.thumbnails), (c) => c.charCodeAt(0));
  if (bytes) state.thumbnails = new DataView(bytes.buffer);
  window.model = new Model(state);
  window.mount = () => {
    const el = document.body.appendChild(document.createElement("div"));
    return widget.render({ model, el });
  };
  window.cleanup = mount();
}"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name it overrides)
        """Say nothing: the requests are not news."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the widgets' scripts and an empty page from `folder`; gives the address."""
    for path in WIDGETS.glob("*.css"):
        shutil.copy(path, folder)
    for path in WIDGETS.glob("*.js"):
        (folder / path.name).write_text(script(path.stem), encoding="utf-8")
    (folder / "index.html").write_text(PAGE, encoding="utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def mount(page: Page, address: str, name: str, state: dict[str, Any]) -> None:
    """Open a fresh page and draw the widget called `name` ("strip" or "heads") in the given state."""
    page.goto(address)
    page.evaluate(MODEL)
    page.evaluate(MOUNT, [name, json.loads(json.dumps(state))])


def get(page: Page, name: str) -> Any:
    """The value of one of the model's traits, as Python would have it."""
    return page.evaluate("name => model.kernel[name]", name)


def put(page: Page, **traits: Any) -> None:
    """Change traits as a message from Python does: all values at once."""
    page.evaluate(
        """traits => {
          for (const [name, value] of Object.entries(traits)) model.set(name, value);
          model.save_changes();
        }""",
        traits,
    )
