"""The film of a training, a frame at a time: the guesses, where the layers look, the loss, and all of it as text."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from mlm_viz.escape import escape
from mlm_viz.figures import labels, theme
from mlm_viz.figures.attention import share_stack
from mlm_viz.figures.bars import GAP, Row, drawn_rows
from mlm_viz.figures.film_loss import film_loss
from mlm_viz.film import Film
from mlm_viz.measures import SHARES
from mlm_viz.results import Floats64, WordScore
from mlm_viz.strings import say

__all__ = ["film_attention", "film_guesses", "film_loss", "film_text"]

_VALUES = 86  # pixels, room behind a bar for "100 %"
_SHARES = {"left": 96, "right": 40, "top": 60, "bottom": 58}
_LAYER = 34  # pixels


# --- guesses -----------------------------------------------------------------------------------------


def film_guesses(film: Film, frame: int, scene: int, *, dark: bool = False) -> go.Figure:
    """The best guesses for the gap of a sentence, the true word marked; the axis always goes from 0 to 100 %.

    The traces are those of `prediction_bars`, the height is the same in every frame.

    Args:
        film: of a training.
        frame: from 0.
        scene: number of the sentence, from 0.
        dark: for a dark page.
    """
    return drawn_rows(_rows(film, frame, scene), film.top, end=1.0, right=_VALUES, dark=dark)


def _rows(film: Film, frame: int, scene: int) -> list[Row]:
    """The guesses, and the true word below them if it is not among them."""
    place = film.truth_place(frame, scene)
    with np.errstate(divide="ignore"):  # what is smaller than the film's last digit is 0 in it
        log2_probs = np.log2(film.probabilities[frame, scene])
    rows = [
        Row(WordScore(word, (word,), float(log2_prob), n + 1), "original" if n == place else "guess", n, None)
        for n, (word, log2_prob) in enumerate(zip(film.guesses[frame][scene], log2_probs, strict=True))
    ]
    if place is not None:
        return rows
    truth = film.scenes[scene].truth
    score = WordScore(truth, (truth,), float(film.truth_log2_probs[frame, scene]), int(film.truth_ranks[frame, scene]))
    return [*rows, Row(score, "original", film.top + GAP, None)]


# --- attention -----------------------------------------------------------------------------------


def film_attention(film: Film, frame: int, *, dark: bool = False) -> go.Figure:
    """How much of the attention goes left, right, to the token itself and to special tokens, a stacked bar a layer.

    Args:
        film: of a training.
        frame: from 0.
        dark: for a dark page.
    """
    ink = theme.colours(dark=dark)
    shares = film.shares[frame]
    names = [say("figure.film.layer", layer=layer + 1) for layer in range(len(shares))]
    places = list(range(len(names)))
    figure = go.Figure()
    for kind, share in zip(SHARES, shares.T, strict=True):
        figure.add_trace(share_stack(share, kind, ink))
    told = [labels.lines(name, *_told(row)) for name, row in zip(names, shares, strict=True)]
    figure.add_trace(labels.hover_layer(places, told, start=0, end=1, across=True))
    ticks = {"tickmode": "array", "tickvals": places, "ticktext": [escape(name) for name in names], "showgrid": False}
    figure.layout = theme.layout(
        ink,
        _SHARES["top"] + _SHARES["bottom"] + _LAYER * len(names),
        **_SHARES,
        barmode="stack",
        xaxis=labels.percent_axis(ink, 1.0, title=labels.token_title("figure.film.share", ink)),
        yaxis=theme.axis(ink, range=[len(names) - 0.5, -0.5], **ticks),
    )
    return figure


def _told(row: Floats64) -> list[str]:
    return [
        say("figure.attention.share", kind=say(f"figure.attention.{kind}"), value=labels.percent(share))
        for kind, share in zip(SHARES, row, strict=True)
    ]


# --- as text -------------------------------------------------------------------------------------


def film_text(film: Film, frame: int, scene: int) -> str:
    """What the three figures show, as plain lines: for screen readers, logs and tests."""
    asked = film.scenes[scene]
    lines = [
        say("figure.film.text", text=asked.filled("____"), truth=asked.truth),
        say("figure.film.text.step", step=int(film.steps[frame]), tokens=int(film.tokens[frame])),
        *map(_line, _rows(film, frame, scene)),
    ]
    for source, bits in zip(film.sources, film.bits[frame], strict=True):
        if np.isfinite(bits):
            lines.append(say("figure.film.text.loss", source=source, bits=float(bits)))
    for layer, row in enumerate(film.shares[frame], 1):
        values = {kind: labels.percent(share) for kind, share in zip(SHARES, row, strict=True)}
        lines.append(say("figure.film.text.shares", layer=layer, **values))
    return "\n".join(lines)


def _line(row: Row) -> str:
    line = say("figure.film.text.guess", rank=row.score.rank, word=row.score.word, value=row.value)
    return say("figure.film.text.truth", line=line) if row.kind == "original" else line
