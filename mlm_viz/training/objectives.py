"""What a model is trained to do: how a batch is made of rows of ids, which class of model, and what the loss is.

Only masked language modelling is here; another objective is one more class and one more line in `OBJECTIVES`.

Source: J. Devlin et al., "BERT" (2019), section 3.1 and appendix A.1: of the tokens chosen 80 % masked, 10 % replaced,
10 % kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional
from transformers import BertConfig, BertForMaskedLM, ModernBertConfig, ModernBertForMaskedLM

from mlm_viz.families import FAMILIES, backbone
from mlm_viz.masking import BERT_SPLIT
from mlm_viz.tokens import Flags, Ids
from mlm_viz.training.schedule import Phase
from mlm_viz.training.settings import Settings
from mlm_viz.training.vocabulary import END, MASK, PAD, SPECIAL, START

_ROUND_SLOTS = 64
_NO_TARGET = -100  # what torch's cross-entropy passes over


@dataclass(frozen=True)
class Pieces:
    """What a batch has to know of a vocabulary.

    Attributes:
        size: how many pieces there are; the special ones come first.
        continues: (size,) True for pieces that continue a word.
    """

    size: int
    continues: Flags


@dataclass(frozen=True)
class Batch:
    """A batch in arrays.

    Attributes:
        ids: (rows, tokens) what the model reads; shorter rows are padded at the end.
        allowed: (rows, tokens) False where there is padding, or None if there is none.
        slots: (slots,) places in `ids.ravel()` whose hidden states are projected to the vocabulary.
        targets: (slots,) ids that should be guessed there.
        tokens: how many there are, padding left out.
    """

    ids: Ids
    allowed: Flags | None
    slots: Ids
    targets: Ids
    tokens: int


@dataclass(frozen=True)
class Tensors:
    """The same on the device; `mask` is (rows, 1, 1, tokens), added to the scores of attention.

    The slots are filled up with some that have no target.
    """

    ids: torch.Tensor
    mask: torch.Tensor | None
    slots: torch.Tensor
    targets: torch.Tensor

    @classmethod
    def of(cls, batch: Batch, device: torch.device) -> Tensors:
        """Send a batch to the device without waiting for it to arrive."""
        mask = None
        if batch.allowed is not None:
            added = np.where(batch.allowed, np.float32(0), np.finfo(np.float32).min)
            # Four axes, because of a mask with two transformers looks up whether anything is masked: the device waits.
            mask = _send(added[:, None, None, :], device)
        # To a round number of slots: for each new shape the processor's library makes and keeps a program of its own,
        # which in the end takes gigabytes.
        missing = -len(batch.slots) % _ROUND_SLOTS
        slots = np.pad(batch.slots, (0, missing))
        targets = np.pad(batch.targets, (0, missing), constant_values=_NO_TARGET)
        return cls(_send(batch.ids, device), mask, _send(slots, device), _send(targets, device))


def _send(array: npt.NDArray[Any], device: torch.device) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


class Objective(Protocol):
    """What a kind of training has to say for itself."""

    def new_model(self, settings: Settings, vocabulary: int) -> Any:
        """A model of transformers with fresh weights."""

    def make_batch(self, rows: Ids, lengths: Ids, pieces: Pieces, phase: Phase, rng: np.random.Generator) -> Batch:
        """A batch from (rows, tokens) ids and the (rows,) lengths of the rows, start and end tokens included."""

    def loss(self, model: Any, batch: Tensors) -> torch.Tensor:
        """The mean loss over the targets in nats."""


class MaskedTokens:
    """Guess the tokens that were masked.

    Args:
        whole_words: mask all pieces of a word or none.
        replaced, kept: of the tokens to guess, the shares that a random one stands in for and that are left standing.
    """

    def __init__(
        self, *, whole_words: bool = False, replaced: float = BERT_SPLIT[1], kept: float = BERT_SPLIT[2]
    ) -> None:
        self.whole_words = whole_words
        self.replaced = replaced
        self.kept = kept

    def new_model(self, settings: Settings, vocabulary: int) -> Any:
        """An encoder of the family in the settings, with a head that guesses tokens."""
        return _ENCODERS[settings.family](settings, vocabulary)

    def make_batch(self, rows: Ids, lengths: Ids, pieces: Pieces, phase: Phase, rng: np.random.Generator) -> Batch:
        """Mask afresh; of every row at least one token."""
        chosen = self.choose(rows, pieces, phase.mask_rate, rng)
        slots = np.flatnonzero(chosen)
        targets = rows.ravel()[slots]
        ids = rows.copy()
        ids.ravel()[slots] = corrupted(targets, pieces.size, rng, replaced=self.replaced, kept=self.kept)
        padded = bool((lengths < rows.shape[1]).any())
        allowed = np.arange(rows.shape[1]) < lengths[:, None] if padded else None
        return Batch(ids, allowed, slots, targets, int(lengths.sum()))

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
        """The cross-entropy at the slots; nothing else is projected to the vocabulary."""
        states = backbone(model)(input_ids=batch.ids, attention_mask=batch.mask).last_hidden_state
        chosen = states.flatten(0, 1).index_select(0, batch.slots)
        if not len(chosen):  # nothing but unknown tokens: no lesson, and no division by zero
            nothing: torch.Tensor = chosen.sum()
            return nothing
        logits = FAMILIES[model.config.model_type].head(model, chosen)
        return functional.cross_entropy(logits.float(), batch.targets)


def _new_bert(settings: Settings, vocabulary: int) -> Any:
    width = settings.width or 0
    return BertForMaskedLM(
        BertConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            num_hidden_layers=settings.layers or 0,
            num_attention_heads=settings.heads or 0,
            intermediate_size=4 * width,
            hidden_dropout_prob=settings.dropout,
            attention_probs_dropout_prob=settings.dropout,
            max_position_embeddings=settings.limit,
            pad_token_id=PAD,
        )
    )


def _new_modernbert(settings: Settings, vocabulary: int) -> Any:
    width = settings.width or 0
    rope: Any = {"rope_type": "default", "rope_theta": _ROPE_BASE}
    return ModernBertForMaskedLM(
        ModernBertConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            num_hidden_layers=settings.layers or 0,
            num_attention_heads=settings.heads or 0,
            # Three matrices in place of two: as many weights as with four times the width.
            intermediate_size=max(_ROUND, 8 * width // 3 // _ROUND * _ROUND),
            embedding_dropout=settings.dropout,
            attention_dropout=settings.dropout,
            mlp_dropout=settings.dropout,
            max_position_embeddings=settings.limit,
            # Inputs are short: every layer sees all of them.
            layer_types=["full_attention"] * (settings.layers or 0),
            rope_parameters=dict.fromkeys(("full_attention", "sliding_attention"), rope),
            pad_token_id=PAD,
            cls_token_id=START,
            sep_token_id=END,
            bos_token_id=START,
            eos_token_id=END,
        )
    )


_ROUND = 32
_ROPE_BASE = 10_000.0  # the customary one; ModernBERT's own is meant for inputs of thousands of tokens
_ENCODERS = {"bert": _new_bert, "modernbert": _new_modernbert}


def corrupted(targets: Ids, vocabulary: int, rng: np.random.Generator, *, replaced: float, kept: float) -> Ids:
    """What stands in the place of each target: the mask token, a random ordinary piece, or the target itself."""
    masked = 1 - replaced - kept
    lots = rng.random(len(targets))
    random = rng.integers(len(SPECIAL), vocabulary, size=len(targets))
    return np.select([lots < masked, lots < masked + replaced], [np.full_like(targets, MASK), random], targets)


def framed(flat: Ids, begin: Ids, ends: Ids) -> Ids:
    """Rows of ids between a start and an end token, padded to the longest.

    Args:
        flat: ids of all rows one after another.
        begin: (rows,) where each row starts in `flat`.
        ends: (rows,) where it ends.
    """
    sizes = ends - begin
    columns = np.arange(sizes.max() + 2)
    places = begin[:, None] + columns - 1
    inside = (columns > 0) & (columns <= sizes[:, None])
    rows = np.where(inside, flat[np.where(inside, places, 0)], PAD)
    rows[:, 0] = START
    rows[np.arange(len(rows)), sizes + 1] = END
    return rows.astype(np.int64)


OBJECTIVES: dict[str, Callable[[Settings], Objective]] = {
    "masked": lambda s: MaskedTokens(whole_words=s.whole_words, replaced=s.replaced, kept=s.kept),
}
