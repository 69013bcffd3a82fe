"""Next sentence prediction: how a head learns to tell real pairs of sentences from wrong ones, and what it can tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go

from mlm_viz.escape import escape
from mlm_viz.figures import labels, theme
from mlm_viz.figures.learning import round_end
from mlm_viz.figures.theme import Colours
from mlm_viz.next_sentence import CHANCE, WRONG, HeadLearning, NextSentence, PairTest
from mlm_viz.results import Floats64
from mlm_viz.strings import say

Of = Literal["accuracy", "bits"]

_CURVE = {"left": 88, "right": 28, "top": 60, "bottom": 64}
_BARS = {"left": 208, "right": 84, "top": 92, "bottom": 64}
_HEIGHT = 400
_ROW = 44  # pixels for each result in each test
_CHANCE: dict[Of, float] = {"accuracy": CHANCE, "bits": 1.0}


def next_sentence_curve(
    learning: HeadLearning, *, of: Of = "accuracy", until: int | None = None, dark: bool = False
) -> go.Figure:
    """Share judged right, or loss in bits, by epoch: of the pairs trained on and of those held out, beside chance.

    The traces are always the same two, so that a figure on the page can follow a training.

    Args:
        learning: of a head, also one whose training has only begun.
        of: "accuracy" or "bits".
        until: the axis reaches at least so many epochs.
        dark: for a dark page.

    Raises:
        ValueError: if `of` is something else.
    """
    if of not in _CHANCE:
        raise ValueError(say("figure.next_sentence.error.of", of=of))
    ink = theme.colours(dark=dark)
    figure = go.Figure()
    for number, (name, accuracy, bits) in enumerate(_curves(learning)):
        figure.add_trace(_line(name, accuracy, bits, of, number, ink))
    end = round_end(max(len(learning.bits) - 1, until or 0))
    across = theme.axis(
        ink, range=[0, end], nticks=7, title=labels.token_title("figure.next_sentence.epoch", ink), showgrid=False
    )
    worse = "top" if of == "accuracy" else "bottom"  # on that side of chance there are no curves
    figure.layout = theme.layout(
        ink,
        _HEIGHT,
        **_CURVE,
        xaxis=across,
        yaxis=_up(learning, of, ink),
        hovermode="closest",
        shapes=[_rule(ink, xref="paper", x0=0, x1=1, y0=_CHANCE[of], y1=_CHANCE[of])],
        annotations=[_name(of, ink, xref="paper", x=1, xanchor="right", y=_CHANCE[of], yanchor=worse)],
    )
    return figure


def next_sentence_tests(results: Sequence[NextSentence], *, dark: bool = False) -> go.Figure:
    """Share of held-out pairs judged right, by how the wrong ones are wrong, with 95 % intervals and chance.

    A group of bars is a test, a bar in it a result.

    Args:
        results: heads, such as one on [CLS] and one on the means.
        dark: for a dark page.

    Raises:
        ValueError: for no result, or more than can be told apart.
    """
    if not 1 <= len(results) <= len(theme.LINES):
        raise ValueError(say("figure.next_sentence.error.results", count=len(results), most=len(theme.LINES)))
    ink = theme.colours(dark=dark)
    figure = go.Figure()
    for number, result in enumerate(results):
        figure.add_trace(_bars(result, _title(result, results), number, len(results), ink))
        figure.add_trace(_values(result, number, len(results), ink))
    ticks = [escape(say(f"figure.next_sentence.wrong.{wrong}")) for wrong in WRONG]
    rows = theme.axis(
        ink, range=[len(WRONG) - 0.5, -0.5], tickmode="array", tickvals=[*range(len(WRONG))], ticktext=ticks
    )
    across = labels.percent_axis(ink, 1.0, title=labels.token_title("figure.next_sentence.accuracy", ink))
    height = _BARS["top"] + _BARS["bottom"] + len(WRONG) * (_ROW * len(results) + _ROW // 2)
    figure.layout = theme.layout(
        ink,
        height,
        **_BARS,
        xaxis=across,
        yaxis={**rows, "showgrid": False},
        hovermode="closest",
        shapes=[_rule(ink, yref="paper", y0=0, y1=1, x0=CHANCE, x1=CHANCE)],
        annotations=[
            _name("accuracy", ink, yref="paper", y=1, yanchor="bottom", x=CHANCE, xanchor="center"),
            _heading(ink),
        ],
    )
    return figure


def next_sentence_text(results: Sequence[NextSentence]) -> str:
    """What `next_sentence_tests` shows, as plain lines."""
    return "\n".join(
        say(
            "figure.next_sentence.text",
            wrong=say(f"figure.next_sentence.wrong.{test.wrong}"),
            told="; ".join(_told(test, _title(result, results))),
        )
        for result in results
        for test in result.tests
    )


# --- curves -----------------------------------------------------------------------------------------------------------


def _curves(learning: HeadLearning) -> list[tuple[str, Floats64, Floats64]]:
    return [
        (say("figure.next_sentence.name.training"), learning.accuracy, learning.bits),
        (say("figure.next_sentence.name.held"), learning.held_accuracy, learning.held_bits),
    ]


def _line(name: str, accuracy: Floats64, bits: Floats64, of: Of, number: int, ink: Colours) -> go.Scatter:
    dash, symbol = theme.LINES[number]
    told = [
        say("figure.next_sentence.point", name=name, epoch=epoch, accuracy=labels.percent(share), bits=loss)
        for epoch, (share, loss) in enumerate(zip(accuracy, bits, strict=True))
    ]
    return go.Scatter(
        x=np.arange(len(bits)),
        y=accuracy if of == "accuracy" else bits,
        customdata=[labels.lines(line) for line in told],
        name=escape(name),
        showlegend=True,
        mode="lines+markers",
        line={"color": ink.series[number], "width": 3, "dash": dash},
        marker={"color": ink.series[number], "size": 8, "symbol": symbol},
        cliponaxis=False,
        hovertemplate="%{customdata}<extra></extra>",
    )


def _up(learning: HeadLearning, of: Of, ink: Colours) -> dict[str, Any]:
    if of == "accuracy":
        return labels.percent_axis(ink, 1.0, title=labels.token_title("figure.next_sentence.accuracy", ink))
    highest = max(float(learning.bits.max()), float(learning.held_bits.max()), 1.2)
    title = labels.token_title("figure.next_sentence.bits", ink)
    return theme.axis(ink, range=[0, np.ceil(highest * 5) / 5], nticks=7, title=title)


# --- tests ------------------------------------------------------------------------------------------------------------


def _bars(result: NextSentence, name: str, number: int, of: int, ink: Colours) -> go.Bar:
    return go.Bar(
        x=[test.accuracy.value for test in result.tests],
        y=_places(number, of),
        width=0.7 / of,
        orientation="h",
        name=escape(name),
        showlegend=True,
        marker={"color": ink.series[number], "pattern": theme.pattern(("", "/", "x", ".")[number], ink.paper)},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [test.accuracy.high - test.accuracy.value for test in result.tests],
            "arrayminus": [test.accuracy.value - test.accuracy.low for test in result.tests],
            "color": ink.text,
            "thickness": 2.5,
            "width": 7,
        },
        customdata=[labels.lines(*_told(test, name)) for test in result.tests],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _values(result: NextSentence, number: int, of: int, ink: Colours) -> go.Scatter:
    """The numbers, behind the whiskers."""
    return go.Scatter(
        x=[test.accuracy.high for test in result.tests],
        y=_places(number, of),
        mode="text",
        text=[f"<b>  {labels.percent(test.accuracy.value)}</b>" for test in result.tests],
        textposition="middle right",
        textfont={"color": ink.text, "size": theme.SIZE},
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )


def _places(number: int, of: int) -> Floats64:
    """Where the bars of one result stand, one in each group."""
    return np.asarray(np.arange(len(WRONG)) + (number - (of - 1) / 2) * 0.8 / of, dtype=np.float64)


def _title(result: NextSentence, among: Sequence[NextSentence]) -> str:
    """What a result is called beside the others: how they were trained is only said where they differ in it."""
    pool = say(f"figure.next_sentence.pool.{result.pool}")
    if len({other.wrong for other in among}) == 1:
        return pool
    return say("figure.next_sentence.trained", pool=pool, wrong=say(f"figure.next_sentence.wrong.{result.wrong}"))


def _told(test: PairTest, name: str) -> list[str]:
    def shares(estimate: Any) -> dict[str, str]:
        return {end: labels.percent(getattr(estimate, end)) for end in ("value", "low", "high")}

    return [
        say("figure.next_sentence.tested", name=name, **shares(test.accuracy)),
        say("figure.next_sentence.preferred", **shares(test.preferred)),
    ]


# --- chance -----------------------------------------------------------------------------------------------------------


def _rule(ink: Colours, **place: Any) -> dict[str, Any]:
    return {"type": "line", "line": {"color": ink.text, "width": 2, "dash": "dot"}, **place}


def _name(of: Of, ink: Colours, **place: Any) -> dict[str, Any]:
    font = {"size": theme.SIZE, "color": ink.text}
    return {"text": escape(say(f"figure.next_sentence.chance.{of}")), "showarrow": False, "font": font, **place}


def _heading(ink: Colours) -> dict[str, Any]:
    """Over the names of the tests, which go on from it."""
    place = {"xref": "paper", "x": 0, "xshift": 12 - _BARS["left"], "xanchor": "left", "yref": "paper", "y": 1}
    text = escape(say("figure.next_sentence.wrong"))
    font = {"size": theme.SIZE, "color": ink.muted}
    return {**place, "yanchor": "bottom", "text": text, "showarrow": False, "font": font}
