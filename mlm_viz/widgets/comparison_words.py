"""A comparison in words: the sentence as much as it is in view, and all pictures as text."""

from __future__ import annotations

from mlm_viz.comparison import Comparison, Revealed
from mlm_viz.escape import escape
from mlm_viz.figures.comparison import comparison_text, pattern_text, revealed_text
from mlm_viz.gaps import Gap
from mlm_viz.strings import say


def sentence(gap: Gap, seen: int) -> str:
    """The sentence with its gap; what is not in view stays in its place, hatched."""
    words = gap.right_words
    hidden = "".join(f"<span>{escape(word)}</span>" for word in words[seen:])
    out = f'<span class="mlmviz-comparison-hidden">{hidden}</span>' if hidden else ""
    middle = '<b class="mlmviz-comparison-gap">____</b>'
    return f'<p class="mlmviz-comparison-sentence">{escape(gap.left)}{middle}{escape("".join(words[:seen]))}{out}</p>'


def text_form(comparison: Comparison | None, curves: Revealed | None, top: int) -> str:
    """All pictures of a comparison as plain lines, with the `top` best guesses of each column."""
    if comparison is None:
        return say("prediction.nothing")
    patterns = [
        f"{say(f'side.{column.side}')}\n{pattern_text(column.pattern)}"
        for column in comparison.columns
        if column.pattern is not None
    ]
    curve = [] if curves is None else [revealed_text(curves)]
    return "\n\n".join([comparison_text(comparison, top), *patterns, *curve])
