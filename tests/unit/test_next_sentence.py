"""Next sentence prediction: honest pairs, a head that learns what there is to learn, and how sure its numbers are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

import mlm_viz
from mlm_viz.errors import MlmVizError, ModelError, TextError
from mlm_viz.examples import passages
from mlm_viz.figures.next_sentence import next_sentence_curve, next_sentence_tests, next_sentence_text
from mlm_viz.model import Model
from mlm_viz.next_sentence import CHANCE, WRONG, HeadLearning, NextSentence, Pair, PairFeatures, PairTest
from mlm_viz.tokens import is_cjk
from mlm_viz.training.errors import TrainingError
from mlm_viz.training.next_sentence import train_next_sentence
from mlm_viz.training.pair_features import read_pairs
from mlm_viz.training.sentence_pairs import sentence_pairs

ModelOf = Callable[[str], Model]
WORDS = ["the cat", "a dog", "big park", "paris weather", "we went", "very good"]
# Six passages of four sentences that the tiny models can spell, and six in Chinese.
SMALL = [[f"{start} {end}" for end in ("today.", "runs in paris.", "is happy!", "not red.")] for start in WORDS]
SMALL_ZH = [[f"{start}{end}" for end in ("今天", "去公园", "很好", "要买书")] for start in "我天书气学早"]
MANY = [[f"{n} {i}." for i in range(7)] for n in range(80)]


@pytest.fixture(scope="module")
def pairs() -> tuple[Pair, ...]:
    return sentence_pairs([*passages("en"), *passages("zh")], seed=3)


def of(pairs: tuple[Pair, ...], kind: str, held_out: bool | None = None) -> list[Pair]:
    return [pair for pair in pairs if pair.kind == kind and held_out in {None, pair.held_out}]


# --- the bundled passages -------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "form"), [("en", r"[“\"A-Z].*[.!?]\"?"), ("zh", r"[\u4e00-\u9fff].*[。？！]")])
def test_bundled_passages_are_whole(language: str, form: str) -> None:
    read = passages(language)
    sentences = [sentence for passage in read for sentence in passage]
    assert len(read) >= 70
    assert all(6 <= len(passage) <= 8 for passage in read)
    assert len({sentence.casefold() for sentence in sentences}) == len(sentences), "no sentence twice"
    assert [sentence for sentence in sentences if not re.fullmatch(form, sentence)] == []
    with pytest.raises(TextError, match="en, zh"):
        passages("de")


# --- pairs ----------------------------------------------------------------------------------------


def test_real_neighbours_are_neighbours_and_all_of_them(pairs: tuple[Pair, ...]) -> None:
    expected = {neighbours for passage in [*passages("en"), *passages("zh")] for neighbours in pairwise(passage)}
    assert {(pair.first, pair.second) for pair in of(pairs, "next")} == expected
    assert len(of(pairs, "next")) == len(expected)


@pytest.mark.parametrize("held_out", [False, True])
def test_pairs_are_balanced_so_that_neither_sentence_tells(pairs: tuple[Pair, ...], held_out: bool) -> None:
    real, other = (of(pairs, kind, held_out) for kind in ("next", "other"))
    assert len(real) == len(other) == len(of(pairs, "near", held_out)) == len(of(pairs, "swapped", held_out)) > 100
    assert Counter(pair.first for pair in real) == Counter(pair.first for pair in other)
    assert Counter(pair.second for pair in real) == Counter(pair.second for pair in other)


def test_wrong_pairs_are_wrong_in_their_way(pairs: tuple[Pair, ...]) -> None:
    read = [*passages("en"), *passages("zh")]
    real = {(pair.first, pair.second) for pair in of(pairs, "next")}
    assert {(pair.second, pair.first) for pair in of(pairs, "swapped")} == real
    for pair in of(pairs, "other"):
        assert pair.passages[0] != pair.passages[1]
        assert pair.first in read[pair.passages[0]]
        assert pair.second in read[pair.passages[1]]
        assert is_cjk(pair.first) == is_cjk(pair.second), "the script would tell"
    for pair in of(pairs, "near"):
        assert pair.passages[0] == pair.passages[1]
        assert pair.first != pair.second
        assert (pair.first, pair.second) not in real


def test_the_wrong_pair_stands_where_the_real_one_does(pairs: tuple[Pair, ...]) -> None:
    features = PairFeatures("none", pairs, None, np.zeros((len(pairs), 1, 2, 1), np.float32))
    for wrong in WRONG:
        chosen = features.chosen(wrong, held_out=True)
        for real, other in zip(*np.split(chosen, 2), strict=True):
            assert pairs[real].kind == "next"
            assert pairs[other].kind == wrong
            assert pairs[real].first == (pairs[other].second if wrong == "swapped" else pairs[other].first)


def test_no_sentence_is_on_both_sides(pairs: tuple[Pair, ...]) -> None:
    sides = [
        {text for pair in pairs if pair.held_out == held for text in (pair.first, pair.second)}
        for held in (False, True)
    ]
    assert not sides[0] & sides[1]
    held = {number for pair in pairs if pair.held_out for number in pair.passages}
    assert len(held) == pytest.approx(0.25 * len([*passages("en"), *passages("zh")]), abs=2)
    assert {is_cjk(pair.first) for pair in pairs if pair.held_out} == {False, True}


def test_the_same_seed_makes_the_same_pairs() -> None:
    assert sentence_pairs(SMALL, seed=1) == sentence_pairs(SMALL, seed=1)
    assert sentence_pairs(SMALL, seed=1) != sentence_pairs(SMALL, seed=2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "0 passages"),
        (SMALL[:1], "1 passages"),
        ([*SMALL, *SMALL_ZH[:3]], "3 passages"),
        ([*SMALL, ["alone."]], "number 6 .* has 1 sentences"),
        ([*SMALL[:2], [], *SMALL[2:]], "number 2 .* has 0 sentences"),
        ([*SMALL, ["one.", " ", "two."]], "number 6 .* empty"),
        ([*SMALL, ["one.", "two.", SMALL[1][0]]], "number 1 and again in number 6"),
        ([*SMALL[:3], [f"{word}." for word in "abcdefghijklmnopqrstuvwxyz"]], "number 3"),
    ],
)
def test_passages_that_cannot_be_used(given: list[list[str]], said: str) -> None:
    with pytest.raises(TextError, match=said):
        sentence_pairs(given)


# --- what the model sees --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bert", "roberta", "albert", "deberta-v2"])
def test_features_are_those_of_a_plain_pass(name: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    features = read_pairs(SMALL, model, progress=False)
    assert features.cls is not None
    for number in range(0, len(features.pairs), 17):
        pair = features.pairs[number]
        encoding = model.tokenizer(pair.first, pair.second, return_tensors="pt", return_token_type_ids=False)
        with torch.inference_mode():
            hidden = model.network(**encoding, output_hidden_states=True).hidden_states
        np.testing.assert_allclose(features.cls[number], hidden[-1][0, 0], atol=1e-5)
        for layer, states in enumerate(hidden):
            for half in (0, 1):
                places = [p for p, which in enumerate(encoding.sequence_ids(0)) if which == half]
                mean = states[0, places].mean(dim=0)
                np.testing.assert_allclose(features.halves[number, layer, half], mean, atol=1e-5)


def test_the_model_is_frozen(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    before = {name: weight.clone() for name, weight in model.network.state_dict().items()}
    calls = model.calls
    features = read_pairs(SMALL, model, progress=False)
    assert model.calls - calls < len(features.pairs) / 4, "equally long pairs share a pass"
    calls = model.calls
    train_next_sentence(features, epochs=3, progress=False)
    assert model.calls == calls, "training a head needs no pass"
    for name, weight in model.network.state_dict().items():
        assert torch.equal(weight, before[name])
        assert weight.grad is None


def test_a_pair_too_long_is_refused(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    with pytest.raises(TextError, match=f"at most {model.limit}"):
        read_pairs([*SMALL, ["the " * 30, "cat " * 20, "a dog."]], model, progress=False)


def test_models_that_cannot_be_used(tiny_model: ModelOf) -> None:
    with pytest.raises(ModelError, match="apart"):
        read_pairs(SMALL, tiny_model("esm"), progress=False)
    features = read_pairs(SMALL, tiny_model("modernbert"), progress=False)  # its tokenizer joins pairs without a mark
    assert features.cls is None
    with pytest.raises(ModelError, match="pool='mean'"):
        train_next_sentence(features, pool="cls", progress=False)


# --- training a head ------------------------------------------------------------------------------


def test_a_head_is_trained_and_asked(tiny_model: ModelOf) -> None:
    seen: list[HeadLearning] = []
    state = torch.random.get_rng_state()
    result = mlm_viz.train_next_sentence(
        [*SMALL, *SMALL_ZH], tiny_model("bert"), epochs=4, progress=False, watch=seen.append
    )
    assert torch.equal(torch.random.get_rng_state(), state), "whoever calls keeps their random numbers"
    assert [len(learning.bits) for learning in seen] == [1, 2, 3, 4, 5]
    assert result.trained_on == 2 * 3 * 8
    assert [test.wrong for test in result.tests] == list(WRONG)
    # Before training the head says one half to everything, which costs a bit.
    first = result.learning.to_frame().iloc[0]
    assert first.tolist() == pytest.approx([0, 1.0, 0.5, 1.0, 0.5])
    held = result.test("other")
    assert result.learning.held_accuracy[-1] == pytest.approx(held.accuracy.value, abs=1e-6)
    right = [
        p > CHANCE if pair.kind == "next" else p <= CHANCE
        for pair, p in zip(held.pairs, held.probabilities, strict=True)
    ]
    assert held.accuracy.value == pytest.approx(np.mean(right))
    assert held.to_frame()["right"].mean() == pytest.approx(held.accuracy.value)
    for pair, probability in zip(held.pairs, held.probabilities, strict=True):
        assert result.probability(pair.first, pair.second) == pytest.approx(probability, abs=1e-5)
    assert result.to_frame()["wrong"].tolist() == list(WRONG)


@pytest.mark.parametrize("pool", ["cls", "mean"])
def test_the_same_seed_trains_the_same_head(pool: str, tiny_model: ModelOf) -> None:
    features = read_pairs(SMALL, tiny_model("bert"), progress=False)
    one, two, three = (
        train_next_sentence(features, pool=pool, epochs=3, seed=seed, progress=False) for seed in (5, 5, 6)
    )
    for test_one, test_two in zip(one.tests, two.tests, strict=True):
        np.testing.assert_array_equal(test_one.probabilities, test_two.probabilities)
    assert not np.array_equal(one.tests[0].probabilities, three.tests[0].probabilities)


def planted(pool: str, strength: float, seed: int = 0, width: int = 16) -> PairFeatures:
    """Noise, in which it is written whether a pair is real: as a number at [CLS], or in how alike the halves are."""
    rng = np.random.default_rng(seed)
    found = sentence_pairs(MANY, seed=seed)
    real = np.array([pair.kind == "next" for pair in found])
    cls = rng.normal(size=(len(found), width))
    halves = rng.normal(size=(len(found), 2, 2, width))
    if pool == "cls":
        cls[:, 3] += strength * (2 * real - 1)
    else:
        halves[real, 1, 1] += strength * halves[real, 1, 0]
    return PairFeatures("noise", found, cls.astype(np.float32), halves.astype(np.float32))


@pytest.mark.parametrize("pool", ["cls", "mean"])
def test_what_is_written_in_the_features_is_learned(pool: str) -> None:
    result = train_next_sentence(planted(pool, 3.0), pool=pool, progress=False)
    assert result.accuracy.value > 0.95
    assert result.learning.held_bits[-1] < 0.9 < result.learning.held_bits[0]
    assert result.accuracy.low <= result.accuracy.value <= result.accuracy.high


@pytest.mark.parametrize("pool", ["cls", "mean"])
def test_from_noise_nothing_is_learned(pool: str) -> None:
    found = [
        train_next_sentence(planted(pool, 0.0, seed), pool=pool, epochs=5, progress=False).accuracy
        for seed in range(10)
    ]
    assert np.mean([estimate.value for estimate in found]) == pytest.approx(CHANCE, abs=0.03)
    assert sum(estimate.low <= CHANCE <= estimate.high for estimate in found) >= 8


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"pool": "max"}, "cls, mean"),
        ({"wrong": "next"}, "other, near, swapped"),
        ({"epochs": 0}, "from 1"),
    ],
)
def test_settings_out_of_range(settings: dict[str, object], said: str, tiny_model: ModelOf) -> None:
    with pytest.raises(TrainingError, match=said):
        train_next_sentence(SMALL, tiny_model("bert"), progress=False, **settings)


def test_a_share_that_is_none() -> None:
    for share in (0.0, 1.0):
        with pytest.raises(TrainingError, match="held_out"):
            sentence_pairs(SMALL, held_out=share)


def test_questions_that_cannot_be_answered(tiny_model: ModelOf) -> None:
    result = train_next_sentence(SMALL, tiny_model("bert"), epochs=1, progress=False)
    for first, second in (("", "a dog"), ("a dog", " "), ("the " * 30, "cat " * 20)):
        with pytest.raises(TextError):
            result.probability(first, second)
    with pytest.raises(MlmVizError, match="no model"):
        replace(result, _scorer=None).probability("a dog", "the cat")


# --- how sure -------------------------------------------------------------------------------------


def made(right: np.ndarray) -> PairTest:
    """A test of (passages, pairs in each) in which the pairs are judged as said."""
    size = right.shape[1]
    found = [
        Pair("a", "b", kind, (number, number), held_out=True)
        for kind in ("next", "other")
        for number in range(len(right))
        for _ in range(size)
    ]
    judged = right.ravel()
    probabilities = np.where(np.concatenate([judged, ~judged]), 0.9, 0.1)
    return PairTest.of("other", found, probabilities)


def test_the_interval_counts_passages_not_pairs() -> None:
    rng = np.random.default_rng(0)
    whole = np.repeat(np.arange(40)[:, None] % 4 > 0, 6, axis=1)  # three of four passages are right, in all their pairs
    estimate = made(whole).accuracy
    reach = 1.96 * np.sqrt(0.75 * 0.25 / 40)  # of 40 throws, not of 480
    assert estimate.value == 0.75
    assert (estimate.low, estimate.high) == pytest.approx((0.75 - reach, 0.75 + reach), abs=0.02)
    mixed = made(rng.random((40, 6)) < 0.75).accuracy
    assert mixed.high - mixed.low < 0.6 * (estimate.high - estimate.low)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """A judge that knows nothing, of sentences that are each more or less likely to be called next ones."""
    held, trials = 0, 40
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        found = [pair for pair in sentence_pairs(MANY, seed=seed) if pair.held_out and pair.kind in {"next", "other"}]
        firsts = {pair.first: rng.normal() for pair in found}
        seconds = {pair.second: rng.normal() for pair in found}
        odds = np.array([firsts[pair.first] + seconds[pair.second] + rng.normal() for pair in found])
        test = PairTest.of("other", found, 1 / (1 + np.exp(-odds)))
        held += test.accuracy.low <= CHANCE <= test.accuracy.high
    assert held / trials >= 0.9


# --- figures --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def results() -> list[NextSentence]:
    return [train_next_sentence(planted(pool, 1.0), pool=pool, epochs=4, progress=False) for pool in ("cls", "mean")]


def test_the_curve_shows_both_sides_and_chance(results: list[NextSentence]) -> None:
    learning = results[0].learning
    for of_what, chance, columns in (
        ("accuracy", 0.5, (learning.accuracy, learning.held_accuracy)),
        ("bits", 1.0, (learning.bits, learning.held_bits)),
    ):
        figure = next_sentence_curve(learning, of=of_what, until=20)
        for trace, values in zip(figure.data, columns, strict=True):
            assert list(trace.x) == [0, 1, 2, 3, 4]
            assert list(trace.y) == pytest.approx(values)
        assert figure.data[0].line.dash != figure.data[1].line.dash, "told apart without colour"
        (rule,) = figure.layout.shapes
        assert rule.y0 == rule.y1 == chance
        assert figure.layout.xaxis.range == (0, 20)
    with pytest.raises(ValueError, match="bits"):
        next_sentence_curve(learning, of="loss")  # type: ignore[arg-type]


@pytest.mark.parametrize("dark", [False, True])
def test_the_tests_stand_side_by_side_with_whiskers(results: list[NextSentence], dark: bool) -> None:
    figure = next_sentence_tests(results, dark=dark)
    bars = [trace for trace in figure.data if trace.type == "bar"]
    for bar, result in zip(bars, results, strict=True):
        assert list(bar.x) == [test.accuracy.value for test in result.tests]
        ends = np.array(bar.x) + bar.error_x.array, np.array(bar.x) - bar.error_x.arrayminus
        np.testing.assert_allclose(ends, [[getattr(t.accuracy, end) for t in result.tests] for end in ("high", "low")])
    assert bars[0].marker.pattern.shape != bars[1].marker.pattern.shape
    (rule,) = figure.layout.shapes
    assert rule.x0 == rule.x1 == CHANCE
    assert len(next_sentence_text(results).splitlines()) == 6
    with pytest.raises(ValueError, match="0 results"):
        next_sentence_tests([])


def test_heads_trained_on_other_pairs_are_told_apart(results: list[NextSentence]) -> None:
    two = [results[0], replace(results[0], wrong="swapped")]
    names = [trace.name for trace in next_sentence_tests(two).data if trace.type == "bar"]
    assert len(set(names)) == 2
