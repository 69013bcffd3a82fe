"""How surprising is each token: every one masked in turn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from tqdm.auto import tqdm

from mlm_viz import measures
from mlm_viz.analysis.prediction import ModelLike, in_batches, prepare
from mlm_viz.errors import TextError
from mlm_viz.loading import load
from mlm_viz.model import Model
from mlm_viz.results import Sweep
from mlm_viz.strings import say
from mlm_viz.tokens import Ids, Sentence


def sweep(text: str, model: ModelLike = None, *, progress: bool = True) -> Sweep:
    """Mask every token of a text in turn, the others left standing, and ask for the one that was there.

    Args:
        text: any text; typed blanks stay blank throughout.
        model: a loaded model, or anything `load` takes.
        progress: show a bar when it takes longer than a second.

    Raises:
        TextError: if there is nothing to mask, or the text is longer than the model's limit.
        ModelError: if the model cannot be loaded or cannot predict.
    """
    model = load(model)
    sentence, _ = prepare(text, model)
    with tqdm(
        total=len(sentence.maskable), delay=1, disable=not progress, desc=say("sweep.progress"), leave=False
    ) as bar:
        for partial in sweep_in_parts(model, sentence):
            bar.update(len(partial.positions) - bar.n)
    return partial


def sweep_in_parts(model: Model, sentence: Sentence) -> Iterator[Sweep]:
    """The sweep of a prepared text as it grows, batch by batch; the last one is complete.

    Raises:
        TextError: if there is nothing to mask.
        ModelError: if the model cannot predict.
    """
    positions = np.array(sentence.maskable, dtype=np.int64)
    if not len(positions):
        raise TextError(say("error.nothing_to_sweep"))
    parts = []
    for chunk in in_batches(positions, len(sentence), len(model.vocabulary)):
        parts.append(_sweep_chunk(model, sentence, chunk))
        log2_probs, ranks, entropies, guesses = (np.concatenate(column) for column in zip(*parts, strict=True))
        done = positions[: len(log2_probs)]
        yield Sweep(sentence, done, log2_probs, ranks, entropies, guesses, model.vocabulary)


def _sweep_chunk(model: Model, sentence: Sentence, positions: Ids) -> tuple[np.ndarray, ...]:
    rows = np.repeat(sentence.ids[None], len(positions), axis=0)
    number = np.arange(len(positions))
    rows[number, positions] = model.vocabulary.mask_id or 0
    log2_probs = model.forward(rows, slots=np.stack([number, positions], axis=1)).log2_probs
    assert log2_probs is not None  # noqa: S101 (slots were asked for)
    own = log2_probs[number, sentence.ids[positions]]
    ranks = 1 + (log2_probs > own[:, None]).sum(axis=1)
    return own.astype(np.float64), ranks, measures.entropy(log2_probs), log2_probs.argmax(axis=1)
