"""How many bytes the attention of all heads takes on its way to the page, beside what bertviz embeds."""

from __future__ import annotations

import torch

from benchmarks.measuring import Measure
from benchmarks.page import open_page, synced_bytes
from benchmarks.subjects import Subject
from mlm_viz.results import Attention

# On our side the grid with all heads and the opened head's figure, on bertviz's the whole page.
_WHAT = "attention bytes, {tokens} tokens"


def beside_bertviz(subject: Subject, tokens: int) -> Measure:
    """How many times more bertviz embeds, in the smaller one of its two views."""
    ours, attention = _open(subject, tokens)
    theirs = min(_bertviz(attention, view) for view in ("head_view", "model_view"))
    what = "bertviz / our " + _WHAT.format(tokens=tokens)
    return Measure(what, subject.name, theirs / ours, "x", 30, "at least", ours / 1e6, theirs / 1e6, "MB")


def alone(subject: Subject, tokens: int) -> Measure:
    """Our own bytes, where bertviz's would not fit into memory."""
    ours, _ = _open(subject, tokens)
    return Measure("our " + _WHAT.format(tokens=tokens), subject.name, ours / 1e6, "MB")


def _open(subject: Subject, tokens: int) -> tuple[int, Attention]:
    page = open_page(subject.text(tokens), subject.model)
    attention, panel = page.attention, page.attention_panel
    assert attention is not None
    return synced_bytes(panel.grid, panel.stage), attention


def _bertviz(attention: Attention, view: str) -> int:
    import bertviz

    layers = tuple(torch.tensor(layer)[None] for layer in attention.weights)
    page = getattr(bertviz, view)(attention=layers, tokens=list(attention.labels), html_action="return")
    return len(page.data.encode())
