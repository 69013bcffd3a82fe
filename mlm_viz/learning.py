"""How the loss of a training went: the numbers that a run leaves behind, as arrays."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlm_viz.comparison import Side
from mlm_viz.errors import MlmVizError
from mlm_viz.paths import models_dir
from mlm_viz.results import Floats64
from mlm_viz.strings import say
from mlm_viz.tokens import Ids

if TYPE_CHECKING:
    import pandas as pd

_FILE = "metrics.jsonl"
_OBJECTIVES: tuple[Side, ...] = ("masked", "causal", "span")
_MOST = 0.9  # of the way from the first to the last held-out loss


@dataclass(frozen=True, eq=False)
class Learning:
    """The loss of a training, on what it was trained on and on lines held out of it.

    Attributes:
        steps: (lines,) the last step that a measurement of the training loss covers.
        tokens: (lines,) read by then.
        bits: (lines,) mean surprisal of what was to be guessed (of a masked model: the masked tokens) in the steps
            since the line before: the training loss.
        sources: names of the held-out texts.
        held_steps: (measured,) after how many steps the held-out lines were measured.
        held_tokens: (measured,) read by then; between two lines as if they were read evenly.
        held_bits: (measured, sources) mean surprisal of targets that were never trained on, always the same ones.
        shares: (lines,) targets for each token of text in the steps since the line before; NaN where it is not told.
    """

    steps: Ids
    tokens: Ids
    bits: Floats64
    sources: tuple[str, ...]
    held_steps: Ids
    held_tokens: Ids
    held_bits: Floats64
    shares: Floats64

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
            shares = np.array([line.get("targets_per_token", np.nan) for line in trained], np.float64)
        except (KeyError, TypeError, ValueError) as problem:
            raise MlmVizError(say("learning.damaged", why=problem)) from problem
        read = np.interp(held_steps, np.append(0, steps), np.append(0, tokens)).round().astype(np.int64)
        return cls(steps, tokens, bits, sources, held_steps, read, held_bits.reshape(len(held), len(sources)), shares)

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
    def targets(self) -> Floats64:
        """(lines,) tokens that were targets by then: tokens read times their share.

        Start and end tokens are among those read, so it is some per cent too much, for every objective alike.
        """
        return np.asarray(np.cumsum(np.diff(self.tokens, prepend=0) * self.shares))

    @property
    def held_targets(self) -> Floats64:
        """(measured,) the same when the held-out lines were measured."""
        return np.asarray(np.interp(self.held_steps, np.append(0, self.steps), np.append(0.0, self.targets)))

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


@dataclass(frozen=True, eq=False)
class Objectives:
    """How models learned the same text, each asked something else.

    Attributes:
        learnings: of each, by what it was asked: "masked", "causal", "span".
    """

    learnings: Mapping[Side, Learning]

    def __repr__(self) -> str:
        return f"Objectives({', '.join(f'{name}: {learning!r}' for name, learning in self.learnings.items())})"

    def to_frame(self) -> pd.DataFrame:
        """One row an objective.

        Columns: objective, share (targets for each token that was read), tokens (read in all), targets (learned from in
        all), start_bits and bits (held out, before the training and at its end), tokens_90 and targets_90 (after which
        nine tenths of the way between these two were done). Bits are those of each objective's own targets, which
        differ: compare how fast they fall, not how far.
        """
        import pandas as pd

        return pd.DataFrame({"objective": name} | _summary(learning) for name, learning in self.learnings.items())


def _summary(learning: Learning) -> dict[str, float]:
    tokens, targets = int(learning.tokens[-1]), float(learning.targets[-1])
    start, end = float(learning.held_out[0]), float(learning.held_out[-1])
    most = start - _MOST * (start - end)
    return {
        "share": targets / tokens,
        "tokens": tokens,
        "targets": round(targets),
        "start_bits": start,
        "bits": end,
        "tokens_90": round(_reached(learning.held_tokens, learning.held_out, most)),
        "targets_90": round(_reached(learning.held_targets, learning.held_out, most)),
    }


def _reached(places: npt.NDArray[Any], values: Floats64, level: float) -> float:
    """Where falling values first come down to a level; between two measurements as if they fell evenly."""
    at = int(np.argmax(values <= level))
    if not at:
        return float(places[0])
    share = (values[at - 1] - level) / (values[at - 1] - values[at])
    return float(places[at - 1] + share * (places[at] - places[at - 1]))


def read_objectives(folders: Mapping[Side, str | Path] | None = None) -> Objectives:
    """How the bundled twins learned, or the models in folders: "masked", "causal", "span".

    Raises:
        MlmVizError: if there is nothing to be read in a folder, or it does not tell of a whole training.
    """
    learnings: dict[Side, Learning] = {}
    for name in _OBJECTIVES if folders is None else folders:
        folder = models_dir() / name if folders is None else folders[name]
        learnings[name] = learning = read_learning(folder)
        if not len(learning.held_out) or not len(learning.bits) or np.isnan(learning.shares).any():
            raise MlmVizError(say("learning.no_objective", path=Path(folder) / _FILE))
    return Objectives(learnings)


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
