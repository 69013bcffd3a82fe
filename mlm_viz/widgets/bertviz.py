"""bertviz's head view and model view for one layer, drawn without a network inside a sandboxed frame.

bertviz's own scripts and the libraries they need are read from the installed packages when a page is made: bertviz,
d3 (shipped with mpld3) and jQuery (shipped with nbclassic). None of the three is imported, which would load torch and
matplotlib. All numbers and labels reach bertviz's script as one JSON document, never as source code.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from math import isqrt
from pathlib import Path
from typing import Any, Literal
from unicodedata import east_asian_width

import numpy as np
from numpy.typing import NDArray

from mlm_viz.errors import MlmVizError
from mlm_viz.escape import clean, escape
from mlm_viz.strings import language, say

View = Literal["head", "model"]

MAX_BYTES = 20_000_000
# Each weight is one line in the page, and a browser needs about 13 microseconds of one core for each: four seconds.
MAX_LINES = 300_000
DECIMALS = 3  # a weight is drawn as an opacity, of which a screen knows 256 steps
MAX_HEIGHT = 720  # px; what is taller scrolls inside the frame

_WEIGHT_BYTES = DECIMALS + 3  # "0.123,"
_SCRIPTS: dict[View, str] = {"head": "head_view.js", "model": "model_view.js"}
_D3 = ("mpld3", "js/d3.v5.min.js")
_JQUERY = ("nbclassic", "static/components/jquery/dist/jquery.min.js")
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"

# bertviz asks require.js for jQuery and d3; both are in the page already.
_SHIM = "window.require = {config() {}}; window.requirejs = (names, start) => start(window.jQuery, window.d3);"
_READ_PARAMS = 'JSON.parse(document.getElementById("params").textContent)'
# bertviz's squares, one a head, carry no number: give each a name to hover over.
_NAME_SQUARES = """
const {head_names} = JSON.parse(document.getElementById("params").textContent);
document.querySelectorAll("#vis > svg > g:last-of-type > rect").forEach((square, i) => {
  const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
  title.textContent = head_names[i];
  square.append(title);
});
"""
# CSS wins over bertviz's attributes, which make every text black. The halo keeps long labels legible over lines.
_STYLE = """
:root { color-scheme: light; --paper: #fff; --ink: #1b1b1b; --hover: #d3d3d3; }
:root.dark { color-scheme: dark; --paper: #000; --ink: #d6d6d6; --hover: #4a4a4a; }
body { margin: 0; padding: 12px; background: var(--paper); color: var(--ink);
  font: 14px/20px "Helvetica Neue", Helvetica, Arial, "Noto Sans CJK SC", "PingFang SC", sans-serif; }
p { margin: 0 0 12px; }
svg { display: block; overflow: visible; }
svg text { fill: var(--ink); white-space: pre; paint-order: stroke; stroke: var(--paper); stroke-width: 3px; }
svg .background { fill: var(--hover); }
.dark #attention { filter: url(#stronger); }
"""
# bertviz divides each opacity by the number of heads, which black paper swallows; this brings faint lines back.
_STRONGER = """<svg width="0" height="0" aria-hidden="true"><filter id="stronger" color-interpolation-filters="sRGB"
  filterUnits="userSpaceOnUse" x="100" y="0" width="140" height="{height}">
  <feComponentTransfer><feFuncA type="gamma" exponent="0.5"/></feComponentTransfer></filter></svg>"""


class BertvizError(MlmVizError):
    """The view cannot be shown; the message is the sentence to show in its place."""


def bertviz_page(
    weights: NDArray[np.floating[Any]],
    labels: Sequence[str],
    *,
    view: View,
    layer: int,
    heads: Sequence[int] | None = None,
    dark: bool = False,
) -> str:
    """A whole HTML document that draws one layer in bertviz's head view or model view and needs no network.

    Args:
        weights: attention in [0, 1], of shape (layers, heads, query, key); only `layer` is put into the page.
        labels: one text for each token, of any content.
        view: "head" (lines between two columns of tokens) or "model" (a thumbnail for each head).
        layer: zero-based; the page counts from one.
        heads: zero-based heads to draw, all when None.
        dark: light text on black paper.

    Raises:
        ValueError: if an argument does not fit the others; says what is allowed.
        BertvizError: if the page would be too large to draw, or a package it is made from is not installed.
    """
    shown = _check(weights, labels, view, layer, heads)
    _check_size(view, labels, len(shown))
    params = _params(weights[layer, shown], [clean(label) for label in labels], view, layer, shown, dark=dark)
    head_view = view == "head"
    body = [
        f"<p>{escape(say(f'bertviz.{view}.caption', layer=layer + 1))}</p>",
        f'<div id="bertviz"{_room_for(labels) if head_view else ""}><div id="vis"></div></div>',
        _STRONGER.format(height=_drawing_height("head", len(labels), 1)) if head_view and dark else "",
        f'<script type="application/json" id="params">{_json(params)}</script>',
        _libraries(),
        _script(_installed("bertviz", _SCRIPTS[view]).replace("PYTHON_PARAMS", _READ_PARAMS, 1)),
        _script(_NAME_SQUARES) if head_view else "",
    ]
    return _document(escape(_title(view, layer)), "\n".join(body), dark=dark)


def bertviz_frame(
    weights: NDArray[np.floating[Any]],
    labels: Sequence[str],
    *,
    view: View,
    layer: int,
    heads: Sequence[int] | None = None,
    dark: bool = False,
) -> str:
    """Markup for an `ipywidgets.HTML`: `bertviz_page` in a sandboxed iframe, or a sentence saying why there is none.

    The frame may run scripts but has no access to the notebook, to storage or to the network. Arguments as
    `bertviz_page` takes them.

    Raises:
        ValueError: if an argument does not fit the others; says what is allowed.
    """
    try:
        page = bertviz_page(weights, labels, view=view, layer=layer, heads=heads, dark=dark)
    except BertvizError as reason:
        return f'<p role="status">{escape(str(reason))}</p>'
    height = frame_height(view, len(labels), weights.shape[1] if heads is None else len(heads))
    style = (
        f"display:block;box-sizing:border-box;width:100%;height:{height}px;border:1px solid rgba(128,128,128,.5);"
        f"border-radius:6px;background:{'#000' if dark else '#fff'}"
    )
    title = escape(_title(view, layer))
    return f'<iframe sandbox="allow-scripts" title="{title}" style="{style}" srcdoc="{escape(page)}"></iframe>'


def frame_height(view: View, tokens: int, heads: int) -> int:
    """Height of a frame in px that shows a short text without scrolling; never above `MAX_HEIGHT`."""
    around = 92  # padding, a caption of two lines, a horizontal scroll bar
    return min(MAX_HEIGHT, around + _drawing_height(view, tokens, heads))


def frame_bytes(view: View, labels: Sequence[str], heads: int) -> int:
    """At most so many bytes `bertviz_frame` sends for `heads` heads over `labels`; nothing is built to find out."""
    tokens = len(labels)
    drawn = heads * (tokens * (_WEIGHT_BYTES * tokens + 3) + 64)
    # Two columns of texts; a character is at most two \uXXXX in JSON, and quotes become entities.
    texts = 2 * sum(12 * len(label) + len("&#34;&#34;,") for label in labels)
    return _fixed_bytes(view) + drawn + texts


def fits(view: View, labels: Sequence[str], heads: int) -> bool:
    """Whether `heads` heads over `labels` can be drawn without freezing the tab."""
    return frame_bytes(view, labels, heads) <= MAX_BYTES and heads * len(labels) ** 2 <= MAX_LINES


def _check(
    weights: NDArray[np.floating[Any]], labels: Sequence[str], view: View, layer: int, heads: Sequence[int] | None
) -> list[int]:
    """The heads to show, once every argument has been found to fit."""
    if view not in _SCRIPTS:
        raise ValueError(say("bertviz.error.view", view=view))
    size = len(labels)
    if weights.ndim != 4 or weights.shape[2:] != (size, size) or size == 0:
        raise ValueError(say("bertviz.error.shape", shape=weights.shape, size=size))
    layers, total = weights.shape[:2]
    if not 0 <= layer < layers:
        raise ValueError(say("bertviz.error.layer", layer=layer, last=layers - 1))
    shown = list(range(total)) if heads is None else list(heads)
    if not shown or not all(0 <= head < total for head in shown):
        raise ValueError(say("bertviz.error.heads", heads=shown, last=total - 1))
    return shown


def _check_size(view: View, labels: Sequence[str], heads: int) -> None:
    """Raises `BertvizError` with the sentence to show if the page would freeze the tab."""
    if fits(view, labels, heads):
        return
    tokens = len(labels)
    size, lines = frame_bytes(view, labels, heads), heads * tokens * tokens
    sentence = say(
        "bertviz.too_large",
        view=view,
        tokens=tokens,
        heads=heads,
        size=f"{size / 1e6:.1f}",
        lines=f"{lines:,}",
        max_size=f"{MAX_BYTES / 1e6:.0f}",
        max_lines=f"{MAX_LINES:,}",
        most=isqrt(MAX_LINES // heads),
        single=isqrt(MAX_LINES),
    )
    raise BertvizError(sentence)


def _params(
    weights: NDArray[np.floating[Any]], labels: list[str], view: View, layer: int, heads: list[int], *, dark: bool
) -> dict[str, Any]:
    """What bertviz's script expects, from `weights` (heads, query, key); layers and heads are named from one.

    Source: the `params` of bertviz 1.4.1's head_view.py and model_view.py.
    """
    rounded = np.round(weights.astype(np.float64), DECIMALS)  # in float64, so that 0.123 is written as 0.123
    params: dict[str, Any] = {
        "attention": [{"name": None, "attn": [rounded.tolist()], "left_text": labels, "right_text": labels}],
        "default_filter": "0",
        "root_div_id": "bertviz",
        "include_layers": [layer + 1],
    }
    if view == "head":
        names = [say("bertviz.head.square", head=head + 1) for head in heads]
        return params | {"layer": layer + 1, "heads": None, "head_names": names}
    mode = "dark" if dark else "light"
    shown = [head + 1 for head in heads]
    return params | {"display_mode": mode, "include_heads": shown, "total_heads": _columns(len(heads))}


def _drawing_height(view: View, tokens: int, heads: int) -> int:
    """Height in px of what bertviz draws.

    Source: the row heights of bertviz 1.4.1's head_view.js and model_view.js.
    """
    if view == "head":
        return round(30 + 22.5 * tokens)
    thumbnail = 48 + 7 * 12 / _columns(heads) * tokens
    detail = 55 + 18 * tokens  # opened by a click
    return round(max(thumbnail, detail))


def _columns(heads: int) -> int:
    """Thumbnails that fit the model view's width: bertviz would blow up one or two to the size of the page."""
    return max(heads, 6)


def _json(value: object) -> str:
    """JSON that can stand in a script element: ASCII, and no "<" that could close it or open a comment."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _room_for(labels: Sequence[str]) -> str:
    """A style attribute moving the head view right by what its longest label needs beyond bertviz's 100 px."""
    widest = max(sum(15 if east_asian_width(sign) in "WF" else 9 for sign in label) for label in labels)
    return f' style="margin-left:{min(max(widest - 100, 0), 400)}px"'


def _title(view: View, layer: int) -> str:
    return say(f"bertviz.{view}.title", layer=layer + 1)


def _script(source: str) -> str:
    return f"<script>{source}</script>"


def _document(title: str, body: str, *, dark: bool) -> str:
    return (
        f'<!DOCTYPE html>\n<html lang="{language()}" class="{"dark" if dark else "light"}">\n<head>\n'
        f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


@cache
def _libraries() -> str:
    return "\n".join(_script(source) for source in (_installed(*_JQUERY), _installed(*_D3), _SHIM))


@cache
def _fixed_bytes(view: View) -> int:
    """Bytes of everything in a frame but its weights and labels, with room for the captions."""
    return len(escape(_libraries() + _installed("bertviz", _SCRIPTS[view]) + _STYLE + _NAME_SQUARES).encode()) + 10_000


@cache
def _installed(package: str, path: str) -> str:
    """The text of a file that an installed package carries, without importing the package.

    Raises:
        BertvizError: if the package or the file is not there; says what to install.
    """
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder, path)
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise BertvizError(say("bertviz.missing", package=package, path=path))
