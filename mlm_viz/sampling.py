"""Drawing a token from a distribution: the temperature, and the nucleus of the most probable tokens."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np

from mlm_viz.errors import TextError
from mlm_viz.results import Floats64
from mlm_viz.strings import say
from mlm_viz.tokens import Flags


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn.

    Attributes:
        temperature: 0 takes the best token, 1 draws from the model's distribution, less sharpens it and more flattens
            it.
        top_p: what is drawn from: the fewest tokens that have so much probability together, from above 0 to 1 (all).
        seed: the same seed draws the same tokens.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Nothing if all of it can be used.

        Raises:
            TextError: says what cannot.
        """
        if not (isfinite(self.temperature) and self.temperature >= 0):
            raise TextError(say("writing.temperature", temperature=self.temperature))
        if not 0 < self.top_p <= 1:
            raise TextError(say("writing.top_p", top_p=self.top_p))
        if self.seed < 0:
            raise TextError(say("writing.seed", seed=self.seed))

    def generator(self) -> np.random.Generator:
        """Random numbers from the seed."""
        return np.random.default_rng(self.seed)


def nucleus(probs: Floats64, top_p: float) -> Flags:
    """(outcomes,) True for the fewest outcomes whose probabilities `probs` (outcomes,) add up to at least `top_p`.

    Of equally probable ones those that come first are taken.

    Source: A. Holtzman et al., "The Curious Case of Neural Text Degeneration" (2020), section 3.1.
    """
    if top_p >= 1:
        return np.ones(len(probs), dtype=np.bool_)
    order = np.argsort(-probs, kind="stable")
    short_of_it = int(np.count_nonzero(np.cumsum(probs[order]) < top_p))
    kept = np.zeros(len(probs), dtype=np.bool_)
    kept[order[: short_of_it + 1]] = True
    return kept


def draw(log2_probs: Floats64, temperature: float, top_p: float, rng: np.random.Generator) -> int:
    """An outcome: the best at temperature 0, else one of the nucleus of p ** (1 / temperature), made to add up to 1.

    Args:
        log2_probs: (outcomes,) log2 of probabilities, which need not add up to 1; -inf is never drawn.
        temperature: as in `Sampling`.
        top_p: as in `Sampling`.
        rng: random numbers; none is used at temperature 0.
    """
    if temperature == 0:
        return int(log2_probs.argmax())
    weights = np.exp2((log2_probs - log2_probs.max()) / temperature)
    probs = weights / weights.sum()
    if top_p < 1:
        probs = np.where(nucleus(probs, top_p), probs, 0.0)
        probs /= probs.sum()
    return int(rng.choice(len(probs), p=probs))
