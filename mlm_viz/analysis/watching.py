"""A slot of a text and the word that is watched there, while the context around it changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlm_viz.analysis.prediction import Masked, ModelLike, WordScoring, prepare
from mlm_viz.analysis.silencing import slot_position
from mlm_viz.errors import TextError, WordError
from mlm_viz.evidence import Silenced
from mlm_viz.influences import Kind, Span
from mlm_viz.loading import load
from mlm_viz.masking import Masking
from mlm_viz.model import Model
from mlm_viz.strings import say
from mlm_viz.tokens import Flags, Ids, Sentence


@dataclass(frozen=True, eq=False)
class Watched:
    """A slot of a text and the word that is watched there: made by `watch`.

    Attributes:
        model: the one that is asked.
        sentence: the text.
        masking: what is masked in it.
        position: of the slot.
        ids: (tokens,) what the model reads.
        kind: as in `Target`.
        pieces: ids of the word; empty for the best guess, which is not known before the model is asked.
        word: as it was asked for; empty if it was not.
        silenced: heads that are silent throughout.
    """

    model: Model
    sentence: Sentence
    masking: Masking
    position: int
    ids: Ids
    kind: Kind
    pieces: tuple[int, ...]
    word: str
    silenced: Silenced = ()

    @cached_property
    def context(self) -> Ids:
        """Positions of the ordinary tokens, the slot left out."""
        ordinary = np.flatnonzero(~self.sentence.special)
        return np.asarray(ordinary[ordinary != self.position])

    @cached_property
    def sides(self) -> tuple[list[Span], list[Span]]:
        """The words left of the slot and right of it, in reading order; one that the slot is part of is cut there."""
        groups: dict[tuple[bool, int], list[int]] = {}
        for position in self.context:
            key = bool(position > self.position), int(self.sentence.words[position])
            groups.setdefault(key, []).append(int(position))
        left, right = ([tuple(g) for (side, _), g in groups.items() if side is right] for right in (False, True))
        return left, right

    @property
    def mask_id(self) -> int:
        """The id of the mask token."""
        mask_id = self.model.vocabulary.mask_id
        assert mask_id is not None  # noqa: S101 (there is a slot)
        return mask_id

    @property
    def blocks_completely(self) -> bool:
        """Whether tokens reach each other by attention only; a convolution goes past every attention mask."""
        return not getattr(self.model.network.config, "conv_kernel_size", 0)

    def showing(self, words: Sequence[Span]) -> Flags:
        """(tokens,) True for the slot, the special tokens and these words."""
        visible = np.ones(len(self.ids), dtype=np.bool_)
        visible[self.context] = False
        visible[[position for word in words for position in word]] = True
        return visible


def watch(
    text: str,
    model: ModelLike = None,
    masked: Masked = (),
    slot: int | None = None,
    target: str | None = None,
    *,
    silenced: Silenced = (),
) -> Watched:
    """A word at a slot, to be watched while the context changes.

    Args:
        text: a text with blanks.
        model: a loaded model, or anything `load` takes.
        masked: what to mask besides the blanks, as for `predict`.
        slot: number of the slot in reading order, from 0; may be left out when there is only one.
        target: the word; by default the one that the text has there, or else the best guess.
        silenced: heads that are silent throughout, as for `Model.forward`.

    Raises:
        TextError: if there is no slot or nothing around it, or the text is too long.
        WordError: if there are several slots and none was named, or the vocabulary cannot spell the word.
        ModelError: if the model cannot be loaded, cannot predict, or has no such heads.
    """
    model = load(model)
    sentence, masking = prepare(text, model, masked)
    position = slot_position(model, masking, slot)
    return watch_at(model, sentence, masking, position, target, silenced=silenced)


def watch_at(
    model: Model,
    sentence: Sentence,
    masking: Masking,
    position: int,
    target: str | int | None = None,
    *,
    silenced: Silenced = (),
) -> Watched:
    """`watch` of a prepared text, at the slot at `position`; `target` may be the id of a token as well.

    Raises:
        TextError: if there is nothing around the slot, or no room for the word.
        WordError: if there is no such slot, or the vocabulary cannot spell the word.
        ModelError: if the model cannot predict, or has no such heads.
    """
    model.check_can_predict()
    model.check_heads(silenced)
    if position not in masking.positions:
        raise WordError(say("error.not_a_slot", position=position, slots=masking.positions))
    kind, pieces = _word(model, sentence, masking, position, target)
    ids = masking.apply(sentence.ids)
    word = target if isinstance(target, str) else ""
    watched = Watched(model, sentence, masking, position, ids, kind, pieces, word, silenced)
    if not len(watched.context):
        raise TextError(say("influence.error.no_context"))
    longest = len(ids) + max(len(pieces), 1) - 1
    if longest > model.limit:
        raise TextError(say("error.too_long", tokens=longest, limit=model.limit))
    return watched


def _word(
    model: Model, sentence: Sentence, masking: Masking, position: int, target: str | int | None
) -> tuple[Kind, tuple[int, ...]]:
    """What kind of word is watched, and its pieces; none if it is the best guess."""
    if isinstance(target, int):
        return "word", (target,)
    if target is not None:
        return "word", WordScoring(model, sentence, masking).spell(position, target)
    if sentence.blank[position]:
        return "guess", ()
    return "original", (int(sentence.ids[position]),)
