"""How numbers are written for people: the same everywhere on the page."""

from __future__ import annotations

_SMALLEST = 0.0001


def percent(probability: float) -> str:
    """A probability as a percentage with three figures at most; what is smaller than 0.01 % is said to be so."""
    if 0 < probability < _SMALLEST:
        return "< 0.01 %"
    share = 100 * probability
    return f"{share:.1f} %" if share >= 1 else f"{share:.2f} %"


def bits(amount: float) -> str:
    """An amount of information."""
    return f"{amount:.2f} bits"
