"""A text with one gap: where it may be, what may stand in it, and what is seen of its right side."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlm_viz.errors import TextError
from mlm_viz.gaps import BLIND, Gap, word_ends, words_of

FAMILY = "👩‍👩‍👧"
ALPHABET = [*"ab1_ \n好天,'’。\u200b", "e\u0301", FAMILY, "❤️", "👍🏽", "🇫🇷"]
TEXTS = st.lists(st.sampled_from(ALPHABET), max_size=12).map("".join)


@pytest.mark.parametrize(
    ("text", "word", "gap"),
    [
        ("the ____ runs", None, ("the ", " runs", None)),
        ("the [MASK] runs", "cat", ("the ", " runs", "cat")),
        ("the <mask> runs", " cat ", ("the ", " runs", "cat")),
        ("the ＿＿＿ runs", "", ("the ", " runs", None)),
        ("the cat runs", "cat", ("the ", " runs", "cat")),
        ("the cat runs", " cat ", ("the ", " runs", "cat")),
        ("catcher cat catcher", "cat", ("catcher ", " catcher", "cat")),
        ("aaa aa", "aa", ("aaa ", "", "aa")),
        ("we love new york.", "new york", ("we love ", ".", "new york")),
        ("the end.", ".", ("the end", "", ".")),
        ("the ____'s tail", None, ("the ", "'s tail", None)),
        ("don't stop", "don't", ("", " stop", "don't")),
        ("今天天气很____，我们去公园。", None, ("今天天气很", "，我们去公园。", None)),
        ("今天天气很好", "天气", ("今天", "很好", "天气")),
        ("很好abc", "好", ("很", "abc", "好")),
        ("很____abc", None, ("很", "abc", None)),
        ("用iPhone____很好", "手机", ("用iPhone", "很好", "手机")),
        ("____", None, ("", "", None)),
        ("好", "好", ("", "", "好")),
        ("____ runs", None, ("", " runs", None)),
        (" runs ____ ", None, (" runs ", " ", None)),
        ("<b>____</b>", "bold", ("<b>", "</b>", "bold")),
        ("a \0 \ud800 ____", None, ("a \ufffd \ufffd ", "", None)),
    ],
)
def test_the_gap_of_a_text(text: str, word: str | None, gap: tuple[str, str, str | None]) -> None:
    found = Gap.of(text, word)
    assert (found.left, found.right, found.word) == gap
    assert found.text == gap[0] + (gap[2] or "____") + gap[1]
    assert found.spaced == gap[0][-1:].isspace()


@pytest.mark.parametrize(
    ("text", "word", "says"),
    [
        ("", None, "There is no text to read"),
        ("  ", "cat", "There is no text to read"),
        ("the cat", None, "There is no gap"),
        ("the cat", " ", "There is no gap"),
        ("the ____ and the [MASK]", None, "There are 2 gaps"),
        ("____ <mask> ____", "cat", "There are 3 gaps"),
        ("the cat", "dog", "'dog' does not stand in the text"),
        ("the cat", "Cat", "'Cat' does not stand in the text"),
        ("catcher", "cat", "splits a word"),
        ("bobcat", "cat", "splits a word"),
        ("don't", "don", "splits a word"),
        ("cafe\u0301", "cafe", "splits a word"),
        ("ca____er", None, "splits a word"),
        ("____er", None, "splits a word"),
        ("ca____", None, "splits a word"),
        ("今天abc____", "def", "splits a word"),
        ("cafe\u0301____", None, "splits a word"),
        ("the ____\u0301", None, "splits a word"),
        ("a\nca____ter\u2028b", None, "…a ca____ter b…"),
        (7, None, "A text is a string"),
        ("the cat", 7, "A text is a string"),
    ],
)
def test_what_is_no_gap_is_refused_in_a_sentence(text: str, word: str | None, says: str) -> None:
    with pytest.raises(TextError, match=says) as caught:
        Gap.of(text, word)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" runs, and the dog.", [" runs", ",", " and", " the", " dog", "."]),
        ("，我们去公园。", ["，", "我", "们", "去", "公", "园", "。"]),
        ("  don't  stop — it’s fun! ", ["  don't", "  stop", " —", " it’s", " fun", "! "]),
        ("我们去new york公园", ["我", "们", "去", "new", " york", "公", "园"]),
        (f"{FAMILY} ❤️👍🏽🇫🇷cafe\u0301s", [FAMILY, " ❤️", "👍🏽", "🇫🇷", "cafe\u0301s"]),
        ("नमस्ते दुनिया!", ["नमस्ते", " दुनिया", "!"]),
        ("שָׁלוֹם מَرْحَبًا", ["שָׁלוֹם", " מَرْحَبًا"]),
        ("ที่นี่ ดี", ["ที่นี่", " ดี"]),
        ("か\u3099く好", ["か\u3099", "く", "好"]),
        ("a_b 3.14 ", ["a_b", " 3", ".", "14 "]),
        ("", []),
        ("  ", []),
    ],
)
def test_the_words_of_the_right_side(text: str, words: list[str]) -> None:
    assert list(Gap("", text).right_words) == words


@given(text=TEXTS)
def test_words_cover_all_that_is_not_white(text: str) -> None:
    places = words_of(text)
    assert all(begin < end for begin, end in places)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(places))
    inside = {index for begin, end in places for index in range(begin, end)}
    assert {i for i, char in enumerate(text) if not char.isspace()} <= inside
    assert not any(text[i].isspace() for i in inside)
    words = Gap("", text).right_words
    assert "".join(words) == (text if places else "")
    assert len(words) == len(places) == len(word_ends(text))
    assert all(text[begin:end] == "好" for begin, end in places if "好" in text[begin:end])


@given(text=TEXTS, data=st.data())
def test_a_token_shows_itself_with_its_last_word(text: str, data: st.DataObject) -> None:
    gap = Gap("", text)
    owner = [number for number, word in enumerate(gap.right_words) for _ in word]  # of each character
    start = data.draw(st.integers(0, max(0, len(text) - 1)))
    end = data.draw(st.integers(start, len(text)))
    revealed = data.draw(st.integers(BLIND, len(gap.right_words)))
    # An empty token is white space in front of a character, and belongs to it.
    covered = owner[start : max(end, start + 1)]
    expected = revealed == BLIND or any(number >= revealed for number in covered)
    assert gap.hidden(start, end, revealed) == expected
    assert not gap.hidden(start, end, len(gap.right_words))
