"""Numbers and tokens as people read them in a figure."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mlm_viz.escape import escape
from mlm_viz.figures.theme import SIZE, Colours, axis, title
from mlm_viz.results import WordScore
from mlm_viz.strings import say
from mlm_viz.tokens import Flags

_NARROW = frozenset("fijlrtI.,:;!|'`()[]{}- ")
_WIDE = frozenset("mwMW@%&⟨⟩")
_TOPS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_LEAST_TOP = 0.1
_BITS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
_HOVER_EMS = 40.0
_MARKS = 4
_NOTE = 92  # characters to a line of a note
LEAST = 0.005  # a smaller change has no sign


def ems(text: str) -> float:
    """About how wide `text` is, in font sizes: an estimate on the safe side, for the font is the page's."""
    return sum(_ems_of(char) for char in text)


def _ems_of(char: str) -> float:
    if unicodedata.combining(char) or unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0.0
    if unicodedata.east_asian_width(char) in "WF" or char > "\uffff":
        return 1.05 if char < "\U0001f000" else 1.4
    if char in _WIDE:
        return 0.95
    if char in _NARROW:
        return 0.4
    return 0.72 if char.isupper() else 0.6 if ord(char) < 0x250 else 0.75


def short(text: str, most: float) -> str:
    """`text` cut to at most `most` font sizes wide, with an ellipsis where something was cut.

    It is also cut where more than `_MARKS` marks without width stand on one letter, for they would tower over the page.
    """
    fits = ems(text) <= most
    kept, room, marks = 0, most if fits else most - 1.0, 0
    for char in text:
        width = _ems_of(char)
        room, marks = room - width, 0 if width else marks + 1
        if marks > _MARKS or (room < 0 and not fits):
            break
        kept += 1
    return text if kept == len(text) else text[:kept].rstrip("\u200d") + "…"


def markup(text: str, most: float = _HOVER_EMS) -> str:
    """A token for a label or a hover text: shortened, harmless, and kept from turning its surroundings about."""
    return escape(plain(text, most))


def plain(text: str, most: float = _HOVER_EMS) -> str:
    """A token in a sentence that is no markup: shortened, and kept from turning its surroundings about."""
    shown = short(text, most)
    backwards = any(unicodedata.bidirectional(char) in {"R", "AL", "AN"} for char in text)
    return f"\u2068{shown}\u2069" if backwards else shown


def lines(*texts: str) -> str:
    """Plain texts as the lines of a hover text; empty ones are left out."""
    return "<br>".join(markup(text) for text in texts if text)


def score_lines(score: WordScore) -> tuple[str, ...]:
    """What is told of a scored word on hovering: the word, its pieces if they differ from it, and its numbers."""
    pieces = " ".join(score.pieces)
    return (
        score.word,
        "" if pieces == score.word else say("figure.bars.pieces", pieces=pieces),
        say("figure.bars.probability", value=percent(score.probability)),
        say("figure.bars.rank", rank=score.rank),
        say("figure.bars.surprisal", bits=score.surprisal) if np.isfinite(score.surprisal) else "",
    )


def percent(probability: float) -> str:
    """A probability or share in [0, 1] in percent: one decimal, two significant digits below 1 %.

    >>> percent(0.4321), percent(0.00678), percent(0.000001), percent(0.9999)
    ('43.2 %', '0.68 %', '<0.01 %', '>99.9 %')
    """
    value = 100 * float(probability)
    if value <= 0:
        return "0 %"
    if value < 0.01:
        return "<0.01 %"
    if value < 0.995:
        return f"{value:.2f} %" if value >= 0.0995 else f"{value:.3f} %"
    if 99.95 <= value < 100:
        return ">99.9 %"
    return f"{value:.1f} %" if value < 100 else "100 %"


def signed(value: float) -> str:
    """A change, with its sign: one decimal, two below 1.

    >>> signed(12.34), signed(-0.5), signed(-0.001)
    ('+12.3', '−0.50', '±0.00')
    """
    if abs(value) < LEAST:
        return "±0.00"
    digits = 1 if abs(value) >= 0.995 else 2
    return f"{value:+.{digits}f}".replace("-", "−")


