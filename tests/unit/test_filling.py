"""Joint fills against trying every fill there is."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

import mlm_viz
from mlm_viz.errors import TextError
from mlm_viz.masking import Masking
from mlm_viz.model import Model

ModelOf = Callable[[str], Model]
SLOTS = {"CC____O____c": (3, 5), "____=O": (1,), "C____c____N____": (2, 4, 6)}


@torch.inference_mode()
def every_fill(model: Model, ids: np.ndarray, positions: tuple[int, ...]) -> dict[tuple[int, ...], float]:
    """Joint log2 probability of every fill by the chain rule, from plain passes of one row."""
    known: dict[tuple[int, ...], float] = {(): 0.0}
    for step, position in enumerate(positions):
        longer: dict[tuple[int, ...], float] = {}
        for fill, total in known.items():
            row = torch.tensor(ids[None])
            row[0, list(positions[:step])] = torch.tensor(fill, dtype=torch.long)
            logits = model.network(input_ids=row).logits[0, position].double()
            logs = (torch.log_softmax(logits, dim=-1) / math.log(2)).tolist()
            longer |= {(*fill, token): total + log for token, log in enumerate(logs)}
        known = longer
    return known


@pytest.mark.parametrize("text", sorted(SLOTS))
def test_a_wide_beam_finds_the_best_of_all_fills(text: str, tiny_model: ModelOf) -> None:
    model = tiny_model("smiles")
    positions, size = SLOTS[text], len(model.vocabulary)
    sentence = model.encode(text)
    assert sentence.blanks == positions
    fills = every_fill(model, sentence.ids, positions)
    assert len(fills) == size ** len(positions)
    assert sum(2**log for log in fills.values()) == pytest.approx(1)
    best = sorted(fills, key=lambda fill: -fills[fill])[:8]
    found = mlm_viz.joint_fills(text, model, beam=size**2, count=8)
    assert [tuple(fill) for fill in found.fills.tolist()] == best
    np.testing.assert_allclose(found.log2_probs, [fills[fill] for fill in best], atol=1e-3)
    # beside it: each slot on its own
    alone = mlm_viz.predict(text, model)
    assert found.independent.tolist() == [int(slot.best(1)[0]) for slot in alone]
    assert found.independent_joint == pytest.approx(fills[tuple(found.independent.tolist())], abs=1e-3)
    product = [sum(float(alone[n].log2_probs[t]) for n, t in enumerate(fill)) for fill in best]
    np.testing.assert_allclose(found.independent_log2_probs, product, atol=1e-3)
    assert found.log2_probs[0] >= found.independent_joint - 1e-6


def test_a_narrow_beam_is_greedy(tiny_model: ModelOf) -> None:
    model = tiny_model("smiles")
    sentence = model.encode("CC____O____c")
    before = model.calls
    found = mlm_viz.joint_fills("CC____O____c", model, beam=1, count=1)
    assert model.calls - before == 2  # one pass a slot
    ids = sentence.ids.copy()
    for position in (3, 5):
        ids[position] = every_fill_best(model, ids, position)
    assert found.fills.tolist() == [ids[[3, 5]].tolist()]


def every_fill_best(model: Model, ids: np.ndarray, position: int) -> int:
    fills = every_fill(model, ids, (position,))
    return max(fills, key=lambda fill: fills[fill])[0]


def test_best_fills_come_first_and_are_distinct(tiny_model: ModelOf) -> None:
    found = mlm_viz.joint_fills("the ____ ____ is ____ .", tiny_model("bert"), beam=12, count=12)
    assert found.fills.shape == (12, 3)
    assert len({tuple(fill) for fill in found.fills.tolist()}) == 12
    assert (np.diff(found.log2_probs) <= 0).all()
    table = found.to_frame()
    assert table.columns.tolist() == ["slot 0", "slot 1", "slot 2", "joint", "independent"]
    assert tuple(table.iloc[0, :3]) == found.words(0)


def test_only_masks_are_filled(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    cat = model.vocabulary.ids["cat"]
    masking = Masking((1, 2, 3), ("masked", "replaced", "masked"), (4, cat, 4))
    found = mlm_viz.joint_fills("the dog runs today", model, masked=masking)
    assert found.positions == (1, 3)
    written = mlm_viz.joint_fills("____ cat ____ today", model)
    np.testing.assert_allclose(found.log2_probs, written.log2_probs, atol=1e-4)
    with pytest.raises(TextError, match="no slot"):
        mlm_viz.joint_fills("the dog", model, masked=Masking((1,), ("kept",), (5,)))


def test_limits(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    with pytest.raises(TextError, match="13 slots.*12"):
        mlm_viz.joint_fills("____ " * 13, model)
    with pytest.raises(TextError, match="no slot"):
        mlm_viz.joint_fills("the cat", model)
    for wrong in ({"beam": 0}, {"count": 0}, {"beam": -3}):
        with pytest.raises(TextError, match="at least 1"):
            mlm_viz.joint_fills("the ____", model, **wrong)


def test_joint_and_independent_differ_on_two_gaps(bundled: Model) -> None:
    found = mlm_viz.joint_fills("[MASK] [MASK] city is very big.", bundled)
    assert found.log2_probs[0] >= found.independent_joint
    assert found.log2_probs[0] != pytest.approx(found.independent_log2_probs[0], abs=1e-3)
