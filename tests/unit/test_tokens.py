"""How a text is cut: words, blanks, what may be masked, finding words, edits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlm_viz.errors import TextError, WordError
from mlm_viz.gaps import Gap
from mlm_viz.model import Model
from mlm_viz.readers.masked import MaskedReader
from mlm_viz.tokens import Sentence, carry_over, clean_text, is_cjk, is_punctuation, visible, write_blanks

ModelOf = Callable[[str], Model]


def words_of(model: Model, text: str) -> list[str]:
    """The labels of each word's pieces, joined by `+`."""
    sentence = model.encode(text)
    return ["+".join(sentence.labels[p] for p in group) for group in sentence.word_groups()]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("a [MASK] b", "a <m> b"),
        ("a <mask> b", "a <m> b"),
        ("a [mask] b", "a <m> b"),
        ("a ____ b", "a <m> b"),
        ("a ___ b", "a <m> b"),
        ("a __________ b", "a <m> b"),
        ("很＿＿＿，我", "很<m>，我"),
        ("很____，我____", "很<m>，我<m>"),
        ("snake_case and __init__", "snake_case and __init__"),
        ("[MASK][MASK]", "<m><m>"),
    ],
)
def test_ways_of_writing_a_blank(written: str, expected: str) -> None:
    assert write_blanks(written, "<m>") == expected


def test_a_mask_token_is_taken_literally() -> None:
    assert write_blanks("____", r"\1<m>") == r"\1<m>"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("bert", "The cats play!", ["the", "cat+##s", "play", "!"]),
        ("bert", "今天very好", ["今", "天", "very", "好"]),
        ("roberta", "the capital,", ["the", "␣capital", ","]),
        ("xlm-roberta", "the cats, playing.", ["␣the", "␣cat+s", ",", "␣play+ing", "."]),
        ("xlm-roberta", "今天天气很好，我们去", ["␣今天", "天气", "很", "好", "，", "我", "们", "去"]),
        ("xlm-roberta", "我ing好", ["␣", "我", "ing", "好"]),
        ("albert", "cats!", ["␣cat+s", "!"]),
        ("deberta-v2", "cats!", ["␣cat+s", "!"]),
        ("esm", "MKT", ["M", "K", "T"]),
        ("smiles", "CClc[nH]", ["C", "Cl", "c", "[nH]"]),
    ],
)
def test_words(name: str, text: str, expected: list[str], tiny_model: ModelOf) -> None:
    assert words_of(tiny_model(name), text) == expected


def test_a_sentence_knows_its_special_tokens_and_blanks(tiny_model: ModelOf) -> None:
    sentence = tiny_model("bert").encode("the ____ [SEP] [UNK] day")
    assert sentence.labels == ("[CLS]", "the", "[MASK]", "[SEP]", "[UNK]", "day", "[SEP]")
    assert np.flatnonzero(sentence.special).tolist() == [0, 3, 6]
    assert sentence.blanks == (2,)
    assert sentence.maskable == (1, 4, 5)
    assert sentence.words[[0, 3, 6]].tolist() == [-1, -1, -1]


