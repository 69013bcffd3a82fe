"""Pairs of sentences for next sentence prediction: real neighbours, and three ways of being none.

Source: J. Devlin et al., "BERT" (2019), section 3.1, for the second sentence from elsewhere; Z. Lan et al., "ALBERT"
(2020), section 3.1, for the swapped order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mlm_viz.errors import TextError
from mlm_viz.next_sentence import Pair
from mlm_viz.strings import say
from mlm_viz.tokens import clean_text, is_cjk
from mlm_viz.training.errors import TrainingError

_LEAST_PASSAGES = 4  # two to train on and two held out, so that a sentence of another passage can be found
_LEAST_SENTENCES = 3  # with two there is no sentence of the same passage that is not next
Passages = Sequence[Sequence[str]]


def sentence_pairs(passages: Passages, *, held_out: float = 0.25, seed: int = 0) -> tuple[Pair, ...]:
    """All real neighbours, and from each of them one pair of each wrong kind.

    Every second sentence of a real pair is the second of exactly one "other" pair as well, and so is every first one:
    neither sentence alone tells which kind a pair is. The other passage is in the same script, Chinese or not, and on
    the same side of the split, so that no sentence is both trained on and held out.

    Args:
        passages: of connected sentences in their order, at least three each; no sentence twice.
        held_out: share of the passages that is not trained on, in each script.
        seed: of the split and of the wrong pairs.

    Raises:
        TextError: if there are too few passages, one is too short or too long beside the others, or a sentence is
            empty or stands there twice.
        TrainingError: if `held_out` is no share.
    """
    if not 0 < held_out < 1:
        raise TrainingError(say("train.error.range", name="held_out", value=held_out, least=0, most=1))
    texts = [[clean_text(sentence).strip() for sentence in passage] for passage in passages]
    _check(texts)
    rng = np.random.default_rng(seed)
    scripts = [is_cjk("".join(passage)) for passage in texts]
    pairs: list[Pair] = []
    for script in (False, True):
        numbers = rng.permutation([n for n, own in enumerate(scripts) if own == script]).tolist()
        if not numbers:
            continue
        if len(numbers) < _LEAST_PASSAGES:
            raise TextError(say("next_sentence.error.passages", count=len(numbers), least=_LEAST_PASSAGES))
        # So many that on either side there are two.
        kept = min(max(round(held_out * len(numbers)), 2), len(numbers) - 2)
        for side, held in ((numbers[kept:], False), (numbers[:kept], True)):
            pairs += _pairs(texts, sorted(side), rng, held=held)
    return tuple(pairs)


def _check(texts: list[list[str]]) -> None:
    if not texts:
        raise TextError(say("next_sentence.error.passages", count=0, least=_LEAST_PASSAGES))
    seen: dict[str, int] = {}
    for number, passage in enumerate(texts):
        if len(passage) < _LEAST_SENTENCES:
            raise TextError(say("next_sentence.error.short", number=number, count=len(passage), least=_LEAST_SENTENCES))
        for sentence in passage:
            if not sentence:
                raise TextError(say("next_sentence.error.empty", number=number))
            if sentence in seen:
                raise TextError(say("next_sentence.error.twice", text=sentence, a=seen[sentence], b=number))
            seen[sentence] = number


def _pairs(texts: list[list[str]], side: Sequence[int], rng: np.random.Generator, *, held: bool) -> Iterator[Pair]:
    places = [(number, place) for number in side for place in range(len(texts[number]) - 1)]
    for number, place in places:
        yield Pair(texts[number][place], texts[number][place + 1], "next", (number, number), held)
    for (number, place), (other, elsewhere) in zip(places, _exchanged(places, rng), strict=True):
        yield Pair(texts[number][place], texts[other][elsewhere + 1], "other", (number, other), held)
    for number, place in places:
        passage = texts[number]
        elsewhere = int(rng.choice([p for p in range(len(passage)) if p not in {place, place + 1}]))
        yield Pair(passage[place], passage[elsewhere], "near", (number, number), held)
    for number, place in places:
        yield Pair(texts[number][place + 1], texts[number][place], "swapped", (number, number), held)


def _exchanged(places: Sequence[tuple[int, int]], rng: np.random.Generator) -> list[tuple[int, int]]:
    """The same places in random order, none where another of its passage stood.

    Raises:
        TextError: if one passage has more than half of the places, so that there is no such order.
    """
    passages = np.array([number for number, _ in places])
    longest = int(np.bincount(passages).argmax())
    if 2 * int((passages == longest).sum()) > len(places):
        raise TextError(say("next_sentence.error.long", number=longest))
    order = rng.permutation(len(places))
    for here in range(len(places)):
        if passages[order[here]] == passages[here]:
            # Changing places with one of these leaves both right and no other touched.
            free = (passages != passages[here]) & (passages[order] != passages[here])
            there = int(rng.choice(np.flatnonzero(free)))
            order[[here, there]] = order[[there, here]]
    return [places[i] for i in order]
