"""Filling step by step against plain passes, the beam, and a table of every fill there is."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import entropy as scipy_entropy

import mlm_viz
from mlm_viz.errors import TextError
from mlm_viz.masking import Masking
from mlm_viz.model import Model
from mlm_viz.sampling import draw
from mlm_viz.steps import ORDERS, FillSteps, written

ModelOf = Callable[[str], Model]
ATOMS = "CC____O____c____"
SLOTS = (3, 5, 7)


@torch.inference_mode()
def read(model: Model, ids: np.ndarray, position: int) -> np.ndarray:
    """(vocab,) log2 of the probabilities from a plain pass of one row."""
    logits = model.network(input_ids=torch.tensor(ids[None])).logits[0, position].double()
    return (torch.log_softmax(logits, dim=-1) / math.log(2)).numpy()


def chained(model: Model, start: np.ndarray, places: list[int], filled: np.ndarray) -> float:
    """Log2 of the joint probability of a fill along an order."""
    row, total = start.copy(), 0.0
    for place in places:
        total += float(read(model, row, place)[filled[place]])
        row[place] = filled[place]
    return total


def check_steps(model: Model, steps: FillSteps) -> None:
    """What holds of every run: each step is one plain pass on the text before it."""
    mask = model.vocabulary.mask_id
    assert len(steps.rows) == len(steps) + 1
    for number, (place, token) in enumerate(zip(steps.places, steps.tokens, strict=True)):
        before, after = steps.rows[number].copy(), steps.rows[number + 1]
        before[place] = mask  # open already, or taken out to be drawn again
        log2_probs = read(model, before, int(place))
        assert steps.log2_probs[number] == pytest.approx(log2_probs[token], abs=1e-4)
        assert after[place] == token
        assert np.delete(after, place).tolist() == np.delete(before, place).tolist()
        for slot, position in enumerate(steps.positions):
            if number < len(steps.positions) and position in steps.open_after(number):
                expected = scipy_entropy(np.exp2(read(model, before, position)), base=2)
                assert steps.entropies[number, slot] == pytest.approx(expected, abs=1e-4)
            elif position != place:
                assert np.isnan(steps.entropies[number, slot])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("temperature", [None, 0.7])
def test_every_step_is_a_plain_pass(order: str, temperature: float | None, tiny_model: ModelOf) -> None:
    model = tiny_model("smiles")
    steps = mlm_viz.fill_steps(ATOMS, model, order=order, temperature=temperature, seed=3, rounds=2)
    assert steps.positions == SLOTS
    check_steps(model, steps)
    assert len(steps) == (9 if order == "gibbs" else 3)
    assert sorted(steps.places[:3].tolist()) == list(SLOTS)
    start, end = steps.rows[0], steps.rows[-1]
    across = chained(model, start, list(SLOTS), end)
    assert steps.log2_left_to_right == pytest.approx(across, abs=1e-3)
    own = across if order == "gibbs" else chained(model, start, steps.places.tolist(), end)
    assert steps.log2_joint == pytest.approx(own, abs=1e-3)
    reached = steps.reached
    np.testing.assert_allclose(reached[:3], np.cumsum(steps.log2_probs[:3]))
    assert np.isnan(reached[3:]).all()


def test_left_to_right_is_a_beam_of_one(tiny_model: ModelOf) -> None:
    model = tiny_model("smiles")
    steps, greedy = mlm_viz.fill_steps(ATOMS, model), mlm_viz.joint_fills(ATOMS, model, beam=1, count=1)
    assert steps.fill.tolist() == greedy.fills[0].tolist()
    assert steps.log2_joint == pytest.approx(greedy.log2_probs[0], abs=1e-4)
    assert steps.log2_left_to_right == pytest.approx(steps.log2_joint, abs=1e-4)
    assert steps.places.tolist() == list(SLOTS)


def test_no_order_beats_trying_every_fill(tiny_model: ModelOf) -> None:
    model = tiny_model("smiles")
    text, size = "CC____O____c", len(tiny_model("smiles").vocabulary)
    start = model.encode(text).ids
    first = read(model, start, 3)
    table = np.empty((size, size))
    for token in range(size):
        row = start.copy()
        row[3] = token
        table[token] = first[token] + read(model, row, 5)
    assert np.exp2(table).sum() == pytest.approx(1)
    wide = mlm_viz.joint_fills(text, model, beam=size, count=1)
    assert wide.fills[0].tolist() == list(np.unravel_index(table.argmax(), table.shape))
    assert wide.log2_probs[0] == pytest.approx(table.max(), abs=1e-3)
    orders = mlm_viz.fill_orders(text, model, seed=1, rounds=3)
    assert [run.order for run in orders.runs] == list(ORDERS)
    for run in orders.runs:
        assert run.log2_left_to_right == pytest.approx(table[tuple(run.fill)], abs=1e-3)
        assert run.log2_left_to_right <= table.max() + 1e-3
    frame = orders.to_frame()
    assert frame["order"].tolist() == list(ORDERS)
    np.testing.assert_allclose(frame["log2_joint"], [run.log2_joint for run in orders.runs])
    assert "no one joint distribution" in orders.caution


def test_orders_do_not_belong_to_one_distribution(tiny_model: ModelOf) -> None:
    model = tiny_model("smiles")
    start = model.encode(ATOMS).ids
    filled = mlm_viz.fill_steps(ATOMS, model).rows[-1]
    there, back = (chained(model, start, list(places), filled) for places in (SLOTS, SLOTS[::-1]))
    assert abs(there - back) > 0.01


def test_the_most_confident_slot_is_filled_first(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    text = "the ____ of ____ is ____ , a ____ day"
    steps = mlm_viz.fill_steps(text, model, order="confident")
    row, left = model.encode(text).ids.copy(), list(steps.positions)
    for place, token in zip(steps.places, steps.tokens, strict=True):
        best = {position: read(model, row, position).max() for position in left}
        assert place == max(best, key=lambda position: best[position])
        assert token == read(model, row, int(place)).argmax()
        row[place] = token
        left.remove(place)
    assert row.tolist() == steps.rows[-1].tolist()


def test_chance_follows_the_seed(tiny_model: ModelOf) -> None:
    model = tiny_model("smiles")
    orders = {tuple(mlm_viz.fill_steps(ATOMS, model, order="random", seed=seed).places) for seed in range(6)}
    assert len(orders) > 1
    one, same, other = (mlm_viz.fill_steps(ATOMS, model, order="gibbs", seed=seed) for seed in (4, 4, 5))
    assert one.tokens.tolist() == same.tokens.tolist() != other.tokens.tolist()
    assert one.temperature == 1
    for number in range(3, len(one), 3):  # a round draws every slot again
        assert sorted(one.places[number : number + 3].tolist()) == list(SLOTS)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_tempered_distribution(temperature: float) -> None:
    probs = np.array([0.5, 0.3, 0.15, 0.05])
    rng = np.random.default_rng(0)
    counts = np.bincount([draw(np.log2(probs), temperature, 1.0, rng) for _ in range(6000)], minlength=4)
    expected = probs ** (1 / temperature)
    np.testing.assert_allclose(counts / 6000, expected / expected.sum(), atol=0.03)
    assert draw(np.log2(probs), 0.0, 1.0, rng) == 0


def test_text_after_each_step(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    steps = mlm_viz.fill_steps("the ____ of ____ today", model, order="confident")
    frame = steps.to_frame()
    assert frame["step"].tolist() == [1, 2]
    assert [text.count("[MASK]") for text in frame["text"]] == [1, 0]
    assert steps.text() == frame["text"].iloc[-1]
    assert steps.text(0) == "the [MASK] of [MASK] today"
    assert steps.open_after(0) == steps.positions
    assert steps.open_after(2) == ()


def test_chinese_is_written_without_spaces(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    steps = mlm_viz.fill_steps("今天天气很[MASK]，我们去[MASK]园。", model)
    assert steps.text(0) == "今天天气很[MASK]，我们去[MASK]园。"
    sentence = model.encode("the cats play.")
    assert "".join(written(sentence.labels, sentence)) == "the cats play."
    spaced = tiny_model("roberta").encode("the big cat, today")
    assert "".join(written(spaced.labels, spaced)) == "the big cat, today"


def test_one_slot_and_only_masks_are_filled(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    for order in ORDERS:
        steps = mlm_viz.fill_steps("the ____ runs", model, order=order, temperature=0, rounds=1)
        assert steps.fill[0] == mlm_viz.predict("the ____ runs", model)[0].best(1)[0]
    cat = model.vocabulary.ids["cat"]
    masking = Masking((1, 2, 3), ("masked", "replaced", "masked"), (4, cat, 4))
    steps = mlm_viz.fill_steps("the dog runs today", model, masking)
    assert steps.positions == (1, 3)
    assert steps.rows[:, 2].tolist() == [cat] * 3


def test_what_cannot_be_filled_is_said(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    for text, why in (("the cat", "no slot"), ("", "type a sentence"), ("____ " * 13, "13 slots.*12")):
        with pytest.raises(TextError, match=why):
            mlm_viz.fill_steps(text, model)
    wrong = {
        "confident, random, gibbs": {"order": "backwards"},
        "temperature is -1": {"temperature": -1.0},
        "temperature is nan": {"temperature": math.nan},
        "seed is -1": {"seed": -1},
        "from 1 to 100": {"order": "gibbs", "rounds": 0},
    }
    for why, settings in wrong.items():
        with pytest.raises(TextError, match=why):
            mlm_viz.fill_steps("the ____", model, **settings)
    with pytest.raises(TextError, match="one of"):
        mlm_viz.fill_orders("the ____", model, orders=())
