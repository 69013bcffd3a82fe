"""A vocabulary as a cloud: the probability of each word in one sentence against that in another."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from mlm_viz.escape import escape
from mlm_viz.figures import labels, theme
from mlm_viz.figures.theme import Colours
from mlm_viz.readings import LEAST, Contrast
from mlm_viz.results import Floats64
from mlm_viz.strings import say
from mlm_viz.tokens import Vocabulary

_MARGINS = {"left": 100, "right": 40, "top": 60, "bottom": 72}
_HEIGHT = 640
_LABEL_EMS = 8.0
_TITLE_EMS = 26.0
_LOWEST = 1e-30  # a log axis has no place for 0
_TICKS = 6
# Labels are placed for a plot as narrow as the first and as wide as the last, so for all in between.
_WIDTHS = (520.0, 1800.0)
_LETTERS = theme.SIZE - 1
_TRIED = 4  # times as many words as are to be named
_AWAY = 8.0  # pixels from a point to its label
# Where a label may stand: name, and where its box begins in shares of its own width and height, from the point.
_SEATS = (
    ("middle right", 0.0, -0.5),
    ("middle left", -1.0, -0.5),
    ("top center", -0.5, 0.0),
    ("bottom center", -0.5, -1.0),
    ("top right", 0.0, 0.0),
    ("bottom right", 0.0, -1.0),
    ("top left", -1.0, 0.0),
    ("bottom left", -1.0, -1.0),
)


class _Box(NamedTuple):
    """A label: its left and right edge in the narrowest and in the widest plot, lower and upper edge; in pixels."""

    lefts: tuple[float, ...]
    rights: tuple[float, ...]
    low: float
    high: float

    def hits(self, other: _Box) -> bool:
        """Whether the two overlap in some plot between the narrowest and the widest."""
        if self.low >= other.high or other.low >= self.high:
            return False
        # Edges move evenly as a plot widens, so what is apart at both ends on the same side is apart in between.
        before = all(mine <= theirs for mine, theirs in zip(self.rights, other.lefts, strict=True))
        behind = all(theirs <= mine for mine, theirs in zip(self.lefts, other.rights, strict=True))
        return not (before or behind)


def contrast_cloud(contrast: Contrast, *, k: int = 16, least: float = LEAST, dark: bool = False) -> go.Figure:
    """Every word as a point, its probability in A to the right and in B upwards, on log axes.

    On the diagonal a word is as probable in both. Of the words of at least `least` probability those whose log-odds
    differ most are named, up to `k`; one whose name would cover another is passed over. The traces are always the same:
    all words, those more probable in A, those more probable in B. Special tokens have no point.
    """
    ink = theme.colours(dark=dark)
    a, b = (np.maximum(slot.probabilities, _LOWEST) for slot in (contrast.a, contrast.b))
    ids = contrast.vocabulary.ordinary_ids
    low = float(np.floor(np.log10(min(a[ids].min(initial=0.1), b[ids].min(initial=0.1)))))
    candidates = contrast.biggest(_TRIED * k, least=least)
    names = [labels.short(contrast.vocabulary.labels[i], _LABEL_EMS) for i in candidates]
    seats = _seats(np.log10(np.stack([a[candidates], b[candidates]], axis=1)), names, low, k)
    figure = go.Figure()
    figure.add_trace(_cloud(a[ids], b[ids], contrast.vocabulary, ink))
    for side in ("a", "b"):
        mine = [place for place in seats if (contrast.log_odds[candidates[place]] > 0) == (side == "a")]
        points = a[candidates[mine]], b[candidates[mine]]
        texts = [labels.markup(names[place], _LABEL_EMS) for place in mine]
        figure.add_trace(_outliers(*points, texts, [seats[place] for place in mine], side, ink))
    titles = [say(f"figure.contrast.{side}", text=labels.short(text, _TITLE_EMS)) for side, text in _sides(contrast)]
    figure.layout = theme.layout(
        ink,
        _HEIGHT,
        **_MARGINS,
        xaxis=_axis(titles[0], low, ink),
        yaxis=_axis(titles[1], low, ink),
        shapes=[_diagonal(low, ink)],
        hovermode="closest",
    )
    return figure


def contrast_text(contrast: Contrast, k: int = 10, *, least: float = LEAST) -> str:
    """The biggest differences as plain lines: for screen readers, logs and tests."""
    sides = [f"{side.upper()}: {text}" for side, text in _sides(contrast)]
    points = [_point(contrast, int(token)) for token in contrast.biggest(k, least=least)]
    return "\n".join([*sides, say("figure.contrast.divergence", bits=contrast.divergence), *points])


def _point(contrast: Contrast, token: int) -> str:
    return say(
        "figure.contrast.point",
        word=contrast.vocabulary.labels[token],
        a=labels.percent(float(contrast.a.probabilities[token])),
        b=labels.percent(float(contrast.b.probabilities[token])),
        bits=labels.signed(float(contrast.log_odds[token])),
        points=labels.signed(100 * float(contrast.differences[token])),
    )


def _sides(contrast: Contrast) -> list[tuple[str, str]]:
    return list(zip(("a", "b"), contrast.texts, strict=True))


@lru_cache(maxsize=2)
def _told(vocabulary: Vocabulary) -> list[str]:
    """What each point says first: worked out once for a vocabulary, which may have a quarter of a million words."""
    return [labels.markup(vocabulary.labels[i]) for i in vocabulary.ordinary_ids]


def _cloud(a: Floats64, b: Floats64, vocabulary: Vocabulary, ink: Colours) -> go.Scattergl:
    return go.Scattergl(
        # Single precision is finer than a screen, and half as much to send.
        x=a.astype(np.float32),
        y=b.astype(np.float32),
        customdata=_told(vocabulary),
        name=escape(say("figure.contrast.all")),
        showlegend=True,
        mode="markers",
        marker={"color": ink.special, "size": 5, "opacity": 0.5},
        hovertemplate="%{customdata}<br>A %{x:.2p}<br>B %{y:.2p}<extra></extra>",
    )


def _outliers(a: Floats64, b: Floats64, names: list[str], seats: list[str], side: str, ink: Colours) -> go.Scatter:
    number = 0 if side == "a" else 1
    return go.Scatter(
        x=a,
        y=b,
        text=names,
        textposition=seats,
        textfont={"size": _LETTERS, "color": ink.text},
        name=escape(say(f"figure.contrast.more_{side}")),
        showlegend=True,
        mode="markers+text",
        marker={"color": ink.series[number], "size": 10, "symbol": theme.LINES[number][1]},
        cliponaxis=False,
        hoverinfo="skip",
    )


def _axis(text: str, low: float, ink: Colours) -> dict[str, Any]:
    step = max(1, -(-int(-low) // _TICKS))
    powers = list(range(0, int(low) - 1, -step))
    return theme.axis(
        ink,
        type="log",
        range=[low, 0.05],
        tickmode="array",
        tickvals=[10.0**power for power in powers],
        ticktext=["1" if power == 0 else f"10<sup>−{-power}</sup>" for power in powers],
        title=theme.title(escape(text), ink),
    )


def _diagonal(low: float, ink: Colours) -> dict[str, Any]:
    ends = {"x0": 10.0**low, "y0": 10.0**low, "x1": 1, "y1": 1}
    return {"type": "line", **ends, "line": {"color": ink.muted, "width": 1.5, "dash": "dot"}, "layer": "below"}


# --- labels that do not cover each other ---------------------------------------------------------------------------


def _seats(points: Floats64, names: list[str], low: float, most: int) -> dict[int, str]:
    """Which points can be named and where the name stands: the first choose first, `most` at most.

    Args:
        points: (points, 2) log10 of the probabilities.
        names: (points,) plain text of the labels.
        low: where the axes begin, a power of ten.
        most: so many names.
    """
    height = _HEIGHT - _MARGINS["top"] - _MARGINS["bottom"]
    taken: list[_Box] = []
    seats: dict[int, str] = {}
    for number, name in enumerate(names):
        right, up = (points[number] - low) / -low
        across = [float(right) * width for width in _WIDTHS]
        marker = _marker(across, float(up) * height)
        boxes = [(seat, _box(across, float(up) * height, name, share_x, share_y)) for seat, share_x, share_y in _SEATS]
        free = next(((seat, box) for seat, box in boxes if _fits(box, taken)), None)
        if free and not any(marker.hits(other) for other in taken):
            seats[number] = free[0]
            taken += [marker, free[1]]
        if len(seats) == most:
            break
    return seats


def _marker(across: list[float], up: float) -> _Box:
    half = _AWAY - 3
    return _Box(tuple(x - half for x in across), tuple(x + half for x in across), up - half, up + half)


def _box(across: list[float], up: float, name: str, share_x: float, share_y: float) -> _Box:
    width, height = labels.ems(name) * _LETTERS + 4, _LETTERS * 1.4
    # A label beside or above its point keeps a distance from it; one that is centred does not.
    dx = {0.0: _AWAY, -1.0: -_AWAY}.get(share_x, 0.0)
    dy = {0.0: _AWAY, -1.0: -_AWAY}.get(share_y, 0.0)
    lefts = tuple(x + share_x * width + dx for x in across)
    low = up + share_y * height + dy
    return _Box(lefts, tuple(left + width for left in lefts), low, low + height)


def _fits(box: _Box, others: list[_Box]) -> bool:
    """Whether a label is inside every plot and covers no other label or named point."""
    height = _HEIGHT - _MARGINS["top"] - _MARGINS["bottom"]
    inside = min(box.lefts) >= 0 and box.low >= 0 and box.high <= height + 24
    right = all(edge <= width + _MARGINS["right"] for edge, width in zip(box.rights, _WIDTHS, strict=True))
    return inside and right and not any(box.hits(other) for other in others)
