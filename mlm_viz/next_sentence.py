"""Next sentence prediction: pairs of sentences, what a head on a frozen model makes of them, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np

from mlm_viz.errors import TextError
from mlm_viz.intervals import Estimate, grouped_mean
from mlm_viz.results import Floats32, Floats64
from mlm_viz.strings import say
from mlm_viz.tokens import Ids, is_cjk

if TYPE_CHECKING:
    import pandas as pd

Wrong = Literal["other", "near", "swapped"]
Kind = Literal["next"] | Wrong
Pool = Literal["cls", "mean"]

WRONG: tuple[Wrong, ...] = get_args(Wrong)
POOLS: tuple[Pool, ...] = get_args(Pool)
CHANCE = 0.5  # every kind of wrong pair is tested against as many real ones


@dataclass(frozen=True)
class Pair:
    """Two sentences, and where the second comes from.

    Attributes:
        first, second: the sentences.
        kind: "next" (it follows the first), "other" (from another passage), "near" (from the same passage, but it does
            not follow) or "swapped" (the two follow each other the other way round).
        passages: number of the passage that each comes from.
        held_out: whether the pair is kept for testing; a passage is on one side only, and so is each sentence.
    """

    first: str
    second: str
    kind: Kind
    passages: tuple[int, int]
    held_out: bool


@dataclass(frozen=True, eq=False)
class PairFeatures:
    """What a frozen model makes of pairs of sentences: its hidden states, pooled.

    Attributes:
        model: name of the model.
        pairs: that were read, each in one pass as [CLS] first [SEP] second [SEP].
        cls: (pairs, width) the last state at [CLS]; None if the tokenizer puts none before a pair.
        halves: (pairs, layers + 1, 2, width) the mean state of the tokens of each sentence: of the embeddings, then
            after each layer.
    """

    model: str
    pairs: tuple[Pair, ...]
    cls: Floats32 | None
    halves: Floats32
    _reader: PairReader | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"PairFeatures({self.model}, {len(self.pairs)} pairs)"

    @property
    def scripts(self) -> Ids:
        """(pairs,) 1 for pairs in Chinese, 0 for all others."""
        return np.array([is_cjk(pair.first + pair.second) for pair in self.pairs], dtype=np.int64)

    def chosen(self, wrong: Wrong, *, held_out: bool) -> Ids:
        """Numbers of the real pairs of one side, then of the wrong ones made from them, in the same order."""
        return np.array(
            [
                number
                for kind in ("next", wrong)
                for number, pair in enumerate(self.pairs)
                if pair.kind == kind and pair.held_out == held_out
            ],
            dtype=np.int64,
        )


class PairReader(Protocol):
    """What reads one more pair; `training.next_sentence.Reader` does so with the model."""

    def read(self, pairs: Sequence[tuple[str, str]]) -> tuple[Floats32 | None, Floats32]:
        """The states `cls` and `halves`, as in `PairFeatures`."""


class PairScorer(Protocol):
    """What a result asks about new pairs; `training.next_sentence.Scorer` answers with the model and the head."""

    def probability(self, first: str, second: str) -> float:
        """That `second` follows `first`, in [0, 1]."""


@dataclass(frozen=True, eq=False)
class HeadLearning:
    """How the training of a head went: before it, then after each epoch.

    Attributes:
        bits, accuracy: (epochs + 1,) cross-entropy in bits (chance is 1) and share judged right, of the pairs that are
            trained on.
        held_bits, held_accuracy: the same of the pairs held out.
    """

    bits: Floats64
    accuracy: Floats64
    held_bits: Floats64
    held_accuracy: Floats64

    def __repr__(self) -> str:
        return f"HeadLearning({len(self.bits) - 1} epochs)"

    def to_frame(self) -> pd.DataFrame:
        """One row an epoch: epoch (0 is before training), bits, accuracy, held_bits, held_accuracy."""
        import pandas as pd

        columns = {name: getattr(self, name) for name in ("bits", "accuracy", "held_bits", "held_accuracy")}
        return pd.DataFrame({"epoch": np.arange(len(self.bits)), **columns})


@dataclass(frozen=True, eq=False)
class PairTest:
    """Held-out pairs, half of them real, half wrong in one way, and how a head judges them.

    Attributes:
        wrong: how the second half is wrong.
        pairs: the real ones, then the wrong ones made from them in the same order.
        probabilities: (pairs,) that the second sentence is the next one.
        accuracy: share judged right, real if the probability is above one half.
        preferred: share of the real pairs that are found more probable than the wrong one made from them.

    Pairs of one passage are alike, so the intervals come from drawing whole passages, a pair with that of its first
    sentence.
    """

    wrong: Wrong
    pairs: tuple[Pair, ...]
    probabilities: Floats64
    accuracy: Estimate
    preferred: Estimate

    @classmethod
    def of(cls, wrong: Wrong, pairs: Sequence[Pair], probabilities: Floats64) -> PairTest:
        """The test with its estimates; pairs as described above."""
        real, other = np.split(probabilities, 2)
        passages = np.array([pair.passages[0] for pair in pairs], dtype=np.int64)
        accuracy = grouped_mean(np.concatenate([real > CHANCE, other <= CHANCE]), passages)
        preferred = grouped_mean(real > other, passages[: len(real)])
        return cls(wrong, tuple(pairs), probabilities, accuracy, preferred)

    def __repr__(self) -> str:
        return f"PairTest({self.wrong}: {self.accuracy.value:.1%}, {len(self.pairs)} pairs)"

    def to_frame(self) -> pd.DataFrame:
        """One row a pair: first, second, is_next, probability, right."""
        import pandas as pd

        is_next = np.array([pair.kind == "next" for pair in self.pairs])
        return pd.DataFrame(
            {
                "first": [pair.first for pair in self.pairs],
                "second": [pair.second for pair in self.pairs],
                "is_next": is_next,
                "probability": self.probabilities,
                "right": (self.probabilities > CHANCE) == is_next,
            }
        )


@dataclass(frozen=True, eq=False)
class NextSentence:
    """A head that was trained on a frozen model to tell whether one sentence follows another.

    Attributes:
        model: name of the model.
        pool: what of the model it sees: "cls" the last state at [CLS], "mean" the mean states of both sentences.
        wrong: what kind of wrong pairs it was trained on.
        trained_on: number of pairs, half of them real.
        learning: by epoch; its held-out pairs are those of `test(wrong)`.
        tests: one for each kind of wrong pair, on passages it was not trained on.
    """

    model: str
    pool: Pool
    wrong: Wrong
    trained_on: int
    learning: HeadLearning
    tests: tuple[PairTest, ...]
    _scorer: PairScorer | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        told = ", ".join(f"{test.wrong} {test.accuracy.value:.1%}" for test in self.tests)
        return f"NextSentence({self.model}, {self.pool}: {told})"

    @property
    def accuracy(self) -> Estimate:
        """On held-out pairs of the kind that it was trained on."""
        return self.test(self.wrong).accuracy

    def test(self, wrong: Wrong) -> PairTest:
        """The test on one kind of wrong pairs."""
        return self.tests[WRONG.index(wrong)]

    def probability(self, first: str, second: str) -> float:
        """That `second` follows `first`, in [0, 1], as the head sees it.

        Raises:
            TextError: if one is empty, both together are longer than the model's limit, or no model is at hand.
        """
        if self._scorer is None:
            raise TextError(say("next_sentence.error.no_model"))
        return self._scorer.probability(first, second)

    def to_frame(self) -> pd.DataFrame:
        """One row a test: wrong, pairs, accuracy, low, high, preferred, preferred_low, preferred_high, chance."""
        import pandas as pd

        rows = [
            {
                "wrong": test.wrong,
                "pairs": len(test.pairs),
                "accuracy": test.accuracy.value,
                "low": test.accuracy.low,
                "high": test.accuracy.high,
                "preferred": test.preferred.value,
                "preferred_low": test.preferred.low,
                "preferred_high": test.preferred.high,
                "chance": CHANCE,
            }
            for test in self.tests
        ]
        return pd.DataFrame(rows)
