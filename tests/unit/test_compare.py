"""One gap asked of several models: what each column is, what moves it, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlm_viz
from mlm_viz.analysis.compare import check_revealed, compare, compare_at, readers_for, reveal_in_parts, reveal_right
from mlm_viz.comparison import SIDES
from mlm_viz.errors import MlmVizError, ModelError, TextError, WordError
from mlm_viz.gaps import BLIND, Gap
from mlm_viz.readers import Reader, as_reader, loading
from tests.unit.test_readers import HOSTILE

DirOf = Callable[[str], Path]
TEXT, WORD = "the capital of france is paris, a good day.", "france"
SETS = {
    "twins": {"masked": "masked", "causal": "causal", "span": "span"},
    "pieces": {"masked": "roberta", "causal": "gpt2", "span": "t5"},
    "sentences": {"masked": "xlm-roberta", "causal": "llama", "span": "t5"},
}


@pytest.fixture(scope="module")
def models(tiny_dir: DirOf) -> Callable[[str], Mapping[str, Reader]]:
    return cache(lambda name: {side: as_reader(tiny_dir(model), side) for side, model in SETS[name].items()})


@pytest.mark.parametrize("name", SETS)
def test_the_right_side_moves_two_columns_and_leaves_two(name: str, models: Callable) -> None:
    gap = Gap.of(TEXT, WORD)
    counts = range(len(gap.right_words) + 1)
    steps = [compare(TEXT, WORD, models=models(name), revealed=n, patterns=n == 0) for n in counts]
    for found, revealed in zip(steps, range(len(steps)), strict=True):
        assert tuple(column.side for column in found.columns) == SIDES
        assert (found.gap, found.revealed) == (gap, revealed)
        for side in ("blinded", "causal"):
            np.testing.assert_array_equal(found[side].guess.log2_probs, steps[0][side].guess.log2_probs)
            assert found[side].word == steps[0][side].word
    for before, after in pairwise(steps):
        for side in ("masked", "span"):
            assert np.abs(before[side].guess.log2_probs - after[side].guess.log2_probs).max() > 1e-3
    whole = compare(TEXT, WORD, models=models(name), patterns=False)
    for side in SIDES:
        np.testing.assert_array_equal(whole[side].guess.log2_probs, steps[-1][side].guess.log2_probs)
        assert whole[side].word == steps[-1][side].word
        assert whole[side].pattern is None
        assert steps[0][side].pattern is not None


@pytest.mark.parametrize("name", SETS)
def test_both_sides_are_a_prediction_and_blinded_sees_no_right_side(name: str, models: Callable) -> None:
    found = compare(TEXT, WORD, models=models(name))
    expected = mlm_viz.predict(TEXT.replace(WORD, "____"), models(name)["masked"].model)[0]
    np.testing.assert_allclose(found["masked"].guess.log2_probs, expected.log2_probs, atol=1e-6)
    assert found["masked"].word.log2_prob == pytest.approx(expected.score(WORD).log2_prob, abs=1e-5)
    other = compare("the capital of ____" + " 今天" * 4, WORD, models=models(name))
    np.testing.assert_array_equal(found["blinded"].guess.log2_probs, other["blinded"].guess.log2_probs)
    assert np.abs(found["masked"].guess.log2_probs - found["blinded"].guess.log2_probs).max() > 1e-3
    assert found["blinded"].model == found["masked"].model
    pattern = found["blinded"].pattern
    assert not pattern.open[:, pattern.slot + 1 :].any()
    assert pattern.open[pattern.slot, : pattern.slot + 1].all()


def test_a_blinded_model_is_not_told_that_the_text_ends(models: Callable) -> None:
    last = compare("the cat runs ____", "today", models=models("twins"))
    assert last.revealed == len(last.gap.right_words) == 0
    assert np.abs(last["masked"].guess.log2_probs - last["blinded"].guess.log2_probs).max() > 1e-3
    middle = compare("the cat runs ____ in the park", "today", models=models("twins"))
    np.testing.assert_array_equal(last["blinded"].guess.log2_probs, middle["blinded"].guess.log2_probs)


@pytest.mark.parametrize("name", SETS)
def test_revealing_is_comparing_step_by_step(name: str, models: Callable) -> None:
    readers = readers_for(models(name))
    gap = Gap.of("today we go to paris.", "go")
    parts = list(reveal_in_parts(gap, readers))
    whole = reveal_right("today we go to paris.", "go", models=models(name))
    assert len(parts) == len(gap.right_words) + 1 == 4
    for number, part in enumerate(parts):
        assert (part.sides, part.models) == (SIDES, tuple(readers[side].name for side in SIDES))
        assert np.isnan(part.log2_probs[:, number + 1 :]).all()
        np.testing.assert_array_equal(part.log2_probs[:, : number + 1], whole.log2_probs[:, : number + 1])
        assert [labels[number + 1 :] for labels in part.best] == [("",) * (3 - number)] * 4
        found = compare_at(gap, readers, number, patterns=False)
        for row, column in enumerate(found.columns):
            assert whole.log2_probs[row, number] == column.word.log2_prob
            assert whole.entropies[row, number] == column.guess.entropy
            best = int(np.argmax(column.guess.log2_probs))
            assert whole.best[row][number] == column.guess.vocabulary.labels[best]
    assert np.ptp(whole.log2_probs[1:3], axis=1).tolist() == [0, 0]
    assert (np.ptp(whole.log2_probs[[0, 3]], axis=1) > 0).all()


def test_what_nobody_knows_is_not_scored(models: Callable) -> None:
    found = compare("today we ____ to paris", models=models("twins"))
    assert all(column.word is None and column.guess.original is None for column in found.columns)
    frame = found.to_frame()
    assert frame[["rank", "probability", "surprisal"]].isna().all(axis=None)
    revealed = reveal_right("today we ____ to paris", models=models("twins"))
    assert np.isnan(revealed.log2_probs).all()
    assert np.isfinite(revealed.entropies).all()


def test_frames(models: Callable) -> None:
    found = compare(TEXT, WORD, models=models("twins"))
    frame = found.to_frame()
    assert list(frame.columns) == ["side", "model", "best", "entropy", "rank", "probability", "surprisal"]
    assert frame["side"].tolist() == list(SIDES)
    assert frame["model"].tolist() == ["masked", "masked", "causal", "span"]
    for column, row in zip(found.columns, frame.itertuples(), strict=True):
        probs = column.guess.probabilities
        own = column.guess.vocabulary.ids[WORD]
        assert row.probability == pytest.approx(probs[own])
        assert row.surprisal == pytest.approx(-np.log2(probs[own]))
        assert row.rank == 1 + (probs > probs[own]).sum()
        assert row.entropy == pytest.approx(-(probs * np.log2(probs)).sum(), abs=1e-4)
        assert row.best == column.guess.vocabulary.labels[int(probs.argmax())]
    whole = reveal_right(TEXT, WORD, models=models("twins"))
    frame = whole.to_frame()
    assert len(frame) == 4 * 8
    assert frame["word"].tolist()[:8] == ["", "is", "paris", ",", "a", "good", "day", "."]
    assert frame["probability"].tolist()[7] == pytest.approx(found["masked"].word.probability)
    assert frame["side"].tolist() == [side for side in SIDES for _ in range(8)]


def test_chinese_and_english_in_one(models: Callable) -> None:
    for name in SETS:
        for text, word in (("今天天气很好，我们去公园。", "好"), ("我们去 new york 公园", "new")):
            found = compare(text, word, models=models(name))
            assert found.to_frame()["surprisal"].between(0, 100).all()


# --- own models ---------------------------------------------------------------------------------


def test_each_column_takes_a_model_of_its_own(tiny_dir: DirOf, models: Callable) -> None:
    own = {**models("twins"), "blinded": mlm_viz.load(tiny_dir("bert")), "causal": str(tiny_dir("gpt2"))}
    found = compare("the cat ____ today", "runs", models=own)
    assert [column.model for column in found.columns] == ["masked", "bert", "gpt2", "span"]
    readers = readers_for(models("twins"))
    assert readers["blinded"] is readers["masked"]
    assert readers_for({**models("twins"), "blinded": None})["blinded"] is readers["masked"]


def test_the_bundled_twins_stand_in_the_columns(
    tiny_dir: DirOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    for kind in ("masked", "causal", "span"):
        (tmp_path / "models" / kind).symlink_to(tiny_dir(kind))
    monkeypatch.setenv("MLM_VIZ_DATA", str(tmp_path))
    loading._bundled.cache_clear()
    try:
        readers = readers_for()
        assert [readers[side].kind for side in SIDES] == ["masked", "masked", "causal", "span"]
        assert readers_for() == readers
        assert compare("the cat ____ today").to_frame()["model"].tolist() == ["masked", "masked", "causal", "span"]
    finally:
        loading._bundled.cache_clear()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"masked": "causal"}, "causal is a left-to-right model; a masked model is needed here"),
        ({"blinded": "t5"}, "t5 is a span-filling encoder-decoder; a masked model is needed here"),
        ({"causal": "bert"}, "bert is a masked model; a left-to-right model is needed here"),
        ({"span": "gpt2"}, "gpt2 is a left-to-right model; a span-filling encoder-decoder is needed here"),
        ({"span": "bart"}, "bart is an encoder-decoder without sentinels"),
    ],
)
def test_a_model_of_the_wrong_kind_in_a_column(
    changed: dict[str, str], says: str, tiny_dir: DirOf, models: Callable
) -> None:
    given: dict[str, Any] = {**models("twins"), **{side: tiny_dir(name) for side, name in changed.items()}}
    with pytest.raises(ModelError, match=says) as caught:
        compare(TEXT, WORD, models=given)
    assert_one_sentence(caught.value)


def assert_one_sentence(problem: Exception) -> None:
    text = str(problem)
    assert "\n" not in text
    assert text.endswith(".")
    assert len(text) < 250


@pytest.mark.parametrize(
    ("text", "word", "more", "kind", "says"),
    [
        ("the cat runs", None, {}, TextError, "There is no gap"),
        ("the ____ runs ____", None, {}, TextError, "There are 2 gaps"),
        ("the ca____r runs", None, {}, TextError, "splits a word"),
        ("the cat runs", "ca", {}, TextError, "splits a word"),
        ("the cat runs", "dog", {}, TextError, "'dog' does not stand in the text"),
        ("in ____", "2024", {}, WordError, "2024"),
        ("the " * 100 + "____", None, {}, TextError, "tokens for masked, which reads at most 64: shorten it"),
        ("the cat ____ today", None, {"revealed": 2}, TextError, "revealed is 2; on the right there are 1 words"),
        ("the cat ____ today", None, {"revealed": -1}, TextError, "revealed is -1; on the right there are 1 words"),
        ("the cat ____ today", None, {"models": {"left": None}}, ModelError, "There is no column 'left'"),
        ("the cat ____ today", None, {"models": {"causal": "./nowhere"}}, ModelError, "nowhere"),
    ],
)
def test_what_is_refused_is_refused_in_a_sentence(
    text: str, word: str | None, more: dict, kind: type, says: str, models: Callable
) -> None:
    with pytest.raises(kind, match=says) as caught:
        compare(text, word, models={**models("twins"), **more.get("models", {})}, revealed=more.get("revealed"))
    assert_one_sentence(caught.value)


def test_a_text_too_long_for_one_of_the_models_names_it(models: Callable, tiny_dir: DirOf) -> None:
    given = {**models("twins"), "causal": tiny_dir("gpt2")}
    with pytest.raises(TextError, match="tokens for gpt2, which reads at most 64"):
        compare("😀 " * 15 + "____", models=given)


def test_who_was_not_asked_is_named(models: Callable) -> None:
    found = compare(TEXT, WORD, models=models("twins"), patterns=False)
    with pytest.raises(MlmVizError, match="no column 'left'; there are: masked, blinded, causal, span"):
        found["left"]


def test_how_much_may_be_revealed() -> None:
    gap = Gap("the ", " runs today", "cat")
    assert [check_revealed(gap, revealed) for revealed in (None, 0, 1, 2)] == [2, 0, 1, 2]
    assert check_revealed(Gap("the ", ""), None) == 0
    for revealed in (3, BLIND):
        with pytest.raises(TextError):
            check_revealed(gap, revealed)


# --- how much work it is ------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["day", "happyable"])
def test_few_passes_however_long_the_text(word: str, models: Callable) -> None:
    readers = readers_for(models("twins"))
    asked = {id(reader): reader for reader in readers.values()}.values()
    for right in ("", " and so on" * 8):
        before = sum(reader.calls for reader in asked)
        compare_at(Gap("a good ", right, word), readers, 0)
        # One pass for the guess and one for the pattern; a word in pieces has the masked model asked once more.
        assert sum(reader.calls for reader in asked) - before == (8 if word == "day" else 10)


def test_odd_texts_are_compared(models: Callable) -> None:
    for name in SETS:
        for text in (*HOSTILE[:3], "____", "____."):
            found = compare(text, models=models(name), revealed=0, patterns=False)
            assert len(found.columns) == 4
            assert np.isfinite(found.to_frame()["entropy"]).all()
