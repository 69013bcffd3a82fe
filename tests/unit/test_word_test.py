"""Words of sentences asked of four models against a plain loop, and intervals on data with a known answer."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlm_viz
from mlm_viz.analysis import pass_times as timing
from mlm_viz.analysis import word_test as asking
from mlm_viz.analysis.compare import compare
from mlm_viz.analysis.pass_times import pass_times
from mlm_viz.analysis.word_test import asked_words, word_test
from mlm_viz.comparison import SIDES
from mlm_viz.errors import MlmVizError, TextError, WordError
from mlm_viz.examples import sentences
from mlm_viz.figures.word_test import word_test_dots, word_test_text
from mlm_viz.gaps import Gap
from mlm_viz.intervals import grouped_mean
from mlm_viz.readers import Reader, as_reader
from mlm_viz.word_tests import AskedWord, WordTest

TEXTS = {
    "en": ["the capital of france is paris, a good day.", "we went to the park, happyable!", "a big red cat runs"],
    "zh": ["今天天气很好，我们去公园。", "我们要去书店买书。"],
}
Twins = Mapping[str, Reader]


@pytest.fixture(scope="module")
def twins(tiny_dir: Callable[[str], Path]) -> Twins:
    return {kind: as_reader(tiny_dir(kind), kind) for kind in ("masked", "causal", "span")}


@pytest.fixture(scope="module")
def texts(twins: Twins) -> dict[str, list[str]]:
    """The texts, and such in which each model is right once: its best guess stands where it would put it."""
    found = {language: list(listed) for language, listed in TEXTS.items()}
    for frame in ("the dog ____ in the park today.", "we ____ to new york"):
        columns = compare(frame, models=twins).columns
        for column in columns:
            labels = [column.guess.vocabulary.labels[int(i)] for i in column.guess.best(60)]
            best = next(label for label in labels if label.isalpha() and label.isascii())
            found["en"].append(frame.replace("____", best))
    return found


@pytest.fixture(scope="module")
def test(twins: Twins, texts: dict[str, list[str]]) -> WordTest:
    return word_test(texts, twins, places=("first", "middle", "last"), progress=False)


# --- numbers ------------------------------------------------------------------------------------


def plain_words(text: str) -> list[tuple[int, int]]:
    return [found.span() for found in re.finditer(r"[a-z]+|[\u4e00-\u9fff]", text)]


def test_equals_a_plain_loop(test: WordTest, twins: Twins, texts: dict[str, list[str]]) -> None:
    number = 0
    for language, listed in texts.items():
        for text in listed:
            spans = plain_words(text)
            for index, (begin, end) in enumerate(spans):
                word = test.words[number]
                assert (word.language, word.gap.text, word.gap.word) == (language, text, text[begin:end])
                assert word.place == ("first" if not index else "last" if index == len(spans) - 1 else "middle")
                found = compare(f"{text[:begin]}____{text[end:]}", text[begin:end], models=twins, patterns=False)
                for row, side in enumerate(SIDES):
                    scored = found[side].word
                    assert scored is not None
                    assert test.log2_probs[row, number] == pytest.approx(scored.log2_prob, abs=1e-4)
                    assert test.pieces[row, number] == len(scored.pieces)
                    if len(scored.pieces) == 1:
                        best = int(found[side].guess.best(1)[0])
                        assert test.hits[row, number] == (found[side].guess.vocabulary.labels[best] == scored.pieces[0])
                number += 1
    assert number == len(test.words)
    assert test.pieces.max() > 1
    assert 0 < test.hits.mean() < 1
    assert test.sides == SIDES
    assert test.models == ("masked", "masked", "causal", "span")


def test_a_table_has_the_means_of_its_words(test: WordTest) -> None:
    words = test.words_to_frame()
    means = words.groupby(["language", "place", "side"])[["hit", "bits", "pieces"]].mean()
    table = test.to_frame().set_index(["language", "place", "side"])
    assert list(table.columns) == [
        "model", "words", "sentences", "pieces", "accuracy", "accuracy_low", "accuracy_high", "bits", "bits_low", "bits_high",
    ]  # fmt: skip
    assert len(table) == 2 * 3 * 4
    for column, name in (("accuracy", "hit"), ("bits", "bits"), ("pieces", "pieces")):
        pd.testing.assert_series_equal(
            table[column], means[name].loc[table.index], check_names=False, check_dtype=False
        )
    for name in ("accuracy", "bits"):
        assert ((table[f"{name}_low"] <= table[name]) & (table[name] <= table[f"{name}_high"])).all()
    assert table["sentences"].xs("en").unique().tolist() == [
        len({w.sentence for w in test.words if w.language == "en"})
    ]
    assert test.words_to_frame()["text"].iloc[0] == "____ capital of france is paris, a good day."


def test_a_difference_is_that_of_the_same_words(test: WordTest) -> None:
    words = test.words_to_frame().pivot_table(
        index=["language", "place", "sentence", "text"], columns="side", values="bits"
    )
    expected = (words["masked"] - words["causal"]).groupby(["language", "place"]).mean()
    found = test.differences().set_index(["language", "place"])["bits"]
    pd.testing.assert_series_equal(found, expected.loc[found.index], check_names=False)
    back = test.differences("causal", "masked").set_index(["language", "place"])
    assert back["bits"].tolist() == pytest.approx((-found).tolist())
    assert test.estimate("bits", ("en", "last"), "masked", "masked").high == 0


def test_cells_for_people(test: WordTest) -> None:
    found = test.estimate("accuracy", ("en", "last"), "masked")
    table = test.table()
    assert table.loc["English, last word", "masked"] == f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})"
    assert table.loc["English, last word", "masked less left to right"][0] in "+-"
    bits = test.table("bits")
    assert bits.loc["Chinese, middle of the sentence", "words"] == len(test.at(("zh", "middle")))


def test_gaps_share_passes(twins: Twins, texts: dict[str, list[str]], test: WordTest, monkeypatch: Any) -> None:
    before = twins["causal"].calls
    again = word_test(texts, twins, places=("first", "middle", "last"), progress=False)
    assert twins["causal"].calls - before < len(test.words) / 4
    np.testing.assert_array_equal(again.log2_probs, test.log2_probs)
    assert again.to_frame().equals(test.to_frame())
    monkeypatch.setattr(asking, "_WORDS_A_PART", 3)
    parts = word_test(texts, twins, places=("first", "middle", "last"), progress=False)
    np.testing.assert_allclose(parts.log2_probs, test.log2_probs, atol=1e-4)


# --- which words --------------------------------------------------------------------------------


def test_places() -> None:
    listed = ["The cat isn't (very) big!", "你好，世界。", "Yes.", " ... ", "3 cats - 5 %"]
    found = [(word.sentence, word.gap.word, word.place) for word in asked_words({"a": listed[:2], "b": listed[2:]})]
    assert found == [
        (0, "The", "first"), (0, "cat", "middle"), (0, "isn't", "middle"), (0, "very", "middle"), (0, "big", "last"),
        (1, "你", "first"), (1, "好", "middle"), (1, "世", "middle"), (1, "界", "last"),
        (2, "Yes", "first"),
        (4, "3", "first"), (4, "cats", "middle"), (4, "5", "last"),
    ]  # fmt: skip
    for word in asked_words({"en": sentences("en"), "zh": sentences("zh")}):
        if word.place == "last":
            assert not any(map(str.isalnum, word.gap.right))


def test_only_the_places_that_were_asked_for(twins: Twins) -> None:
    found = word_test(TEXTS, twins, places=("last",), progress=False)
    assert found.panels == (("en", "last"), ("zh", "last"))
    assert [word.gap.word for word in found.words] == ["day", "happyable", "runs", "园", "书"]


def test_a_word_that_cannot_be_spelled_is_left_out_for_all(twins: Twins) -> None:
    listed = ["we went in 2024 to paris.", "the big dog runs 7", "the cat plays"]
    found = word_test(listed, twins, progress=False)
    assert [word.gap.word for word in found.left_out] == ["2024", "7"]
    assert {word.place for word in found.left_out} == {"middle", "last"}
    assert [word.gap.word for word in found.words] == [
        "went",
        "in",
        "to",
        "paris",
        "big",
        "dog",
        "runs",
        "cat",
        "plays",
    ]
    assert found.log2_probs.shape == (4, 9)
    assert found.panels == (("own", "middle"), ("own", "last"))


def test_one_vocabulary_is_enough_to_leave_a_word_out(twins: Twins, tiny_dir: Callable[[str], Path]) -> None:
    with_bytes = {**twins, "causal": as_reader(tiny_dir("gpt2"), "causal")}
    listed = ["we went in 2024 to paris", "the happyable dog runs"]
    found = word_test(listed, with_bytes, progress=False)
    assert [word.gap.word for word in found.left_out] == ["2024"]
    assert (found.pieces[2] != found.pieces[0]).any()


def test_a_sample_is_of_whole_sentences(twins: Twins) -> None:
    numbered = {"en": [f"the {word} runs in the park" for word in "dog cat big red good happy".split()]}
    found = [word_test(numbered, twins, sample=3, seed=seed, progress=False) for seed in (0, 0, 1)]
    drawn = [{word.gap.text for word in one.words} for one in found]
    assert len(drawn[0]) == 3
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(found[0].words) == 3 * 5
    assert found[0].to_frame().equals(found[1].to_frame())
    assert word_test(numbered, twins, sample=99, progress=False).to_frame()["sentences"].unique().tolist() == [6]


@pytest.mark.parametrize(
    ("given", "settings", "match"),
    [
        ([], {}, "no sentences"),
        ({}, {}, "no sentences"),
        ({"en": []}, {}, "no sentences"),
        ({"en": TEXTS["en"], "zh": []}, {}, "Chinese"),
        (["the cat runs today"], {}, "1 sentence"),
        (["...", "!?"], {}, "0 sentence"),
        (["the cat", "a dog"], {}, "middle"),
        (["the cat ran in 2024", "a dog ran in 2023"], {"places": ("last",)}, "last word"),
        ("the cat runs", {}, "list"),
        (["the [MASK] runs today", "the dog ____ in"], {}, "blank"),
        (TEXTS, {"places": ()}, "first, middle, last"),
        (TEXTS, {"places": ("end",)}, "end"),
        (TEXTS, {"sample": 1}, "sample"),
        (["the cat runs in " + "the park " * 40] * 2, {}, "at most"),
        ([None, 3], {}, "string"),
    ],
)
def test_what_cannot_be_asked_is_said(twins: Twins, given: Any, settings: dict[str, Any], match: str) -> None:
    with pytest.raises(TextError, match=match) as caught:
        word_test(given, twins, progress=False, **settings)
    assert "\n" not in str(caught.value)


def test_a_model_of_another_kind_is_refused(twins: Twins) -> None:
    with pytest.raises(MlmVizError, match="left-to-right"):
        word_test(TEXTS, {**twins, "masked": twins["causal"]})


# --- intervals ----------------------------------------------------------------------------------


def clustered(rng: np.random.Generator, groups: int, mean: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """Hits in groups of 1 to 9, easy groups and hard ones: most of a group are alike."""
    sizes = rng.integers(1, 10, size=groups)
    which = np.repeat(np.arange(groups), sizes)
    return (rng.random(len(which)) < rng.beta(mean, 1 - mean, size=groups)[which]).astype(float), which


def test_width_is_that_of_the_formula() -> None:
    hits, which = clustered(np.random.default_rng(5), 400)
    found = grouped_mean(hits, which, resamples=8000)
    mean, groups = hits.mean(), 400
    # The ratio of two sums, to first order: Cochran, "Sampling Techniques" (1977), section 2.11.
    residuals = np.bincount(which, hits) - mean * np.bincount(which)
    error = np.sqrt(groups / (groups - 1) * (residuals**2).sum()) / len(hits)
    assert found.value == pytest.approx(mean)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.05)
    as_if_independent = np.sqrt(mean * (1 - mean) / len(hits))
    assert error > 1.5 * as_if_independent


def test_the_same_as_drawing_by_hand() -> None:
    rng = np.random.default_rng(2)
    hits, which = clustered(rng, 40)
    parts = [hits[which == group] for group in range(40)]
    means = [np.concatenate([parts[i] for i in rng.integers(40, size=40)]).mean() for _ in range(4000)]
    found = grouped_mean(hits, which, resamples=4000, seed=1)
    assert (found.low, found.high) == pytest.approx(np.quantile(means, (0.025, 0.975)), abs=0.012)


@pytest.mark.parametrize(("mean", "groups"), [(0.4, 100), (0.1, 200)])
def test_about_95_of_100_intervals_hold_the_truth(mean: float, groups: int) -> None:
    rng = np.random.default_rng(11)
    runs, kept, alone = 250, 0, 0
    for run in range(runs):
        hits, which = clustered(rng, groups, mean)
        found = grouped_mean(hits, which, resamples=300, seed=run)
        kept += found.low <= mean <= found.high
        reach = 1.96 * np.sqrt(hits.mean() * (1 - hits.mean()) / len(hits))
        alone += abs(hits.mean() - mean) <= reach
    assert 0.92 < kept / runs < 0.98
    assert alone / runs < 0.85  # words taken one by one feign too much evidence


def test_sentences_alike_leave_no_doubt() -> None:
    found = grouped_mean(np.tile([1.0, 0.0, 1.0], 30), np.repeat(np.arange(30), 3))
    assert (found.value, found.low, found.high) == pytest.approx((2 / 3, 2 / 3, 2 / 3))


def test_numbers_of_groups_are_only_names() -> None:
    hits, which = clustered(np.random.default_rng(0), 30)
    assert grouped_mean(hits, which) == grouped_mean(hits, 7 * which - 100)


def test_a_seed_decides() -> None:
    hits, which = clustered(np.random.default_rng(0), 30)
    assert grouped_mean(hits, which, seed=3) == grouped_mean(hits, which, seed=3)
    assert grouped_mean(hits, which, seed=3) != grouped_mean(hits, which, seed=4)


@pytest.mark.parametrize("which", [[], [0, 0, 0]])
def test_one_group_says_nothing(which: list[int]) -> None:
    with pytest.raises(ValueError, match="two or more"):
        grouped_mean(np.ones(len(which)), np.array(which, dtype=np.int64))


def made(better: float, count: int = 120, language: str = "en") -> WordTest:
    """Four models, each sentence easy or hard for all of them; the masked one is better by so many bits a word."""
    rng = np.random.default_rng(1)
    words = tuple(AskedWord(Gap("a ", " b", "x"), language, "middle", n // 6) for n in range(count))
    causal = np.repeat(rng.normal(8, 3, size=count // 6), 6) + rng.normal(0, 0.1, size=count)
    bits = np.stack([causal - better - rng.normal(0, 0.1, size=count), causal, causal, causal + 1])
    hits = bits < np.array([[8.5], [8], [8], [7]])
    return WordTest(SIDES, ("m", "m", "c", "s"), words, (), -bits, hits, np.ones((4, count), dtype=np.int64))


def test_another_test_draws_anew(test: WordTest) -> None:
    panel = test.panels[0]
    found = test.estimate("bits", panel, "masked")
    other = dataclasses.replace(test, log2_probs=test.log2_probs - 1)
    assert other.estimate("bits", panel, "masked").value == pytest.approx(found.value + 1)


def test_a_difference_is_seen_where_intervals_overlap() -> None:
    test = made(0.5)
    masked, causal = (test.estimate("bits", ("en", "middle"), side) for side in ("masked", "causal"))
    assert masked.high > causal.low
    difference = test.estimate("bits", ("en", "middle"), "masked", "causal")
    assert -0.6 < difference.low < -0.5 < difference.high < -0.4
    assert difference.high - difference.low < (masked.high - masked.low) / 10


# --- the figure ---------------------------------------------------------------------------------


@pytest.mark.parametrize("of", ["accuracy", "bits"])
def test_every_model_has_a_dot_and_its_interval(test: WordTest, of: Any) -> None:
    figure = word_test_dots(test, of)
    assert len(figure.data) == len(test.panels) * (len(SIDES) + 1)
    for number, panel in enumerate(test.panels):
        *dots, numbers = figure.data[number * 5 : number * 5 + 5]
        assert {trace.xaxis for trace in (*dots, numbers)} == {"x" if not number else f"x{number + 1}"}
        for place, (dot, side) in enumerate(zip(dots, SIDES, strict=True)):
            found = test.estimate(of, panel, side)
            assert (dot.x[0], dot.y[0]) == (found.value, place)
            assert dot.x[0] + dot.error_x.array[0] == pytest.approx(found.high)
            assert dot.x[0] - dot.error_x.arrayminus[0] == pytest.approx(found.low)
        assert len({(dot.marker.color, dot.marker.symbol) for dot in dots}) == len(SIDES)
        axis = figure.layout["xaxis" if not number else f"xaxis{number + 1}"]
        assert axis.range[0] == 0
        assert axis.range[1] > max(numbers.x)
        heading = figure.layout.annotations[number + 1].text
        assert f"{len(test.at(panel))} words" in heading
        assert "masked less left to right" in heading
    ends = {figure.layout[name].range for name in figure.layout if re.fullmatch(r"xaxis\d*", name)}
    assert len(ends) == 1


def test_panels_do_not_overlap(test: WordTest) -> None:
    figure = word_test_dots(test)
    names = ["", *(str(number + 1) for number in range(1, len(test.panels)))]
    boxes = [(figure.layout[f"xaxis{name}"].domain, figure.layout[f"yaxis{name}"].domain) for name in names]
    for one in range(len(boxes)):
        for other in range(one):
            apart = [a[1] <= b[0] or b[1] <= a[0] for a, b in zip(boxes[one], boxes[other], strict=True)]
            assert any(apart)
    assert all(0 <= end <= 1 for box in boxes for span in box for end in span)


def test_the_same_as_text(test: WordTest) -> None:
    lines = word_test_text(test, "bits").splitlines()
    found = test.estimate("bits", ("zh", "last"), "span")
    assert f"  span: {found.value:.2f} bits per word ({found.low:.2f} to {found.high:.2f})" in lines
    assert sum(line.startswith("  masked less") for line in lines) == len(test.panels)


def test_names_are_no_markup() -> None:
    language = "<img src=x onerror=alert(1)>"
    figure = word_test_dots(made(0.5, language=language))
    assert "<img" not in figure.to_json().replace("\\u003c", "<")


def test_the_figure_refuses_what_it_does_not_know(test: WordTest) -> None:
    with pytest.raises(ValueError, match="accuracy, bits"):
        word_test_dots(test, "rank")


# --- times --------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPU time as told: a second for a task, but a hundred when it is done for the first time."""
    told = iter(range(10**6))
    now = 0.0

    def process_time() -> float:
        nonlocal now
        reading = next(told)
        now += (100.0 if reading < 2 * 9 else 1.0) if reading % 2 else 0.0
        return now

    monkeypatch.setattr(timing.time, "process_time", process_time)


