"""A text as a model sees it: tokens, the words they belong to, and which of them may be masked."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from operator import index

import numpy as np
import numpy.typing as npt

from mlm_viz.errors import TextError, WordError
from mlm_viz.strings import say

Ids = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_BLANK = re.compile(r"\[MASK\]|<mask>|[_\uff3f]{3,}", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
# Joiners and variation selectors are part of a visible emoji when something stands before them.
_ATTACHING = frozenset("\u200d\ufe0e\ufe0f")
# Counted as letters or symbols, yet drawn as nothing: fillers of Hangul and Khmer, and the empty pattern of Braille.
_BLANK_GLYPHS = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


def clean_text(text: str) -> str:
    """`text` with what cannot travel (lone surrogates, NUL) replaced by U+FFFD, nothing else changed.

    Raises:
        TextError: if it is not a string.
    """
    if not isinstance(text, str):
        raise TextError(say("error.not_text", given=text))
    return _SURROGATE.sub("\ufffd", text).replace("\0", "\ufffd")


def write_blanks(text: str, mask_token: str) -> str:
    """`text` with every way of writing a blank (`[MASK]`, `<mask>`, three or more underscores) as `mask_token`."""
    return _BLANK.sub(lambda _: mask_token, text)


def is_cjk(text: str) -> bool:
    """Whether `text` has a Chinese character or Japanese kana: scripts that put no space between words."""
    return _CJK.search(text) is not None


def is_punctuation(text: str) -> bool:
    """Whether `text` is nothing but punctuation."""
    return text != "" and all(unicodedata.category(char).startswith("P") for char in text)


def visible(text: str) -> str:
    """`text` with characters that leave no mark written as `⟨U+200B⟩`, so that a label is never empty."""
    if text.isascii() and text.isprintable():
        return text.replace(" ", "␣") or "⟨⟩"
    return "".join(_visible_char(char, first=index == 0) for index, char in enumerate(text))


def _visible_char(char: str, *, first: bool) -> str:
    if char == " ":
        return "␣"
    if char in _ATTACHING and not first:
        return char
    if not char.isprintable() or char in _ATTACHING or char in _BLANK_GLYPHS or _is_selector(char):
        return f"⟨U+{ord(char):04X}⟩"
    return "◌" + char if first and unicodedata.category(char).startswith("M") else char


def _is_selector(char: str) -> bool:
    """Variation selectors and the grapheme joiner: marks without a shape of their own."""
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef" or char in "\u034f\u180b\u180c\u180d"


class Frozen:
    """A record whose arrays cannot be written into either: what was handed out does not change any more."""

    def __post_init__(self) -> None:
        """No array of the record can be written into from now on."""
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The tokens a model can read and guess.

    Attributes:
        pieces: the tokens as the tokenizer spells them (`##ing`, `Ġthe`, `▁the`).
        labels: the same for people: bytes decoded, a leading space written `␣`, nothing invisible.
        mask_id: id of the mask token, or None if the tokenizer has none.
        unknown_id: id of the token for what cannot be spelled, or None.
        special_ids: ids that stand for no text: `[CLS]`, `[SEP]`, `[PAD]`, the mask, the unknown token, ...
    """

    pieces: tuple[str, ...]
    labels: tuple[str, ...]
    mask_id: int | None
    unknown_id: int | None
    special_ids: frozenset[int]

    def __len__(self) -> int:
        return len(self.pieces)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} tokens)"

    @cached_property
    def ids(self) -> dict[str, int]:
        """Piece to id."""
        return {piece: index for index, piece in enumerate(self.pieces)}

    @cached_property
    def ordinary_ids(self) -> Ids:
        """Ids that stand for text: what a random replacement is drawn from."""
        special = np.array(sorted(self.special_ids), dtype=np.int64)
        ordinary = np.setdiff1d(np.arange(len(self), dtype=np.int64), special)
        ordinary.setflags(write=False)  # it is handed out again and again
        return ordinary


