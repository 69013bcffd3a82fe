"""How much each part of the context matters, as signed bars, as shades for the token strip, and as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mlm_viz.escape import escape
from mlm_viz.figures import labels, theme
from mlm_viz.figures.theme import Colours
from mlm_viz.influences import Influence
from mlm_viz.strings import say

_ROW = 31  # pixels
_LABEL_EMS = 8.0
_ROOM = 1.6  # times the longest bar an axis takes: for the values beside it
_GAP = 0.04  # of the width, between two ways
_TOPS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
_MARGINS = {"left": 148, "right": 16, "top": 92, "bottom": 138}


@dataclass(frozen=True)
class Shades:
    """What the token strip shows, one entry a token.

    Attributes:
        amounts: size of each effect in [0, 1], 1 being the largest in the text or a bit, whichever is more.
        signs: 1 where the token raises the word, -1 where it lowers it, 0 where it does neither by 0.005 bits.
        labels: the effect in bits with its sign; empty for the slot and for special tokens.
        title: of the legend, with the unit.
    """

    amounts: tuple[float, ...]
    signs: tuple[int, ...]
    labels: tuple[str, ...]
    title: str


def influence_shades(influence: Influence, way: str) -> Shades:
    """One way of taking tokens away, for the token strip.

    Raises:
        MlmVizError: if that way was not asked for.
    """
    gains = influence.by_token(way)
    known = np.nan_to_num(gains)
    most = max(1.0, float(np.abs(known).max(initial=0.0)))
    shown = [labels.signed(gain) if np.isfinite(gain) else "" for gain in gains]
    return Shades(
        amounts=tuple(float(size) for size in np.abs(known) / most),
        signs=tuple(int(np.sign(gain)) if abs(gain) >= labels.LEAST else 0 for gain in known),
        labels=tuple(shown),
        title=say("figure.influence.shade", word=influence.target.word, way=_name(way), most=most),
    )


def influence_bars(influence: Influence, *, k: int = 12, dark: bool = False) -> go.Figure:
    """The `k` spans that matter most in any of the ways, in reading order; the ways side by side, on the same scale.

    A bar to the right raises the word, one to the left lowers it. The traces are, for each way, raising, lowering,
    values, and a layer to point at. The height depends on `k` only.

    Raises:
        ValueError: if `k` is less than 1.
    """
    ink = theme.colours(dark=dark)
    shown = shown_spans(influence, k)
    gains = influence.gains[:, shown]
    top = _top(float(np.nanmax(np.abs(gains))) if np.isfinite(gains).any() else 0.0)
    figure = go.Figure()
    for row in range(len(influence.ways)):
        for trace in _panel(influence, row, shown, top, ink):
            figure.add_trace(trace)
    layout = theme.layout(
        ink,
        _MARGINS["top"] + _MARGINS["bottom"] + k * _ROW,
        **_MARGINS,
        barmode="overlay",
        yaxis=_span_axis(influence, shown, k, ink),
        annotations=[
            *_headings(influence, ink),
            labels.note(_why(influence), ink, _MARGINS["left"], _MARGINS["bottom"]),
        ],
    )
    for row in range(len(influence.ways)):
        layout[f"xaxis{row + 1}" if row else "xaxis"] = _bits_axis(_domain(row, len(influence.ways)), top, ink)
    figure.layout = layout
    return figure


def influence_text(influence: Influence, k: int = 12) -> str:
    """What `influence_bars` shows, as plain lines: for screen readers, logs and tests."""
    lines = []
    for number in shown_spans(influence, k):
        bits = [
            say("figure.influence.text.way", way=_name(way), bits=labels.signed(gain))
            for way, gain in zip(influence.ways, influence.gains[:, number], strict=True)
            if np.isfinite(gain)
        ]
        place = influence.spans[number][0] + 1
        lines.append(say("figure.influence.text", span=influence.labels[number], number=place, changes=", ".join(bits)))
    return "\n".join([say("figure.influence.title", word=influence.target.word), *lines, _why(influence)])


def shown_spans(influence: Influence, k: int) -> list[int]:
    """Numbers of the `k` spans with the largest effect in any of the ways, in reading order.

    Raises:
        ValueError: if `k` is less than 1.
    """
    if k < 1:
        raise ValueError(say("figure.error.k", k=k))
    sizes = np.nan_to_num(np.abs(influence.gains), nan=-1.0).max(axis=0)
    strongest = np.argsort(-sizes, kind="stable")[:k]
    return sorted((int(number) for number in strongest), key=lambda number: influence.spans[number])


def _name(way: str) -> str:
    return say(f"influence.way.{way}")


def _why(influence: Influence) -> str:
    """Why the ways disagree; and, where it is so, that blocking is not complete."""
    lines = [say("figure.influence.why")] if len(influence.ways) > 1 else []
    if "blocked" in influence.ways and not influence.complete:
        lines.append(say("figure.influence.leaks", model=influence.target.model))
    return " ".join(lines)


def _top(largest: float) -> float:
    return next((limit for limit in _TOPS if largest <= limit), largest)


def _domain(row: int, count: int) -> tuple[float, float]:
    """Where the panel of a way begins and ends, as shares of the width."""
    width = (1 - _GAP * (count - 1)) / count
    return row * (width + _GAP), row * (width + _GAP) + width


def _bits_axis(domain: tuple[float, float], top: float, ink: Colours) -> dict[str, Any]:
    texts = [f"{tick:+g}".replace("-", "−") if tick else "0" for tick in (-top, 0, top)]
    zero = {"zeroline": True, "zerolinecolor": ink.text, "zerolinewidth": 1.5}
    heading = labels.token_title("figure.influence.axis", ink)
    end = _ROOM * top
    ticks = {"tickmode": "array", "tickvals": [-top, 0, top], "ticktext": texts}
    return theme.axis(ink, range=[-end, end], domain=domain, anchor="y", title=heading, **ticks, **zero)


def _span_axis(influence: Influence, shown: Sequence[int], k: int, ink: Colours) -> dict[str, Any]:
    texts = [labels.markup(influence.labels[number], _LABEL_EMS) for number in shown]
    ticks = {"tickmode": "array", "tickvals": list(range(len(shown))), "ticktext": texts, "showgrid": False}
    return theme.axis(ink, range=[k - 0.5, -0.5], **ticks)


def _headings(influence: Influence, ink: Colours) -> list[dict[str, Any]]:
    font = {"color": ink.text, "size": theme.SIZE}
    place = {"xref": "paper", "yref": "paper", "y": 1, "yanchor": "bottom", "xanchor": "center", "showarrow": False}
    middles = [sum(_domain(row, len(influence.ways))) / 2 for row in range(len(influence.ways))]
    return [
        {**place, "x": middle, "text": f"<b>{escape(_name(way))}</b>", "font": font}
        for way, middle in zip(influence.ways, middles, strict=True)
    ]


def _panel(influence: Influence, row: int, shown: Sequence[int], top: float, ink: Colours) -> Iterator[Any]:
    """The four traces of one way."""
    end = _ROOM * top
    gains = [(place, float(influence.gains[row, number])) for place, number in enumerate(shown)]
    known = [(place, gain) for place, gain in gains if np.isfinite(gain)]
    told = [_hover(influence, row, number) for number in shown]
    traces = [_bars(known, kind, influence, ink) for kind in ("up", "down")]
    traces += [_values(known, ink), labels.hover_layer(range(len(shown)), told, start=-end, end=end, across=True)]
    for trace in traces:
        trace.update(xaxis=f"x{row + 1}" if row else "x")
        if row:
            trace.update(showlegend=False)
        yield trace


def _bars(known: Sequence[tuple[int, float]], kind: str, influence: Influence, ink: Colours) -> go.Bar:
    rows = [(place, gain) for place, gain in known if (gain >= 0) == (kind == "up")]
    fill, hatching = (ink.guess, "") if kind == "up" else (ink.right, "\\")
    return go.Bar(
        x=[gain for _, gain in rows],
        y=[place for place, _ in rows],
        name=labels.markup(say(f"figure.influence.{kind}", word=labels.short(influence.target.word, 9))),
        showlegend=True,
        orientation="h",
        width=0.65,
        marker={"color": fill, "pattern": theme.pattern(hatching, ink.paper), "line": {"width": 0}},
        hoverinfo="skip",
    )


def _values(known: Sequence[tuple[int, float]], ink: Colours) -> go.Scatter:
    return go.Scatter(
        x=[gain for _, gain in known],
        y=[place for place, _ in known],
        text=[escape(f" {labels.signed(gain)} ") for _, gain in known],
        mode="text",
        textposition=["middle right" if gain >= 0 else "middle left" for _, gain in known],
        textfont={"size": theme.SIZE - 1, "color": ink.text},
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )


def _hover(influence: Influence, row: int, number: int) -> str:
    gain = float(influence.gains[row, number])
    lines = [f"{influence.labels[number]} · {_name(influence.ways[row])}"]
    if np.isfinite(gain):
        key = "figure.influence.raises" if gain >= 0 else "figure.influence.lowers"
        after = labels.percent(float(np.exp2(influence.log2_probs[row, number])))
        guess = influence.target.vocabulary.labels[int(influence.guesses[row, number])]
        lines += [
            say(key, word=labels.short(influence.target.word, 12), bits=labels.signed(abs(gain))[1:]),
            say("figure.influence.after", before=labels.percent(influence.target.probability), after=after),
            say("figure.influence.divergence", bits=float(influence.divergences[row, number])),
            say("figure.influence.guess", guess=guess),
        ]
    return labels.lines(*lines)
