"""What each head does to a prediction: silence it and look again."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from tqdm.auto import tqdm

from mlm_viz import measures
from mlm_viz.analysis.prediction import Masked, ModelLike, prepare
from mlm_viz.analysis.silencing import (
    Reference,
    Subject,
    head_means,
    means_for,
    silencing_self_test,
    slot_position,
    target_token,
)
from mlm_viz.errors import TextError
from mlm_viz.evidence import Head, HeadBoard, HeadSearch, Replacement, Silenced
from mlm_viz.loading import load
from mlm_viz.masking import Masking
from mlm_viz.model import Model
from mlm_viz.results import Floats32, Floats64
from mlm_viz.strings import say
from mlm_viz.tokens import Sentence

__all__ = [
    "fewest_heads",
    "fewest_heads_in_parts",
    "head_board",
    "head_board_in_parts",
    "head_means",
    "silencing_self_test",
]


def head_board(
    text: str,
    model: ModelLike = None,
    masked: Masked = (),
    slot: int | None = None,
    target: str | None = None,
    *,
    replace: Replacement = "zero",
    reference: Reference = None,
    silenced: Silenced = (),
) -> HeadBoard:
    """Silence each head in turn, and see how the prediction at one slot changes.

    Everything in front of the layer of the silenced head is the same for all heads of the layer, and is run once.

    Args:
        text: a text with blanks.
        model: a loaded model, or anything `load` takes.
        masked: as for `predict`.
        slot: number of the slot in reading order, from 0; may be left out when there is only one.
        target: the word to watch, a single token; by default the original, or for a typed blank the best guess.
        replace: what a silenced head hands on: "zero", or its "mean" over `reference`. A zero is something the rest of
            the network has never seen; the mean keeps what the head says in every text, and takes away what is
            particular to this one.
        reference: texts to average over, or what `head_means` gives for them; by default the everyday sentences that
            come with the package, in the language of the text.
        silenced: heads that are silent throughout.

    Raises:
        TextError: if there is no slot, or the text is longer than the model's limit.
        WordError: if there is no such slot, or the target is not a token of the vocabulary.
        ModelError: if the model cannot be loaded or cannot predict, or has no such heads.
    """
    model = load(model)
    sentence, masking = prepare(text, model, masked)
    position = slot_position(model, masking, slot)
    token = None if target is None else target_token(model, sentence, masking, position, target)
    means = means_for(model, text, replace, reference)
    parts = head_board_in_parts(model, sentence, masking, position, token, means=means, silenced=silenced)
    *_, board = tqdm(parts, total=model.layers, delay=1, desc=say("board.progress"), leave=False)
    return board


def head_board_in_parts(
    model: Model,
    sentence: Sentence,
    masking: Masking,
    position: int,
    target: int | None = None,
    *,
    means: Floats32 | None = None,
    silenced: Silenced = (),
) -> Iterator[HeadBoard]:
    """The board of a prepared text as it grows, layer by layer; the last one is complete.

    Args:
        model: one that can predict.
        sentence: the text.
        masking: what is masked in it.
        position: of the slot.
        target: id of the token to watch; by default the original, or for a typed blank the best guess.
        means: what silenced heads hand on, as `head_means` gives it; None for zeros.
        silenced: heads that are silent throughout.

    Raises:
        ModelError: if the model cannot predict, or has no such heads.
    """
    subject = Subject(model, masking.apply(sentence.ids), position, means, silenced)
    before = subject.log2_probs
    if target is None:
        target = int(before.argmax() if sentence.blank[position] else sentence.ids[position])
    board = _empty(subject, sentence, target, "zero" if means is None else "mean")
    for layer in range(model.layers):
        board = _with_layer(board, layer, subject.silence_each(layer), before)
        yield board


def _empty(subject: Subject, sentence: Sentence, target: int, replacement: Replacement) -> HeadBoard:
    shape = (subject.model.layers, subject.model.heads)
    before = subject.log2_probs
    return HeadBoard(
        sentence=sentence,
        position=subject.position,
        target=target,
        before=float(before[target]),
        margin=float(_margins(before[None], target)[0]),
        guess=int(before.argmax()),
        gains=np.full(shape, np.nan),
        divergences=np.full(shape, np.nan),
        margins=np.full(shape, np.nan),
        guesses=np.full(shape, -1, dtype=np.int64),
        silenced=tuple(subject.silenced),
        replacement=replacement,
        vocabulary=subject.model.vocabulary,
    )


def _with_layer(board: HeadBoard, layer: int, after: Floats64, before: Floats64) -> HeadBoard:
    """The board with one more layer, from (heads, vocab) with a head silenced in each row, and (vocab,) without."""
    rows = {
        "gains": before[board.target] - after[:, board.target],
        "divergences": measures.js_divergence(after, before[None]),
        "margins": _margins(after, board.target),
        "guesses": after.argmax(axis=1),
    }
    grown = {name: getattr(board, name).copy() for name in rows}  # what was handed out does not change any more
    for name, row in rows.items():
        grown[name][layer] = row
    return dataclasses.replace(board, **grown)


def fewest_heads(
    text: str,
    model: ModelLike = None,
    masked: Masked = (),
    slot: int | None = None,
    *,
    replace: Replacement = "zero",
    reference: Reference = None,
    silenced: Silenced = (),
    most: int = 8,
) -> HeadSearch:
    """Few heads that, silenced together, change the best guess at a slot: the most harmful head first, then the next.

    Each step measures a whole board. The search ends when the guess changes, after `most` heads, or when all are
    silent. With one head it finds what trying every head finds; with more there may be a smaller set.

    Args:
        text: a text with blanks.
        model: a loaded model, or anything `load` takes.
        masked: as for `predict`.
        slot: number of the slot in reading order, from 0; may be left out when there is only one.
        replace: as for `head_board`.
        reference: as for `head_board`.
        silenced: heads that are silent throughout.
        most: heads to silence at most, at least 1.

    Raises:
        TextError: if there is no slot, the text is longer than the model's limit, or `most` is less than 1.
        WordError: if there is no such slot.
        ModelError: if the model cannot be loaded or cannot predict, or has no such heads.
    """
    model = load(model)
    sentence, masking = prepare(text, model, masked)
    position = slot_position(model, masking, slot)
    means = means_for(model, text, replace, reference)
    parts = fewest_heads_in_parts(model, sentence, masking, position, means=means, silenced=silenced, most=most)
    *_, search = tqdm(parts, delay=1, desc=say("search.progress"), leave=False)
    return search


def fewest_heads_in_parts(
    model: Model,
    sentence: Sentence,
    masking: Masking,
    position: int,
    *,
    means: Floats32 | None = None,
    silenced: Silenced = (),
    most: int = 8,
) -> Iterator[HeadSearch]:
    """`fewest_heads` of a prepared text, layer by layer of each step's board; the last one is complete.

    Raises:
        TextError: if `most` is less than 1.
        ModelError: if the model cannot predict, or has no such heads.
    """
    if most < 1:
        raise TextError(say("search.most", most=most))
    subject = Subject(model, masking.apply(sentence.ids), position, means, silenced)
    target = int(subject.log2_probs.argmax())
    search = _begun(subject, target)
    silent = subject.silenced
    while not search.flipped and len(search.heads) < most and len(silent) < model.layers * model.heads:
        tried = search.tried
        for board in head_board_in_parts(model, sentence, masking, position, target, means=means, silenced=silent):
            search = dataclasses.replace(search, tried=tried + int((board.guesses >= 0).sum()))
            yield search
        head = _most_harmful(board)
        silent = {**silent, head: subject.vector(head)}
        search = _extended(search, board, head)
    yield dataclasses.replace(search, complete=True)


def _begun(subject: Subject, target: int) -> HeadSearch:
    standing = subject.log2_probs[[target]], _margins(subject.log2_probs[None], target)
    return HeadSearch((), np.array([target]), *standing, 0, complete=False, vocabulary=subject.model.vocabulary)


def _most_harmful(board: HeadBoard) -> Head:
    """The head whose silencing brings the target closest to losing its place, or makes it lose it by most."""
    margins = board.margins.copy()
    for head in board.silenced:
        margins[head] = np.inf
    layer, column = divmod(int(margins.argmin()), int(margins.shape[1]))
    return layer, column


def _extended(search: HeadSearch, board: HeadBoard, head: Head) -> HeadSearch:
    return dataclasses.replace(
        search,
        heads=(*search.heads, head),
        guesses=np.append(search.guesses, board.guesses[head]),
        log2_probs=np.append(search.log2_probs, board.before - board.gains[head]),
        margins=np.append(search.margins, board.margins[head]),
    )


def _margins(log2_probs: Floats64, target: int) -> Floats64:
    """(rows,) log2 of the probability of the target less that of the best other token."""
    others = np.delete(log2_probs, target, axis=1)
    return np.asarray(log2_probs[:, target] - others.max(axis=1))
