"""Sentences that are asked again and again: the same answers as one by one, and one line for what cannot be asked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import mlm_viz
from mlm_viz.analysis.questions import Question, ask
from mlm_viz.errors import MlmVizError, TextError
from mlm_viz.model import Model


@pytest.fixture
def model(tiny_model: Callable[[str], Model]) -> Model:
    return tiny_model("bert")


@pytest.mark.parametrize(
    ("line", "text", "answer"),
    [
        (" the capital of {france} is paris. ", "the capital of [MASK] is paris.", "france"),
        ("a ____ day", "a [MASK] day", ""),
        ("a <mask> day", "a [MASK] day", ""),
        ("[MASK]", "[MASK]", ""),
    ],
)
def test_a_question_is_read(line: str, text: str, answer: str) -> None:
    question = Question.read(line)
    assert (question.text, question.answer) == (text, answer)
    assert "[MASK]".join(question.parts) == text


@pytest.mark.parametrize("line", ["no gap", "", "[MASK] and ____", "{a} and {b}", "{a} and [MASK]", "{", "{}", "a {b"])
def test_there_is_one_gap(line: str) -> None:
    with pytest.raises(MlmVizError, match="one"):
        Question.read(line)


def test_a_question_is_text() -> None:
    with pytest.raises(TextError, match="7"):
        Question.read(7)  # type: ignore[arg-type]


def test_replies_are_those_that_asking_one_by_one_gives(model: Model) -> None:
    questions = [
        Question.read(line) for line in ("the {capital} of france", "a good ____.", "paris is a {playing} day")
    ]
    before = model.calls
    replies = ask(questions, model, top=3)
    assert model.calls <= before + 4, "one pass or two, and one for the word of several pieces"
    for question, reply in zip(questions, replies, strict=True):
        alone = mlm_viz.predict(question.text, model)
        table = alone.top(3)
        assert list(reply.guesses) == table["token"].tolist()
        assert reply.probabilities == pytest.approx(table["probability"].to_numpy(), rel=1e-4)
        if question.answer:
            assert reply.score is not None
            assert reply.score.rank == alone.rank(question.answer)
            assert reply.score.probability == pytest.approx(alone.probability(question.answer), rel=1e-4)
        else:
            assert reply.score is None
            assert not reply.is_right


def test_the_best_guess_is_right(model: Model) -> None:
    best = mlm_viz.predict("a good ____ .", model).top(1)["token"][0]
    [reply] = ask([Question("a good [MASK] .", best)], model)
    assert reply.is_right


def test_what_cannot_be_asked_does_not_hold_up_the_others(model: Model) -> None:
    long, short = Question("day " * (model.limit + 1) + "[MASK]"), Question("a [MASK] day")
    said, answered = ask([long, short], model)
    assert f"at most {model.limit}" in said.problem
    assert (said.guesses, len(said.probabilities)) == ((), 0)
    assert len(answered.guesses) == 5
    assert ask([], model) == []


def test_an_answer_that_cannot_be_spelled_has_no_score(model: Model) -> None:
    [reply] = ask([Question("a [MASK] day", "\u4e00")], model)
    assert reply.score is None
    assert np.isfinite(reply.probabilities).all()
