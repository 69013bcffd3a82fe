"""What differs between the families of masked language models: one row of a table for each.

A family is recognised by `config.model_type`. Its row says how to turn hidden states into logits (so that only the
slots asked for are projected to the vocabulary), which module mixes the heads of each layer (so that a head can be
silenced before they are mixed) and what they mix, and how an attention mask is handed over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

Tensor = torch.Tensor


def _additive(_model: Any, allowed: Tensor) -> Tensor:
    """Zero where attention is allowed, the lowest number where not: added to the scores before the softmax."""
    lowest = torch.finfo(torch.float32).min
    return torch.zeros(allowed.shape).masked_fill(~allowed, lowest)


def _modernbert_masks(model: Any, allowed: Tensor) -> dict[str, Tensor]:
    """One mask for the global layers and one for the local ones, whose window a bare 4-D mask would switch off."""
    position = torch.arange(allowed.shape[-1])
    near = (position[:, None] - position[None, :]).abs() <= model.config.local_attention // 2
    return {"full_attention": _additive(model, allowed), "sliding_attention": _additive(model, allowed & near)}


@dataclass(frozen=True)
class Family:
    """One family of models.

    Attributes:
        name: for people.
        head: (model, hidden states (..., width)) to logits (..., vocab).
        layers: the encoder's layers, as often as they run: ALBERT runs one layer many times.
        mixer: from a layer to the linear module that the concatenated heads go through.
        values: (layer, hidden states in front of it (..., width)) to the value vectors of all heads, concatenated.
        mask: (model, allowed) to what the backbone takes as `attention_mask`; `allowed` is boolean, (batch or 1,
            1 or heads, query, key), True where a query may look at a key.
        mask_at_layers: other parts of the backbone would misread a 4-D mask, so it goes straight to the layers.
        passing: from hidden states to what a layer that leaves them as they are would return.
    """

    name: str
    head: Callable[[Any, Tensor], Tensor]
    layers: Callable[[Any], list[nn.Module]]
    mixer: Callable[[Any], nn.Module]
    values: Callable[[Any, Tensor], Tensor]
    mask: Callable[[Any, Tensor], Any] = _additive
    mask_at_layers: bool = False
    passing: Callable[[Tensor], Any] = lambda states: states


def backbone(model: Any) -> Any:
    """The model without its head for masked tokens."""
    return getattr(model, model.base_model_prefix, model)


def _distilbert_head(model: Any, hidden: Tensor) -> Tensor:
    transformed: Tensor = model.vocab_layer_norm(model.activation(model.vocab_transform(hidden)))
    return model.vocab_projector(transformed)  # type: ignore[no-any-return]


def _deberta_head(model: Any, hidden: Tensor) -> Tensor:
    if model.legacy:
        return model.cls(hidden)  # type: ignore[no-any-return]
    return model.lm_predictions(hidden, model.deberta.embeddings.word_embeddings)  # type: ignore[no-any-return]


def _encoder_layers(model: Any) -> list[nn.Module]:
    return list(backbone(model).encoder.layer)


def _albert_layers(model: Any) -> list[nn.Module]:
    encoder, config = backbone(model).encoder, model.config
    per_group = config.num_hidden_layers / config.num_hidden_groups
    groups = [encoder.albert_layer_groups[int(i / per_group)] for i in range(config.num_hidden_layers)]
    return [layer for group in groups for layer in group.albert_layers]


def _output_dense(layer: Any) -> nn.Module:
    return layer.attention.output.dense  # type: ignore[no-any-return]


def _self_value(layer: Any, states: Tensor) -> Tensor:
    return layer.attention.self.value(states)  # type: ignore[no-any-return]


def _modernbert_values(layer: Any, states: Tensor) -> Tensor:
    """The last third of what one matrix makes of the normalised states: queries, keys, values."""
    values: Tensor = layer.attn.Wqkv(layer.attn_norm(states)).chunk(3, dim=-1)[2]
    return values


_BERT = Family("BERT", lambda m, h: m.cls(h), _encoder_layers, _output_dense, _self_value)
_ROBERTA = Family("RoBERTa", lambda m, h: m.lm_head(h), _encoder_layers, _output_dense, _self_value)

FAMILIES: dict[str, Family] = {
    "bert": _BERT,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "distilbert": Family(
        "DistilBERT",
        _distilbert_head,
        lambda m: list(backbone(m).transformer.layer),
        lambda la: la.attention.out_lin,
        lambda la, h: la.attention.v_lin(h),
    ),
    "albert": Family(
        "ALBERT",
        lambda m, h: m.predictions(h),
        _albert_layers,
        lambda la: la.attention.dense,
        lambda la, h: la.attention.value(h),
    ),
    "electra": Family(
        "ELECTRA",
        lambda m, h: m.generator_lm_head(m.generator_predictions(h)),
        _encoder_layers,
        _output_dense,
        _self_value,
    ),
    "deberta-v2": Family(
        "DeBERTa-v2",
        _deberta_head,
        _encoder_layers,
        _output_dense,
        lambda la, h: la.attention.self.value_proj(h),
        mask=lambda _m, allowed: allowed,
        mask_at_layers=True,
        passing=lambda states: (states, None),
    ),
    "modernbert": Family(
        "ModernBERT",
        lambda m, h: m.decoder(m.head(h)),
        lambda m: list(backbone(m).layers),
        lambda la: la.attn.Wo,
        _modernbert_values,
        mask=_modernbert_masks,
    ),
    "esm": Family(
        "ESM",
        lambda m, h: m.lm_head(h),
        _encoder_layers,
        _output_dense,
        lambda la, h: _self_value(la, la.attention.LayerNorm(h)),
        mask_at_layers=True,
    ),
}
