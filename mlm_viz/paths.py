"""Where the project's own files lie: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

import os
from pathlib import Path

from mlm_viz.strings import say

DATA_VARIABLE = "MLM_VIZ_DATA"
_PACKAGE = Path(__file__).resolve().parent


def data_dir() -> Path:
    """The folder of bundled data: `MLM_VIZ_DATA` if set, else the wheel's `_data`, else the checkout's `data`.

    Raises:
        FileNotFoundError: if `MLM_VIZ_DATA` names no directory, or neither of the two others exists.
    """
    chosen = os.environ.get(DATA_VARIABLE)
    if chosen:
        return _existing(Path(chosen).expanduser())
    packaged = _PACKAGE / "_data"
    return packaged if packaged.is_dir() else _existing(_PACKAGE.parent / "data")


def models_dir() -> Path:
    """The folder that holds one directory for each bundled model."""
    return data_dir() / "models"


def notebooks_dir() -> Path | None:
    """The checkout's notebooks; None where the package was installed without them."""
    folder = _PACKAGE.parent / "notebooks"
    return folder if (_PACKAGE.parent / "pyproject.toml").is_file() and folder.is_dir() else None


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise FileNotFoundError(say("paths.no_data", folder=folder, variable=DATA_VARIABLE))
    return folder
