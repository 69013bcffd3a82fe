"""What can go wrong, as exceptions whose message is one sentence a reader can act on."""

from __future__ import annotations


class MlmVizError(ValueError):
    """Any problem with what was given: the widgets show its message as a line of text."""


class TextError(MlmVizError):
    """The text cannot be used as it stands: empty, too long, without a slot."""


class WordError(MlmVizError):
    """A word cannot be scored: the vocabulary cannot spell it, or no slot was named for it."""


class ModelError(MlmVizError):
    """The model cannot be loaded, or cannot do what was asked of it."""
