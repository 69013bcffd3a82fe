"""A text with one gap, told without any tokenizer, so that models that cut text differently are asked the same."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from mlm_viz.errors import TextError
from mlm_viz.strings import say
from mlm_viz.tokens import clean_text, is_cjk, write_blanks

BLIND = -1  # words of the right side that are seen by who is not even told whether there are any
_BLANK = "\0"  # never in a clean text
# All combining marks there are: accents, points, and the vowel signs of many scripts.
_MARKS = "".join(char for char in map(chr, range(0x300, 0x20000)) if unicodedata.category(char).startswith("M"))
# What belongs to the character before it: marks, joiners, and what makes one emoji of several characters.
_ON_TOP = f"[{_MARKS}\u00ad\u200c\u200d\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f\U000e0100-\U000e01ef]"
_RUN = rf"(?:\w{_ON_TOP}*)+"
_FLAG = "[\U0001f1e6-\U0001f1ff]{2}"
_UNIT = re.compile(rf"{_RUN}(?:['’]{_RUN})*|{_FLAG}|[^\w\s](?:{_ON_TOP}|(?<=\u200d)[^\w\s])*")


@dataclass(frozen=True)
class Gap:
    """A text with one gap.

    Attributes:
        left: the text before the gap, white space included.
        right: the text behind it.
        word: what stood there, without white space around it; None if nobody knows.
    """

    left: str
    right: str
    word: str | None = None

    @classmethod
    def of(cls, text: str, word: str | None = None) -> Gap:
        """The gap of a text.

        Args:
            text: with one blank (`[MASK]`, `____`); or without one, and then `word` is taken out of it.
            word: what belongs into the gap. One word or more, each whole; where it stands more than once, the first.

        Raises:
            TextError: if there is no gap or more than one, the word does not stand there, or the gap splits a word.
        """
        text = clean_text(text)
        word = clean_text(word).strip() if word is not None else None
        parts = write_blanks(text, _BLANK).split(_BLANK)
        if len(parts) > 2:
            raise TextError(say("gap.several", count=len(parts) - 1))
        if len(parts) == 1:
            return cls(*_taken_out(text, word), word)
        left, right = parts
        # Beside a Chinese character anything may stand, and what stands in the gap may be Chinese itself.
        inside = word or ("字" if is_cjk(left[-1:] + right[:1]) else "x")
        if _is_joined(left, inside) or _is_joined(inside, right):
            raise _splitting(left, right)
        return cls(left, right, word or None)

    @cached_property
    def right_words(self) -> tuple[str, ...]:
        """The words behind the gap, each with the white space before it, joined again the right side.

        Words are runs of letters; each Chinese character and each mark stands alone.
        """
        return tuple(self.right[start:end] for start, end in pairwise([0, *self._right_ends]))

    @property
    def spaced(self) -> bool:
        """Whether white space stands before the gap."""
        return self.left[-1:].isspace()

    @property
    def text(self) -> str:
        """The text with the word, or with a blank if it is not known."""
        return self.left + (self.word or "____") + self.right

    def hidden(self, start: int, end: int, revealed: int) -> bool:
        """Whether a token that covers the characters from `start` to `end` of the right side must not be seen.

        A token shows itself with its last word: none gives away a word that is still to come.

        Args:
            start: where the token starts.
            end: where it ends; tokens of white space may be empty, and then belong to the character behind them.
            revealed: how many words of the right side may be seen, or `BLIND`.
        """
        ends = self._right_ends
        if revealed >= len(ends):
            return False
        return max(end, start + 1) > (ends[revealed - 1] if revealed > 0 else 0)

    @cached_property
    def _right_ends(self) -> list[int]:
        return word_ends(self.right)


def word_ends(text: str) -> list[int]:
    """Where each word of a text ends; white space behind the last one is its own."""
    ends = [end for _, end in words_of(text)]
    if ends:
        ends[-1] = len(text)
    return ends


def words_of(text: str) -> list[tuple[int, int]]:
    """Where each word, Chinese character and mark of a text begins and ends."""
    places: list[tuple[int, int]] = []
    for found in _UNIT.finditer(text):
        run, first = found.group(), found.start()
        cuts = [index for index in range(1, len(run)) if _cuts(run[index - 1], run[index])]
        places += [(first + begin, first + end) for begin, end in pairwise([0, *cuts, len(run)])]
    return places


def _cuts(before: str, char: str) -> bool:
    """Whether one of two neighbours is a Chinese character, and the second is not drawn on top of the first."""
    return is_cjk(before + char) and re.match(_ON_TOP, char) is None


def _taken_out(text: str, word: str | None) -> tuple[str, str]:
    if not text.strip():
        raise TextError(say("error.empty"))
    if not word:
        raise TextError(say("gap.none"))
    words = words_of(text)
    begins, ends = {begin for begin, _ in words}, {end for _, end in words}
    places = [index for index in range(len(text)) if text.startswith(word, index)]
    if not places:
        raise TextError(say("gap.not_there", word=word))
    for place in places:
        if place in begins and place + len(word) in ends:
            return text[:place], text[place + len(word) :]
    place = places[0]
    raise _splitting(text[:place], text[place + len(word) :])


def _splitting(left: str, right: str) -> TextError:
    before, behind = (" ".join(side.split()) for side in (left[-12:], right[:12]))  # on one line
    return TextError(say("gap.splits", before=before, behind=behind))


def _is_joined(before: str, behind: str) -> bool:
    """Whether the end of one text and the beginning of another belong to one word."""
    if is_cjk(before[-1:]) or is_cjk(behind[:1]):
        return False
    return bool(re.search(rf"\w{_ON_TOP}*\Z", before) and re.match(rf"\w|{_ON_TOP}", behind))
