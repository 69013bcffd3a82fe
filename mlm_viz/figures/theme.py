"""Colours, fonts and the layout that all figures share, for light and dark pages.

Source: M. Okabe and K. Ito, "Color Universal Design" (2008) for the palette that any colour vision can tell apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlm_viz.comparison import Side
from mlm_viz.escape import escape

FONT = 'system-ui, "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif'
SIZE = 16  # pixels; read from the last row of a lecture hall

# Dark to light with rising lightness and no red against green: reads in greyscale and on light and dark pages.
ATTENTION = ("#0a1a3f", "#2b4272", "#5f6877", "#938c72", "#cbb356", "#fde97a")


# What each side of a comparison is drawn in, the same in every figure: which of `Colours.series`, dash, marker, and the
# hatching of a bar. The blinded model is the masked one, so it has the same colour, open and dotted. Green is left to
# the true word.
_SIDES: dict[Side, tuple[int, str, str, str]] = {
    "masked": (0, "solid", "circle", ""),
    "blinded": (0, "dot", "circle-open", "."),
    "causal": (1, "dash", "diamond", "/"),
    "span": (3, "dashdot", "square", "x"),
}

# For named curves, in the order of `Colours.series`: dash and marker, each of which tells the curves apart alone.
LINES = (("solid", "circle"), ("dash", "diamond"), ("dot", "square"), ("dashdot", "triangle-up"))


@dataclass(frozen=True)
class Colours:
    """What each thing is drawn in, the same in every figure; `_ink` is the shade for text, `page` JupyterLab's own."""

    text: str
    muted: str
    grid: str
    page: str
    paper: str
    slot_ink: str
    original_ink: str
    guess: str
    extra: str
    ghost: str
    ghost_line: str
    left: str
    right: str
    slot: str = "#E69F00"
    original: str = "#009E73"
    special: str = "#8A8F98"
    replaced: str = "#CC79A7"
    kept: str = "#F0E442"
    series: tuple[str, ...] = ()


LIGHT = Colours(
    text="#1b1f24",
    muted="#57606a",
    grid="#d5dae0",
    page="#ffffff",
    paper="#ffffff",
    slot_ink="#955f00",
    original_ink="#00654a",
    guess="#0072B2",
    extra="#6a5acd",
    ghost="rgba(87, 96, 106, 0.20)",
    ghost_line="#6b747e",
    left="#0072B2",
    right="#D55E00",
    series=("#0072B2", "#D55E00", "#00654a", "#9c4577"),
)
DARK = Colours(
    text="#f1f3f5",
    muted="#aeb6c0",
    grid="#454d57",
    page="#111111",
    paper="#24292f",
    slot_ink="#f2b84b",
    original_ink="#56d3ae",
    guess="#56B4E9",
    extra="#a99bff",
    ghost="rgba(174, 182, 192, 0.22)",
    ghost_line="#aeb6c0",
    left="#56B4E9",
    right="#FF8A4C",
    series=("#56B4E9", "#FF8A4C", "#56d3ae", "#e3a3c6"),
)


def colours(*, dark: bool) -> Colours:
    """The colours for a dark or a light page."""
    return DARK if dark else LIGHT


@dataclass(frozen=True)
class SideLook:
    """How one side of a comparison is drawn: each tells it apart alone, but for the colour of the blinded one."""

    colour: str
    dash: str
    symbol: str
    hatching: str


def side_look(side: Side, ink: Colours) -> SideLook:
    """How a side is drawn on a dark or a light page."""
    series, dash, symbol, hatching = _SIDES[side]
    return SideLook(ink.series[series], dash, symbol, hatching)


