"""What the words around a slot do to it: frozen records of numpy arrays, as those in `results`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from mlm_viz.errors import MlmVizError
from mlm_viz.results import Floats64
from mlm_viz.strings import say
from mlm_viz.tokens import Ids, Sentence, Vocabulary, is_cjk

if TYPE_CHECKING:
    import pandas as pd

Way = Literal["masked", "deleted", "blocked"]
Order = Literal["left", "right", "nearest"]
Side = Literal["left", "right"]
Kind = Literal["original", "guess", "word"]
Span = tuple[int, ...]

WAYS: tuple[Way, ...] = ("masked", "deleted", "blocked")
# A whole side cannot be deleted without moving the slot to the end of the text, so these two ways only.
SIDE_WAYS: tuple[Way, ...] = ("blocked", "masked")
ORDERS: tuple[Order, ...] = ("left", "right", "nearest")
BOTH, LEFT, RIGHT = range(3)


@dataclass(frozen=True, eq=False)
class Target:
    """The slot that is looked at, and the word that is watched there.

    Attributes:
        sentence: the text, as it was before masking.
        labels: (tokens,) the tokens as the model read them, masks included.
        position: of the slot.
        word: the word that is watched, as people read it.
        kind: the "original" that the text has there, the best "guess", or a "word" that was asked for.
        ids: the pieces of the word.
        log2_prob: log2 of its probability with the whole context, at most 0. A word of several pieces is scored with as
            many masks in place of the slot, by the chain rule from left to right.
        guess: id of the most probable token with the whole context.
        guess_log2_prob: log2 of its probability.
        vocabulary: what the ids stand for.
        model: name of the model.
    """

    sentence: Sentence
    labels: tuple[str, ...]
    position: int
    word: str
    kind: Kind
    ids: tuple[int, ...]
    log2_prob: float
    guess: int
    guess_log2_prob: float
    vocabulary: Vocabulary
    model: str

    @property
    def probability(self) -> float:
        """With the whole context, in [0, 1]."""
        return float(np.exp2(self.log2_prob))

    def name_of(self, span: Span) -> str:
        """The tokens of a span as one reads them: `playing` for `play ##ing`, `…` where something is left out."""
        parts = [self.labels[span[0]]]
        for before, position in pairwise(span):
            parts.append(self._joint(before, position) + self._bare(position))
        return "".join(parts)

    def _joint(self, before: int, position: int) -> str:
        words = self.sentence.words
        if position != before + 1:
            return " … "
        joined = words[before] == words[position] or is_cjk(self.labels[before]) or is_cjk(self.labels[position])
        return "" if joined else " "

    def _bare(self, position: int) -> str:
        label = self.labels[position]
        return label.removeprefix("##").lstrip("␣") or label


@dataclass(frozen=True, eq=False)
class Influence:
    """How much each part of the context matters for one word at one slot.

    A span is masked (the mask token stands in its place), deleted (its tokens are taken out, and those behind it move
    up) or blocked (no other token may look at it, in any layer). Numbers that are not there yet are NaN, guesses -1.

    Attributes:
        target: the slot and the word.
        spans: the parts of the context, each a tuple of positions: tokens, words or what was asked for.
        ways: the ways of taking a span away, of `WAYS`.
        log2_probs: (ways, spans) log2 of the probability of the word without the span, at most 0.
        divergences: (ways, spans) Jensen-Shannon divergence of the whole distribution at the slot without the span from
            the one with it, in bits: 0 (nothing changes) to 1.
        guesses: (ways, spans) id of the most probable token without the span.
        complete: False for a model that passes tokens on by a convolution as well: blocking does not stop that.
    """

    target: Target
    spans: tuple[Span, ...]
    ways: tuple[Way, ...]
    log2_probs: Floats64
    divergences: Floats64
    guesses: Ids
    complete: bool

    def __repr__(self) -> str:
        way = self.ways[0]
        gains = self.gains[0]
        best = ", ".join(f"{self.labels[i]} {gains[i]:+.2f}" for i in self.strongest(way)[:3])
        return f"Influence({self.target.word} by {way}: {best}, … bits)"

    @property
    def labels(self) -> tuple[str, ...]:
        """(spans,) what people read for each span."""
        return tuple(self.target.name_of(span) for span in self.spans)

    @property
    def gains(self) -> Floats64:
        """(ways, spans) bits that a span adds to log2 p(word): with it less without it.

        Positive where the span raises the word, negative where it lowers it.
        """
        return np.asarray(self.target.log2_prob - self.log2_probs)

    def row(self, way: str) -> int:
        """The place of a way among `ways`.

        Raises:
            MlmVizError: if that way was not asked for.
        """
        if way not in self.ways:
            raise MlmVizError(say("influence.error.way", way=way, known=", ".join(self.ways)))
        return self.ways.index(way)

    def strongest(self, way: str) -> list[int]:
        """Numbers of the spans by the size of their gain, up or down, the largest first; what is not there yet last."""
        sizes = np.abs(self.gains[self.row(way)])
        order = np.argsort(-np.nan_to_num(sizes, nan=-1.0), kind="stable")
        return [int(number) for number in order]

    def by_token(self, way: str) -> Floats64:
        """(tokens,) gain of the span that a token belongs to, NaN for none; of several the largest up or down."""
        found = np.full(len(self.target.labels), np.nan)
        for number in reversed(self.strongest(way)):
            found[list(self.spans[number])] = self.gains[self.row(way), number]
        return found

    def to_frame(self) -> pd.DataFrame:
        """One row a way and span: way, span, positions, gain (bits), probability without it, divergence, guess."""
        import pandas as pd

        labels = [*self.target.vocabulary.labels, ""]  # for the guesses that are not there yet, -1
        return pd.DataFrame(
            {
                "way": np.repeat(self.ways, len(self.spans)),
                "span": list(self.labels) * len(self.ways),
                "positions": list(self.spans) * len(self.ways),
                "gain": self.gains.ravel(),
                "probability": np.exp2(self.log2_probs).ravel(),
                "divergence": self.divergences.ravel(),
                "guess": [labels[i] for i in self.guesses.ravel()],
            }
        )


@dataclass(frozen=True, eq=False)
class Direction:
    """One slot under both sides of its context, one side only, and windows of some words.

    What is not in view is either blocked (no token in view may look at it, in any layer) or masked. The words alone are
    taken from view: special tokens stay, in every row the same, for models rest unused attention on them. They tell
    where the text ends, and no more: they do not see what is not in view either.

    A model that was trained with both sides is not a left-to-right model when it is blinded on one.

    Attributes:
        target: the slot and the word.
        widths: of the windows, in words to each side.
        words: how many words there are on the left and on the right.
        log2_probs: (ways, views) log2 of the probability of the word; ways as in `SIDE_WAYS`, views as in `views`.
        divergences: (ways, views) Jensen-Shannon divergence from the distribution under both sides, in bits, 0 to 1.
        guesses: (ways, views) id of the most probable token.
        guess_log2_probs: (ways, views) log2 of its probability.
        complete: as in `Influence`.
    """

    target: Target
    widths: tuple[int, ...]
    words: tuple[int, int]
    log2_probs: Floats64
    divergences: Floats64
    guesses: Ids
    guess_log2_probs: Floats64
    complete: bool

    def __repr__(self) -> str:
        shown = ", ".join(f"{v} {p:.3f}" for v, p in zip(self.views, np.exp2(self.log2_probs[0]), strict=True))
        return f"Direction({self.target.word} by {SIDE_WAYS[0]}: {shown})"

    @property
    def views(self) -> tuple[str, ...]:
        """What can be seen: "both", "left", "right", then the windows as "±1", "±2", ..."""
        return ("both", "left", "right", *(f"±{width}" for width in self.widths))

    def change(self, side: Side, way: Way = "masked") -> float:
        """How log2 p(word) changes when one side is taken from view, in bits; negative where the side raises it."""
        row = self.log2_probs[SIDE_WAYS.index(way)]
        return float(row[RIGHT if side == "left" else LEFT] - row[BOTH])

    def to_frame(self) -> pd.DataFrame:
        """One row a way and view: way, view, probability, change (bits), divergence, guess and its probability."""
        import pandas as pd

        views = len(self.views)
        return pd.DataFrame(
            {
                "way": np.repeat(SIDE_WAYS, views),
                "view": list(self.views) * len(SIDE_WAYS),
                "probability": np.exp2(self.log2_probs).ravel(),
                "change": (self.log2_probs - self.log2_probs[:, :1]).ravel(),
                "divergence": self.divergences.ravel(),
                "guess": [self.target.vocabulary.labels[i] for i in self.guesses.ravel()],
                "guess probability": np.exp2(self.guess_log2_probs).ravel(),
            }
        )


@dataclass(frozen=True, eq=False)
class Reveal:
    """The word's probability as the context comes into view word by word; see `Direction` for what is not in view.

    Numbers that are not there yet are NaN, guesses -1.

    Attributes:
        target: the slot and the word.
        words: the words of the context in reading order, each a tuple of positions.
        revealed: (orders, words) number of the word that comes into view at each step, orders as in `ORDERS`: from the
            left, from the right, from the nearest to the farthest (left before right).
        log2_probs: (ways, orders, words + 1) log2 of the probability of the word; first without any context, last with
            all of it. Ways as in `SIDE_WAYS`.
        guesses: (ways, orders, words + 1) id of the most probable token.
        guess_log2_probs: (ways, orders, words + 1) log2 of its probability.
        complete: as in `Influence`.
    """

    target: Target
    words: tuple[Span, ...]
    revealed: Ids
    log2_probs: Floats64
    guesses: Ids
    guess_log2_probs: Floats64
    complete: bool

    def __repr__(self) -> str:
        return f"Reveal({self.target.word}, {len(self.words)} words, from {', '.join(ORDERS)})"

    @property
    def labels(self) -> tuple[str, ...]:
        """(words,) what people read for each word."""
        return tuple(self.target.name_of(word) for word in self.words)

    def to_frame(self) -> pd.DataFrame:
        """One row a way, order and step: way, order, words in view, the word that came last, probability, guess."""
        import pandas as pd

        rows = [
            (way, order, step, name, float(np.exp2(self.log2_probs[w, o, step])), self._guess(w, o, step))
            for w, way in enumerate(SIDE_WAYS)
            for o, order in enumerate(ORDERS)
            for step, name in enumerate(self.names(o))
        ]
        return pd.DataFrame(rows, columns=["way", "order", "words", "revealed", "probability", "guess"])

    def names(self, order: int) -> Sequence[str]:
        """(words + 1,) the word that comes into view at each step of an order, numbered as in `ORDERS`; "" at first."""
        labels = self.labels
        return ["", *(labels[number] for number in self.revealed[order])]

    def _guess(self, way: int, order: int, step: int) -> str:
        guess = int(self.guesses[way, order, step])
        return self.target.vocabulary.labels[guess] if guess >= 0 else ""
