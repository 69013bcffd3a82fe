"""Two sentences over one vocabulary, against predictions of each and plain arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import mlm_viz
from mlm_viz.errors import TextError, WordError
from mlm_viz.model import Model
from mlm_viz.readings import Contrast
from mlm_viz.results import SlotPrediction
from mlm_viz.tokens import Vocabulary

ModelOf = Callable[[str], Model]
PAIRS = {
    "bert": ("the cat ____ in london today", "the dog ____ in the big park today"),
    "roberta": ("the capital of <mask> is paris", "the weather of <mask> is good"),
    "xlm-roberta": ("今天天气很____。", "今天我们去____。"),
}


def by_hand(a: list[float], b: list[float], special: frozenset[int] = frozenset()) -> Contrast:
    names = tuple(f"w{n}" for n in range(len(a)))
    vocabulary = Vocabulary(names, names, None, None, special)
    slots = [SlotPrediction(0, np.log2(np.array(p)).astype(np.float32), None, vocabulary) for p in (a, b)]
    return Contrast(("A ____", "B ____"), *slots)


@pytest.mark.parametrize("name", sorted(PAIRS))
def test_both_sides_are_the_predictions(name: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    found = mlm_viz.contrast(*PAIRS[name], model)
    p, q = (mlm_viz.predict(text, model)[0].probabilities for text in PAIRS[name])
    np.testing.assert_allclose(found.a.probabilities, p, atol=1e-5)
    np.testing.assert_allclose(found.b.probabilities, q, atol=1e-5)
    np.testing.assert_allclose(found.differences, p - q, atol=1e-5)
    np.testing.assert_allclose(found.log_odds, np.log2(p / (1 - p)) - np.log2(q / (1 - q)), atol=1e-2)
    middle = (p + q) / 2
    bits = ((p * np.log2(p / middle)).sum() + (q * np.log2(q / middle)).sum()) / 2
    assert found.divergence == pytest.approx(bits, abs=1e-4)
    swapped = mlm_viz.contrast(*PAIRS[name][::-1], model)
    np.testing.assert_allclose(swapped.log_odds, -found.log_odds, atol=1e-3)


def test_log_odds_stay_right_where_a_word_is_all_but_certain() -> None:
    found = by_hand([1.0, 2.0**-40, 2.0**-41], [0.25, 0.5, 0.25])
    rest = 2.0**-40 + 2.0**-41
    expected = -np.log2(rest) - np.log2(0.25 / 0.75)
    assert found.log_odds[0] == pytest.approx(expected, abs=1e-4)
    assert np.isfinite(found.log_odds).all()


def test_biggest_differences_come_first_without_noise_and_special_tokens() -> None:
    a = [0.5, 0.3, 0.1, 0.0996, 0.0004, 1e-9]
    b = [0.1, 0.3, 0.5, 0.0996, 0.000004, 0.000396]
    found = by_hand(a, b, special=frozenset({2}))
    assert found.biggest(10).tolist() == [0, 1, 3]  # 2 is special, 4 and 5 fit in neither
    everything = found.biggest(10, least=0.0).tolist()
    assert everything[:2] == [5, 4]
    assert sorted(everything) == [0, 1, 3, 4, 5]
    assert found.biggest(2, least=0.0).tolist() == [5, 4]
    table = found.to_frame(2)
    assert table.columns.tolist() == ["token", "probability_a", "probability_b", "log_odds", "difference"]
    assert table["token"].tolist() == ["w0", "w1"]
    assert table["log_odds"].iloc[0] == pytest.approx(np.log2(1 / (1 / 9)), abs=1e-5)
    assert table["difference"].iloc[0] == pytest.approx(0.4)
    assert len(found.to_frame(least=0.0)) == 5


def test_slots_may_be_masked_and_chosen(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    found = mlm_viz.contrast(
        "the cat runs in ____", "the dog plays ____ in ____", model, masked=(["cat"], ()), slots=(0, 1)
    )
    a = mlm_viz.predict("the cat runs in ____", model, masked=["cat"])[0]
    b = mlm_viz.predict("the dog plays ____ in ____", model)[1]
    np.testing.assert_allclose(found.a.log2_probs, a.log2_probs, atol=1e-4)
    np.testing.assert_allclose(found.b.log2_probs, b.log2_probs, atol=1e-4)
    assert found.texts == ("the ____ runs in [MASK]", "the dog plays [MASK] in ____")
    assert "one gap" in found.caution


def test_what_cannot_be_compared_is_said(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    with pytest.raises(TextError, match="no slot"):
        mlm_viz.contrast("the ____", "the cat", model)
    with pytest.raises(TextError, match="type a sentence"):
        mlm_viz.contrast("", "the ____", model)
    with pytest.raises(WordError, match="2 slots"):
        mlm_viz.contrast("the ____", "____ ____", model)


def test_one_sentence_against_itself_has_no_difference(tiny_model: ModelOf) -> None:
    found = mlm_viz.contrast("the ____ runs", "the ____ runs", tiny_model("bert"))
    np.testing.assert_allclose(found.log_odds, 0, atol=1e-5)
    assert found.divergence == pytest.approx(0, abs=1e-6)
