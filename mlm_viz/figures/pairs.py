"""Two sentences under each other, word by word, with the surprisal of each token."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mlm_viz.escape import escape
from mlm_viz.figures import labels, theme
from mlm_viz.figures.theme import Colours
from mlm_viz.pairs import MinimalPair, PseudoLogLikelihood, Side
from mlm_viz.strings import say

_MARGINS = {"left": 88, "right": 24, "top": 128, "bottom": 122}
_ROW = 176  # pixels of bars, for each sentence
_GAP = 124  # between them, for the labels of the upper one
_LEGEND = 90  # from the top
_LABEL_EMS = 7.0

# A column: position in A, in B (None where a sentence has nothing there), and whether the words are the same.
Column = tuple[int | None, int | None, bool]


def pair_columns(pair: MinimalPair) -> list[Column]:
    """The tokens of both sentences, those that belong together in one column."""
    return [
        (a, b, stretch.same) for stretch in pair.stretches for a, b in zip_longest(stretch.a, stretch.b, fillvalue=None)
    ]


def pair_bars(pair: MinimalPair, *, dark: bool = False) -> go.Figure:
    """Surprisal of each token, sentence A above B, aligned, the words in which they differ on a grey ground.

    The title says which sentence the model prefers. The traces are always the same: for each sentence the words that
    both share, those that differ, and a layer to point at.
    """
    ink = theme.colours(dark=dark)
    columns = pair_columns(pair)
    most = float(max(np.max(-pair.a.log2_probs), np.max(-pair.b.log2_probs), 1.0)) * 1.08
    figure = go.Figure()
    for side in ("a", "b"):
        for trace in _traces(pair, columns, side, most, ink):
            figure.add_trace(trace)
    share = _ROW / (2 * _ROW + _GAP)
    layout = theme.layout(
        ink,
        _MARGINS["top"] + _MARGINS["bottom"] + 2 * _ROW + _GAP,
        **_MARGINS,
        barmode="overlay",
        xaxis=_tokens(pair.a, [a for a, _, _ in columns], ink, anchor="y"),
        xaxis2=_tokens(pair.b, [b for _, b, _ in columns], ink, anchor="y2"),
        yaxis=_bits("A", most, ink, domain=[1 - share, 1]),
        yaxis2=_bits("B", most, ink, domain=[0, share]),
        shapes=[_ground(place, ink) for place, column in enumerate(columns) if not column[2]],
        title={"text": "<br>".join(escape(line) for line in _verdict(pair)), "font": {"size": theme.SIZE + 1}},
    )
    layout["title"] |= {"x": 0, "xanchor": "left", "y": 1, "yanchor": "top", "pad": {"t": 10, "l": 12}}
    # Under the title; placed by the plot, it would push the titles of the axes aside.
    layout["legend"] |= {"y": 1 - _LEGEND / layout["height"]}
    figure.layout = layout
    return figure


def pair_text(pair: MinimalPair) -> str:
    """What `pair_bars` shows, as plain lines: the verdict, then where the sentences differ."""
    lines = [
        say(
            "figure.pair.text",
            a=_spelled(pair.a, stretch.a),
            b=_spelled(pair.b, stretch.b),
            bits_a=labels.signed(pair.a.bits(stretch.a)),
            bits_b=labels.signed(pair.b.bits(stretch.b)),
        )
        for stretch in pair.stretches
        if not stretch.same
    ]
    return "\n".join([*_verdict(pair), *lines])


def _verdict(pair: MinimalPair) -> list[str]:
    totals = {"a": labels.signed(pair.a.total), "b": labels.signed(pair.b.total)}
    lines = [say(f"figure.pair.{pair.winner or 'tie'}", bits=abs(pair.difference), **totals)]
    if not pair.equally_long:
        counts = {"count_a": len(pair.a.positions), "count_b": len(pair.b.positions)}
        means = {"a": labels.signed(pair.a.per_token), "b": labels.signed(pair.b.per_token)}
        lines.append(say("figure.pair.longer", **counts, **means))
    return lines


def _spelled(score: PseudoLogLikelihood, positions: tuple[int, ...]) -> str:
    return " ".join(score.sentence.labels[p] for p in positions) or "–"


def _traces(pair: MinimalPair, columns: list[Column], side: Side, most: float, ink: Colours) -> list[go.Bar]:
    score = pair.a if side == "a" else pair.b
    surprisals = score.surprisals
    found = [(place, c[0] if side == "a" else c[1], c[2]) for place, c in enumerate(columns)]
    scored = [(place, p, same) for place, p, same in found if p is not None and not np.isnan(surprisals[p])]
    axes = {"xaxis": "x" if side == "a" else "x2", "yaxis": "y" if side == "a" else "y2"}
    traces = [
        go.Bar(
            x=[place for place, _, same in scored if same == wanted],
            y=[surprisals[p] for _, p, same in scored if same == wanted],
            name=escape(say(f"figure.pair.{'same' if wanted else 'differs'}")),
            showlegend=side == "a",
            width=0.75,
            marker={
                "color": ink.guess if wanted else ink.right,
                "pattern": theme.pattern("" if wanted else "/", ink.paper),
                "line": {"width": 0},
            },
            hoverinfo="skip",
        )
        for wanted in (True, False)
    ]
    told = [_hover(score, p, float(surprisals[p])) for _, p, _ in scored]
    traces.append(labels.hover_layer([place for place, _, _ in scored], told, start=0, end=most, across=False))
    return [trace.update(axes) for trace in traces]


def _hover(score: PseudoLogLikelihood, position: int, surprisal: float) -> str:
    return labels.lines(
        score.sentence.labels[position],
        say("figure.bars.surprisal", bits=surprisal),
        say("figure.bars.probability", value=labels.percent(2.0**-surprisal)),
    )


def _tokens(score: PseudoLogLikelihood, positions: list[int | None], ink: Colours, *, anchor: str) -> dict[str, Any]:
    names = ["" if p is None else score.sentence.labels[p] for p in positions]
    return labels.token_axis(
        ink,
        names,
        inks=[ink.text] * len(names),
        spacing=640 / len(names),
        most=_LABEL_EMS,
        tickangle=-60,
        anchor=anchor,
    )


def _bits(side: str, most: float, ink: Colours, *, domain: list[float]) -> dict[str, Any]:
    heading = theme.title(escape(say("figure.pair.axis", side=side)), ink)
    return theme.axis(ink, range=[0, most], domain=domain, anchor="x" if side == "A" else "x2", title=heading, nticks=5)


def _ground(place: int, ink: Colours) -> dict[str, Any]:
    """A ground through both sentences under a column in which they differ."""
    span = {"x0": place - 0.5, "x1": place + 0.5, "yref": "paper", "y0": 0, "y1": 1}
    return {"type": "rect", **span, "fillcolor": ink.ghost, "line": {"width": 0}, "layer": "below"}
