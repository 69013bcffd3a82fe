"""How things are measured: CPU time, two sides in turn, medians; and what a measurement is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Work = Callable[[], object]


@dataclass(frozen=True)
class Measure:
    """One figure, beside the bar it has to reach.

    Attributes:
        what: the measure.
        model: what it was measured on.
        value: the figure, in `unit`.
        unit: "x" for a ratio.
        bar: what is asked for, in the same unit; None for a figure that is only reported.
        reached_by: whether `value` has to be at most or at least the bar.
        ours, theirs: the two sides of a ratio, in `side_unit`.
    """

    what: str
    model: str
    value: float
    unit: str
    bar: float | None = None
    reached_by: Literal["at most", "at least"] = "at most"
    ours: float | None = None
    theirs: float | None = None
    side_unit: str = "CPU ms"

    @property
    def met(self) -> bool | None:
        """Whether the bar is reached; None if there is none."""
        if self.bar is None:
            return None
        return self.value <= self.bar if self.reached_by == "at most" else self.value >= self.bar


def cpu_ms(work: Work) -> float:
    """CPU time of all threads of this process that `work` takes, in milliseconds."""
    start = time.process_time()
    work()
    return 1000 * (time.process_time() - start)


@dataclass(frozen=True)
class Sides:
    """Medians of both sides in CPU ms, and of the ratio ours / theirs within a round."""

    ours: float
    theirs: float
    ratio: float


def alternate(ours: Work, theirs: Work, rounds: int) -> Sides:
    """Both sides in turn, after one round to warm up; who goes first changes, so that neither gets the warm cache."""
    ours(), theirs()
    pairs: list[tuple[float, float]] = []
    for number in range(rounds):
        if number % 2:
            second = cpu_ms(theirs)
            pairs.append((cpu_ms(ours), second))
        else:
            pairs.append((cpu_ms(ours), cpu_ms(theirs)))
    mine, others = zip(*pairs, strict=True)
    ratio = statistics.median(a / b for a, b in pairs)
    return Sides(statistics.median(mine), statistics.median(others), ratio)
