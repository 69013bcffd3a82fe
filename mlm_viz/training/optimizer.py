"""The optimizer: AdamW, which pulls matrices towards zero, but not biases and the scales of normalisation.

Source: I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization" (2019).
"""

from __future__ import annotations

from typing import Any

import torch

from mlm_viz.training.settings import Settings

# A shorter memory of squared gradients than the customary 0.999: small batches, short trainings.
_BETAS = (0.9, 0.98)
_EPSILON = 1e-6


def make_optimizer(network: Any, settings: Settings, device: torch.device) -> torch.optim.AdamW:
    """The optimizer of all weights of a network, fused where torch can."""
    matrices = [weight for weight in network.parameters() if weight.ndim > 1]
    others = [weight for weight in network.parameters() if weight.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.rate, betas=_BETAS, eps=_EPSILON, fused=device.type in {"cpu", "cuda"})
