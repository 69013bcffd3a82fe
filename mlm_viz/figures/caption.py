"""A sentence or two that say, from the numbers alone, why the prediction is what it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlm_viz.errors import MlmVizError
from mlm_viz.evidence import HeadBoard
from mlm_viz.figures import labels
from mlm_viz.influences import Direction, Influence, Target
from mlm_viz.results import Prediction
from mlm_viz.strings import say

# Less than so many bits, a change of p by 7 %, is not worth a word.
LEAST = 0.1
_NAMED = 2  # tokens that raise the word, and tokens that lower it
_WORD_EMS = 14.0


def caption(
    prediction: Prediction,
    influence: Influence,
    direction: Direction | None = None,
    board: HeadBoard | None = None,
) -> str:
    """Which words raised and lowered the answer and by how many bits, which side mattered, and which head: plain text.

    Changes of less than `LEAST` bits are not named; that nothing mattered is said. What was measured on another slot or
    word than `influence` is left out, as is a side on which there are no words.

    Args:
        prediction: the distributions at all slots of the text.
        influence: of the slot and the word that the sentences are about; the first of its ways is told.
        direction: of the same slot and word.
        board: of the same slot and word; NaN in it is passed over.

    Raises:
        MlmVizError: if `influence` is of a slot that `prediction` does not have.
    """
    target = influence.target
    if target.position not in prediction.positions:
        raise MlmVizError(say("error.not_a_slot", position=target.position, slots=prediction.positions))
    side = None if direction is None or not _same(direction.target, target) else _side(direction)
    head = None if board is None or (board.position, (board.target,)) != (target.position, target.ids) else _head(board)
    sentences = [_words(_answer(prediction, target), influence)]
    if side and head:
        sentences.append(say("caption.side_and_head", side=side, head=head))
    elif side or head:
        sentences.append(say("caption.side", side=side) if side else say("caption.head", head=head))
    return " ".join(sentences)


def _same(one: Target, other: Target) -> bool:
    return (one.position, one.ids) == (other.position, other.ids)


def _answer(prediction: Prediction, target: Target) -> str:
    """The word, what it is to the model, and its probability."""
    word = labels.plain(target.word, _WORD_EMS)
    value = labels.percent(target.probability)
    slot = prediction.at(target.position)
    if slot.best(1).tolist() == list(target.ids):
        return say("caption.answer.guess", word=word, value=value)
    guess = labels.plain(slot.vocabulary.labels[int(slot.best(1)[0])], _WORD_EMS)
    return say("caption.answer.other", word=word, value=value, guess=guess)


def _words(answer: str, influence: Influence) -> str:
    gains = influence.gains[0]
    told = {"answer": answer, "how": say(f"caption.way.{influence.ways[0]}")}
    order = influence.strongest(influence.ways[0])
    up = [number for number in order if gains[number] >= LEAST][:_NAMED]
    down = [number for number in order if gains[number] <= -LEAST][:_NAMED]
    if up and down:
        return say("caption.both", up=_list(influence, up), down=_list(influence, down), **told)
    if up:
        return say("caption.up", up=_list(influence, up), **told)
    if down:
        return say("caption.down", down=_list(influence, down), **told)
    return say("caption.nothing", least=LEAST, **told)


def _list(influence: Influence, numbers: Sequence[int]) -> str:
    items = [_item(influence, number) for number in numbers]
    return items[0] if len(items) == 1 else say("caption.and", first=", ".join(items[:-1]), last=items[-1])


def _item(influence: Influence, number: int) -> str:
    """`“france” (+3.1 bits)`, with its place where the same word stands twice."""
    bits = labels.signed(float(influence.gains[0, number]))
    name = influence.labels[number]
    word = labels.plain(name, _WORD_EMS)
    if influence.labels.count(name) > 1:
        return say("caption.item.twice", word=word, number=influence.spans[number][0] + 1, bits=bits)
    return say("caption.item", word=word, bits=bits)


def _side(direction: Direction) -> str | None:
    """Which side mattered more; None if there are words on one side only."""
    if not all(direction.words):
        return None
    left, right = direction.change("left"), direction.change("right")
    told = {"left": labels.signed(left), "right": labels.signed(right)}
    if max(abs(left), abs(right)) < LEAST:
        return say("caption.sides.neither", least=LEAST)
    if abs(abs(left) - abs(right)) < LEAST:
        return say("caption.sides.alike", **told)
    return say("caption.sides.left" if abs(left) > abs(right) else "caption.sides.right", **told)


def _head(board: HeadBoard) -> str | None:
    if not np.isfinite(board.gains).any():
        return None
    layer, head = board.strongest(1)[0]
    change = -float(board.gains[layer, head])
    if abs(change) < LEAST:
        return say("caption.heads.none", least=LEAST)
    return say("caption.heads.one", layer=layer + 1, head=head + 1, bits=labels.signed(change))
