"""The explorer's page without a browser: its widgets, what they hold in sync, and the answers a browser would give."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import mlm_viz
from mlm_viz.model import Model
from mlm_viz.widgets.explorer import Explorer
from mlm_viz.widgets.live_figure import LiveFigure

_CODE = frozenset({"_esm", "_css"})  # the same for every text, and sent once


def open_page(text: str, model: Model) -> Explorer:
    """The page on `text` with its last token masked, the attention open, and all figures drawn."""
    page = mlm_viz.explore(text, model)
    assert page.state.sentence is not None
    page.masked = page.state.sentence.maskable[-1:]
    page.state.want(attention=True)
    for widget in held_by(page):
        if isinstance(widget, LiveFigure):
            # What plotly's script says once it has drawn; only then are changes passed on.
            widget.set_trait("_js2py_traceDeltas", {"trace_edit_id": 0, "trace_deltas": []})
    return page


def held_by(*roots: Any) -> Iterator[Any]:
    """Widgets and all that they hold, each once."""
    from ipywidgets.widgets.widget import _instances

    waiting, seen = list(roots), set()
    while waiting:
        widget = waiting.pop()
        if widget.model_id in seen:
            continue
        seen.add(widget.model_id)
        yield widget
        waiting += [_instances[name] for name in re.findall(r"IPY_MODEL_(\w+)", _split(widget)[0])]


def synced_bytes(*roots: Any) -> int:
    """Bytes of what widgets, and all that they hold, have in sync with the page; code is not counted."""
    return sum(len(text.encode()) + size for text, size in map(_split, held_by(*roots)))


def _split(widget: Any) -> tuple[str, int]:
    """A widget's state as the text that is sent, and the bytes of the buffers beside it."""
    from ipywidgets.widgets.widget import _remove_buffers

    kept = [name for name in widget.keys if name not in _CODE]
    state, _, buffers = _remove_buffers(widget.get_state(kept))
    return json.dumps(state), sum(memoryview(buffer).nbytes for buffer in buffers)
