"""What the analyses return: frozen records of numpy arrays that a figure or a test can use without a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from mlm_viz import measures
from mlm_viz.errors import WordError
from mlm_viz.masking import Masking
from mlm_viz.strings import say
from mlm_viz.tokens import Flags, Frozen, Ids, Sentence, Vocabulary

if TYPE_CHECKING:
    import pandas as pd

Floats32 = npt.NDArray[np.float32]
Floats64 = npt.NDArray[np.float64]


class WordScorer(Protocol):
    """What a prediction asks about words; `analysis.prediction.WordScoring` answers with the model."""

    def spell(self, position: int, word: str) -> tuple[int, ...]:
        """Ids of the pieces of `word` as it would stand at the slot at `position`."""

    def log2_prob(self, position: int, pieces: Sequence[int]) -> float:
        """Log2 of the probability of the whole word at that slot."""


@dataclass(frozen=True, eq=False)
class Pass:
    """What one forward pass leaves behind: only what was asked for, the rest is None.

    Attributes:
        log2_probs: (slots, vocab) log2 of the probabilities at the slots asked for.
        attention: (batch, layers, heads, query, key) weights of the layers asked for; rows sum to 1.
        hidden: (batch, layers + 1, tokens, width) hidden states: the embeddings, then after each layer.
    """

    log2_probs: Floats32 | None = None
    attention: Floats32 | None = None
    hidden: Floats32 | None = None


@dataclass(frozen=True)
class WordScore:
    """How a model rates one word at one slot.

    Attributes:
        word: as asked for.
        pieces: the tokens it is made of.
        log2_prob: log2 of the probability of the whole word, at most 0.
        rank: one more than the number of single tokens that are more probable. For a word of several pieces it is
            the place the word would take among the single tokens.
    """

    word: str
    pieces: tuple[str, ...]
    log2_prob: float
    rank: int

    @property
    def probability(self) -> float:
        """In [0, 1]."""
        return float(np.exp2(self.log2_prob))

    @property
    def surprisal(self) -> float:
        """In bits, from 0."""
        return -self.log2_prob + 0.0


@dataclass(frozen=True, eq=False)
class SlotPrediction(Frozen):
    """The distribution over the vocabulary at one slot.

    Attributes:
        position: of the slot among the tokens of the sentence.
        log2_probs: (vocab,) log2 of the probabilities, at most 0.
        original: id of the token that the text has there, None for a typed blank.
        vocabulary: what the entries stand for.
    """

    position: int
    log2_probs: Floats32
    original: int | None
    vocabulary: Vocabulary
    _scorer: WordScorer | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        best = ", ".join(f"{self.vocabulary.labels[i]} {2 ** float(self.log2_probs[i]):.3f}" for i in self.best(3))
        return f"SlotPrediction(position {self.position}: {best}, …)"

    @property
    def probabilities(self) -> Floats64:
        """(vocab,) in [0, 1], sum 1."""
        return np.exp2(self.log2_probs.astype(np.float64))

    def best(self, k: int) -> Ids:
        """(k,) ids of the most probable tokens, best first; equal ones by id."""
        k = max(0, min(k, len(self.log2_probs)))
        if k == 0:
            return np.empty(0, dtype=np.int64)
        least = -np.partition(-self.log2_probs, k - 1)[k - 1]
        candidates = np.flatnonzero(self.log2_probs >= least)  # more than k where the last place is shared
        return np.asarray(candidates[np.lexsort((candidates, -self.log2_probs[candidates]))][:k], dtype=np.int64)

    def rank_of(self, token_id: int) -> int:
        """Place of a token of the vocabulary, 1 for the most probable."""
        return measures.rank(self.log2_probs, float(self.log2_probs[token_id]))

    def score_id(self, token_id: int) -> WordScore:
        """The score of one token of the vocabulary."""
        label = self.vocabulary.labels[token_id]
        return WordScore(label, (label,), float(self.log2_probs[token_id]), self.rank_of(token_id))

    def score(self, word: str) -> WordScore:
        """The score of `word`, as a whole even if it takes several tokens.

        A word of n pieces is scored with n masks in place of the slot, by the chain rule from left to right.

        Raises:
            WordError: if the vocabulary cannot spell the word, or the word has several pieces and no model is at hand.
        """
        if self._scorer is None:
            token_id = self.vocabulary.ids.get(word)
            if token_id is None:
                raise WordError(say("error.no_scorer", word=word))
            return replace(self.score_id(token_id), word=word)
        ids = self._scorer.spell(self.position, word)
        if len(ids) == 1:
            return replace(self.score_id(ids[0]), word=word)
        log2_prob = self._scorer.log2_prob(self.position, ids)
        pieces = tuple(self.vocabulary.labels[i] for i in ids)
        return WordScore(word, pieces, log2_prob, measures.rank(self.log2_probs, log2_prob))

    @property
    def original_score(self) -> WordScore | None:
        """The score of the token that the text has there; None for a typed blank."""
        return None if self.original is None else self.score_id(self.original)

    @property
    def entropy(self) -> float:
        """In bits, from 0 to log2 of the size of the vocabulary."""
        return float(measures.entropy(self.log2_probs))

    def top(self, k: int = 10) -> pd.DataFrame:
        """The `k` most probable tokens: columns rank, token, probability, surprisal (bits)."""
        import pandas as pd

        ids = self.best(k)
        logs = self.log2_probs[ids].astype(np.float64)
        return pd.DataFrame(
            {
                "rank": [self.rank_of(int(i)) for i in ids],
                "token": [self.vocabulary.labels[i] for i in ids],
                "probability": np.exp2(logs),
                "surprisal": -logs + 0.0,
            }
        )


@dataclass(frozen=True, eq=False)
class Prediction(Frozen):
    """The distributions at all slots of a text, each independent of what the others are filled with.

    Indexing and iterating give `SlotPrediction`s in reading order. The methods take `slot`, the number of the slot in
    reading order from 0; it may be left out when there is only one.

    Attributes:
        sentence: the text, as it was before masking.
        masking: what was masked.
        log2_probs: (slots, vocab) log2 of the probabilities.
        vocabulary: what the entries stand for.
        model: name of the model.
    """

    sentence: Sentence
    masking: Masking
    log2_probs: Floats32
    vocabulary: Vocabulary
    model: str
    _scorer: WordScorer | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"Prediction({self.model}: {', '.join(repr(slot) for slot in self)})"

    @property
    def positions(self) -> tuple[int, ...]:
        """(slots,) positions of the slots."""
        return self.masking.positions

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, slot: int) -> SlotPrediction:
        position = self.positions[slot]
        original = None if self.sentence.blank[position] else int(self.sentence.ids[position])
        return SlotPrediction(position, self.log2_probs[slot], original, self.vocabulary, self._scorer)

    def __iter__(self) -> Iterator[SlotPrediction]:
        return (self[slot] for slot in range(len(self)))

    def at(self, position: int) -> SlotPrediction:
        """The slot at a position of the sentence.

        Raises:
            WordError: if that position is not a slot; names those that are.
        """
        if position not in self.positions:
            raise WordError(say("error.not_a_slot", position=position, slots=self.positions))
        return self[self.positions.index(position)]

    def _one(self, slot: int | None) -> SlotPrediction:
        return self.at(self.masking.position_of(slot))

    def top(self, k: int = 10, slot: int | None = None) -> pd.DataFrame:
        """The `k` most probable tokens of one slot, or of all: columns slot, rank, token, probability, surprisal."""
        import pandas as pd

        slots = range(len(self)) if slot is None else [slot]
        frames = [self._one(number).top(k).assign(slot=number) for number in slots]
        table = pd.concat(frames, ignore_index=True)
        return table[["slot", "rank", "token", "probability", "surprisal"]]

    def score(self, word: str, slot: int | None = None) -> WordScore:
        """Everything about one word at one slot; see `SlotPrediction.score`."""
        return self._one(slot).score(word)

    def probability(self, word: str, slot: int | None = None) -> float:
        """Probability of a word at one slot, in [0, 1]."""
        return self.score(word, slot).probability

    def rank(self, word: str, slot: int | None = None) -> int:
        """Rank of a word at one slot, 1 for the most probable."""
        return self.score(word, slot).rank

    def surprisal(self, word: str, slot: int | None = None) -> float:
        """Surprisal of a word at one slot, in bits."""
        return self.score(word, slot).surprisal

    def entropy(self, slot: int | None = None) -> float:
        """Entropy of one slot's distribution, in bits."""
        return self._one(slot).entropy


@dataclass(frozen=True, eq=False)
class Attention(Frozen):
    """Attention weights of a text.

    Attributes:
        labels: the tokens that were read (a masked one as the mask token).
        special: (tokens,) True for special tokens.
        layers: zero-based numbers of the layers held, in order.
        weights: (layers, heads, query, key) from 0 to 1; rows sum to 1 unless special tokens were taken out.
    """

    labels: tuple[str, ...]
    special: Flags
    layers: tuple[int, ...]
    weights: Floats32

    def __repr__(self) -> str:
        return f"Attention({len(self.layers)} layers x {self.heads} heads, {len(self.labels)} tokens)"

    @property
    def heads(self) -> int:
        """Heads in a layer."""
        return int(self.weights.shape[1])

    def head(self, layer: int, head: int) -> Floats32:
        """(query, key) weights of one head, `layer` counted in the model."""
        return np.asarray(self.weights[self.layers.index(layer), head])

    def without_special(self, *, renormalise: bool) -> Attention:
        """Only the ordinary tokens as queries and keys; rows sum to 1 again if `renormalise`, else to at most 1."""
        keep = np.flatnonzero(~self.special)
        weights = self.weights[:, :, keep][:, :, :, keep]
        if renormalise:
            totals = weights.sum(axis=-1, keepdims=True)
            weights = np.divide(weights, totals, out=np.zeros_like(weights), where=totals > 0)
        labels = tuple(self.labels[i] for i in keep)
        return Attention(labels, self.special[keep], self.layers, weights)

    def shares(self, query: int) -> Floats64:
        """(layers, heads, 4) shares of one query's attention, in the order of `measures.SHARES`; -1 for the last."""
        place = range(len(self.labels))[query]
        return measures.attention_shares(self.weights, self.special, place)[:, :, 0]

    def shares_frame(self, query: int) -> pd.DataFrame:
        """One row a head: layer and head (zero-based), the four shares, and the entropy in bits."""
        import pandas as pd

        shares = self.shares(query)
        layer, head = np.meshgrid(self.layers, range(self.heads), indexing="ij")
        columns = {name: shares[..., i].ravel() for i, name in enumerate(measures.SHARES)}
        spread = measures.attention_entropy(self.weights[:, :, query])
        return pd.DataFrame({"layer": layer.ravel(), "head": head.ravel(), **columns, "entropy": spread.ravel()})

    def to_frame(self, layer: int, head: int) -> pd.DataFrame:
        """One head as a table: a row a query, a column a key, both numbered by position."""
        import pandas as pd

        names = [f"{i} {label}" for i, label in enumerate(self.labels)]
        return pd.DataFrame(self.head(layer, head), index=names, columns=names)


