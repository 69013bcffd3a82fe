"""One slot read in many contexts: parts of the text masked, deleted, or hidden from the attention.

This is what influence, direction and reveal have in common: a slot and a word that are watched, readings of the text,
and the answers, from as few forward passes as the lengths of the readings allow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mlm_viz.analysis.prediction import in_batches
from mlm_viz.analysis.watching import Watched
from mlm_viz.influences import Target
from mlm_viz.results import Floats32, Floats64
from mlm_viz.tokens import Flags, Ids

_NEVER = np.float32(-1e4)
_TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True, eq=False)
class Reading:
    """One way of reading a text.

    Attributes:
        ids: (tokens,) what stands in it.
        visible: (tokens,) False for the tokens that no visible one may look at, in any layer.
        slot: position of the slot in `ids`.
    """

    ids: Ids
    visible: Flags
    slot: int

    @property
    def hides(self) -> bool:
        """Whether it takes an attention mask."""
        return not self.visible.all()

    def widened(self, pieces: Sequence[int], written: int, mask_id: int) -> Reading:
        """The same with room for a word of several pieces: the first so many `written`, masks for the rest."""
        times = np.ones(len(self.ids), dtype=np.int64)
        times[self.slot] = len(pieces)
        ids = np.repeat(self.ids, times)
        ids[self.slot : self.slot + len(pieces)] = [*pieces[:written], *[mask_id] * (len(pieces) - written)]
        return Reading(ids, np.repeat(self.visible, times), self.slot + written)


@dataclass(frozen=True, eq=False)
class Answers:
    """What stands at the slot under each reading; NaN, and -1 for ids, where it has not been asked yet.

    Attributes:
        pieces: ids of the word that is watched.
        log2_probs: (readings,) log2 of its probability.
        divergences: (readings,) Jensen-Shannon divergence from the first reading, in bits, 0 to 1.
        guesses: (readings,) id of the most probable token.
        guess_log2_probs: (readings,) log2 of its probability.
    """

    pieces: tuple[int, ...]
    log2_probs: Floats64
    divergences: Floats64
    guesses: Ids
    guess_log2_probs: Floats64

    @property
    def count(self) -> int:
        """How many readings have been asked."""
        return int(np.count_nonzero(self.guesses >= 0))


def whole(watched: Watched) -> Reading:
    """The text as it stands."""
    return Reading(watched.ids, np.ones(len(watched.ids), dtype=np.bool_), watched.position)


def target_of(watched: Watched, answers: Answers) -> Target:
    """The word that is watched, once the first reading has been asked."""
    vocabulary = watched.model.vocabulary
    return Target(
        sentence=watched.sentence,
        labels=tuple(vocabulary.labels[i] for i in watched.ids),
        position=watched.position,
        word=watched.word or vocabulary.labels[answers.pieces[0]],
        kind=watched.kind,
        ids=answers.pieces,
        log2_prob=float(answers.log2_probs[0]),
        guess=int(answers.guesses[0]),
        guess_log2_prob=float(answers.guess_log2_probs[0]),
        vocabulary=vocabulary,
        model=watched.model.name,
    )


def answer_in_parts(watched: Watched, readings: Sequence[Reading]) -> Iterator[Answers]:
    """The answers to all `readings` as they come in, batch by batch; the last ones are complete.

    The first reading is the one that the others are compared with. It is in the first batch.
    """
    log2_probs, divergences, guess_log2_probs = (np.full(len(readings), np.nan) for _ in range(3))
    guesses = np.full(len(readings), -1, dtype=np.int64)
    first, pieces = None, watched.pieces
    for numbers in _batches(watched, readings):
        chosen = [readings[number] for number in numbers]
        found = _distributions(watched, chosen)
        if first is None:
            first = found[0]
            pieces = pieces or (int(first.argmax()),)
        alone = len(pieces) == 1
        log2_probs[numbers] = found[:, pieces[0]] if alone else _score_word(watched, chosen)
        divergences[numbers] = _divergences(first, found)
        guesses[numbers], guess_log2_probs[numbers] = found.argmax(axis=1), found.max(axis=1)
        yield Answers(pieces, log2_probs.copy(), divergences.copy(), guesses.copy(), guess_log2_probs.copy())


def _batches(watched: Watched, readings: Sequence[Reading]) -> Iterator[Ids]:
    """Numbers of the readings that share a pass: of one length, and those that take an attention mask apart."""
    groups: dict[tuple[int, bool], list[int]] = {}
    for number, reading in enumerate(readings):
        groups.setdefault((len(reading.ids), reading.hides), []).append(number)
    times = max(len(watched.pieces), 1)  # a word of several pieces takes a row each
    for (tokens, _), numbers in groups.items():
        rows = np.array(numbers, dtype=np.int64)
        yield from in_batches(rows, tokens * times, len(watched.model.vocabulary) * times)


def _distributions(watched: Watched, readings: Sequence[Reading]) -> Floats32:
    """(readings, vocab) log2 of the probabilities at the slot of each, from one pass."""
    seen = watched.model.forward(
        np.stack([reading.ids for reading in readings]),
        slots=np.array([(row, reading.slot) for row, reading in enumerate(readings)], dtype=np.int64),
        allowed=hiding(np.stack([reading.visible for reading in readings])) if readings[0].hides else None,
        silenced=watched.silenced,
    )
    assert seen.log2_probs is not None  # noqa: S101 (slots were asked for)
    return seen.log2_probs


def hiding(visible: Flags) -> Flags:
    """(rows, 1, query, key) where a query may look, so that nothing of a hidden token reaches a visible one.

    A visible query sees the visible keys only, in every layer, so that no detour leads back to a hidden token. A hidden
    query may see everything: it needs some key, and nobody looks at it.

    Args:
        visible: (rows, tokens).
    """
    return np.asarray(visible[:, None, None, :] | ~visible[:, None, :, None])


def _score_word(watched: Watched, readings: Sequence[Reading]) -> Floats64:
    """(readings,) log2 p of a word of several pieces, as `WordScoring.log2_prob` does for one reading."""
    pieces = watched.pieces
    widened = [r.widened(pieces, written, watched.mask_id) for r in readings for written in range(len(pieces))]
    log2_probs = _distributions(watched, widened).astype(np.float64)
    own = log2_probs[np.arange(len(widened)), np.tile(pieces, len(readings))]
    return np.asarray(own.reshape(len(readings), len(pieces)).sum(axis=1))


def _divergences(before: Floats32, rows: Floats32) -> list[float]:
    """`measures.js_divergence` of each row from `before`, several times faster.

    It is the entropy of the mean less the mean of the entropies. This runs for every token of a text: a row at a time
    stays in the cache of the processor, and fresh arrays would cost more than the exponentials.
    """
    p_logs, q_logs, q, middle = (np.empty(len(before), dtype=np.float64) for _ in range(4))
    # 2 ** -1e4 is 0, and 0 * -1e4 is no NaN.
    np.maximum(before, _NEVER, out=p_logs)
    p = np.exp2(p_logs)
    p_sum = p @ p_logs
    found = []
    for row in rows:
        np.maximum(row, _NEVER, out=q_logs)
        np.exp2(q_logs, out=q)
        q_sum = q @ q_logs
        np.add(p, q, out=middle)
        middle /= 2
        np.maximum(middle, _TINY, out=q)
        np.log2(q, out=q)
        found.append(min(max(float((p_sum + q_sum) / 2 - middle @ q), 0.0), 1.0))
    return found
