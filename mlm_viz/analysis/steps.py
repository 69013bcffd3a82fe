"""Filling several slots one after the other, in one order and in several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

from mlm_viz import measures
from mlm_viz.analysis.filling import distributions, open_slots
from mlm_viz.analysis.prediction import Masked, ModelLike, prepare
from mlm_viz.errors import TextError
from mlm_viz.loading import load
from mlm_viz.masking import Masking
from mlm_viz.model import Model
from mlm_viz.results import Floats64
from mlm_viz.sampling import Sampling, draw
from mlm_viz.steps import ORDERS, FillOrders, FillSteps, Order
from mlm_viz.strings import say
from mlm_viz.tokens import Ids, Sentence

MOST_ROUNDS = 100


def fill_steps(
    text: str,
    model: ModelLike = None,
    masked: Masked = (),
    *,
    order: Order = "left_to_right",
    temperature: float | None = None,
    top_p: float = 1.0,
    seed: int = 0,
    rounds: int = 5,
) -> FillSteps:
    """Fill the slots of a text one at a time, each given what has been filled before.

    A masked language model was trained to fill each slot on its own, not to agree with itself: multiplied along one
    order and along another the conditional probabilities of the very same fill differ. So the joint probabilities that
    different orders reach are not values of one distribution, and Gibbs sampling, which would draw from that one
    distribution, settles on a compromise.

    Args:
        text: a text with blanks.
        model: a loaded model, or anything `load` takes.
        masked: as for `predict`; positions that a `Masking` replaced or kept are left as they are.
        order: "left_to_right"; "confident", the slot with the most probable token first; "random"; or "gibbs", which
            fills from left to right and then masks and draws again one slot at a time, in another order each round.
        temperature: 0 takes the best token, 1 draws from the model's distribution, less sharpens it and more flattens
            it. By default 0, and 1 for "gibbs".
        top_p: tokens are drawn from the fewest that have so much probability together; 1 draws from all.
        seed: of what is drawn; the same seed gives the same steps.
        rounds: of resampling all slots with "gibbs", from 1 to `MOST_ROUNDS`.

    Raises:
        TextError: if there is no slot, too many of them, or order, temperature, top_p, seed or rounds are out of range.
        WordError: if a word to be masked does not stand in the text.
        ModelError: if the model cannot be loaded or cannot predict.

    Source: A. Wang and K. Cho, "BERT has a Mouth, and It Must Speak" (2019) for Gibbs sampling; L. Torroba Hennigen and
    Y. Kim, "Deriving Language Models from Masked Language Models" (2023) on conditionals without a joint distribution.
    """
    model = load(model)
    model.check_can_predict()
    sentence, masking = prepare(text, model, masked)
    parts = fill_in_steps(
        model, sentence, masking, order, temperature=temperature, top_p=top_p, seed=seed, rounds=rounds
    )
    *_, steps = tqdm(parts, delay=1, desc=say("filling.progress"), leave=False)
    assert steps is not None  # noqa: S101 (the last one is the result)
    return steps


def fill_orders(
    text: str,
    model: ModelLike = None,
    masked: Masked = (),
    *,
    orders: Sequence[Order] = ORDERS,
    temperature: float | None = None,
    top_p: float = 1.0,
    seed: int = 0,
    rounds: int = 5,
) -> FillOrders:
    """The same slots filled in several orders; arguments and errors are those of `fill_steps`.

    Raises:
        TextError: as for `fill_steps`, and if there is no order.
    """
    if not orders:
        raise TextError(say("filling.order", order="", allowed=", ".join(ORDERS)))
    model = load(model)
    runs = [
        fill_steps(text, model, masked, order=order, temperature=temperature, top_p=top_p, seed=seed, rounds=rounds)
        for order in orders
    ]
    return FillOrders(tuple(runs))


class _Step(NamedTuple):
    """One step: the text after it, where something was written and what, and how sure the model was."""

    row: Ids
    place: int
    token: int
    log2_prob: float
    entropies: Floats64


def fill_in_steps(
    model: Model,
    sentence: Sentence,
    masking: Masking,
    order: Order,
    *,
    temperature: float | None = None,
    top_p: float = 1.0,
    seed: int = 0,
    rounds: int = 5,
) -> Iterator[FillSteps | None]:
    """`fill_steps` of a prepared text, a step at a time: None while there is more to do, then the result."""
    positions = open_slots(masking)
    _check(order, rounds)
    if temperature is None:
        temperature = 1.0 if order == "gibbs" else 0.0
    sampling = Sampling(temperature, top_p, seed)
    rng = sampling.generator()
    start = masking.apply(sentence.ids)
    steps: list[_Step] = []
    left = list(positions)
    while left:
        steps.append(_fill_one(model, steps[-1].row if steps else start, positions, left, order, sampling, rng))
        left.remove(steps[-1].place)
        yield None
    for place in _resampled(positions, order, rounds, rng):
        row = steps[-1].row.copy()
        row[place] = start[place]  # a mask again
        steps.append(_fill_one(model, row, positions, [place], order, sampling, rng))
        yield None
    across = _chain(model, start, positions, steps[-1].row)
    joint = across if order == "gibbs" else sum(step.log2_prob for step in steps)
    rows, places, tokens, log2_probs, entropies = (np.array(column) for column in zip(*steps, strict=True))
    rows = np.vstack([start, rows])
    numbers = (rows, places, tokens, log2_probs, entropies, joint, across)
    yield FillSteps(sentence, tuple(positions), order, temperature, *numbers, model.vocabulary)


def _check(order: str, rounds: int) -> None:
    if order not in ORDERS:
        raise TextError(say("filling.order", order=order, allowed=", ".join(ORDERS)))
    if not 1 <= rounds <= MOST_ROUNDS:
        raise TextError(say("filling.rounds", rounds=rounds, most=MOST_ROUNDS))


def _resampled(positions: list[int], order: Order, rounds: int, rng: np.random.Generator) -> Iterator[int]:
    """The slots to be drawn again, one after the other."""
    for _ in range(rounds if order == "gibbs" else 0):
        yield from (int(place) for place in rng.permutation(positions))


def _fill_one(
    model: Model,
    row: Ids,
    positions: list[int],
    left: list[int],
    order: Order,
    sampling: Sampling,
    rng: np.random.Generator,
) -> _Step:
    """Fill one of the slots that are `left` open."""
    log2_probs = distributions(model, row[None], left)  # (open, vocab)
    chosen = _next(log2_probs, order, rng)
    token = draw(log2_probs[chosen], sampling.temperature, sampling.top_p, rng)
    entropies = np.full(len(positions), np.nan)
    entropies[np.isin(positions, left)] = measures.entropy(log2_probs)
    after = row.copy()
    after[left[chosen]] = token
    return _Step(after, left[chosen], token, float(log2_probs[chosen, token]), entropies)


def _next(log2_probs: Floats64, order: Order, rng: np.random.Generator) -> int:
    """Which of the open slots (open, vocab) is filled now."""
    if order == "confident":
        return int(log2_probs.max(axis=1).argmax())
    return int(rng.integers(len(log2_probs))) if order == "random" else 0


def _chain(model: Model, start: Ids, positions: list[int], filled: Ids) -> float:
    """Log2 of the joint probability of a fill from left to right, from one batch."""
    count = np.arange(len(positions))
    rows = np.repeat(start[None], len(positions), axis=0)
    for step in count:
        rows[step, positions[:step]] = filled[positions[:step]]
    log2_probs = model.forward(rows, slots=np.stack([count, positions], axis=1)).log2_probs
    assert log2_probs is not None  # noqa: S101 (slots were asked for)
    return float(log2_probs[count, filled[positions]].astype(np.float64).sum())