@dataclass(frozen=True, eq=False)
class Sweep(Frozen):
    """Every token of a text masked in turn, the others left standing.

    Attributes:
        sentence: the text.
        positions: (masked,) the positions that were masked, in reading order.
        log2_probs: (masked,) log2 of the probability of the token that the text has there.
        ranks: (masked,) its rank.
        entropies: (masked,) entropy of the distribution in bits.
        guesses: (masked,) ids of the most probable token.
        vocabulary: what the ids stand for.
    """

    sentence: Sentence
    positions: Ids
    log2_probs: Floats64
    ranks: Ids
    entropies: Floats64
    guesses: Ids
    vocabulary: Vocabulary

    def __repr__(self) -> str:
        return f"Sweep({len(self.positions)} tokens, mean surprisal {-self.log2_probs.mean():.2f} bits)"

    @property
    def surprisals(self) -> Floats64:
        """(tokens,) surprisal of each token in bits, NaN where the original is not known (special tokens, blanks)."""
        surprisal = np.full(len(self.sentence), np.nan)
        surprisal[self.positions] = -self.log2_probs + 0.0
        return surprisal

    def to_frame(self) -> pd.DataFrame:
        """One row a masked token: position, token, probability, surprisal (bits), rank, entropy (bits), guess."""
        import pandas as pd

        return pd.DataFrame(
            {
                "position": self.positions,
                "token": [self.sentence.labels[p] for p in self.positions],
                "probability": np.exp2(self.log2_probs),
                "surprisal": -self.log2_probs + 0.0,
                "rank": self.ranks,
                "entropy": self.entropies,
                "guess": [self.vocabulary.labels[i] for i in self.guesses],
            }
        )


