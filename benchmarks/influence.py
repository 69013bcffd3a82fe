"""How much CPU time the influence of every token takes, beside the one pass that it cannot do without."""

from __future__ import annotations

import numpy as np
import torch

import mlm_viz
from benchmarks.measuring import Measure, Work, alternate
from benchmarks.subjects import Subject
from mlm_viz.families import FAMILIES, backbone
from mlm_viz.influences import WAYS
from mlm_viz.tokens import Ids

TOKENS = 24


def leave_one_out(subject: Subject, rounds: int) -> list[Measure]:
    """Every token of a text masked in turn, and the slot read; then all three ways of taking a token away."""
    text, model = subject.text(TOKENS, blank=True), subject.model
    rows, slot = _masked_rows(text, subject)
    bare, pipe = _one_pass(subject, rows, slot), _one_by_one(subject, text)

    def ours() -> None:
        mlm_viz.influence(text, model, ways=["masked"], progress=False)

    def every_way() -> None:
        mlm_viz.influence(text, model, progress=False)

    one, loop, three = alternate(ours, bare, rounds), alternate(ours, pipe, rounds), alternate(every_way, bare, rounds)
    what = f"leave-one-out, {TOKENS} tokens"
    name, ways = subject.name, len(WAYS)
    return [
        Measure(f"{what} / one batched pass, slot only", name, one.ratio, "x", 1.3, "at most", one.ours, one.theirs),
        Measure(f"pipeline, token by token / {what}", name, 1 / loop.ratio, "x", 3, "at least", loop.ours, loop.theirs),
        Measure(
            f"influence in {ways} ways, {TOKENS} tokens / {ways} such passes",
            name,
            three.ratio / ways,
            "x",
            ours=three.ours,
            theirs=ways * three.theirs,
        ),
    ]


def _masked_rows(text: str, subject: Subject) -> tuple[Ids, int]:
    """(rows, tokens) the whole text, then each token masked; and the position of the slot."""
    sentence = subject.model.encode(text)
    rows = np.repeat(sentence.ids[None], 1 + len(sentence.maskable), axis=0)
    rows[np.arange(1, len(rows)), list(sentence.maskable)] = subject.model.vocabulary.mask_id or 0
    return rows, sentence.blanks[0]


def _one_pass(subject: Subject, rows: Ids, slot: int) -> Work:
    network = subject.bare
    head = FAMILIES[network.config.model_type].head
    ids = torch.tensor(rows)

    @torch.inference_mode()
    def run() -> None:
        head(network, backbone(network)(input_ids=ids).last_hidden_state[:, slot])

    return run


def _one_by_one(subject: Subject, text: str) -> Work:
    """The pipeline, once for the whole text and once for every word of it; a word is a token."""
    words, pipe = text.split(), subject.pipe
    places = [place for place, word in enumerate(words) if word != "[MASK]"]
    mask = pipe.tokenizer.mask_token
    texts = [
        " ".join(mask if word == "[MASK]" or number == place else word for number, word in enumerate(words))
        for place in [-1, *places]
    ]

    def run() -> None:
        for masked in texts:
            pipe(masked)

    return run
