"""Questions that take longer than a click: asked of the state, answered piece by piece, while somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING

from traitlets import Any, Bool, HasTraits, Unicode

from mlm_viz.errors import MlmVizError

if TYPE_CHECKING:
    from mlm_viz.state import ExplorerState


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
        """Whether the answer is to what the state shows now; if not, it is on its way or there is nothing to ask."""
        key = self._about(state)
        return key is not None and key == self._key

    def advance(self, state: ExplorerState) -> None:
        """Take one step towards the answer."""
        key = self._about(state)
        if key != self._key or self._answers is None:
            self._key, self._answers = key, self._ask(state)
            with self.hold_trait_notifications():
                self.finished, self.error = False, ""
        try:
            self.result = next(self._answers)
        except StopIteration:
            self._answers, self.finished = None, True
        except MlmVizError as problem:
            with self.hold_trait_notifications():
                self._answers, self.result, self.error, self.finished = None, None, str(problem), True
