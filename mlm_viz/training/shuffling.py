"""A shuffle of any number of things that takes no memory: where the n-th draw falls is computed, not stored.

So the place in a shuffled text is one counter, and going on from a checkpoint means going on from that counter.

Source: M. Luby and C. Rackoff, "How to Construct Pseudorandom Permutations from Pseudorandom Functions" (1988), the
Feistel network; J. Black and P. Rogaway, "Ciphers with Arbitrary Finite Domains" (2002), walking cycles until inside.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.uint64]

_ROUNDS = 4
_ODD = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def draw(start: int, count: int, size: int, key: int) -> npt.NDArray[np.int64]:
    """Which of `size` things the draws number `start` to `start + count` take: each once in every round of `size`.

    Args:
        start: how many were drawn before.
        count: how many are drawn now.
        size: how many there are, at least 1.
        key: another key is another order; the order of each round is different too.

    Returns:
        (count,) numbers from 0 to `size` - 1.
    """
    numbers = np.arange(start, start + count, dtype=np.uint64)
    rounds, places = numbers // np.uint64(size), numbers % np.uint64(size)
    keys = _mix(rounds + _times(key, 0))
    half = np.uint64(max(1, ((size - 1).bit_length() + 1) // 2))
    places = _feistel(places, keys, half)
    while len(outside := np.flatnonzero(places >= size)):
        places[outside] = _feistel(places[outside], keys[outside], half)
    return places.astype(np.int64)


def _feistel(numbers: Numbers, keys: Numbers, half: np.uint64) -> Numbers:
    """A permutation of the numbers of twice `half` bits, another one for every key."""
    low = (np.uint64(1) << half) - np.uint64(1)
    left, right = numbers >> half, numbers & low
    for turn in range(_ROUNDS):
        left, right = right, left ^ (_mix(right + keys * _times(1, 1) + _times(turn, 2)) & low)
    return (left << half) | right


def _mix(numbers: Numbers) -> Numbers:
    """Numbers scattered over 64 bits (the finisher of splitmix64); overflow is meant."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * _times(1, 1)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * _times(1, 2)
    return numbers ^ (numbers >> np.uint64(31))


def _times(number: int, which: int) -> np.uint64:
    """A product that wraps around at 64 bits, as those of arrays do; numpy would warn of it here."""
    return np.uint64(number * _ODD[which] % 2**64)
