"""Masked tokens: an encoder reads both sides of a gap and guesses what stood there.

Source: J. Devlin et al., "BERT" (2019), section 3.1 and appendix A.1: of the tokens chosen 80 % masked, 10 % replaced,
10 % kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from transformers import BertConfig, BertForMaskedLM, ModernBertConfig, ModernBertForMaskedLM

from mlm_viz.families import FAMILIES, backbone
from mlm_viz.masking import BERT_SPLIT
from mlm_viz.tokens import Flags, Ids
from mlm_viz.training.objectives.batch import ROPE_BASE, Batch, Pieces, Tensors, counted, gated_width, loss_at
from mlm_viz.training.schedule import Phase
from mlm_viz.training.settings import Settings
from mlm_viz.training.vocabulary import END, MASK, PAD, SPECIAL, START


class MaskedTokens:
    """Guess the tokens that were masked.

    Args:
        whole_words: mask all pieces of a word or none.
        replaced, kept: of the tokens to guess, the shares that a random one stands in for and that are left standing.
    """

    sentinels = 0

    def __init__(
        self, *, whole_words: bool = False, replaced: float = BERT_SPLIT[1], kept: float = BERT_SPLIT[2]
    ) -> None:
        self.whole_words = whole_words
        self.replaced = replaced
        self.kept = kept

    @classmethod
    def from_settings(cls, settings: Settings) -> MaskedTokens:
        """As the settings say."""
        return cls(whole_words=settings.whole_words, replaced=settings.replaced, kept=settings.kept)

    def new_model(self, settings: Settings, vocabulary: int) -> Any:
        """An encoder of the family in the settings, with a head that guesses tokens."""
        config, network = _ENCODERS[settings.family]
        return network(config(settings, vocabulary))

    def make_batch(self, rows: Ids, lengths: Ids, pieces: Pieces, phase: Phase, rng: np.random.Generator) -> Batch:
        """Mask afresh; of every row at least one token."""
        chosen = self.choose(rows, pieces, phase.mask_rate, rng)
        slots = np.flatnonzero(chosen)
        targets = rows.ravel()[slots]
        ids = rows.copy()
        ids.ravel()[slots] = corrupted(targets, pieces.size, rng, replaced=self.replaced, kept=self.kept)
        padded = bool((lengths < rows.shape[1]).any())
        allowed = np.arange(rows.shape[1]) < lengths[:, None] if padded else None
        return Batch(ids, allowed, slots, targets, int(lengths.sum()), *counted(rows, targets, pieces))

    def choose(self, rows: Ids, pieces: Pieces, rate: float, rng: np.random.Generator) -> Flags:
        """(rows, tokens) True for the tokens to guess: each with probability `rate`, special tokens never."""
        ordinary = rows >= len(SPECIAL)
        lots = rng.random(rows.shape)
        if self.whole_words:
            # All pieces of a word share the lot of its first one.
            columns = np.arange(rows.shape[1])
            starts = np.maximum.accumulate(np.where(pieces.continues[rows], 0, columns), axis=1)
            lots = np.take_along_axis(lots, starts, axis=1)
        lots = np.where(ordinary, lots, 1.0)
        # The smallest lot of a row is always drawn, so that no row is read in vain.
        return np.asarray(ordinary & (lots <= np.maximum(rate, lots.min(axis=1, keepdims=True))))

    def loss(self, model: Any, batch: Tensors) -> torch.Tensor:
        """The cross-entropy at the slots."""
        states = backbone(model)(input_ids=batch.ids, attention_mask=batch.mask).last_hidden_state
        head = FAMILIES[model.config.model_type].head
        return loss_at(batch, states, lambda chosen: head(model, chosen), model.config.vocab_size)


def bert_sizes(settings: Settings, vocabulary: int) -> dict[str, Any]:
    """The sizes of BERT's network, for a config with a mask or one from left to right."""
    width = settings.width or 0
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "num_hidden_layers": settings.layers or 0,
        "num_attention_heads": settings.heads or 0,
        "intermediate_size": 4 * width,
        "hidden_dropout_prob": settings.dropout,
        "attention_probs_dropout_prob": settings.dropout,
        "max_position_embeddings": settings.limit,
        "pad_token_id": PAD,
    }


def modernbert_sizes(settings: Settings, vocabulary: int) -> dict[str, Any]:
    """The sizes of ModernBERT's network, for a config with a mask or one from left to right."""
    width, layers = settings.width or 0, settings.layers or 0
    rope: Any = {"rope_type": "default", "rope_theta": ROPE_BASE}
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": settings.heads or 0,
        "intermediate_size": gated_width(width),
        "embedding_dropout": settings.dropout,
        "attention_dropout": settings.dropout,
        "mlp_dropout": settings.dropout,
        "max_position_embeddings": settings.limit,
        # Inputs are short: every layer sees all of them.
        "layer_types": ["full_attention"] * layers,
        "rope_parameters": dict.fromkeys(("full_attention", "sliding_attention"), rope),
        "pad_token_id": PAD,
        "cls_token_id": START,
        "sep_token_id": END,
        "bos_token_id": START,
        "eos_token_id": END,
    }


_ENCODERS: dict[str, tuple[Any, Any]] = {
    "bert": (lambda *of: BertConfig(**bert_sizes(*of)), BertForMaskedLM),
    "modernbert": (lambda *of: ModernBertConfig(**modernbert_sizes(*of)), ModernBertForMaskedLM),
}


def corrupted(targets: Ids, vocabulary: int, rng: np.random.Generator, *, replaced: float, kept: float) -> Ids:
    """What stands in the place of each target: the mask token, a random ordinary piece, or the target itself."""
    masked = 1 - replaced - kept
    lots = rng.random(len(targets))
    random = rng.integers(len(SPECIAL), vocabulary, size=len(targets))
    return np.select([lots < masked, lots < masked + replaced], [np.full_like(targets, MASK), random], targets)
