"""Models of every kind, asked the same question: which word belongs into a gap?"""

from __future__ import annotations

from mlm_viz.readers.loading import as_reader
from mlm_viz.readers.reader import Guess, Reader, Scores

__all__ = ["Guess", "Reader", "Scores", "as_reader"]
