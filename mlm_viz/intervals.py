"""How sure a mean is that is taken over items which come in groups, as words come in sentences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from mlm_viz.results import Floats64
from mlm_viz.tokens import Ids

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean and the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def __repr__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


def grouped_mean(values: npt.ArrayLike, groups: Ids, *, resamples: int = 2000, seed: int = 0) -> Estimate:
    """The mean of all values, and the 95 % interval of it from drawing whole groups again and again.

    Items of one group are not independent: a sentence that is easy is easy in several words. To draw items one by one
    would feign more evidence than there is, so groups are drawn, with replacement, and with each all its items.

    The interval is the percentile one: the middle 95 % of the means that were drawn. It stays within the range of the
    values, is defined when all are alike, and can be said in one sentence. The bias-corrected interval (BCa) does not
    exist where all are alike, as where no word was guessed at all. There the percentile interval has no width, which
    does not mean that one is sure: from so few hits no drawing tells.

    Args:
        values: (items,) such as hits (0 or 1), bits, or differences of the same item under two conditions.
        groups: (items,) number of the group of each; two groups at least.
        resamples: how many times groups are drawn.
        seed: of the drawing; groups alike and a seed alike are drawn alike.

    Raises:
        ValueError: if there are not two groups.

    Source: B. Efron, "Bootstrap Methods: Another Look at the Jackknife" (1979); A. C. Davison and D. V. Hinkley,
    "Bootstrap Methods and their Application" (1997), section 3.8, for data in groups.
    """
    _, which = np.unique(groups, return_inverse=True)
    sums = np.bincount(which, weights=np.asarray(values, dtype=np.float64))
    counts = np.bincount(which).astype(np.float64)
    spread = stats.bootstrap(
        (sums, counts),
        _ratio,
        paired=True,  # a group takes its sum and its count along
        vectorized=True,
        n_resamples=resamples,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    low, high = spread.confidence_interval
    return Estimate(float(sums.sum() / counts.sum()), float(low), float(high))


def _ratio(sums: Floats64, counts: Floats64, axis: int = -1) -> Floats64:
    return np.asarray(sums.sum(axis=axis) / counts.sum(axis=axis))