def axis_top(largest: float, least: float = _LEAST_TOP) -> float:
    """The first of 10, 25, 50 and 100 % that `largest` does not exceed; of smaller ones too, down to `least`."""
    return next((limit for limit in _TOPS if max(largest, least) <= limit), 1.0)


def bits_top(largest: float) -> float:
    """The first of 0.25, 0.5, 1, 2, 5, 10, ... bits that `largest` does not exceed: a scale that seldom changes."""
    return next((limit for limit in _BITS if largest <= limit), largest)


def percent_axis(ink: Colours, largest: float, *, least: float = _LEAST_TOP, **more: Any) -> dict[str, Any]:
    """An axis from 0 to the next of 10, 25, 50 and 100 %: small values stay readable and the scale seldom changes.

    Where one word is watched, which may have hardly any probability, a smaller `least` lets the axis end earlier.
    """
    top = axis_top(largest, least)
    ticks = [top * step / 5 for step in range(6)]
    texts = [f"{100 * tick:g} %" for tick in ticks]
    return axis(ink, **{"range": [0, top], "tickmode": "array", "tickvals": ticks, "ticktext": texts, **more})


def token_inks(special: Flags, slot: int | None, ink: Colours) -> list[str]:
    """The colour of each token's label: special tokens stand back, the slot stands out."""
    plain = [ink.muted if flag else ink.text for flag in special]
    return [ink.slot_ink if place == slot else colour for place, colour in enumerate(plain)]


def token_axis(
    ink: Colours,
    labels: Sequence[str],
    *,
    inks: Sequence[str],
    spacing: float,
    most: float,
    keep: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    """An axis with a token at each integer, thinned where they would stand on each other.

    Positions and not the tokens are the axis, because plotly takes equal categories ("the ... the") for one.

    Args:
        ink: the colours of the page.
        labels: (tokens,) plain text.
        inks: (tokens,) colour of each label.
        spacing: about how many pixels a token has.
        most: room for a label, in font sizes.
        keep: a position whose label is shown even when they are thinned.
        more: further properties of the axis.
    """
    size = SIZE if spacing >= SIZE + 1 else SIZE - 2
    step = max(1, round((size + 1) / spacing + 0.49))
    shown = range((keep or 0) % step, len(labels), step)
    texts = [f'<span style="color:{inks[i]}">{markup(labels[i], most * SIZE / size)}</span>' for i in shown]
    common: dict[str, Any] = {
        "tickmode": "array",
        "tickvals": list(shown),
        "ticktext": texts,
        "showgrid": False,
    }
    return axis(ink, **{**common, "range": [-0.5, len(labels) - 0.5], "tickfont": {"size": size}, **more})


def hover_layer(places: Sequence[float], told: Sequence[str], *, start: float, end: float, across: bool) -> go.Bar:
    """An unseen bar over each row (`across`) or column of a figure, so that even a bar of no length can be pointed at.

    Args:
        places: (bars,) of the rows or columns, one apart at least.
        told: (bars,) what each says, as `lines` makes it.
        start: where the axis along the bars begins.
        end: where it ends.
        across: whether the bars lie.
    """
    spans = {"x" if across else "y": [end - start] * len(places), "y" if across else "x": list(places)}
    return go.Bar(
        **spans,
        base=start,  # stated, it also keeps this layer out of a stack
        width=1.0,
        orientation="h" if across else "v",
        customdata=list(told),
        marker={"color": "rgba(0,0,0,0)", "line": {"width": 0}},
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
    )


def token_title(key: str, ink: Colours) -> dict[str, Any]:
    """The title of an axis, by the key of its string."""
    return title(escape(say(key)), ink)


def note(text: str, ink: Colours, left: int, bottom: int) -> dict[str, Any]:
    """Sentences at the foot of a figure, plain text, from its left edge on; `left` and `bottom` are its margins."""
    lines = [escape(line) for line in textwrap.wrap(text, _NOTE)]
    place = {"xref": "paper", "yref": "paper", "x": 0, "y": 0, "xshift": 12 - left, "yshift": 6 - bottom}
    anchors = {"xanchor": "left", "yanchor": "bottom", "align": "left", "showarrow": False}
    return {**place, **anchors, "text": "<br>".join(lines), "font": {"size": SIZE - 2, "color": ink.muted}}
