"""Models that write, token by token: one from left to right goes on, one with spans fills a gap of unknown length.

Source: A. Radford et al., "Language Models are Unsupervised Multitask Learners" (2019) for going on from a prompt;
C. Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer" (2020), section
3.1.4, for writing behind a sentinel.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers.modeling_outputs import BaseModelOutput

from mlm_viz.errors import TextError
from mlm_viz.gaps import Gap
from mlm_viz.interventions import use_attention
from mlm_viz.readers.causal import CausalReader
from mlm_viz.readers.reader import Reader
from mlm_viz.readers.span import SpanReader
from mlm_viz.results import Floats64
from mlm_viz.sampling import Sampling, draw
from mlm_viz.strings import say
from mlm_viz.tokens import Ids, clean_text

_SENTINEL = re.compile(r"<extra_id_\d+>")


class Written(NamedTuple):
    """One token that was written.

    Attributes:
        id: the token.
        log2_prob: log2 of the probability that the model gave it, whatever the temperature and `top_p`.
        ends: whether it is the end token: it stands for no text, and nothing follows it.
    """

    id: int
    log2_prob: float
    ends: bool


def continue_from(
    reader: CausalReader,
    prompt: str,
    *,
    tokens: int,
    temperature: float = 1.0,
    top_p: float = 1.0,
    seed: int = 0,
    least: int = 0,
    cached: bool = True,
) -> Iterator[Written]:
    """What a model from left to right writes behind a text, token by token.

    It ends with the end token, after so many `tokens`, or where the model's room ends. Special and unknown tokens are
    never written.

    Args:
        reader: the model.
        prompt: the beginning of a text; empty only for models with a start token.
        tokens: how many at most, at least 1.
        temperature: 0 takes the best token, see `Sampling`.
        top_p: what is drawn from, after the temperature; see `Sampling`.
        seed: of what is drawn.
        least: so many tokens stand before an end token.
        cached: keep keys and values of what was read, so that each pass reads one token; else each reads all anew.

    Raises:
        TextError: if there is nothing to go on from, no room to write, or a number is out of range.
    """
    sampling = Sampling(temperature, top_p, seed)
    pen = _CausalPen(reader, reader.prompt(clean_text(prompt)), cached=cached)
    return _write(pen, tokens, sampling, least)


def fill_gap(
    reader: SpanReader,
    gap: Gap,
    *,
    tokens: int,
    temperature: float = 1.0,
    top_p: float = 1.0,
    seed: int = 0,
    least: int = 0,
    cached: bool = True,
) -> Iterator[Written]:
    """What an encoder-decoder writes into a gap, token by token; nothing tells it how long the gap is.

    It ends with the end token or the next sentinel, after so many `tokens`, or where the model's room ends. A gap with
    nothing behind it is a text to be continued.

    Args:
        reader: the model.
        gap: the text and its gap; the word in it is not looked at.
        tokens: how many at most, at least 1.
        temperature: as for `continue_from`.
        top_p: as for `continue_from`.
        seed: of what is drawn.
        least: so many tokens stand before an end token or sentinel.
        cached: as for `continue_from`; the text is read once in any case.

    Raises:
        TextError: if the text is too long, or a number is out of range.
    """
    sampling = Sampling(temperature, top_p, seed)
    return _write(_SpanPen(reader, gap, cached=cached), tokens, sampling, least)


def _write(pen: _Pen, tokens: int, sampling: Sampling, least: int) -> Iterator[Written]:
    if tokens < 1:
        raise TextError(say("writing.tokens", tokens=tokens))
    limit = pen.reader.limit
    pen.reader.check_length(len(pen.begin) + 1)
    room = tokens if limit is None else min(tokens, limit - len(pen.begin))
    return _tokens(pen, room, sampling, least)


def _tokens(pen: _Pen, room: int, sampling: Sampling, least: int) -> Iterator[Written]:
    """Pass after pass."""
    ends, rng = end_ids(pen.reader, pen.network), sampling.generator()
    barred = np.zeros(len(pen.reader.vocabulary), dtype=np.bool_)
    barred[sorted(pen.reader.vocabulary.special_ids | ends)] = True
    allowed = barred.copy()
    allowed[sorted(ends)] = False
    ids = pen.begin
    for count in range(room):
        log2_probs = pen.next(ids)
        open_ = np.where(barred if count < least else allowed, -np.inf, log2_probs)
        token = draw(open_, sampling.temperature, sampling.top_p, rng)
        yield Written(token, float(log2_probs[token]), token in ends)
        if token in ends:
            return
        ids = np.append(ids, token)


def end_ids(reader: Reader, network: Any) -> frozenset[int]:
    """The tokens that end what a model writes: its end token, and of one with spans all sentinels.

    A model that names no end token ends a text as its tokenizer does: BERT's `[SEP]`.
    """
    tokenizer, vocabulary = reader.speller.tokenizer, reader.vocabulary
    named = [tokenizer.eos_token_id, network.config.eos_token_id]
    listed = [i for one in named for i in (one if isinstance(one, list | tuple) else [one])]
    ends = {int(i) for i in listed if i is not None and 0 <= i < len(vocabulary)}
    if not ends and tokenizer.sep_token_id is not None:
        ends = {int(tokenizer.sep_token_id)}
    if reader.kind == "span":
        ends |= {i for i, piece in enumerate(vocabulary.pieces) if _SENTINEL.fullmatch(piece)}
    return frozenset(ends)


# --- one pass after the other -----------------------------------------------------------------------------------------


class _Pen(ABC):
    """A model that is asked again and again, with what it has written so far.

    Attributes:
        reader: the model.
        network: of transformers.
        begin: (tokens,) ids that stand before the first one written.
    """

    def __init__(self, reader: CausalReader | SpanReader, begin: Ids, *, cached: bool) -> None:
        self.reader = reader
        self.network = reader.network
        self.begin = begin
        self._cached = cached
        self._past: Any = None
        self._fed = 0

    @torch.inference_mode()
    def next(self, ids: Ids) -> Floats64:
        """(vocab,) log2-probabilities of the token behind `ids`, which begin with those of the call before."""
        use_attention(self.network, "sdpa")
        new = torch.from_numpy(ids[None, self._fed :])
        output = self.run(new, self._past)
        self.reader.calls += 1
        if self._cached:
            self._past, self._fed = output.past_key_values, len(ids)
        logs = torch.log_softmax(output.logits[0, -1].double(), dim=-1) / math.log(2)
        return np.asarray(logs.numpy())

    @abstractmethod
    def run(self, new: torch.Tensor, past: Any) -> Any:
        """One pass over the tokens that are `new` since the `past`."""


class _CausalPen(_Pen):
    def run(self, new: torch.Tensor, past: Any) -> Any:
        return self.network(input_ids=new, past_key_values=past, use_cache=self._cached)


class _SpanPen(_Pen):
    """Reads the text once, then writes."""

    def __init__(self, reader: SpanReader, gap: Gap, *, cached: bool) -> None:
        super().__init__(reader, reader.begin, cached=cached)
        ids, hidden = reader.source(gap, len(gap.right_words))
        self._mask = torch.from_numpy((~hidden[None]).astype(np.int64))
        with torch.inference_mode():
            read = self.network.get_encoder()(input_ids=torch.from_numpy(ids[None]), attention_mask=self._mask)
        self._read = BaseModelOutput(last_hidden_state=read.last_hidden_state)

    def run(self, new: torch.Tensor, past: Any) -> Any:
        return self.network(
            encoder_outputs=self._read,
            attention_mask=self._mask,
            decoder_input_ids=new,
            past_key_values=past,
            use_cache=self._cached,
        )
