"""Whole sentences scored, alone and against each other; frozen records of numpy arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mlm_viz.results import Floats64
from mlm_viz.tokens import Ids, Sentence

if TYPE_CHECKING:
    import pandas as pd

WithinWord = Literal["original", "left_to_right"]
Side = Literal["a", "b"]

WITHIN_WORD: tuple[WithinWord, ...] = ("original", "left_to_right")
_TIE = 1e-4  # bits: closer than that two sums of float32 numbers cannot be told apart


@dataclass(frozen=True, eq=False)
class PseudoLogLikelihood:
    """The score of a sentence: the sum over its tokens of log2 p(token | the others).

    Attributes:
        sentence: the text; its typed blanks stay blank and are not scored.
        positions: (scored,) positions of the tokens that were scored, in reading order.
        log2_probs: (scored,) log2 of the probability of each, at most 0.
        within_word: "original" (only the token itself masked) or "left_to_right" (the later pieces of its word too).
    """

    sentence: Sentence
    positions: Ids
    log2_probs: Floats64
    within_word: WithinWord

    def __repr__(self) -> str:
        count = len(self.positions)
        return f"PseudoLogLikelihood({self.total:.2f} bits, {count} tokens, {self.per_token:.2f} bits a token)"

    @property
    def total(self) -> float:
        """The sum in bits, at most 0; it falls with every token."""
        return float(self.log2_probs.sum())

    @property
    def per_token(self) -> float:
        """The mean in bits, at most 0: for sentences of unlike length."""
        return float(self.log2_probs.mean())

    @property
    def surprisals(self) -> Floats64:
        """(tokens,) bits that each token takes off the score, NaN where nothing was scored."""
        surprisal = np.full(len(self.sentence), np.nan)
        surprisal[self.positions] = -self.log2_probs + 0.0
        return surprisal

    def bits(self, positions: tuple[int, ...]) -> float:
        """What the tokens at `positions` add to the score, at most 0."""
        return 0.0 - float(np.nansum(self.surprisals[list(positions)]))

    def to_frame(self) -> pd.DataFrame:
        """One row a scored token: position, word (its number), token, log2_prob."""
        import pandas as pd

        return pd.DataFrame(
            {
                "position": self.positions,
                "word": self.sentence.words[self.positions],
                "token": [self.sentence.labels[p] for p in self.positions],
                "log2_prob": self.log2_probs,
            }
        )


@dataclass(frozen=True)
class Stretch:
    """A run of words of two aligned sentences: the same in both, or where they differ.

    Attributes:
        a, b: positions of its tokens in each sentence; where they differ one side may be empty.
        same: whether the words are the same.
    """

    a: tuple[int, ...]
    b: tuple[int, ...]
    same: bool


@dataclass(frozen=True, eq=False)
class MinimalPair:
    """Two sentences that differ little, aligned and scored.

    Attributes:
        a, b: their scores, both counted the same way within words.
        stretches: the alignment in reading order.
    """

    a: PseudoLogLikelihood
    b: PseudoLogLikelihood
    stretches: tuple[Stretch, ...]

    def __repr__(self) -> str:
        return f"MinimalPair(winner {self.winner}, A - B = {self.difference:+.2f} bits)"

    @property
    def difference(self) -> float:
        """Score of A less that of B in bits: above 0 the model prefers A, below 0 B."""
        return self.a.total - self.b.total

    @property
    def winner(self) -> Side | None:
        """The sentence with the higher score; None for a tie."""
        return _higher(self.difference)

    @property
    def winner_per_token(self) -> Side | None:
        """The sentence with the higher score a token, another measure where the number of tokens differs."""
        return _higher(self.a.per_token - self.b.per_token)

    @property
    def equally_long(self) -> bool:
        """Whether the same number of tokens was scored in both; if not, the sum favours the shorter sentence."""
        return len(self.a.positions) == len(self.b.positions)

    def difference_in(self, stretch: Stretch) -> float:
        """What a stretch adds to `difference`; the words that both share score differently too."""
        return self.a.bits(stretch.a) - self.b.bits(stretch.b)

    def to_frame(self) -> pd.DataFrame:
        """One row a stretch: same, tokens_a, tokens_b, bits_a, bits_b, difference."""
        import pandas as pd

        return pd.DataFrame(
            {
                "same": [stretch.same for stretch in self.stretches],
                "tokens_a": [" ".join(self.a.sentence.labels[p] for p in stretch.a) for stretch in self.stretches],
                "tokens_b": [" ".join(self.b.sentence.labels[p] for p in stretch.b) for stretch in self.stretches],
                "bits_a": [self.a.bits(stretch.a) for stretch in self.stretches],
                "bits_b": [self.b.bits(stretch.b) for stretch in self.stretches],
                "difference": [self.difference_in(stretch) for stretch in self.stretches],
            }
        )


def _higher(difference: float) -> Side | None:
    if abs(difference) < _TIE:
        return None
    return "a" if difference > 0 else "b"
