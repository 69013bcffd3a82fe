"""Attention beside what it does: followed through the layers, weighted by what it carries, against measured effect."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mlm_viz.analysis.prediction import Masked, ModelLike, prepare
from mlm_viz.analysis.silencing import slot_position
from mlm_viz.errors import TextError
from mlm_viz.evidence import AttentionEffect, AttentionViews, Head, HeadBoard, Silenced, ValueNorms
from mlm_viz.loading import load
from mlm_viz.masking import Masking
from mlm_viz.model import Model
from mlm_viz.results import Attention, Floats64
from mlm_viz.strings import say
from mlm_viz.tokens import Sentence

# How the weights of all heads become one for each token: their mean, the largest, or those of one head.
Heads = Literal["mean", "max"] | Head


def rollout(attention: Attention) -> Floats64:
    """Attention followed through the layers: how much of each token at the bottom is in each token after a layer.

    A layer passes on half of what came in beside its attention, the mean over heads: A' = 0.5 A + 0.5 I, rows rescaled
    to sum to 1; rollout(layer) = A'(layer) rollout(layer - 1). What values carry and the rest of a layer does is not
    looked at.

    Args:
        attention: of all layers from the first; they may end early.

    Returns:
        (layers, query, key) from 0 to 1; rows sum to 1.

    Raises:
        TextError: if a layer is missing below another.

    Source: S. Abnar and W. Zuidema, "Quantifying Attention Flow in Transformers" (2020).
    """
    if attention.layers != tuple(range(len(attention.layers))):
        raise TextError(say("flow.layers", layers=list(attention.layers)))
    mixed = 0.5 * attention.weights.astype(np.float64).mean(axis=1) + 0.5 * np.eye(len(attention.labels))
    mixed /= mixed.sum(axis=-1, keepdims=True)
    for layer in range(1, len(mixed)):
        mixed[layer] = mixed[layer] @ mixed[layer - 1]
    return np.asarray(mixed)


def value_norms(text: str, model: ModelLike = None, masked: Masked = (), *, silenced: Silenced = ()) -> ValueNorms:
    """The length of what each key adds to each query in each head: ||weight x (x_j W_V + b_V) W_O||.

    A head may attend to a token and take next to nothing along from it, as heads do with special tokens.

    Args:
        text: any text, with or without blanks.
        model: a loaded model, or anything `load` takes.
        masked: as for `predict`.
        silenced: heads that are silent; what their keys add is 0.

    Raises:
        TextError: for an empty text, or one longer than the model's limit.
        WordError: if a word to be masked does not stand in the text.
        ModelError: if the model cannot be loaded, or has no such heads.

    Source: G. Kobayashi et al., "Attention is Not Only a Weight: Analyzing Transformers with Vector Norms" (2020).
    """
    model = load(model)
    return attend_with_norms(model, *prepare(text, model, masked), silenced)[1]


def attention_views(
    text: str,
    model: ModelLike = None,
    masked: Masked = (),
    slot: int | None = None,
    *,
    layer: int | None = None,
    silenced: Silenced = (),
) -> AttentionViews:
    """Where a slot looks, said in three ways: raw attention, rollout, value-weighted norms.

    Args:
        text: a text with blanks.
        model: a loaded model, or anything `load` takes.
        masked: as for `predict`.
        slot: number of the slot in reading order, from 0; may be left out when there is only one.
        layer: of this layer, rollout up to it and with it; None for all layers.
        silenced: heads that are silent.

    Raises:
        TextError: if there is no slot, or the text is longer than the model's limit.
        WordError: if there is no such slot.
        ModelError: if the model cannot be loaded or cannot predict, or has no such heads or layer.
    """
    model = load(model)
    sentence, masking = prepare(text, model, masked)
    position = slot_position(model, masking, slot)
    if layer is not None:
        model.check_layers([layer])
    return views_at(*attend_with_norms(model, sentence, masking, silenced), position, layer)


def attend_with_norms(
    model: Model, sentence: Sentence, masking: Masking, silenced: Silenced = ()
) -> tuple[Attention, ValueNorms]:
    """Attention and value-weighted norms of all layers of a prepared text, from one pass."""
    ids = masking.apply(sentence.ids)
    seen = model.forward(ids[None], attention="all", hidden=True, silenced=silenced)
    assert seen.attention is not None  # noqa: S101 (asked for)
    assert seen.hidden is not None  # noqa: S101
    # A weight is a number from 0, so that the length of weight x vector is weight x length.
    norms = seen.attention[0] * model.value_norms(seen.hidden)[0][:, :, None, :]
    for head in silenced:
        norms[head] = 0
    labels = tuple(model.vocabulary.labels[i] for i in ids)
    attention = Attention(labels, sentence.special, tuple(range(model.layers)), seen.attention[0])
    return attention, ValueNorms(labels, sentence.special, norms)


def views_at(attention: Attention, norms: ValueNorms, position: int, layer: int | None = None) -> AttentionViews:
    """The three views of one query, of one layer or of all; `attention` and `norms` are of all layers."""
    layers = slice(None) if layer is None else slice(layer, layer + 1)
    carried = norms.norms[layers, :, position].astype(np.float64).sum(axis=(0, 1))
    total = carried.sum()
    return AttentionViews(
        labels=attention.labels,
        special=attention.special,
        position=position,
        layer=layer,
        raw=attention.weights[layers, :, position].astype(np.float64).mean(axis=(0, 1)),
        rollout=rollout(attention)[-1 if layer is None else layer, position],
        norms=carried / total if total > 0 else carried,
    )


def attention_effect(
    attention: Attention, query: int, measured: HeadBoard | Floats64, *, heads: Heads = "mean"
) -> AttentionEffect:
    """Attention from a slot against what was measured when the same thing was taken away, with Spearman's rho.

    Over heads (`measured` is a board): the largest weight that the head gives to another ordinary token, against what
    the head adds to log2 p(target). Heads that are silent throughout, and layers still to come, are left out.
    Over tokens (`measured` is an array, such as `Influence.by_token` gives): the slot's weight on the token, against
    what the token adds. Rho compares attention with the size of the effect, up or down.

    Args:
        attention: of the text.
        query: position of the slot.
        measured: a board of the slot, or (tokens,) bits that each token adds to log2 p(target), NaN where not known.
        heads: over tokens, how the weights of all heads become one.

    Raises:
        TextError: if there is not one effect for each token, or no such head.
    """
    if isinstance(measured, HeadBoard):
        return _over_heads(attention, query, measured)
    effects = np.asarray(measured, dtype=np.float64)
    if effects.shape != (len(attention.labels),):
        raise TextError(say("flow.sizes", count=effects.size, tokens=len(attention.labels)))
    known = np.flatnonzero(np.isfinite(effects))
    weights = _from_slot(attention, query, heads)[known]
    names = tuple((int(position),) for position in known)
    labels = tuple(attention.labels[position] for position in known)
    return AttentionEffect("tokens", names, labels, weights, effects[known], spearman(weights, np.abs(effects[known])))


def spearman(a: Floats64, b: Floats64) -> float:
    """Spearman's rank correlation, in [-1, 1]; NaN for fewer than three pairs, or where all on one side are equal.

    Source: C. Spearman, "The Proof and Measurement of Association between Two Things" (1904).
    """
    from scipy.stats import spearmanr

    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(spearmanr(a, b).statistic)


def _over_heads(attention: Attention, query: int, board: HeadBoard) -> AttentionEffect:
    others = ~attention.special
    others[query] = False
    weights = attention.weights[:, :, query, others].astype(np.float64)
    peaks = weights.max(axis=-1, initial=0.0)  # (layers, heads)
    names = tuple(
        (layer, head)
        for layer in attention.layers
        for head in range(attention.heads)
        if board.guesses[layer, head] >= 0 and (layer, head) not in board.silenced
    )
    looks = np.array([peaks[attention.layers.index(layer), head] for layer, head in names])
    effects = np.array([board.gains[head] for head in names])
    return AttentionEffect("heads", names, (), looks, effects, spearman(looks, np.abs(effects)))


def _from_slot(attention: Attention, query: int, heads: Heads) -> Floats64:
    """(tokens,) weight of the slot on each token, over all layers and heads that are held."""
    rows = attention.weights[:, :, query].astype(np.float64)
    if isinstance(heads, str):
        if heads not in {"mean", "max"}:
            raise TextError(say("flow.head", given=heads, layers=list(attention.layers)))
        return np.asarray(rows.mean(axis=(0, 1)) if heads == "mean" else rows.max(axis=(0, 1)))
    layer, head = heads
    if layer not in attention.layers or not 0 <= head < attention.heads:
        raise TextError(say("flow.head", given=heads, layers=list(attention.layers)))
    return np.asarray(rows[attention.layers.index(layer), head])
