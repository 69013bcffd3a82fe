"""A masked language model with its tokenizer, and the one forward pass that everything here is made of."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from mlm_viz.errors import ModelError, TextError
from mlm_viz.evidence import Head, Silenced
from mlm_viz.families import Family, backbone
from mlm_viz.interventions import masking, silencing, starting, use_attention
from mlm_viz.results import Floats32, Pass
from mlm_viz.spelling import Speller
from mlm_viz.strings import say
from mlm_viz.tokens import Ids, Sentence, clean_text, is_cjk, is_punctuation, write_blanks

__all__ = ["Head", "Model"]

log = logging.getLogger(__name__)


class Model:
    """A masked language model ready to be asked: made by `mlm_viz.load`.

    Attributes:
        name: what it is called.
        family: what is particular to its kind.
        vocabulary: the tokens it reads and guesses.
        layers, heads: size of its attention.
        head_width: how many numbers a head hands on.
        limit: the longest text it takes, in tokens, special tokens included.
        refusal: why it cannot predict (its attention can still be read), or None if it can.
        calls: how many forward passes it has run.
    """

    def __init__(
        self, name: str, network: Any, tokenizer: Any, family: Family, *, limit: int, refusal: str | None = None
    ) -> None:
        self.name = name
        self.family = family
        self.network = network.eval()
        self.tokenizer = tokenizer
        self.layers = len(family.layers(network))
        self.heads = int(network.config.num_attention_heads)
        mixer: Any = family.mixer(family.layers(network)[0])
        self.head_width = int(mixer.in_features) // self.heads
        self.limit = limit
        self.refusal = refusal
        self.calls = 0
        self._silent: frozenset[Head] = frozenset()
        self.speller = Speller(name, tokenizer, int(network.config.vocab_size))
        self.spelling = self.speller.spelling
        self.vocabulary = self.speller.vocabulary

    def __repr__(self) -> str:
        return f"Model({self.name!r}, {self.family.name}, {self.layers} layers x {self.heads} heads)"

    # --- text -----------------------------------------------------------------------------------------------------

    def encode(self, text: str) -> Sentence:
        """`text` as tokens; blanks may be written `[MASK]`, `<mask>`, as the model's own mask token, or `____`.

        Raises:
            TextError: if the text is longer than the model's limit; says how long it is.
        """
        text = clean_text(text)
        mask_token = self.tokenizer.mask_token
        written = write_blanks(text, mask_token) if mask_token else text
        encoding = self.speller.tokenize(written)
        ids = np.asarray(encoding["input_ids"], dtype=np.int64)
        if len(ids) > self.limit:
            raise TextError(say("error.too_long", tokens=len(ids), limit=self.limit))
        vocabulary = self.vocabulary
        unseen = {vocabulary.mask_id, vocabulary.unknown_id}
        special = np.array([int(i) in vocabulary.special_ids and int(i) not in unseen for i in ids], dtype=np.bool_)
        offsets = encoding.encodings[0].offsets if encoding.is_fast else None
        return Sentence(
            text=text,
            ids=ids,
            pieces=tuple(vocabulary.pieces[i] for i in ids),
            labels=tuple(vocabulary.labels[i] for i in ids),
            words=self._number_words(ids, encoding.word_ids(0) if encoding.is_fast else None, special),
            special=special,
            blank=ids == (-1 if vocabulary.mask_id is None else vocabulary.mask_id),
            spaced=self._find_spaces(written, offsets, len(ids)),
        )

    def spell(self, word: str, *, spaced: bool) -> tuple[int, ...]:
        """The ids of the pieces of `word`; see `Speller.spell`."""
        return self.speller.spell(word, spaced=spaced)

    def _number_words(self, ids: Ids, word_ids: Sequence[int | None] | None, special: npt.NDArray[np.bool_]) -> Ids:
        """The tokenizer's words, but Chinese, Japanese and punctuation among sentence pieces on their own."""
        words = np.full(len(ids), -1, dtype=np.int64)
        number, last = -1, object()
        for position, token_id in enumerate(ids):
            if special[position]:
                last = object()
                continue
            word: object = None if word_ids is None else word_ids[position]
            alone = self._stands_alone(self.vocabulary.labels[token_id])
            if word is None or word != last or alone:
                number += 1
            last = object() if alone else word
            words[position] = number
        return words

    def _stands_alone(self, label: str) -> bool:
        """Sentence pieces are told apart by spaces only: Chinese, and punctuation behind a word, must be told here."""
        return is_cjk(label) or (self.spelling.style == "metaspace" and is_punctuation(label.lstrip("␣")))

    def _find_spaces(
        self, written: str, offsets: Sequence[tuple[int, int]] | None, tokens: int
    ) -> npt.NDArray[np.bool_]:
        if offsets is None:
            return np.zeros(tokens, dtype=np.bool_)
        # Sentence pieces begin as if a space stood before the text.
        before = (" " if self.spelling.style == "metaspace" else ".") + written
        # The space is the last character before the token, or its first one; special tokens are empty.
        around = [before[start : start + 2] if end > start else "" for start, end in offsets]
        # Where a space is a byte like any other, a new line is not one.
        strict = self.spelling.style == "byte-level"
        return np.array([any(c == " " if strict else c.isspace() for c in near) for near in around], dtype=np.bool_)

    def with_silenced(self, heads: Collection[Head]) -> Model:
        """The same model with these heads silent in every pass; it counts its passes on its own.

        Raises:
            ModelError: if the model has no such head.
        """
        if not heads:
            return self
        self.check_heads(heads)
        quiet = copy.copy(self)
        quiet._silent = self._silent | frozenset(heads)  # noqa: SLF001 (a copy of its own)
        return quiet

    # --- the one forward pass ---------------------------------------------------------------------------------------

    def check_can_predict(self) -> None:
        """Nothing for a model with a head and a mask token.

        Raises:
            ModelError: if the model cannot predict; says why.
        """
        if self.refusal:
            raise ModelError(self.refusal)

    def check_layers(self, layers: Sequence[int], first: int = 0) -> None:
        """Nothing if there are `layers`, and all are layers of the model, none before `first`.

        Raises:
            ModelError: names the layers that there are.
        """
        if not layers or not all(first <= layer < self.layers for layer in layers):
            asked = {"layers": list(layers), "first": first, "last": self.layers - 1}
            raise ModelError(say("error.no_such_layer", model=self.name, **asked))

    def check_heads(self, *groups: Silenced) -> None:
        """Nothing if the model has all heads in all `groups`.

        Raises:
            ModelError: names the first head that it does not have.
        """
        for layer, head in (pair for group in groups for pair in group):
            if not (0 <= layer < self.layers and 0 <= head < self.heads):
                raise ModelError(say("error.no_such_head", layer=layer, head=head, model=self.name))

    @torch.inference_mode()
    def forward(
        self,
        ids: Ids,
        *,
        slots: Ids | None = None,
        attention: Sequence[int] | Literal["all"] | None = None,
        hidden: bool = False,
        allowed: npt.NDArray[np.bool_] | None = None,
        silenced: Silenced = (),
        silenced_by_row: Sequence[Silenced] = (),
        start: tuple[int, Floats32] | None = None,
    ) -> Pass:
        """Run the model once over a batch of equally long rows.

        Args:
            ids: (batch, tokens) token ids.
            slots: (slots, 2) pairs of row and position whose distribution over the vocabulary is wanted. Only these
                are projected to the vocabulary, which for a small model is most of the work.
            attention: the layers whose attention weights are wanted, or "all".
            hidden: whether the hidden states are wanted.
            allowed: (batch or 1, 1 or heads, query, key) True where a query may look at a key; the default is
                everywhere. Every query needs at least one key.
            silenced: (layer, head) pairs whose output is replaced before the heads of a layer are mixed: by zeros, or
                if it is a mapping by the vector (width of a head,) that a head is mapped to.
            silenced_by_row: for each row of the batch, what is silenced in it besides.
            start: a layer and the hidden states (batch, tokens, width) in front of it: the layers before it are passed
                over, and neither they nor their attention is in what comes back. With the number of layers as the
                layer only the last normalisation (of the families that have one) and the head are left to run.

        Raises:
            ModelError: if slots are asked of a model that cannot predict, or layers or heads that it does not have.
        """
        if slots is not None:
            self.check_can_predict()
        first = 0 if start is None else start[0]
        if not 0 <= first <= self.layers:
            raise ModelError(say("error.no_such_start", layer=first, model=self.name, last=self.layers))
        if attention is not None and attention != "all":
            self.check_layers(attention, first)
        self.check_heads(silenced, *silenced_by_row)
        use_attention(self.network, "sdpa" if attention is None else "eager")
        self.calls += 1
        given = None if start is None else torch.tensor(start[1], device=self.network.device)
        with ExitStack() as changes:
            changes.enter_context(silencing(self.family, self.network, self._silent, (), first))
            changes.enter_context(silencing(self.family, self.network, silenced, silenced_by_row, first))
            if given is not None:
                changes.enter_context(starting(self.family, self.network, first, given))
            mask = None
            if allowed is not None:
                mask = changes.enter_context(masking(self.family, self.network, torch.tensor(allowed)))
            output = backbone(self.network)(
                input_ids=torch.tensor(ids, device=self.network.device),
                attention_mask=mask,
                output_attentions=attention is not None,
                output_hidden_states=hidden,
            )
        return Pass(
            log2_probs=None if slots is None else self._project(output.last_hidden_state, slots),
            attention=None if attention is None else _weights(output.attentions, attention, first),
            hidden=_states(output.hidden_states, given, first) if hidden else None,
        )

    @torch.inference_mode()
    def values(self, hidden: Floats32) -> Floats32:
        """The value vectors of all heads: what a head takes along from a token that it attends to.

        Args:
            hidden: (batch, layers + 1, tokens, width) hidden states, as `forward` gives them.

        Returns:
            (batch, layers, heads, tokens, width of a head).
        """
        return _stack([values for _, values in self._values(hidden)])

    @torch.inference_mode()
    def value_norms(self, hidden: Floats32) -> Floats32:
        """The length of each value vector once its head's part of the mixer has spread it over the layer's output.

        Times the attention weight this is the length of what a key adds to a query.

        Args:
            hidden: (batch, layers + 1, tokens, width) hidden states, as `forward` gives them.

        Returns:
            (batch, layers, heads, tokens) from 0.

        Source: G. Kobayashi et al., "Attention is Not Only a Weight: Analyzing Transformers with Vector Norms" (2020).
        """
        norms = []
        for mixer, values in self._values(hidden):
            by_head = mixer.weight.view(len(mixer.weight), self.heads, -1)  # (width, heads, width of a head)
            norms.append(torch.einsum("bhtv,whv->bhtw", values, by_head).norm(dim=-1))
        return _stack(norms)

    def _values(self, hidden: Floats32) -> Iterator[tuple[Any, torch.Tensor]]:
        """For each layer its mixer and the value vectors (batch, heads, tokens, width of a head)."""
        for index, layer in enumerate(self.family.layers(self.network)):
            values = self.family.values(layer, torch.tensor(hidden[:, index], device=self.network.device))
            yield self.family.mixer(layer), values.reshape(*values.shape[:2], self.heads, -1).transpose(1, 2)

    def _project(self, states: torch.Tensor, slots: Ids) -> npt.NDArray[np.float32]:
        rows, positions = torch.tensor(slots).T
        logits = self.family.head(self.network, states[rows, positions]).float()
        bits: npt.NDArray[np.float32] = (torch.log_softmax(logits, dim=-1) / math.log(2)).cpu().numpy()
        return bits


def _weights(attentions: Sequence[Any], which: Sequence[int] | str, first: int) -> Floats32:
    """(batch, layers, heads, query, key) of the layers asked for; there are none of the layers before `first`."""
    run = [weights for weights in attentions if weights is not None]
    return _stack(run if which == "all" else [run[int(i) - first] for i in which])


def _states(hidden: Sequence[torch.Tensor], given: torch.Tensor | None, first: int) -> Floats32:
    """(batch, layers + 1, tokens, width): the embeddings, or what the pass was given, then after each layer it ran."""
    return _stack(hidden if given is None else [given, *hidden[first + 1 :]])


def _stack(tensors: Sequence[torch.Tensor]) -> Floats32:
    """One tensor a layer as an array with the batch first: (batch, layers, ...)."""
    stacked: Floats32 = torch.stack(list(tensors), dim=1).float().cpu().numpy()
    return stacked
