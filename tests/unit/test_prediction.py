"""Predictions against numbers worked out by hand and by plain forward passes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import mlm_viz
from mlm_viz.analysis.curves import accuracy_by_rate
from mlm_viz.analysis.prediction import _batches, look, prepare
from mlm_viz.errors import ModelError, TextError, WordError
from mlm_viz.masking import Masking, mask_random
from mlm_viz.model import Model
from mlm_viz.results import Prediction, SlotPrediction
from mlm_viz.tokens import Vocabulary
from tests.tiny import TINY

ModelOf = Callable[[str], Model]
VOCABULARY = Vocabulary(tuple("abcde"), tuple("ABCDE"), mask_id=None, unknown_id=None, special_ids=frozenset())


@torch.inference_mode()
def plain_log2(model: Model, ids: list[int], position: int) -> np.ndarray:
    """log2 of the probabilities from one plain pass of the whole network over one row."""
    logits = model.network(input_ids=torch.tensor([ids])).logits[0, position].double()
    return torch.log_softmax(logits, dim=-1).numpy() / math.log(2)


# --- one slot, by hand ------------------------------------------------------------------------------------------------


def slot_of(probs: list[float], original: int | None = None) -> SlotPrediction:
    with np.errstate(divide="ignore"):
        return SlotPrediction(0, np.log2(np.array(probs, dtype=np.float32)), original, VOCABULARY)


def test_everything_about_a_slot_by_hand() -> None:
    slot = slot_of([0.25, 0.125, 0.5, 0.0625, 0.0625], original=1)
    assert slot.best(3).tolist() == [2, 0, 1]
    assert slot.probabilities.tolist() == [0.25, 0.125, 0.5, 0.0625, 0.0625]
    assert [slot.rank_of(i) for i in range(5)] == [2, 3, 1, 4, 4]
    assert slot.entropy == pytest.approx(0.5 + 0.375 + 0.5 + 0.5)
    score = slot.original_score
    assert score is not None
    assert (score.word, score.probability, score.surprisal, score.rank) == ("B", 0.125, 3.0, 3)
    table = slot.top(9)
    assert table.columns.tolist() == ["rank", "token", "probability", "surprisal"]
    assert table["token"].tolist() == list("CABDE")
    assert table["rank"].tolist() == [1, 2, 3, 4, 4]
    assert table["surprisal"].tolist() == [1, 2, 3, 4, 4]


def test_ties_are_in_the_order_of_ids_wherever_they_are_cut() -> None:
    slot = slot_of([0.2] * 5)
    for k in range(6):
        assert slot.best(k).tolist() == list(range(k))
    rng = np.random.default_rng(0)
    logs = rng.integers(-4, 0, size=200).astype(np.float32)
    expected = sorted(range(200), key=lambda i: (-logs[i], i))
    for k in (1, 7, 60, 200, 500):
        assert SlotPrediction(0, logs, None, VOCABULARY).best(k).tolist() == expected[:k]
    assert slot.best(-1).tolist() == []


def test_what_cannot_happen_is_infinitely_surprising() -> None:
    slot = slot_of([1, 0, 0, 0, 0])
    assert slot.entropy == 0
    assert slot.score("b").surprisal == np.inf
    assert slot.score("a").surprisal == 0
    assert not np.signbit(slot.score("a").surprisal)


def test_without_a_model_only_tokens_can_be_scored() -> None:
    assert slot_of([0.5, 0.5, 0, 0, 0]).score("b").probability == 0.5
    with pytest.raises(WordError, match="ab"):
        slot_of([0.5, 0.5, 0, 0, 0]).score("ab")


# --- words ------------------------------------------------------------------------------------------------------------


def test_a_word_of_one_piece(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    prediction = mlm_viz.predict("the ____ runs .", model)
    sentence = model.encode("the [MASK] runs .")
    logs = plain_log2(model, sentence.ids.tolist(), 2)
    cat = model.vocabulary.ids["cat"]
    before = model.calls
    assert prediction.probability("cat") == pytest.approx(2 ** logs[cat], rel=1e-4)
    assert prediction.surprisal("cat") == pytest.approx(-logs[cat], rel=1e-4)
    assert prediction.rank("cat") == 1 + sum(logs > logs[cat])
    assert prediction.rank("Cat ") == prediction.rank("cat")
    assert prediction.entropy() == pytest.approx(-(2**logs * logs).sum(), rel=1e-4)
    assert model.calls == before  # the distribution is there already


@pytest.mark.parametrize(
    ("name", "text", "word", "count"),
    [
        ("bert", "the ____ runs .", "cats", 2),
        ("bert", "the ____ runs .", "playings", 3),
        ("bert", "the ____ ____ .", "cats", 2),
        ("roberta", "the ____ is good", "xyz", None),
        ("xlm-roberta", "the ____ runs .", "cats", 2),
        ("xlm-roberta", "今天____好", "公园", 2),
        ("esm", "MKTA____IAKQ", "LVG", 3),
        ("smiles", "CCO____cc", "c1cC", 4),
    ],
)
def test_a_word_of_several_pieces_is_the_chain_rule(
    name: str, text: str, word: str, count: int | None, tiny_model: ModelOf
) -> None:
    """log2 p(a b) = log2 p(a | mask mask) + log2 p(b | a mask), each by one plain pass."""
    model = tiny_model(name)
    prediction = mlm_viz.predict(text, model)
    sentence, slot = prediction.sentence, prediction.positions[0]
    pieces = model.spell(word, spaced=bool(sentence.spaced[slot]))
    assert len(pieces) > 1
    assert count is None or len(pieces) == count
    left, right = sentence.ids[:slot].tolist(), sentence.ids[slot + 1 :].tolist()
    mask = model.vocabulary.mask_id
    expected = 0.0
    for index, piece in enumerate(pieces):
        written = [*pieces[:index], *[mask] * (len(pieces) - index)]
        expected += plain_log2(model, [*left, *written, *right], slot + index)[piece]
    score = prediction.score(word, slot=0)
    assert score.log2_prob == pytest.approx(expected, rel=1e-4)
    assert score.pieces == tuple(model.vocabulary.labels[i] for i in pieces)
    assert score.rank == 1 + int((prediction[0].log2_probs > score.log2_prob).sum())
    assert 0 < score.probability < 1


@pytest.mark.parametrize(
    ("name", "word"), [("bert", "2024"), ("bert", ""), ("bert", " "), ("bert", "😀"), ("bert", "\u200b"),
                       ("xlm-roberta", "日本"), ("esm", "J"), ("smiles", "P"), ("bert", "a\ud800")]
)  # fmt: skip
def test_a_word_that_cannot_be_spelled(name: str, word: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    prediction = mlm_viz.predict("____" if name != "bert" else "the ____", model)
    with pytest.raises(WordError, match="cannot spell") as caught:
        prediction.probability(word)
    assert model.name in str(caught.value)


def test_a_word_that_makes_the_text_too_long(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    text = " ".join(["the"] * (model.limit - 3)) + " ____"
    prediction = mlm_viz.predict(text, model)
    assert 0 < prediction.probability("cat") < 1
    with pytest.raises(TextError, match=f"{model.limit + 1} tokens.*at most {model.limit}"):
        prediction.probability("cats")


def test_a_piece_of_roberta_depends_on_the_space_before(tiny_model: ModelOf) -> None:
    model = tiny_model("roberta")
    spaced, joined = mlm_viz.predict("a ____ day", model), mlm_viz.predict("a____ day", model)
    with_space = model.vocabulary.ids["Ġgood"]
    assert spaced.probability("good") == pytest.approx(spaced[0].score_id(with_space).probability)
    bare = joined.score("good")
    assert "␣" not in "".join(bare.pieces)
    assert bare.probability != pytest.approx(joined[0].score_id(with_space).probability, rel=1e-3)
    assert joined.score("Ġgood").probability == joined[0].score_id(with_space).probability


@pytest.mark.parametrize("name", ["bert", "roberta", "xlm-roberta", "albert", "deberta-v2", "modernbert"])
def test_the_original_scores_as_a_word_what_it_scores_as_a_token(name: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    for word in ("the", "good"):
        slot = mlm_viz.predict("the city is a good day", model, masked=[word])[0]
        assert slot.original_score is not None
        assert slot.score(word).log2_prob == slot.original_score.log2_prob


# --- several slots ----------------------------------------------------------------------------------------------------


def test_several_slots_are_independent_and_must_be_named(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    prediction = mlm_viz.predict("the ____ is a [MASK] .", model, masked=["is"])
    assert prediction.positions == (2, 3, 5)
    ids = prediction.masking.apply(prediction.sentence.ids).tolist()
    assert [ids[p] for p in prediction.positions] == [model.vocabulary.mask_id] * 3
    for number, slot in enumerate(prediction):
        np.testing.assert_allclose(slot.log2_probs, plain_log2(model, ids, slot.position), atol=1e-3)
        assert prediction.probability("cat", slot=number) == slot.score("cat").probability
    assert prediction[1].original_score.word == "is"
    assert prediction[0].original_score is None
    assert prediction.at(5).position == 5
    for ask in (prediction.rank, prediction.surprisal, prediction.probability):
        with pytest.raises(WordError, match="3 slots.*slot=0 to slot=2"):
            ask("cat")
    with pytest.raises(WordError, match="3 slots"):
        prediction.entropy()
    with pytest.raises(WordError, match="3 slots"):
        prediction.score("cat", slot=3)
    with pytest.raises(WordError, match="not a slot"):
        prediction.at(1)
    table = prediction.top(4)
    assert table.columns.tolist() == ["slot", "rank", "token", "probability", "surprisal"]
    assert table["slot"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert prediction.top(2, slot=1)["slot"].tolist() == [1, 1]


@pytest.mark.parametrize("name", ["bert", "roberta", "xlm-roberta", "albert", "esm"])
def test_all_ways_of_writing_a_blank_predict_alike(name: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    blanks = ("[MASK]", model.tokenizer.mask_token, "____", "<mask>", "______")
    found = [mlm_viz.predict(f"MK {blank} TA", model) for blank in blanks]
    for other in found[1:]:
        assert other.positions == found[0].positions
        np.testing.assert_array_equal(other.log2_probs, found[0].log2_probs)


def test_the_chinese_sentence_works_as_typed(bundled: Model) -> None:
    prediction = mlm_viz.predict("今天天气很____，我们决定去公园野餐。")
    assert "好" in prediction.top(3)["token"].tolist()
    assert prediction.rank("好") <= 3
    assert prediction.model == bundled.name
    assert mlm_viz.predict("我[MASK]自然[MASK]处理", bundled).positions == (2, 5)


# --- what is masked ---------------------------------------------------------------------------------------------------


def test_a_random_masking_is_asked_about_everywhere(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    text = "the capital of france is paris , a good day . ____"
    sentence = model.encode(text)
    masking = mask_random(sentence, model.vocabulary, rate=0.6, split=(0.4, 0.3, 0.3), seed=4)
    assert set(masking.actions) == {"masked", "replaced", "kept"}
    prediction = mlm_viz.predict(text, model, masked=masking)
    assert prediction.positions == masking.positions
    ids = masking.apply(sentence.ids).tolist()
    for slot in prediction:
        np.testing.assert_allclose(slot.log2_probs, plain_log2(model, ids, slot.position), atol=1e-3)
    same = mlm_viz.mask(text, model, rate=0.6, split=(0.4, 0.3, 0.3), seed=4)
    assert same == masking


def test_a_masking_keeps_the_blanks_and_must_fit_the_text(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    masking = Masking((1,), ("kept",), (5,))
    assert mlm_viz.predict("the ____ runs", model, masked=masking).positions == (1, 2)
    with pytest.raises(TextError, match="Position 9"):
        mlm_viz.predict("the ____ runs", model, masked=Masking((9,), ("masked",), (4,)))


def test_words_are_masked_whole(tiny_model: ModelOf) -> None:
    assert mlm_viz.predict("the cats play", tiny_model("bert"), masked="cats").positions == (2, 3)


# --- lists ------------------------------------------------------------------------------------------------------------

TEXTS = [
    "the ____ is good",
    "paris is a [MASK] city , today",
    "a ____ runs ____",
    "____",
    "the big cat is not in ____ park",
    "we ____ to london",
]


@pytest.mark.parametrize("name", sorted(TINY))
def test_a_list_is_its_texts_one_by_one(name: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    blank = model.tokenizer.mask_token
    whole = TINY[name].text.format(blank)
    texts = [whole, blank, whole + blank, whole[: whole.index(blank)] + blank]
    for text, together in zip(texts, mlm_viz.predict(texts, model), strict=True):
        np.testing.assert_allclose(together.log2_probs, mlm_viz.predict(text, model).log2_probs, atol=1e-4)


def test_a_list_of_like_lengths_is_one_call(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    alone = [mlm_viz.predict(text, model) for text in TEXTS]
    before = model.calls
    together = mlm_viz.predict(TEXTS, model)
    assert model.calls - before == 1 < len({len(prediction.sentence) for prediction in alone})
    for one, many in zip(alone, together, strict=True):
        assert one.sentence.text == many.sentence.text
        assert one.positions == many.positions
        np.testing.assert_allclose(many.log2_probs, one.log2_probs, atol=1e-4)
        assert many.probability("cats", slot=0) == pytest.approx(one.probability("cats", slot=0), rel=1e-4)
    assert mlm_viz.predict([], model) == []


def test_batches_hold_every_text_once_with_little_padding() -> None:
    lengths = [40, 8, 8, 23, 3000, 24, 22, 1500, 1499, 8]
    batches = list(_batches(lengths, padding=3))
    assert sorted(number for batch in batches for number in batch) == list(range(len(lengths)))
    assert [[lengths[number] for number in batch] for batch in batches] == [
        [3000], [1500], [1499], [40], [24, 23, 22], [8, 8, 8]
    ]  # fmt: skip


def test_a_text_without_a_slot_in_a_list_is_named(tiny_model: ModelOf) -> None:
    with pytest.raises(TextError, match="number 1"):
        mlm_viz.predict(["the ____", "the cat"], tiny_model("bert"))


# --- one look is one call ---------------------------------------------------------------------------------------------


def test_calls_are_counted(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")

    def calls(work: Callable[[], Any]) -> int:
        before = model.calls
        work()
        return model.calls - before

    sentence, masking = prepare("the ____ is ____", model)
    assert calls(lambda: model.encode("the cat")) == 0
    assert calls(lambda: mlm_viz.predict("the ____ is ____", model)) == 1
    assert calls(lambda: mlm_viz.attend("the ____", model)) == 1
    assert calls(lambda: look(model, sentence, masking, layers="all")) == 1
    assert calls(lambda: look(model, sentence, Masking())) == 0
    assert calls(lambda: mlm_viz.predict("the ____", model).score("cats")) == 2


def test_one_look_gives_both(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    sentence, masking = prepare("the ____ is good", model)
    prediction, attention = look(model, sentence, masking, layers=[1])
    assert isinstance(prediction, Prediction)
    assert attention is not None
    assert attention.layers == (1,)
    assert attention.labels[2] == "[MASK]"
    np.testing.assert_allclose(attention.weights[0], mlm_viz.attend("the ____ is good", model).weights[1], atol=1e-6)


def test_attention_reads_what_is_masked(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    typed = mlm_viz.attend("the ____ is good", model)
    masked = mlm_viz.attend("the cat is good", model, masked=["cat"])
    np.testing.assert_array_equal(typed.weights, masked.weights)
    assert masked.labels == typed.labels
    inner = typed.without_special(renormalise=True)
    assert inner.labels == ("the", "[MASK]", "is", "good")
    np.testing.assert_allclose(inner.weights.sum(axis=-1), 1, atol=1e-6)
    left = typed.without_special(renormalise=False).weights
    np.testing.assert_array_equal(left, typed.weights[:, :, 1:-1, 1:-1])


def test_the_last_query_may_be_counted_from_behind(tiny_model: ModelOf) -> None:
    seen = mlm_viz.attend("the cat is good", tiny_model("bert"))
    last = len(seen.labels) - 1
    np.testing.assert_array_equal(seen.shares(-1), seen.shares(last))
    assert seen.shares_frame(-1).equals(seen.shares_frame(last))
    with pytest.raises(IndexError):
        seen.shares(last + 1)


def test_what_is_handed_out_cannot_be_written_into(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    text = "the ____ is ____"
    found, seen, layers = mlm_viz.predict(text, model), mlm_viz.attend(text, model), mlm_viz.lens(text, model, slot=0)
    arrays = {
        "prediction": found.log2_probs,
        "slot": found[0].log2_probs,
        "row of the lens": layers.at(0).log2_probs,
        "lens": layers.log2_probs,
        "ids": found.sentence.ids,
        "ordinary": model.vocabulary.ordinary_ids,
        "weights": seen.weights,
        "head": seen.head(0, 0),
        "special": seen.special,
        "sweep": mlm_viz.sweep("the cat", model).log2_probs,
        "fills": mlm_viz.joint_fills(text, model).fills,
    }
    assert [name for name, array in arrays.items() if array.flags.writeable] == []
    rates = np.array([0.5])
    accuracy_by_rate(["the cat"], model, rates)
    assert rates.flags.writeable  # what was given stays the giver's


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "[CLS] [SEP]", "[PAD]"])
def test_nothing_to_read(text: str, tiny_model: ModelOf) -> None:
    for ask in (mlm_viz.predict, mlm_viz.attend, mlm_viz.sweep, mlm_viz.joint_fills, mlm_viz.mask):
        with pytest.raises(TextError, match="type a sentence"):
            ask(text, tiny_model("bert"))


def test_no_slot(tiny_model: ModelOf) -> None:
    with pytest.raises(TextError, match=r"\[MASK\] or ____"):
        mlm_viz.predict("the cat runs", tiny_model("bert"))


@pytest.mark.parametrize(("name", "limit"), [("bert", 40), ("roberta", 38), ("esm", 38), ("deberta-v2", 40)])
def test_too_long(name: str, limit: int, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    assert model.limit == limit
    unit = "L" if name == "esm" else "the "
    fits = mlm_viz.predict(unit * (limit - 3) + "____", model)
    assert len(fits.sentence) == limit
    with pytest.raises(TextError, match=f"has {limit + 1} tokens.*at most {limit}"):
        mlm_viz.predict(unit * (limit - 2) + "____", model)


@pytest.mark.parametrize("layers", [[3], [-1], [0, 7], []])
def test_layers_that_are_not_there(layers: list[int], tiny_model: ModelOf) -> None:
    with pytest.raises(ModelError, match="layers 0 to 2"):
        mlm_viz.attend("the cat", tiny_model("bert"), layers=layers)


@pytest.mark.parametrize("head", [(3, 0), (0, 4), (-1, 0), (0, -1)])
def test_heads_that_are_not_there(head: tuple[int, int], tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    with pytest.raises(ModelError, match="no head"):
        model.forward(model.encode("the cat").ids[None], silenced=[head])
