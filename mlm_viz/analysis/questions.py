"""The same few sentences asked again and again: what stands in the gap, and how likely the answer is by now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mlm_viz.analysis.prediction import look_many, prepare
from mlm_viz.errors import MlmVizError
from mlm_viz.film import Scene
from mlm_viz.masking import Masking
from mlm_viz.model import Model
from mlm_viz.results import Floats64, SlotPrediction, WordScore
from mlm_viz.strings import say
from mlm_viz.tokens import Sentence, clean_text, write_blanks

_GAP = "[MASK]"


@dataclass(frozen=True)
class Question:
    """A sentence with one gap.

    Attributes:
        text: with `[MASK]` in the gap.
        answer: the word that was taken out; empty if it is not known.
    """

    text: str
    answer: str = ""

    @classmethod
    def read(cls, line: str) -> Question:
        """From "The sun rises in the {east}.", or with `[MASK]` or `____` in the gap if the answer is not known.

        Raises:
            MlmVizError: if there is not exactly one gap.
        """
        line = clean_text(line)
        scene = Scene.read(line) if set("{}") & set(line) else Scene(line.strip(), "")
        text = write_blanks(scene.text, _GAP)
        if text.count(_GAP) != 1:
            raise MlmVizError(say("question.one_gap", line=line))
        return cls(text, scene.truth)

    @property
    def parts(self) -> tuple[str, str]:
        """What stands before the gap and behind it."""
        before, _, after = self.text.partition(_GAP)
        return before, after


@dataclass(frozen=True, eq=False)
class Reply:
    """What a model puts into the gap of a question.

    Attributes:
        guesses: the best ones, best first.
        probabilities: (guesses,) theirs, in [0, 1].
        score: of the answer, if it is known and the vocabulary can spell it.
        problem: why the model could not be asked; empty if it could.
    """

    guesses: tuple[str, ...] = ()
    probabilities: Floats64 = field(default_factory=lambda: np.empty(0))
    score: WordScore | None = None
    problem: str = ""

    @property
    def is_right(self) -> bool:
        """Whether the answer is known and is the best guess."""
        return self.score is not None and self.score.rank == 1


def ask(questions: Sequence[Question], model: Model, top: int = 5) -> list[Reply]:
    """The `top` best guesses for each question, from one pass for all of like length.

    A question that the model cannot be asked, such as one that is too long for it, has a `problem` in its reply.
    """
    prepared = [_prepared(question, model) for question in questions]
    predictions = iter(look_many(model, [found for found in prepared if not isinstance(found, Reply)]))
    return [
        found if isinstance(found, Reply) else _reply(next(predictions)[0], question.answer, top)
        for question, found in zip(questions, prepared, strict=True)
    ]


def _prepared(question: Question, model: Model) -> tuple[Sentence, Masking] | Reply:
    try:
        return prepare(question.text, model)
    except MlmVizError as problem:
        return Reply(problem=str(problem))


def _reply(slot: SlotPrediction, answer: str, top: int) -> Reply:
    best = slot.best(top)
    probabilities = np.exp2(slot.log2_probs[best].astype(np.float64))
    return Reply(tuple(slot.vocabulary.labels[i] for i in best), probabilities, _score(slot, answer))


def _score(slot: SlotPrediction, answer: str) -> WordScore | None:
    try:
        return slot.score(answer) if answer else None
    except MlmVizError:
        return None
