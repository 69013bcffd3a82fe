"""Learning as a curve: the loss on what is trained on and on what is held out, in bits and as perplexity."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go

from mlm_viz.figures import labels, theme
from mlm_viz.figures.theme import Colours
from mlm_viz.learning import Learning
from mlm_viz.results import Floats64
from mlm_viz.strings import say
from mlm_viz.tokens import Ids

By = Literal["step", "tokens"]

_MARGINS = {"left": 64, "right": 100, "top": 64, "bottom": 60}
_HEIGHT = 360
_ENDS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_LEAST = 10
_ROWS = 12
_MANY = 8  # bits; above, only every other one has a tick


def learning_curve(
    learning: Learning, *, by: By = "step", until: int | None = None, top: int | None = None, dark: bool = False
) -> go.Figure:
    """Loss against the steps or the tokens read.

    The traces are always the same five, so that a figure on the page can follow a training: the training loss as it was
    measured, its running mean, the held-out loss, a mark where that is lowest, and nothing, which holds the axis of
    perplexity.

    Args:
        learning: of a training, also one that has only begun.
        by: what lies along the axis.
        until: the axis reaches at least so far.
        top: the axis of bits reaches at least so high.
        dark: for a dark page.

    Raises:
        ValueError: if `by` is something else.
    """
    ink = theme.colours(dark=dark)
    places, held_places = _places(learning, by)
    values = np.concatenate([learning.bits, learning.held_out, [float(top or 1)]])
    highest = int(np.ceil(values.max()))
    figure = go.Figure()
    figure.add_trace(_measured(learning, places, ink))
    figure.add_trace(_running_mean(learning, places, ink))
    figure.add_trace(_held_out(learning, held_places, ink))
    figure.add_trace(_lowest(learning, held_places, ink))
    figure.add_trace(go.Scatter(x=[None], y=[None], yaxis="y2", hoverinfo="skip", showlegend=False))
    reached = max(int(places[-1]) if len(places) else 0, until or 0)
    figure.layout = theme.layout(
        ink,
        _HEIGHT,
        **_MARGINS,
        xaxis=_across(by, reached, ink),
        yaxis=_bits_axis(highest, ink),
        yaxis2=_perplexity_axis(highest, ink),
        hovermode="closest",
        shapes=_plumb_line(learning, held_places, ink),
    )
    return figure


def learning_text(learning: Learning) -> str:
    """The curve in words: a line for each measurement of the held-out loss, at most a dozen."""
    held = learning.held_out
    chosen = np.linspace(0, len(held) - 1, min(len(held), _ROWS)).round().astype(int)
    rows = []
    for number in chosen.tolist():
        step = int(learning.held_steps[number])
        said = say("figure.learning.held", **_numbers(step, int(learning.held_tokens[number]), float(held[number])))
        if step and len(learning.steps):
            bits = float(np.interp(step, learning.steps, learning.smoothed()))
            said = "; ".join((said, say("figure.learning.text.training", bits=bits)))
        rows.append(said)
    if not rows and len(learning.steps):
        rows = [_told(learning.steps[-1:], learning.tokens[-1:], learning.smoothed()[-1:], "training")[0]]
    return "\n".join([*rows, *_lowest_name(learning)])


def _places(learning: Learning, by: By) -> tuple[Ids, Ids]:
    if by == "step":
        return learning.steps, learning.held_steps
    if by == "tokens":
        return learning.tokens, learning.held_tokens
    raise ValueError(say("figure.learning.error.by", by=by))


def _numbers(step: int, tokens: int, bits: float) -> dict[str, Any]:
    return {"step": step, "tokens": tokens, "bits": bits, "words": 2.0**bits}


def _told(steps: Ids, tokens: Ids, bits: Floats64, kind: Literal["training", "held"]) -> list[str]:
    rows = zip(steps.tolist(), tokens.tolist(), bits.tolist(), strict=True)
    return [say(f"figure.learning.{kind}", **_numbers(*row)) for row in rows]


def _measured(learning: Learning, places: Ids, ink: Colours) -> go.Scatter:
    return go.Scatter(
        x=places,
        y=learning.bits,
        mode="lines",
        line={"color": ink.series[0], "width": 1},
        opacity=0.4,
        hoverinfo="skip",
        showlegend=False,
    )


def _running_mean(learning: Learning, places: Ids, ink: Colours) -> go.Scatter:
    bits = learning.smoothed()
    return go.Scatter(
        x=places,
        y=bits,
        customdata=_told(learning.steps, learning.tokens, bits, "training"),
        name=say("figure.learning.name.training"),
        showlegend=True,
        mode="lines",
        line={"color": ink.series[0], "width": 3},
        hovertemplate="%{customdata}<extra></extra>",
    )


def _held_out(learning: Learning, places: Ids, ink: Colours) -> go.Scatter:
    dash, symbol = theme.LINES[1]
    told = _told(learning.held_steps, learning.held_tokens, learning.held_out, "held")
    many = learning.sources if len(learning.sources) > 1 else ()
    parts = [
        [say("figure.learning.source", source=source, bits=bits) for source, bits in zip(many, row, strict=False)]
        for row in learning.held_bits.tolist()
    ]
    return go.Scatter(
        x=places,
        y=learning.held_out,
        customdata=[labels.lines(line, *rest) for line, rest in zip(told, parts, strict=True)],
        name=say("figure.learning.name.held"),
        showlegend=True,
        mode="lines+markers",
        line={"color": ink.series[1], "width": 2.5, "dash": dash},
        marker={"color": ink.series[1], "size": 8, "symbol": symbol},
        cliponaxis=False,
        hovertemplate="%{customdata}<extra></extra>",
    )


def _lowest(learning: Learning, places: Ids, ink: Colours) -> go.Scatter:
    at = [] if learning.lowest is None else [learning.lowest]
    return go.Scatter(
        x=places[at],
        y=learning.held_out[at],
        name="".join(_lowest_name(learning)),
        showlegend=bool(at),
        mode="markers",
        marker={"color": ink.paper, "size": 15, "symbol": "star", "line": {"color": ink.series[1], "width": 2}},
        cliponaxis=False,
        hoverinfo="skip",
    )


def _plumb_line(learning: Learning, places: Ids, ink: Colours) -> list[dict[str, Any]]:
    """From the lowest held-out loss down to the axis; a training that goes on behind it learns by heart."""
    at = learning.lowest
    if at is None:
        return []
    ends = {"x0": int(places[at]), "x1": int(places[at]), "y0": 0, "y1": float(learning.held_out[at])}
    return [{"type": "line", "layer": "below", "line": {"color": ink.muted, "width": 1.5, "dash": "dot"}, **ends}]


def _lowest_name(learning: Learning) -> list[str]:
    at = learning.lowest
    if at is None:
        return []
    return [say("figure.learning.lowest", step=int(learning.held_steps[at]), bits=float(learning.held_out[at]))]


def _across(by: By, reached: int, ink: Colours) -> dict[str, Any]:
    title = labels.token_title("figure.learning.step" if by == "step" else "figure.learning.tokens", ink)
    style = {"tickformat": ",d" if by == "step" else "~s", "nticks": 7, "showgrid": False}
    return theme.axis(ink, range=[0, round_end(reached)], title=title, **style)


def round_end(reached: int) -> float:
    """A round number not under `reached`, for the end of an axis that then seldom moves.

    >>> round_end(3), round_end(16), round_end(4100)
    (10.0, 20.0, 5000.0)
    """
    power = 10.0 ** np.floor(np.log10(max(reached, _LEAST)))
    return float(next(end * power for end in _ENDS if end * power >= reached))


def _bits_axis(highest: int, ink: Colours) -> dict[str, Any]:
    title = labels.token_title("figure.learning.bits", ink)
    return theme.axis(ink, range=[0, highest], tickmode="array", tickvals=_ticks(highest), title=title)


def _perplexity_axis(highest: int, ink: Colours) -> dict[str, Any]:
    """The same heights under another name: two to the bits."""
    ticks = _ticks(highest)
    scale = {"tickmode": "array", "tickvals": ticks, "ticktext": [f"{2**tick:,}" for tick in ticks]}
    title = labels.token_title("figure.learning.perplexity", ink)
    place = {"overlaying": "y", "side": "right", "showgrid": False}
    return theme.axis(ink, range=[0, highest], title=title, **place, **scale)


def _ticks(highest: int) -> list[int]:
    return list(range(0, highest + 1, 1 if highest <= _MANY else 2))
