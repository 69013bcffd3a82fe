"""The one forward pass: batches, slots of several rows, what is captured, what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mlm_viz.model import Model
from tests.tiny import TINY

ModelOf = Callable[[str], Model]
NAMES = sorted(TINY)


def rows_of(model: Model, name: str) -> np.ndarray:
    """Three rows of the same length: the text, and two with another token here and there."""
    ids = model.encode(TINY[name].text.format("____")).ids
    rows = np.stack([ids] * 3)
    rows[1, 2], rows[2, 3] = model.vocabulary.ordinary_ids[[5, 9]]
    return rows


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_its_rows(name: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    rows = rows_of(model, name)
    slots = np.array([[2, 1], [0, 4], [1, 2], [0, 1]])
    together = model.forward(rows, slots=slots, attention="all", hidden=True)
    assert together.log2_probs.shape == (4, len(model.vocabulary))
    assert together.attention.shape == (3, model.layers, model.heads, rows.shape[1], rows.shape[1])
    assert together.hidden.shape[:3] == (3, model.layers + 1, rows.shape[1])
    assert {array.dtype for array in (together.log2_probs, together.attention, together.hidden)} == {np.dtype("f4")}
    for number, (row, position) in enumerate(slots):
        alone = model.forward(rows[[row]], slots=np.array([[0, position]]), attention="all", hidden=True)
        np.testing.assert_allclose(together.log2_probs[number], alone.log2_probs[0], atol=1e-4)
        np.testing.assert_allclose(together.attention[row], alone.attention[0], atol=1e-5)
        np.testing.assert_allclose(together.hidden[row], alone.hidden[0], atol=1e-4)
    np.testing.assert_allclose(np.exp2(together.log2_probs).sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_each_row_may_have_its_own_mask(name: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    rows = rows_of(model, name)
    tokens = rows.shape[1]
    allowed = np.ones((3, 1, tokens, tokens), dtype=np.bool_)
    allowed[1, 0, :, 1] = False
    allowed[2, 0] = np.tri(tokens, dtype=np.bool_)
    slots = np.array([[row, 4] for row in range(3)])
    together = model.forward(rows, slots=slots, allowed=allowed).log2_probs
    for row in range(3):
        alone = model.forward(rows[[row]], slots=np.array([[0, 4]]), allowed=allowed[[row]]).log2_probs
        np.testing.assert_allclose(together[row], alone[0], atol=1e-4)


def test_only_what_is_asked_for_is_there(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    ids = model.encode("the ____").ids[None]
    seen = model.forward(ids)
    assert (seen.log2_probs, seen.attention, seen.hidden) == (None, None, None)
    seen = model.forward(ids, attention=[2, 0])
    assert seen.attention.shape == (1, 2, model.heads, 4, 4)


def test_inputs_are_left_alone_and_may_be_read_only(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    ids = model.encode("the ____ runs").ids[None]
    slots = np.array([[0, 2]])
    allowed = np.broadcast_to(np.bool_(1), (1, 1, 5, 5))
    for array in (ids, slots):
        array.setflags(write=False)
    seen = model.forward(ids, slots=slots, allowed=allowed, silenced=[(0, 0)])
    assert np.isfinite(seen.log2_probs).all()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_stays_behind_even_after_an_error(name: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    rows = rows_of(model, name)[:1]
    slots = np.array([[0, 4]])
    before = model.forward(rows, slots=slots).log2_probs
    wrong = np.ones((1, 1, 3, 3), dtype=np.bool_)
    with pytest.raises((RuntimeError, ValueError)):
        model.forward(rows, slots=slots, allowed=wrong, silenced=[(0, 0)])
    np.testing.assert_array_equal(model.forward(rows, slots=slots).log2_probs, before)
    hooks = [hook for module in model.network.modules() for hook in module._forward_pre_hooks.values()]
    assert hooks == []


def test_no_gradient_is_kept(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    assert not model.network.training
    model.forward(model.encode("the").ids[None], slots=np.array([[0, 1]]))
    assert all(weight.grad is None for weight in model.network.parameters())
