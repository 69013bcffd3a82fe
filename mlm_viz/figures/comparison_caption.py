"""What models make of a gap, in a sentence or two from the numbers alone."""

from __future__ import annotations

from collections.abc import Sequence

from mlm_viz.comparison import Column, Comparison, Side
from mlm_viz.figures import labels
from mlm_viz.strings import say

_WORD_EMS = 14.0
_ORDER: tuple[Side, ...] = ("masked", "span", "blinded", "causal")  # those that cannot look to the right come last


def comparison_caption(comparison: Comparison) -> str:
    """What each model makes of the word with so much of the right side in view, in plain text; "" without columns."""
    columns = sorted(comparison.columns, key=lambda column: _ORDER.index(column.side))
    if not columns:
        return ""
    word = comparison.gap.word
    if word is None:
        said = say("comparison.caption.guesses", view=_view(comparison), guesses=_list([_guess(c) for c in columns]))
    else:
        values = _list([_value(column) for column in columns])
        shown = labels.plain(word, _WORD_EMS)
        said = say("comparison.caption.word", view=_view(comparison), word=shown, values=values)
    blind = sum(column.side in _ORDER[2:] for column in columns)
    if not blind or not comparison.gap.right_words:
        return said
    return f"{said} {say('comparison.caption.one' if blind == 1 else 'comparison.caption.two')}"


def _view(comparison: Comparison) -> str:
    seen, most = comparison.revealed, len(comparison.gap.right_words)
    if not most:
        return say("comparison.view.nothing")
    if not seen:
        return say("comparison.view.none", most=most)
    return say("comparison.view.all" if seen == most else "comparison.view.some", seen=seen, most=most)


def _value(column: Column) -> str:
    value = labels.percent(0.0 if column.word is None else column.word.probability)
    return say("comparison.caption.value", value=value, who=say(f"comparison.who.{column.side}"))


def _guess(column: Column) -> str:
    best = column.guess.score_id(int(column.guess.best(1)[0]))
    told = {"word": labels.plain(best.word, _WORD_EMS), "value": labels.percent(best.probability)}
    return say("comparison.caption.guess", who=say(f"comparison.who.{column.side}"), **told)


def _list(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else say("caption.and", first=", ".join(items[:-1]), last=items[-1])
