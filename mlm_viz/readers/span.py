"""An encoder-decoder at a gap: it reads both sides with a sentinel in the gap, and writes what the sentinel stands for.

Source: C. Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer" (2020),
section 3.1.4.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mlm_viz.comparison import Pattern
from mlm_viz.errors import ModelError
from mlm_viz.gaps import Gap
from mlm_viz.interventions import use_attention
from mlm_viz.loading import Kind, Network
from mlm_viz.readers.reader import Reader, Row, bits, mean_attention, padded, real
from mlm_viz.results import Floats32
from mlm_viz.spelling import Speller
from mlm_viz.strings import say
from mlm_viz.tokens import Flags, Ids

SENTINEL = "<extra_id_0>"


class SpanReader(Reader):
    """Reads the text with a sentinel in the gap, and is asked what it writes behind that sentinel.

    What is not revealed stands behind what is, and no token attends to it; so it is left out, which comes to the same.
    """

    kind: Kind = "span"

    def __init__(self, network: Network) -> None:
        """Over a loaded network.

        Raises:
            ModelError: if the model knows no sentinels, as BART and its kin.
        """
        speller = Speller(network.name, network.tokenizer, int(network.network.config.vocab_size))
        parameters = sum(weight.numel() for weight in network.network.parameters())
        super().__init__(network.name, speller, network.limit, parameters)
        self.network = network.network
        sentinel = speller.vocabulary.ids.get(SENTINEL)
        if sentinel is None:
            raise ModelError(say("gap.no_sentinels", name=network.name, sentinel=SENTINEL))
        config = network.network.config
        start = config.decoder_start_token_id
        self.begin: Ids = np.array([config.pad_token_id if start is None else start, sentinel], dtype=np.int64)

    def source(self, gap: Gap, revealed: int) -> tuple[Ids, Flags]:
        """What stands before the encoder, and what of it is hidden; the end token belongs to the right side."""
        ids, hidden, _ = self.around(gap, SENTINEL, revealed)
        self.check_length(len(ids))
        return ids, hidden

    def rows(self, gap: Gap, pieces: Sequence[int], revealed: int) -> list[Row]:
        """One row; the guess at a piece is read at the token written before it."""
        ids, hidden = self.source(gap, revealed)
        written = np.concatenate([self.begin, np.array(pieces[:-1], dtype=np.int64)])
        return [Row(ids, hidden, tuple(range(1, 1 + max(1, len(pieces)))), written)]

    def forward(self, rows: Sequence[Row]) -> list[Floats32]:
        """One pass of encoder and decoder."""
        use_attention(self.network, "sdpa")
        shown = [row.shown for row in rows]
        there = real(shown)
        logits = self.network(
            input_ids=padded(shown),
            attention_mask=None if there is None else torch.from_numpy(there.astype(np.int64)),
            decoder_input_ids=padded([_written(row) for row in rows]),
            use_cache=False,
        ).logits
        return [bits(logits[number, list(row.slots)]) for number, row in enumerate(rows)]

    @torch.inference_mode()
    def look(self, row: Row) -> Pattern:
        """What is read at everything that is read; what is written at what was written before and all that is read."""
        use_attention(self.network, "eager")
        written = _written(row)
        found = self.network(
            input_ids=torch.from_numpy(row.shown[None]),
            decoder_input_ids=torch.from_numpy(written[None]),
            output_attentions=True,
            use_cache=False,
        )
        reads, writes = len(row.ids), len(written)
        shown = np.flatnonzero(~row.hidden)
        rest = np.arange(reads, reads + writes)
        open_ = np.zeros((reads + writes, reads + writes), dtype=np.bool_)
        weights = np.zeros(open_.shape, dtype=np.float32)
        open_[np.ix_([*shown, *rest], shown)] = True
        open_[np.ix_(rest, rest)] = np.tri(writes, dtype=np.bool_)
        weights[np.ix_(shown, shown)] = mean_attention(found.encoder_attentions)
        weights[np.ix_(rest, shown)] = mean_attention(found.cross_attentions)
        weights[np.ix_(rest, rest)] = mean_attention(found.decoder_attentions)
        labels = tuple(self.vocabulary.labels[i] for i in (*row.ids, *written))
        return Pattern(labels, np.arange(reads + writes) >= reads, open_, weights, reads + row.slots[0])


def _written(row: Row) -> Ids:
    assert row.written is not None  # noqa: S101 (rows of this reader)
    return row.written
