"""The settings of a training, what is left to the size of the text, and what may be changed on resuming."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import Field, asdict, dataclass, fields, replace
from typing import Any

from mlm_viz.masking import BERT_SPLIT
from mlm_viz.strings import say
from mlm_viz.training.errors import TrainingError

DEFAULT_MINUTES = 10.0
# From so many characters on: layers, width, heads. A small text is learned by heart by a large model.
_SIZES = ((0, (2, 128, 2)), (2_000_000, (3, 192, 3)), (10_000_000, (4, 256, 4)))
_LARGEST_VOCAB = 14_000
_HELD_OUT = (0.005, 0.05)
_HELD_OUT_LINES = 200
# A processor gets through few tokens in the minutes it is given: shared among more, smaller batches they teach more.
_BATCH_TOKENS = {"cpu": 2048, "mps": 16_384, "cuda": 65_536}
_LEAST_BATCH = 256
_CHOICES: dict[str, tuple[object, ...]] = {
    "family": ("bert", "modernbert"),
    "optimizer": ("adamw", "muon"),
    "decay": ("linear", "cosine", "wsd"),
    "device": ("auto", "cpu", "cuda", "mps"),
    "precision": ("auto", "bf16", "fp32"),
    "dtype": ("fp16", "fp32"),
    "whole_words": (False, True),
    "keep": (False, True),
}
BUDGET = ("minutes", "steps")
# These change how long and where is trained and what is left, not what: a run may be resumed with others.
CHANGEABLE = frozenset({*BUDGET, "device", "precision", "dtype", "checkpoint_minutes", "checkpoint_steps", "keep"})


@dataclass(frozen=True)
class Settings:
    """Everything that decides a training; None is decided from the size of the text or by the processor.

    Attributes:
        family: "bert" for the network of 2018, "modernbert" for that of 2024, which learns faster: positions as
            rotations, normalisation in front of each part, gated layers. The objective "span" has T5's instead.
        layers, width, heads: of the network.
        vocab: pieces in the vocabulary.
        limit: the longest input in tokens, and the limit of the model that is saved.
        short: the longest input in tokens at the start.
        long_from: fraction of the budget from which inputs go up to `limit`.
        minutes, steps: the budget, whichever ends first. The time counts from the first batch on, over all resumptions,
            with all that goes on between steps: checkpoints, held-out lines, what looks on; reading the texts is not in
            it. Either of them given on resuming takes the place of both.
        batch_tokens: tokens in a batch.
        optimizer: "adamw", or "muon", which learns more from each step and takes longer for it.
        rate: the highest learning rate.
        warmup: fraction of the budget over which the rate rises.
        decay: how it falls to zero after that: "linear", "cosine", or "wsd", which keeps it up until the last quarter
            of the budget, so that a run can be resumed from there with a larger one.
        weight_decay: of the matrices.
        dropout: of the network.
        objective: "masked" (guess the tokens that are masked, from both sides), "causal" (guess each token from those
            before it) or "span" (write what was cut out). The settings of masks are for the first alone.
        span_rate: share of the tokens that are cut out.
        span_length: of a cut on average, in tokens.
        mask_from, mask_to: share of the tokens that are masked at the start and at the end.
        replaced, kept: of the tokens that are to be guessed, the share that a random one stands in for, and the share
            that is left standing; in place of the rest stands the mask token.
        whole_words: mask all pieces of a word or none.
        held_out: fraction of the lines never trained on.
        seed: of everything random. On a CPU the same seed gives the same weights; a GPU adds up in any order, so that
            two runs there drift apart by what is rounded.
        device: "auto", "cpu", "cuda" or "mps".
        precision: "auto" (bf16 where the processor has it), "bf16" or "fp32".
        dtype: of the weights that are saved at the end, "fp16" or "fp32".
        checkpoint_minutes, checkpoint_steps: how often a checkpoint is written, whichever comes first.
        keep: leave the working folder (ids, checkpoints) standing at the end.
    """

    family: str = "modernbert"
    layers: int | None = None
    width: int | None = None
    heads: int | None = None
    vocab: int | None = None
    limit: int = 256
    short: int = 64
    long_from: float = 0.8
    minutes: float | None = None
    steps: int | None = None
    batch_tokens: int | None = None
    optimizer: str = "muon"
    rate: float = 2e-3
    warmup: float = 0.05
    decay: str = "linear"
    weight_decay: float = 0.01
    dropout: float = 0.0
    objective: str = "masked"
    span_rate: float = 0.15
    span_length: float = 3.0
    mask_from: float = 0.3
    mask_to: float = 0.15
    replaced: float = BERT_SPLIT[1]
    kept: float = BERT_SPLIT[2]
    whole_words: bool = False
    held_out: float | None = None
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    dtype: str = "fp16"
    checkpoint_minutes: float = 5.0
    checkpoint_steps: int | None = None
    keep: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            _check(field, getattr(self, field.name))
        if self.replaced + self.kept > 1:
            most = 1 - self.replaced
            raise TrainingError(say("train.error.range", name="kept", value=self.kept, least=0, most=most))
        if self.short > self.limit:
            raise TrainingError(say("train.error.range", name="short", value=self.short, least=8, most=self.limit))
        if self.width and self.heads and self.width % (multiple := self.heads * self._grain):
            raise TrainingError(say("train.error.heads", width=self.width, heads=self.heads, multiple=multiple))

    @property
    def _grain(self) -> int:
        """What the width of a head is a multiple of: by its positions ModernBERT turns pairs of numbers."""
        return 2 if self.family == "modernbert" and self.objective != "span" else 1

    def resolved(self, *, characters: int, lines: int, device: str) -> Settings:
        """The same with everything decided for a text of so many characters and lines."""
        layers, width, heads = next(sizes for least, sizes in reversed(_SIZES) if characters >= least)
        width = self.width or width
        budget = self.minutes if self.minutes or self.steps else DEFAULT_MINUTES
        return replace(
            self,
            layers=self.layers or layers,
            width=width,
            heads=self.heads or next((h for h in (heads, width // 64, 2) if h and width % (h * self._grain) == 0), 1),
            vocab=self.vocab or min(_LARGEST_VOCAB, max(300, round(4 * math.sqrt(characters)))),
            minutes=budget,
            batch_tokens=self.batch_tokens or min(_BATCH_TOKENS[device], max(_LEAST_BATCH, characters // 100)),
            limit=self.short if self.long_from >= 1 else self.limit,
            held_out=self.held_out if self.held_out is not None else _clamp(_HELD_OUT_LINES / lines, *_HELD_OUT),
        )

    def to_dict(self) -> dict[str, Any]:
        """As it is written to disk."""
        return asdict(self)


# From the least to the most that makes sense, both included.
_RANGES: dict[str, tuple[float, float]] = {
    "layers": (1, 96),
    "width": (8, 8192),
    "heads": (1, 128),
    "vocab": (100, 1_000_000),
    "limit": (8, 8192),
    "short": (8, 8192),
    "long_from": (0, 1),
    "minutes": (0.001, 1e6),
    "steps": (1, 1_000_000_000),
    "batch_tokens": (16, 16_777_216),
    "rate": (1e-9, 1),
    "warmup": (0, 0.9),
    "weight_decay": (0, 1),
    "dropout": (0, 0.9),
    "span_rate": (0.01, 0.9),
    "span_length": (1, 64),
    "mask_from": (0.01, 0.9),
    "mask_to": (0.01, 0.9),
    "replaced": (0, 1),
    "kept": (0, 1),
    "held_out": (0, 0.5),
    "seed": (0, 2**32 - 1),
    "checkpoint_minutes": (0.001, 1e6),
    "checkpoint_steps": (1, 1_000_000_000),
}
NAMES = tuple(field.name for field in fields(Settings))


def _check(field: Field[Any], value: Any) -> None:
    """One setting by itself."""
    name = field.name
    if value is None and field.default is None:
        return
    if name in _CHOICES and value not in _CHOICES[name]:
        allowed = ", ".join(map(str, _CHOICES[name]))
        raise TrainingError(say("train.error.choice", name=name, value=value, allowed=allowed))
    if name in _RANGES:
        least, most = _RANGES[name]
        whole = str(field.type).startswith("int")
        number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not (number and least <= value <= most):
            key = "train.error.whole" if whole else "train.error.range"
            raise TrainingError(say(key, name=name, value=value, least=least, most=most))


def made_from(changes: dict[str, Any]) -> Settings:
    """Settings from names and values.

    Raises:
        TrainingError: for a name that is no setting, or a value that is not allowed.
    """
    _check_names(changes)
    return Settings(**changes)


def _check_names(given: Iterable[str]) -> None:
    unknown = sorted(set(given) - set(NAMES))
    if unknown:
        raise TrainingError(say("train.error.unknown_setting", names=", ".join(unknown), known=", ".join(NAMES)))


def changed(begun: Settings, asked: dict[str, Any]) -> Settings:
    """The settings of a run that goes on, with what was asked for in addition; None asks for nothing.

    A budget is taken as at the beginning: steps alone are not held up by minutes of which nobody speaks any more.

    Raises:
        TrainingError: if something was asked for that is not allowed or would make it another training.
    """
    _check_names(asked)
    asked = {name: value for name, value in asked.items() if value is not None}
    # Where inputs never get longer, the limit has become that of the short ones, whatever was asked for.
    free = CHANGEABLE | ({"limit"} if begun.long_from >= 1 else set())
    for name, value in asked.items():
        if name not in free and value != getattr(begun, name):
            raise TrainingError(say("train.error.other_setting", name=name, was=getattr(begun, name), now=value))
    changes = {name: value for name, value in asked.items() if name in CHANGEABLE}
    if changes.keys() & set(BUDGET):
        changes = dict.fromkeys(BUDGET) | changes
    return replace(begun, **changes)


def _clamp(value: float, least: float, most: float) -> float:
    return min(max(value, least), most)
