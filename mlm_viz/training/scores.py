"""The scores of a masked language model on text, and how they are put together from single guesses.

Source: C. Guo et al., "On Calibration of Modern Neural Networks" (2017), section 2, the expected calibration error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mlm_viz.results import Floats64
from mlm_viz.tokens import Flags

BINS = 10


@dataclass(frozen=True)
class Bin:
    """The guesses of one range of confidence.

    Attributes:
        low, high: the range of the probability of the best guess.
        count: how many guesses fall into it.
        confidence: their mean probability, None if there are none.
        accuracy: the share of them that is right, None if there are none.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Score:
    """How good a model is on one source.

    Attributes:
        name: of the source, "all" for all together.
        lines: read.
        tokens: in them, special ones left out.
        unknown: of these, those that the vocabulary does not have: nobody is asked for them, and they count nowhere
            else.
        masked: tokens that were masked and guessed.
        characters: in those tokens.
        accuracy: share of them that is the best guess.
        top5: share of them that is among the five best guesses.
        bits_per_token: mean surprisal of the true token.
        bits_per_character: the same for each character, by which vocabularies can be compared roughly: of a word that
            is cut into pieces the others stay visible and help, and unknown tokens are left out.
        calibration_error: mean gap between confidence and accuracy over the bins, weighted by count; from 0.
        bins: of equal width over the probability of the best guess.
    """

    name: str
    lines: int
    tokens: int
    unknown: int
    masked: int
    characters: int
    accuracy: float
    top5: float
    bits_per_token: float
    bits_per_character: float
    calibration_error: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class Evaluation:
    """The scores of a model by source, and of all sources together as the last one.

    Attributes:
        model: its name.
        rate: share of the tokens that was masked.
        seed: of the choice.
        held_out: fraction of the lines that was looked at, None for all.
        scores: by source.
    """

    model: str
    rate: float
    seed: int
    held_out: float | None
    scores: tuple[Score, ...]

    def to_dict(self) -> dict[str, Any]:
        """As it is written as JSON."""
        return asdict(self)


@dataclass
class Tally:
    """What was counted on a text.

    Attributes:
        lines, tokens, unknown: read, as in `Score`.
        columns: (masked, 4) for each guess the rank of the true token, its surprisal in bits, its characters, and the
            probability of the best guess.
    """

    lines: int
    tokens: int
    unknown: int
    columns: Floats64

    @classmethod
    def joined(cls, tallies: Sequence[Tally]) -> Tally:
        """All together."""
        columns = np.concatenate([tally.columns for tally in tallies])
        lines, tokens, unknown = (sum(getattr(t, name) for t in tallies) for name in ("lines", "tokens", "unknown"))
        return cls(lines, tokens, unknown, columns)

    def score(self, name: str) -> Score:
        """As a score under a name."""
        rank, bits, characters, best = self.columns.T
        bins = calibration(best, rank == 1)
        gaps = [
            b.count * abs(b.confidence - b.accuracy)
            for b in bins
            if b.confidence is not None and b.accuracy is not None
        ]
        return Score(
            name=name,
            lines=self.lines,
            tokens=self.tokens,
            unknown=self.unknown,
            masked=len(rank),
            characters=int(characters.sum()),
            accuracy=float((rank == 1).mean()),
            top5=float((rank <= 5).mean()),
            bits_per_token=float(bits.mean()),
            bits_per_character=float(bits.sum() / characters.sum()),
            calibration_error=float(sum(gaps) / len(rank)),
            bins=bins,
        )


def calibration(confidence: Floats64, right: Flags, bins: int = BINS) -> tuple[Bin, ...]:
    """Guesses by the probability the model gave them, (guesses,) in [0, 1], and whether they were `right`."""
    number = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    table = []
    for index in range(bins):
        inside = number == index
        count = int(inside.sum())
        means = (float(confidence[inside].mean()), float(right[inside].mean())) if count else (None, None)
        table.append(Bin(index / bins, (index + 1) / bins, count, *means))
    return tuple(table)
