"""What all objectives share: batches as arrays and on the device, rows of ids in their frame, the mean loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from mlm_viz.tokens import Flags, Ids
from mlm_viz.training.schedule import Phase
from mlm_viz.training.settings import Settings
from mlm_viz.training.vocabulary import END, PAD, SPECIAL, START

_ROUND_SLOTS = 64
_NO_TARGET = -100  # what torch's cross-entropy passes over
_LOGITS = 2**28  # at once: a gigabyte in 32 bits, and about twice that on the way back
# Of a network's own sizes.
ROUND = 32
ROPE_BASE = 10_000.0  # the customary one; ModernBERT's own is meant for inputs of thousands of tokens


@dataclass(frozen=True)
class Pieces:
    """What a batch has to know of a vocabulary.

    Attributes:
        size: how many pieces there are, sentinels left out; the special ones come first.
        continues: (size,) True for pieces that continue a word.
        sentinels: how many come behind them, each to stand for a span that was cut out.
    """

    size: int
    continues: Flags
    sentinels: int = 0


@dataclass(frozen=True)
class Batch:
    """A batch in arrays.

    Attributes:
        ids: (rows, tokens) what the model reads; shorter rows are padded at the end.
        allowed: (rows, tokens) False where there is padding, or None if there is none that could be seen.
        slots: (slots,) places whose hidden states are projected to the vocabulary: in `written.ravel()` if something
            is written, else in `ids.ravel()`.
        targets: (slots,) ids that should be guessed there.
        tokens: of the text it is made of, start and end tokens included, padding left out.
        text: those of them that are no special tokens.
        learned: how many targets are tokens of the text.
        written: (rows, tokens) what a decoder reads: the targets so far, behind a start token; None without a decoder.
    """

    ids: Ids
    allowed: Flags | None
    slots: Ids
    targets: Ids
    tokens: int
    text: int
    learned: int
    written: Ids | None = None


def counted(rows: Ids, targets: Ids, pieces: Pieces) -> tuple[int, int]:
    """How many of the (rows, tokens) ids are pieces of text, and how many targets are."""
    learned = (targets >= len(SPECIAL)) & (targets < pieces.size)
    return int((rows >= len(SPECIAL)).sum()), int(learned.sum())


@dataclass(frozen=True)
class Tensors:
    """The same on the device; `mask` is (rows, 1, 1, tokens), added to the scores of attention.

    The slots are filled up with some that have no target.
    """

    ids: torch.Tensor
    mask: torch.Tensor | None
    slots: torch.Tensor
    targets: torch.Tensor
    written: torch.Tensor | None = None

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
        written = None if batch.written is None else _send(batch.written, device)
        return cls(_send(batch.ids, device), mask, _send(slots, device), _send(targets, device), written)


def _send(array: npt.NDArray[Any], device: torch.device) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


class Objective(Protocol):
    """What a kind of training has to say for itself.

    Attributes:
        sentinels: how many the vocabulary needs behind its pieces.
    """

    sentinels: int

    def new_model(self, settings: Settings, vocabulary: int) -> Any:
        """A model of transformers with fresh weights; `vocabulary` counts the sentinels too."""

    def make_batch(self, rows: Ids, lengths: Ids, pieces: Pieces, phase: Phase, rng: np.random.Generator) -> Batch:
        """A batch from (rows, tokens) ids and the (rows,) lengths of the rows, start and end tokens included."""

    def loss(self, model: Any, batch: Tensors) -> torch.Tensor:
        """The mean loss over the targets in nats."""


def loss_at(
    batch: Tensors, states: torch.Tensor, project: Callable[[torch.Tensor], torch.Tensor], vocabulary: int
) -> torch.Tensor:
    """The mean cross-entropy at the slots in nats; nothing else is projected to the vocabulary.

    Args:
        batch: with the slots and the targets.
        states: (rows, tokens, width) hidden states.
        project: from states to logits.
        vocabulary: its size. Many logits are made in parts, and made again on the way back, so that memory is bounded.
    """
    chosen = states.flatten(0, 1).index_select(0, batch.slots)
    if not len(chosen):  # nothing but unknown tokens: no lesson, and no division by zero
        nothing: torch.Tensor = chosen.sum()
        return nothing
    most = max(_ROUND_SLOTS, _LOGITS // vocabulary // _ROUND_SLOTS * _ROUND_SLOTS)
    if len(chosen) <= most:
        return functional.cross_entropy(project(chosen).float(), batch.targets)

    def summed(part: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(project(part).float(), targets, reduction="sum")

    parts = zip(torch.split(chosen, most), torch.split(batch.targets, most), strict=True)
    sums = [checkpoint(summed, *part, use_reentrant=False, preserve_rng_state=False) for part in parts]
    return torch.stack(sums).sum() / (batch.targets != _NO_TARGET).sum()


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


def gated_width(width: int) -> int:
    """Of the inner part of a gated layer: its three matrices hold as many weights as two of four times the width."""
    return max(ROUND, 8 * width // 3 // ROUND * ROUND)
