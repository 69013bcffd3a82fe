"""Thumbnails of attention against a plain loop, and the grid's Python half. No kernel."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import traitlets
from numpy.typing import NDArray

from mlm_viz.strings import section
from mlm_viz.widgets.heads import HeadGrid, thumbnails


def attention(layers: int, heads: int, size: int) -> NDArray[np.float64]:
    """Random rows that sum to 1, one of them certain."""
    weights: NDArray[np.float64] = np.random.default_rng(0).dirichlet(np.full(size, 0.2), (layers, heads, size))
    weights[0, 0, 0] = np.eye(size)[-1]
    return weights


def pooled_by_loop(picture: NDArray[np.float64], most: int) -> list[list[int]]:
    """The largest weight of each block, cell by cell."""
    size = len(picture)
    block = math.ceil(size / most)
    side = math.ceil(size / block)
    cells = [[0] * side for _ in range(side)]
    for query in range(size):
        for key in range(size):
            byte = round(255 * float(picture[query, key]))
            cells[query // block][key // block] = max(cells[query // block][key // block], byte)
    return cells


@pytest.mark.parametrize(("size", "most"), [(1, 64), (5, 64), (8, 8), (9, 8), (17, 8), (24, 7), (3, 1)])
def test_thumbnails_equal_a_loop(size: int, most: int) -> None:
    weights = attention(2, 3, size)
    data, shape = thumbnails(weights, most)
    cells = np.frombuffer(data, np.uint8).reshape(shape)
    assert shape[:2] == [2, 3]
    assert max(shape[2:]) <= most
    for layer in range(2):
        for head in range(3):
            assert cells[layer, head].tolist() == pooled_by_loop(weights[layer, head], most)


def test_a_single_strong_link_survives_pooling() -> None:
    weights = np.zeros((1, 1, 512, 512), np.float32)
    weights[0, 0, 300, 17] = 1.0
    data, shape = thumbnails(weights)
    assert shape == [1, 1, 64, 64]
    assert data.count(b"\xff") == 1
    assert data.index(b"\xff") == (300 // 8) * 64 + 17 // 8


def test_rounding_errors_do_not_wrap_around() -> None:
    data, _ = thumbnails(np.array([[[[1.0000002, -1e-9]]]]))
    assert data == b"\xff\x00"


def test_weights_without_four_axes_are_refused() -> None:
    with pytest.raises(ValueError, match="four axes"):
        thumbnails(np.zeros((2, 3, 3)))


def test_the_state_is_json_beside_its_bytes() -> None:
    data, shape = thumbnails(attention(2, 3, 4))
    grid = HeadGrid(thumbnails=data, shape=shape, selected=[1, 2])
    state = grid.get_state()
    assert state.pop("thumbnails") == data
    assert json.loads(json.dumps(state))["shape"] == [2, 3, 4, 4]
    assert grid.strings == section("heads")


@pytest.mark.parametrize("selected", [[0], [0, 0, 0], [-1, 0], ["a", 0]])
def test_a_head_that_cannot_be_is_refused(selected: Any) -> None:
    with pytest.raises(traitlets.TraitError):
        HeadGrid(selected=selected)
