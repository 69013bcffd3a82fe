"""One attention head as a heat map."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from mlm_viz.escape import escape
from mlm_viz.figures import labels, theme
from mlm_viz.figures.theme import Colours
from mlm_viz.results import Attention, Floats32, Floats64
from mlm_viz.strings import say

_LABEL_EMS = 7.5
_MARGINS = {"left": 136, "right": 56, "top": 144, "bottom": 98}


def attention_heatmap(
    attention: Attention, layer: int, head: int, *, slot: int | None = None, dark: bool = False, height: int = 640
) -> go.Figure:
    """One head: queries down, keys to the right, the colour is the weight.

    The scale ends at the next of 10, 25, 50 and 100 % above the largest weight, so that a head that looks everywhere
    in a long text is not all dark; the colour bar says so.

    Args:
        attention: of a text; rows of its weights sum to at most 1.
        layer: counted in the model, from zero.
        head: from zero.
        slot: position (among the labels of `attention`) whose row and column are outlined.
        dark: for a dark page.
        height: of the figure in pixels.
    """
    ink = theme.colours(dark=dark)
    tokens = len(attention.labels)
    spacing = (height - _MARGINS["top"] - _MARGINS["bottom"]) / max(tokens, 1)
    # Categories with a number in front: hovering tells the whole token, and equal tokens stay apart.
    names = [f"{place} {labels.markup(label)}" for place, label in enumerate(attention.labels, 1)]
    both = _tokens(attention, names, slot, spacing, ink)
    figure = go.Figure(_cells(attention.head(layer, head), names, ink, gap=1 if spacing > 8 else 0))
    figure.layout = theme.layout(
        ink,
        height,
        **_MARGINS,
        xaxis={**both, "side": "top", "tickangle": -60, "constraintoward": "left"},
        yaxis={**both, "range": both["range"][::-1], "constraintoward": "top", "scaleanchor": "x"},
        shapes=[] if slot is None else _outline(slot, tokens, 3 / spacing),
        annotations=_axis_names(ink),
    )
    return figure


def _tokens(attention: Attention, names: list[str], slot: int | None, spacing: float, ink: Colours) -> dict[str, Any]:
    """The axis of tokens that queries and keys share."""
    inks = labels.token_inks(attention.special, slot, ink)
    axis = labels.token_axis(ink, attention.labels, inks=inks, spacing=spacing, most=_LABEL_EMS, keep=slot)
    # plotly tells a tick's short label where the pointer is on the tick exactly; a hair beside, the whole token.
    beside = 2e-4 * len(names)
    kind = {"type": "category", "categoryorder": "array", "categoryarray": names, "constrain": "domain"}
    return {**axis, **kind, "tickvals": [place + beside for place in axis["tickvals"]]}


def _cells(weights: Floats32, names: list[str], ink: Colours, gap: int) -> go.Heatmap:
    top = labels.axis_top(float(weights.max(initial=0.0)))
    ticks = [top * share for share in (0, 0.2, 0.5, 1)]
    texts = [f"{100 * tick:g} %" for tick in ticks]
    bar = theme.colour_bar(ink, say("figure.attention"), ticks, texts, ticks="outside", tickangle=0)
    return attention_cells(weights, names, top, bar, gap)


def attention_cells(
    weights: Floats32 | Floats64, names: list[str], top: float, bar: dict[str, Any], gap: int
) -> go.Heatmap:
    """A matrix of attention as coloured cells, queries down and keys to the right.

    Args:
        weights: (query, key) in [0, 1]; NaN leaves a hole.
        names: (tokens,) what they are called on both axes.
        top: the weight at which the scale ends.
        bar: of the colours, see `theme.colour_bar`.
        gap: pixels between two cells.
    """
    return go.Heatmap(
        # plotly sends a matrix to the page as written numbers: as many digits as are told on hovering, and no more.
        z=np.round(weights.astype(np.float64), 4),
        x=names,
        y=names,
        zmin=0,
        zmax=top,
        colorscale=theme.attention_scale(),
        colorbar=bar,
        xgap=gap,
        ygap=gap,
        hoverongaps=False,
        hovertemplate="%{y} → %{x}: %{z:.2%}<extra></extra>",
    )


def _outline(slot: int, tokens: int, beside: float) -> list[dict[str, Any]]:
    """The slot's row and column, in its colour on a dark casing that keeps it apart from the brightest cells.

    The lines run `beside` the cells (in cells), so that they do not cover the row of a long text, thinner than a line.
    """
    first, last = slot - 0.5 - beside, slot + 0.5 + beside
    column = {"x0": first, "x1": last, "y0": -0.5, "y1": tokens - 0.5}
    row = {"x0": -0.5, "x1": tokens - 0.5, "y0": first, "y1": last}
    lines = ({"color": "#1b1300", "width": 5}, {"color": theme.LIGHT.slot, "width": 2.5})
    return [{"type": "rect", **place, "line": line, "layer": "above"} for line in lines for place in (column, row)]


def _axis_names(ink: Colours) -> list[dict[str, Any]]:
    """What the axes are, in the corner where both begin: a title along an axis would be far from a narrow map."""
    common = {"xref": "paper", "yref": "paper", "showarrow": False, "font": {"color": ink.muted}}
    down = {"text": escape(say("figure.attention.query")) + " ↓", "x": 0, "xanchor": "right", "xshift": -10}
    across = {"text": escape(say("figure.attention.key")) + " →", "x": 0, "xanchor": "left"}
    return [
        {**common, **down, "y": 1, "yanchor": "bottom", "yshift": 8},
        {**common, **across, "y": 1, "yanchor": "bottom", "yshift": _MARGINS["top"] - 28},
    ]
