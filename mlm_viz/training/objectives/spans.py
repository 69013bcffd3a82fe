"""Spans: an encoder reads a text in which sentinels stand for what was cut out, a decoder writes what that was.

Source: C. Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer" (2020),
section 3.1.4, figure 2, and section 3.3.4: 15 % of the tokens, in spans of three on average.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from transformers import T5Config, T5ForConditionalGeneration

from mlm_viz.strings import say
from mlm_viz.tokens import Flags, Ids
from mlm_viz.training.errors import TrainingError
from mlm_viz.training.objectives.batch import ROUND, Batch, Pieces, Tensors, counted, gated_width, loss_at
from mlm_viz.training.schedule import Phase
from mlm_viz.training.settings import Settings
from mlm_viz.training.vocabulary import END, PAD, START, UNKNOWN

_LEAST_LAYERS = 2
_ROUND_COLUMNS = 4


class CutSpans:
    """Write the spans that were cut out, each behind the sentinel that stands in its place.

    Args:
        rate: share of the tokens to cut out.
        length: of a span on average, in tokens.
        sentinels: how many there are: so many spans are cut out of an input at most.
    """

    def __init__(self, *, rate: float = 0.15, length: float = 3.0, sentinels: int = ROUND) -> None:
        self.rate = rate
        self.length = length
        self.sentinels = sentinels

    @classmethod
    def from_settings(cls, settings: Settings) -> CutSpans:
        """As the settings say, with sentinels enough for the longest input.

        Raises:
            TrainingError: if they ask for another network than T5's, or for one without two halves.
        """
        if settings.family == "bert":
            raise TrainingError(say("train.error.span_family", family=settings.family))
        if settings.layers and settings.layers < _LEAST_LAYERS:
            raise TrainingError(
                say("train.error.range", name="layers", value=settings.layers, least=_LEAST_LAYERS, most=96)
            )
        spans = settings.limit * settings.span_rate / settings.span_length + 1
        return cls(
            rate=settings.span_rate, length=settings.span_length, sentinels=ROUND * max(1, math.ceil(spans / ROUND))
        )

    def new_model(self, settings: Settings, vocabulary: int) -> Any:
        """T5's network (positions as distances, gated layers) with about as many weights as the masked model's.

        Its layers are as many as those of the masked model, shared among encoder and decoder; a decoder's layers attend
        to the encoder too, and the inner parts of all layers are narrower by as many weights as that takes.
        """
        width, layers, heads = settings.width or 0, settings.layers or 0, settings.heads or 1
        writing = layers // 2
        # Weights by width: 4 * width for each attention, 3 * inner for each gated part, and the masked model's head.
        inner = gated_width(width) + width * (1 - 4 * writing) / (3 * layers)
        sizes: dict[str, Any] = {
            "vocab_size": vocabulary,
            "d_model": width,
            "d_kv": width // heads,
            "d_ff": max(ROUND, round(inner / ROUND) * ROUND),
            "num_layers": layers - writing,
            "num_decoder_layers": writing,
            "num_heads": heads,
            "dropout_rate": settings.dropout,
            "feed_forward_proj": "gated-gelu",
            "pad_token_id": PAD,
            "bos_token_id": START,
            "eos_token_id": END,
            "decoder_start_token_id": START,
        }
        network = T5ForConditionalGeneration(T5Config(**sizes))
        _even_out(network)
        return network

    def make_batch(
        self,
        rows: Ids,
        lengths: Ids,
        pieces: Pieces,
        phase: Phase,  # noqa: ARG002 (what an objective is called with)
        rng: np.random.Generator,
    ) -> Batch:
        """Cut afresh, of every row at least one token; start and end tokens stay."""
        most = min(self.sentinels, pieces.sentinels)
        row, start, size = choose_spans(lengths - 2, self.rate, self.length, most, rng)
        cut, sentinels = _marked(rows.shape, row, start + 1, size, pieces.size)
        heads = sentinels > 0
        there = np.arange(rows.shape[1]) < lengths[:, None]
        ids, allowed = packed(np.where(heads, sentinels, rows), there & (heads | ~cut))
        # In the answer there are two columns for each token: its span's sentinel, if it is the first, and the token.
        answered = np.stack([heads, cut | (rows == END)], axis=2).reshape(len(rows), -1)
        answer, filled = packed(np.stack([sentinels, rows], axis=2).reshape(len(rows), -1), answered)
        written = np.pad(answer[:, :-1], ((0, 0), (1, 0)), constant_values=START)
        slots = np.flatnonzero(filled & (answer != UNKNOWN))  # a model that writes should not write unknown tokens
        targets = answer.ravel()[slots]
        counts = counted(rows, targets, pieces)
        return Batch(ids, None if allowed.all() else allowed, slots, targets, int(lengths.sum()), *counts, written)

    def loss(self, model: Any, batch: Tensors) -> torch.Tensor:
        """The cross-entropy of the answers: sentinels, spans and end tokens."""
        read = model.encoder(input_ids=batch.ids, attention_mask=batch.mask).last_hidden_state
        states = model.decoder(
            input_ids=batch.written, encoder_hidden_states=read, encoder_attention_mask=batch.mask, use_cache=False
        ).last_hidden_state
        scale = model.model_dim**-0.5 if model.config.scale_decoder_outputs else 1.0
        return loss_at(batch, states, lambda chosen: model.lm_head(scale * chosen), model.config.vocab_size)


@torch.no_grad()
def _even_out(network: Any) -> None:
    """Bring T5's fresh weights to the size that an optimizer with steps of one size for all weights asks for.

    T5 was trained with steps in proportion to the weights, and starts with embeddings of size one, which such steps
    would hardly move. Every part normalises what it reads, so what is added up may be smaller by a common factor; what
    the last normalisation hands over is larger by the same factor, and no guess is changed.
    """
    factor = network.model_dim**-0.5
    network.shared.weight.mul_(factor)
    network.decoder.final_layer_norm.weight.div_(factor)
    for name, weight in network.named_parameters():
        if name.endswith((".o.weight", ".wo.weight")):
            weight.mul_(factor)


def choose_spans(sizes: Ids, rate: float, length: float, most: int, rng: np.random.Generator) -> tuple[Ids, Ids, Ids]:
    """Spans to cut out, none touching another, every way to place them equally likely.

    A row has a whole number of tokens and spans: both are rounded up or down by chance, so that on average they are as
    asked for; but there is at least one span in a row, and of short rows it may be short.

    Args:
        sizes: (rows,) tokens that each row has.
        rate: share of them to cut out.
        length: of a span on average.
        most: spans in a row.
        rng: random numbers.

    Returns:
        For each span, in reading order: its row, its first token and how many tokens it has.
    """
    cut = np.clip(_rounded(sizes * rate, rng), 1, sizes)
    count = np.clip(_rounded(cut / length, rng), 1, np.minimum(np.minimum(cut, sizes - cut + 1), most))
    begins = np.hstack([cut[:, None] > 0, _drawn(cut - 1, count - 1, rng)])
    row, begin = np.nonzero(begins)  # of what is cut out, joined: where each span begins
    ends = np.where(np.diff(row, append=-1) != 0, cut[row], np.roll(begin, -1))
    # Different places among the kept tokens, so that spans do not touch.
    kept_before = np.nonzero(_drawn(sizes - cut + 1, count, rng))[1]
    return row, kept_before + begin, ends - begin


def _rounded(values: Any, rng: np.random.Generator) -> Ids:
    """Up with the probability of what is behind the point, else down."""
    return np.asarray(np.floor(values + rng.random(len(values)))).astype(np.int64)


def _drawn(places: Ids, count: Ids, rng: np.random.Generator) -> Flags:
    """(rows, most places) True at `count` of the first `places` columns of each row."""
    columns = np.arange(max(0, int(places.max(initial=0))))
    lots = np.where(columns < places[:, None], rng.random((len(places), len(columns))), 2.0)
    return np.asarray(lots.argsort(axis=1).argsort(axis=1) < np.minimum(count, places)[:, None])


def _marked(shape: tuple[int, ...], row: Ids, start: Ids, size: Ids, first: int) -> tuple[Flags, Ids]:
    """What is cut out, and where each span begins its sentinel, counted from `first` in each row; elsewhere zero."""
    behind = np.cumsum(size)
    cut = np.zeros(shape, dtype=np.bool_)
    cut[np.repeat(row, size), np.arange(size.sum()) + np.repeat(start - (behind - size), size)] = True
    sentinels = np.zeros(shape, dtype=np.int64)
    sentinels[row, start] = first + np.arange(len(row)) - np.searchsorted(row, row)
    return cut, sentinels


def packed(values: Ids, keep: Flags) -> tuple[Ids, Flags]:
    """The values to keep, moved to the left and padded to the longest row, and where there are any."""
    counts = keep.sum(axis=1)
    # To a round number of columns: rows that were equally long are so no more, and new shapes cost memory (`Tensors`).
    columns = np.arange(-(-counts.max() // _ROUND_COLUMNS) * _ROUND_COLUMNS)
    there = columns < counts[:, None]
    moved = np.full(there.shape, PAD, dtype=np.int64)
    moved[there] = values[keep]
    return moved, there