@pytest.mark.parametrize("name", ["bert", "roberta", "xlm-roberta", "modernbert"])
def test_spaced_says_where_white_space_stands(name: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    sentence = model.encode("good day,cat ____ and____")
    spaced = {label.lstrip("␣"): bool(s) for label, s in zip(sentence.labels, sentence.spaced, strict=True)}
    assert (spaced["day"], spaced[","]) == (True, False)
    assert [bool(sentence.spaced[p]) for p in sentence.blanks] == [True, False]
    # Sentence pieces begin as if a space stood there.
    assert bool(sentence.spaced[1]) is (name == "xlm-roberta")


@pytest.mark.parametrize("name", ["roberta", "modernbert"])
def test_a_new_line_is_no_space_where_a_space_is_a_byte(name: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    sentence = model.encode("paris is\ngood day")
    places = list(sentence.positions_of("good"))
    assert not sentence.spaced[places].any()
    assert model.spell("good", spaced=bool(sentence.spaced[places[0]])) == tuple(sentence.ids[places].tolist())
    assert MaskedReader(model).spell(Gap("paris is\n", " day", "good")) == tuple(sentence.ids[places].tolist())
    assert tiny_model("xlm-roberta").encode("paris\ngood").spaced[2]


@pytest.mark.parametrize(
    ("name", "text", "word", "expected"),
    [
        ("bert", "The cats play", "cats", (2, 3)),
        ("bert", "The cats play", "CATS", (2, 3)),
        ("bert", "The cats play", "##s", (3,)),
        ("bert", "the day the", "the", (1,)),
        ("xlm-roberta", "the day.", "day", (2,)),
        ("xlm-roberta", "the cats, big.", "cats", (2, 3)),
        ("xlm-roberta", "今天天气很好", "天气", (2,)),
        ("bert", "a café today", "Café", (2, 3, 4, 5)),
        ("bert", "a café today", "cafe", (2, 3, 4, 5)),
        ("roberta", "the capital", "capital", (2,)),
        ("smiles", "CCOcc", "c", (4,)),
        ("smiles", "CCOcc", "C", (1,)),
        ("esm", "MKTA", "k", (2,)),
    ],
)
def test_finding_a_word(name: str, text: str, word: str, expected: tuple[int, ...], tiny_model: ModelOf) -> None:
    sentence = tiny_model(name).encode(text)
    assert sentence.positions_of([word]) == expected
    assert sentence.positions_of(word) == expected


@pytest.mark.parametrize("word", ["", " ", "elephant", "[CLS]", "␣"])
def test_words_that_are_not_found(word: str, tiny_model: ModelOf) -> None:
    with pytest.raises(WordError):
        tiny_model("bert").encode("the cats").positions_of([word])


def test_positions_are_checked(tiny_model: ModelOf) -> None:
    sentence = tiny_model("bert").encode("the ____ day")
    assert sentence.positions_of([3, "the", np.int64(2)]) == (1, 2, 3)
    for wrong in (0, 4, 5, -1):
        with pytest.raises(TextError, match="cannot be masked"):
            sentence.positions_of([wrong])


@pytest.mark.parametrize(("position", "expected"), [(0, (0,)), (1, (1,)), (2, (2, 3)), (3, (2, 3)), (5, (5,))])
def test_word_at(position: int, expected: tuple[int, ...], tiny_model: ModelOf) -> None:
    assert tiny_model("bert").encode("the cats play").word_at(position) == expected


# --- edits ------------------------------------------------------------------------------------------------------------


def test_masks_survive_an_edit_elsewhere(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    old, new = model.encode("the cat runs today"), model.encode("the big red cat runs !")
    moved = carry_over(old, new)
    assert {old.labels[a]: new.labels[b] for a, b in moved.items()} == {
        label: label for label in ("[CLS]", "the", "cat", "runs", "[SEP]")
    }
    assert moved[2] == 4


WORDS = st.lists(st.sampled_from("the cat runs play today ____ 今 天 good . [MASK]".split()), max_size=12).map(" ".join)


@given(WORDS, WORDS)
def test_what_is_carried_over_is_the_same_piece_in_order(tiny_model: ModelOf, before: str, after: str) -> None:
    model = tiny_model("bert")
    old, new = model.encode(before), model.encode(after)
    moved = carry_over(old, new)
    assert all(old.pieces[a] == new.pieces[b] for a, b in moved.items())
    assert [moved[p] for p in sorted(moved)] == sorted(moved.values())
    assert len(set(moved.values())) == len(moved)
    same = carry_over(old, old)
    assert same == {p: p for p in range(len(old))}


# --- characters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("the", "the"),
        (" the", "␣the"),
        ("", "⟨⟩"),
        ("\u200b", "⟨U+200B⟩"),
        ("\n", "⟨U+000A⟩"),
        ("\u00a0", "⟨U+00A0⟩"),
        ("\u3000", "⟨U+3000⟩"),
        ("\ufe0f", "⟨U+FE0F⟩"),
        ("\u3164", "⟨U+3164⟩"),
        ("\u202e", "⟨U+202E⟩"),
        ("\u0301", "◌\u0301"),
        ("e\u0301", "e\u0301"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("❤\ufe0f", "❤\ufe0f"),
        ("שלום", "שלום"),
        ("<script>", "<script>"),
        ("好", "好"),
    ],
)
def test_labels_show_what_leaves_no_mark(text: str, label: str) -> None:
    assert visible(text) == label


def test_clean_text_replaces_only_what_cannot_travel() -> None:
    assert clean_text("a\ud800b\0c\u200b😀") == "a\ufffdb\ufffdc\u200b😀"


@given(st.text(st.characters(codec=None)))
def test_clean_text_can_be_encoded_and_keeps_its_length(text: str) -> None:
    cleaned = clean_text(text)
    assert len(cleaned) == len(text)
    cleaned.encode("utf-8")


def test_kinds_of_characters() -> None:
    assert is_cjk("好")
    assert is_cjk("a好")
    assert is_cjk("か")
    assert not is_cjk("good，")
    assert is_punctuation("。")
    assert is_punctuation("...")
    assert not is_punctuation("")
    assert not is_punctuation("a.")


def test_an_empty_text_has_only_special_tokens(tiny_model: ModelOf) -> None:
    sentence = tiny_model("bert").encode("")
    assert isinstance(sentence, Sentence)
    assert (sentence.maskable, sentence.blanks, sentence.word_groups()) == ((), (), [])
