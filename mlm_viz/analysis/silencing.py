"""Silencing heads: what they hand on instead, the slot that it is felt at, and a proof that it is felt at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np

from mlm_viz.analysis.prediction import Masked, ModelLike, WordScoring, in_batches, prepare
from mlm_viz.errors import ModelError, TextError, WordError
from mlm_viz.evidence import Head, Silenced, SilencingTest
from mlm_viz.examples import sentences
from mlm_viz.loading import load
from mlm_viz.masking import Masking
from mlm_viz.model import Model
from mlm_viz.results import Floats32, Floats64, Pass
from mlm_viz.strings import say
from mlm_viz.tokens import Ids, Sentence, is_cjk

# Texts to average over, or the averages themselves as `head_means` gives them.
Reference = Sequence[str] | Floats32 | None


def silencing_self_test(
    text: str, model: ModelLike = None, masked: Masked = (), slot: int | None = None
) -> SilencingTest:
    """Proof that silencing is felt: all heads of the model silenced at once, and those of each layer.

    In many programs the documented way to switch a head off is ignored without a word. A change of 0 would mean that
    a board shows nothing.

    Args:
        text: a text with blanks.
        model: a loaded model, or anything `load` takes.
        masked: as for `predict`.
        slot: number of the slot in reading order, from 0; may be left out when there is only one.

    Raises:
        TextError: if there is no slot, or the text is longer than the model's limit.
        WordError: if there is no such slot.
        ModelError: if the model cannot be loaded or cannot predict.
    """
    model = load(model)
    sentence, masking = prepare(text, model, masked)
    return silencing_effect(model, masking.apply(sentence.ids), slot_position(model, masking, slot))


def silencing_effect(model: Model, ids: Ids, position: int) -> SilencingTest:
    """`silencing_self_test` of a prepared text, its masks in place."""
    layers = [[(layer, head) for head in range(model.heads)] for layer in range(model.layers)]
    groups: list[list[Head]] = [[], [head for layer in layers for head in layer], *layers]
    found = []
    for chunk in in_batches(np.arange(len(groups)), len(ids), len(model.vocabulary)):
        slots = np.stack([np.arange(len(chunk)), np.full(len(chunk), position)], axis=1)
        by_row = [groups[number] for number in chunk]
        seen = model.forward(np.repeat(ids[None], len(chunk), axis=0), slots=slots, silenced_by_row=by_row)
        found.append(_logits(seen))
    logits = np.concatenate(found)
    changes = np.abs(logits[1:] - logits[0]).max(axis=1)
    return SilencingTest(float(changes[0]), changes[1:])


def head_means(model: Model, texts: Sequence[str]) -> Floats32:
    """What each head hands on in the mean over all tokens of some texts, special tokens included.

    Args:
        model: a loaded model.
        texts: plain texts, nothing masked in them.

    Returns:
        (layers, heads, width of a head).

    Raises:
        TextError: if there is no text, a single one in place of a list, or one is longer than the model's limit.
    """
    if isinstance(texts, str):
        raise TextError(say("error.one_text", given=texts))
    read = sorted((model.encode(text) for text in texts), key=len)
    if not read:
        raise TextError(say("board.no_reference"))
    total: Any = 0.0
    for length, group in groupby(read, key=len):
        rows = np.stack([sentence.ids for sentence in group])
        for chunk in in_batches(rows, length, len(model.vocabulary)):
            seen = model.forward(chunk, attention="all", hidden=True)
            assert seen.attention is not None  # noqa: S101 (asked for)
            assert seen.hidden is not None  # noqa: S101
            handed_on = seen.attention @ model.values(seen.hidden)  # (batch, layers, heads, tokens, width of a head)
            total = total + handed_on.sum(axis=(0, 3), dtype=np.float64)
    means: Floats32 = (total / sum(map(len, read))).astype(np.float32)
    return means


def means_for(model: Model, text: str, replace: str, reference: Reference = None) -> Floats32 | None:
    """What silenced heads hand on: None for zeros, or the means over `reference`, as `head_board` describes it.

    Raises:
        TextError: if `replace` is neither "zero" nor "mean", or there is no text to average over.
        ModelError: if the means are of another model.
    """
    if replace not in {"zero", "mean"}:
        raise TextError(say("board.replace", replace=replace))
    if replace == "zero":
        return None
    if not isinstance(reference, np.ndarray):
        return head_means(model, sentences("zh" if is_cjk(text) else "en") if reference is None else reference)
    shape = (model.layers, model.heads, model.head_width)
    if reference.shape != shape:
        raise ModelError(say("board.means", given=reference.shape, shape=shape, model=model.name))
    return reference


def slot_position(model: Model, masking: Masking, slot: int | None) -> int:
    """The position of slot number `slot`.

    Raises:
        ModelError: if the model cannot predict.
        TextError: if nothing is masked.
        WordError: if there is no such slot, or there are several and none was named.
    """
    model.check_can_predict()
    if not len(masking):
        raise TextError(say("error.no_slot"))
    return masking.position_of(slot)


def target_token(model: Model, sentence: Sentence, masking: Masking, position: int, word: str | int) -> int:
    """The token that `word` would be at the slot at `position`; an id is that very token, whatever spells it.

    Raises:
        WordError: if the vocabulary cannot spell it, or not with a single token.
    """
    if isinstance(word, int):
        return word
    pieces = WordScoring(model, sentence, masking).spell(position, word)
    if len(pieces) > 1:
        shown = " ".join(model.vocabulary.labels[piece] for piece in pieces)
        raise WordError(say("board.pieces", word=word, pieces=shown))
    return pieces[0]


@dataclass(frozen=True, eq=False)
class Subject:
    """One slot of a text that heads are silenced for: what stays the same is run once.

    Attributes:
        model: one that can predict.
        ids: (tokens,) the text with its masks.
        position: of the slot.
        means: what silenced heads hand on; None for zeros.
        given: heads that are silent throughout.
    """

    model: Model
    ids: Ids
    position: int
    means: Floats32 | None
    given: Silenced

    @cached_property
    def silenced(self) -> dict[Head, Any]:
        """What each head that is silent throughout hands on."""
        self.model.check_heads(self.given)
        if isinstance(self.given, Mapping):
            return dict(self.given)
        return {(layer, head): self.vector((layer, head)) for layer, head in self.given}

    def vector(self, head: Head) -> Floats32 | None:
        """What `head` hands on once it is silent."""
        return None if self.means is None else self.means[head]

    @cached_property
    def _whole(self) -> Pass:
        slots = np.array([[0, self.position]])
        return self.model.forward(self.ids[None], slots=slots, hidden=True, silenced=self.silenced)

    @cached_property
    def log2_probs(self) -> Floats64:
        """(vocab,) with no further head silenced."""
        return np.asarray(_distributions(self._whole)[0])

    def silence_each(self, layer: int) -> Floats64:
        """(heads, vocab) log2 of the probabilities with one head of `layer` silenced, for each; from one batch."""
        hidden = self._whole.hidden
        assert hidden is not None  # noqa: S101 (asked for)
        found = []
        for heads in in_batches(np.arange(self.model.heads), len(self.ids), len(self.model.vocabulary)):
            count = len(heads)
            seen = self.model.forward(
                np.repeat(self.ids[None], count, axis=0),
                slots=np.stack([np.arange(count), np.full(count, self.position)], axis=1),
                silenced=self.silenced,
                silenced_by_row=[{(layer, int(head)): self.vector((layer, int(head)))} for head in heads],
                start=(layer, np.repeat(hidden[:, layer], count, axis=0)),
            )
            found.append(_distributions(seen))
        return np.concatenate(found)


def _distributions(seen: Pass) -> Floats64:
    assert seen.log2_probs is not None  # noqa: S101 (slots were asked for)
    return seen.log2_probs.astype(np.float64)


def _logits(seen: Pass) -> Floats64:
    """(slots, vocab) natural logits, counted from their mean, which probabilities do not tell and do not depend on."""
    logits = _distributions(seen) * np.log(2)
    return np.asarray(logits - logits.mean(axis=1, keepdims=True))
