"""What stands in the column of a model: its best guesses and the true word; and all columns as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlm_viz.comparison import Column, Comparison
from mlm_viz.figures import labels
from mlm_viz.figures.bars import GAP
from mlm_viz.results import WordScore
from mlm_viz.strings import say

Mark = Literal["guess", "original", "special"]


@dataclass(frozen=True)
class Row:
    """One guess.

    Attributes:
        score: the token or word.
        mark: a guess, the true word, or a special token.
        y: place from the top, in rows.
    """

    score: WordScore
    mark: Mark
    y: float


def rows_of(column: Column, top: int) -> list[Row]:
    """The best guesses, and the true word below them if it is not among them."""
    guess, special = column.guess, column.guess.vocabulary.special_ids
    rows = [
        Row(
            guess.score_id(token),
            "original" if token == guess.original else "special" if token in special else "guess",
            place,
        )
        for place, token in enumerate(int(i) for i in guess.best(top))
    ]
    if column.word is None or any(row.mark == "original" for row in rows):
        return rows
    return [*rows, Row(column.word, "original", top + GAP)]


def comparison_text(comparison: Comparison, top: int = 8) -> str:
    """What `comparison_bars` shows, as plain lines: for screen readers, logs and tests."""
    return "\n\n".join("\n".join(_lines(column, top)) for column in comparison.columns)


def _lines(column: Column, top: int) -> list[str]:
    lines = [say("comparison.text.head", side=say(f"side.{column.side}"), model=column.model)]
    for row in rows_of(column, top):
        value = labels.percent(row.score.probability)
        line = say("figure.bars.line", word=row.score.word, rank=row.score.rank, value=value, bits=row.score.surprisal)
        lines.append(say(f"comparison.text.{row.mark}", line=line))
    return [*lines, say("comparison.entropy", bits=column.guess.entropy)]
