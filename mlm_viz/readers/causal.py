"""A left-to-right model at a gap: it guesses the next token, and whatever comes behind cannot matter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mlm_viz.comparison import Pattern
from mlm_viz.errors import TextError
from mlm_viz.gaps import Gap
from mlm_viz.loading import Kind, Network
from mlm_viz.readers.reader import Reader, Row, mean_attention, padded
from mlm_viz.spelling import Speller
from mlm_viz.strings import say
from mlm_viz.tokens import Ids


class CausalReader(Reader):
    """Reads what stands before the gap and guesses what comes next.

    The word and what is revealed of the right side are read too, behind it, where no guess can see them.
    """

    kind: Kind = "causal"

    def __init__(self, network: Network) -> None:
        speller = Speller(network.name, network.tokenizer, int(network.network.config.vocab_size))
        parameters = sum(weight.numel() for weight in network.network.parameters())
        super().__init__(network.name, speller, network.limit, parameters)
        self.network = network.network

    def prompt(self, text: str) -> Ids:
        """The ids of the beginning of a text, with the start token if the model knows one, without an end token.

        White space at the end is left to the next token.

        Raises:
            TextError: if nothing is there to go on from.
        """
        ids, offsets = self.encoded(text.rstrip())
        last = max((i for i, (start, end) in enumerate(offsets) if end > start), default=-1)
        first = next((i for i, (start, end) in enumerate(offsets) if end > start), len(ids))
        if last < 0:  # special tokens only: those in front stay
            ids = ids[:1] if len(ids) else self._start()
        else:
            ids = ids[: last + 1] if first else np.concatenate([self._start(optional=True), ids[: last + 1]])
        return ids

    def _start(self, *, optional: bool = False) -> Ids:
        tokenizer = self.speller.tokenizer
        # The start token; models that have none were trained with an end token between texts.
        token = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        if token is None and not optional:
            raise TextError(say("gap.nothing_left", model=self.name))
        return np.array([] if token is None else [token], dtype=np.int64)

    def rows(self, gap: Gap, pieces: Sequence[int], revealed: int) -> list[Row]:
        """One row; the guess at a piece is read at the token before it."""
        left = self.prompt(gap.left)
        parts = [left, np.array(pieces, dtype=np.int64)]
        if pieces and revealed > 0:
            ids, offsets = self.encoded(gap.right, special=False)
            parts.append(ids[[not gap.hidden(start, end, revealed) for start, end in offsets]])
        row = np.concatenate(parts)
        self.check_length(len(row))
        slots = tuple(range(len(left) - 1, len(left) - 1 + max(1, len(pieces))))
        return [Row(row, np.zeros(len(row), dtype=np.bool_), slots)]

    def forward(self, rows: Sequence[Row]) -> list[torch.Tensor]:
        """One pass; what rows are filled up with stands behind them, where nobody sees it."""
        self._use_attention("sdpa")
        logits = self.network(input_ids=torch.from_numpy(padded([row.ids for row in rows])), use_cache=False).logits
        return [logits[number, list(row.slots)] for number, row in enumerate(rows)]

    @torch.inference_mode()
    def look(self, row: Row) -> Pattern:
        """Everybody at those before, and at oneself."""
        self._use_attention("eager")
        seen = self.network(input_ids=torch.from_numpy(row.ids[None]), output_attentions=True, use_cache=False)
        tokens = len(row.ids)
        open_ = np.tri(tokens, dtype=np.bool_)
        labels = tuple(self.vocabulary.labels[i] for i in row.ids)
        weights = mean_attention(seen.attentions)
        return Pattern(labels, np.zeros(tokens, dtype=np.bool_), open_, weights, row.slots[0])

    def _use_attention(self, implementation: str) -> None:
        network = self.network
        if network.config._attn_implementation != implementation and network._supports_sdpa:  # noqa: SLF001
            network.set_attn_implementation(implementation)