def colour_bar(
    ink: Colours, name: str, places: Sequence[float], texts: Sequence[str], *, size: int = SIZE, **more: Any
) -> dict[str, Any]:
    """The bar of a colour scale, lying below a map at its left end.

    Args:
        ink: the colours of the page.
        name: of what the colours mean, not yet escaped.
        places: values that are told.
        texts: what stands at them.
        size: of the letters, in pixels.
        **more: whatever else plotly takes, or takes instead.
    """
    return {
        "orientation": "h",
        "x": 0,
        "xanchor": "left",
        "y": 0,
        "yref": "container",
        "yanchor": "bottom",
        "lenmode": "pixels",
        "len": 360,
        "thickness": 16,
        "xpad": 0,
        "ypad": 6,
        "outlinewidth": 0,
        "tickvals": list(places),
        "ticktext": list(texts),
        "tickfont": {"size": size, "color": ink.text},
        "title": {"text": escape(name), "side": "right", "font": {"size": size}},
        **more,
    }


def attention_scale(steps: int = 40) -> list[list[Any]]:
    """Colour scale for weights in [0, 1], as plotly takes it: pairs of position and colour.

    The square root of a weight picks its colour, so that weak attention is visible beside strong. The square stands in
    the positions and not in the weights, so that the ticks of the colour bar stay true.
    """
    return [[(step / steps) ** 2, _between(step / steps)] for step in range(steps + 1)]


def diverging_scale(ink: Colours) -> list[list[Any]]:
    """Colour scale for a gain: what lowers the word, the page for nothing, what raises it.

    Orange against blue, which any colour vision tells apart; the sign stands in the cell as well.
    """
    return [[0.0, ink.right], [0.5, ink.page], [1.0, ink.guess]]


def _between(share: float) -> str:
    """The colour at `share` in [0, 1] of the way through `ATTENTION`."""
    place = share * (len(ATTENTION) - 1)
    first = min(int(place), len(ATTENTION) - 2)
    pairs = zip(_channels(ATTENTION[first]), _channels(ATTENTION[first + 1]), strict=True)
    mixed = (round(a + (b - a) * (place - first)) for a, b in pairs)
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _channels(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


def layout(ink: Colours, height: int, *, left: int, right: int, top: int, bottom: int, **more: Any) -> dict[str, Any]:
    """The layout common to all figures.

    Args:
        ink: the colours of the page.
        height: of the figure in pixels; the width is the page's.
        left: margin in pixels. The margins are fixed, so that a longer label does not move the plot; labels are
            shortened to fit them (`labels.short`).
        right: the same.
        top: the same; the legend stands in it.
        bottom: the same.
        more: further layout properties, which win over the common ones.
    """
    common: dict[str, Any] = {
        "template": "none",
        "height": height,
        "autosize": True,
        "margin": {"l": left, "r": right, "t": top, "b": bottom, "pad": 4, "autoexpand": False},
        # Not clear: a figure on its own does not know the page, and dark text on a dark page could not be read.
        "paper_bgcolor": ink.page,
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": SIZE, "color": ink.text},
        "hoverlabel": {
            "font": {"family": FONT, "size": SIZE, "color": ink.text},
            "bgcolor": ink.paper,
            "bordercolor": ink.muted,
            "align": "left",
        },
        "legend": {
            "orientation": "h",
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "bgcolor": "rgba(0,0,0,0)",
            "font": {"size": SIZE - 1, "color": ink.text},
            "traceorder": "normal",
            "itemclick": False,
            "itemdoubleclick": False,
        },
        "uirevision": "mlm_viz",
        "dragmode": False,
    }
    return {**common, **more}


def axis(ink: Colours, **more: Any) -> dict[str, Any]:
    """An axis that does not move under the pointer; `more` wins."""
    common = {
        "gridcolor": ink.grid,
        "zeroline": False,
        "showline": False,
        "fixedrange": True,
        "automargin": False,
        "tickfont": {"color": ink.text, "size": SIZE},
        "autorange": False,
        "ticks": "",
    }
    return {**common, **more}


def title(text: str, ink: Colours) -> dict[str, Any]:
    """The title of an axis, which stands back behind the data. `text` is markup: escape it first."""
    return {"text": text, "font": {"size": SIZE, "color": ink.muted}, "standoff": 6}


def pattern(shape: str, colour: str) -> dict[str, Any]:
    """Hatching over a bar's own colour, so that colour is never the only carrier of a meaning."""
    return {"shape": shape, "fillmode": "overlay", "fgcolor": colour, "fgopacity": 0.8, "size": 8, "solidity": 0.25}
