"""Masking: exact counts, shares over many seeds, whole words, spans, and what a masking says of itself."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chisquare

from mlm_viz import masking as masking_module
from mlm_viz.errors import TextError, WordError
from mlm_viz.masking import ACTIONS, POLICIES, Masking, mask_positions, mask_random
from mlm_viz.tokens import Sentence, Vocabulary

PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(95)))
VOCABULARY = Vocabulary(PIECES, PIECES, mask_id=4, unknown_id=1, special_ids=frozenset(range(5)))


def sentence_of(sizes: list[int], blanks: frozenset[int] = frozenset()) -> Sentence:
    """Words of these numbers of pieces between [CLS] and [SEP]; the words numbered in `blanks` are typed blanks."""
    words = [-1, *(number for number, size in enumerate(sizes) for _ in range(size)), -1]
    blank = np.array([word in blanks for word in words])
    ids = np.where(blank, 4, 5 + np.arange(len(words)) % 90)
    ids[[0, -1]] = 2, 3
    pieces = tuple(PIECES[i] for i in ids)
    flags = np.array(words) < 0
    return Sentence("", ids, pieces, pieces, np.array(words), flags, blank, np.zeros(len(words), dtype=np.bool_))


SENTENCES = st.lists(st.integers(1, 4), min_size=1, max_size=30).map(sentence_of)
RATES = st.floats(0.01, 1)
SEEDS = st.integers(0, 2**32 - 1)


@given(SENTENCES, RATES, SEEDS, st.sampled_from(POLICIES))
def test_the_same_seed_gives_the_same_masking(sentence: Sentence, rate: float, seed: int, policy: str) -> None:
    once, again = (mask_random(sentence, VOCABULARY, policy=policy, rate=rate, seed=seed) for _ in range(2))
    assert once == again


def test_different_seeds_give_different_maskings() -> None:
    sentence = sentence_of([1] * 60)
    assert len({mask_random(sentence, VOCABULARY, seed=seed).positions for seed in range(50)}) > 45


@given(SENTENCES, RATES, SEEDS, st.sampled_from(POLICIES))
def test_what_is_chosen_is_consistent(sentence: Sentence, rate: float, seed: int, policy: str) -> None:
    masking = mask_random(sentence, VOCABULARY, policy=policy, rate=rate, seed=seed)
    assert 1 <= len(masking)
    assert list(masking.positions) == sorted(set(masking.positions))
    assert set(masking.positions) <= set(sentence.maskable)
    changed = masking.apply(sentence.ids)
    untouched = [p for p in range(len(sentence)) if p not in masking.positions]
    assert (changed[untouched] == sentence.ids[untouched]).all()
    for position, action in masking.action_at().items():
        if action == "masked":
            assert changed[position] == VOCABULARY.mask_id
        elif action == "replaced":
            assert changed[position] not in VOCABULARY.special_ids
        else:
            assert changed[position] == sentence.ids[position]


@given(SENTENCES, RATES, SEEDS)
def test_counts_are_exact(sentence: Sentence, rate: float, seed: int) -> None:
    masking = mask_random(sentence, VOCABULARY, rate=rate, seed=seed)
    assert len(masking) == max(1, round(rate * len(sentence.maskable)))


@given(SENTENCES, RATES, SEEDS, st.sampled_from(["words", "spans"]))
def test_whole_words_are_never_split_and_the_budget_holds(
    sentence: Sentence, rate: float, seed: int, policy: str
) -> None:
    masking = mask_random(sentence, VOCABULARY, policy=policy, rate=rate, seed=seed)
    chosen = set(masking.positions)
    groups = [group for group in sentence.word_groups() if chosen & set(group)]
    assert chosen == {p for group in groups for p in group}
    budget = max(1, round(rate * len(sentence.maskable)))
    assert len(chosen) <= budget or len(groups) == 1


def runs(masking: Masking) -> list[int]:
    """Lengths of the runs of neighbouring positions."""
    lengths = [1]
    for before, after in pairwise(masking.positions):
        lengths = [*lengths[:-1], lengths[-1] + 1] if after == before + 1 else [*lengths, 1]
    return lengths


def test_spans_are_runs_and_words_are_not() -> None:
    """12 of 120 one-piece words: far apart when drawn one by one, in a few runs as spans."""
    sentence = sentence_of([1] * 120)
    counts = {}
    for policy in ("words", "spans"):
        drawn = [mask_random(sentence, VOCABULARY, policy=policy, rate=0.1, seed=seed) for seed in range(200)]
        assert {len(masking) for masking in drawn} == {12}
        counts[policy] = np.mean([len(runs(masking)) for masking in drawn])
    assert counts["words"] > 10
    assert counts["spans"] < 6


@given(st.lists(st.integers(1, 4), min_size=3, max_size=30), SEEDS)
def test_a_span_has_no_holes(sizes: list[int], seed: int) -> None:
    """One span of ten words, more than the budget allows: where a long word does not fit, it ends."""
    sentence = sentence_of(sizes)
    groups = sentence.word_groups()

    class OneSpan:
        def permutation(self, count: int) -> np.ndarray:
            return np.array([seed % count])

        def choice(self, lengths: int, p: np.ndarray) -> int:
            np.testing.assert_allclose(p[1:] / p[:-1], 0.8)  # SpanBERT's: geometric, cut off and made to add up to 1
            assert p @ (1 + np.arange(lengths)) == pytest.approx(3.8, abs=0.05)
            return lengths - 1

    chosen = masking_module._choose(sentence, "spans", 0.4, OneSpan())
    words = [number for number, group in enumerate(groups) if set(group) <= set(chosen)]
    assert words == list(range(words[0], words[-1] + 1))
    assert words[0] == seed % len(groups)


def test_shares_of_actions_over_many_seeds() -> None:
    sentence = sentence_of([1] * 100)
    counts = Counter(a for seed in range(400) for a in mask_random(sentence, VOCABULARY, seed=seed).actions)
    total = sum(counts.values())
    assert total == 400 * 15
    for action, share in zip(ACTIONS, (0.8, 0.1, 0.1), strict=True):
        assert binomtest(counts[action], total, share).pvalue > 1e-3, (action, counts[action] / total)


def test_replacements_are_drawn_uniformly_from_ordinary_tokens() -> None:
    sentence = sentence_of([1] * 100)
    drawn = Counter()
    for seed in range(60):
        drawn.update(mask_random(sentence, VOCABULARY, rate=1, split=(0, 1, 0), seed=seed).ids)
    assert set(drawn) == set(range(5, 100))
    assert chisquare(list(drawn.values())).pvalue > 1e-3


def test_every_position_is_as_likely() -> None:
    sentence = sentence_of([1] * 20)
    drawn = Counter(p for seed in range(2000) for p in mask_random(sentence, VOCABULARY, seed=seed).positions)
    assert set(drawn) == set(sentence.maskable)
    assert chisquare(list(drawn.values())).pvalue > 1e-3


def test_other_splits() -> None:
    sentence = sentence_of([1] * 30)
    for number, action in enumerate(ACTIONS):
        split = tuple(float(index == number) for index in range(3))
        assert set(mask_random(sentence, VOCABULARY, rate=1, split=split).actions) == {action}


def test_typed_blanks_stay_masked() -> None:
    sentence = sentence_of([1, 1, 1, 1], blanks=frozenset({1}))
    masking = mask_random(sentence, VOCABULARY, rate=0.3, split=(0, 0, 1))
    assert masking.action_at()[2] == "masked"
    assert len(masking) == 2
    only_blanks = sentence_of([1, 1], blanks=frozenset({0, 1}))
    assert mask_random(only_blanks, VOCABULARY).positions == (1, 2)
    assert mask_positions(only_blanks, VOCABULARY).positions == (1, 2)


def test_apply_leaves_the_original_alone() -> None:
    sentence = sentence_of([1] * 5)
    before = sentence.ids.copy()
    changed = Masking((1, 3), ("masked", "replaced"), (4, 50)).apply(sentence.ids)
    assert changed[[1, 3]].tolist() == [4, 50]
    assert (sentence.ids == before).all()
    assert (Masking().apply(before) == before).all()


def test_to_frame_says_what_was_done() -> None:
    sentence = sentence_of([1] * 4)
    table = Masking((1, 2, 4), ("masked", "replaced", "kept"), (4, 50, int(sentence.ids[4]))).to_frame(
        sentence, VOCABULARY
    )
    assert table["action"].tolist() == ["", "masked", "replaced", "", "kept", ""]
    assert table["chosen"].tolist() == [False, True, True, False, True, False]
    assert table["model reads"].tolist()[1:3] == ["[MASK]", "w45"]


def test_moved_and_joined() -> None:
    first = Masking((1, 3), ("masked", "kept"), (4, 9))
    assert first.moved({3: 0}) == Masking((0,), ("kept",), (9,))
    assert first.joined(Masking((2, 3), ("masked", "masked"), (4, 4))) == Masking(
        (1, 2, 3), ("masked", "masked", "masked"), (4, 4, 4)
    )


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"rate": 0}, "0"),
        ({"rate": 1.5}, "1.5"),
        ({"rate": float("nan")}, "nan"),
        ({"split": (0.8, 0.1, 0.2)}, "0.2"),
        ({"split": (1.2, -0.1, -0.1)}, "-0.1"),
        ({"split": (0.5, 0.5)}, "three"),
        ({"split": (float("nan"), 0.5, 0.5)}, "nan"),
        ({"policy": "letters"}, "tokens, words, spans"),
    ],
)
def test_settings_out_of_range(settings: dict, says: str) -> None:
    with pytest.raises(TextError, match=says):
        mask_random(sentence_of([1] * 5), VOCABULARY, **settings)


@pytest.mark.parametrize("position", [-1, 0, 6, 99])
def test_positions_that_cannot_be_masked(position: int) -> None:
    with pytest.raises(TextError, match=str(position)):
        mask_positions(sentence_of([1] * 5), VOCABULARY, [position])


def test_words_that_do_not_stand_there_and_no_mask_token() -> None:
    sentence = sentence_of([1] * 5)
    with pytest.raises(WordError, match="elephant"):
        mask_positions(sentence, VOCABULARY, ["elephant"])
    blind = Vocabulary(PIECES, PIECES, mask_id=None, unknown_id=1, special_ids=frozenset(range(5)))
    with pytest.raises(TextError, match="no mask token"):
        mask_positions(sentence, blind, [1])
    with pytest.raises(TextError, match="no mask token"):
        mask_random(sentence, blind)
    assert len(mask_positions(sentence, blind)) == 0
    with pytest.raises(TextError, match="no text"):
        mask_random(sentence_of([]), VOCABULARY)
