"""How much each part of the context matters: masked, deleted, or blocked, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np
from tqdm.auto import tqdm

from mlm_viz.analysis.contexts import Answers, Reading, answer_in_parts, target_of, whole
from mlm_viz.analysis.prediction import Masked, ModelLike
from mlm_viz.analysis.watching import Watched, watch
from mlm_viz.errors import MlmVizError, TextError
from mlm_viz.influences import WAYS, Influence, Span, Way
from mlm_viz.strings import say

Spans = Sequence[Iterable[int | str]] | Literal["words"] | None


def influence(
    text: str,
    model: ModelLike = None,
    masked: Masked = (),
    slot: int | None = None,
    target: str | None = None,
    *,
    spans: Spans = None,
    ways: Sequence[Way] = WAYS,
    progress: bool = True,
) -> Influence:
    """Take away each part of the context in turn, and see what that does to a word at the slot.

    There are three ways of taking something away, and they disagree, for each asks something else. Masked, the place
    stays and the model is told that a word is missing. Deleted, the text closes up, so that what comes behind moves,
    and may read as another sentence. Blocked, the text stays, but no other token may look at it in any layer; no model
    is trained like that. A token that is a mask already is not changed by masking it.

    Deleting takes tokens out; what remains is not cut into tokens anew.

    Args:
        text: a text with blanks.
        model: a loaded model, or anything `load` takes.
        masked: what to mask besides the blanks, as for `predict`.
        slot: number of the slot in reading order, from 0; may be left out when there is only one.
        target: the word that is watched; by default the one that the text has there, or else the best guess.
        spans: None for each token, "words" for each word, or a list of spans, each positions or words of the text.
        ways: of taking a span away.
        progress: show a bar when it takes longer than a second.

    Raises:
        TextError: if there is no slot, nothing around it, or a span has the slot in it.
        WordError: if there are several slots and none was named, or a word cannot be spelled or found.
        ModelError: if the model cannot be loaded or cannot predict.

    Source: J. Li, W. Monroe, D. Jurafsky, "Understanding Neural Networks through Representation Erasure" (2016), for
    the change of log p when a part of the input is erased.
    """
    watched = watch(text, model, masked, slot, target)
    parts = influence_in_parts(watched, spans=spans, ways=ways)
    with tqdm(delay=1, disable=not progress, desc=say("influence.progress"), leave=False) as bar:
        for partial in parts:
            bar.total = 1 + partial.guesses.size
            bar.update(1 + int((partial.guesses >= 0).sum()) - bar.n)
    return partial


def influence_in_parts(watched: Watched, *, spans: Spans = None, ways: Sequence[Way] = WAYS) -> Iterator[Influence]:
    """`influence` on a word that is watched, as it grows, batch by batch; the last one is complete.

    Raises:
        TextError: if a span is empty or has the slot in it.
        WordError: if a word of a span does not stand in the text.
        MlmVizError: if there is no way, or no such way.
    """
    if not ways or not set(ways) <= set(WAYS):
        raise MlmVizError(say("influence.error.ways", ways=list(ways), allowed=", ".join(WAYS)))
    chosen = _spans(watched, spans)
    readings = [whole(watched), *(_without(watched, span, way) for way in ways for span in chosen)]
    for answers in answer_in_parts(watched, readings):
        yield _influence(watched, chosen, tuple(ways), answers)


def _influence(watched: Watched, spans: tuple[Span, ...], ways: tuple[Way, ...], answers: Answers) -> Influence:
    shape = len(ways), len(spans)
    return Influence(
        target=target_of(watched, answers),
        spans=spans,
        ways=ways,
        log2_probs=answers.log2_probs[1:].reshape(shape),
        divergences=answers.divergences[1:].reshape(shape),
        guesses=answers.guesses[1:].reshape(shape),
        complete=watched.blocks_completely,
    )


def _spans(watched: Watched, spans: Spans) -> tuple[Span, ...]:
    if spans is None:
        return tuple((int(position),) for position in watched.context)
    if isinstance(spans, str):
        if spans != "words":
            raise TextError(say("influence.error.spans", spans=spans))
        left, right = watched.sides
        return (*left, *right)
    chosen = tuple(watched.sentence.positions_of(span) for span in spans)
    if not chosen or any(not span or watched.position in span for span in chosen):
        raise TextError(say("influence.error.span", spans=list(chosen), slot=watched.position))
    return chosen


def _without(watched: Watched, span: Span, way: Way) -> Reading:
    text, places = whole(watched), list(span)
    if way == "deleted":
        before = sum(position < watched.position for position in span)
        return Reading(np.delete(text.ids, places), np.delete(text.visible, places), watched.position - before)
    if way == "masked":
        ids = text.ids.copy()
        ids[places] = watched.mask_id
        return Reading(ids, text.visible, text.slot)
    visible = text.visible.copy()
    visible[places] = False
    return Reading(text.ids, visible, text.slot)
