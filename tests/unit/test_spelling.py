"""Conventions of spelling, and a word spelled as it would stand in a text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mlm_viz.model import Model
from mlm_viz.spelling import Spelling
from tests.tiny import TINY

ModelOf = Callable[[str], Model]


@pytest.mark.parametrize(
    ("name", "style"),
    [
        ("bert", "wordpiece"),
        ("distilbert", "wordpiece"),
        ("electra", "wordpiece"),
        ("roberta", "byte-level"),
        ("modernbert", "byte-level"),
        ("xlm-roberta", "metaspace"),
        ("albert", "metaspace"),
        ("deberta-v2", "metaspace"),
        ("esm", "plain"),
        ("smiles", "plain"),
    ],
)
def test_style_is_told_from_the_pieces(name: str, style: str, tiny_model: ModelOf) -> None:
    assert tiny_model(name).spelling.style == style


def test_no_pieces_are_plain() -> None:
    assert Spelling.of([]).style == "plain"


@pytest.mark.parametrize(
    ("style", "piece", "label"),
    [
        ("wordpiece", "##ing", "##ing"),
        ("byte-level", "Ġthe", "␣the"),
        ("byte-level", "Ċ", "⟨U+000A⟩"),
        ("byte-level", "å¥½", "好"),
        ("byte-level", "å¥", "⟨E5 A5⟩"),
        ("byte-level", "Ã©", "é"),
        ("byte-level", "好", "好"),  # an added token, not written as bytes
        ("metaspace", "▁the", "␣the"),
        ("metaspace", "▁", "␣"),
        ("plain", "▁x", "▁x"),
    ],
)
def test_labels(style: str, piece: str, label: str) -> None:
    assert Spelling(style).label(piece) == label


def test_every_byte_has_a_letter() -> None:
    """Against the table of the tokenizers library."""
    from tokenizers import pre_tokenizers

    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    spelling = Spelling("byte-level")
    for text in ("plain", "é", "好", "😀", "ÿ\u0100"):
        (piece, _), *rest = splitter.pre_tokenize_str(text)
        assert not rest
        assert spelling.label(piece) == text


def test_labels_of_partial_characters_are_hexadecimal(tiny_model: ModelOf) -> None:
    labels = tiny_model("roberta").vocabulary.labels
    assert all(label and label.isprintable() for label in labels)
    assert "⟨E5⟩" in labels


@pytest.mark.parametrize("name", sorted(TINY))
def test_a_masked_word_is_spelled_as_it_stood(name: str, tiny_model: ModelOf) -> None:
    """Spelling the word of one token at its own place gives that token back, whatever stands before it."""
    model = tiny_model(name)
    sentence = model.encode(TINY[name].text.format("____"))
    for group in sentence.word_groups():
        if len(group) == 1:
            word = sentence.labels[group[0]].lstrip("␣")
            if word:
                assert model.spell(word, spaced=bool(sentence.spaced[group[0]])) == (int(sentence.ids[group[0]]),)


@pytest.mark.parametrize(
    ("name", "word", "spaced", "pieces"),
    [
        ("bert", "cats", True, ["cat", "##s"]),
        ("bert", "##ing", False, ["##ing"]),
        ("bert", "  Good ", True, ["good"]),
        ("roberta", "good", True, ["Ġgood"]),
        ("roberta", "Ġgood", False, ["Ġgood"]),
        ("xlm-roberta", "good", True, ["▁good"]),
        ("xlm-roberta", "ing", False, ["ing"]),
        ("xlm-roberta", "天气", False, ["天气"]),
        ("xlm-roberta", "今天", True, ["▁今天"]),
        ("xlm-roberta", "▁good", False, ["▁good"]),
        ("smiles", "cC", False, ["c", "C"]),
        ("esm", "MK", False, ["M", "K"]),
    ],
)
def test_spelling_a_word(name: str, word: str, spaced: bool, pieces: list[str], tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    assert [model.vocabulary.pieces[i] for i in model.spell(word, spaced=spaced)] == pieces


def test_without_a_space_byte_pieces_carry_none(tiny_model: ModelOf) -> None:
    model = tiny_model("roberta")
    pieces = [model.vocabulary.pieces[i] for i in model.spell("good", spaced=False)]
    assert "".join(pieces) == "good"
