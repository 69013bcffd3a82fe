"""Models of three kinds at a gap, against plain transformers: growing prefixes, growing answers, masks of attention."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from hypothesis import given, settings
from tokenizers import Tokenizer, decoders

import mlm_viz
from mlm_viz.errors import MlmVizError, ModelError, TextError, WordError
from mlm_viz.gaps import BLIND, Gap, words_of
from mlm_viz.loading import Network, load_network
from mlm_viz.readers import Reader, as_reader, reader
from mlm_viz.readers.causal import CausalReader
from mlm_viz.readers.reader import Row
from mlm_viz.readers.span import SENTINEL, SpanReader
from tests.tiny import CAUSAL, SPAN, TINY
from tests.unit.test_hostile import ANY_TEXT

DirOf = Callable[[str], Path]
ReaderOf = Callable[[str], Reader]
AUTO = {"masked": hf.AutoModelForMaskedLM, "causal": hf.AutoModelForCausalLM, "span": hf.AutoModelForSeq2SeqLM}
KINDS = {**dict.fromkeys(CAUSAL, "causal"), **dict.fromkeys(SPAN, "span")}
# ESM's tokenizer says no places, and that of SMILES knows no words.
MASKED = ["masked", *(name for name in TINY if name not in ("esm", "smiles"))]
SOME = ["masked", "causal", "span", "gpt2", "llama", "t5", "roberta"]
ALL = [*CAUSAL, *SPAN, "masked", "bert", "roberta", "modernbert", "xlm-roberta"]
GAPS = [
    Gap.of("the capital of france is paris, a good day.", "france"),
    Gap.of("今天天气很好，我们去公园。", "天气"),
    Gap.of("don't go, we happyable like it", "happyable"),
    Gap.of("paris", "paris"),
    Gap.of("the dog runs in london today", "today"),
    Gap.of("good day, we go to new york", "good"),
    Gap.of("我们去 new york 公园", "new"),
]
SENTENCES = [
    ("the cat runs, and the dog plays in the park.", "dog"),
    ("we don't go to paris, it's a nice day!", "go"),
    ("今天天气很好，我们去公园。", "好"),
    ("我们去new york公园today.", "york"),
    ("the cat 👩‍👩‍👧 plays with 👍🏽 today", "plays"),
    ("the  cat   runs  to   the park", "cat"),
    ("  the cat runs today  ", "runs"),
    ("the capital of france is paris", "capital"),
]


@pytest.fixture(scope="module")
def reader_of(tiny_dir: DirOf) -> ReaderOf:
    return cache(lambda name: as_reader(tiny_dir(name), KINDS.get(name, "masked")))


@pytest.fixture(scope="module")
def plain(tiny_dir: DirOf) -> Callable[[str], tuple[Any, Any]]:
    """A network and its tokenizer, as transformers loads them."""

    def load(name: str) -> tuple[Any, Any]:
        network = AUTO[KINDS.get(name, "masked")].from_pretrained(tiny_dir(name))
        return network.eval(), hf.AutoTokenizer.from_pretrained(tiny_dir(name))

    return cache(load)


@torch.inference_mode()
def bits(network: Any, ids: list[int], position: int = -1, written: list[int] | None = None) -> np.ndarray:
    more = {} if written is None else {"decoder_input_ids": torch.tensor([written])}
    logits = network(input_ids=torch.tensor([list(ids)]), **more).logits[0, position]
    return torch.log_softmax(logits.double(), dim=-1).numpy() / math.log(2)


# --- what comes later ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*CAUSAL, "masked", "bert"])
def test_later_tokens_do_not_touch_a_causal_model(name: str, plain: Callable) -> None:
    network, tokenizer = plain(name)
    rng = np.random.default_rng(0)
    ids, later = rng.integers(5, len(tokenizer), (2, 4, 20))
    later[:, :9] = ids[:, :9]
    with torch.inference_mode():
        one, two = (network(input_ids=torch.tensor(rows)).logits.softmax(-1)[:, :9] for rows in (ids, later))
    moved = (one - two).abs().max().item()
    if name in CAUSAL:
        assert moved < 1e-5
    else:
        assert moved > 1e-3


@pytest.mark.parametrize("name", CAUSAL)
def test_a_causal_guess_is_what_a_pass_over_the_whole_text_says(
    name: str, reader_of: ReaderOf, plain: Callable
) -> None:
    for gap in GAPS:
        row = reader_of(name).rows(gap, reader_of(name).spell(gap), len(gap.right_words))[0]
        assert len(row.ids) > len(row.shown) or not gap.right
        guess = reader_of(name).read(gap).guess.log2_probs
        np.testing.assert_allclose(bits(plain(name)[0], row.ids, row.slots[0]), guess, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_the_right_side_moves_who_may_see_it(name: str, reader_of: ReaderOf) -> None:
    gap = GAPS[0]
    found = [reader_of(name).read(gap, revealed).guess.log2_probs for revealed in range(len(gap.right_words) + 1)]
    moves = [np.abs(one - two).max() for one, two in pairwise(found)]
    if name in CAUSAL:
        assert moves == [0.0] * len(gap.right_words)
    else:
        assert min(moves) > 1e-3


# --- what is not revealed -----------------------------------------------------------------------


@pytest.mark.parametrize("name", [*MASKED, *SPAN])
def test_other_words_behind_what_is_revealed_change_nothing(name: str, reader_of: ReaderOf) -> None:
    shown = reader_of(name).read(Gap("the cat ", " today, we go to paris.", "runs"), 2)
    for right in (" today," + " good" * 6, " today, 我们去公园。"):
        other = reader_of(name).read(Gap("the cat ", right, "runs"), 2)
        np.testing.assert_array_equal(shown.guess.log2_probs, other.guess.log2_probs)
        assert shown.word == other.word
    blind = reader_of(name).read(Gap("the cat ", "", "runs"), BLIND)
    for right in (".", " ", " 公园" * 5):
        other = reader_of(name).read(Gap("the cat ", right, "runs"), BLIND)
        np.testing.assert_array_equal(blind.guess.log2_probs, other.guess.log2_probs)
    ends = reader_of(name).read(Gap("the cat ", "", "runs"), 0)
    assert np.abs(ends.guess.log2_probs - blind.guess.log2_probs).max() > 1e-3


@pytest.mark.parametrize("name", [name for name in MASKED if name != "deberta-v2-conv"])
@pytest.mark.parametrize("revealed", [BLIND, 2])
def test_leaving_out_comes_to_the_same_as_attending_to_nothing_hidden(
    name: str, revealed: int, reader_of: ReaderOf
) -> None:
    asked = reader_of(name)
    (row,) = asked.rows(GAPS[0], (), revealed)
    assert 0 < row.hidden.sum() < len(row.ids)
    allowed = np.broadcast_to(~row.hidden, (1, 1, len(row.ids), len(row.ids)))
    rng = np.random.default_rng(0)
    for _ in range(3):
        ids = row.ids.copy()
        ids[row.hidden] = rng.choice(asked.vocabulary.ordinary_ids, row.hidden.sum())
        seen = asked.model.forward(ids[None], slots=np.array([[0, row.slots[0]]]), allowed=allowed).log2_probs
        np.testing.assert_allclose(asked.read(GAPS[0], revealed).guess.log2_probs, seen[0], atol=1e-5)


@pytest.mark.parametrize("name", SPAN)
def test_leaving_out_comes_to_the_same_for_an_encoder(name: str, reader_of: ReaderOf, plain: Callable) -> None:
    asked = reader_of(name)
    (row,) = asked.rows(GAPS[0], (), 2)
    ids = row.ids.copy()
    ids[row.hidden] = 7
    with torch.inference_mode():
        logits = plain(name)[0](
            input_ids=torch.tensor(ids[None]),
            attention_mask=torch.tensor(~row.hidden[None]).long(),
            decoder_input_ids=torch.tensor(row.written[None]),
        ).logits[0, 1]
    expected = torch.log_softmax(logits, dim=-1).numpy() / math.log(2)
    np.testing.assert_allclose(asked.read(GAPS[0], 2).guess.log2_probs, expected, atol=1e-5)


# --- scores of words ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", MASKED)
def test_a_masked_model_with_both_sides_says_what_predict_says(name: str, reader_of: ReaderOf) -> None:
    asked = reader_of(name)
    sizes = set()
    for gap in (GAPS[0], GAPS[1], Gap.of("we go today, happyable dogs", "happyable")):
        expected = mlm_viz.predict(gap.left + "[MASK]" + gap.right, asked.model)[0]
        found = asked.read(gap)
        assert found.guess.position == expected.position
        np.testing.assert_allclose(found.guess.log2_probs, expected.log2_probs, atol=1e-6)
        score = expected.score(gap.word)
        assert (found.word.pieces, found.word.rank) == (score.pieces, score.rank)
        assert found.word.log2_prob == pytest.approx(score.log2_prob, abs=1e-5)
        sizes.add(min(2, len(score.pieces)))
    assert sizes == {1, 2}


def spelled(name: str, tokenizer: Any, gap: Gap) -> tuple[list[int], list[int]]:
    """The ids of the left side and of the word, as one would make them by hand."""
    left = gap.left.rstrip()
    if name == "gpt2":
        ids = [tokenizer.eos_token_id, *tokenizer(left).input_ids]
        return ids, tokenizer(" " * gap.spaced + gap.word).input_ids
    ids, pieces = tokenizer(left).input_ids, tokenizer(gap.word, add_special_tokens=False).input_ids
    if name != "llama":
        return ids[:-1], pieces
    return ids, pieces if gap.spaced or not left else without_mark(tokenizer, pieces)


def without_mark(tokenizer: Any, pieces: list[int]) -> list[int]:
    """The pieces of a word in the middle of a run, of a tokenizer that puts a space before whatever it reads."""
    bare = tokenizer.convert_ids_to_tokens(pieces[0]).lstrip("▁")
    return [*([tokenizer.convert_tokens_to_ids(bare)] if bare else []), *pieces[1:]]


@pytest.mark.parametrize("name", CAUSAL)
def test_a_causal_model_scores_a_word_by_growing_prefixes(name: str, reader_of: ReaderOf, plain: Callable) -> None:
    network, tokenizer = plain(name)
    for gap in GAPS:
        left, pieces = spelled(name, tokenizer, gap)
        logs = [bits(network, [*left, *pieces[:count]]) for count in range(len(pieces))]
        own = [log[piece] for log, piece in zip(logs, pieces, strict=True)]
        found = reader_of(name).read(gap, 1)
        np.testing.assert_allclose(found.guess.log2_probs, logs[0], atol=1e-5)
        assert found.word.log2_prob == pytest.approx(sum(own), abs=2e-5)
        assert found.word.rank == 1 + sum(logs[0] > sum(own))
        assert len(found.word.pieces) == len(pieces)
        scores = reader_of(name).score([gap])
        assert scores.log2_probs[0] == pytest.approx(sum(own), abs=2e-5)
        assert scores.hits[0] == all(log.argmax() == piece for log, piece in zip(logs, pieces, strict=True))


@pytest.mark.parametrize("name", SPAN)
def test_a_span_model_scores_a_word_by_growing_answers(name: str, reader_of: ReaderOf, plain: Callable) -> None:
    network, tokenizer = plain(name)
    for gap in GAPS:
        source = tokenizer(gap.left + SENTINEL + gap.right).input_ids
        pieces = tokenizer(gap.word, add_special_tokens=False).input_ids
        if name == "t5" and gap.left and not gap.spaced:
            pieces = without_mark(tokenizer, pieces)
        begin = [network.config.decoder_start_token_id, tokenizer.convert_tokens_to_ids(SENTINEL)]
        logs = [bits(network, source, written=[*begin, *pieces[:count]]) for count in range(len(pieces))]
        own = [log[piece] for log, piece in zip(logs, pieces, strict=True)]
        found = reader_of(name).read(gap)
        np.testing.assert_allclose(found.guess.log2_probs, logs[0], atol=1e-5)
        assert found.word.log2_prob == pytest.approx(sum(own), abs=2e-5)
        assert reader_of(name).score([gap]).log2_probs[0] == pytest.approx(sum(own), abs=2e-5)


@pytest.mark.parametrize(
    ("name", "right"), [*((name, True) for name in [*ALL, "deberta-v2-conv"]), *((name, False) for name in SOME)]
)
def test_many_gaps_score_as_each_alone(name: str, right: bool, reader_of: ReaderOf, monkeypatch: Any) -> None:
    asked = reader_of(name)
    alone = [asked.read(gap, len(gap.right_words) if right else BLIND).word for gap in GAPS]
    before = asked.calls
    together = asked.score(GAPS, right=right)
    assert asked.calls == before + 1 or name == "deberta-v2-conv"
    np.testing.assert_allclose(together.log2_probs, [word.log2_prob for word in alone], atol=2e-5)
    assert together.pieces.tolist() == [len(word.pieces) for word in alone]
    assert together.hits.tolist() == [asked.score([gap], right=right).hits[0] for gap in GAPS]
    monkeypatch.setattr(reader, "_TOKENS_A_BATCH", 40)
    before = asked.calls
    in_parts = asked.score(GAPS[::-1], right=right)
    assert asked.calls > before + 1
    np.testing.assert_allclose(in_parts.log2_probs[::-1], together.log2_probs, atol=2e-5)


def test_the_best_guess_is_a_hit(reader_of: ReaderOf) -> None:
    for name in ("masked", "causal", "span"):
        asked = reader_of(name)
        best = asked.read(Gap("the cat ", " today")).guess
        words = [asked.vocabulary.pieces[int(i)] for i in best.best(len(asked.vocabulary))]
        known = [word for word in words if word.isalpha() and len(asked.spell(Gap("", "", word))) == 1]
        hits = asked.score([Gap("the cat ", " today", word) for word in known]).hits
        assert hits.tolist() == [word == words[0] for word in known]
        assert asked.score([]).hits.tolist() == []


# --- who looks at whom --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("revealed", [BLIND, 3, None])
def test_patterns_sum_to_one_and_are_zero_where_closed(name: str, revealed: int | None, reader_of: ReaderOf) -> None:
    for gap in (GAPS[0], Gap("the cat ", "", "runs"), Gap("", " runs", "we")):
        if gap.right_words == () and revealed == 3:
            continue
        pattern = reader_of(name).read(gap, revealed, pattern=True).pattern
        tokens = len(pattern.labels)
        assert pattern.open.shape == pattern.weights.shape == (tokens, tokens)
        assert (pattern.weights[~pattern.open] == 0).all()
        assert (pattern.weights >= 0).all()
        sums = np.where(pattern.written, 2.0, pattern.open.any(axis=1))
        np.testing.assert_allclose(pattern.weights.sum(axis=1), sums, atol=1e-5)
        assert pattern.open[pattern.slot, pattern.slot]


def test_the_three_shapes(reader_of: ReaderOf) -> None:
    gap = GAPS[0]  # of whole words for all three
    masked, causal, span = (reader_of(name).read(gap, pattern=True).pattern for name in ("masked", "causal", "span"))
    assert masked.open.all()
    assert masked.labels[masked.slot] == "[MASK]"
    assert (causal.open == np.tri(len(causal.labels), dtype=bool)).all()
    assert causal.labels == ("[CLS]", *"the capital of france is paris , a good day .".split())
    assert causal.labels[causal.slot] == "of"
    reads = len(masked.labels)
    assert span.labels[-2:] == ("[CLS]", SENTINEL)
    assert span.labels[span.slot] == SENTINEL
    assert span.written.tolist() == [False] * reads + [True] * 2
    assert span.open[:, :reads].all()
    assert not span.open[:reads, reads:].any()
    assert span.open[reads:, reads:].tolist() == [[True, False], [True, True]]
    assert not masked.written.any()
    assert not causal.written.any()


def test_a_blinded_pattern_is_closed_behind_the_gap(reader_of: ReaderOf) -> None:
    for name in ("masked", "span", "modernbert"):
        for revealed, words in ((BLIND, 0), (0, 0), (2, 2)):
            pattern = reader_of(name).read(GAPS[0], revealed, pattern=True).pattern
            slot = list(pattern.labels).index(SENTINEL if name == "span" else "[MASK]")
            tokens = len(pattern.labels) - pattern.written.sum()
            assert pattern.open[slot, : slot + 1 + words].all()
            assert not pattern.open[:, slot + 1 + words : tokens].any()
            assert not pattern.open[slot + 1 + words : tokens].any()
            assert pattern.labels[:tokens] == reader_of(name).read(GAPS[0], pattern=True).pattern.labels[:tokens]


def test_a_long_word_is_written_out(reader_of: ReaderOf) -> None:
    gap = Gap.of("we happyable like it", "happyable")
    causal, span = (reader_of(name).read(gap, 1, pattern=True).pattern for name in ("causal", "span"))
    assert "".join(causal.labels) == "[CLS]wehappy##ablel##i##k##e"
    assert span.labels[-3:] == ("[CLS]", SENTINEL, "happy")
    assert span.labels[span.slot] == SENTINEL


@pytest.mark.parametrize("name", ["causal", "gpt2", "bert", "modernbert", "t5"])
def test_patterns_are_means_of_attention(name: str, reader_of: ReaderOf, tiny_dir: DirOf) -> None:
    asked = reader_of(name)
    pattern = asked.read(GAPS[0], pattern=True).pattern
    network = AUTO[asked.kind].from_pretrained(tiny_dir(name), attn_implementation="eager").eval()
    (row,) = asked.rows(GAPS[0], asked.spell(GAPS[0])[: None if asked.kind == "causal" else 1], 99)
    more = {} if row.written is None else {"decoder_input_ids": torch.tensor(row.written[None])}
    with torch.inference_mode():
        out = network(input_ids=torch.tensor(row.ids[None]), output_attentions=True, **more)

    def mean(layers: Any) -> np.ndarray:
        return np.mean([layer[0].numpy() for layer in layers], axis=(0, 1))

    if asked.kind == "span":
        reads = len(row.ids)
        np.testing.assert_allclose(pattern.weights[:reads, :reads], mean(out.encoder_attentions), atol=1e-6)
        np.testing.assert_allclose(pattern.weights[reads:, :reads], mean(out.cross_attentions), atol=1e-6)
        np.testing.assert_allclose(pattern.weights[reads:, reads:], mean(out.decoder_attentions), atol=1e-6)
    else:
        np.testing.assert_allclose(pattern.weights, mean(out.attentions), atol=1e-6)


# --- the same text, cut differently -------------------------------------------------------------


def squeezed(text: str) -> str:
    return "".join(text.lower().replace("\u200d", "").split())


def written_out(asked: Reader, ids: np.ndarray) -> str:
    """A regular expression for the text of tokens, without its white space; unknown ones may be anything."""
    vocabulary = asked.vocabulary
    if asked.speller.spelling.style == "byte-level":
        text = decoders.ByteLevel().decode([vocabulary.pieces[i] for i in ids])
        return re.escape(squeezed(text.rstrip("\ufffd")))  # half a character, where a token goes on to the next one
    if asked.name == "llama":
        return re.escape(squeezed(asked.speller.tokenizer.decode(ids.tolist())))
    bare = [vocabulary.pieces[i].removeprefix("##").replace("▁", "") for i in ids]
    return "".join(
        ".+?" if i == vocabulary.unknown_id else re.escape(squeezed(piece)) for i, piece in zip(ids, bare, strict=True)
    )


def three_parts(asked: Reader, gap: Gap, revealed: int) -> tuple[np.ndarray, tuple[int, ...], np.ndarray]:
    """The ids of the left side, of the word, and of what is seen of the right side, without special tokens."""
    pieces = asked.spell(gap)
    row = asked.rows(gap, pieces if asked.kind == "causal" else (), revealed)[0]
    if asked.kind == "causal":
        left, right = row.ids[: row.slots[0] + 1], row.ids[row.slots[0] + 1 + len(pieces) :]
        return left[1:], pieces, right
    middle = asked.vocabulary.mask_id if asked.kind == "masked" else asked.begin[1]
    (slot,) = np.flatnonzero(row.ids == middle)
    left, right = row.ids[:slot], row.shown[slot + 1 :]
    ends = {asked.speller.tokenizer.sep_token_id, asked.speller.tokenizer.eos_token_id}
    if revealed == len(gap.right_words):
        assert right[-1] in ends
        right = right[:-1]
    return left[(1 if asked.kind == "masked" or asked.name == "span" else 0) :], pieces, right


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("text", "word"), SENTENCES)
def test_all_readers_see_the_same_text(name: str, text: str, word: str, reader_of: ReaderOf) -> None:
    asked, gap = reader_of(name), Gap.of(text, word)
    before = -1
    for revealed in range(len(gap.right_words) + 1):
        left, pieces, right = three_parts(asked, gap, revealed)
        assert re.fullmatch(written_out(asked, left), squeezed(gap.left))
        assert re.fullmatch(written_out(asked, np.array(pieces)), squeezed(word))
        shown = squeezed("".join(gap.right_words[:revealed]))
        # A token across words shows itself with its last one; pieces of BERT's kind never go across words.
        exactly = "" if name in ("bert", "masked", "causal", "span") or revealed == len(gap.right_words) else ".*"
        assert re.fullmatch(written_out(asked, right) + exactly, shown)
        assert len(right) >= before
        before = len(right)


def test_tokens_across_words_wait_for_their_last_word(reader_of: ReaderOf) -> None:
    llama = reader_of("llama")
    gap = Gap.of("the capital of france is paris", "capital")
    across = llama.speller.tokenizer(" of france").input_ids
    assert len(across) == 2  # the start token, and one token for two words
    lengths = [len(three_parts(llama, gap, revealed)[2]) for revealed in range(5)]
    assert lengths == [0, 0, 1, 1, 2]
    lengths = [len(three_parts(llama, Gap.of("今天天气很好，我们去公园。", "好"), n)[2]) for n in range(8)]
    assert lengths == [0, 1, 1, 1, 1, 1, 1, 2]  # the comma, and one token for all that follows


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gpt2", " the cat  runs,\ndon't   stop! the\tdog plays - today"),
        ("bert-decoder", " the cat  runs,\n今天  stop! the\tdog plays - today"),
    ],
)
def test_the_parts_of_a_text_are_the_tokens_of_the_whole(name: str, text: str, reader_of: ReaderOf) -> None:
    whole = reader_of(name).speller.tokenizer(text, add_special_tokens=False).input_ids
    for begin, end in words_of(text):
        gap = Gap(text[:begin], text[end:], text[begin:end])
        left, pieces, right = three_parts(reader_of(name), gap, len(gap.right_words))
        assert [*left, *pieces, *right] == whole


def test_prompts_begin_with_a_start_token_and_have_no_end(reader_of: ReaderOf) -> None:
    starts = {name: reader_of(name).prompt("").tolist() for name in CAUSAL}
    assert starts == {"gpt2": [0], "llama": [1], "modernbert-decoder": [2], "bert-decoder": [2], "causal": [2]}
    for name, start in starts.items():
        asked = reader_of(name)
        assert asked.prompt(" ").tolist() == start
        ids = asked.prompt("the cat ").tolist()
        assert ids == asked.prompt("the cat").tolist()
        assert [asked.vocabulary.labels[i].strip("␣") for i in ids[1:]] in (["the", "cat"], ["the", "c", "at"])
        assert ids[:1] == start
    line = reader_of("gpt2").prompt("the\n").tolist()
    assert reader_of("gpt2").vocabulary.pieces[line[-1]] == "Ċ"
    assert not reader_of("gpt2").is_spaced(Gap("the\n", ""))


def test_a_sentence_piece_tokenizer_without_a_first_space(reader_of: ReaderOf, plain: Callable) -> None:
    network, tokenizer = plain("llama")
    bare = hf.LlamaTokenizer(
        vocab=tokenizer.get_vocab(), merges=merges_of(tokenizer), add_bos_token=True, add_prefix_space=False
    )
    asked = CausalReader(Network("bare", "causal", network, bare, 64))
    pieces = asked.vocabulary.pieces
    assert [pieces[i] for i in asked.spell(Gap("the ", "", "cat"))] == ["▁cat"]
    assert [pieces[i] for i in asked.spell(Gap("", "", "cat"))] == ["c", "at"]
    assert [pieces[i] for i in asked.spell(Gap("天", "", "cat"))] == ["c", "at"]


def merges_of(tokenizer: Any) -> list[tuple[str, str]]:
    import json

    return [tuple(pair) for pair in json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]]


# --- names of special tokens, and other texts -----------------------------------------------------


@pytest.mark.parametrize("name", SOME)
def test_names_of_special_tokens_in_a_text_are_text(name: str, reader_of: ReaderOf) -> None:
    asked = reader_of(name)
    special = asked.vocabulary.special_ids - {asked.vocabulary.unknown_id}
    plain_ones = asked.rows(Gap("the cat ", " today"), (), 1)[0].ids
    expected = [int(i) for i in plain_ones if i in special]
    for token in {*asked.speller.tokenizer.all_special_tokens[:6], SENTINEL, "<|endoftext|>"}:
        for gap in (
            Gap(f"the {token} cat ", " today"),
            Gap("the cat ", f" {token} today"),
            Gap(f"{token}", f"{token}"),
        ):
            (row,) = asked.rows(gap, (), len(gap.right_words))
            if name == "gpt2":  # its start token, its end token and its unknown token are one
                assert (row.ids == asked.speller.tokenizer.bos_token_id).sum() == 1
            assert [int(i) for i in row.ids if i in special] == expected
            assert len(row.slots) == 1


HOSTILE = [
    "<script>x()</script> ____ <img>",
    "a \ud800 \0 ____ \0 b",
    "[SEP] <extra_id_0> ____ </s>",
    "<extra_id_ ____ extra_id_0>",
    "[MA ____ SK]",
    "<<____>>",
    "____",
    " ____ ",
    "____.",
    "\u200b____\u200b",
    "\n\n____\n\n",
    "👩‍👧____👍🏽",
]


@pytest.mark.parametrize("name", SOME)
def test_odd_texts_are_read(name: str, reader_of: ReaderOf) -> None:
    asked = reader_of(name)
    for text in HOSTILE:
        gap = Gap.of(text)
        for revealed in (BLIND, len(gap.right_words)):
            found = asked.read(gap, revealed, pattern=revealed == BLIND)
            assert found.word is None
            assert np.exp2(found.guess.log2_probs.astype(float)).sum() == pytest.approx(1, abs=1e-4)
            assert found.pattern is None or np.isfinite(found.pattern.weights).all()


@pytest.mark.parametrize("name", ["masked", "t5", "gpt2", "llama"])
@given(left=ANY_TEXT, right=ANY_TEXT)
@settings(max_examples=10)
def test_any_text_is_read_or_refused_in_a_sentence(name: str, left: str, right: str, reader_of: ReaderOf) -> None:
    asked = reader_of(name)
    try:
        gap = Gap.of(left + "____" + right)
        found = asked.read(gap, len(gap.right_words) // 2)
    except MlmVizError as problem:
        assert "\n" not in str(problem)
    else:
        assert np.exp2(found.guess.log2_probs.astype(float)).sum() == pytest.approx(1, abs=1e-4)


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["masked", "causal", "span", "gpt2", "bert"])
def test_too_long_a_text(name: str, reader_of: ReaderOf) -> None:
    asked = reader_of(name)
    fits = Gap.of("the " * (asked.limit - 3) + "____")
    asked.read(fits)
    for gap in (Gap.of("the " * 400 + "____"), Gap.of("____" + " the" * 400, "we")):
        with pytest.raises(TextError, match=rf"40\d tokens for {asked.name}, which reads at most {asked.limit}"):
            asked.read(gap)
        with pytest.raises(TextError, match=asked.name):
            asked.score([Gap(gap.left, gap.right, "we")])


def test_a_text_as_long_as_one_likes_where_there_is_no_limit(reader_of: ReaderOf) -> None:
    assert reader_of("t5").limit is None
    assert reader_of("t5").read(Gap.of("the " * 400 + "____")).guess.entropy > 0


def test_a_masked_network_is_no_model_to_ask(tiny_dir: DirOf) -> None:
    with pytest.raises(ModelError, match="bert is a masked model loaded with load_network; load it with load"):
        as_reader(load_network(tiny_dir("bert")), "masked")


def test_a_word_that_cannot_be_spelled(reader_of: ReaderOf) -> None:
    for name in ("masked", "causal", "span", "t5"):
        with pytest.raises(WordError, match=f"The vocabulary of {name} cannot spell '2024'"):
            reader_of(name).read(Gap("in ", "", "2024"))
    with pytest.raises(WordError, match="not known"):
        reader_of("masked").score([GAPS[0], Gap("the ", "")])


def test_nothing_to_go_on_from(plain: Callable) -> None:
    network, tokenizer = plain("bert-decoder")
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.post_processor = None
    tokenizer = hf.PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")
    asked = CausalReader(Network("bare", "causal", network, tokenizer, 64))
    with pytest.raises(TextError, match="bare goes on from what stands before, and here nothing does"):
        asked.read(Gap("", " runs"))
    assert asked.read(Gap("the ", " runs")).guess.position == 0


def test_models_that_cannot_be_asked(tiny_dir: DirOf, reader_of: ReaderOf) -> None:
    with pytest.raises(ModelError, match=r"bart is an encoder-decoder without sentinels \(<extra_id_0>\)"):
        as_reader(tiny_dir("bart"), "span")
    with pytest.raises(ModelError, match="The tokenizer of esm does not say where its tokens stand"):
        as_reader(tiny_dir("esm"), "masked").read(Gap("MKT", "QIS"))


@pytest.mark.parametrize(
    ("name", "wanted", "says"),
    [
        ("causal", "masked", "causal is a left-to-right model; a masked model is needed here"),
        ("t5", "masked", "t5 is a span-filling encoder-decoder; a masked model is needed here"),
        ("bert", "causal", "bert is a masked model; a left-to-right model is needed here"),
        ("gpt2", "span", "gpt2 is a left-to-right model; a span-filling encoder-decoder is needed here"),
    ],
)
def test_a_model_of_another_kind(name: str, wanted: str, says: str, tiny_dir: DirOf, reader_of: ReaderOf) -> None:
    sources: list[Any] = [tiny_dir(name), str(tiny_dir(name)), reader_of(name)]
    sources.append(mlm_viz.load(tiny_dir(name)) if name == "bert" else mlm_viz.loading.load_network(tiny_dir(name)))
    for source in sources:
        with pytest.raises(ModelError, match=says):
            as_reader(source, wanted)


def test_readers_of_all_that_is_a_model(tiny_dir: DirOf, reader_of: ReaderOf) -> None:
    network = mlm_viz.loading.load_network(tiny_dir("t5"))
    made = as_reader(network, "span")
    assert isinstance(made, SpanReader)
    assert as_reader(made, "span") is made
    model = mlm_viz.load(tiny_dir("bert"))
    assert as_reader(model, "masked").model is model
    assert as_reader(str(tiny_dir("gpt2")), "causal").name == "gpt2"
    assert made.parameters == sum(weight.numel() for weight in network.network.parameters())
    assert repr(made) == f"SpanReader('t5', {made.parameters / 1e6:.1f} M parameters)"


def test_passes_are_counted(reader_of: ReaderOf) -> None:
    one, several = Gap.of("the cat runs today", "cat"), Gap.of("the happyable cat", "happyable")
    for name in SOME:
        asked = reader_of(name)
        for gap, pattern, most in ((one, False, 1), (one, True, 2), (several, True, 3)):
            before = asked.calls
            asked.read(gap, pattern=pattern)
            extra = 2 if asked.kind == "masked" and len(asked.spell(gap)) > 1 else 1
            assert asked.calls - before == extra + pattern <= most + 1


def test_a_row_tells_what_is_read() -> None:
    row = Row(np.array([5, 6, 7]), np.array([False, False, True]), (1,))
    assert row.shown.tolist() == [5, 6]
