"""The distribution at one slot as bars, and the same as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go

from mlm_viz.escape import escape
from mlm_viz.figures import labels, theme
from mlm_viz.figures.theme import Colours
from mlm_viz.results import SlotPrediction, WordScore
from mlm_viz.strings import say

Kind = Literal["guess", "original", "extra"]

_KINDS: tuple[Kind, ...] = ("guess", "original", "extra")
_ROW = 31  # pixels
GAP = 0.3  # rows between the best tokens and those that are shown besides
_LABEL_EMS = 10.5
_MARGINS = {"left": 190, "right": 132, "top": 60, "bottom": 58}


@dataclass(frozen=True)
class Row:
    """One bar.

    Attributes:
        score: the token or word.
        kind: a guess, the original token, or a word asked for.
        y: place from the top, in rows.
        before: probability of the same token in the distribution compared with; None if there is none.
    """

    score: WordScore
    kind: Kind
    y: float
    before: float | None

    @property
    def reach(self) -> float:
        """Where the bar and its ghost both end."""
        return max(self.score.probability, self.before or 0.0)

    @property
    def value(self) -> str:
        """The probability, and how far it moved in percentage points."""
        shown = labels.percent(self.score.probability)
        if self.before is None:
            return shown
        return f"{shown} ({labels.signed(100 * (self.score.probability - self.before))})"


def bar_rows(
    slot: SlotPrediction, k: int, before: SlotPrediction | None = None, extra: Sequence[WordScore] = ()
) -> list[Row]:
    """The `k` best tokens, then the original if it is not among them, then the `extra` words.

    Raises:
        ValueError: if `k` is less than 1, or `before` has another vocabulary.
    """
    if k < 1:
        raise ValueError(say("figure.error.k", k=k))
    if before is not None and len(before.log2_probs) != len(slot.log2_probs):
        sizes = {"size": len(slot.log2_probs), "before": len(before.log2_probs)}
        raise ValueError(say("figure.error.before", **sizes))
    ids = [int(i) for i in slot.best(k)]
    beyond = [] if slot.original is None or slot.original in ids else [slot.original]
    rows = [
        Row(
            slot.score_id(token),
            "original" if token == slot.original else "guess",
            place if place < k else k + GAP,
            None if before is None else before.score_id(token).probability,
        )
        for place, token in [*enumerate(ids), *((k, token) for token in beyond)]
    ]
    below = [Row(word, "extra", k + GAP + place, _before_word(before, word)) for place, word in enumerate(extra, 1)]
    return rows + below


def _before_word(before: SlotPrediction | None, word: WordScore) -> float | None:
    """Its probability before; None for a word of several pieces, which takes a model to score."""
    if before is None or len(word.pieces) != 1 or word.pieces[0] not in before.vocabulary.labels:
        return None
    return before.score_id(before.vocabulary.labels.index(word.pieces[0])).probability


def prediction_bars(
    slot: SlotPrediction,
    *,
    k: int = 10,
    before: SlotPrediction | None = None,
    before_name: str = "",
    extra: Sequence[WordScore] = (),
    dark: bool = False,
) -> go.Figure:
    """The `k` most probable tokens at a slot, best on top, the original word marked.

    The traces are always the same: ghost, guesses, original, words asked for, values, and a layer to point at. The
    height depends on `k` and the number of `extra` words only.

    Args:
        slot: the distribution.
        k: how many tokens.
        before: a distribution over the same vocabulary to be drawn as a ghost behind.
        before_name: what the legend calls it.
        extra: words to be shown below; see `SlotPrediction.score`.
        dark: for a dark page.

    Raises:
        ValueError: if `k` is less than 1, or `before` has another vocabulary.
    """
    rows = bar_rows(slot, k, before, extra)
    end = labels.axis_top(max(row.reach for row in rows))
    return drawn_rows(rows, k, end=end, below=len(extra), before_name=before_name, dark=dark)


def drawn_rows(
    rows: Sequence[Row],
    k: int,
    *,
    end: float,
    below: int = 0,
    before_name: str = "",
    right: int = _MARGINS["right"],
    dark: bool = False,
) -> go.Figure:
    """Rows as bars, with the traces of `prediction_bars`.

    Args:
        rows: of the `k` best tokens, and of what stands besides.
        k: how many tokens there is room for.
        end: of the axis of probability.
        below: for how many words that are asked for there is room.
        before_name: what the legend calls the ghost.
        right: margin in pixels for the values behind the bars.
        dark: for a dark page.
    """
    ink = theme.colours(dark=dark)
    last = k + 0.5 + GAP + below
    figure = go.Figure()
    figure.add_trace(_ghost(rows, before_name or say("figure.bars.before"), ink))
    for kind in _KINDS:
        figure.add_trace(_bars([row for row in rows if row.kind == kind], kind, ink))
    figure.add_trace(_values(rows, ink))
    told = [_hover(row) for row in rows]
    figure.add_trace(labels.hover_layer([row.y for row in rows], told, start=0, end=end, across=True))
    figure.layout = theme.layout(
        ink,
        round(_MARGINS["top"] + _MARGINS["bottom"] + (last + 0.5) * _ROW),
        **(_MARGINS | {"right": right}),
        barmode="overlay",
        xaxis=labels.percent_axis(ink, end, title=labels.token_title("figure.probability", ink)),
        yaxis=_token_rows(rows, last, ink),
        shapes=[_separator(k, ink)] if len(rows) > k else [],
    )
    return figure


def _token_rows(rows: Sequence[Row], last: float, ink: Colours) -> dict[str, Any]:
    texts = [_tick(row, ink) for row in rows]
    places = [row.y for row in rows]
    ticks = {"tickmode": "array", "tickvals": places, "ticktext": texts, "showgrid": False}
    return theme.axis(ink, range=[last, -0.5], **ticks)


def _tick(row: Row, ink: Colours) -> str:
    """`weather`, `✓ weather #153` in bold for the original, `+ sunny #23` for a word asked for."""
    if row.kind == "guess":
        return labels.markup(row.score.word, _LABEL_EMS)
    place = f"#{row.score.rank:,}"
    room = (_LABEL_EMS - 2 - labels.ems(place)) / 1.1  # less the mark; bold is wider
    word = labels.markup(row.score.word, room)
    shade, mark = (ink.original_ink, "✓") if row.kind == "original" else (ink.text, "+")
    return f'<b><span style="color:{shade}">{mark} {word}</span></b> {place}'


def _ghost(rows: Sequence[Row], name: str, ink: Colours) -> go.Bar:
    drawn = [row for row in rows if row.before is not None]
    return go.Bar(
        x=[row.before for row in drawn],
        y=[row.y for row in drawn],
        name=labels.markup(name, 8),
        showlegend=bool(drawn),
        orientation="h",
        width=0.94,
        marker={"color": ink.ghost, "line": {"color": ink.ghost_line, "width": 1.5}},
        hoverinfo="skip",
    )


def _bars(rows: Sequence[Row], kind: Kind, ink: Colours) -> go.Bar:
    fill = {"guess": ink.guess, "original": ink.original, "extra": ink.extra}[kind]
    hatching = {"guess": "", "original": "/", "extra": "."}[kind]
    line = {"color": ink.text, "width": 0 if kind == "guess" else 2}
    return go.Bar(
        x=[row.score.probability for row in rows],
        y=[row.y for row in rows],
        name=escape(say(f"figure.bars.{kind}")),
        showlegend=bool(rows),
        orientation="h",
        width=0.6,
        marker={"color": fill, "pattern": theme.pattern(hatching, ink.paper), "line": line},
        hoverinfo="skip",
    )


def _values(rows: Sequence[Row], ink: Colours) -> go.Scatter:
    return go.Scatter(
        x=[row.reach for row in rows],
        y=[row.y for row in rows],
        text=[escape(f" {row.value}") for row in rows],
        mode="text",
        textposition="middle right",
        textfont={"size": theme.SIZE, "color": ink.text},
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )


def _separator(k: int, ink: Colours) -> dict[str, Any]:
    """A line between the best tokens and what stands below them, from the labels to the end of the axis."""
    line = {"color": ink.muted, "width": 1.5, "dash": "dot"}
    place = k - 0.5 + GAP / 2
    return {"type": "line", "xref": "paper", "x0": -0.3, "x1": 1, "y0": place, "y1": place, "line": line}


def _hover(row: Row) -> str:
    return labels.lines(*labels.score_lines(row.score), *_change(row))


def _change(row: Row) -> tuple[str, ...]:
    """How far the token moved, in words; nothing if there is nothing to compare with."""
    if row.before is None:
        return ()
    with np.errstate(divide="ignore"):
        bits = row.score.log2_prob - float(np.log2(row.before))
    points = labels.signed(100 * (row.score.probability - row.before))
    moved = say("figure.bars.change", points=points, bits=labels.signed(bits))
    return say("figure.bars.was", value=labels.percent(row.before)), moved


def prediction_text(slot: SlotPrediction, k: int = 10, before: SlotPrediction | None = None) -> str:
    """What `prediction_bars` shows, as plain lines: for screen readers, logs and tests."""
    lines = [_text_line(row) for row in bar_rows(slot, k, before)]
    return "\n".join([*lines, say("figure.bars.entropy", bits=slot.entropy)])


def _text_line(row: Row) -> str:
    numbers = {"rank": row.score.rank, "value": labels.percent(row.score.probability), "bits": row.score.surprisal}
    line = say("figure.bars.line", word=row.score.word, **numbers)
    marked = say("figure.bars.line.original", line=line) if row.kind == "original" else line
    return "; ".join((marked, *_change(row)))
