"""One gap, asked of a masked, a left-to-right and a span-filling model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from mlm_viz.comparison import SIDES, Column, Comparison, Revealed, Side
from mlm_viz.errors import ModelError, TextError
from mlm_viz.gaps import BLIND, Gap
from mlm_viz.loading import Kind, Network
from mlm_viz.model import Model
from mlm_viz.readers import Reader, as_reader
from mlm_viz.strings import say

KINDS: dict[Side, Kind] = {"masked": "masked", "blinded": "masked", "causal": "causal", "span": "span"}
Source = str | Path | Model | Network | Reader | None
Sources = Mapping[str, Source]


def compare(
    text: str,
    word: str | None = None,
    *,
    models: Sources | None = None,
    revealed: int | None = None,
    patterns: bool = True,
) -> Comparison:
    """What a masked model with both sides, the same model blinded to the right, a causal and a span model guess.

    Args:
        text: with one blank (`[MASK]`, `____`); or without one, and then `word` is taken out of it.
        word: what belongs into the gap, if it is known.
        models: other models than the bundled twins, by column: "masked", "blinded", "causal", "span"; a name, a
            directory, or a loaded model. The blinded one is the masked one unless it is named too.
        revealed: how many words of the right side may be seen; all by default. The blinded model sees none, not
            even that the text ends.
        patterns: whether who looks at whom is wanted.

    Raises:
        TextError: if there is no gap or more than one, the gap splits a word, or the text is too long for a model.
        WordError: if a vocabulary cannot spell the word.
        ModelError: if there is no such model or column, or a model of the wrong kind in a column.
    """
    gap = Gap.of(text, word)
    return compare_at(gap, readers_for(models), check_revealed(gap, revealed), patterns=patterns)


def compare_at(gap: Gap, readers: Mapping[Side, Reader], revealed: int, *, patterns: bool = True) -> Comparison:
    """The same for a gap and readers at hand: one question to each reader."""
    columns = []
    for side, reader in readers.items():
        found = reader.read(gap, BLIND if side == "blinded" else revealed, pattern=patterns)
        columns.append(Column(side, reader.name, found.guess, found.word, found.pattern))
    return Comparison(gap, revealed, tuple(columns))


def reveal_right(text: str, word: str | None = None, *, models: Sources | None = None) -> Revealed:
    """How the guesses change as the right side is revealed word by word; arguments and errors as for `compare`."""
    gap = Gap.of(text, word)
    *_, last = reveal_in_parts(gap, readers_for(models))
    return last


def reveal_in_parts(gap: Gap, readers: Mapping[Side, Reader]) -> Iterator[Revealed]:
    """The same, one more word revealed each time; what is still to come is NaN."""
    steps = len(gap.right_words) + 1
    log2_probs, entropies = np.full((2, len(readers), steps), np.nan)
    best = [[""] * steps for _ in readers]
    names = tuple(reader.name for reader in readers.values())
    for step in range(steps):
        for row, (side, reader) in enumerate(readers.items()):
            found = reader.read(gap, BLIND if side == "blinded" else step)
            entropies[row, step] = found.guess.entropy
            best[row][step] = found.guess.vocabulary.labels[int(found.guess.best(1)[0])]
            if found.word is not None:
                log2_probs[row, step] = found.word.log2_prob
        shown = tuple(tuple(labels) for labels in best)
        yield Revealed(gap, tuple(readers), names, log2_probs.copy(), entropies.copy(), shown)


def readers_for(models: Sources | None = None) -> dict[Side, Reader]:
    """A reader for each column.

    Raises:
        ModelError: if there is no such model or column, or a model is of the wrong kind for its column.
    """
    given = dict(models or {})
    if unknown := [name for name in given if name not in SIDES]:
        raise ModelError(say("compare.no_column", name=unknown[0], known=", ".join(SIDES)))
    readers: dict[Side, Reader] = {}
    for side in SIDES:
        if side == "blinded" and given.get(side) is None:
            readers[side] = readers["masked"]
        else:
            readers[side] = as_reader(given.get(side), KINDS[side])
    return readers


def check_revealed(gap: Gap, revealed: int | None) -> int:
    """How many words of the right side may be seen.

    Raises:
        TextError: if there are not so many.
    """
    most = len(gap.right_words)
    if revealed is None:
        return most
    if not 0 <= revealed <= most:
        raise TextError(say("compare.revealed", revealed=revealed, most=most))
    return revealed
