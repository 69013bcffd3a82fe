"""mlm_viz: look into masked language models from a notebook.

The public names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlm_viz.analysis.filling import joint_fills
    from mlm_viz.analysis.masks import mask
    from mlm_viz.analysis.prediction import attend, predict
    from mlm_viz.analysis.scoring import sweep
    from mlm_viz.errors import MlmVizError, ModelError, TextError, WordError
    from mlm_viz.loading import available, load
    from mlm_viz.widgets.explorer import explore

__version__ = "0.1.0"

_HOMES = {
    "attend": "analysis.prediction",
    "available": "loading",
    "explore": "widgets.explorer",
    "joint_fills": "analysis.filling",
    "load": "loading",
    "mask": "analysis.masks",
    "MlmVizError": "errors",
    "ModelError": "errors",
    "predict": "analysis.prediction",
    "sweep": "analysis.scoring",
    "TextError": "errors",
    "WordError": "errors",
}

__all__ = [
    "MlmVizError",
    "ModelError",
    "TextError",
    "WordError",
    "attend",
    "available",
    "explore",
    "joint_fills",
    "load",
    "mask",
    "predict",
    "sweep",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        message = f"module 'mlm_viz' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"mlm_viz.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
