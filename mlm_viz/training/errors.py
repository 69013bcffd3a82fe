"""What can go wrong in training, as exceptions whose message is one sentence a reader can act on."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlm_viz.errors import MlmVizError
from mlm_viz.strings import say

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class TrainingError(MlmVizError):
    """The text cannot be trained on, or the training cannot go on."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system says about a full or closed disk into one sentence.

    Raises:
        TrainingError: if what is written inside finds no room, or may not be written.
    """
    try:
        yield
    except OSError as problem:
        if problem.errno in _NO_ROOM:
            raise TrainingError(say("train.error.no_room", path=path)) from problem
        raise TrainingError(say("train.error.write", path=path, why=problem.strerror or problem)) from problem
