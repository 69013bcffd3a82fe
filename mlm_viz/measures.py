"""Measures of distributions and of attention: numpy in, numpy out, information in bits.

Source: C. E. Shannon, "A Mathematical Theory of Communication" (1948) for entropy and surprisal; S. Kullback and
R. A. Leibler, "On Information and Sufficiency" (1951); J. Lin, "Divergence Measures Based on the Shannon Entropy"
(1991) for the Jensen-Shannon divergence.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating]

SHARES = ("left", "right", "self", "special")


def entropy(log2_probs: Floats) -> Array:
    """Shannon entropy of distributions given as log2 of probabilities, in bits.

    Args:
        log2_probs: (..., outcomes), each at most 0; -inf is an outcome that cannot happen.

    Returns:
        (...,) from 0 (certain) to log2 of the number of outcomes (all alike).
    """
    logs = np.maximum(np.asarray(log2_probs, dtype=np.float64), -1e4)  # 2 ** -1e4 is 0, and 0 * -1e4 is no NaN
    return np.asarray(0.0 - np.einsum("...v,...v", np.exp2(logs), logs))


def kl_divergence(log2_p: Floats, log2_q: Floats) -> Array:
    """Kullback-Leibler divergence of p from q in bits: what believing q costs when p holds.

    Returns:
        (...,) from 0 (p is q) without upper bound; infinite where p has an outcome that q rules out.
    """
    p_logs, q_logs = np.asarray(log2_p, dtype=np.float64), np.asarray(log2_q, dtype=np.float64)
    probs = np.exp2(p_logs)
    with np.errstate(invalid="ignore"):
        terms = np.where(probs > 0, probs * (p_logs - q_logs), 0.0)
    return np.asarray(np.maximum(terms.sum(axis=-1), 0.0))


def js_divergence(log2_p: Floats, log2_q: Floats) -> Array:
    """Jensen-Shannon divergence in bits: the mean KL divergence of p and q from their average.

    Returns:
        (...,) from 0 (alike) to 1 (nothing in common); symmetric.
    """
    p_logs, q_logs = np.asarray(log2_p, dtype=np.float64), np.asarray(log2_q, dtype=np.float64)
    middle = np.logaddexp2(p_logs, q_logs) - 1.0
    return np.asarray(np.minimum((kl_divergence(p_logs, middle) + kl_divergence(q_logs, middle)) / 2, 1.0))


def rank(log_probs: Floats, log_prob: float) -> int:
    """Place of a value among `log_probs`: one more than the number of strictly greater ones, so ties share a place."""
    return 1 + int(np.count_nonzero(np.asarray(log_probs) > log_prob))


def attention_shares(weights: Floats, special: npt.NDArray[np.bool_], query: int | None = None) -> Array:
    """How much of each query's attention goes left, right, to itself and to special tokens.

    Args:
        weights: (..., query, key), rows sum to 1.
        special: (key,) True for special tokens. A special token's attention to itself counts as "self".
        query: only this row; the result then has one query.

    Returns:
        (..., query, 4) in the order of `SHARES`, each from 0 to 1, together the row's sum.
    """
    key = np.arange(weights.shape[-1])[None, :]
    row = key.T if query is None else np.array([[query]])
    own = row == key
    ordinary = ~special[None, :]
    kinds = (ordinary & (key < row), ordinary & (key > row), own, ~ordinary & ~own)
    exact = np.asarray(weights[..., row[:, 0], :], dtype=np.float64)
    return np.stack([(exact * kind).sum(axis=-1) for kind in kinds], axis=-1)


def attention_entropy(weights: Floats) -> Array:
    """Entropy of each query's attention over the keys in bits: 0 when it looks at one token only.

    Args:
        weights: (..., query, key).

    Returns:
        (..., query) from 0 to log2 of the number of keys.
    """
    with np.errstate(divide="ignore"):
        return entropy(np.log2(np.asarray(weights, dtype=np.float64)))
