"""What may look on while a model is trained: a live chart, a film, a notebook's stop button."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlm_viz.training.loop import Run


class Callback:
    """Looks on; override what is of use. Every method gets the run: its step, its model, and `run.stop()`.

    A callback may run the model (`run.as_model()`); it must not draw random numbers of torch or change weights.

    Attributes:
        masked_only: whether it is of use for masked models alone; a training with another objective is refused then.
    """

    masked_only = False

    def begin(self, run: Run) -> None:
        """Before the first step, also of a resumed run: what was recorded after `run.step` is to be thrown away."""

    def step(self, run: Run) -> None:
        """When `run.step` steps are done, from 0 on, and once more at the end; must be quick unless it is wanted."""

    def metrics(self, run: Run, line: Mapping[str, Any]) -> None:
        """When a line was added to the metrics: the same dictionary."""

    def end(self, run: Run) -> None:
        """When the training has ended or was stopped."""


def is_film_step(step: int) -> bool:
    """Whether a step is one of 0, 1, 2, 3, 4, 6, 8, 11, 16, 23, ...: two for every doubling.

    Up to 10,000 steps there are 27, whatever the budget, which need not be known.
    """
    half_octaves = range(2 * step.bit_length() + 1)
    return step == 0 or any(round(2 ** (number / 2)) == step for number in half_octaves)


@contextmanager
def stopping_on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C, a notebook's stop button and a polite kill end the training between two steps; the second one at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(number: int, _frame: Any) -> None:
        stop()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
