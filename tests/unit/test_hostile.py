"""Any text at all: it is read, or refused in a sentence; nothing a page shows is empty or invisible."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import mlm_viz
from mlm_viz.errors import MlmVizError, TextError, WordError
from mlm_viz.masking import POLICIES, mask_random
from mlm_viz.model import Model
from mlm_viz.tokens import Sentence, carry_over, clean_text

ModelOf = Callable[[str], Model]
KINDS = ["bert", "roberta", "xlm-roberta", "deberta-v2", "esm", "smiles"]

ODD = (
    "\0", "\ud800", "\udfff\ud83d", "\u200b", "\u200d", "\ufeff", "\u202e", "\u2066", "\u061c", "\u00ad", "\ufe0f",
    "👩‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "❤️", "שלום", "مرحبا", "ก็", "e\u0301\u0302", "\u3164", "\u2800", "\U000e0001", "\ue000",
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</script>", "&amp;", "$x$", "{0}", "%s", "\\N{DASH}",
    "[MASK]", "<mask>", "____", "[CLS]", "[SEP]", "</s>", "<s>", "[UNK]", "<unk>", "[PAD]", "<pad>", "##", "▁", "Ġ",
    "\r\n", "\x85", "\u2028", " ", "\u3000", "今天", "the cat", "好", "，", "MKT", "c1cC",
)  # fmt: skip
ANY_TEXT = st.one_of(
    st.text(st.characters(codec=None), max_size=12),
    st.lists(st.one_of(st.sampled_from(ODD), st.text(max_size=3)), max_size=6).map("".join),
    st.lists(st.sampled_from(ODD), max_size=8).map(" ".join),
)


def check(sentence: Sentence, model: Model) -> None:
    """What holds of every sentence."""
    count = len(sentence)
    for field in (sentence.ids, sentence.pieces, sentence.labels, sentence.words, sentence.special, sentence.blank):
        assert len(field) == count
    assert len(sentence.spaced) == count <= model.limit
    assert all(shows(label) for label in sentence.labels)
    assert ((sentence.words < 0) == sentence.special).all()
    assert not (sentence.special & sentence.blank).any()
    assert sorted(p for group in sentence.word_groups() for p in group) == list(sentence.maskable)
    for group in sentence.word_groups():
        assert group == tuple(range(group[0], group[-1] + 1))
        assert sentence.word_at(group[0]) == group


def shows(label: str) -> bool:
    """Whether something can be seen, with nothing in it that draws nothing or turns the text around."""
    seen = label.replace("\u200d", "").replace("\ufe0f", "").replace("\ufe0e", "")
    return seen != "" and seen.isprintable() and any(unicodedata.category(c)[0] in "LNPS" for c in seen)


@pytest.mark.parametrize("kind", KINDS)
@given(text=ANY_TEXT, data=st.data())
@example(text="", data=None)
@example(text="the " * 20_000, data=None)
@example(text="\0" * 5_000, data=None)
@example(text="👩‍👩‍👧‍👦" * 300, data=None)
def test_any_text(kind: str, tiny_model: ModelOf, text: str, data: st.DataObject | None) -> None:
    model = tiny_model(kind)
    try:
        sentence = model.encode(text)
    except TextError as refusal:
        assert str(model.limit) in str(refusal)
        return
    check(sentence, model)
    assert sentence.text == clean_text(text)
    if not sentence.maskable and not sentence.blanks:
        with pytest.raises(TextError):
            mlm_viz.predict(text, model)
        return
    chosen = data.draw(st.sets(st.sampled_from(sentence.maskable), max_size=3)) if data and sentence.maskable else set()
    if not chosen and not sentence.blanks:
        with pytest.raises(TextError):
            mlm_viz.predict(text, model)
        return
    prediction = mlm_viz.predict(text, model, masked=chosen)
    assert set(prediction.positions) == chosen | set(sentence.blanks)
    assert np.isfinite(prediction.log2_probs).all()
    assert all(shows(label) for label in prediction.top(3)["token"])


@pytest.mark.parametrize("kind", KINDS)
@given(text=ANY_TEXT, seed=st.integers(0, 100), policy=st.sampled_from(POLICIES))
def test_any_text_can_be_masked_at_random(kind: str, tiny_model: ModelOf, text: str, seed: int, policy: str) -> None:
    model = tiny_model(kind)
    try:
        masking = mask_random(model.encode(text), model.vocabulary, rate=0.5, seed=seed, policy=policy)
    except TextError:
        return
    assert len(mlm_viz.predict(text, model, masked=masking)) == len(masking)


@pytest.mark.parametrize("kind", KINDS)
@given(word=ANY_TEXT)
def test_any_word_is_scored_or_refused(kind: str, tiny_model: ModelOf, word: str) -> None:
    prediction = mlm_viz.predict("____", tiny_model(kind))
    try:
        score = prediction.score(word)
    except MlmVizError as refusal:
        assert isinstance(refusal, (WordError, TextError))
    else:
        assert 0 <= score.probability <= 1
        assert score.surprisal >= 0
        assert score.rank >= 1


@given(before=ANY_TEXT, after=ANY_TEXT)
def test_any_edit_carries_equal_pieces_over(tiny_model: ModelOf, before: str, after: str) -> None:
    model = tiny_model("bert")
    try:
        old, new = model.encode(before), model.encode(after)
    except TextError:
        return
    moved = carry_over(old, new)
    assert all(old.pieces[a] == new.pieces[b] for a, b in moved.items())
    assert len(set(moved.values())) == len(moved)


@given(what=ANY_TEXT)
def test_any_word_is_found_or_refused(tiny_model: ModelOf, what: str) -> None:
    sentence = tiny_model("bert").encode("the cats play 今天 !")
    try:
        positions = sentence.positions_of([what])
    except WordError:
        return
    assert set(positions) <= set(sentence.maskable)


def test_the_bundled_vocabulary_shows_itself(bundled: Model) -> None:
    assert len(bundled.vocabulary.labels) == len(bundled.vocabulary)
    assert all(shows(label) for label in bundled.vocabulary.labels)


@given(text=ANY_TEXT)
def test_the_bundled_model_reads_any_text(bundled: Model, text: str) -> None:
    try:
        sentence = bundled.encode(text)
    except TextError:
        return
    check(sentence, bundled)
