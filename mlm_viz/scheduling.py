"""Running work soon instead of at once, so that requests arriving together are answered by one run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

# Long enough for the messages that queued up during a run to be read before the next one, too short to be felt.
_PAUSE = 0.015


class Scheduler:
    """Runs `step` until it has nothing left to do: on the event loop where there is one, else at once.

    Requests made before the run are merged into it. Between two steps the loop gets to handle what came in: a page
    waits for the step that is under way, and for no more, so steps have to be small.

    Args:
        step: does a piece of work; returns whether more is left.
    """

    def __init__(self, step: Callable[[], bool]) -> None:
        self._step = step
        self._timer: asyncio.TimerHandle | None = None

    def request(self) -> None:
        """Ask for a run."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a plain Python process: nobody would come back to it later
            self.flush()
            return
        if self._timer is None or self._timer.cancelled():
            self._timer = loop.call_later(_PAUSE, self._run)

    def flush(self) -> None:
        """Do all that is left, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._step():
            pass

    def _run(self) -> None:
        self._timer = None
        if self._step():
            self.request()
