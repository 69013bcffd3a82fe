"""What a model is trained to do: how a batch is made of rows of ids, which class of model, and what the loss is.

Three objectives read the same text in the same batches, and differ only in what they ask: the tokens that were masked,
the next token, or the spans that were cut out. Another one is one more class and one more line in `OBJECTIVES`.
"""

from __future__ import annotations

from collections.abc import Callable

from mlm_viz.training.objectives.batch import Batch, Objective, Pieces, Tensors, framed
from mlm_viz.training.objectives.causal import NextTokens
from mlm_viz.training.objectives.masked import MaskedTokens, corrupted
from mlm_viz.training.objectives.spans import CutSpans
from mlm_viz.training.settings import Settings

__all__ = [
    "OBJECTIVES",
    "Batch",
    "CutSpans",
    "MaskedTokens",
    "NextTokens",
    "Objective",
    "Pieces",
    "Tensors",
    "corrupted",
    "framed",
]

OBJECTIVES: dict[str, Callable[[Settings], Objective]] = {
    "masked": MaskedTokens.from_settings,
    "causal": NextTokens.from_settings,
    "span": CutSpans.from_settings,
}
