"""What can be changed about a forward pass: where queries look, what they leave behind, silent heads, the start."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Any, Literal

import torch
from torch import nn

from mlm_viz.evidence import Silenced
from mlm_viz.families import Family

# Rows of the batch, a head, and what it hands on there.
_Change = tuple[slice | int, int, torch.Tensor | float]


def use_attention(network: Any, implementation: Literal["sdpa", "eager"]) -> None:
    """Fused attention ("sdpa") is faster, but keeps no weights: written-out attention only where they are wanted."""
    if network.config._attn_implementation != implementation and network._supports_sdpa:  # noqa: SLF001
        network.set_attn_implementation(implementation)


@contextmanager
def masking(family: Family, network: Any, allowed: torch.Tensor) -> Iterator[Any]:
    """The mask as the backbone takes it; None where the layers are handed it past the backbone."""
    mask = family.mask(network, allowed)
    if not family.mask_at_layers:
        yield mask
        return

    def hand_over(_layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return args[:1], {**kwargs, "attention_mask": mask}

    layers = set(family.layers(network))  # a shared layer needs one hook only
    with _removing([layer.register_forward_pre_hook(hand_over, with_kwargs=True) for layer in layers]):
        yield None


@contextmanager
def silencing(
    family: Family, network: Any, silenced: Silenced, by_row: Sequence[Silenced] = (), first: int = 0
) -> Iterator[None]:
    """Replace the outputs of heads on their way into the module that mixes them.

    Args:
        family: the network's row of the table.
        network: the model as transformers made it.
        silenced: heads that are silent in every row of the batch.
        by_row: heads that are silent in a row only, for each row.
        first: the layer that the pass starts with.
    """
    changes: dict[int, list[_Change]] = {}
    groups: list[tuple[slice | int, Silenced]] = [(slice(None), silenced), *enumerate(by_row)]
    for rows, group in groups:
        for (layer, head), vector in _vectors(group).items():
            value = 0.0 if vector is None else torch.tensor(vector, device=network.device)
            changes.setdefault(layer, []).append((rows, head, value))
    heads = network.config.num_attention_heads
    # A module that is the mixer of many layers tells them apart by counting its calls.
    runs = _runs(family.mixer(layer) for layer in family.layers(network))
    handles = [
        module.register_forward_pre_hook(_replacing(cycle([i for i in indices if i >= first]), changes, heads))
        for module, indices in runs.items()
        if changes.keys() & set(indices)
    ]
    with _removing(handles):
        yield


@contextmanager
def starting(family: Family, network: Any, first: int, states: torch.Tensor) -> Iterator[None]:
    """Pass over the layers before `first`, and hand it `states`.

    The backbone still runs as a whole: masks, positions and its last normalisation stay transformers' own business. If
    `first` is the number of layers, all are passed over and `states` are what comes out of them.
    """
    runs = _runs(family.layers(network))
    try:
        for layer, indices in runs.items():
            layer.forward = _late(layer.forward, cycle(indices), first, states, family.passing)
        yield
    finally:
        for layer in runs:
            vars(layer).pop("forward", None)  # the method of its class comes to light again


def _vectors(group: Silenced) -> Mapping[tuple[int, int], Any]:
    return group if isinstance(group, Mapping) else dict.fromkeys((layer, head) for layer, head in group)


def _runs(modules: Iterable[nn.Module]) -> dict[nn.Module, list[int]]:
    """The layers that each module is run for: ALBERT runs one for many."""
    runs: dict[nn.Module, list[int]] = {}
    for index, module in enumerate(modules):
        runs.setdefault(module, []).append(index)
    return runs


def _replacing(turns: Iterator[int], changes: Mapping[int, list[_Change]], heads: int) -> Callable[..., Any]:
    def hook(_module: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        mixed = args[0].clone()
        by_head = mixed.view(*mixed.shape[:-1], heads, -1)  # (batch, tokens, heads, width of a head)
        for rows, head, value in changes.get(next(turns), ()):
            by_head[rows, :, head] = value
        return (mixed, *args[1:])

    return hook


def _late(
    run: Callable[..., Any], turns: Iterator[int], first: int, states: torch.Tensor, passing: Callable[..., Any]
) -> Callable[..., Any]:
    def forward(hidden: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        layer = next(turns)
        if layer < first:
            return passing(states)
        return run(states if layer == first else hidden, *args, **kwargs)

    return forward


@contextmanager
def _removing(handles: Sequence[Any]) -> Iterator[None]:
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
