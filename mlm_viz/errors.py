"""What can go wrong, as exceptions whose message is one sentence a reader can act on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from mlm_viz.strings import say

log = logging.getLogger(__name__)
# Without a handler Python would print the traceback under the cell; who wants it sets up logging.
log.addHandler(logging.NullHandler())

_T = TypeVar("_T")


class MlmVizError(ValueError):
    """Any problem with what was given: the widgets show its message as a line of text."""


class TextError(MlmVizError):
    """The text cannot be used as it stands: empty, too long, without a slot."""


class WordError(MlmVizError):
    """A word cannot be scored: the vocabulary cannot spell it, or no slot was named for it."""


class ModelError(MlmVizError):
    """The model cannot be loaded, or cannot do what was asked of it."""


def attempt(work: Callable[[], _T]) -> tuple[_T | None, str]:
    """What comes of it, or a sentence that says why nothing does: on a page nobody is there to catch an exception.

    Returns:
        The result and "", or None and the sentence, which is never empty. An interrupt is not caught.
    """
    try:
        return work(), ""
    except MlmVizError as problem:
        return None, str(problem) or type(problem).__name__
    except Exception as problem:
        log.exception("something went wrong that should not")
        return None, say("error.unexpected", why=f"{type(problem).__name__}: {problem}")
