"""What one writer wrote and how it is judged: as markup, and as plain text."""

from __future__ import annotations

import numpy as np

from mlm_viz.escape import escape
from mlm_viz.figures.labels import percent, short
from mlm_viz.steps import ORDERS
from mlm_viz.strings import say
from mlm_viz.widgets.markup import facts
from mlm_viz.writing import JUDGES, Writing, Writings

_BEFORE = 160  # characters of a long prompt that are shown
_SEEN_EMS = 62.0  # about what fits into a card without scrolling


def card(one: Writing, *, words: int, busy: bool) -> str:
    """The card of one writer.

    Args:
        one: what it has written so far.
        words: that it was asked for.
        busy: whether it is writing now.
    """
    name = escape(say(f"writing.writer.{one.writer}"))
    head = f"<header><b>{name}</b><span>{escape(_how(one, words))}</span></header>"
    # It can be scrolled, so it can be reached by keyboard.
    text = f'<p class="mlmviz-writer-text" dir="auto" tabindex="0" aria-label="{name}">{_text(one, busy=busy)}</p>'
    state = "true" if busy else "false"
    return f'<section class="mlmviz-writer" data-busy="{state}">{head}{text}{facts(numbers(one))}</section>'


def _how(one: Writing, words: int) -> str:
    kind = "masked" if one.writer in ORDERS else one.writer
    return say(f"writing.how.{kind}", words=words)


def _text(one: Writing, *, busy: bool) -> str:
    """Muted what stood there, underlined what was written; while it grows only as much of it as can be seen."""
    left, right = one.gap.left, one.gap.right
    written = one.whole[len(left) : len(one.whole) - len(right)]
    before = left if len(left) <= _BEFORE else "…" + left[-_BEFORE:]
    if busy:
        before, written = _newest(before, written)
    rest = right if len(right) <= _BEFORE else right[:_BEFORE] + "…"
    return f"<span>{escape(before)}</span><b>{escape(written)}</b><span>{escape(rest)}</span>"


def _newest(before: str, written: str) -> tuple[str, str]:
    """The end of both: with every word the card is made anew, and would be scrolled back to its beginning."""
    seen = short((before + written)[::-1], _SEEN_EMS)[::-1]
    kept = len(seen) - len(written)
    return (seen[:kept], written) if kept >= 0 else ("", seen)


def numbers(one: Writing) -> list[tuple[str, str]]:
    """Names and values, the same names whether or not there are values yet."""
    pairs = []
    for judge in JUDGES:
        value = _shown(one.value(judge), "writing.card.bits")
        own = one.own == judge and judge in one.judged
        pairs.append((say(f"writing.card.{judge}"), say("writing.card.own", value=value) if own else value))
    distinct = one.distinct if one.judged else np.nan
    pairs.append((say("writing.card.distinct"), say("writing.card.none") if np.isnan(distinct) else percent(distinct)))
    repeated = one.value("repetition") if one.judged else np.nan
    pairs.append((say("writing.card.repetition"), _shown(repeated, "writing.card.repeated")))
    pairs.append((say("writing.card.words"), str(len(one.words)) if one.finished else say("writing.card.none")))
    return pairs


def _shown(value: float, key: str) -> str:
    if np.isnan(value):
        return say("writing.card.none")
    return say(key, value=value, words=value)


def cards_text(writings: Writings) -> str:
    """All cards as plain lines."""
    lines = []
    for one in writings.written:
        told = ", ".join(say("writing.text.number", name=name, value=value) for name, value in numbers(one))
        lines.append(say("writing.text", writer=say(f"writing.writer.{one.writer}"), text=one.whole, numbers=told))
    return "\n".join(lines)
