"""Next sentence prediction on the page: the curve grows, and the head answers once it has learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlm_viz.errors import TextError
from mlm_viz.next_sentence import HeadLearning
from mlm_viz.training import TrainingError
from mlm_viz.widgets import next_sentence
from mlm_viz.widgets.next_sentence import NextSentenceView, train_next_sentence_live


class Head:
    """A result that knows one pair and refuses long ones."""

    def probability(self, first: str, second: str) -> float:
        if len(first) > 30:
            raise TextError("too long <b>")
        return 0.875 if (first, second) == ("A.", "B.") else 0.125


def learning(epochs: int) -> HeadLearning:
    falling, rising = np.linspace(1, 0.5, epochs + 1), np.linspace(0.5, 0.8, epochs + 1)
    return HeadLearning(falling, rising, falling + 0.1, rising - 0.1)


@pytest.fixture
def view() -> Any:
    return NextSentenceView(epochs=4)


def test_the_curve_grows_in_one_figure(view: Any) -> None:
    assert view.figure is None
    view.show(learning(0))
    live = view._live
    view.show(learning(3))
    assert view._live is live
    assert len(view.figure.data[0].x) == 4
    assert "3 of 4" in view.status.value
    assert "70%" in view.status.value, "of the pairs held out, not of those trained on"


def test_the_theme_of_the_page_is_followed(view: Any) -> None:
    view.show(learning(1))
    light = view.figure.layout.font.color
    view.theme.dark = True
    assert view.figure.layout.font.color != light


def test_nothing_is_answered_before_there_is_a_head(view: Any) -> None:
    before = view.answer.value
    view.first.value = "A."
    assert view.answer.value == before
    view.second.value = "B."
    view.finish(Head())
    assert "88%" in view.answer.value or "87%" in view.answer.value
    view.second.value = "C."
    assert "12%" in view.answer.value


def test_errors_are_a_line_of_plain_text(view: Any) -> None:
    view.finish(Head())
    view.first.value = "A" * 40
    assert "too long &lt;b&gt;" in view.answer.value
    view.first.value = " "
    assert "too long" in view.answer.value, "an empty line is no question"


def test_what_should_not_happen_is_a_line_too(view: Any) -> None:
    class Broken:
        def probability(self, *_: str) -> float:
            raise MemoryError("no room")

    view.finish(Broken())
    assert "no room" in view.answer.value


def test_wrong_settings_are_raised_and_no_view_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[NextSentenceView] = []
    monkeypatch.setattr(next_sentence, "display", shown.append)
    with pytest.raises(TrainingError, match="epochs"):
        train_next_sentence_live(epochs=0)
    assert [view.comm for view in shown] == [None]


def test_an_interrupt_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, watch: Any, **__: Any) -> None:
        watch(learning(1))
        raise KeyboardInterrupt

    shown: list[NextSentenceView] = []
    monkeypatch.setattr(next_sentence, "display", shown.append)
    monkeypatch.setattr(next_sentence, "train_next_sentence", broken)
    with pytest.raises(KeyboardInterrupt):
        train_next_sentence_live()
    assert "KeyboardInterrupt" in shown[0].status.value
    assert shown[0].answer.value == ""