@pytest.mark.usefixtures("clock")
def test_times(twins: Twins) -> None:
    text = "the happyable dog went to paris."
    found = pass_times(text, twins, repeats=3, progress=False)
    assert (found.text, found.words) == (text, 6)
    assert {(timing.side, timing.task) for timing in found.timings} == {
        (side, task) for side in ("masked", "causal", "span") for task in ("guess", "score", "write")
    }
    assert all(timing.seconds.tolist() == [1.0] * 3 for timing in found.timings)  # the first round does not count
    pieces = len(twins["masked"].spell(Gap("the ", "", "happyable")))
    assert pieces > 1
    inputs = {(timing.side, timing.task): timing.inputs for timing in found.timings if timing.task != "write"}
    assert inputs == {
        ("masked", "guess"): 1, ("masked", "score"): 5 + pieces,
        ("causal", "guess"): 1, ("causal", "score"): 1,
        ("span", "guess"): 1, ("span", "score"): 6,
    }  # fmt: skip
    with pytest.raises(MlmVizError, match="no timing of 'guess' by 'blinded'; there are: guess masked, "):
        found.of("guess", "blinded")
    table = found.to_frame().set_index(["task", "side"])
    assert table["ms"].unique().tolist() == [1000.0]
    assert table.loc[("score", "causal"), "ms_per_1000_words"] == pytest.approx(1e6 / 6)
    assert found.of("guess", "span").parameters == twins["span"].parameters


def test_one_pass_scores_a_whole_text_from_left_to_right(twins: Twins) -> None:
    """What is timed as one pass for all words gives what a pass for each gives."""
    text = "the dog runs in the park today"
    whole = twins["causal"].score([Gap("", "", text)])
    words = twins["causal"].score([word.gap for word in asked_words({"": [text]})])
    assert whole.log2_probs[0] == pytest.approx(words.log2_probs.sum(), abs=1e-4)


@pytest.mark.parametrize("given", [{"text": "Yes."}, {"text": ""}, {"text": "a day", "repeats": 0}])
def test_what_cannot_be_timed(twins: Twins, given: dict[str, Any]) -> None:
    with pytest.raises(TextError):
        pass_times(models=twins, progress=False, **given)


def test_a_text_that_cannot_be_spelled_is_not_timed(twins: Twins) -> None:
    with pytest.raises(WordError):
        pass_times("we went in 2024", twins, progress=False)


def test_public_names() -> None:
    assert mlm_viz.word_test is word_test
    assert mlm_viz.pass_times is pass_times
