"""One slot read otherwise: after every layer, and in one sentence against another; frozen records of numpy arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlm_viz import measures
from mlm_viz.results import Floats32, Floats64, SlotPrediction
from mlm_viz.strings import say
from mlm_viz.tokens import Frozen, Ids, Sentence, Vocabulary

if TYPE_CHECKING:
    import pandas as pd

# A probability below which a difference in log-odds is mostly noise: one in a thousand.
LEAST = 0.001


@dataclass(frozen=True, eq=False)
class Lens(Frozen):
    """One slot, read out after every layer by the head that was trained on the last.

    A row counts what the network has done so far: row 0 is the embeddings, row n is what layer n (from one) leaves
    behind, the last row is the prediction.

    Attributes:
        sentence: the text, as it was before masking.
        log2_probs: (layers + 1, vocab) log2 of the probabilities.
        position: of the slot.
        original: id of the token that the text has there, None for a typed blank.
        followed: ids of the tokens to be watched on their way through the layers.
        vocabulary: what the ids stand for.
    """

    sentence: Sentence
    log2_probs: Floats32
    position: int
    original: int | None
    followed: tuple[int, ...]
    vocabulary: Vocabulary

    def __len__(self) -> int:
        """Rows: one more than there are layers."""
        return len(self.log2_probs)

    def __repr__(self) -> str:
        guesses = " → ".join(self.vocabulary.labels[i] for i in self.log2_probs.argmax(axis=1))
        return f"Lens(position {self.position}: {guesses})"

    def at(self, row: int) -> SlotPrediction:
        """The distribution in one row."""
        return SlotPrediction(self.position, self.log2_probs[row], self.original, self.vocabulary)

    @property
    def entropies(self) -> Floats64:
        """(layers + 1,) in bits, from 0 to log2 of the size of the vocabulary."""
        return measures.entropy(self.log2_probs)

    @property
    def settled(self) -> int:
        """The first row from which on the best guess is the one of the last row."""
        guesses = self.log2_probs.argmax(axis=1)
        others = np.flatnonzero(guesses != guesses[-1])
        return int(others[-1]) + 1 if len(others) else 0

    @property
    def caution(self) -> str:
        """What a readout of early layers can say and what not, in two sentences."""
        return say("lens.caution")

    def ranks_of(self, token_id: int) -> Ids:
        """(layers + 1,) place of a token, 1 for the most probable."""
        return np.asarray(1 + (self.log2_probs > self.log2_probs[:, [token_id]]).sum(axis=1))

    def to_frame(self, k: int = 5) -> pd.DataFrame:
        """The `k` best tokens of every row: columns layer (0 for the embeddings), rank, token, probability, surprisal.

        Surprisal and entropy, which stands in every line of a row, are in bits.
        """
        import pandas as pd

        entropies = self.entropies
        frames = [self.at(row).top(k).assign(layer=row, entropy=entropies[row]) for row in range(len(self))]
        table = pd.concat(frames, ignore_index=True)
        return table[["layer", "rank", "token", "probability", "surprisal", "entropy"]]

    def followed_frame(self) -> pd.DataFrame:
        """The tokens followed: columns layer (0 for the embeddings), token, log2_prob, rank."""
        import pandas as pd

        columns = ["layer", "token", "log2_prob", "rank"]
        rows = [
            (row, self.vocabulary.labels[token], float(self.log2_probs[row, token]), int(rank))
            for token in self.followed
            for row, rank in enumerate(self.ranks_of(token))
        ]
        return pd.DataFrame(rows, columns=columns)


@dataclass(frozen=True, eq=False)
class Contrast:
    """A slot of one sentence against a slot of another: two distributions over one vocabulary.

    Attributes:
        texts: both sentences as they were read, a blank at the slot.
        a, b: the distributions.
    """

    texts: tuple[str, str]
    a: SlotPrediction
    b: SlotPrediction

    def __repr__(self) -> str:
        return f"Contrast({self.texts[0]!r}, {self.texts[1]!r}: divergence {self.divergence:.3f} bits)"

    @property
    def vocabulary(self) -> Vocabulary:
        """What the entries stand for."""
        return self.a.vocabulary

    @property
    def divergence(self) -> float:
        """Jensen-Shannon divergence of the two distributions, in bits from 0 (alike) to 1."""
        return float(measures.js_divergence(self.a.log2_probs, self.b.log2_probs))

    @property
    def log_odds(self) -> Floats64:
        """(vocab,) by how many bits the log-odds of each token are higher in A than in B; below 0: higher in B."""
        return _log_odds(self.a) - _log_odds(self.b)

    @property
    def differences(self) -> Floats64:
        """(vocab,) probability in A less that in B, from -1 to 1."""
        return self.a.probabilities - self.b.probabilities

    @property
    def caution(self) -> str:
        """What such a comparison can say and what not, in a few sentences."""
        return say("contrast.caution")

    def biggest(self, k: int = 10, *, least: float = LEAST) -> Ids:
        """Ids of the tokens, at most `k`, whose log-odds differ most, the biggest difference first.

        Only tokens that stand for text, and that have a probability of at least `least` in one of the sentences: among
        the tens of thousands that fit in neither the greatest ratios are noise.
        """
        larger = np.maximum(self.a.probabilities, self.b.probabilities)
        ids = self.vocabulary.ordinary_ids
        ids = ids[larger[ids] >= least]
        return np.asarray(ids[np.argsort(-np.abs(self.log_odds[ids]), kind="stable")][:k])

    def to_frame(self, k: int | None = None, *, least: float = LEAST) -> pd.DataFrame:
        """The tokens whose log-odds differ most, the biggest difference first; see `biggest`.

        Columns: token, probability_a, probability_b, log_odds (bits, above 0 for A), difference (of the probabilities).

        Args:
            k: so many; by default all that have a probability of at least `least` in one of the sentences.
            least: 0 for the whole vocabulary.
        """
        import pandas as pd

        ids = self.biggest(len(self.vocabulary) if k is None else k, least=least)
        return pd.DataFrame(
            {
                "token": [self.vocabulary.labels[i] for i in ids],
                "probability_a": self.a.probabilities[ids],
                "probability_b": self.b.probabilities[ids],
                "log_odds": self.log_odds[ids],
                "difference": self.differences[ids],
            }
        )


def _log_odds(slot: SlotPrediction) -> Floats64:
    """(vocab,) log2 of p / (1 - p)."""
    probs = slot.probabilities
    rest = np.maximum(1 - probs, 0.0)
    top = int(probs.argmax())
    rest[top] = np.delete(probs, top).sum()  # exact where 1 - p would be nothing but rounding
    with np.errstate(divide="ignore"):
        return np.asarray(slot.log2_probs.astype(np.float64) - np.log2(rest))
