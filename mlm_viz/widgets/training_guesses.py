"""What a model in training guesses for a few sentences: as markup, and as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlm_viz.analysis.questions import Question, Reply
from mlm_viz.escape import escape
from mlm_viz.figures.labels import percent, short
from mlm_viz.strings import say

TOP = 5
_WORD_EMS = 9.0
_WAY = 4  # guesses that are remembered


@dataclass
class Asked:
    """A question, the last reply to it, and the best guesses on the way there.

    Attributes:
        question: what is asked.
        reply: the last one.
        way: the best guesses so far, each time another one, the last one included.
    """

    question: Question
    reply: Reply = field(default_factory=Reply)
    way: list[str] = field(default_factory=list)

    def take(self, reply: Reply) -> None:
        """A new reply."""
        self.reply = reply
        best = [_word(guess) for guess in reply.guesses[:1]]
        if best != self.way[-1:]:
            self.way += best


def _word(guess: str) -> str:
    return short(guess.lstrip("␣"), _WORD_EMS)


def guesses(asked: Sequence[Asked]) -> str:
    """All questions as a list; each has a row for each guess, whether or not there are guesses already."""
    items = "".join(f"<li>{_sentence(one)}{_rows(one)}{_below(one)}</li>" for one in asked)
    return f'<ul class="mlmviz-live-list" aria-label="{escape(say("live.sentences"))}">{items}</ul>' if items else ""


def _sentence(one: Asked) -> str:
    before, after = map(escape, one.question.parts)
    kind = "right" if one.reply.is_right else "wrong"
    gap = f'<b class="mlmviz-live-{kind}"><bdi>{escape(one.way[-1] if one.way else "____")}</bdi></b>'
    return f'<p class="mlmviz-live-sentence" dir="auto">{before}{gap}{after}</p>'


def _rows(one: Asked) -> str:
    pairs = list(zip(one.reply.guesses, one.reply.probabilities.tolist(), strict=True))
    rows = [_row(one, place, *pair) for place, pair in enumerate(pairs)]
    rows += ["<li></li>"] * (TOP - len(rows))
    return f'<ol class="mlmviz-live-guesses">{"".join(rows)}</ol>'


def _row(one: Asked, place: int, guess: str, probability: float) -> str:
    right = ' data-right="true"' if place == _place(one) else ""
    bar = f'<i style="--share: {100 * probability:.1f}%"></i>'
    return f"<li{right}><bdi>{escape(_word(guess))}</bdi><span>{escape(percent(probability))}</span>{bar}</li>"


def _place(one: Asked) -> int | None:
    """Where among the guesses the answer stands, from 0; None if it is not among them or not known."""
    score = one.reply.score
    if score is None or len(score.pieces) != 1 or score.pieces[0] not in one.reply.guesses:
        return None
    return one.reply.guesses.index(score.pieces[0])


def _below(one: Asked) -> str:
    """What became of the answer, or what is wrong; and under it the best guesses on the way here."""
    steps = " → ".join(f"<bdi>{escape(word)}</bdi>" for word in one.way[-_WAY:])
    cut = "… → " if len(one.way) > _WAY else ""
    way = f"{escape(say('live.way'))} {cut}{steps}" if one.way else ""
    return f'<p class="mlmviz-live-way">{escape(_answer(one))}</p><p class="mlmviz-live-way">{way}</p>'


def _answer(one: Asked) -> str:
    score = one.reply.score
    if one.reply.problem or not one.question.answer or not one.reply.guesses:
        return one.reply.problem
    if score is None:
        return say("live.answer.unknown", word=one.question.answer)
    return say("live.answer", word=one.question.answer, value=percent(score.probability), rank=score.rank)


def guesses_text(asked: Sequence[Asked]) -> str:
    """The same as plain text."""
    return "\n".join(line for one in asked for line in _lines(one))


def _lines(one: Asked) -> list[str]:
    pairs = zip(one.reply.guesses, one.reply.probabilities.tolist(), strict=True)
    said = [
        say("live.text.guess", rank=rank, word=guess, value=percent(probability))
        for rank, (guess, probability) in enumerate(pairs, 1)
    ]
    if one.way:
        said.append(f"{say('live.way')} {' → '.join(one.way[-_WAY:])}")
    said += [_answer(one)] if _answer(one) else []
    return ["____".join(one.question.parts), *(f"  {line}" for line in said)]
