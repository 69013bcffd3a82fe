"""How far a training has come, and what follows from it: the learning rate, the length of inputs, the masked share.

All of it depends on the fraction of the budget that is used, so that any budget ends with a learning rate of zero.

Source: A. Vaswani et al., "Attention Is All You Need" (2017), section 5.3, warm-up; Z. Ankner et al., "Dynamic Masking
Rate Schedules for MLM Pretraining" (2023), a masked share that falls; S. Hu et al., "MiniCPM" (2024), section 4, a
rate that stays up and falls late.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from mlm_viz.training.settings import Settings

_FALLING = 0.25  # of the budget, at its end, with the decay "wsd"


@dataclass(frozen=True)
class Phase:
    """What the batches of a part of the training are made with.

    Attributes:
        limit: longest input in tokens, start and end tokens included.
        mask_rate: share of the tokens to mask.
    """

    limit: int
    mask_rate: float


class Budget:
    """The steps or the time a training may take, and how much of it is used.

    Args:
        steps: how many, or None for no limit.
        minutes: how long, or None for no limit; one of both is given.
        spent: seconds used before this run was resumed.
    """

    def __init__(self, steps: int | None, minutes: float | None, spent: float = 0.0) -> None:
        self._steps = steps
        self._seconds = None if minutes is None else minutes * 60
        self._spent = spent
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Used so far, over all resumptions."""
        return self._spent + time.monotonic() - self._started

    def fraction(self, step: int) -> float:
        """Of the budget used in the middle of step number `step` (from 0), in [0, 1]."""
        by_steps = (step + 0.5) / self._steps if self._steps else 0.0
        by_time = self.seconds / self._seconds if self._seconds else 0.0
        return min(1.0, max(by_steps, by_time))

    def is_spent(self, step: int) -> bool:
        """Whether there is no step number `step` any more."""
        return bool((self._steps and step >= self._steps) or (self._seconds and self.seconds >= self._seconds))


def learning_rate(fraction: float, settings: Settings) -> float:
    """Rising over the warm-up, then falling to zero: in a line, along a cosine, or in a line at the end only."""
    if fraction < settings.warmup:
        return settings.rate * fraction / settings.warmup
    left = (1 - fraction) / (1 - settings.warmup)
    shares = {"linear": left, "cosine": (1 - math.cos(math.pi * left)) / 2, "wsd": min(1.0, (1 - fraction) / _FALLING)}
    return settings.rate * shares[settings.decay]


def phase(fraction: float, settings: Settings) -> Phase:
    """Short inputs first, long ones at the end; the masked share goes in a line from its first to its last value."""
    limit = settings.short if fraction < settings.long_from else settings.limit
    rate = settings.mask_from + (settings.mask_to - settings.mask_from) * fraction
    return Phase(limit, round(rate, 6))
