"""What models of several kinds cost to ask: frozen records of CPU seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mlm_viz.comparison import Side
from mlm_viz.errors import MlmVizError
from mlm_viz.results import Floats64
from mlm_viz.strings import say

if TYPE_CHECKING:
    import pandas as pd

Task = Literal["guess", "score", "write"]


@dataclass(frozen=True, eq=False)
class Timing:
    """One task, done by one model again and again.

    Attributes:
        side: "masked", "causal" or "span".
        model: its name.
        parameters: how many weights it has.
        task: "guess" (one word, for which the whole text is read), "score" (every word of the text) or "write" (some
            tokens more behind the text).
        words: how many words the task answers for; tokens if it is to write.
        inputs: how many times the network reads: rows of its batches.
        seconds: (repeats,) of CPU time, all threads together, from the text to the answer.
    """

    side: Side
    model: str
    parameters: int
    task: Task
    words: int
    inputs: int
    seconds: Floats64

    @property
    def median(self) -> float:
        """Of the seconds."""
        return float(np.median(self.seconds))


@dataclass(frozen=True, eq=False)
class PassTimes:
    """What it costs to ask a masked, a left-to-right and a span model.

    Attributes:
        text: that was read.
        words: how many words it has.
        timings: a model and a task each.
    """

    text: str
    words: int
    timings: tuple[Timing, ...]

    def __repr__(self) -> str:
        told = ", ".join(f"{t.task} {t.side} {1000 * t.median:.1f} ms" for t in self.timings)
        return f"PassTimes({self.words} words: {told})"

    def of(self, task: Task, side: Side) -> Timing:
        """The timing of a task and a model.

        Raises:
            MlmVizError: if there is none; names those there are.
        """
        for timing in self.timings:
            if (timing.task, timing.side) == (task, side):
                return timing
        known = ", ".join(f"{timing.task} {timing.side}" for timing in self.timings)
        raise MlmVizError(say("pass_times.error.of", task=task, side=side, known=known))

    def to_frame(self) -> pd.DataFrame:
        """One row a task and model.

        Columns: task, side, model, parameters, inputs, words, and in milliseconds of CPU time ms (the median), ms_low,
        ms_high (the middle half of the repeats lies between them) and ms_per_1000_words.
        """
        import pandas as pd

        rows = []
        for timing in self.timings:
            low, middle, high = 1000 * np.quantile(timing.seconds, (0.25, 0.5, 0.75))
            row = {name: getattr(timing, name) for name in ("task", "side", "model", "parameters", "inputs", "words")}
            times = {"ms": middle, "ms_low": low, "ms_high": high, "ms_per_1000_words": 1000 * middle / timing.words}
            rows.append(row | times)
        return pd.DataFrame(rows)
