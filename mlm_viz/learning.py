"""How the loss of a training went: the numbers that a run leaves behind, as arrays."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlm_viz.errors import MlmVizError
from mlm_viz.results import Floats64
from mlm_viz.strings import say
from mlm_viz.tokens import Ids

if TYPE_CHECKING:
    import pandas as pd

_FILE = "metrics.jsonl"


@dataclass(frozen=True, eq=False)
class Learning:
    """The loss of a training, on what it was trained on and on lines held out of it.

    Attributes:
        steps: (lines,) the last step that a measurement of the training loss covers.
        tokens: (lines,) read by then.
        bits: (lines,) mean surprisal of the masked tokens in the steps since the line before: the training loss.
        sources: names of the held-out texts.
        held_steps: (measured,) after how many steps the held-out lines were measured.
        held_tokens: (measured,) read by then; between two lines as if they were read evenly.
        held_bits: (measured, sources) mean surprisal of masked tokens that were never trained on, always the same ones.
    """

    steps: Ids
    tokens: Ids
    bits: Floats64
    sources: tuple[str, ...]
    held_steps: Ids
    held_tokens: Ids
    held_bits: Floats64

    @classmethod
    def from_lines(cls, lines: Iterable[Mapping[str, Any]]) -> Learning:
        """From the lines of metrics of a run, in their order.

        Raises:
            MlmVizError: if a line lacks something.
        """
        lines = list(lines)
        trained = [line for line in lines if "loss_bits" in line]
        held = [line for line in lines if "held_out_bits" in line]
        try:
            sources = tuple(map(str, held[0]["held_out_bits"])) if held else ()
            steps, tokens = (np.array([line[name] for line in trained], np.int64) for name in ("step", "tokens"))
            held_steps = np.array([line["step"] for line in held], np.int64)
            held_bits = np.array([[line["held_out_bits"][name] for name in sources] for line in held], np.float64)
            bits = np.array([line["loss_bits"] for line in trained], np.float64)
        except (KeyError, TypeError, ValueError) as problem:
            raise MlmVizError(say("learning.damaged", why=problem)) from problem
        read = np.interp(held_steps, np.append(0, steps), np.append(0, tokens)).round().astype(np.int64)
        return cls(steps, tokens, bits, sources, held_steps, read, held_bits.reshape(len(held), len(sources)))

    def __repr__(self) -> str:
        ends = [f"{name} {bits[-1]:.2f} bits" for name, bits in self._curves().items() if len(bits)]
        return f"Learning({', '.join(ends)})"

    def _curves(self) -> dict[str, Floats64]:
        return {"training": self.bits, "held out": self.held_out}

    @property
    def held_out(self) -> Floats64:
        """(measured,) loss on the held-out lines: the mean over the texts."""
        return np.asarray(self.held_bits.mean(axis=1)) if self.sources else np.empty(0)

    @property
    def lowest(self) -> int | None:
        """Which measurement of the held-out loss is the lowest; None if there is none.

        Where the training loss goes on falling behind it, the model learns its text by heart.
        """
        return int(self.held_out.argmin()) if len(self.held_out) else None

    def smoothed(self, share: float = 0.05) -> Floats64:
        """(lines,) running mean of the training loss per step, over `share` of the lines to either side.

        Towards the ends it reaches less far, and equally far to both sides, so that it does not lag behind.
        """
        count = len(self.bits)
        reach = np.minimum(round(count * share), np.minimum(np.arange(count), np.arange(count)[::-1]))
        first, last = np.arange(count) - reach, np.arange(count) + reach + 1
        weights = np.append(0, np.cumsum(np.diff(self.steps, prepend=0)))
        sums = np.append(0, np.cumsum(self.bits * np.diff(self.steps, prepend=0)))
        return np.asarray((sums[last] - sums[first]) / (weights[last] - weights[first]))

    def to_frame(self) -> pd.DataFrame:
        """One row a measurement, by step: step, tokens, training (bits), and bits for each held-out text."""
        import pandas as pd

        trained = pd.DataFrame({"step": self.steps, "tokens": self.tokens, "training": self.bits})
        held = pd.DataFrame(self.held_bits, columns=[f"held out: {name}" for name in self.sources])
        held.insert(0, "step", self.held_steps)
        held.insert(1, "tokens", self.held_tokens)
        return trained.merge(held, on=["step", "tokens"], how="outer").sort_values("step", ignore_index=True)


def read_learning(folder: str | Path) -> Learning:
    """The loss of the training whose model is in a folder; one that is still running may be read too.

    Raises:
        MlmVizError: if there is nothing there to be read, or it is damaged.
    """
    path = Path(folder).expanduser() / _FILE
    try:
        # A last line without an end is being written, or was cut off.
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    except (OSError, ValueError) as problem:
        raise MlmVizError(say("learning.unreadable", path=path, why=problem)) from problem
    if not all(isinstance(line, dict) for line in lines):
        raise MlmVizError(say("learning.damaged", why=path))
    return Learning.from_lines(lines)
