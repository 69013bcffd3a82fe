"""The next token: the same layers, each token seeing only those before it, guess every token from its left side.

Source: A. Radford et al., "Improving Language Understanding by Generative Pre-Training" (2018), section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from transformers import BertConfig, BertLMHeadModel, ModernBertDecoderConfig, ModernBertDecoderForCausalLM

from mlm_viz.families import backbone
from mlm_viz.tokens import Ids
from mlm_viz.training.objectives.batch import Batch, Pieces, Tensors, counted, loss_at
from mlm_viz.training.objectives.masked import bert_sizes, modernbert_sizes
from mlm_viz.training.schedule import Phase
from mlm_viz.training.settings import Settings
from mlm_viz.training.vocabulary import END, START, UNKNOWN


class NextTokens:
    """Guess each token from those before it."""

    sentinels = 0

    @classmethod
    def from_settings(cls, _settings: Settings) -> NextTokens:
        """There is nothing to choose."""
        return cls()

    def new_model(self, settings: Settings, vocabulary: int) -> Any:
        """A decoder of the family in the settings: weight for weight the encoder that guesses masked tokens."""
        if settings.family == "bert":
            ends = {"bos_token_id": START, "eos_token_id": END, "is_decoder": True}
            return BertLMHeadModel(BertConfig(**(bert_sizes(settings, vocabulary) | ends)))
        return ModernBertDecoderForCausalLM(ModernBertDecoderConfig(**modernbert_sizes(settings, vocabulary)))

    def make_batch(
        self,
        rows: Ids,
        lengths: Ids,
        pieces: Pieces,
        phase: Phase,  # noqa: ARG002 (what an objective is called with)
        rng: np.random.Generator,  # noqa: ARG002
    ) -> Batch:
        """Every token is a target where the one before it stands, the end token too.

        Unknown tokens are not: a model that writes should not write them. Padding comes last, where nobody sees it.
        """
        following = rows[:, 1:]
        wanted = (np.arange(1, rows.shape[1]) < lengths[:, None]) & (following != UNKNOWN)
        slots = np.flatnonzero(np.pad(wanted, ((0, 0), (0, 1))))
        targets = following[wanted]
        return Batch(rows, None, slots, targets, int(lengths.sum()), *counted(rows, targets, pieces))

    def loss(self, model: Any, batch: Tensors) -> torch.Tensor:
        """The cross-entropy of the next token, at every place that has one."""
        mask = _causal_mask(batch.ids.shape[1], batch.ids.device)
        states = backbone(model)(input_ids=batch.ids, attention_mask=mask, use_cache=False).last_hidden_state
        head = _HEADS[model.config.model_type]
        return loss_at(batch, states, lambda chosen: head(model, chosen), model.config.vocab_size)


_HEADS: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "bert": lambda m, h: m.cls(h),
    "modernbert-decoder": lambda m, h: m.decoder(m.lm_head(h)),
}


def _causal_mask(tokens: int, device: torch.device) -> torch.Tensor:
    """(1, 1, query, key), added to the scores: transformers would make it anew for every row."""
    lowest = torch.full((tokens, tokens), torch.finfo(torch.float32).min, device=device)
    return lowest.triu(1)[None, None]
