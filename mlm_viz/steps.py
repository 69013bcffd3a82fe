"""Several slots filled step by step, in one order and in several; frozen records of numpy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mlm_viz.results import Floats64
from mlm_viz.strings import say
from mlm_viz.tokens import Ids, Sentence, Vocabulary

if TYPE_CHECKING:
    import pandas as pd

Order = Literal["left_to_right", "confident", "random", "gibbs"]
ORDERS: tuple[Order, ...] = ("left_to_right", "confident", "random", "gibbs")


def written(labels: Sequence[str], sentence: Sentence) -> tuple[str, ...]:
    """What each token adds to the text as people write it, the space before it included; special tokens add nothing.

    Args:
        labels: (tokens,) the tokens as they stand now, some of them perhaps filled in.
        sentence: the text they stand in.
    """
    added: list[str] = []
    for position, label in enumerate(labels):
        bare = label.removeprefix("##") if len(label) > len("##") else label
        apart = bare == label and (label.startswith("␣") or bool(sentence.spaced[position]))
        space = " " if apart and any(added) else ""
        added.append("" if sentence.special[position] else space + (bare.lstrip("␣") or bare))
    return tuple(added)


@dataclass(frozen=True, eq=False)
class FillSteps:
    """Slots filled one at a time, each given what has been filled before it.

    Attributes:
        sentence: the text, as it was before masking.
        positions: (slots,) positions of the slots, in reading order.
        order: the way the next slot was chosen.
        temperature: 0 if each step took the best token; else tokens were drawn from p ** (1 / temperature).
        rows: (steps + 1, tokens) ids of the text: before the first step, then after each.
        places: (steps,) position filled in each step.
        tokens: (steps,) id written there.
        log2_probs: (steps,) log2 of the probability that the model gave it then (not changed by the temperature).
        entropies: (steps, slots) entropy in bits of each slot that was open at a step, NaN for the others.
        log2_joint: log2 of the joint probability of the fill, by the chain rule in the order of filling. Resampling has
            no such order; for "gibbs" it is `log2_left_to_right`.
        log2_left_to_right: the same for the fill in the end, by the chain rule from left to right.
        vocabulary: what the ids stand for.
    """

    sentence: Sentence
    positions: tuple[int, ...]
    order: Order
    temperature: float
    rows: Ids
    places: Ids
    tokens: Ids
    log2_probs: Floats64
    entropies: Floats64
    log2_joint: float
    log2_left_to_right: float
    vocabulary: Vocabulary

    def __len__(self) -> int:
        """Steps; one more text than that is kept."""
        return len(self.places)

    def __repr__(self) -> str:
        return f"FillSteps({self.order}: {' … '.join(self.words)}, joint {self.log2_joint:.2f} bits)"

    @property
    def fill(self) -> Ids:
        """(slots,) ids in the end."""
        return np.asarray(self.rows[-1, list(self.positions)])

    @property
    def words(self) -> tuple[str, ...]:
        """(slots,) the tokens in the end."""
        return tuple(self.vocabulary.labels[i] for i in self.fill)

    @property
    def reached(self) -> Floats64:
        """(steps,) log2 of the joint probability so far by the chain rule, NaN once slots are resampled."""
        so_far = np.cumsum(self.log2_probs)
        so_far[len(self.positions) :] = np.nan
        return so_far

    def parts(self, step: int) -> tuple[str, ...]:
        """(tokens,) what each token adds to the text after so many steps; see `written`."""
        return written([self.vocabulary.labels[i] for i in self.rows[step]], self.sentence)

    def text(self, step: int = -1) -> str:
        """The text after so many steps, in the end by default."""
        return "".join(self.parts(step))

    def open_after(self, step: int) -> tuple[int, ...]:
        """Positions of the slots that are still open after so many steps."""
        filled = {int(place) for place in self.places[:step]}
        return tuple(position for position in self.positions if position not in filled)

    def to_frame(self) -> pd.DataFrame:
        """One row a step: step (from one), position, token, probability, log2_joint so far, text."""
        import pandas as pd

        return pd.DataFrame(
            {
                "step": range(1, len(self) + 1),
                "position": self.places,
                "token": [self.vocabulary.labels[i] for i in self.tokens],
                "probability": np.exp2(self.log2_probs),
                "log2_joint": self.reached,
                "text": [self.text(step) for step in range(1, len(self) + 1)],
            }
        )


@dataclass(frozen=True, eq=False)
class FillOrders:
    """The same slots filled in several orders.

    Attributes:
        runs: one for each order.
    """

    runs: tuple[FillSteps, ...]

    def __repr__(self) -> str:
        return f"FillOrders({', '.join(f'{run.order} {run.log2_joint:.2f} bits' for run in self.runs)})"

    @property
    def caution(self) -> str:
        """Why the products of different orders do not belong to one distribution."""
        return say("filling.caution")

    def to_frame(self) -> pd.DataFrame:
        """One row an order: order, fill, text, log2_joint in that order, log2_left_to_right of the same fill."""
        import pandas as pd

        return pd.DataFrame(
            {
                "order": [run.order for run in self.runs],
                "fill": [" … ".join(run.words) for run in self.runs],
                "text": [run.text() for run in self.runs],
                "log2_joint": [run.log2_joint for run in self.runs],
                "log2_left_to_right": [run.log2_left_to_right for run in self.runs],
            }
        )
