"""How much CPU time a head board takes, beside one pass a head."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.measuring import Measure, alternate
from benchmarks.subjects import Subject
from mlm_viz.analysis.heads import head_board

TOKENS = 24


def boards(subject: Subject, rounds: int) -> Measure:
    """Every head silenced in turn: the whole board beside `model(**inputs)` with a hook, once for each head."""
    text, model = subject.text(TOKENS, blank=True), subject.model
    inputs = subject.pipe.tokenizer(text, return_tensors="pt")
    mixers = [layer.attention.output.dense for layer in subject.bare.bert.encoder.layer]
    width = model.network.config.hidden_size // model.heads

    @torch.inference_mode()
    def one_by_one() -> None:
        for mixer in mixers:
            for head in range(model.heads):
                handle = mixer.register_forward_pre_hook(_silence(slice(head * width, (head + 1) * width)))
                subject.bare(**inputs)
                handle.remove()

    sides = alternate(lambda: head_board(text, model), one_by_one, rounds)
    what = f"a pass for each of {model.layers} x {model.heads} heads / head board, {TOKENS} tokens"
    return Measure(what, subject.name, 1 / sides.ratio, "x", 2.0, "at least", sides.ours, sides.theirs)


def _silence(own: slice) -> Any:
    def hook(_module: Any, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        states = args[0].clone()
        states[..., own] = 0
        return (states,)

    return hook
