from __future__ import annotations

import html
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlm_viz.escape import clean, escape

HOSTILE = ["<script>alert(1)</script>", "</script>", '"><img src=x onerror=alert(1)>', "'--><svg/onload=x>", "a&amp;b"]


class _Reader(HTMLParser):
    """Collects what a parser sees: the tags, the attributes and the text."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_each_special_character_has_its_entity() -> None:
    assert escape("& < > \" ' $") == "&amp; &lt; &gt; &#34; &#39; &#36;"
    assert escape("[MASK] 今天 é 👩‍👧 \u202eabc\u200b") == "[MASK] 今天 é 👩‍👧 \u202eabc\u200b"


def test_an_entity_in_the_text_is_shown_as_typed() -> None:
    assert escape("&lt;") == "&amp;lt;"


@pytest.mark.parametrize("bad", ["\0", "\ud800", chr(0xDFFF), "\ude00\ud83d"])
def test_what_cannot_be_sent_is_replaced(bad: str) -> None:
    expected = "a" + "\ufffd" * len(bad) + "z"
    assert escape(f"a{bad}z") == clean(f"a{bad}z") == expected


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("quote", ['"', "'"])
def test_hostile_text_stays_text(text: str, quote: str) -> None:
    read = _Reader(f"<p title={quote}{escape(text)}{quote}>{escape(text)}</p>")
    assert read.tags == [("p", {"title": text})]
    assert read.text == text


@given(st.text(alphabet=st.characters(codec=None, exclude_categories=())))
def test_any_text_round_trips_and_can_be_sent(text: str) -> None:
    escaped = escape(text)
    escaped.encode("utf-8")
    assert not set(escaped) & set("<>\"'$\0")
    assert html.unescape(escaped) == clean(text)
    assert len(clean(text)) == len(text)
