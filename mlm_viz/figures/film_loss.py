"""The loss in the film of a training: a curve for each held-out text, and a mark that moves along them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mlm_viz.escape import escape
from mlm_viz.figures import labels, theme
from mlm_viz.figures.theme import Colours
from mlm_viz.film import Film
from mlm_viz.results import Floats64
from mlm_viz.strings import say

_MARGINS = {"left": 64, "right": 132, "top": 40, "bottom": 58}
_HEIGHT = 406
_NAME = 18  # pixels from one name of a curve to the next
_NAME_EMS = 8.5
_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x", "star", "triangle-down", "hexagon", "bowtie")


def film_loss(film: Film, frame: int, *, dark: bool = False) -> go.Figure:
    """Loss in bits by held-out text against the step, and a mark at the frame.

    The axis is log10(1 + step), on which step 0 has a place. The traces are a curve for each text, lines to their
    names, the names, and the points at the frame; of these only the last differs from frame to frame.

    Args:
        film: of a training.
        frame: from 0.
        dark: for a dark page.
    """
    ink = theme.colours(dark=dark)
    places = np.log10(1.0 + film.steps)
    width = max(float(places[-1]), 0.3)
    top = float(np.ceil(np.nanmax(film.bits))) if np.isfinite(film.bits).any() else 1.0
    figure = go.Figure()
    for source in range(len(film.sources)):
        figure.add_trace(_curve(film, source, places, ink))
    height = max(_HEIGHT, _MARGINS["top"] + _MARGINS["bottom"] + _NAME * len(film.sources))
    gap = _NAME * top / (height - _MARGINS["top"] - _MARGINS["bottom"])
    figure.add_traces(_names(film, width, gap, top, ink))
    figure.add_trace(_points(film, frame, places, ink))
    up = {"range": [0, top], "nticks": 8, "title": labels.token_title("figure.film.loss", ink)}
    figure.layout = theme.layout(
        ink,
        height,
        **_MARGINS,
        xaxis=_step_axis(int(film.steps[-1]), width, ink),
        yaxis=theme.axis(ink, **up),
        shapes=[_mark(places[frame], ink)],
        annotations=[_mark_name(film, frame, places[frame] / width, ink)],
        hovermode="closest",
    )
    return figure


def _step_axis(last: int, width: float, ink: Colours) -> dict[str, Any]:
    steps = [0] + [10**power for power in range(12) if 10**power <= max(last, 1)]
    ticks = {
        "tickmode": "array",
        "tickvals": [float(np.log10(1 + step)) for step in steps],
        "ticktext": [f"{step:,}" for step in steps],
        "showgrid": False,
    }
    title = labels.token_title("figure.film.step", ink)
    return theme.axis(ink, range=[-0.04 * width, 1.1 * width], title=title, **ticks)


def _style(film: Film, source: int, ink: Colours) -> tuple[str, str, str]:
    """Colour, dash and symbol of a curve: texts whose names begin alike ("en_wiki", "en_news") share a colour."""
    families = [name.partition("_")[0] for name in film.sources]
    colour = list(dict.fromkeys(families)).index(families[source])
    within = families[:source].count(families[source]) + colour // len(ink.series)
    dash = theme.LINES[within % len(theme.LINES)][0]
    return ink.series[colour % len(ink.series)], dash, _SYMBOLS[source % len(_SYMBOLS)]


def _curve(film: Film, source: int, places: Floats64, ink: Colours) -> go.Scatter:
    colour, dash, symbol = _style(film, source, ink)
    bits = film.bits[:, source]
    told = [
        say("figure.film.point", source=film.sources[source], step=int(step), bits=value)
        for step, value in zip(film.steps, bits, strict=True)
    ]
    return go.Scatter(
        x=places.tolist(),
        y=_sendable(bits),
        customdata=[labels.lines(line) for line in told],
        name=labels.markup(film.sources[source], _NAME_EMS),
        showlegend=False,
        mode="lines+markers",
        line={"color": colour, "width": 2.5, "dash": dash},
        marker={"color": colour, "size": 6, "symbol": symbol},
        hovertemplate="%{customdata}<extra></extra>",
    )


def _names(film: Film, width: float, gap: float, top: float, ink: Colours) -> list[go.Scatter]:
    """The name of each curve behind its end, and a line to it: names are pushed apart where they would touch."""
    ends = {source: values[-1] for source in range(len(film.sources)) if len(values := _measured(film.bits[:, source]))}
    order = sorted(ends, key=lambda source: ends[source])
    heights = spread([ends[source] for source in order], gap, top)
    x: list[float | None] = []
    y: list[float | None] = []
    for source, height in zip(order, heights, strict=True):
        x += [1.01 * width, 1.08 * width, None]
        y += [float(ends[source]), height, None]
    unseen: dict[str, Any] = {"hoverinfo": "skip", "showlegend": False}
    lines = go.Scatter(x=x, y=y, mode="lines", line={"color": ink.muted, "width": 1}, **unseen)
    names = go.Scatter(
        x=[1.08 * width] * len(order),
        y=heights,
        text=[f" {labels.markup(film.sources[source], _NAME_EMS)}" for source in order],
        mode="text",
        textposition="middle right",
        textfont={"size": theme.SIZE - 2, "color": [_style(film, source, ink)[0] for source in order]},
        cliponaxis=False,
        **unseen,
    )
    return [lines, names]


def spread(wanted: Sequence[float], gap: float, top: float) -> list[float]:
    """Heights as near as can be to those wanted, at least `gap` apart, and within 0 and `top` if there is room.

    Args:
        wanted: in rising order.
        gap: least distance.
        top: highest place.

    Source: pool-adjacent-violators; M. Ayer et al., "An Empirical Distribution Function for Sampling with Incomplete
    Information" (1955). Less the gaps, the heights must only not fall.
    """
    pools: list[list[float]] = []
    for number, height in enumerate(wanted):
        pools.append([height - number * gap])
        while len(pools) > 1 and np.mean(pools[-2]) > np.mean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    level = [float(np.mean(pool)) for pool in pools for _ in pool]
    highest = top - gap * (len(level) - 1)
    return [max(min(low, highest), 0.0) + number * gap for number, low in enumerate(level)]


def _points(film: Film, frame: int, places: Floats64, ink: Colours) -> go.Scatter:
    styles = [_style(film, source, ink) for source in range(len(film.sources))]
    return go.Scatter(
        x=[float(places[frame])] * len(film.sources),
        y=_sendable(film.bits[frame]),
        mode="markers",
        marker={
            "color": [colour for colour, _, _ in styles],
            "symbol": [symbol for _, _, symbol in styles],
            "size": 13,
            "line": {"color": ink.text, "width": 1.5},
        },
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )


def _mark(place: float, ink: Colours) -> dict[str, Any]:
    line = {"color": ink.text, "width": 2}
    return {"type": "line", "x0": place, "x1": place, "yref": "paper", "y0": 0, "y1": 1, "line": line, "layer": "below"}


def _mark_name(film: Film, frame: int, share: float, ink: Colours) -> dict[str, Any]:
    """The step, above the mark; it leans inwards at the ends, so that it is never cut."""
    text = escape(say("figure.film.mark", step=int(film.steps[frame])))
    anchor = "left" if share < 0.15 else "right" if share > 0.85 else "center"
    place = {"x": share * max(float(np.log10(1.0 + film.steps[-1])), 0.3), "y": 1, "yref": "paper", "yanchor": "bottom"}
    font = {"color": ink.text, "size": theme.SIZE}
    return {**place, "xanchor": anchor, "text": text, "showarrow": False, "font": font}


def _measured(values: Floats64) -> Floats64:
    measured: Floats64 = values[np.isfinite(values)]
    return measured


def _sendable(values: Floats64) -> list[float | None]:
    """What was not measured as None: JSON has no NaN."""
    return [float(value) if np.isfinite(value) else None for value in values]
