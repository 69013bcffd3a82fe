"""A left-to-right model at a gap: it guesses the next token, and whatever comes behind cannot matter."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from mlm_viz.comparison import Pattern
from mlm_viz.errors import TextError
from mlm_viz.gaps import Gap
from mlm_viz.interventions import use_attention
from mlm_viz.loading import Kind, Network
from mlm_viz.readers.reader import Reader, Row, bits, mean_attention, padded
from mlm_viz.results import Floats32
from mlm_viz.spelling import Speller
from mlm_viz.strings import say
from mlm_viz.tokens import Ids


class CausalReader(Reader):
    """Reads what stands before the gap and guesses what comes next.

    The word and what is revealed of the right side stand behind that in its rows, where no guess can see them: the
    pattern shows them, a guess is made without.
    """

    kind: Kind = "causal"

    def __init__(self, network: Network) -> None:
        speller = Speller(network.name, network.tokenizer, int(network.network.config.vocab_size))
        parameters = sum(weight.numel() for weight in network.network.parameters())
        super().__init__(network.name, speller, network.limit, parameters)
        self.network = network.network
        self._chooses = "logits_to_keep" in inspect.signature(self.network.forward).parameters

    def prompt(self, text: str) -> Ids:
        """The ids of the beginning of a text, with the start token if the model knows one, without an end token.

        A space at the end is left to the next token, which is spelled with the space before it.

        Raises:
            TextError: if nothing is there to go on from.
        """
        cut = self.encoded(text[:-1] if self.is_spaced(Gap(text, "")) else text)
        own = np.flatnonzero(~cut.added)
        if len(own):
            begin = cut.ids[: own[0]] if own[0] else self._start(optional=True)
            return np.concatenate([begin, cut.ids[~cut.added]])
        tokenizer = self.speller.tokenizer
        starts = {tokenizer.bos_token_id, tokenizer.cls_token_id}
        # Of an empty text there are special tokens only, and the first may be the one at the end.
        return cut.ids[:1] if starts.intersection(cut.ids[:1].tolist()) else self._start()

    def _start(self, *, optional: bool = False) -> Ids:
        tokenizer = self.speller.tokenizer
        # The start token; models that have none were trained with an end token between texts.
        token = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        if token is None and not optional:
            raise TextError(say("gap.nothing_left", model=self.name))
        return np.array([] if token is None else [token], dtype=np.int64)

    def rows(self, gap: Gap, pieces: Sequence[int], revealed: int) -> list[Row]:
        """One row; the guess at a piece is read at the token before it, and what comes behind all slots is hidden."""
        left = self.prompt(gap.left)
        behind = self._behind(gap, revealed) if pieces else []
        ids = np.concatenate([left, np.array([*pieces, *behind], dtype=np.int64)])
        self.check_length(len(ids))
        slots = tuple(range(len(left) - 1, len(left) - 1 + max(1, len(pieces))))
        return [Row(ids, np.arange(len(ids)) > slots[-1], slots)]

    def _behind(self, gap: Gap, revealed: int) -> list[int]:
        cut = self.encoded(gap.right, special=False)
        hidden = (gap.hidden(start, end, revealed) for start, end in cut.places)
        ids = [int(token) for token, hides in zip(cut.ids, hidden, strict=True) if not hides]
        return ids if not ids or gap.right[0].isspace() else self.speller.without_space_mark(ids)

    def forward(self, rows: Sequence[Row]) -> list[Floats32]:
        """One pass; what rows are filled up with stands behind them, where nobody sees it."""
        use_attention(self.network, "sdpa")
        ids = padded([row.shown for row in rows])
        # To the vocabulary goes only what is asked for: with a small model that is most of the work.
        chosen = np.unique([slot for row in rows for slot in row.slots]) if self._chooses else np.arange(ids.shape[1])
        logits = self._run(ids, chosen).logits
        return [bits(logits[number, np.searchsorted(chosen, row.slots)]) for number, row in enumerate(rows)]

    @torch.inference_mode()
    def look(self, row: Row) -> Pattern:
        """Everybody at those before, and at oneself; the whole row is read, what is hidden from guesses too."""
        use_attention(self.network, "eager")
        seen = self._run(torch.from_numpy(row.ids[None]), np.array([0]), output_attentions=True)
        tokens = len(row.ids)
        open_ = np.tri(tokens, dtype=np.bool_)
        labels = tuple(self.vocabulary.labels[i] for i in row.ids)
        weights = mean_attention(seen.attentions)
        return Pattern(labels, np.zeros(tokens, dtype=np.bool_), open_, weights, row.slots[0])

    def _run(self, ids: torch.Tensor, chosen: Ids, **more: bool) -> Any:
        if self._chooses:
            return self.network(input_ids=ids, use_cache=False, logits_to_keep=torch.from_numpy(chosen), **more)
        return self.network(input_ids=ids, use_cache=False, **more)