@dataclass(frozen=True, eq=False)
class Sentence(Frozen):
    """A text cut into tokens.

    Attributes:
        text: the text as given.
        ids: (tokens,) token ids, special tokens included; a typed blank has the mask id.
        pieces: the tokens as the tokenizer spells them.
        labels: the tokens as people read them.
        words: (tokens,) number of the word a token belongs to, -1 for special tokens.
        special: (tokens,) True for `[CLS]`, `[SEP]` and their like, which are never masked.
        blank: (tokens,) True for a blank typed in the text, whose original is not known.
        spaced: (tokens,) True where white space stands before the token; where pieces are made of bytes, a space.
    """

    text: str
    ids: Ids
    pieces: tuple[str, ...]
    labels: tuple[str, ...]
    words: Ids
    special: Flags
    blank: Flags
    spaced: Flags

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Sentence({' '.join(self.labels)})"

    @property
    def maskable(self) -> tuple[int, ...]:
        """Positions that can be masked and whose original is known."""
        return tuple(int(p) for p in np.flatnonzero(~self.special & ~self.blank))

    @property
    def blanks(self) -> tuple[int, ...]:
        """Positions of the blanks typed in the text."""
        return tuple(int(p) for p in np.flatnonzero(self.blank))

    def word_at(self, position: int) -> tuple[int, ...]:
        """All positions of the word that the token at `position` belongs to; for a special token itself alone."""
        if self.words[position] < 0:
            return (position,)
        return tuple(int(p) for p in np.flatnonzero(self.words == self.words[position]))

    def word_groups(self) -> list[tuple[int, ...]]:
        """The maskable positions, word by word, in reading order."""
        groups: dict[int, list[int]] = {}
        for position in self.maskable:
            groups.setdefault(int(self.words[position]), []).append(position)
        return [tuple(group) for group in groups.values()]

    def positions_of(self, what: Iterable[int | str]) -> tuple[int, ...]:
        """The positions meant by `what`: positions, or words and tokens as they stand in the text; one word alone too.

        A word that stands in the text more than once means its first place; capitals and accents matter only if they
        must.

        Raises:
            TextError: for a position that cannot be masked.
            WordError: for a word that does not stand in the text.
        """
        found: set[int] = set()
        for item in what if isinstance(what, Iterable) and not isinstance(what, str) else [what]:
            found.update(self._find_word(item) if isinstance(item, str) else (self._check(item),))
        return tuple(sorted(found))

    def _check(self, position: int) -> int:
        try:
            position = index(position)
        except TypeError as problem:
            raise TextError(say("error.not_a_place", given=position)) from problem
        if not 0 <= position < len(self) or self.special[position]:
            raise TextError(say("error.position", position=position, last=len(self) - 1))
        return position

    def _find_word(self, word: str) -> tuple[int, ...]:
        wanted = word.strip()
        named = [("".join(self._bare(p) for p in group), group) for group in self.word_groups()]
        for p in self.maskable:
            named += [(name, (p,)) for name in (self._bare(p), self.labels[p], self.pieces[p])]
        # Exactly as written first: in a formula c is not C.
        for spelled in (str, str.casefold, _without_accents):
            for name, positions in named:
                if spelled(wanted) and spelled(name) == spelled(wanted):
                    return positions
        raise WordError(say("error.no_such_word", word=word))

    def _bare(self, position: int) -> str:
        """The label without the mark that it continues a word or follows a space."""
        label = self.labels[position]
        return label.removeprefix("##").lstrip("␣") if len(label) > len("##") else label.lstrip("␣")


def _without_accents(text: str) -> str:
    """Small letters without accents, as some tokenizers read a text: `café` is `cafe` to them."""
    return "".join(char for char in unicodedata.normalize("NFD", text.casefold()) if unicodedata.category(char) != "Mn")


def carry_over(old: Sentence, new: Sentence) -> dict[int, int]:
    """Where the tokens of `old` stand in `new` after an edit: position to position, those that are gone left out.

    A token is carried over when it stands in a stretch that both texts share (difflib's longest matching blocks).
    """
    matcher = SequenceMatcher(a=old.pieces, b=new.pieces, autojunk=False)
    return {
        block.a + offset: block.b + offset for block in matcher.get_matching_blocks() for offset in range(block.size)
    }
