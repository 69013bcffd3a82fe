"""Filling several slots together: the joint best fills by the chain rule, beside each slot's own best."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlm_viz.analysis.prediction import Masked, ModelLike, in_batches, prepare
from mlm_viz.errors import TextError
from mlm_viz.loading import load
from mlm_viz.masking import Masking
from mlm_viz.model import Model
from mlm_viz.results import Floats64, JointFills
from mlm_viz.strings import say
from mlm_viz.tokens import Ids, Sentence

MOST_SLOTS = 12


def joint_fills(
    text: str, model: ModelLike = None, masked: Masked = (), *, beam: int = 16, count: int = 5
) -> JointFills:
    """The most probable ways of filling all slots of a text together.

    A masked language model gives each slot its own distribution, as if the others did not matter: "New" and "Los" may
    both be likely before "York". Here the slots are filled from left to right, each given the ones before:
    log2 p(fill) = sum of log2 p(token i | tokens before i, masks for the rest). A beam keeps the best `beam` partial
    fills at each slot; with a beam as large as all partial fills the search is exhaustive.

    Args:
        text: a text with blanks.
        model: a loaded model, or anything `load` takes.
        masked: as for `predict`; positions that a `Masking` replaced or kept are left as they are.
        beam: partial fills kept at each slot, at least 1.
        count: fills returned, at most `beam`.

    Raises:
        TextError: if there is no slot, or more than `MOST_SLOTS`, or `beam` or `count` is less than 1.
        WordError: if a word to be masked does not stand in the text.
        ModelError: if the model cannot be loaded or cannot predict.
    """
    model = load(model)
    model.check_can_predict()
    if min(beam, count) < 1:
        raise TextError(say("error.beam", beam=beam, count=count))
    sentence, masking = prepare(text, model, masked)
    *_, fills = fill_in_parts(model, sentence, masking, beam=beam, count=count)
    assert fills is not None  # noqa: S101 (the last one is the result)
    return fills


def fill_in_parts(
    model: Model, sentence: Sentence, masking: Masking, *, beam: int = 16, count: int = 5
) -> Iterator[JointFills | None]:
    """`joint_fills` of a prepared text, a batch at a time: None while there is more to do, then the result."""
    positions = open_slots(masking)
    start = masking.apply(sentence.ids)
    alone = distributions(model, start[None], positions)  # (slots, vocab)
    best = alone.argmax(axis=1)
    fills, log2_probs = np.empty((1, 0), dtype=np.int64), np.zeros(1)
    extended = alone[[0, 0]]
    # The independent fill rides along as the last row, so that its joint probability costs no further pass.
    own_joint = 0.0
    for step, position in enumerate(positions):
        if step > 0:
            rows, parts = _write(start, positions[:step], np.vstack([fills, best[None, :step]])), []
            for chunk in in_batches(rows, len(sentence), len(model.vocabulary)):
                parts.append(distributions(model, chunk, [position]))
                yield None
            extended = np.concatenate(parts)
        own_joint += float(extended[-1, best[step]])
        fills, log2_probs = _extend(fills, log2_probs, extended[:-1], beam)
    fills, log2_probs = fills[:count], log2_probs[:count]
    separate = alone[np.arange(len(positions)), fills].sum(axis=1)
    yield JointFills(tuple(positions), fills, log2_probs, best, separate, own_joint, model.vocabulary)


def open_slots(masking: Masking) -> list[int]:
    """The positions to be filled, in reading order: those where the mask token stands.

    Raises:
        TextError: if there is none, or more than `MOST_SLOTS`.
    """
    positions = [p for p, action in zip(masking.positions, masking.actions, strict=True) if action == "masked"]
    if not positions:
        raise TextError(say("error.no_slot"))
    if len(positions) > MOST_SLOTS:
        raise TextError(say("error.too_many_slots", count=len(positions), most=MOST_SLOTS))
    return positions


def distributions(model: Model, rows: Ids, positions: list[int]) -> Floats64:
    """(rows x positions, vocab) each row's distribution at each position, row by row."""
    slots = np.array([(row, position) for row in range(len(rows)) for position in positions], dtype=np.int64)
    log2_probs = model.forward(rows, slots=slots).log2_probs
    assert log2_probs is not None  # noqa: S101 (slots were asked for)
    return log2_probs.astype(np.float64)


def _write(start: Ids, positions: list[int], fills: Ids) -> Ids:
    rows = np.repeat(start[None], len(fills), axis=0)
    rows[:, positions] = fills
    return rows


def _extend(fills: Ids, log2_probs: Floats64, extended: Floats64, beam: int) -> tuple[Ids, Floats64]:
    """Every partial fill with every next token, the best `beam` kept, best first."""
    totals = (log2_probs[:, None] + extended).ravel()
    keep = min(beam, len(totals))
    chosen = np.argpartition(-totals, keep - 1)[:keep]
    chosen = chosen[np.lexsort((chosen, -totals[chosen]))]
    parent, token = np.divmod(chosen, extended.shape[1])
    return np.hstack([fills[parent], token[:, None]]), totals[chosen]
