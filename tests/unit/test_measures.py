"""Measures against scipy and against loops over the definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy as scipy_entropy
from scipy.stats import rankdata

from mlm_viz import measures

WEIGHTS = st.lists(st.floats(1e-6, 1e3), min_size=2, max_size=30)
PAIRS = (
    st.integers(2, 20)
    .flatmap(lambda n: st.tuples(*[st.lists(st.sampled_from([0.0, 1e-9, 0.1, 1.0, 7.0]), min_size=n, max_size=n)] * 2))
    .filter(lambda pair: sum(pair[0]) > 0 < sum(pair[1]))
)


def normalised(weights: list[float]) -> np.ndarray:
    return np.array(weights) / sum(weights)


def bits(probs: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log2(probs)


@given(WEIGHTS)
def test_entropy_is_scipys(weights: list[float]) -> None:
    probs = normalised(weights)
    assert measures.entropy(bits(probs)) == pytest.approx(scipy_entropy(probs, base=2), abs=1e-9)
    assert -1e-12 <= measures.entropy(bits(probs)) <= math.log2(len(probs)) + 1e-9


@pytest.mark.parametrize(
    ("probs", "expected"), [([1, 0], 0), ([0.5, 0.5], 1), ([0.25] * 4, 2), ([0.5, 0.25, 0.25], 1.5)]
)
def test_entropy_by_hand(probs: list[float], expected: float) -> None:
    value = measures.entropy(bits(np.array(probs, dtype=float)))
    assert value == expected
    assert not np.signbit(value)


@given(PAIRS)
def test_divergences_are_scipys(pair: tuple[list[float], list[float]]) -> None:
    p, q = normalised(pair[0]), normalised(pair[1])
    forth, back = measures.js_divergence(bits(p), bits(q)), measures.js_divergence(bits(q), bits(p))
    assert forth == pytest.approx(jensenshannon(p, q, base=2) ** 2, abs=1e-7)
    assert forth == pytest.approx(back, abs=1e-12)
    assert 0 <= forth <= 1
    assert measures.js_divergence(bits(p), bits(p)) == pytest.approx(0, abs=1e-12)
    assert measures.kl_divergence(bits(p), bits(q)) == pytest.approx(max(scipy_entropy(p, q, base=2), 0), abs=1e-9)


def test_divergences_by_hand() -> None:
    left, right = bits(np.array([1.0, 0.0])), bits(np.array([0.0, 1.0]))
    assert measures.js_divergence(left, right) == 1
    assert measures.kl_divergence(left, right) == np.inf
    half = bits(np.array([0.5, 0.5]))
    assert measures.kl_divergence(left, half) == 1
    # the average is (3/4, 1/4): half of log2(4/3), and half of (log2(2/3) + log2(2)) / 2
    expected = 0.5 * math.log2(4 / 3) + 0.25 * math.log2(2 / 3) + 0.25
    assert measures.js_divergence(left, half) == pytest.approx(expected)


def test_divergences_take_leading_axes() -> None:
    rng = np.random.default_rng(0)
    p, q = (bits(rng.dirichlet(np.ones(5), size=(2, 3))) for _ in range(2))
    both = measures.js_divergence(p, q)
    assert both.shape == (2, 3)
    assert both[1, 2] == pytest.approx(float(measures.js_divergence(p[1, 2], q[1, 2])))


@given(st.lists(st.integers(-5, 0), min_size=1, max_size=20), st.data())
def test_rank_is_scipys(values: list[int], data: st.DataObject) -> None:
    logs = np.array(values, dtype=np.float32)
    place = data.draw(st.integers(0, len(values) - 1))
    assert measures.rank(logs, float(logs[place])) == rankdata(-logs, method="min")[place]


def test_rank_with_ties_by_hand() -> None:
    logs = np.array([-1, -3, -1, -2, -np.inf], dtype=np.float32)
    assert [measures.rank(logs, x) for x in (-1, -2, -3, -np.inf, 0, -2.5)] == [1, 3, 4, 5, 1, 4]


def test_attention_shares_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(3)
    tokens, special = 7, np.array([True, False, False, True, False, False, True])
    weights = rng.dirichlet(np.ones(tokens), size=(2, 3, tokens)).astype(np.float32)
    shares = measures.attention_shares(weights, special)
    assert shares.shape == (2, 3, tokens, 4)
    for layer in range(2):
        for head in range(3):
            for query in range(tokens):
                expected = dict.fromkeys(measures.SHARES, 0.0)
                for key in range(tokens):
                    side = "left" if key < query else "right"
                    kind = "self" if key == query else "special" if special[key] else side
                    expected[kind] += float(weights[layer, head, query, key])
                np.testing.assert_allclose(shares[layer, head, query], list(expected.values()), atol=1e-7)
    np.testing.assert_allclose(shares.sum(axis=-1), 1, atol=1e-6)


def test_attention_entropy_is_scipys() -> None:
    weights = np.random.default_rng(4).dirichlet(np.ones(6), size=(2, 5)).astype(np.float32)
    weights[0, 0] = [1, 0, 0, 0, 0, 0]
    np.testing.assert_allclose(measures.attention_entropy(weights), scipy_entropy(weights, base=2, axis=-1), atol=1e-5)
