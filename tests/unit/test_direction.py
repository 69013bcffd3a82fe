"""Direction and reveal against plain passes, and against a head that was built to look one token to the right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

import mlm_viz
from mlm_viz.analysis.direction import reveal_in_parts
from mlm_viz.analysis.watching import watch
from mlm_viz.errors import TextError, WordError
from mlm_viz.figures.direction import direction_bars, direction_text, reveal_lines, reveal_text
from mlm_viz.influences import BOTH, LEFT, ORDERS, RIGHT, SIDE_WAYS, Direction
from mlm_viz.model import Model
from tests.planted import build_copying
from tests.unit.test_influence import plain_log2

ModelOf = Callable[[str], Model]


def plain(model: Model, ids: Sequence[int], slot: int, seen: set[int], way: str) -> np.ndarray:
    """(vocab,) log2 of the probabilities with the tokens outside `seen` out of view, from one pass over one row."""
    row = torch.tensor([list(ids)])
    unseen = [p for p in range(row.shape[1]) if p not in seen]
    if way == "blocked":
        return plain_log2(model, ids, slot, tuple(unseen))
    row[0, unseen] = model.vocabulary.mask_id
    return plain_log2(model, row[0].tolist(), slot)


@pytest.fixture(scope="module")
def copying(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Model]:
    """A model whose only head copies the token so many places on."""
    return lambda offset: mlm_viz.load(build_copying(tmp_path_factory.mktemp("copying"), offset))


# --- ground truth -----------------------------------------------------------------------------------------------------

TEXT = "the capital of ____ paris is very good"


@pytest.mark.parametrize(("offset", "side", "word"), [(1, "right", "paris"), (-1, "left", "of")])
def test_a_head_that_looks_to_one_side_shows(offset: int, side: str, word: str, copying: Callable) -> None:
    found = mlm_viz.direction(TEXT, copying(offset))
    assert found.target.word == word
    assert found.target.probability > 0.99
    other = "left" if side == "right" else "right"
    for row, way in enumerate(SIDE_WAYS):
        seen = np.exp2(found.log2_probs[row])
        assert seen[RIGHT if side == "right" else LEFT] > 0.99
        assert seen[LEFT if side == "right" else RIGHT] < 0.01
        assert (seen[3:] > 0.99).all()  # every window has it
        assert found.change(side, way) < -5
        assert abs(found.change(other, way)) < 0.05


def test_reveal_jumps_where_the_copied_word_comes_into_view(copying: Callable) -> None:
    found = mlm_viz.reveal(TEXT, copying(1))
    place = found.words.index((found.target.position + 1,))
    for row in range(len(SIDE_WAYS)):
        for order in range(len(ORDERS)):
            step = 1 + found.revealed[order].tolist().index(place)
            seen = np.exp2(found.log2_probs[row, order])
            assert (seen[:step] < 0.01).all()
            assert (seen[step:] > 0.99).all()


def test_influence_finds_the_copied_word(copying: Callable) -> None:
    found = mlm_viz.influence(TEXT, copying(1))
    assert [found.labels[number] for number in found.gains.argmax(axis=1)] == ["paris"] * 3


# --- the same numbers another way ---------------------------------------------------------------------------------------

CASES = [
    ("bert", "the cats play in ____ today, a good day!"),
    ("roberta", "the capital of ____ is paris"),
    ("xlm-roberta", "今天天气很____，我们去公园。"),
    ("electra", "____ cats play"),
    ("modernbert", "we went to the big red ____ in london"),
]


@pytest.mark.parametrize(("name", "text"), CASES)
def test_views_are_plain_passes(name: str, text: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    before = model.calls
    found = mlm_viz.direction(text, model)
    assert model.calls - before == 2  # all that is blocked in one batch, all that is masked in the other
    sentence, slot = found.target.sentence, found.target.position
    ends = {int(p) for p in np.flatnonzero(sentence.special)} | {slot}
    left, right = (_words(sentence, range(slot)), _words(sentence, range(slot + 1, len(sentence))))
    assert found.words == (len(left), len(right))
    views = {"both": left + right, "left": left, "right": right}
    views |= {f"±{k}": left[max(0, len(left) - k) :] + right[:k] for k in found.widths}
    assert tuple(views) == found.views
    whole = plain(model, sentence.ids, slot, set(range(len(sentence))), "masked")
    for row, way in enumerate(SIDE_WAYS):
        for column, words in enumerate(views.values()):
            expected = plain(model, sentence.ids, slot, ends | {p for word in words for p in word}, way)
            assert found.log2_probs[row, column] == pytest.approx(expected[found.target.ids[0]], abs=2e-4)
            assert expected[found.guesses[row, column]] == pytest.approx(expected.max(), abs=1e-4)
            assert found.guess_log2_probs[row, column] == pytest.approx(expected.max(), abs=2e-4)
            p, q = 2.0**whole, 2.0**expected
            middle = (p + q) / 2
            js = (p * np.log2(p / middle) + q * np.log2(q / middle)).sum() / 2
            assert found.divergences[row, column] == pytest.approx(js, abs=1e-5)


def _words(sentence: object, positions: range) -> list[tuple[int, ...]]:
    words: dict[int, list[int]] = {}
    for p in positions:
        if not sentence.special[p]:
            words.setdefault(int(sentence.words[p]), []).append(p)
    return [tuple(word) for word in words.values()]


@pytest.mark.parametrize(("name", "text"), CASES[:3])
def test_reveal_is_a_loop_over_the_words(name: str, text: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    found = mlm_viz.reveal(text, model)
    sentence, slot = found.target.sentence, found.target.position
    words = _words(sentence, range(slot)) + _words(sentence, range(slot + 1, len(sentence)))
    assert list(found.words) == words
    near = sorted(words, key=lambda word: (_steps(words, word, slot), word > (slot,)))
    for order, sequence in zip(range(3), (words, words[::-1], near), strict=True):
        assert [words[number] for number in found.revealed[order]] == sequence
        seen = {int(p) for p in np.flatnonzero(sentence.special)} | {slot}
        for step in range(len(words) + 1):
            if step:
                seen |= set(sequence[step - 1])
            for row, way in enumerate(SIDE_WAYS):
                expected = plain(model, sentence.ids, slot, seen, way)
                assert found.log2_probs[row, order, step] == pytest.approx(expected[found.target.ids[0]], abs=2e-4)
                assert expected[found.guesses[row, order, step]] == pytest.approx(expected.max(), abs=1e-4)


def _steps(words: list, word: tuple[int, ...], slot: int) -> int:
    left = sum(other < (slot,) for other in words)
    place = words.index(word)
    return left - place if place < left else place - left + 1


def test_ends_of_a_reveal_are_the_same_in_every_order(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    text = "the big cat ____ in new york today"
    found = mlm_viz.reveal(text, model)
    assert np.ptp(found.log2_probs[:, :, 0], axis=1) == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(found.log2_probs[:, :, -1], found.target.log2_prob, atol=1e-4)
    both = mlm_viz.direction(text, model)
    np.testing.assert_allclose(both.log2_probs[:, BOTH], found.target.log2_prob, atol=1e-4)
    np.testing.assert_allclose(found.log2_probs[:, 0, 3], both.log2_probs[:, LEFT], atol=1e-4)
    np.testing.assert_allclose(found.log2_probs[:, 1, 4], both.log2_probs[:, RIGHT], atol=1e-4)
    np.testing.assert_allclose(found.log2_probs[:, 2, 2], both.log2_probs[:, 3], atol=1e-4)  # ±1


def test_special_tokens_stay_and_tell_nothing_of_what_is_hidden(tiny_model: ModelOf) -> None:
    """Whatever stands on the right, the left side alone says the same."""
    model = tiny_model("bert")
    one, other = (
        mlm_viz.direction(f"the big ____ {rest}", model, target="cat") for rest in ("runs today !", "is a park")
    )
    np.testing.assert_allclose(one.log2_probs[:, LEFT], other.log2_probs[:, LEFT], atol=1e-5)
    assert abs(one.log2_probs[0, RIGHT] - other.log2_probs[0, RIGHT]) > 1e-3


# --- widths, targets, refusals ------------------------------------------------------------------------------------------


def test_widths_grow_until_nothing_is_left_out(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    assert mlm_viz.direction("the cat in ____ today", model).widths == (1, 2)
    assert mlm_viz.direction("the big cat in new york ____", model).widths == (1, 2, 4)
    assert mlm_viz.direction("the ____ runs", model).widths == ()
    wide = mlm_viz.direction("the cat in ____ today", model, widths=[3, 50])
    np.testing.assert_allclose(wide.log2_probs[:, 3:], wide.target.log2_prob, atol=1e-4)
    for widths in ([0], [1, -2], ["a"], [1.5]):
        with pytest.raises(TextError, match="at least 1"):
            mlm_viz.direction("the cat ____", model, widths=widths)


def test_one_side_may_be_empty(tiny_model: ModelOf) -> None:
    found = mlm_viz.direction("____ cat runs", tiny_model("bert"))
    assert found.words == (0, 2)
    assert found.change("left") == pytest.approx(0, abs=1e-5)
    np.testing.assert_allclose(found.log2_probs[:, RIGHT], found.log2_probs[:, BOTH], atol=1e-5)


def test_a_word_of_several_pieces(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    found = mlm_viz.direction("the big ____ runs in london", model, target="cats")
    masked = mlm_viz.predict("[MASK] [MASK] ____ runs in london", model).score("cats", slot=2).log2_prob
    assert found.log2_probs[SIDE_WAYS.index("masked"), RIGHT] == pytest.approx(masked, abs=1e-4)
    assert mlm_viz.reveal("the big ____ runs", model, target="cats").target.ids == model.spell("cats", spaced=True)


def test_refusals(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    for ask in (mlm_viz.direction, mlm_viz.reveal):
        with pytest.raises(TextError, match="nothing around the slot"):
            ask("____", model)
        with pytest.raises(WordError, match="2 slots"):
            ask("the ____ ____", model)
        with pytest.raises(TextError, match="no slot"):
            ask("the cat", model)


def test_tables_and_parts(tiny_model: ModelOf, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("bert")
    text = "the big cat ____ in london"
    table = mlm_viz.direction(text, model).to_frame()
    assert table["view"].tolist()[:4] == ["both", "left", "right", "±1"]
    assert table["change"][0] == 0
    whole = mlm_viz.reveal(text, model)
    rows = whole.to_frame()
    assert len(rows) == 2 * 3 * 6
    assert rows["revealed"].tolist()[:6] == ["", "the", "big", "cat", "in", "london"]
    monkeypatch.setattr("mlm_viz.analysis.prediction.TOKENS_A_BATCH", 32)
    parts = list(reveal_in_parts(watch(text, model)))
    assert len(parts) > 3
    np.testing.assert_allclose(parts[-1].log2_probs, whole.log2_probs, atol=1e-4)
    for way in SIDE_WAYS:
        reveal_lines(parts[0], way=way)
        reveal_text(parts[0], way)
    parts[0].to_frame()


# --- pictures -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shown(copying: Callable) -> Direction:
    return mlm_viz.direction(TEXT, copying(1))


def test_bars_show_each_view_both_ways_with_the_best_guess(shown: Direction) -> None:
    figure = direction_bars(shown)
    blocked, masked, values, guesses, _ = figure.data
    np.testing.assert_allclose(blocked.x, np.exp2(shown.log2_probs[0]))
    np.testing.assert_allclose(masked.x, np.exp2(shown.log2_probs[1]))
    assert blocked.marker.pattern.shape != masked.marker.pattern.shape
    assert (np.array(blocked.y) < np.array(masked.y)).all()
    assert list(figure.layout.yaxis.ticktext)[:3] == ["both sides", "left side only", "right side only"]
    assert len(values.text) == len(guesses.text) == 2 * len(shown.views)
    assert guesses.text[0].startswith("✓ paris")
    assert "✓" not in guesses.text[LEFT]
    assert "not a left-to-right model" in figure.layout.annotations[-1].text.replace("<br>", " ")
    lines = direction_text(shown).splitlines()
    assert lines[0].startswith("both sides: 99.9 %; best guess paris")
    assert lines[1].startswith("left side only, the rest blocked: ")
    assert "not a left-to-right model" in lines[-1]


def test_lines_differ_by_more_than_colour_and_are_named_where_they_end(copying: Callable) -> None:
    found = mlm_viz.reveal(TEXT, copying(1))
    figure = reveal_lines(found, way="blocked")
    *curves, names = figure.data
    for order, curve in enumerate(curves):
        np.testing.assert_allclose(curve.y, np.exp2(found.log2_probs[0, order]))
        assert list(curve.x) == list(range(len(found.words) + 1))
    assert len({curve.line.dash for curve in curves}) == len({curve.marker.symbol for curve in curves}) == 3
    assert len(names.text) == 3
    assert all(any(mark in text for text in names.text) for mark in "●◆■")
    assert max(names.y) <= figure.layout.yaxis.range[1]
    assert "“paris”" in curves[1].customdata[4]
    text = reveal_text(found, "masked")
    assert "from the left, nothing in view" in text
    assert "not a left-to-right model" in text


def test_words_that_look_like_markup_stay_words(shown: Direction) -> None:
    target = replace(shown.target, word="<script>", vocabulary=replace(
        shown.target.vocabulary, labels=("<img src=x>",) * len(shown.target.vocabulary)))  # fmt: skip
    text = str(direction_bars(replace(shown, target=target), dark=True).to_plotly_json())
    assert "<img" not in text
    assert "<script" not in text
