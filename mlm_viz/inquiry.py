"""Questions that take longer than a click: asked of the state, answered piece by piece, while somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from traitlets import Any, Bool, HasTraits, Unicode

from mlm_viz.errors import attempt

if TYPE_CHECKING:
    from mlm_viz.state import ExplorerState


_END = object()


class Inquiry(HasTraits):
    """One question about what the explorer shows.

    It is answered in steps that the state's scheduler takes between two clicks, begins anew when what it is about
    changes, and is dropped when nobody wants to know any more.

    Args:
        about: from the state to all that the answer depends on; None if there is nothing to ask about.
        ask: from the state to the answers as they grow, each better than the one before.
    """

    wanted = Bool(False, help="whether somebody looks")
    result = Any(None, allow_none=True, help="the answer so far; None until there is one")
    finished = Bool(False, help="whether the answer is complete")
    error = Unicode(help="why there is no answer")

    def __init__(
        self, about: Callable[[ExplorerState], Hashable | None], ask: Callable[[ExplorerState], Iterator[object]]
    ) -> None:
        super().__init__()
        self._about = about
        self._ask = ask
        self._key: Hashable | None = None
        self._answers: Iterator[object] | None = None

    def is_due(self, state: ExplorerState) -> bool:
        """Whether there is something left to do."""
        if not self.wanted:
            return False
        key = self._about(state)
        return key is not None and (key != self._key or not self.finished)

    def is_about(self, state: ExplorerState) -> bool:
        """Whether there is an answer (or an error) to what the state shows now.

        If not, it is on its way or there is nothing to ask.
        """
        key = self._about(state)
        return key is not None and key == self._key and (self.result is not None or self.error != "")

    def advance(self, state: ExplorerState) -> None:
        """Take one step towards the answer."""
        key = self._about(state)
        if key != self._key or self._answers is None:
            self._key, self._answers = key, self._ask(state)
            with self.hold_trait_notifications():
                self.result, self.finished, self.error = None, False, ""
        answers, self._answers = self._answers, None  # if it is interrupted it has to be asked anew
        answer, problem = attempt(partial(next, answers, _END))
        if problem:
            with self.hold_trait_notifications():
                self.result, self.error, self.finished = None, problem, True
        elif answer is _END:
            self.finished = True
        else:
            self._answers, self.result = answers, answer
