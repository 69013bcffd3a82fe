"""What models of several kinds make of one gap; frozen records of numpy arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mlm_viz.errors import MlmVizError
from mlm_viz.gaps import Gap
from mlm_viz.results import Floats32, Floats64, SlotPrediction, WordScore
from mlm_viz.strings import say
from mlm_viz.tokens import Flags

if TYPE_CHECKING:
    import pandas as pd

Side = Literal["masked", "blinded", "causal", "span"]
SIDES: tuple[Side, ...] = ("masked", "blinded", "causal", "span")


@dataclass(frozen=True, eq=False)
class Pattern:
    """Who looked at whom, the mean over all layers and heads.

    Of an encoder-decoder the tokens it reads come first and those it writes behind them; a row that writes looks twice,
    at what is written and at what was read, and sums to 2. What is hidden neither looks nor is looked at: its row and
    column are closed, and sum to 0. Of a left-to-right model nothing is closed so: the right side stands behind the
    slot, where it looks back, but nothing that matters to the guess looks at it.

    Attributes:
        labels: (tokens,) of what the model reads, then of what it writes.
        written: (tokens,) True for what a decoder of its own writes.
        open: (query, key) True where a query may look at a key.
        weights: (query, key) mean attention, 0 where it may not look; rows sum to 1, or to 2 or 0 (see above).
        slot: the query at which the guess is read.
    """

    labels: tuple[str, ...]
    written: Flags
    open: Flags
    weights: Floats32
    slot: int


@dataclass(frozen=True, eq=False)
class Column:
    """What one model makes of the gap.

    Attributes:
        side: which column: "masked" (both sides), "blinded" (the same model without the right side), "causal", "span".
        model: name of the model.
        guess: its distribution over its own vocabulary for the first token in the gap.
        word: the score of the word that stood there, the whole of it; None if nobody knows it.
        pattern: who looked at whom; None if it was not asked for.
    """

    side: Side
    model: str
    guess: SlotPrediction
    word: WordScore | None
    pattern: Pattern | None = None


@dataclass(frozen=True, eq=False)
class Comparison:
    """One gap, asked of several models.

    Attributes:
        gap: the text and its gap.
        revealed: how many words of the right side could be seen.
        columns: what each model made of it.
    """

    gap: Gap
    revealed: int
    columns: tuple[Column, ...]

    def __getitem__(self, side: Side) -> Column:
        for column in self.columns:
            if column.side == side:
                return column
        known = ", ".join(column.side for column in self.columns)
        raise MlmVizError(say("compare.no_column", name=side, known=known))

    def to_frame(self) -> pd.DataFrame:
        """One row a column: side, model, best (its best guess), entropy, and of the word rank, probability, surprisal.

        Entropy and surprisal are in bits; what is said of the word is missing if nobody knows it.
        """
        import pandas as pd

        rows = []
        for column in self.columns:
            best = column.guess.vocabulary.labels[int(column.guess.best(1)[0])]
            row = {"side": column.side, "model": column.model, "best": best, "entropy": column.guess.entropy}
            word = column.word
            scores = (np.nan,) * 3 if word is None else (word.rank, word.probability, word.surprisal)
            rows.append(row | dict(zip(("rank", "probability", "surprisal"), scores, strict=True)))
        return pd.DataFrame(rows)


@dataclass(frozen=True, eq=False)
class Revealed:
    """How each model's guess changes as the right side is revealed word by word.

    Attributes:
        gap: the text and its gap; `gap.right_words` are what is revealed.
        sides: (sides,) the columns.
        models: (sides,) names of the models.
        log2_probs: (sides, words + 1) log2 of the probability of the word in the gap, after so many words; NaN if
            nobody knows it, or as long as it has not been computed.
        entropies: (sides, words + 1) in bits.
        best: (sides, words + 1) labels of the best guesses.
    """

    gap: Gap
    sides: tuple[Side, ...]
    models: tuple[str, ...]
    log2_probs: Floats64
    entropies: Floats64
    best: tuple[tuple[str, ...], ...]

    def to_frame(self) -> pd.DataFrame:
        """One row a step and side: side, model, revealed, word (that came into view), probability, entropy, best."""
        import pandas as pd

        words = ("", *self.gap.right_words)
        return pd.DataFrame(
            {
                "side": side,
                "model": self.models[row],
                "revealed": step,
                "word": words[step].strip(),
                "probability": float(np.exp2(self.log2_probs[row, step])),
                "entropy": float(self.entropies[row, step]),
                "best": self.best[row][step],
            }
            for row, side in enumerate(self.sides)
            for step in range(len(words))
        )
