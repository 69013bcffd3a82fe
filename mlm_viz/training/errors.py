"""What can go wrong in training, as exceptions whose message is one sentence a reader can act on."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlm_viz.errors import MlmVizError
from mlm_viz.strings import say

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# So ends what `tokenizers` says when a file cannot be written, in an exception that is no OSError.
_OS_ERROR = re.compile(r"\(os error (\d+)\)")


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
        raise _said(path, problem.errno, problem.strerror or problem) from problem
    except Exception as problem:
        number = _OS_ERROR.search(str(problem))
        if type(problem) is not Exception or number is None:
            raise
        raise _said(path, int(number[1]), problem) from problem


def _said(path: Path, number: int | None, why: object) -> TrainingError:
    if number in _NO_ROOM:
        return TrainingError(say("train.error.no_room", path=path))
    return TrainingError(say("train.error.write", path=path, why=why))
