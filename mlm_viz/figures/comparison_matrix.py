"""Who looks at whom in a model, as a matrix: full, triangular, or of an encoder and a decoder; and the same as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mlm_viz.comparison import Pattern
from mlm_viz.escape import escape
from mlm_viz.figures import labels, theme
from mlm_viz.figures.comparison_labels import MARGINS, heading, key_names, part_names, query_ticks, shape_of
from mlm_viz.figures.heatmap import attention_cells
from mlm_viz.figures.theme import Colours
from mlm_viz.strings import say

_HEIGHT = 560
_WIDTH = 268  # pixels: of the map on the narrowest page it should be read on
_HATCH = 9  # pixels at least between two strokes


def pattern_matrix(
    pattern: Pattern, *, title: str = "", top: float | None = None, room: int | None = None, dark: bool = False
) -> go.Figure:
    """Attention as a matrix: queries down, keys to the right; where a query may not look the cell is hatched.

    The row of the guess is outlined. Of an encoder-decoder a line parts what is read from what is written. The traces
    are the weights, the closed cells, and two that stand in the legend only; the height is always the same.

    Args:
        pattern: of one text.
        title: what the model is called.
        top: where the scale ends, so that several matrices can share one; `pattern_top` by default.
        room: for how many tokens there is room, so that a text that grows does not change the size of the cells.
        dark: for a dark page.
    """
    ink = theme.colours(dark=dark)
    tokens = len(pattern.labels)
    room = max(tokens, room or 0)
    # Categories with a number in front: hovering tells the whole token, and equal tokens stay apart.
    names = [f"{place} {labels.markup(label)}" for place, label in enumerate(pattern.labels, 1)]
    scale = labels.axis_top(pattern_top(pattern) if top is None else top)
    spacing = _WIDTH / room
    figure = go.Figure(
        [_weights(pattern, names, scale, ink, gap=1 if spacing > 6 else 0), _closed(pattern, names, ink)]
    )
    figure.add_traces([_swatch("comparison.pattern.closed", ink.grid, ink.ghost_line, ink), _swatch_of_slot()])
    common = {"type": "category", "categoryorder": "array", "categoryarray": names, "constrain": "domain"}
    ticks = query_ticks(pattern, spacing, ink)
    figure.layout = theme.layout(
        ink,
        _HEIGHT,
        **MARGINS,
        legend=_legend(ink),
        xaxis=theme.axis(
            ink, **common, range=[-0.5, room - 0.5], showgrid=False, showticklabels=False, constraintoward="left"
        ),
        yaxis=theme.axis(
            ink, **common, **ticks, range=[room - 0.5, -0.5], showgrid=False, constraintoward="top", scaleanchor="x"
        ),
        shapes=[*_strokes(pattern, spacing, ink), *_row(pattern), *_border(pattern, ink)],
        annotations=[*heading(pattern, title, ink), *key_names(pattern, spacing, ink), *part_names(pattern, ink)],
    )
    return figure


def pattern_top(pattern: Pattern) -> float:
    """A weight that no more than 2 % of the open cells exceed: whoever may look at one token only gives it all."""
    return float(np.quantile(pattern.weights[pattern.open], 0.98)) if pattern.open.any() else 0.0


# --- cells ------------------------------------------------------------------------------------------------------------


def _weights(pattern: Pattern, names: list[str], top: float, ink: Colours, gap: int) -> go.Heatmap:
    ticks = [top * share for share in (0, 0.4, 1)]
    over = "≥" if float(pattern.weights.max(initial=0.0)) > top else ""
    texts = [*(f"{100 * tick:g} %" for tick in ticks[:-1]), f"{over}{100 * top:g} %"]
    place = {"xref": "container", "len": 340, "thickness": 14, "xpad": 22, "ypad": 4}
    name, size = say("comparison.pattern.weight"), theme.SIZE - 1
    bar = theme.colour_bar(ink, name, ticks, texts, size=size, ticks="outside", tickangle=0, **place)
    return attention_cells(np.where(pattern.open, pattern.weights, np.nan), names, top, bar, gap)


def _closed(pattern: Pattern, names: list[str], ink: Colours) -> go.Heatmap:
    told = escape(say("comparison.pattern.closed"))
    return go.Heatmap(
        z=np.where(pattern.open, np.nan, 1.0),
        x=names,
        y=names,
        zmin=0,
        zmax=1,
        colorscale=[[0, ink.grid], [1, ink.grid]],
        showscale=False,
        hoverongaps=False,
        hovertemplate=f"%{{y}} → %{{x}}: {told}<extra></extra>",
    )


def _strokes(pattern: Pattern, spacing: float, ink: Colours) -> list[dict[str, Any]]:
    """Hatching over the closed cells: one path of strokes from the lower left to the upper right."""
    path = " ".join(f"M{x0:g},{y0:g} L{x1:g},{y1:g}" for x0, y0, x1, y1 in _runs(pattern, spacing))
    if not path:
        return []
    return [{"type": "path", "path": path, "line": {"color": ink.ghost_line, "width": 1.5}, "layer": "above"}]


def _runs(pattern: Pattern, spacing: float) -> Iterator[tuple[float, float, float, float]]:
    """The strokes: runs of closed cells along the diagonals, from corner to corner."""
    tokens = len(pattern.labels)
    closed = ~pattern.open
    for diagonal in range(0, 2 * tokens - 1, max(1, round(_HATCH / spacing))):
        keys = np.arange(max(0, diagonal - tokens + 1), min(diagonal, tokens - 1) + 1)
        shut = np.concatenate([[False], closed[diagonal - keys, keys], [False]])
        begins, ends = np.flatnonzero(shut[1:] & ~shut[:-1]), np.flatnonzero(shut[:-1] & ~shut[1:])
        for begin, end in zip(begins, ends, strict=True):
            first, last = int(keys[begin]), int(keys[end - 1])
            yield first - 0.5, diagonal - first + 0.5, last + 0.5, diagonal - last - 0.5


def _row(pattern: Pattern) -> list[dict[str, Any]]:
    """The row of the guess, in the slot's colour on a dark casing that keeps it apart from the brightest cells."""
    place = {"x0": -0.5, "x1": len(pattern.labels) - 0.5, "y0": pattern.slot - 0.5, "y1": pattern.slot + 0.5}
    lines = ({"color": "#1b1300", "width": 5}, {"color": theme.LIGHT.slot, "width": 2.5})
    return [{"type": "rect", **place, "line": line, "layer": "above"} for line in lines]


