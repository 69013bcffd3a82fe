"""An endless stream of batches of like length, shuffled, whose place is a handful of counters.

A pool of inputs is drawn from the texts by their shares, sorted by length, cut into batches and these are shuffled.
Everything in a pool follows from the seed and the counters at its start, so a stream goes on from any batch exactly as
if it had never stopped, and its memory is that of one pool.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from mlm_viz.strings import say
from mlm_viz.tokens import Ids
from mlm_viz.training.encoding import Encoded
from mlm_viz.training.errors import TrainingError
from mlm_viz.training.objectives import Batch, Objective, Pieces, framed
from mlm_viz.training.schedule import Phase
from mlm_viz.training.shuffling import draw

_BATCHES_A_POOL = 64
_POOL_TOKENS = 4_000_000  # at most
_AHEAD = 8  # batches made in advance

Item = TypeVar("Item")


@dataclass(frozen=True)
class Place:
    """Where a stream stands.

    Attributes:
        pool: its number.
        used: batches of it that were handed out.
        drawn: inputs drawn from each text before this pool.
        limit: longest input of this pool in tokens.
    """

    pool: int
    used: int
    drawn: tuple[int, ...]
    limit: int

    def to_dict(self) -> dict[str, Any]:
        """As it is written to disk."""
        return {"pool": self.pool, "used": self.used, "drawn": list(self.drawn), "limit": self.limit}

    @classmethod
    def from_dict(cls, written: dict[str, Any]) -> Place:
        """As it was written to disk."""
        return cls(written["pool"], written["used"], tuple(written["drawn"]), written["limit"])


class Stream:
    """Batches without end.

    Args:
        texts: what they are made of; each is given tokens in proportion to its own times `repeat`.
        pieces: of the vocabulary.
        objective: makes a batch of rows.
        tokens: in a batch, about; padding counts.
        seed: of the order and of the masks.
    """

    def __init__(
        self, texts: Sequence[Encoded], pieces: Pieces, objective: Objective, *, tokens: int, seed: int
    ) -> None:
        self._texts = texts
        self._pieces = pieces
        self._objective = objective
        self._tokens = tokens
        self._seed = seed
        weights = np.array([text.tokens * text.repeat for text in texts])
        self.shares = weights / weights.sum()
        self._pool_tokens = max(tokens, min(_BATCHES_A_POOL * tokens, _POOL_TOKENS))

    def check(self) -> None:
        """Nothing if the texts fill a batch.

        Raises:
            TrainingError: if they do not.
        """
        there = sum(text.tokens for text in self._texts)
        if there < self._tokens:
            raise TrainingError(say("train.error.small", tokens=there, batch=self._tokens))

    def start(self, limit: int) -> Place:
        """The place before the first batch; inputs have at most `limit` tokens."""
        return Place(0, 0, (0,) * len(self._texts), limit)

    def batches(self, place: Place, step: int, phase_at: Callable[[int], Phase]) -> Iterator[tuple[Batch, Place]]:
        """Batches from a place on, each with the place behind it.

        Args:
            place: where to go on.
            step: number of the next batch.
            phase_at: what the batch with a number is made with.
        """
        while True:
            if place.used == 0:
                place = replace(place, limit=phase_at(step).limit)
            rows, drawn = self._fill(place)
            groups = self._group(rows, place)
            behind = Place(place.pool + 1, 0, drawn, place.limit)
            for number in range(place.used, len(groups)):
                phase = phase_at(step)
                if phase.limit != place.limit:
                    break  # what is left of the pool has inputs of another length: short trainings could not wait
                step += 1
                last = number + 1 == len(groups)
                yield (
                    self._make(rows, groups[number], place, number, phase),
                    (behind if last else replace(place, used=number + 1)),
                )
            place = behind

    def _fill(self, place: Place) -> tuple[_Rows, tuple[int, ...]]:
        parts, drawn = [], []
        for number, text in enumerate(self._texts):
            wanted = int(np.ceil(self.shares[number] * self._pool_tokens))
            part = self._draw(number, text, place.drawn[number], wanted, place.limit - 2)
            parts.append(part)
            drawn.append(place.drawn[number] + len(part.begin))
        return _Rows.joined(parts), tuple(drawn)

    def _draw(self, number: int, text: Encoded, start: int, wanted: int, longest: int) -> _Rows:
        """Inputs of a text from the draw `start` on, as many as have `wanted` tokens together."""
        guess = 1 + int(wanted * text.pieces / text.tokens)
        key = int(np.random.SeedSequence((self._seed, number)).generate_state(1)[0])
        while True:
            begin, ends = text.gather(draw(start, guess, text.pieces, key), longest)
            totals = np.cumsum(ends - begin)
            if totals[-1] >= wanted:
                break
            guess += 1 + guess // 2
        count = int(np.searchsorted(totals, wanted)) + 1
        begin, sizes = begin[:count], (ends - begin)[:count]
        behind = np.cumsum(sizes)
        flat = np.arange(behind[-1]) + np.repeat(begin - (behind - sizes), sizes)
        return _Rows(text.read(flat), behind - sizes, behind)

    def _group(self, rows: _Rows, place: Place) -> list[Ids]:
        """The numbers of the rows of each batch, batches in random order."""
        rng = np.random.default_rng((self._seed, 1, place.pool))
        sizes = rows.ends - rows.begin + 2
        order = np.lexsort((rng.random(len(sizes)), sizes))
        groups, start = [], 0
        while start < len(order):
            # From the end of the batch its width is known, from the width its number of rows.
            count = max(1, self._tokens // int(sizes[order[start]]))
            count = max(1, self._tokens // int(sizes[order[min(start + count, len(order)) - 1]]))
            groups.append(order[start : start + count])
            start += count
        return [groups[index] for index in rng.permutation(len(groups))]

    def _make(self, rows: _Rows, group: Ids, place: Place, number: int, phase: Phase) -> Batch:
        rng = np.random.default_rng((self._seed, 2, place.pool, number))
        sizes = rows.ends[group] - rows.begin[group]
        framed_rows = framed(rows.flat, rows.begin[group], rows.ends[group])
        return self._objective.make_batch(framed_rows, sizes + 2, self._pieces, phase, rng)


@dataclass(frozen=True)
class _Rows:
    flat: Any
    begin: Ids
    ends: Ids

    @classmethod
    def joined(cls, parts: Sequence[_Rows]) -> _Rows:
        shifts = np.cumsum([0, *(len(part.flat) for part in parts)])[:-1]
        return cls(
            np.concatenate([part.flat for part in parts]),
            np.concatenate([part.begin + shift for part, shift in zip(parts, shifts, strict=True)]),
            np.concatenate([part.ends + shift for part, shift in zip(parts, shifts, strict=True)]),
        )


@contextmanager
def made_ahead(items: Iterator[Item]) -> Iterator[Iterator[Item]]:
    """The same items, made a few in advance by a thread, which ends with the block."""
    ready: queue.Queue[Any] = queue.Queue(maxsize=_AHEAD)
    ended = threading.Event()

    def make() -> None:
        last: Any = None
        try:
            for item in items:
                _put(ready, (item,), ended)
                if ended.is_set():
                    return
        except BaseException as problem:  # noqa: BLE001 (it is raised where the item was wanted)
            last = problem
        _put(ready, last, ended)

    def take() -> Iterator[Item]:
        while isinstance(got := ready.get(), tuple):
            yield got[0]
        if got is not None:
            raise got

    thread = threading.Thread(target=make, name="batches", daemon=True)
    thread.start()
    try:
        yield take()
    finally:
        ended.set()
        thread.join()


def _put(ready: queue.Queue[Any], item: Any, ended: threading.Event) -> None:
    while not ended.is_set():
        try:
            ready.put(item, timeout=0.1)
        except queue.Full:
            continue
        return
