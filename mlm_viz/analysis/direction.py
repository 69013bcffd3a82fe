"""Which side of the context matters, and how near it has to be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import index
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from mlm_viz.analysis.contexts import Reading, answer_in_parts, target_of, whole
from mlm_viz.analysis.prediction import Masked, ModelLike
from mlm_viz.analysis.watching import Watched, watch
from mlm_viz.errors import TextError
from mlm_viz.influences import ORDERS, SIDE_WAYS, Direction, Reveal
from mlm_viz.strings import say
from mlm_viz.tokens import Flags, Ids

_T = TypeVar("_T", bound=np.generic)


def direction(
    text: str,
    model: ModelLike = None,
    masked: Masked = (),
    slot: int | None = None,
    target: str | None = None,
    *,
    widths: Sequence[int] | None = None,
) -> Direction:
    """The slot under both sides of its context, the left side only, the right side only, and windows of some words.

    What is not in view is blocked (a 4-D attention mask in every layer: no token in view may look at it) and, the other
    way, masked. Only words are taken from view; special tokens ([CLS], [SEP]) stay, in every row the same: models rest
    unused attention on them, and without them the answer would change for that reason alone. They, and the places of
    masks, tell where the text ends and no more.

    This shows what this model makes of each side. It is not what a left-to-right model would say: a model that was
    trained with both sides never learned to do with one, and blinding it does not make it another.

    Args:
        text: a text with blanks.
        model: a loaded model, or anything `load` takes.
        masked: what to mask besides the blanks, as for `predict`.
        slot: number of the slot in reading order, from 0; may be left out when there is only one.
        target: the word that is watched; by default the one that the text has there, or else the best guess.
        widths: of the windows, in words to each side; by default 1, 2, 4, ... as long as something is left out. One
            that is larger than the text shows all of it.

    Raises:
        TextError: if there is no slot, nothing around it, or a width is less than 1.
        WordError: if there are several slots and none was named, or the word cannot be spelled.
        ModelError: if the model cannot be loaded or cannot predict.
    """
    return direction_of(watch(text, model, masked, slot, target), widths)


def direction_of(watched: Watched, widths: Sequence[int] | None = None) -> Direction:
    """`direction` for a word that is watched: two passes, unless the text is long.

    Raises:
        TextError: if a width is less than 1.
    """
    left, right = watched.sides
    chosen = _widths(max(len(left), len(right)), widths)
    shown = [[*left, *right], left, right, *([*left[-width:], *right[:width]] for width in chosen)]
    *_, answers = answer_in_parts(watched, _views(watched, np.stack([watched.showing(words) for words in shown])))
    return Direction(
        target=target_of(watched, answers),
        widths=chosen,
        words=(len(left), len(right)),
        log2_probs=_by_way(answers.log2_probs),
        divergences=_by_way(answers.divergences),
        guesses=_by_way(answers.guesses),
        guess_log2_probs=_by_way(answers.guess_log2_probs),
        complete=watched.blocks_completely,
    )


def _widths(longest: int, widths: Sequence[int] | None) -> tuple[int, ...]:
    """The widths asked for, or powers of two less than the longest side."""
    if widths is None:
        return tuple(2**power for power in range(longest.bit_length()) if 2**power < longest)
    try:
        chosen = tuple(index(width) for width in widths)
    except TypeError:
        chosen = (0,)
    if any(width < 1 for width in chosen):
        raise TextError(say("direction.error.widths", widths=list(widths)))
    return chosen


def reveal(
    text: str,
    model: ModelLike = None,
    masked: Masked = (),
    slot: int | None = None,
    target: str | None = None,
    *,
    progress: bool = True,
) -> Reveal:
    """The probability of a word as the context comes into view: from the left, the right, and the nearest word on.

    What is not in view yet is blocked and, the other way, masked; see `direction` for both, for special tokens, and for
    why a model that was trained with both sides is not a left-to-right model when it is blinded.

    Args:
        text: a text with blanks.
        model: a loaded model, or anything `load` takes.
        masked: what to mask besides the blanks, as for `predict`.
        slot: number of the slot in reading order, from 0; may be left out when there is only one.
        target: the word that is watched; by default the one that the text has there, or else the best guess.
        progress: show a bar when it takes longer than a second.

    Raises:
        TextError: if there is no slot or nothing around it.
        WordError: if there are several slots and none was named, or the word cannot be spelled.
        ModelError: if the model cannot be loaded or cannot predict.
    """
    watched = watch(text, model, masked, slot, target)
    with tqdm(delay=1, disable=not progress, desc=say("reveal.progress"), leave=False) as bar:
        for partial in reveal_in_parts(watched):
            bar.total = partial.guesses.size
            bar.update(int((partial.guesses >= 0).sum()) - bar.n)
    return partial


def reveal_in_parts(watched: Watched) -> Iterator[Reveal]:
    """`reveal` of a word that is watched, as it grows, batch by batch; the last one is complete."""
    left, right = watched.sides
    words, revealed = (*left, *right), _orders(len(left), len(right))
    shown = [watched.showing([words[n] for n in order[:step]]) for order in revealed for step in range(len(words) + 1)]
    # The ends are the same in every order, and are asked once.
    visible, places = np.unique(np.stack(shown), axis=0, return_inverse=True)
    shape = len(SIDE_WAYS), len(ORDERS), len(words) + 1
    places = places.reshape(-1)
    for answers in answer_in_parts(watched, _views(watched, visible)):
        yield Reveal(
            target=target_of(watched, answers),
            words=words,
            revealed=revealed,
            log2_probs=_by_way(answers.log2_probs)[:, places].reshape(shape),
            guesses=_by_way(answers.guesses)[:, places].reshape(shape),
            guess_log2_probs=_by_way(answers.guess_log2_probs)[:, places].reshape(shape),
            complete=watched.blocks_completely,
        )


def _orders(left: int, right: int) -> Ids:
    """(orders, words) numbers of the words, those left of the slot first, in the orders of `ORDERS`."""
    reading = np.arange(left + right)
    distances = np.where(reading < left, left - reading, reading - left + 1)
    nearest = np.argsort(distances, kind="stable")
    return np.stack([reading, reading[::-1], nearest])


def _views(watched: Watched, visible: Flags) -> list[Reading]:
    """The whole text, then every view with the rest blocked, then every view with the rest masked."""
    blocked = [Reading(watched.ids, row, watched.position) for row in visible]
    text = whole(watched)
    masked = [Reading(np.where(row, watched.ids, watched.mask_id), text.visible, watched.position) for row in visible]
    return [text, *blocked, *masked]


def _by_way(found: npt.NDArray[_T]) -> npt.NDArray[_T]:
    """(ways, views) from (1 + ways x views,): the whole text, which comes first, left out."""
    return found[1:].reshape(len(SIDE_WAYS), -1)
