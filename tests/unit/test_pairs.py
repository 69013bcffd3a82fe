"""Scores of sentences against a loop of plain passes and against minicons; what two sentences share."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

import mlm_viz
from mlm_viz.analysis import prediction
from mlm_viz.analysis.pairs import align
from mlm_viz.analysis.scoring import scores_in_parts
from mlm_viz.errors import TextError
from mlm_viz.model import Model
from mlm_viz.pairs import WITHIN_WORD, MinimalPair

ModelOf = Callable[[str], Model]
# Words of one and of several pieces; no punctuation inside sentence pieces, where minicons knows no words.
TEXTS = {
    "bert": ["the cats played in london today, walking happily!", "今天天气很好，我们去公园。", "a dog"],
    "distilbert": ["the unhappy cats are walking", "we went to the parks"],
    "roberta": ["the capital of france is paris", "we played in unhappy london, today"],
    "modernbert": ["the cats are walking in london today"],
    "xlm-roberta": ["the capital of france is playing good", "we went to big parks"],
    "albert": ["the cats played in london"],
}
MINICONS = {"original": "original", "left_to_right": "within_word_l2r"}


@torch.inference_mode()
def one_by_one(model: Model, text: str, within_word: str) -> list[float]:
    """Mask, run, read, for one token after the other; words as the tokenizer cuts them."""
    encoding = model.tokenizer(text)
    words = encoding.word_ids(0)
    found = []
    for position, word in enumerate(words):
        if word is None:
            continue
        later = [p for p in range(position + 1, len(words)) if words[p] == word]
        ids = torch.tensor([encoding["input_ids"]])
        own = int(ids[0, position])
        ids[0, [position, *(later if within_word == "left_to_right" else [])]] = model.vocabulary.mask_id
        logits = model.network(input_ids=ids).logits[0, position].double()
        found.append(float(torch.log_softmax(logits, dim=-1)[own]) / math.log(2))
    return found


@pytest.mark.parametrize("within_word", WITHIN_WORD)
@pytest.mark.parametrize("name", sorted(TEXTS))
def test_score_is_a_loop_over_the_tokens(name: str, within_word: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    scores = mlm_viz.pseudo_log_likelihood(TEXTS[name], model, within_word=within_word)
    for text, score in zip(TEXTS[name], scores, strict=True):
        expected = one_by_one(model, text, within_word)
        np.testing.assert_allclose(score.log2_probs, expected, atol=1e-4)
        assert score.total == pytest.approx(sum(expected), abs=1e-4)
        assert score.per_token == pytest.approx(sum(expected) / len(expected), abs=1e-4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(TEXTS))
def test_score_is_that_of_minicons_both_ways(name: str, tiny_model: ModelOf) -> None:
    from minicons.scorer import MaskedLMScorer

    model = tiny_model(name)
    scorer = MaskedLMScorer(model.network, "cpu", tokenizer=model.tokenizer)
    for within_word, metric in MINICONS.items():
        ours = mlm_viz.pseudo_log_likelihood(TEXTS[name], model, within_word=within_word)
        for text, score in zip(TEXTS[name], ours, strict=True):
            encoded = model.tokenizer([text], return_attention_mask=True)
            (theirs,) = scorer.compute_stats(scorer.prepare_text(encoded, PLL_metric=metric), base_two=True)
            np.testing.assert_allclose(score.log2_probs, theirs, atol=1e-4)
            (total,) = scorer.sequence_score(encoded, lambda x: x.sum().item(), PLL_metric=metric, base_two=True)
            assert score.total == pytest.approx(total, abs=1e-4)


def test_the_two_ways_differ_only_within_words_of_several_pieces(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    original = mlm_viz.pseudo_log_likelihood("the cats play in london", model)
    other = mlm_viz.pseudo_log_likelihood("the cats play in london", model, within_word="left_to_right")
    pieces = [original.sentence.pieces[p] for p in original.positions]
    differ = np.abs(original.log2_probs - other.log2_probs) > 1e-3
    assert [piece for piece, flag in zip(pieces, differ, strict=True) if flag] == ["cat"]


def test_score_is_the_sum_of_the_sweep(tiny_model: ModelOf) -> None:
    model = tiny_model("roberta")
    text = "the capital of ____ is paris"
    score, swept = mlm_viz.pseudo_log_likelihood(text, model), mlm_viz.sweep(text, model)
    assert score.positions.tolist() == swept.positions.tolist()  # the blank stays blank
    assert score.total == pytest.approx(swept.log2_probs.sum(), abs=1e-4)
    np.testing.assert_allclose(score.surprisals, swept.surprisals, atol=1e-4)
    table = score.to_frame()
    assert table["log2_prob"].sum() == pytest.approx(score.total)
    assert table["token"].tolist() == swept.to_frame()["token"].tolist()


def test_sentences_of_one_length_share_passes(tiny_model: ModelOf, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("bert")
    texts = ["the cat runs", "a dog plays", "the big dog", "we went to the park today", "a cat"]
    alone = [mlm_viz.pseudo_log_likelihood(text, model) for text in texts]
    lengths = {len(score.sentence) for score in alone}
    before = model.calls
    together = mlm_viz.pseudo_log_likelihood(texts, model)
    assert model.calls - before == len(lengths) < len(texts)
    for one, other in zip(alone, together, strict=True):
        assert one.sentence.text == other.sentence.text
        np.testing.assert_allclose(one.log2_probs, other.log2_probs, atol=1e-4)
    monkeypatch.setattr(prediction, "TOKENS_A_BATCH", 12)
    parts = list(scores_in_parts(model, [score.sentence for score in alone]))
    done = [sum(score is not None for score in part) for part in parts]
    assert len(parts) > len(lengths)
    assert done == sorted(done)
    assert done[0] < done[-1] == len(texts)
    for one, other in zip(alone, parts[-1], strict=True):
        np.testing.assert_allclose(one.log2_probs, other.log2_probs, atol=1e-4)
    assert mlm_viz.pseudo_log_likelihood([], model) == []


def test_what_cannot_be_scored_is_said(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    with pytest.raises(TextError, match="no token to mask"):
        mlm_viz.pseudo_log_likelihood("____ ____", model)
    with pytest.raises(TextError, match="type a sentence"):
        mlm_viz.pseudo_log_likelihood(["the cat", ""], model)
    with pytest.raises(TextError, match="original, left_to_right"):
        mlm_viz.pseudo_log_likelihood("the cat", model, within_word="words")
    with pytest.raises(TextError, match="at most 40"):
        mlm_viz.pseudo_log_likelihood("the " * 60, model)


# --- pairs


def spelled(pair: MinimalPair) -> list[tuple[list[str], list[str], bool]]:
    a, b = pair.a.sentence, pair.b.sentence
    return [([a.pieces[p] for p in s.a], [b.pieces[p] for p in s.b], s.same) for s in pair.stretches]


@pytest.mark.parametrize("within_word", WITHIN_WORD)
def test_pair_shows_where_the_sentences_differ_and_which_wins(within_word: str, tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    texts = "the cat runs in the park today", "the cats play in the park"
    pair = mlm_viz.minimal_pair(*texts, model, within_word=within_word)
    assert spelled(pair) == [
        (["the"], ["the"], True),
        (["cat", "runs"], ["cat", "##s", "play"], False),
        (["in", "the", "park"], ["in", "the", "park"], True),
        (["today"], [], False),
    ]
    expected = [sum(one_by_one(model, text, within_word)) for text in texts]
    assert pair.difference == pytest.approx(expected[0] - expected[1], abs=1e-3)
    assert pair.winner == ("a" if expected[0] > expected[1] else "b")
    assert sum(pair.difference_in(stretch) for stretch in pair.stretches) == pytest.approx(pair.difference, abs=1e-9)
    assert pair.equally_long
    swapped = mlm_viz.minimal_pair(*texts[::-1], model, within_word=within_word)
    assert swapped.difference == pytest.approx(-pair.difference, abs=1e-4)
    assert {pair.winner, swapped.winner} == {"a", "b"}
    table = pair.to_frame()
    assert table["difference"].sum() == pytest.approx(pair.difference, abs=1e-9)
    assert table["tokens_b"].tolist() == ["the", "cat ##s play", "in the park", ""]


def test_sentences_of_unlike_length_have_two_measures(tiny_model: ModelOf) -> None:
    pair = mlm_viz.minimal_pair("the cat", "the very very big cat runs in the park", tiny_model("bert"))
    assert not pair.equally_long
    assert pair.winner == "a"  # fewer tokens, fewer bits
    means = [score.total / len(score.positions) for score in (pair.a, pair.b)]
    assert pair.winner_per_token == ("a" if means[0] > means[1] else "b")


def test_chinese_pair_is_aligned_by_characters(tiny_model: ModelOf) -> None:
    pair = mlm_viz.minimal_pair("今天天气很好。", "今天天气很要。", tiny_model("bert"))
    assert [(a, b) for a, b, same in spelled(pair) if not same] == [(["好"], ["要"])]
    assert pair.equally_long


def test_blanks_are_aligned_and_not_scored(tiny_model: ModelOf) -> None:
    pair = mlm_viz.minimal_pair("the ____ runs", "a ____ runs", tiny_model("bert"))
    assert [(a, b) for a, b, same in spelled(pair) if not same] == [(["the"], ["a"])]
    assert len(pair.a.positions) == 2
    assert np.isnan(pair.a.surprisals[2])


def test_pairs_that_are_none(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    for same in ("the cat runs", "The CAT runs"):  # this vocabulary knows no capitals
        with pytest.raises(TextError, match="change a word"):
            mlm_viz.minimal_pair("the cat runs", same, model)
    with pytest.raises(TextError, match="type a sentence"):
        mlm_viz.minimal_pair("the cat", " ", model)
    with pytest.raises(TextError, match="no token to mask"):
        mlm_viz.minimal_pair("the cat", "____", model)


def test_alignment_takes_every_token_once(tiny_model: ModelOf) -> None:
    model = tiny_model("roberta")
    a, b = model.encode("we went to the big park in paris"), model.encode("the very nice park we walk in, today")
    stretches = align(a, b)
    for sentence, side in ((a, "a"), (b, "b")):
        taken = [position for stretch in stretches for position in getattr(stretch, side)]
        assert taken == np.flatnonzero(~sentence.special).tolist()
    for stretch in stretches:
        assert (a.ids[list(stretch.a)].tolist() == b.ids[list(stretch.b)].tolist()) == stretch.same
