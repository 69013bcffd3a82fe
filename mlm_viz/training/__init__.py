"""Training a masked language model from plain text, and measuring it: `train("my.txt", "my_model", minutes=5)`.

The public names are loaded when they are first used, so that the command line answers before torch is imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlm_viz.training.callbacks import Callback, is_film_step
    from mlm_viz.training.errors import TrainingError
    from mlm_viz.training.evaluation import evaluate
    from mlm_viz.training.film import FilmRecorder
    from mlm_viz.training.recipe import Text
    from mlm_viz.training.settings import Settings
    from mlm_viz.training.start import Trained, train

_HOMES = {
    "Callback": "callbacks",
    "evaluate": "evaluation",
    "FilmRecorder": "film",
    "is_film_step": "callbacks",
    "Settings": "settings",
    "Text": "recipe",
    "train": "start",
    "Trained": "start",
    "TrainingError": "errors",
}

__all__ = [
    "Callback",
    "FilmRecorder",
    "Settings",
    "Text",
    "Trained",
    "TrainingError",
    "evaluate",
    "is_film_step",
    "train",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        message = f"module 'mlm_viz.training' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"mlm_viz.training.{_HOMES[name]}"), name)
