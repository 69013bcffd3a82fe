"""The right side of a gap comes into view word by word: a curve for each model, a mark that moves, the same as text."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mlm_viz.comparison import SIDES, Revealed, Side
from mlm_viz.escape import escape
from mlm_viz.figures import labels, theme
from mlm_viz.figures.film_loss import spread
from mlm_viz.figures.theme import Colours
from mlm_viz.results import Floats64
from mlm_viz.strings import say

_MARGINS = {"left": 84, "right": 184, "top": 46, "bottom": 126}
_HEIGHT = 460
_WIDTH = 500  # pixels: of the plot on the narrowest page it should be read on
_NAME = 38  # pixels from one name of a curve to the next: it may have two lines
_LETTERS = 16  # to a line of a name
_WORD_EMS = 5.5
_LEAST = -6  # log10 of the smallest probability that is drawn; smaller ones stand on the axis
_SYMBOLS = {"circle": "●", "circle-open": "○", "diamond": "◆", "square": "■"}  # for the names behind the lines


def reveal_curves(revealed: Revealed, step: int | None = None, *, dark: bool = False) -> go.Figure:
    """Probability of the true word, on a log scale, against the words of the right side in view: a line for each model.

    Where nobody knows the word, the entropy of each guess in bits is drawn instead. The traces are a line for each of
    `SIDES` (empty if it is not there), lines to the names, the names, and the points at `step`; of these only the last
    differs from step to step.

    Args:
        revealed: what has been measured so far; the rest of it is NaN.
        step: how many words are in view, where the mark stands; the last by default.
        dark: for a dark page.
    """
    ink = theme.colours(dark=dark)
    values = _values(revealed)
    words = len(revealed.gap.right_words)
    step = words if step is None else step
    bottom, top = _range(revealed, values)
    figure = go.Figure()
    for side in SIDES:
        figure.add_trace(_line(revealed, values, side, ink))
    figure.add_traces(_names(revealed, values, bottom, top, ink))
    figure.add_trace(_points(revealed, values, step, ink))
    figure.layout = theme.layout(
        ink,
        _HEIGHT,
        **_MARGINS,
        xaxis=_word_axis(revealed, ink),
        yaxis=_value_axis(revealed, bottom, top, ink),
        shapes=[_mark(step, ink)],
        annotations=[_mark_name(step, words, ink)],
        hovermode="closest",
    )
    return figure


def _values(revealed: Revealed) -> Floats64:
    """(sides, words + 1) what is drawn: probabilities, or entropies if nobody knows the word; NaN where nothing is."""
    if revealed.gap.word is None:
        return revealed.entropies
    return np.maximum(np.exp2(revealed.log2_probs), 10.0**_LEAST)


def _range(revealed: Revealed, values: Floats64) -> tuple[float, float]:
    """Of the axis: in powers of ten for probabilities, in bits for entropies."""
    known = values[np.isfinite(values)]
    if revealed.gap.word is None:
        return 0.0, float(np.ceil(known.max())) if known.size else 1.0
    lowest = int(np.floor(np.log10(known.min()) + 1e-9)) if known.size else _LEAST
    return float(min(max(lowest, _LEAST), -2)), 0.0


# --- axes and the mark ------------------------------------------------------------------------------------------------


def _word_axis(revealed: Revealed, ink: Colours) -> dict[str, Any]:
    """The words as they come into view: upright where there is room, as there is for Chinese."""
    words = [say("comparison.curve.none"), *(word.strip() for word in revealed.gap.right_words)]
    spacing, last = _WIDTH / len(words), max(len(words) - 1, 1)
    fits = all(labels.ems(labels.short(word, _WORD_EMS)) * theme.SIZE <= spacing for word in words[1:])
    inks = [ink.muted, *[ink.text] * (len(words) - 1)]
    heading = labels.token_title("comparison.curve.words", ink)
    more: dict[str, Any] = {"range": [-0.03 * last, 1.07 * last], "title": heading, "tickangle": 0 if fits else -60}
    return labels.token_axis(ink, words, inks=inks, spacing=spacing, most=_WORD_EMS, **more)


def _value_axis(revealed: Revealed, bottom: float, top: float, ink: Colours) -> dict[str, Any]:
    if revealed.gap.word is None:
        title = labels.token_title("comparison.curve.entropy", ink)
        return theme.axis(ink, range=[bottom, top], nticks=8, title=title)
    word = labels.short(revealed.gap.word, 8)
    title = theme.title(labels.markup(say("comparison.curve.probability", word=word)), ink)
    powers = range(int(bottom), 1)
    ticks = {
        "type": "log",
        "tickmode": "array",
        "tickvals": [10.0**power for power in powers],
        "ticktext": [f"{100 * 10.0**power:g} %" for power in powers],
    }
    pad = 0.03 * (top - bottom)
    return theme.axis(ink, range=[bottom - pad, top + pad], title=title, **ticks)


def _mark(step: int, ink: Colours) -> dict[str, Any]:
    line = {"color": ink.text, "width": 2}
    return {"type": "line", "x0": step, "x1": step, "yref": "paper", "y0": 0, "y1": 1, "line": line, "layer": "below"}


def _mark_name(step: int, words: int, ink: Colours) -> dict[str, Any]:
    """How much is in view, above the mark; it leans inwards at the ends, so that it is never cut."""
    share = step / max(words, 1)
    anchor = "left" if share < 0.2 else "right" if share > 0.8 else "center"
    text = escape(say("comparison.in_view", seen=step, most=words))
    place = {"x": step, "y": 1, "yref": "paper", "xanchor": anchor, "yanchor": "bottom", "yshift": 4}
    return {**place, "text": text, "showarrow": False, "font": {"color": ink.text, "size": theme.SIZE}}


# --- lines ------------------------------------------------------------------------------------------------------------


def _row(revealed: Revealed, side: Side) -> int | None:
    return revealed.sides.index(side) if side in revealed.sides else None


def _line(revealed: Revealed, values: Floats64, side: Side, ink: Colours) -> go.Scatter:
    look = theme.side_look(side, ink)
    row = _row(revealed, side)
    known = np.flatnonzero(np.isfinite(values[row])) if row is not None else np.array([], dtype=np.int64)
    return go.Scatter(
        x=known.tolist(),
        y=[] if row is None else values[row, known].tolist(),
        customdata=[labels.lines(*_point(revealed, side, int(step)).split("; ")) for step in known],
        name=escape(say(f"side.{side}")),
        showlegend=False,
        mode="lines+markers",
        line={"color": look.colour, "width": 3, "dash": look.dash},
        marker={"color": look.colour, "size": 9, "symbol": look.symbol},
        cliponaxis=False,
        hovertemplate="%{customdata}<extra></extra>",
    )


def _point(revealed: Revealed, side: Side, step: int) -> str:
    row = revealed.sides.index(side)
    told = {"side": say(f"side.{side}"), "guess": revealed.best[row][step]}
    bits = float(revealed.entropies[row, step])
    if revealed.gap.word is None:
        return say("comparison.curve.point.unknown", bits=bits, **told)
    log2_prob = float(revealed.log2_probs[row, step])
    value = labels.percent(float(np.exp2(log2_prob)))
    return say("comparison.curve.point", word=revealed.gap.word, value=value, surprisal=-log2_prob, bits=bits, **told)


def _ends(revealed: Revealed, values: Floats64) -> dict[Side, float]:
    """The last value of each line."""
    ends: dict[Side, float] = {}
    for side, row in zip(revealed.sides, values, strict=True):
        known = row[np.isfinite(row)]
        if known.size:
            ends[side] = float(known[-1])
    return ends


def _names(revealed: Revealed, values: Floats64, bottom: float, top: float, ink: Colours) -> list[go.Scatter]:
    """The name of each line behind its end, and a line to it: names are pushed apart where they would touch."""
    is_log = revealed.gap.word is not None
    ends = _ends(revealed, values)
    heights = {side: (float(np.log10(end)) if is_log else end) - bottom for side, end in ends.items()}
    order = sorted(heights, key=lambda side: heights[side])
    gap = _NAME * (top - bottom) / (_HEIGHT - _MARGINS["top"] - _MARGINS["bottom"])
    pushed = [bottom + place for place in spread([heights[side] for side in order], gap, top - bottom)]
    places = [10.0**place if is_log else place for place in pushed]
    last = max(values.shape[1] - 1, 1)
    x: list[float | None] = []
    y: list[float | None] = []
    for side, place in zip(order, places, strict=True):
        x += [1.01 * last, 1.045 * last, None]
        y += [ends[side], place, None]
    unseen: dict[str, Any] = {"hoverinfo": "skip", "showlegend": False, "cliponaxis": False}
    lines = go.Scatter(x=x, y=y, mode="lines", line={"color": ink.muted, "width": 1}, **unseen)
    names = go.Scatter(
        x=[1.045 * last] * len(order),
        y=places,
        text=[_name(side, ink) for side in order],
        mode="text",
        textposition="middle right",
        textfont={"size": theme.SIZE - 1, "color": [theme.side_look(side, ink).colour for side in order]},
        **unseen,
    )
    return [lines, names]


def _name(side: Side, ink: Colours) -> str:
    """The side with its mark, on two lines if it is long."""
    lines = [escape(line) for line in textwrap.wrap(say(f"side.{side}"), _LETTERS)]
    return f" {_SYMBOLS[theme.side_look(side, ink).symbol]} " + "<br>    ".join(lines)


def _points(revealed: Revealed, values: Floats64, step: int, ink: Colours) -> go.Scatter:
    shown = [(side, row[step]) for side, row in zip(revealed.sides, values, strict=True) if np.isfinite(row[step])]
    looks = [theme.side_look(side, ink) for side, _ in shown]
    return go.Scatter(
        x=[step] * len(shown),
        y=[float(value) for _, value in shown],
        mode="markers",
        marker={
            "color": [look.colour for look in looks],
            "symbol": [look.symbol for look in looks],
            "size": 15,
            "line": {"color": ink.text, "width": 2},
        },
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )


def revealed_text(revealed: Revealed) -> str:
    """What `reveal_curves` shows, as plain lines: for screen readers, logs and tests."""
    words = ("", *revealed.gap.right_words)
    lines = []
    for step, word in enumerate(words):
        key = "comparison.curve.text.first" if not step else "comparison.curve.text.step"
        lines.append(say(key, seen=step, word=labels.plain(word.strip())))
        known = [row for row in range(len(revealed.sides)) if np.isfinite(revealed.entropies[row, step])]
        lines += ["  " + _point(revealed, revealed.sides[row], step) for row in known]
    return "\n".join(lines)
