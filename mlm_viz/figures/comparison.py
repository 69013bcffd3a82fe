"""One gap asked of several models: their guesses as columns of bars, and the same as text.

The rest of a comparison stands beside it and is handed on: the sentence from the numbers, who looks at whom, and the
curves of the right side coming into view.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from mlm_viz.comparison import SIDES, Column, Comparison, Side
from mlm_viz.escape import escape
from mlm_viz.figures import labels, theme
from mlm_viz.figures.bars import GAP
from mlm_viz.figures.comparison_caption import comparison_caption
from mlm_viz.figures.comparison_curves import reveal_curves, revealed_text
from mlm_viz.figures.comparison_matrix import pattern_matrix, pattern_text
from mlm_viz.figures.comparison_rows import Mark, Row, comparison_text, rows_of
from mlm_viz.figures.theme import Colours
from mlm_viz.strings import say

__all__ = [
    "comparison_bars",
    "comparison_caption",
    "comparison_text",
    "pattern_matrix",
    "pattern_text",
    "reveal_curves",
    "revealed_text",
]

_MARKS: tuple[Mark, ...] = ("guess", "original", "special")
_HATCHING = {"guess": "", "original": "/", "special": "."}
_ROW = 40  # pixels: a line of text, and the bar under it
_BESIDE = 0.04  # of the width: room between two columns
_WORD_EMS = 6.6
_HEAD_EMS = 9.0
_NAME = 16  # characters to a line of what a column is called
_LEAST = 0.01  # an axis does not end before
_MARGINS = {"left": 24, "right": 34, "top": 178, "bottom": 58}


def comparison_bars(comparison: Comparison, *, top: int = 8, dark: bool = False) -> go.Figure:
    """The best guesses of each model side by side, on one scale, the word that stood there marked.

    Each column has five traces: guesses, the true word, special tokens, what is written above the bars, and a layer to
    point at. A column that is not there stays empty. The height depends on `top` and on whether the word is known.

    Args:
        comparison: of one gap; columns may be missing.
        top: how many guesses of each model.
        dark: for a dark page.

    Raises:
        ValueError: if `top` is less than 1.
    """
    if top < 1:
        raise ValueError(say("figure.error.k", k=top))
    ink = theme.colours(dark=dark)
    rows = {column.side: rows_of(column, top) for column in comparison.columns}
    largest = max((row.score.probability for column in rows.values() for row in column), default=1.0)
    end = labels.axis_top(largest, _LEAST)
    last = top - 0.5 if comparison.gap.word is None else top + 0.5 + GAP
    figure = go.Figure()
    for number, side in enumerate(SIDES):
        figure.add_traces(_column(rows.get(side, []), number, end, ink))
    _show_in_legend(figure)
    figure.layout = theme.layout(
        ink,
        round(_MARGINS["top"] + _MARGINS["bottom"] + (last + 0.5) * _ROW),
        **_MARGINS,
        barmode="overlay",
        shapes=[
            _separator(number, top, ink) for number, side in enumerate(SIDES) if _is_below(rows.get(side, []), top)
        ],
        annotations=[_head(comparison, side, number, ink) for number, side in enumerate(SIDES)],
        **_axes(end, last, ink),
    )
    return figure


def _is_below(rows: Sequence[Row], top: int) -> bool:
    return any(row.y >= top for row in rows)


def _place(number: int) -> tuple[float, float]:
    """From where to where a column stands, in shares of the width."""
    width = (1 - _BESIDE * (len(SIDES) - 1)) / len(SIDES)
    return number * (width + _BESIDE), number * (width + _BESIDE) + width


def _names(number: int) -> dict[str, str]:
    """What plotly calls the axes of a column."""
    return {"xaxis": f"x{number + 1}" if number else "x", "yaxis": f"y{number + 1}" if number else "y"}


def _axes(end: float, last: float, ink: Colours) -> dict[str, Any]:
    ticks = [0.0, end / 2, end]
    texts = ["0", f"{100 * ticks[1]:g} %", ""]  # at the end it would touch the next column's
    axes: dict[str, Any] = {}
    for number in range(len(SIDES)):
        key, names = str(number + 1) if number else "", _names(number)
        across = {"domain": list(_place(number)), "anchor": names["yaxis"], "tickvals": ticks, "ticktext": texts}
        axes[f"xaxis{key}"] = labels.percent_axis(ink, end, least=_LEAST, **across)
        down = {"range": [last, -0.6], "anchor": names["xaxis"], "showticklabels": False, "showgrid": False}
        axes[f"yaxis{key}"] = theme.axis(ink, **down)
    return axes


def _column(rows: Sequence[Row], number: int, end: float, ink: Colours) -> list[Any]:
    bars = [_bars([row for row in rows if row.mark == mark], mark, number, ink) for mark in _MARKS]
    hover = labels.hover_layer([row.y for row in rows], [_hover(row) for row in rows], start=0, end=end, across=True)
    return [*bars, _texts(rows, number, end, ink), hover.update(_names(number))]


def _show_in_legend(figure: go.Figure) -> None:
    """Each mark once: of an empty trace the legend would show nothing."""
    for mark in _MARKS:
        shown = next((bar for bar in figure.select_traces({"legendgroup": mark}) if bar.x), None)
        if shown is not None:
            shown.showlegend = True


def _bars(rows: Sequence[Row], mark: Mark, number: int, ink: Colours) -> go.Bar:
    fill = {"guess": ink.guess, "original": ink.original, "special": ink.special}[mark]
    return go.Bar(
        x=[row.score.probability for row in rows],
        y=[row.y + 0.24 for row in rows],
        name=escape(say(f"comparison.mark.{mark}")),
        legendgroup=mark,
        showlegend=False,
        orientation="h",
        width=0.34,
        marker={
            "color": fill,
            "pattern": theme.pattern(_HATCHING[mark], ink.paper),
            "line": {"color": ink.text, "width": 1.5 if mark == "original" else 0},
        },
        hoverinfo="skip",
        **_names(number),
    )


def _texts(rows: Sequence[Row], number: int, end: float, ink: Colours) -> go.Scatter:
    """Above each bar its token on the left and its probability on the right."""
    values = [escape(labels.percent(row.score.probability)) for row in rows]
    return go.Scatter(
        x=[0.0] * len(rows) + [end] * len(rows),
        y=[row.y - 0.2 for row in rows] * 2,
        text=[*(_token(row, ink) for row in rows), *values],
        mode="text",
        textposition=["middle right"] * len(rows) + ["middle left"] * len(rows),
        textfont={"size": theme.SIZE, "color": ink.text},
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
        **_names(number),
    )


def _token(row: Row, ink: Colours) -> str:
    if row.mark == "original":
        return f'<b><span style="color:{ink.original_ink}">✓ {labels.markup(row.score.word, _WORD_EMS - 2)}</span></b>'
    if row.mark == "special":
        return f'<span style="color:{ink.muted}">{labels.markup(row.score.word, _WORD_EMS - 1.2)}</span>'
    return labels.markup(row.score.word, _WORD_EMS)


def _hover(row: Row) -> str:
    return labels.lines(*labels.score_lines(row.score))


def _separator(number: int, top: int, ink: Colours) -> dict[str, Any]:
    """A line between the best guesses and the true word below them."""
    start, end = _place(number)
    place = top - 0.6 + GAP
    line = {"color": ink.muted, "width": 1.5, "dash": "dot"}
    return {"type": "line", "xref": "paper", "x0": start, "x1": end, "y0": place, "y1": place, "line": line}


def _head(comparison: Comparison, side: Side, number: int, ink: Colours) -> dict[str, Any]:
    """Above a column: what it is, what it reads, its model, and the numbers of the true word; always six lines."""
    column = next((column for column in comparison.columns if column.side == side), None)
    small = f'<span style="font-size:{theme.SIZE - 2}px;color:{ink.muted}">{{}}</span>'
    first, *rest = textwrap.wrap(say(f"side.{side}"), _NAME)
    lines = [
        f"<b>{escape(first)}</b>",
        f"<b>{escape(' '.join(rest))}</b>" if rest else small.format(escape(say(f"comparison.sees.{side}"))),
        small.format("" if column is None else labels.markup(column.model, _HEAD_EMS + 2)),
        *([escape(say("comparison.no_answer")), "", ""] if column is None else _numbers(column, ink)),
    ]
    place = {"xref": "paper", "yref": "paper", "x": _place(number)[0], "y": 1, "yshift": 8, "align": "left"}
    return {
        **place,
        "xanchor": "left",
        "yanchor": "bottom",
        "showarrow": False,
        "text": "<br>".join(line or " " for line in lines),
    }


def _numbers(column: Column, ink: Colours) -> list[str]:
    entropy = escape(say("comparison.entropy", bits=column.guess.entropy))
    if column.word is None:
        return [entropy, "", ""]
    word = labels.markup(column.word.word, _HEAD_EMS - 2)
    value, rank = labels.percent(column.word.probability), column.word.rank
    shown = f'<b><span style="color:{ink.original_ink}">✓ {word}</span></b>'
    return [shown, escape(say("comparison.word", value=value, rank=rank)), entropy]
