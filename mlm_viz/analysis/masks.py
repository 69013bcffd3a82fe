"""Masking a text as training does, with the model's own tokenizer."""

from __future__ import annotations

from mlm_viz.analysis.prediction import ModelLike
from mlm_viz.loading import load
from mlm_viz.masking import BERT_RATE, BERT_SPLIT, Masking, Policy, mask_random


def mask(
    text: str,
    model: ModelLike = None,
    *,
    policy: Policy = "tokens",
    rate: float = BERT_RATE,
    split: tuple[float, float, float] = BERT_SPLIT,
    seed: int = 0,
) -> Masking:
    """Choose positions of a text at random as the training of a masked language model does.

    See `mlm_viz.masking.mask_random` for the arguments; the result can be given to `predict` and `explore` as `masked`.
    """
    model = load(model)
    return mask_random(model.encode(text), model.vocabulary, policy=policy, rate=rate, split=split, seed=seed)
