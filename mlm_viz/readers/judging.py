"""Models as judges of what others wrote: how many bits it costs them, the text around it given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlm_viz.errors import TextError
from mlm_viz.gaps import words_of
from mlm_viz.readers.causal import CausalReader
from mlm_viz.readers.masked import MaskedReader
from mlm_viz.readers.reader import Row
from mlm_viz.tokens import Ids
from mlm_viz.writing import Judged, Writing


@dataclass(frozen=True, eq=False)
class _Case:
    """The rows in which a judge gives the tokens that were written, and those tokens."""

    rows: list[Row]
    targets: Ids


def judge(reader: CausalReader | MaskedReader, writings: Sequence[Writing]) -> list[Judged | None]:
    """What a model makes of many writings, which share its passes.

    Each is read as text, by the judge's own tokenizer; a token that stands half in what was written counts as written.

    Args:
        reader: the judge.
        writings: of any model.

    Returns:
        For each what it costs; None where nothing was written, or the text is too long for the judge.

    Source: J. Salazar et al., "Masked Language Model Scoring" (2020); C. Kauf and A. Ivanova, "A Better Way to Do
    Masked Language Model Scoring" (2023) for the way within words.
    """
    cases = [_case(reader, writing) for writing in writings]
    rows = [row for case in cases if case for row in case.rows]
    if not rows:
        return [None] * len(cases)
    targets = np.concatenate([case.targets for case in cases if case])
    log2_probs = reader._chosen(rows, targets)[0]  # noqa: SLF001 (of the same package)
    parts = np.split(log2_probs, np.cumsum([len(case.targets) if case else 0 for case in cases])[:-1])
    return [
        Judged(float(-part.sum()), len(part), _characters(writing)) if case else None
        for case, part, writing in zip(cases, parts, writings, strict=True)
    ]


def _case(reader: CausalReader | MaskedReader, writing: Writing) -> _Case | None:
    if not _characters(writing):
        return None
    try:
        case = _masked(reader, writing) if isinstance(reader, MaskedReader) else _causal(reader, writing)
    except TextError:  # too long
        return None
    return case if len(case.targets) else None


def _characters(writing: Writing) -> int:
    return sum(not char.isspace() for char in writing.text)


def _span(writing: Writing) -> tuple[int, int]:
    """Where what was written begins and ends in the whole."""
    whole = writing.whole
    return len(writing.gap.left.rstrip()), len(whole) - len(writing.gap.right)


def _causal(reader: CausalReader, writing: Writing) -> _Case:
    """One row: the text up to the end of what was written; each token is given at the one before it."""
    begin, end = _span(writing)
    text = writing.whole[:end].rstrip()
    ids = reader.prompt(text)
    reader.check_length(len(ids))
    stops = reader.encoded(text, special=False).places[:, 1]
    places = len(ids) - len(stops) + np.flatnonzero(stops > begin)  # there may be a start token in front
    places = places[places > 0]  # without one nothing gives the first token
    return _Case([Row(ids, np.zeros(len(ids), dtype=np.bool_), tuple(places - 1))], ids[places])


def _masked(reader: MaskedReader, writing: Writing) -> _Case:
    """A row for each token, in which it and the later pieces of its word are masked."""
    begin, end = _span(writing)
    cut = reader.encoded(writing.whole)
    reader.check_length(len(cut.ids))
    starts, stops = cut.places.T
    last = np.maximum(stops - 1, starts)  # a token may bring the space before it along
    words = np.searchsorted([start for start, _ in words_of(writing.whole)], last, side="right")
    places = np.flatnonzero(~cut.added & (stops > begin) & (starts < end))
    rows = []
    for place in places:
        row = cut.ids.copy()
        row[place:][~cut.added[place:] & (words[place:] == words[place])] = reader.vocabulary.mask_id or 0
        rows.append(Row(row, np.zeros(len(row), dtype=np.bool_), (int(place),)))
    return _Case(rows, cut.ids[places])
