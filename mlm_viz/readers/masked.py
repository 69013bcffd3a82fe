"""A masked model at a gap: it sees both sides, or as much of the right one as it is shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlm_viz.comparison import Pattern
from mlm_viz.gaps import Gap
from mlm_viz.loading import Kind
from mlm_viz.model import Model
from mlm_viz.readers.reader import Reader, Row, padded, real
from mlm_viz.results import Floats32


class MaskedReader(Reader):
    """Puts a mask into the gap, or as many as the word has pieces.

    What is not revealed stands behind what is, and no token attends to it; so it is left out, which comes to the same.
    The end token belongs to the right side.
    """

    kind: Kind = "masked"

    def __init__(self, model: Model) -> None:
        model.check_can_predict()
        super().__init__(model.name, model.speller, model.limit, _count(model))
        self.model = model
        # Where the mask goes past the backbone, parts of it would take padding for text.
        self.pads = not model.family.mask_at_layers

    def rows(self, gap: Gap, pieces: Sequence[int], revealed: int) -> list[Row]:
        """Row i has the first i pieces written and masks for the rest."""
        mask, count = self.model.tokenizer.mask_token, max(1, len(pieces))
        ids, hidden, slot = self.around(gap, mask, revealed)
        self.check_length(len(ids) + count - 1)
        wide = np.insert(ids, slot, np.full(count - 1, ids[slot]))
        hides = np.insert(hidden, slot, np.zeros(count - 1, dtype=np.bool_))
        rows = []
        for number in range(count):
            row = wide.copy()
            row[slot : slot + number] = pieces[:number]
            rows.append(Row(row, hides, (slot + number,)))
        return rows

    def forward(self, rows: Sequence[Row]) -> list[Floats32]:
        """One pass of the model's one primitive."""
        shown = [row.shown for row in rows]
        there = real(shown)
        allowed = None if there is None else np.repeat(there[:, None, None, :], there.shape[1], axis=2)
        slots = np.array([(number, slot) for number, row in enumerate(rows) for slot in row.slots], dtype=np.int64)
        found = self.model.forward(padded(shown).numpy(), slots=slots, allowed=allowed).log2_probs
        assert found is not None  # noqa: S101 (there are slots)
        return np.split(found, np.cumsum([len(row.slots) for row in rows])[:-1])

    def look(self, row: Row) -> Pattern:
        """Everybody at everybody; what is hidden neither looks nor is looked at."""
        attention = self.model.forward(row.shown[None], attention="all").attention
        assert attention is not None  # noqa: S101
        shown = ~row.hidden
        open_ = shown[:, None] & shown
        weights = np.zeros(open_.shape, dtype=np.float32)
        weights[open_] = attention[0].mean(axis=(0, 1)).ravel()
        labels = tuple(self.vocabulary.labels[i] for i in row.ids)
        return Pattern(labels, np.zeros(len(shown), dtype=np.bool_), open_, weights, row.slots[0])


def _count(model: Model) -> int:
    return sum(weight.numel() for weight in model.network.parameters())
