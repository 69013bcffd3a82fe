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
from mlm_viz.loading import Kind, Network
from mlm_viz.readers.reader import Reader, Row, mean_attention, padded, seen
from mlm_viz.spelling import Speller
from mlm_viz.strings import say
from mlm_viz.tokens import Flags, Ids

SENTINEL = "<extra_id_0>"


class SpanReader(Reader):
    """Reads the text with a sentinel in the gap, and is asked what it writes behind that sentinel."""

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
        """What the encoder reads, and what of it nobody may look at; the end token belongs to the right side."""
        ids, offsets = self.encoded(gap.left + SENTINEL + gap.right)
        edge = len(gap.left) + len(SENTINEL)
        slot = next(i for i, (_, end) in enumerate(offsets) if ids[i] == self.begin[1] and end >= edge)
        self.check_length(len(ids))
        closed = revealed < len(gap.right_words)
        hidden = [
            i > slot and (closed if end <= start else gap.hidden(start - edge, end - edge, revealed))
            for i, (start, end) in enumerate(offsets)
        ]
        return ids, np.array(hidden, dtype=np.bool_)

    def rows(self, gap: Gap, pieces: Sequence[int], revealed: int) -> list[Row]:
        """One row; the guess at a piece is read at the token written before it."""
        ids, hidden = self.source(gap, revealed)
        written = np.concatenate([self.begin, np.array(pieces[:-1], dtype=np.int64)])
        return [Row(ids, hidden, tuple(range(1, 1 + max(1, len(pieces)))), written)]

    def forward(self, rows: Sequence[Row]) -> list[torch.Tensor]:
        """One pass of encoder and decoder."""
        self._use_attention("sdpa")
        logits = self.network(
            input_ids=torch.from_numpy(padded([row.ids for row in rows])),
            attention_mask=torch.from_numpy(seen(rows).astype(np.int64)),
            decoder_input_ids=torch.from_numpy(padded([_written(row) for row in rows])),
            use_cache=False,
        ).logits
        return [logits[number, list(row.slots)] for number, row in enumerate(rows)]

    @torch.inference_mode()
    def look(self, row: Row) -> Pattern:
        """What is read at everything that is read; what is written at what was written before and all that is read."""
        self._use_attention("eager")
        written = _written(row)
        found = self.network(
            input_ids=torch.from_numpy(row.ids[None]),
            attention_mask=torch.from_numpy((~row.hidden[None]).astype(np.int64)),
            decoder_input_ids=torch.from_numpy(written[None]),
            output_attentions=True,
            use_cache=False,
        )
        reads, writes = len(row.ids), len(written)
        weights = np.zeros((reads + writes, reads + writes), dtype=np.float32)
        weights[:reads, :reads] = mean_attention(found.encoder_attentions)
        weights[reads:, :reads] = mean_attention(found.cross_attentions)
        weights[reads:, reads:] = mean_attention(found.decoder_attentions)
        open_ = np.zeros(weights.shape, dtype=np.bool_)
        open_[:, :reads] = ~row.hidden
        open_[reads:, reads:] = np.tri(writes, dtype=np.bool_)
        labels = tuple(self.vocabulary.labels[i] for i in (*row.ids, *written))
        return Pattern(labels, np.arange(reads + writes) >= reads, open_, weights, reads + row.slots[0])

    def _use_attention(self, implementation: str) -> None:
        network = self.network
        if network.config._attn_implementation != implementation and network._supports_sdpa:  # noqa: SLF001
            network.set_attn_implementation(implementation)


def _written(row: Row) -> Ids:
    assert row.written is not None  # noqa: S101 (rows of this reader)
    return row.written
