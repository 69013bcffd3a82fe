"""Which positions to mask, and how: chosen by hand, or at random as masked language models are trained.

Source: J. Devlin et al., "BERT" (2019), section 3.1 and appendix A.1 (15 %, of which 80 % masked, 10 % replaced by a
random token, 10 % kept); whole words as in BERT's later release; spans after M. Joshi et al., "SpanBERT" (2020),
section 3.1 (geometric lengths with p = 0.2, of which only 1 to 10 words are drawn: 3.8 on average).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mlm_viz.errors import TextError, WordError
from mlm_viz.strings import say
from mlm_viz.tokens import Ids, Sentence, Vocabulary

if TYPE_CHECKING:
    import pandas as pd

Action = Literal["masked", "replaced", "kept"]
Policy = Literal["tokens", "words", "spans"]

ACTIONS: tuple[Action, ...] = ("masked", "replaced", "kept")
POLICIES: tuple[Policy, ...] = ("tokens", "words", "spans")
BERT_RATE = 0.15
BERT_SPLIT = (0.8, 0.1, 0.1)
_SPAN_P = 0.2
_SPAN_MOST = 10
_SPAN_WEIGHTS = (1 - _SPAN_P) ** np.arange(_SPAN_MOST)
_SPAN_SHARES = _SPAN_WEIGHTS / _SPAN_WEIGHTS.sum()  # of lengths from 1
_DUST = 1e-9  # three decimal fractions rarely sum to exactly 1


@dataclass(frozen=True)
class Masking:
    """What was done to each chosen position: the positions the model is asked about.

    Attributes:
        positions: the chosen positions in reading order.
        actions: for each, "masked" (the mask token stands there), "replaced" (a random token does) or "kept".
        ids: for each, the id of the token that stands there now.
    """

    positions: tuple[int, ...] = ()
    actions: tuple[Action, ...] = ()
    ids: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.positions)

    def apply(self, ids: Ids) -> Ids:
        """A copy of `ids` (tokens,) with the chosen positions changed."""
        changed = ids.copy()
        changed[list(self.positions)] = self.ids
        return changed

    def action_at(self) -> dict[int, Action]:
        """Position to action."""
        return dict(zip(self.positions, self.actions, strict=True))

    def position_of(self, slot: int | None) -> int:
        """The position of slot number `slot` in reading order; of the only one if it is None.

        Raises:
            WordError: if there is no such slot, or there are several and none was named.
        """
        count = len(self)
        if (slot is None and count != 1) or not -count <= (slot or 0) < count:
            raise WordError(say("error.which_slot", count=count, last=count - 1))
        return self.positions[slot or 0]

    def moved(self, where: Mapping[int, int]) -> Masking:
        """The same at other positions, `where` giving old to new; what is not in `where` is left out."""
        return _from_rows([(where[p], action, token_id) for p, action, token_id in self.rows() if p in where])

    def joined(self, other: Masking) -> Masking:
        """Both together; where both have a position, `other` holds."""
        mine = self.moved({p: p for p in self.positions if p not in set(other.positions)})
        return _from_rows([*mine.rows(), *other.rows()])

    def rows(self) -> list[tuple[int, Action, int]]:
        """One record a position: position, action, id."""
        return list(zip(self.positions, self.actions, self.ids, strict=True))

    def to_frame(self, sentence: Sentence, vocabulary: Vocabulary) -> pd.DataFrame:
        """One row for each token of `sentence`: position, token, whether it was chosen, the action, what is read."""
        import pandas as pd

        actions, standing = self.action_at(), self.apply(sentence.ids)
        return pd.DataFrame(
            {
                "position": range(len(sentence)),
                "token": sentence.labels,
                "chosen": [p in actions for p in range(len(sentence))],
                "action": [actions.get(p, "") for p in range(len(sentence))],
                "model reads": [vocabulary.labels[i] for i in standing],
            }
        )


def _from_rows(rows: Sequence[tuple[int, Action, int]]) -> Masking:
    ordered = sorted(rows)
    return Masking(tuple(r[0] for r in ordered), tuple(r[1] for r in ordered), tuple(r[2] for r in ordered))


def mask_positions(sentence: Sentence, vocabulary: Vocabulary, positions: Iterable[int | str] = ()) -> Masking:
    """Mask the tokens at `positions` (or the words named) and every blank typed in the text.

    Raises:
        TextError: for a position that cannot be masked, or when the tokenizer has no mask token.
        WordError: for a word that does not stand in the text.
    """
    chosen = set(sentence.positions_of(positions)) | set(sentence.blanks)
    mask_id = _mask_id(vocabulary) if chosen else -1
    return _from_rows([(position, "masked", mask_id) for position in chosen])


def mask_random(
    sentence: Sentence,
    vocabulary: Vocabulary,
    *,
    policy: Policy = "tokens",
    rate: float = BERT_RATE,
    split: tuple[float, float, float] = BERT_SPLIT,
    seed: int = 0,
) -> Masking:
    """Choose positions as the training of a masked language model does; the same seed gives the same choice.

    Args:
        sentence: the text; typed blanks are masked besides what is chosen.
        vocabulary: where replacements are drawn from, uniformly, special tokens left out.
        policy: "tokens", "words" (all pieces of a word or none) or "spans" (runs of words).
        rate: share of the maskable tokens to choose, in (0, 1]; at least one token is chosen.
        split: probabilities of masked, replaced and kept; they sum to 1.
        seed: of the random numbers.

    Raises:
        TextError: if there is nothing to mask, or rate, split or policy are out of range.
    """
    _check_policy(policy, rate, split)
    if not sentence.maskable and not sentence.blanks:
        raise TextError(say("error.empty"))
    rng = np.random.default_rng(seed)
    mask_id = _mask_id(vocabulary)
    rows: list[tuple[int, Action, int]] = [(position, "masked", mask_id) for position in sentence.blanks]
    for position in _choose(sentence, policy, rate, rng):
        action = ACTIONS[int(rng.choice(3, p=split))]
        standing = {
            "masked": mask_id,
            "replaced": int(rng.choice(vocabulary.ordinary_ids)),
            "kept": int(sentence.ids[position]),
        }
        rows.append((position, action, standing[action]))
    return _from_rows(rows)


def _choose(sentence: Sentence, policy: Policy, rate: float, rng: np.random.Generator) -> list[int]:
    """Positions in the order they were drawn, about `rate` of the maskable ones, at least one unit."""
    if not sentence.maskable:
        return []
    wanted = max(1, round(rate * len(sentence.maskable)))
    if policy == "tokens":
        return sorted(int(p) for p in rng.choice(sentence.maskable, size=wanted, replace=False))
    groups = sentence.word_groups()
    chosen: set[int] = set()
    order = rng.permutation(len(groups))
    for start in order:
        length = 1 if policy == "words" else 1 + int(rng.choice(_SPAN_MOST, p=_SPAN_SHARES))
        for group in groups[start : start + length]:
            # A word that would overshoot ends the span (as BERT passes over it), unless nothing has been chosen yet.
            if chosen and len(chosen | set(group)) > wanted:
                break
            chosen.update(group)
        if len(chosen) >= wanted:
            break
    return sorted(chosen)


def _check_policy(policy: str, rate: float, split: tuple[float, float, float]) -> None:
    if policy not in POLICIES:
        raise TextError(say("error.policy", policy=policy, allowed=", ".join(POLICIES)))
    if not 0 < rate <= 1:
        raise TextError(say("error.rate", rate=rate))
    if len(split) != len(ACTIONS) or not (min(split) >= 0 and abs(sum(split) - 1) <= _DUST):
        raise TextError(say("error.split", split=split))


def _mask_id(vocabulary: Vocabulary) -> int:
    if vocabulary.mask_id is None:
        raise TextError(say("error.no_mask_token"))
    return vocabulary.mask_id
