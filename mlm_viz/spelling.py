"""How a vocabulary writes its pieces, what they look like to people, and which of them a word is made of."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from mlm_viz.errors import ModelError, TextError
from mlm_viz.strings import say
from mlm_viz.tokens import Vocabulary, clean_text, visible

Style = Literal["wordpiece", "byte-level", "metaspace", "plain"]

_MARKS: dict[Style, str] = {"wordpiece": "##", "byte-level": "Ġ", "metaspace": "▁"}
# Byte-level vocabularies mark almost every other piece, so a share this small tells a convention from a coincidence.
_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class Spelling:
    """The convention by which pieces are written.

    Attributes:
        style: "wordpiece" (`##` continues a word), "byte-level" (`Ġ` is a space, bytes are written as letters),
            "metaspace" (`▁` is a space) or "plain" (a piece is its text: proteins, SMILES).
    """

    style: Style

    @classmethod
    def of(cls, pieces: Iterable[str]) -> Spelling:
        """The convention that `pieces` follow, told from their marks."""
        listed = list(pieces)
        total = max(len(listed), 1)
        shares = {style: sum(piece.startswith(mark) for piece in listed) / total for style, mark in _MARKS.items()}
        style = max(shares, key=lambda s: shares[s])
        return cls(style if shares[style] >= _LEAST_SHARE else "plain")

    def is_marked(self, text: str) -> bool:
        """Whether `text` is written as a piece (`##ing`, `Ġthe`, `▁the`) rather than as a word."""
        return self.style != "plain" and text.startswith(_MARKS[self.style])

    def label(self, piece: str) -> str:
        """`piece` as people read it."""
        if self.style == "byte-level":
            return _byte_label(piece)
        if self.style == "metaspace":
            return visible(piece.replace("▁", " "))
        return visible(piece)


class Speller:
    """The tokenizer of a model of any kind, asked for words.

    Attributes:
        name: what the model is called.
        tokenizer: of transformers.
        spelling: how its pieces are written.
        vocabulary: its pieces.
    """

    def __init__(self, name: str, tokenizer: Any, size: int) -> None:
        """`size` is that of the vocabulary as the network has it.

        Raises:
            ModelError: if the tokenizer knows more tokens than the network.
        """
        self.name = name
        self.tokenizer = tokenizer
        self.spelling = Spelling.of(tokenizer.get_vocab())
        self.vocabulary = self._read_vocabulary(size)

    def tokenize(self, text: str, *, add_special_tokens: bool = True) -> Any:
        """The encoding of `text`, whole, however long it is.

        Raises:
            TextError: if the tokenizer cannot read it.
        """
        try:
            return self.tokenizer(text, add_special_tokens=add_special_tokens, truncation=False, verbose=False)
        except Exception as problem:  # a vocabulary without a token for what it cannot spell
            raise TextError(say("error.unreadable", model=self.name, why=problem)) from problem

    def spell(self, word: str, *, spaced: bool) -> tuple[int, ...]:
        """The ids of the pieces of `word` as they would stand in a text, `spaced` if after white space.

        A vocabulary entry such as `##ing` or `Ġthe` may be given as it is. Empty if a part is skipped.
        """
        word = clean_text(word)
        if self.spelling.is_marked(word) and word in self.vocabulary.ids:
            return (self.vocabulary.ids[word],)
        text = word.strip()
        if spaced and self.spelling.style == "byte-level":
            text = " " + text
        encoding = self.tokenize(text, add_special_tokens=False)
        if encoding.is_fast and _passed_over(text, encoding.encodings[0].offsets):
            return ()
        ids = [int(i) for i in encoding["input_ids"]]
        if not spaced and self.spelling.style == "metaspace" and ids:
            ids = self.without_space_mark(ids)
        return tuple(ids)

    def without_space_mark(self, ids: list[int]) -> list[int]:
        """Sentence-piece tokenizers put a space before any text: take it off again where it can be."""
        bare = self.vocabulary.pieces[ids[0]].removeprefix("▁")
        if not bare:
            return ids[1:] or ids
        return [self.vocabulary.ids.get(bare, ids[0]), *ids[1:]]

    def _read_vocabulary(self, size: int) -> Vocabulary:
        known = {index: piece for piece, index in self.tokenizer.get_vocab().items()}
        if known and max(known) >= size:
            raise ModelError(say("error.vocabulary", tokenizer=max(known) + 1, model=size))
        # Some models pad their vocabulary to a round number: those entries stand for nothing.
        pieces = tuple(known.get(index, f"⟨{index}⟩") for index in range(size))
        special = frozenset(int(i) for i in self.tokenizer.all_special_ids)
        return Vocabulary(
            pieces=pieces,
            labels=tuple(visible(p) if i in special else self.spelling.label(p) for i, p in enumerate(pieces)),
            mask_id=self.tokenizer.mask_token_id,
            unknown_id=self.tokenizer.unk_token_id,
            special_ids=special | frozenset(i for i in range(size) if i not in known),
        )


def _passed_over(text: str, offsets: Sequence[tuple[int, int]]) -> bool:
    """Whether a letter, digit or sign of `text` is in no token; invisible characters and accents may be left out."""
    read = {index for start, end in offsets for index in range(start, end)}
    return any(index not in read and unicodedata.category(char)[0] in "LNPS" for index, char in enumerate(text))


@cache
def _byte_of() -> dict[str, int]:
    """Letter to byte: printable bytes of Latin-1 stand for themselves, the others for the letters from U+0100 on."""
    own = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    letters = {chr(byte): byte for byte in own}
    others = [byte for byte in range(256) if byte not in set(own)]
    letters.update({chr(256 + index): byte for index, byte in enumerate(others)})
    return letters


def _byte_label(piece: str) -> str:
    table = _byte_of()
    if not all(char in table for char in piece):
        return visible(piece)
    raw = bytes(table[char] for char in piece)
    try:
        return visible(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return "⟨" + raw.hex(" ").upper() + "⟩"
