"""A masked model at a gap: it sees both sides, or as much of the right one as it is shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mlm_viz.comparison import Pattern
from mlm_viz.gaps import Gap
from mlm_viz.loading import Kind
from mlm_viz.model import Model
from mlm_viz.readers.reader import Reader, Row, padded, seen
from mlm_viz.tokens import Flags


class MaskedReader(Reader):
    """Puts a mask into the gap, or as many as the word has pieces.

    What is not revealed stays where it is, but in no layer does any token attend to it; the end token belongs to the
    right side.
    """

    kind: Kind = "masked"

    def __init__(self, model: Model) -> None:
        model.check_can_predict()
        super().__init__(model.name, model.speller, model.limit, _count(model))
        self.model = model

    def rows(self, gap: Gap, pieces: Sequence[int], revealed: int) -> list[Row]:
        """Row i has the first i pieces written and masks for the rest."""
        mask, mask_id = self.model.tokenizer.mask_token, self.model.vocabulary.mask_id
        ids, offsets = self.encoded(gap.left + mask + gap.right)
        edge = len(gap.left) + len(mask)
        places = [i for i, (_, end) in enumerate(offsets) if ids[i] == mask_id and end == edge]
        slot, count = places[0], max(1, len(pieces))
        self.check_length(len(ids) + count - 1)
        closed = revealed < len(gap.right_words)
        hidden = np.array(
            [
                closed if end <= start else gap.hidden(start - edge, end - edge, revealed)
                for start, end in offsets[slot + 1 :]
            ],
            dtype=np.bool_,
        )
        wide = np.concatenate([ids[:slot], np.full(count, mask_id), ids[slot + 1 :]])
        hides = np.concatenate([np.zeros(slot + count, dtype=np.bool_), hidden])
        rows = []
        for number in range(count):
            row = wide.copy()
            row[slot : slot + number] = pieces[:number]
            rows.append(Row(row, hides, (slot + number,)))
        return rows

    def forward(self, rows: Sequence[Row]) -> list[torch.Tensor]:
        """One pass of the model's one primitive."""
        slots = np.array([(number, slot) for number, row in enumerate(rows) for slot in row.slots], dtype=np.int64)
        found = self.model.forward(padded([row.ids for row in rows]), slots=slots, allowed=_allowed(rows)).log2_probs
        assert found is not None  # noqa: S101 (there are slots)
        # In bits already; normalising once more in nats leaves them as they are.
        nats = torch.from_numpy(found * np.float32(np.log(2)))
        return list(torch.split(nats, [len(row.slots) for row in rows]))

    def look(self, row: Row) -> Pattern:
        """Everybody at everybody who is not hidden."""
        allowed = _allowed([row])
        attention = self.model.forward(row.ids[None], attention="all", allowed=allowed).attention
        assert attention is not None  # noqa: S101
        tokens = len(row.ids)
        open_ = np.ones((tokens, tokens), dtype=np.bool_) if allowed is None else allowed[0, 0]
        labels = tuple(self.vocabulary.labels[i] for i in row.ids)
        weights = attention[0].mean(axis=(0, 1))
        return Pattern(labels, np.zeros(tokens, dtype=np.bool_), open_, weights, row.slots[0])


def _allowed(rows: Sequence[Row]) -> Flags | None:
    """(rows, 1, query, key), or None if everybody may look everywhere."""
    keys = seen(rows)
    return None if keys.all() else np.repeat(keys[:, None, None, :], keys.shape[1], axis=2)


def _count(model: Model) -> int:
    return sum(weight.numel() for weight in model.network.parameters())