@dataclass(frozen=True, eq=False)
class JointFills(Frozen):
    """The best ways of filling several slots together, beside filling each on its own.

    Attributes:
        positions: (slots,) positions of the slots, in the order of the chain rule (left to right).
        fills: (fills, slots) token ids, best joint probability first.
        log2_probs: (fills,) log2 of the joint probability by the chain rule.
        independent: (slots,) ids of each slot's own best token.
        independent_log2_probs: (fills,) sum over slots of the log2 probability that each slot on its own gives.
        independent_joint: log2 of the joint probability of `independent` by the chain rule.
        vocabulary: what the ids stand for.
    """

    positions: tuple[int, ...]
    fills: Ids
    log2_probs: Floats64
    independent: Ids
    independent_log2_probs: Floats64
    independent_joint: float
    vocabulary: Vocabulary

    def __repr__(self) -> str:
        best = ", ".join(f"{' … '.join(self.words(i))} {2**p:.3g}" for i, p in enumerate(self.log2_probs[:3]))
        return f"JointFills({best}, …)"

    def words(self, fill: int) -> tuple[str, ...]:
        """The tokens of one fill."""
        return tuple(self.vocabulary.labels[i] for i in self.fills[fill])

    def to_frame(self) -> pd.DataFrame:
        """One row a fill: a column for each slot, joint probability, product of the independent ones."""
        import pandas as pd

        columns = {
            f"slot {n}": [self.vocabulary.labels[i] for i in self.fills[:, n]] for n in range(len(self.positions))
        }
        return pd.DataFrame(
            {**columns, "joint": np.exp2(self.log2_probs), "independent": np.exp2(self.independent_log2_probs)}
        )


@dataclass(frozen=True, eq=False)
class AccuracyCurve(Frozen):
    """How well masked tokens are guessed, for several rates of masking.

    Attributes:
        rates: (rates,) share of the tokens to mask that was asked for, in (0, 1].
        shares: (rates,) share that was masked in fact: in a short text a single token is more than a small rate.
        accuracy: (rates,) share of the masked tokens that were guessed, in [0, 1].
        low, high: (rates,) ends of its 95 % Wilson interval. It takes the tokens to be independent; those of one
            sentence are not quite, so the truth is a little less certain than that.
        bits: (rates,) mean surprisal of the masked tokens, in bits: the loss.
        count: (rates,) number of masked tokens.
        top: a token counts as guessed when it is among so many best.
        name: what a legend calls it.
    """

    rates: Floats64
    shares: Floats64
    accuracy: Floats64
    low: Floats64
    high: Floats64
    bits: Floats64
    count: Ids
    top: int = 1
    name: str = ""

    def __repr__(self) -> str:
        points = ", ".join(f"{r:.0%}: {a:.1%}" for r, a in zip(self.rates, self.accuracy, strict=True))
        return f"AccuracyCurve({points})"

    def to_frame(self) -> pd.DataFrame:
        """One row a rate: rate, share masked in fact, accuracy, low, high, bits, count."""
        import pandas as pd

        return pd.DataFrame(
            {
                "rate": self.rates,
                "share": self.shares,
                "accuracy": self.accuracy,
                "low": self.low,
                "high": self.high,
                "bits": self.bits,
                "count": self.count,
            }
        )
