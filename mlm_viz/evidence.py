"""What heads and their attention do to a prediction: frozen records of numpy arrays, as in `mlm_viz.results`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from mlm_viz.results import Floats32, Floats64
from mlm_viz.tokens import Flags, Ids, Sentence, Vocabulary

if TYPE_CHECKING:
    import pandas as pd

Head = tuple[int, int]
# Heads, or for each head what it hands on instead: a vector of its width, or None for zeros.
Silenced = Collection[Head] | Mapping[Head, npt.NDArray[np.floating] | None]
Replacement = Literal["zero", "mean"]

# Of a logit: less is rounding.
_INERT = 1e-5


@dataclass(frozen=True, eq=False)
class HeadBoard:
    """What silencing each head, one at a time, does to one slot.

    A board that is still growing has NaN (and -1 in `guesses`) in the layers to come.

    Attributes:
        sentence: the text.
        position: of the slot.
        target: id of the token whose probability is watched.
        before: log2 of its probability with no further head silenced, at most 0.
        margin: `before` less the log2 of the probability of the best other token; above 0 if the target is the guess.
        guess: id of the most probable token with no further head silenced.
        gains: (layers, heads) bits that a head adds to log2 p(target), with it less without it: above 0 where it raises
            the target, below 0 where it lowers it.
        divergences: (layers, heads) Jensen-Shannon divergence of the whole distribution in bits, from 0 to 1.
        margins: (layers, heads) `margin` once the head is silenced.
        guesses: (layers, heads) id of the most probable token once the head is silenced.
        silenced: heads that are silent throughout; silencing them again changes nothing.
        replacement: what a silenced head hands on: zeros, or its mean over other texts.
        vocabulary: what the ids stand for.
    """

    sentence: Sentence
    position: int
    target: int
    before: float
    margin: float
    guess: int
    gains: Floats64
    divergences: Floats64
    margins: Floats64
    guesses: Ids
    silenced: tuple[Head, ...]
    replacement: Replacement
    vocabulary: Vocabulary

    def __repr__(self) -> str:
        layers, heads = self.gains.shape
        found = ", ".join(f"{head} {self.gains[head]:+.2f}" for head in self.strongest(3))
        return f"HeadBoard({layers} layers x {heads} heads, {self.vocabulary.labels[self.target]!r}: {found} bits, …)"

    @property
    def complete(self) -> bool:
        """Whether every layer is there."""
        return bool((self.guesses >= 0).all())

    @property
    def flips(self) -> Flags:
        """(layers, heads) True where silencing the head changes the most probable token."""
        return np.asarray((self.guesses >= 0) & (self.guesses != self.guess))

    def strongest(self, k: int = 5) -> list[Head]:
        """The `k` heads that raise or lower the target most; the first of equal ones."""
        size = np.abs(self.gains).ravel()
        order = np.argsort(-np.nan_to_num(size, nan=-1.0), kind="stable")
        heads = self.gains.shape[1]
        return [divmod(int(i), heads) for i in order[: max(k, 0)] if np.isfinite(size[i])]

    def to_frame(self) -> pd.DataFrame:
        """One row a head: layer, head (zero-based), gain and divergence in bits, guess, flips, silenced."""
        import pandas as pd

        done = np.argwhere(self.guesses >= 0)
        index = tuple(done.T)
        return pd.DataFrame(
            {
                "layer": done[:, 0],
                "head": done[:, 1],
                "gain": self.gains[index],
                "divergence": self.divergences[index],
                "guess": [self.vocabulary.labels[i] for i in self.guesses[index]],
                "flips": self.flips[index],
                "silenced": [(int(layer), int(head)) in self.silenced for layer, head in done],
            }
        )


@dataclass(frozen=True, eq=False)
class HeadSearch:
    """A greedy search for few heads that, silenced together, change the most probable token of a slot.

    Greedy is not exhaustive: with one head it finds the best, with more there may be a smaller set.

    Attributes:
        heads: in the order in which they were silenced.
        guesses: (heads + 1,) id of the most probable token before, and after each of them.
        log2_probs: (heads + 1,) log2 of the probability of the first guess.
        margins: (heads + 1,) the same less that of the best other token; at most 0 once the guess has changed.
        tried: how many single silencings were measured so far.
        complete: whether the search is over.
        vocabulary: what the ids stand for.
    """

    heads: tuple[Head, ...]
    guesses: Ids
    log2_probs: Floats64
    margins: Floats64
    tried: int
    complete: bool
    vocabulary: Vocabulary

    def __repr__(self) -> str:
        first, last = (self.vocabulary.labels[self.guesses[i]] for i in (0, -1))
        return f"HeadSearch({first!r} -> {last!r} by {list(self.heads)}, {self.tried} tried)"

    @property
    def flipped(self) -> bool:
        """Whether the most probable token is another one than at the start."""
        return bool(self.guesses[-1] != self.guesses[0])

    def to_frame(self) -> pd.DataFrame:
        """One row a step: layer and head silenced (none at first), probability of the first guess, margin, guess."""
        import pandas as pd

        layers, heads = zip((None, None), *self.heads, strict=True)
        return pd.DataFrame(
            {
                "layer": pd.array(layers, dtype="Int64"),
                "head": pd.array(heads, dtype="Int64"),
                "probability": np.exp2(self.log2_probs),
                "margin": self.margins,
                "guess": [self.vocabulary.labels[i] for i in self.guesses],
            }
        )


@dataclass(frozen=True, eq=False)
class SilencingTest:
    """Proof that silencing works: how far the logits of a slot move when heads are silenced.

    Attributes:
        change: the largest change of a logit (counted from their mean) when all heads of the model are silenced.
        by_layer: (layers,) the same when all heads of one layer are.
    """

    change: float
    by_layer: Floats64

    @property
    def inert(self) -> tuple[int, ...]:
        """Layers in which silencing does nothing."""
        return tuple(int(layer) for layer in np.flatnonzero(self.by_layer < _INERT))


@dataclass(frozen=True, eq=False)
class AttentionEffect:
    """Attention beside measured effect, over the heads of a model or the tokens of a text.

    Attributes:
        over: "heads" or "tokens".
        names: (points,) layer and head, or the position of the token, as tuples of zero-based numbers.
        labels: (points,) the tokens as people read them; empty for heads.
        attention: (points,) weight in [0, 1]: for a head its largest weight on another ordinary token.
        effects: (points,) bits that it adds to log2 p(target): with it less without it.
        rho: Spearman's rank correlation of `attention` and the size of `effects`, in [-1, 1]; NaN for fewer than three
            points, or when all on one side are equal.
    """

    over: Literal["heads", "tokens"]
    names: tuple[tuple[int, ...], ...]
    labels: tuple[str, ...]
    attention: Floats64
    effects: Floats64
    rho: float

    def __repr__(self) -> str:
        return f"AttentionEffect({len(self)} {self.over}, rho {self.rho:.2f})"

    def __len__(self) -> int:
        return len(self.names)

    def to_frame(self) -> pd.DataFrame:
        """One row a point: layer and head, or position and token; attention, effect in bits."""
        import pandas as pd

        columns = ("layer", "head") if self.over == "heads" else ("position",)
        table = pd.DataFrame(list(self.names), columns=list(columns))
        if self.over == "tokens":
            table["token"] = list(self.labels)
        return table.assign(attention=self.attention, effect=self.effects)


@dataclass(frozen=True, eq=False)
class ValueNorms:
    """Attention weighted by what it carries: the length of what each key adds to each query in a head.

    Attributes:
        labels: the tokens that were read (a masked one as the mask token).
        special: (tokens,) True for special tokens.
        norms: (layers, heads, query, key) length of weight x (value vector of the key through the head's part of the
            mixer), from 0.
    """

    labels: tuple[str, ...]
    special: Flags
    norms: Floats32

    def __repr__(self) -> str:
        layers, heads, tokens, _ = self.norms.shape
        return f"ValueNorms({layers} layers x {heads} heads, {tokens} tokens)"


@dataclass(frozen=True, eq=False)
class AttentionViews:
    """Three ways of saying where a slot looks, each as shares that sum to 1.

    Attributes:
        labels: the tokens that were read (a masked one as the mask token).
        special: (tokens,) True for special tokens.
        position: of the slot.
        layer: the layer they are of (rollout: up to it and with it), None for all layers.
        raw: (tokens,) mean weight over heads, and over layers if `layer` is None.
        rollout: (tokens,) attention followed through the layers and the connections past them.
        norms: (tokens,) sum over heads (and layers) of value-weighted norms.
    """

    labels: tuple[str, ...]
    special: Flags
    position: int
    layer: int | None
    raw: Floats64
    rollout: Floats64
    norms: Floats64

    def to_frame(self) -> pd.DataFrame:
        """One row a token: token, raw, rollout, norms."""
        import pandas as pd

        return pd.DataFrame({"token": list(self.labels), "raw": self.raw, "rollout": self.rollout, "norms": self.norms})
