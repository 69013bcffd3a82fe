"""How what was written is judged, writer by writer, with intervals."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from mlm_viz.escape import escape
from mlm_viz.figures import labels, theme
from mlm_viz.figures.theme import Colours
from mlm_viz.intervals import Estimate
from mlm_viz.strings import say
from mlm_viz.writing import JUDGES, Judge, Measure, Writer, WritingTest

_ROW = 46  # pixels
_MARGINS = {"left": 236, "right": 336, "top": 92, "bottom": 140}
_APART: dict[Judge, float] = {"causal": -0.17, "masked": 0.17}
_COLUMNS: tuple[Measure, ...] = ("words", "distinct", "repetition")
_COLUMN = 108  # pixels


class _Line(NamedTuple):
    """One row of the figure."""

    language: str
    writer: Writer
    place: float


def writing_dots(test: WritingTest, *, dark: bool = False) -> go.Figure:
    """Bits per character of each writer by each judge, with 95 % intervals; beside them how much was written.

    A group of rows is a language, for a character of Chinese says more than one of English. Hollow marks are a model's
    judgement of its own writing.

    Args:
        test: of any prompts.
        dark: for a dark page.
    """
    ink = theme.colours(dark=dark)
    rows = _lines(test)
    figure = go.Figure()
    for judge in JUDGES:
        figure.add_trace(_dots(test, rows, judge, ink))
    top = _end(test, rows)
    last = rows[-1].place + 0.7
    ticks = [_name(row.writer, ink) for row in rows]
    figure.layout = theme.layout(
        ink,
        _MARGINS["top"] + _MARGINS["bottom"] + round((last + 0.9) * _ROW),
        **_MARGINS,
        xaxis=theme.axis(ink, range=[0, top], nticks=8, title=labels.token_title("figure.writing.bits", ink)),
        yaxis=theme.axis(
            ink, range=[last, -0.9], tickmode="array", tickvals=[row.place for row in rows], ticktext=ticks
        ),
        hovermode="closest",
        annotations=[*_headings(rows, ink), *_titles(ink), *_cells(test, rows, ink), _note(ink)],
    )
    return figure


def writing_text(test: WritingTest) -> str:
    """What `writing_dots` shows, as plain lines."""
    said = []
    for row in _lines(test):
        told = [_told(test, row, judge) for judge in JUDGES] + [_beside(test, row, measure) for measure in _COLUMNS]
        said.append(f"{say(f'figure.writing.language.{row.language}')}: {'; '.join(told)}")
    return "\n".join(said)


def _lines(test: WritingTest) -> list[_Line]:
    """A row for each writer, with room for a heading over each language."""
    rows: list[_Line] = []
    for language in test.languages:
        first = rows[-1].place + 2 if rows else 0
        rows += [_Line(language, writer, first + number) for number, writer in enumerate(test.writers)]
    return rows


def _dots(test: WritingTest, rows: list[_Line], judge: Judge, ink: Colours) -> go.Scatter:
    found = [test.estimate(row.writer, judge, row.language) for row in rows]
    own = [_is_own(test, row.writer, judge) for row in rows]
    look = theme.side_look(judge, ink)  # a judge looks like the side it stands for elsewhere
    return go.Scatter(
        x=[one.value for one in found],
        y=[row.place + _APART[judge] for row in rows],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [_width(one.high - one.value) for one in found],
            "arrayminus": [_width(one.value - one.low) for one in found],
            "color": look.colour,
            "thickness": 2.5,
            "width": 6,
        },
        mode="markers",
        name=escape(say(f"writing.judge.{judge}")),
        showlegend=True,
        marker={
            "color": look.colour,
            "size": 13,
            "symbol": [look.symbol + ("-open" if flag else "") for flag in own],
            "line": {"width": 2.5, "color": look.colour},
        },
        customdata=[labels.lines(_told(test, row, judge)) for row in rows],
        hovertemplate="%{customdata}<extra></extra>",
        cliponaxis=False,
    )


def _cells(test: WritingTest, rows: list[_Line], ink: Colours) -> list[dict[str, Any]]:
    """The columns of numbers on the right."""
    cells = []
    for number, measure in enumerate(_COLUMNS):
        for row in rows:
            value = test.estimate(row.writer, measure, row.language).value
            place = {"xref": "paper", "x": 1, "xanchor": "left", "xshift": _column(number), "y": row.place}
            said = {"text": escape(_value(measure, value)), "hovertext": labels.lines(_beside(test, row, measure))}
            cells.append({**place, **said, "showarrow": False, "font": {"size": theme.SIZE, "color": ink.text}})
    return cells


def _column(number: int) -> int:
    """How far right of the plot a column begins, in pixels."""
    return 16 + _COLUMN * number


# --- words ------------------------------------------------------------------------------------------------------------


def _name(writer: Writer, ink: Colours) -> str:
    text = escape(say(f"writing.writer.{writer}"))
    return f'<b><span style="color:{ink.original_ink}">{text}</span></b>' if writer == "human" else text


def _told(test: WritingTest, row: _Line, judge: Judge) -> str:
    found = test.estimate(row.writer, judge, row.language)
    by = say(f"writing.judge.{judge}")
    if _is_own(test, row.writer, judge):
        by = f"{by} ({say('figure.writing.own')})"
    ends = {"value": found.value, "low": found.low, "high": found.high}
    return say("figure.writing.point", writer=say(f"writing.writer.{row.writer}"), judge=by, **ends)


def _beside(test: WritingTest, row: _Line, measure: Measure) -> str:
    found = test.estimate(row.writer, measure, row.language)
    name = say(f"figure.writing.{measure}")
    value, low, high = (_value(measure, one) for one in (found.value, found.low, found.high))
    return say("figure.writing.share", name=name, value=value, low=low, high=high)


def _value(measure: Measure, value: float) -> str:
    if np.isnan(value):
        return say("writing.card.none")
    return labels.percent(value) if measure == "distinct" else say("figure.writing.count", words=value)


def _headings(rows: list[_Line], ink: Colours) -> list[dict[str, Any]]:
    """The languages, each over its rows."""
    firsts = {row.language: row.place for row in reversed(rows)}
    return [
        {
            "xref": "paper",
            "x": 0,
            "xshift": 12 - _MARGINS["left"],
            "xanchor": "left",
            "y": place - 0.75,
            "text": f"<b>{escape(say(f'figure.writing.language.{language}'))}</b>",
            "showarrow": False,
            "font": {"size": theme.SIZE, "color": ink.muted},
        }
        for language, place in firsts.items()
    ]


def _titles(ink: Colours) -> list[dict[str, Any]]:
    """What stands in the columns on the right."""
    place = {"xref": "paper", "x": 1, "xanchor": "left", "yref": "paper", "y": 1, "yanchor": "bottom"}
    font = {"size": theme.SIZE - 1, "color": ink.muted}
    names = [say(f"figure.writing.{measure}") for measure in _COLUMNS]
    return [
        {**place, "xshift": _column(number), "text": escape(name), "showarrow": False, "font": font}
        for number, name in enumerate(names)
    ]


def _note(ink: Colours) -> dict[str, Any]:
    said = say("figure.writing.note", own=say("figure.writing.own"))
    return labels.note(said, ink, _MARGINS["left"], _MARGINS["bottom"])


# --- numbers ----------------------------------------------------------------------------------------------------------


def _is_own(test: WritingTest, writer: Writer, judge: Judge) -> bool:
    return any(run[writer].own == judge for run in test.runs)


def _end(test: WritingTest, rows: list[_Line]) -> float:
    """Where the axis ends: a whole number of bits behind all intervals."""
    found = [test.estimate(row.writer, judge, row.language) for row in rows for judge in JUDGES]
    return float(np.ceil(np.nanmax([1.0, *(_highest(one) for one in found)])))


def _highest(one: Estimate) -> float:
    return one.value if np.isnan(one.high) else one.high


def _width(value: float) -> float:
    """Of a whisker; none where there is no interval."""
    return 0.0 if np.isnan(value) else value
