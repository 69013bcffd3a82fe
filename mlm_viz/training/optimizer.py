"""The optimizers: AdamW for all weights, or Muon for the matrices between layers and AdamW for the rest.

Both pull matrices towards zero, but not biases and the scales of normalisation.

Source: I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization" (2019); K. Jordan et al., "Muon" (2024);
J. Liu et al., "Muon is Scalable for LLM Training" (2025), section 2.2, for sharing AdamW's learning rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from transformers.models.t5.modeling_t5 import T5Attention, T5DenseActDense, T5DenseGatedActDense

from mlm_viz.families import backbone
from mlm_viz.training.settings import Settings

# A shorter memory of squared gradients than the customary 0.999: small batches, short trainings.
_BETAS = (0.9, 0.98)
_EPSILON = 1e-6


class Optimizers:
    """Several optimizers in one: each has weights of its own.

    Attributes:
        param_groups: of all of them.
    """

    def __init__(self, *parts: torch.optim.Optimizer) -> None:
        self._parts = parts

    @property
    def param_groups(self) -> Iterator[dict[str, Any]]:
        """Of all of them."""
        return (group for part in self._parts for group in part.param_groups)

    def step(self) -> None:
        """One update of all weights."""
        for part in self._parts:
            part.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self._parts:
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """All that a checkpoint needs."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on as saved."""
        for part, saved in zip(self._parts, state["parts"], strict=True):
            part.load_state_dict(saved)


def make_optimizer(network: Any, settings: Settings, device: torch.device) -> Optimizers:
    """The optimizer of all weights of a network, fused where torch can."""
    inner = [weight for weight in network.parameters() if weight.ndim > 1]
    muon = []
    if settings.optimizer == "muon":
        muon = _between_layers(network)
        own = {id(weight) for weight in muon}
        inner = [weight for weight in inner if id(weight) not in own]
    others = [weight for weight in network.parameters() if weight.ndim <= 1]
    groups = [
        *({**group, "weight_decay": settings.weight_decay} for group in _by_scale(inner, network)),
        {"params": others, "weight_decay": 0.0},
    ]
    fused = device.type in {"cpu", "cuda"}
    adamw = torch.optim.AdamW(groups, lr=settings.rate, betas=_BETAS, eps=_EPSILON, fused=fused)
    if not muon:
        return Optimizers(adamw)
    shared = torch.optim.Muon(
        _by_scale(muon, network), lr=settings.rate, weight_decay=settings.weight_decay, adjust_lr_fn="match_rms_adamw"
    )
    return Optimizers(shared, adamw)


def _by_scale(weights: list[torch.nn.Parameter], network: Any) -> list[dict[str, Any]]:
    """Groups of weights; the `scale` of each is what its steps are multiplied by."""
    smaller = _smaller_steps(network)
    scales = sorted({smaller.get(id(weight), 1.0) for weight in weights}, reverse=True)
    return [
        {"params": [weight for weight in weights if smaller.get(id(weight), 1.0) == scale], "scale": scale}
        for scale in scales or [1.0]
    ]


def _smaller_steps(network: Any) -> dict[int, float]:
    """By what the steps of some weights of T5 are multiplied, by the id of the weight: as much smaller as they start.

    T5 does not divide the scores of attention by the root of a head's width; its queries are smaller instead. And what
    its layers add to the embeddings is as small as these (`CutSpans.new_model`). With steps as large as those of all
    others the ones would soon make every token attend to one other only, and the others drown the embeddings.
    """
    found: dict[int, float] = {}
    for module in network.modules():
        if isinstance(module, T5Attention):
            found[id(module.q.weight)] = module.key_value_proj_dim**-0.5
            found[id(module.o.weight)] = module.d_model**-0.5
        elif isinstance(module, T5DenseActDense | T5DenseGatedActDense):
            found[id(module.wo.weight)] = network.config.d_model**-0.5
    return found


def _between_layers(network: Any) -> list[torch.nn.Parameter]:
    """The matrices that turn hidden states into hidden states: not the embeddings, nor the projection to the words."""
    tables = {id(m.weight) for m in network.modules() if isinstance(m, torch.nn.Embedding)}
    return [weight for weight in backbone(network).parameters() if weight.ndim == 2 and id(weight) not in tables]
