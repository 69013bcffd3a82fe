"""mlm_viz: look into masked language models from a notebook.

The public names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlm_viz.analysis.compare import compare, reveal_right
    from mlm_viz.analysis.contrast import contrast
    from mlm_viz.analysis.direction import direction, reveal
    from mlm_viz.analysis.filling import joint_fills
    from mlm_viz.analysis.flow import attention_effect, attention_views, rollout, value_norms
    from mlm_viz.analysis.heads import fewest_heads, head_board, head_means, silencing_self_test
    from mlm_viz.analysis.influence import influence
    from mlm_viz.analysis.lens import lens
    from mlm_viz.analysis.masks import mask
    from mlm_viz.analysis.pairs import minimal_pair
    from mlm_viz.analysis.pass_times import pass_times
    from mlm_viz.analysis.prediction import attend, predict
    from mlm_viz.analysis.scoring import pseudo_log_likelihood, sweep
    from mlm_viz.analysis.steps import fill_orders, fill_steps
    from mlm_viz.analysis.word_test import word_test
    from mlm_viz.analysis.writing import write, writing_test
    from mlm_viz.errors import MlmVizError, ModelError, TextError, WordError
    from mlm_viz.film import load_film
    from mlm_viz.loading import available, load
    from mlm_viz.training.next_sentence import train_next_sentence
    from mlm_viz.training.start import train
    from mlm_viz.widgets.comparison import show_comparison
    from mlm_viz.widgets.explorer import explore
    from mlm_viz.widgets.film_player import show_film
    from mlm_viz.widgets.live_training import train_live
    from mlm_viz.widgets.next_sentence import train_next_sentence_live
    from mlm_viz.widgets.writing import show_writing

__version__ = "0.1.0"

_HOMES = {
    "attend": "analysis.prediction",
    "attention_effect": "analysis.flow",
    "attention_views": "analysis.flow",
    "available": "loading",
    "compare": "analysis.compare",
    "contrast": "analysis.contrast",
    "direction": "analysis.direction",
    "explore": "widgets.explorer",
    "fewest_heads": "analysis.heads",
    "fill_orders": "analysis.steps",
    "fill_steps": "analysis.steps",
    "head_board": "analysis.heads",
    "head_means": "analysis.heads",
    "influence": "analysis.influence",
    "joint_fills": "analysis.filling",
    "lens": "analysis.lens",
    "load": "loading",
    "load_film": "film",
    "mask": "analysis.masks",
    "minimal_pair": "analysis.pairs",
    "MlmVizError": "errors",
    "ModelError": "errors",
    "pass_times": "analysis.pass_times",
    "predict": "analysis.prediction",
    "pseudo_log_likelihood": "analysis.scoring",
    "reveal": "analysis.direction",
    "reveal_right": "analysis.compare",
    "rollout": "analysis.flow",
    "show_comparison": "widgets.comparison",
    "show_film": "widgets.film_player",
    "show_writing": "widgets.writing",
    "silencing_self_test": "analysis.heads",
    "sweep": "analysis.scoring",
    "TextError": "errors",
    "train": "training.start",
    "train_live": "widgets.live_training",
    "train_next_sentence": "training.next_sentence",
    "train_next_sentence_live": "widgets.next_sentence",
    "value_norms": "analysis.flow",
    "word_test": "analysis.word_test",
    "WordError": "errors",
    "write": "analysis.writing",
    "writing_test": "analysis.writing",
}

__all__ = [
    "MlmVizError",
    "ModelError",
    "TextError",
    "WordError",
    "attend",
    "attention_effect",
    "attention_views",
    "available",
    "compare",
    "contrast",
    "direction",
    "explore",
    "fewest_heads",
    "fill_orders",
    "fill_steps",
    "head_board",
    "head_means",
    "influence",
    "joint_fills",
    "lens",
    "load",
    "load_film",
    "mask",
    "minimal_pair",
    "pass_times",
    "predict",
    "pseudo_log_likelihood",
    "reveal",
    "reveal_right",
    "rollout",
    "show_comparison",
    "show_film",
    "show_writing",
    "silencing_self_test",
    "sweep",
    "train",
    "train_live",
    "train_next_sentence",
    "train_next_sentence_live",
    "value_norms",
    "word_test",
    "write",
    "writing_test",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        message = f"module 'mlm_viz' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"mlm_viz.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