def _border(pattern: Pattern, ink: Colours) -> list[dict[str, Any]]:
    """Between what is read and what is written; nothing where nothing is."""
    if not pattern.written.any():
        return []
    edge, last = int(np.argmax(pattern.written)) - 0.5, len(pattern.labels) - 0.5
    down, across = {"x0": edge, "x1": edge, "y0": -0.5, "y1": last}, {"x0": -0.5, "x1": last, "y0": edge, "y1": edge}
    lines = ({"color": ink.page, "width": 6}, {"color": ink.text, "width": 2.5})
    return [{"type": "line", **place, "line": line, "layer": "above"} for line in lines for place in (down, across)]


def _legend(ink: Colours) -> dict[str, Any]:
    place = {"orientation": "h", "x": 0, "xref": "container", "xanchor": "left", "yref": "container", "yanchor": "top"}
    font = {"size": theme.SIZE - 2, "color": ink.text}
    look = {"bgcolor": "rgba(0,0,0,0)", "font": font, "traceorder": "normal", "itemclick": False}
    return {**place, **look, "y": 1 - 58 / _HEIGHT, "itemdoubleclick": False}


def _swatch(key: str, fill: str, hatch: str, ink: Colours) -> go.Bar:
    pattern = {"shape": "/", "fillmode": "overlay", "fgcolor": hatch, "size": 6, "solidity": 0.3}
    marker = {"color": fill, "pattern": pattern, "line": {"color": ink.muted, "width": 1}}
    return go.Bar(x=[None], y=[None], name=escape(say(key)), marker=marker, showlegend=True, hoverinfo="skip")


def _swatch_of_slot() -> go.Scatter:
    line = {"color": theme.LIGHT.slot, "width": 4}
    name = escape(say("comparison.pattern.slot"))
    return go.Scatter(x=[None], y=[None], mode="lines", name=name, line=line, showlegend=True, hoverinfo="skip")


def pattern_text(pattern: Pattern, most: int = 5) -> str:
    """What `pattern_matrix` shows, as plain lines: its shape, and the keys that the row of the guess looks at most."""
    row = pattern.weights[pattern.slot]
    order = np.argsort(-row, kind="stable")[:most]
    closed = int((~pattern.open).sum())
    lines = [
        say(f"comparison.pattern.{shape_of(pattern)}"),
        say("comparison.pattern.text.closed", closed=closed, cells=pattern.open.size),
        say("comparison.pattern.text.slot", query=pattern.labels[pattern.slot], number=pattern.slot + 1),
    ]
    for key in order:
        value = labels.percent(float(row[key]))
        lines.append(say("figure.attention.text.key", key=pattern.labels[key], number=int(key) + 1, value=value))
    return "\n".join(lines)
