"""Which side of the context matters: bars for what can be seen, lines for the context coming into view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mlm_viz.escape import escape
from mlm_viz.figures import labels, theme
from mlm_viz.figures.theme import Colours
from mlm_viz.influences import BOTH, ORDERS, SIDE_WAYS, Direction, Reveal, Target, Way
from mlm_viz.results import Floats64
from mlm_viz.strings import say

_ROW = 54  # pixels: a bar for each way
_BAR = 0.4
_ROOM = 1.2  # times the axis: for the values behind the bars
_LEAST = 0.001  # a probability: an axis does not end before
_EDGE = 0.999  # of an axis: what stands beyond its end is not drawn
_BAR_MARGINS = {"left": 156, "right": 216, "top": 84, "bottom": 132}
_LINE_MARGINS = {"left": 76, "right": 186, "top": 24, "bottom": 138}
_HEIGHT = 470
_NAME_EMS = 9.5
_SYMBOLS = ("●", "◆", "■")  # as in theme.LINES, for the names behind the lines


def direction_bars(direction: Direction, *, dark: bool = False) -> go.Figure:
    """The word's probability under each view, blocked and masked, and behind the bars the best guess there.

    The traces are the bars of each way, values, best guesses, and a layer to point at. The height depends on the number
    of views only.
    """
    ink = theme.colours(dark=dark)
    probabilities = np.exp2(direction.log2_probs)
    top = labels.axis_top(float(probabilities.max()), _LEAST)
    figure = go.Figure()
    for row in range(len(SIDE_WAYS)):
        figure.add_trace(_bars(probabilities[row], row, ink))
    figure.add_trace(_texts(probabilities.ravel().tolist(), _values(probabilities), direction, ink))
    figure.add_trace(_texts([_EDGE * _ROOM * top] * probabilities.size, _guesses(direction), direction, ink))
    told = [_bar_hover(direction, row, view) for row in range(len(SIDE_WAYS)) for view in range(len(direction.views))]
    hover = labels.hover_layer(_places(direction), told, start=0, end=_ROOM * top, across=True)
    figure.add_trace(hover.update(width=_BAR))
    across = {"range": [0, _ROOM * top], "title": _probability_title(direction.target, ink)}
    figure.layout = theme.layout(
        ink,
        _BAR_MARGINS["top"] + _BAR_MARGINS["bottom"] + len(direction.views) * _ROW,
        **_BAR_MARGINS,
        barmode="overlay",
        xaxis=labels.percent_axis(ink, top, least=_LEAST, **across),
        yaxis=_view_axis(direction, ink),
        annotations=[_guess_heading(ink), _caution(direction, ink, _BAR_MARGINS)],
    )
    return figure


def direction_text(direction: Direction) -> str:
    """What `direction_bars` shows, as plain lines: for screen readers, logs and tests."""
    both = _numbers(direction, 0, BOTH)
    lines = [
        say("figure.direction.text", view=_view(view), way=_name(way), **_numbers(direction, row, number))
        for number, view in enumerate(direction.views)
        for row, way in enumerate(SIDE_WAYS)
        if number != BOTH
    ]
    first = say("figure.direction.text.both", value=both["value"], guess=both["guess"], guessed=both["guessed"])
    return "\n".join([first, *lines, say("figure.direction.caution")])


def reveal_lines(reveal: Reveal, *, way: Way = "masked", dark: bool = False) -> go.Figure:
    """The word's probability against the number of words in view, a line for each order, its name behind its end.

    The traces are the lines, then their names.
    """
    ink = theme.colours(dark=dark)
    row = SIDE_WAYS.index(way)
    probabilities = np.exp2(reveal.log2_probs[row])
    largest = float(np.nanmax(probabilities)) if np.isfinite(probabilities).any() else 1.0
    words = len(reveal.words)
    figure = go.Figure()
    for order in range(len(ORDERS)):
        figure.add_trace(_line(reveal, row, order, probabilities[order], ink))
    figure.add_trace(_names(probabilities, words, labels.axis_top(largest, _LEAST), ink))
    ticks = {"tickmode": "auto", "nticks": 10, "tickformat": "d", "showgrid": False}
    heading = labels.token_title("figure.reveal.words", ink)
    figure.layout = theme.layout(
        ink,
        _HEIGHT,
        **_LINE_MARGINS,
        xaxis=theme.axis(ink, range=[-0.02 * words, 1.06 * words], title=heading, **ticks),
        yaxis=labels.percent_axis(ink, largest, least=_LEAST, title=_probability_title(reveal.target, ink)),
        annotations=[_caution(reveal, ink, _LINE_MARGINS)],
        hovermode="closest",
    )
    return figure


def reveal_text(reveal: Reveal, way: Way = "masked") -> str:
    """What `reveal_lines` shows, as plain lines: for screen readers, logs and tests."""
    row = SIDE_WAYS.index(way)
    lines = [
        _point(reveal, row, order, step)
        for order in range(len(ORDERS))
        for step in range(len(reveal.words) + 1)
        if reveal.guesses[row, order, step] >= 0
    ]
    return "\n".join([*lines, say("figure.direction.caution")])


def _name(way: str) -> str:
    return say(f"influence.way.{way}")


def _view(view: str) -> str:
    if view == "±1":
        return say("direction.window.one")
    return say("direction.window", width=view) if view.startswith("±") else say(f"direction.view.{view}")


def _probability_title(target: Target, ink: Colours) -> dict[str, Any]:
    return theme.title(labels.markup(say("figure.direction.probability", word=labels.short(target.word, 12))), ink)


def _caution(shown: Direction | Reveal, ink: Colours, margins: dict[str, int]) -> dict[str, Any]:
    """What such a picture cannot say."""
    lines = [say("figure.direction.caution")]
    if not shown.complete:
        lines.append(say("figure.influence.leaks", model=shown.target.model))
    return labels.note(" ".join(lines), ink, margins["left"], margins["bottom"])


# --- bars -------------------------------------------------------------------------------------------------------------


def _places(direction: Direction) -> list[float]:
    """(ways x views,) heights of the bars: a view at each integer, its ways above each other."""
    views = np.arange(len(direction.views))
    return [float(place) for shift in (-_BAR / 2, _BAR / 2) for place in views + shift]


def _bars(probabilities: Floats64, row: int, ink: Colours) -> go.Bar:
    shift, hatching = (-_BAR / 2, "") if row == 0 else (_BAR / 2, "/")
    return go.Bar(
        x=probabilities,
        y=[place + shift for place in range(len(probabilities))],
        name=escape(say("figure.direction.rest", way=_name(SIDE_WAYS[row]))),
        showlegend=True,
        orientation="h",
        width=_BAR - 0.06,
        marker={
            "color": ink.series[0] if row == 0 else ink.series[2],
            "pattern": theme.pattern(hatching, ink.paper),
            "line": {"width": 0},
        },
        hoverinfo="skip",
    )


def _texts(across: Sequence[float], texts: Sequence[str], direction: Direction, ink: Colours) -> go.Scatter:
    return go.Scatter(
        x=list(across),
        y=_places(direction),
        text=list(texts),
        mode="text",
        textposition="middle right",
        textfont={"size": theme.SIZE - 1, "color": ink.text},
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )


def _values(probabilities: Floats64) -> list[str]:
    return [escape(f" {labels.percent(value)}") for value in probabilities.ravel()]


def _guesses(direction: Direction) -> list[str]:
    """The best guess of each way and view, ticked where it is the word."""
    texts = []
    for guess, log2_prob in zip(direction.guesses.ravel(), direction.guess_log2_probs.ravel(), strict=True):
        tick = "✓ " if (int(guess),) == direction.target.ids else "  "
        word = labels.markup(direction.target.vocabulary.labels[int(guess)], _NAME_EMS - 1.5)
        texts.append(f"{tick}{word} {escape(labels.percent(float(np.exp2(log2_prob))))}")
    return texts


def _guess_heading(ink: Colours) -> dict[str, Any]:
    font = {"color": ink.muted, "size": theme.SIZE}
    place = {"xref": "paper", "yref": "paper", "x": 1, "y": 1, "xanchor": "left", "yanchor": "bottom", "xshift": 8}
    return {**place, "text": escape(say("figure.direction.guess")), "showarrow": False, "font": font}


def _view_axis(direction: Direction, ink: Colours) -> dict[str, Any]:
    views = len(direction.views)
    texts = [labels.markup(_view(view), _NAME_EMS) for view in direction.views]
    ticks = {"tickmode": "array", "tickvals": list(range(views)), "ticktext": texts, "showgrid": False}
    return theme.axis(ink, range=[views - 0.5, -0.5], **ticks)


def _numbers(direction: Direction, row: int, view: int) -> dict[str, str]:
    change = direction.log2_probs[row, view] - direction.log2_probs[row, 0]
    return {
        "value": labels.percent(float(np.exp2(direction.log2_probs[row, view]))),
        "bits": labels.signed(float(change)),
        "guess": direction.target.vocabulary.labels[int(direction.guesses[row, view])],
        "guessed": labels.percent(float(np.exp2(direction.guess_log2_probs[row, view]))),
    }


def _bar_hover(direction: Direction, row: int, view: int) -> str:
    numbers = _numbers(direction, row, view)
    return labels.lines(
        _view(direction.views[view]),
        say("figure.direction.rest", way=_name(SIDE_WAYS[row])),
        say("figure.direction.change", value=numbers["value"], bits=numbers["bits"]),
        say("figure.influence.divergence", bits=float(direction.divergences[row, view])),
        say("figure.direction.best", guess=numbers["guess"], guessed=numbers["guessed"]),
    )


# --- lines ------------------------------------------------------------------------------------------------------------


def _line(reveal: Reveal, row: int, order: int, probabilities: Floats64, ink: Colours) -> go.Scatter:
    dash, symbol = theme.LINES[order]
    known = np.flatnonzero(np.isfinite(probabilities))
    return go.Scatter(
        x=known.tolist(),
        y=probabilities[known].tolist(),
        customdata=[labels.lines(*_point(reveal, row, order, int(step)).split("; ")) for step in known],
        name=escape(say(f"reveal.order.{ORDERS[order]}")),
        showlegend=False,
        mode="lines+markers",
        line={"color": ink.series[order], "width": 3, "dash": dash},
        marker={"color": ink.series[order], "size": 9, "symbol": symbol},
        cliponaxis=False,
        hovertemplate="%{customdata}<extra></extra>",
    )


def _point(reveal: Reveal, row: int, order: int, step: int) -> str:
    numbers = {
        "order": say(f"reveal.order.{ORDERS[order]}"),
        "words": step,
        "value": labels.percent(float(np.exp2(reveal.log2_probs[row, order, step]))),
        "guess": reveal.target.vocabulary.labels[int(reveal.guesses[row, order, step])],
        "guessed": labels.percent(float(np.exp2(reveal.guess_log2_probs[row, order, step]))),
    }
    if step == 0:
        return say("figure.reveal.first", **numbers)
    return say("figure.reveal.point", last=labels.short(reveal.names(order)[step], 14), **numbers)


def _names(probabilities: Floats64, words: int, top: float, ink: Colours) -> go.Scatter:
    """The name of each line behind the point where all end, with its mark, the highest on average on top."""
    means = [float(np.nanmean(line)) if np.isfinite(line).any() else 0.0 for line in probabilities]
    order = sorted(range(len(ORDERS)), key=lambda number: -means[number])
    gap = 0.075 * top
    middle = min(max(float(np.nan_to_num(probabilities[0, -1])), gap), top - gap)
    texts = [
        f'<span style="color:{ink.series[number]}">{_SYMBOLS[number]} '
        f"{labels.markup(say(f'reveal.order.{ORDERS[number]}'), _NAME_EMS)}</span>"
        for number in order
    ]
    return go.Scatter(
        x=[1.03 * words] * len(order),
        y=[middle + gap, middle, middle - gap],
        text=texts,
        mode="text",
        textposition="middle right",
        textfont={"size": theme.SIZE - 1, "color": ink.text},
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )
