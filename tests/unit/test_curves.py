"""Accuracy by rate against a plain loop, one text at a time, and the interval against Wilson's formula."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from mlm_viz.analysis import curves
from mlm_viz.analysis.curves import accuracy_by_rate
from mlm_viz.analysis.prediction import look_many, predict
from mlm_viz.errors import TextError
from mlm_viz.examples import sentences
from mlm_viz.masking import Masking, mask_positions

TEXTS = [
    "the capital of france is paris, a good day.",
    "the dog plays in the park",
    "we went to london today",
    "a big red cat runs",
    "今天天气很好，我们去公园。",
    "the weather is not nice today",
]


def by_hand(model, text, masking: Masking, top):
    """Hits and bits of one text, straight from the network: one text a pass, one position at a time."""
    import torch

    ids = masking.apply(model.encode(text).ids)
    with torch.inference_mode():
        logits = model.network(torch.tensor(ids[None])).logits[0].double()
    hits, bits = [], []
    for position in masking.positions:
        probabilities = torch.softmax(logits[position], dim=0)
        true = int(model.encode(text).ids[position])
        hits.append(true in torch.topk(probabilities, top).indices.tolist())
        bits.append(-float(torch.log2(probabilities[true])))
    return hits, bits


@pytest.fixture
def recorded(monkeypatch):
    """The maskings that were drawn, in order, with their sentences."""
    drawn = []

    def record(model, prepared):
        drawn.extend(prepared)
        return look_many(model, prepared)

    monkeypatch.setattr(curves, "look_many", record)
    return drawn


def check_against_a_plain_loop(model, texts, recorded, top):
    rates = (0.2, 0.5, 1.0)
    curve = accuracy_by_rate(texts, model, rates, seed=3, top=top)
    assert len(recorded) == len(rates) * len(texts)
    for index in range(len(rates)):
        hits, bits = [], []
        for sentence, masking in recorded[index * len(texts) : (index + 1) * len(texts)]:
            own_hits, own_bits = by_hand(model, sentence.text, masking, top)
            hits += own_hits
            bits += own_bits
        assert curve.count[index] == len(hits)
        assert curve.accuracy[index] == pytest.approx(np.mean(hits))
        assert curve.bits[index] == pytest.approx(np.mean(bits), abs=1e-4)
    assert 0 < curve.accuracy.max() < 1  # so that hits and misses were both seen


@pytest.mark.parametrize("top", [20, 40])
def test_equals_a_plain_loop(tiny_model, recorded, top):
    check_against_a_plain_loop(tiny_model("bert"), TEXTS, recorded, top)


@pytest.mark.parametrize("top", [1, 2])
def test_equals_a_plain_loop_where_much_is_guessed_right(bundled, recorded, top):
    check_against_a_plain_loop(bundled, sentences("en")[:6] + sentences("zh")[:6], recorded, top)


def test_every_chosen_token_is_masked_and_the_share_is_right(tiny_model, recorded):
    model = tiny_model("bert")
    curve = accuracy_by_rate(TEXTS, model, (0.5, 1.0))
    assert {action for _, masking in recorded for action in masking.actions} == {"masked"}
    total = sum(len(model.encode(text).maskable) for text in TEXTS)
    chosen = sum(len(masking) for _, masking in recorded[: len(TEXTS)])
    assert curve.shares == pytest.approx([chosen / total, 1.0])
    assert curve.count.tolist() == [chosen, total]


def test_a_seed_gives_one_curve_and_another_seed_another(tiny_model):
    model = tiny_model("bert")
    first, again, other = (accuracy_by_rate(TEXTS, model, (0.3,), seed=seed) for seed in (1, 1, 2))
    assert first.bits == pytest.approx(again.bits)
    assert first.bits != pytest.approx(other.bits)


def test_wilson_interval(tiny_model):
    curve = accuracy_by_rate(TEXTS, tiny_model("bert"), (1.0,), top=20)
    p, n, z = curve.accuracy[0], curve.count[0], 1.959963984540054
    assert 0 < p < 1
    middle, reach = (p + z * z / (2 * n)), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert curve.low[0] == pytest.approx((middle - reach) / (1 + z * z / n))
    assert curve.high[0] == pytest.approx((middle + reach) / (1 + z * z / n))


def test_blanks_are_not_counted(tiny_model):
    model = tiny_model("bert")
    curve = accuracy_by_rate(["a big dog runs to the [MASK]", "[MASK]"], model, (1.0,))
    assert curve.count.tolist() == [len(model.encode("a big dog runs to the").maskable)]
    assert curve.shares.tolist() == [1.0]


def test_texts_of_like_length_share_a_pass(tiny_model):
    model = tiny_model("bert")
    texts = ["the dog plays", "a cat runs", "we went to london", "paris is big today", "a very good day"]
    before = model.calls
    accuracy_by_rate(texts, model, (0.3, 1.0))
    assert len({len(model.encode(text)) for text in texts}) > 1
    assert model.calls - before == 2


def test_few_at_once_gives_the_same(tiny_model, monkeypatch):
    model = tiny_model("bert")
    whole = accuracy_by_rate(TEXTS, model, (0.5,))
    monkeypatch.setattr(curves, "_PROBABILITIES_AT_ONCE", 1)
    assert accuracy_by_rate(TEXTS, model, (0.5,)).bits == pytest.approx(whole.bits, abs=1e-5)


def test_look_many_keeps_the_order(tiny_model):
    model = tiny_model("bert")
    prepared = [(s, mask_positions(s, model.vocabulary, [1])) for s in map(model.encode, TEXTS)]
    for (sentence, _), seen in zip(prepared, look_many(model, prepared), strict=True):
        alone = predict(sentence.text, model, masked=[1])
        assert seen.sentence is sentence
        np.testing.assert_allclose(seen.log2_probs, alone.log2_probs, atol=1e-4)


def test_table(tiny_model):
    table = accuracy_by_rate(TEXTS, tiny_model("bert"), (0.2, 0.9)).to_frame()
    assert list(table.columns) == ["rate", "share", "accuracy", "low", "high", "bits", "count"]
    assert ((table["low"] <= table["accuracy"]) & (table["accuracy"] <= table["high"])).all()


@pytest.mark.parametrize(
    ("texts", "settings"), [([], {}), (TEXTS, {"rates": ()}), (TEXTS, {"top": 0}), (TEXTS, {"rates": (1.5,)})]
)
def test_refuses_what_cannot_be_counted(tiny_model, texts, settings):
    with pytest.raises(TextError):
        accuracy_by_rate(texts, tiny_model("bert"), **settings)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_sentences(language):
    texts = sentences(language)
    assert len(texts) == len(set(texts)) == 200
    assert all(text == text.strip() and text.isprintable() for text in texts)
    lengths = [len(text.split()) if language == "en" else len(text) for text in texts]
    least, most = {"en": (6, 18), "zh": (8, 25)}[language]
    assert least <= min(lengths) <= max(lengths) <= most


def test_one_text_is_no_list_of_letters(tiny_model):
    with pytest.raises(TextError, match="list of texts.*'the cat'"):
        accuracy_by_rate("the cat", tiny_model("bert"))


@pytest.mark.parametrize("language", ["de", "", "../README"])
def test_no_such_sentences(language):
    with pytest.raises(TextError, match="en, zh"):
        sentences(language)
