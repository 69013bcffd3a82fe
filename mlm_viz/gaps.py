"""A text with one gap, told without any tokenizer, so that models that cut text differently are asked the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from mlm_viz.errors import TextError
from mlm_viz.strings import say
from mlm_viz.tokens import clean_text, is_cjk, write_blanks

_BLANK = "\0"  # never in a clean text
_UNIT = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


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
        left, right = parts if len(parts) > 1 else _taken_out(text, word)
        gap = cls(left, right, word or None)
        if _is_joined(gap.left[-1:], "x") or _is_joined("x", gap.right[:1]):
            raise TextError(say("gap.splits", before=gap.left[-12:], behind=gap.right[:12]))
        return gap

    @cached_property
    def right_words(self) -> tuple[str, ...]:
        """The words behind the gap, each with the white space before it, joined again the right side.

        Words are runs of letters; each Chinese character and each mark stands alone.
        """
        ends = [0, *word_ends(self.right)]
        return tuple(self.right[start:end] for start, end in pairwise(ends))

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
            end: where it ends.
            revealed: how many words of the right side may be seen.
        """
        ends = word_ends(self.right)
        return end > start and revealed < len(ends) and (revealed <= 0 or end > ends[revealed - 1])


def word_ends(text: str) -> list[int]:
    """Where each word of a text ends; white space behind the last one is its own."""
    ends: list[int] = []
    for found in _UNIT.finditer(text):
        ends += _cut(found)
    if ends:
        ends[-1] = len(text)
    return ends


def words_of(text: str) -> list[tuple[int, int]]:
    """Where each word, Chinese character and mark of a text begins and ends."""
    starts: list[tuple[int, int]] = []
    for found in _UNIT.finditer(text):
        begin = found.start()
        for end in _cut(found):
            starts.append((begin, end))
            begin = end
    return starts


def _cut(found: re.Match[str]) -> list[int]:
    """Ends of the words in a run of letters: Chinese characters among them stand alone."""
    run = found.group()
    first = found.start()
    inside = [index for index in range(1, len(run)) if is_cjk(run[index - 1]) or is_cjk(run[index])]
    return [first + index for index in inside] + [found.end()]


def _taken_out(text: str, word: str | None) -> tuple[str, str]:
    if not text.strip():
        raise TextError(say("error.empty"))
    if not word:
        raise TextError(say("gap.none"))
    starts = {begin for begin, _ in words_of(text)}
    ends = {end for _, end in words_of(text)}
    places = [found.start() for found in re.finditer(re.escape(word), text)]
    if not places:
        raise TextError(say("gap.not_there", word=word))
    for place in places:
        if place in starts and place + len(word) in ends:
            return text[:place], text[place + len(word) :]
    place = places[0]
    raise TextError(say("gap.splits", before=text[:place][-12:], behind=text[place + len(word) :][:12]))


def _is_joined(before: str, behind: str) -> bool:
    """Whether two characters, one on each side of a cut, belong to one word."""
    return bool(re.fullmatch(r"\w\w", before + behind)) and not (is_cjk(before) or is_cjk(behind))
