"""Tokens as the text that people read, while they are being written: never half a character, never half a word."""

from __future__ import annotations

import re
import string

from mlm_viz.gaps import words_of
from mlm_viz.spelling import Speller
from mlm_viz.tokens import Ids

_HALF = "\ufffd"  # what a tokenizer decodes the first bytes of a character to
# Chinese characters and marks, Japanese kana: scripts without spaces.
_WIDE = "\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
# WordPiece drops the white space between words and marks; where people put none, it is taken out again.
_TIDY = (
    (re.compile(r"\s+(?=[.,!?;:%)\]}…，。！？；：、）】》」』”’])"), ""),
    (re.compile(r"(?<=[(\[{（【《「『“‘，。！？；：、）】》」』])\s+"), ""),
    (re.compile(rf"(?<=[{_WIDE}])\s+(?=[{_WIDE}\d])|(?<=\d)\s+(?=[{_WIDE}])"), ""),
    (re.compile(r"(?<=\w) (['’]) (?=(?:s|t|re|ve|ll|d|m)\b)"), r"\1"),
    (re.compile(r"(?<=\w) - (?=\w)"), "-"),
    (re.compile(r"(?<=\d)([.:]) (?=\d)"), r"\1"),
)


def tidy(text: str) -> str:
    """A text with spaces round every word, Chinese character and mark, written as people write.

    >>> tidy("it ' s a well - known park ( here ) . 今 天 很 好 ，")
    "it's a well-known park (here). 今天很好，"
    """
    for pattern, instead in _TIDY:
        text = pattern.sub(instead, text)
    return text


class Transcript:
    """What stands behind a text, token by token.

    Attributes:
        told: what has been handed out by `add` and `finish`: it only ever grows.
    """

    def __init__(self, speller: Speller, before: Ids) -> None:
        """`before` are the ids of the text in front, without which a tokenizer may drop a space."""
        self._speller = speller
        self._before = [int(i) for i in before]
        self._base = self._decode(self._before)
        self._ids: list[int] = []
        self.told = ""

    def text(self, ids: Ids | list[int]) -> str:
        """All that `ids` add to the text, the space in front included; special tokens add nothing."""
        whole = self._decode([*self._before, *(int(i) for i in ids)])
        added = whole.removeprefix(self._base)
        if self._speller.spelling.style != "wordpiece":
            return added
        anchor = self._base[-1:]
        return tidy(anchor + added)[len(anchor) :]

    def add(self, token: int) -> str:
        """What can be read now that could not be read before: whole words that no further token can change."""
        self._ids.append(int(token))
        return self._tell(_settled(self.text(self._ids)))

    def finish(self) -> str:
        """The rest."""
        return self._tell(self.text(self._ids))

    def _tell(self, text: str) -> str:
        new = text[len(self.told) :]
        self.told += new
        return new

    def _decode(self, ids: list[int]) -> str:
        tokenizer = self._speller.tokenizer
        return str(tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _settled(text: str) -> str:
    """The text without its last word and the marks right before it, to which a word may yet be joined (`don't`)."""
    text = text.rstrip(_HALF)
    units = words_of(text)
    kept = len(units) - 1
    while kept > 0 and set(text[slice(*units[kept - 1])]) <= set(string.punctuation):
        kept -= 1
    return text[: units[kept - 1][1]] if kept > 0 else ""
