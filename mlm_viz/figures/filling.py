"""Slots filled step by step as lines of text, and what several orders reach."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from mlm_viz.escape import escape
from mlm_viz.figures import labels, theme
from mlm_viz.figures.theme import Colours
from mlm_viz.steps import FillOrders, FillSteps
from mlm_viz.strings import say

_ROW = 31  # pixels
_ROWS = 14  # lines of text at a time
_LINE_EMS = 46.0
_WORD_EMS = 9.0
_GAP = "____"
_MARGINS = {"left": 84, "right": 196, "top": 24, "bottom": 24}
_BARS = {"left": 190, "right": 300, "top": 60, "bottom": 58}
_FILL_EMS = 14.0


def fill_lines(steps: FillSteps, step: int | None = None, *, dark: bool = False) -> go.Figure:
    """The text after every step up to `step` (all of them by default), a line each, what was filled last in brackets.

    Beside a line stands the probability of what was filled, and the joint one so far in bits. Long texts are cut down
    to the neighbourhood of the slots. The height does not depend on `step`: of many steps the last ones are shown.

    Raises:
        ValueError: if there is no such step.
    """
    last = len(steps) if step is None else step
    if not 0 <= last <= len(steps):
        raise ValueError(say("figure.filling.no_step", step=step, last=len(steps)))
    ink = theme.colours(dark=dark)
    room = min(len(steps) + 1, _ROWS)
    shown = list(range(max(0, last - room + 1), last + 1))
    places = list(range(len(shown)))
    figure = go.Figure()
    figure.add_trace(_texts(0.0, places, [_line(steps, number, ink) for number in shown], ink))
    figure.add_trace(_texts(1.0, places, [escape(_value(steps, number)) for number in shown], ink))
    told = [_told(steps, number) for number in shown]
    figure.add_trace(labels.hover_layer(places, told, start=0, end=1, across=True))
    names = [labels.markup(_name(number)) for number in shown]
    figure.layout = theme.layout(
        ink,
        _MARGINS["top"] + _MARGINS["bottom"] + room * _ROW,
        **_MARGINS,
        barmode="overlay",
        xaxis=theme.axis(ink, range=[0, 1], showticklabels=False, showgrid=False),
        yaxis=theme.axis(ink, range=[room - 0.5, -0.5], tickvals=places, ticktext=names, showgrid=False),
        shapes=[_ground(places[-1], ink)],
    )
    return figure


def fill_order_bars(orders: FillOrders, *, dark: bool = False) -> go.Figure:
    """Log2 of the joint probability that each order reached, and of the same fill from left to right: two traces.

    The bars hang from 0 on the right: the shorter, the more probable.
    """
    ink = theme.colours(dark=dark)
    runs = orders.runs
    own, across = [run.log2_joint for run in runs], [run.log2_left_to_right for run in runs]
    least = min(*own, *across, -1.0) * 1.05
    places = list(range(len(runs)))
    figure = go.Figure()
    figure.add_trace(_bars(own, [place - 0.2 for place in places], "own", ink.guess, "", ink))
    figure.add_trace(_bars(across, [place + 0.2 for place in places], "across", ink.special, "/", ink))
    fills = [labels.short(" … ".join(run.words), _FILL_EMS) for run in runs]
    values = [
        escape(" " + say("figure.filling.fill", bits=labels.signed(bits), fill=fill))
        for bits, fill in zip(own, fills, strict=True)
    ]
    figure.add_trace(_texts(0.0, places, values, ink))
    told = [_compared(orders, place) for place in places]
    figure.add_trace(labels.hover_layer(places, told, start=least, end=0, across=True))
    names = [labels.markup(say(f"filling.order.{run.order}")) for run in runs]
    figure.layout = theme.layout(
        ink,
        _BARS["top"] + _BARS["bottom"] + len(runs) * 2 * _ROW,
        **_BARS,
        barmode="overlay",
        xaxis=theme.axis(ink, range=[least, 0], nticks=6, title=labels.token_title("figure.filling.joint", ink)),
        yaxis=theme.axis(ink, range=[len(runs) - 0.5, -0.5], tickvals=places, ticktext=names, showgrid=False),
    )
    return figure


def fill_text(steps: FillSteps) -> str:
    """What `fill_lines` shows, as plain lines: for screen readers, logs and tests."""
    lines = [
        say("figure.filling.text", step=_name(number), text=_plain(steps, number), value=_value(steps, number))
        for number in range(1, len(steps) + 1)
    ]
    return "\n".join([f"{_name(0)}: {_plain(steps, 0)}", *lines])


def _name(number: int) -> str:
    return say("figure.filling.step", step=number) if number else say("figure.filling.start")


def _value(steps: FillSteps, number: int) -> str:
    """The probability of what was filled in a step, and what it came to."""
    if number == 0:
        return ""
    value = labels.percent(float(np.exp2(steps.log2_probs[number - 1])))
    reached = float(steps.reached[number - 1])
    if np.isnan(reached):
        return say("figure.filling.resampled", value=value)
    return say("figure.filling.value", value=value, bits=labels.signed(reached))


def _told(steps: FillSteps, number: int) -> str:
    text = "".join(steps.parts(number))
    if number == 0:
        return labels.lines(text)
    slot = steps.positions.index(int(steps.places[number - 1])) + 1
    word = steps.vocabulary.labels[int(steps.tokens[number - 1])]
    filled = say("figure.filling.slot", slot=slot, word=word, value=_value(steps, number))
    opened = [
        say("figure.filling.entropy", slot=place, bits=float(bits))
        for place, bits in enumerate(steps.entropies[number - 1], 1)
        if not np.isnan(bits)
    ]
    return labels.lines(text, filled, *opened)


def _compared(orders: FillOrders, place: int) -> str:
    run = orders.runs[place]
    return labels.lines(
        run.text(),
        f"{say('figure.filling.own')}: {labels.signed(run.log2_joint)}",
        f"{say('figure.filling.across')}: {labels.signed(run.log2_left_to_right)}",
    )


# --- a line of text --------------------------------------------------------------------------------------------


def _line(steps: FillSteps, number: int, ink: Colours) -> str:
    """The text after a step as markup: slots stand out, what was filled last stands in brackets."""
    parts = steps.parts(number)
    kept = _kept(steps)
    pieces = []
    for position in range(len(parts)):
        if position in kept:
            pieces.append(_piece(steps, number, position, parts[position], ink))
        elif position - 1 in kept:
            pieces.append(" …")
    return "".join(pieces).strip()


def _piece(steps: FillSteps, number: int, position: int, part: str, ink: Colours) -> str:
    space = " " if part.startswith(" ") else ""
    word = labels.markup(part.removeprefix(" "), _WORD_EMS) if part else ""
    if position not in steps.positions:
        return space + word
    if position in steps.open_after(number):
        return f'{space}<span style="color:{ink.slot_ink}">{_GAP}</span>'
    if number and position == int(steps.places[number - 1]):
        return f'{space}<span style="color:{ink.slot_ink}"><b>[{word}]</b></span>'
    return f'{space}<span style="color:{ink.guess}"><b>{word}</b></span>'


def _plain(steps: FillSteps, number: int) -> str:
    """The text after a step, open slots as blanks, what was filled last in brackets."""
    pieces = list(steps.parts(number))
    for position in steps.positions:
        space = " " if pieces[position].startswith(" ") else ""
        if position in steps.open_after(number):
            pieces[position] = space + _GAP
        elif number and position == int(steps.places[number - 1]):
            pieces[position] = f"{space}[{pieces[position].strip()}]"
    return "".join(pieces)


def _kept(steps: FillSteps) -> set[int]:
    """Positions that a line has room for: the slots, and as much around each of them as fits in every step."""
    unseen = set(np.flatnonzero(steps.sentence.special).tolist())
    widths = np.array([labels.ems(part) for part in steps.parts(0)])
    widths[list(steps.positions)] = _WORD_EMS / 2 + 1
    every = np.arange(len(widths))
    away = np.abs(every[:, None] - np.array(steps.positions)).min(axis=1)  # tokens to the nearest slot
    for reach in range(int(away.max()), 0, -1):
        if widths[away <= reach].sum() <= _LINE_EMS:
            return unseen | set(np.flatnonzero(away <= reach).tolist())
    return unseen | set(steps.positions)


# --- parts -----------------------------------------------------------------------------------------------------


def _texts(x: float, places: list[int], texts: list[str], ink: Colours) -> go.Scatter:
    return go.Scatter(
        x=[x] * len(places),
        y=places,
        text=texts,
        mode="text",
        textposition="middle right",
        textfont={"size": theme.SIZE, "color": ink.text},
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )


def _bars(values: list[float], places: list[float], kind: str, fill: str, hatching: str, ink: Colours) -> go.Bar:
    return go.Bar(
        x=values,
        y=places,
        name=escape(say(f"figure.filling.{kind}")),
        showlegend=True,
        orientation="h",
        width=0.36,
        marker={"color": fill, "pattern": theme.pattern(hatching, ink.paper), "line": {"width": 0}},
        hoverinfo="skip",
    )


def _ground(place: int, ink: Colours) -> dict[str, Any]:
    """The ground of the line that is the newest."""
    span = {"xref": "paper", "x0": 0, "x1": 1, "y0": place - 0.5, "y1": place + 0.5}
    return {"type": "rect", **span, "fillcolor": ink.ghost, "line": {"width": 0}, "layer": "below"}
