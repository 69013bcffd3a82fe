"""What changed between two distributions."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from mlm_viz.escape import escape
from mlm_viz.figures import labels, theme
from mlm_viz.figures.theme import Colours
from mlm_viz.measures import js_divergence
from mlm_viz.results import Floats64, SlotPrediction
from mlm_viz.strings import say

_ROW = 31  # pixels
_LABEL_EMS = 9.0
_ROOM = 1.3  # times the longest bar an axis takes: for the values beside it
_MARGINS = {"left": 164, "right": 24, "top": 92, "bottom": 58}


def distribution_shift(before: SlotPrediction, after: SlotPrediction, *, k: int = 12, dark: bool = False) -> go.Figure:
    """The `k` tokens whose probability changed most, gains on top; the title is the Jensen-Shannon divergence.

    Raises:
        ValueError: if `k` is less than 1 or the vocabularies differ.
    """
    ink = theme.colours(dark=dark)
    if k < 1:
        raise ValueError(say("figure.error.k", k=k))
    if len(before.log2_probs) != len(after.log2_probs):
        sizes = {"size": len(after.log2_probs), "before": len(before.log2_probs)}
        raise ValueError(say("figure.error.before", **sizes))
    change = after.probabilities - before.probabilities
    chosen = np.argsort(-np.abs(change), kind="stable")[:k]
    ids = chosen[np.argsort(-change[chosen], kind="stable")]
    names = [after.vocabulary.labels[i] for i in ids]
    told = [_hover(before, after, int(i)) for i in ids]
    divergence = float(js_divergence(before.log2_probs, after.log2_probs))
    figure = go.Figure()
    for kind in ("up", "down"):
        figure.add_trace(_bars(change[ids], kind, ink))
    figure.add_trace(_values(change[ids], ink))
    end = _ROOM * labels.axis_top(float(np.abs(change[ids]).max()))
    figure.add_trace(labels.hover_layer(range(len(ids)), told, start=-end, end=end, across=True))
    layout = theme.layout(
        ink,
        _MARGINS["top"] + _MARGINS["bottom"] + k * _ROW,
        **_MARGINS,
        barmode="overlay",
        xaxis=_points(end, ink),
        yaxis=_tokens(names, k, ink),
        title={"text": escape(say("figure.shift.title", bits=divergence)), "font": {"size": theme.SIZE + 2}},
    )
    # The title stands at the top, so the legend goes under it.
    layout["title"] |= {"x": 0, "xanchor": "left", "y": 1, "yanchor": "top", "pad": {"t": 10, "l": 12}}
    layout["legend"] |= {"yref": "paper", "yanchor": "bottom"}
    figure.layout = layout
    return figure


def _hover(before: SlotPrediction, after: SlotPrediction, token: int) -> str:
    old, new = before.score_id(token), after.score_id(token)
    points = labels.signed(100 * (new.probability - old.probability))
    return labels.lines(
        new.word,
        say("figure.bars.probability", value=labels.percent(new.probability)),
        say("figure.bars.was", value=labels.percent(old.probability)),
        say("figure.bars.change", points=points, bits=labels.signed(new.log2_prob - old.log2_prob)),
    )


def _points(end: float, ink: Colours) -> dict[str, Any]:
    """An axis symmetrical about no change, with room for a value beside a bar that reaches its end."""
    top = end / _ROOM
    ticks = [top * step / 2 for step in range(-2, 3)]
    texts = [f"{100 * tick:+g}".replace("-", "−") if tick else "0" for tick in ticks]
    heading = labels.token_title("figure.shift.axis", ink)
    zero = {"zeroline": True, "zerolinecolor": ink.text, "zerolinewidth": 1.5}
    return theme.axis(ink, range=[-end, end], tickvals=ticks, ticktext=texts, title=heading, **zero)


def _tokens(names: list[str], k: int, ink: Colours) -> dict[str, Any]:
    texts = [labels.markup(name, _LABEL_EMS) for name in names]
    return theme.axis(ink, range=[k - 0.5, -0.5], tickvals=list(range(len(names))), ticktext=texts, showgrid=False)


def _bars(change: Floats64, kind: str, ink: Colours) -> go.Bar:
    rows = [row for row, value in enumerate(change) if (value >= 0) == (kind == "up")]
    fill, hatching = (ink.guess, "") if kind == "up" else (ink.right, "\\")
    return go.Bar(
        x=change[rows],
        y=rows,
        name=escape(say(f"figure.shift.{kind}")),
        showlegend=True,
        orientation="h",
        width=0.65,
        marker={"color": fill, "pattern": theme.pattern(hatching, ink.paper), "line": {"width": 0}},
        hoverinfo="skip",
    )


def _values(change: Floats64, ink: Colours) -> go.Scatter:
    return go.Scatter(
        x=change,
        y=list(range(len(change))),
        text=[escape(f" {labels.signed(100 * value)} ") for value in change],
        mode="text",
        textposition=["middle right" if value >= 0 else "middle left" for value in change],
        textfont={"size": theme.SIZE, "color": ink.text},
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )
