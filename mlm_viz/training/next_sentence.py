"""BERT's other task: a head trained on a frozen model to tell whether one sentence follows another.

Source: J. Devlin et al., "BERT" (2019), section 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from mlm_viz.errors import ModelError
from mlm_viz.model import Model
from mlm_viz.next_sentence import (
    CHANCE,
    POOLS,
    WRONG,
    HeadLearning,
    NextSentence,
    PairFeatures,
    PairReader,
    PairTest,
    Pool,
    Wrong,
)
from mlm_viz.results import Floats32, Floats64
from mlm_viz.strings import say
from mlm_viz.tokens import is_cjk
from mlm_viz.training.errors import TrainingError
from mlm_viz.training.pair_features import read_pairs
from mlm_viz.training.sentence_pairs import Passages

_BATCH = 64
_RATE = 3e-3
_DECAY = 0.1
_MOST_EPOCHS = 1000
Watch = Callable[[HeadLearning], None]


def train_next_sentence(
    passages: Passages | PairFeatures | None = None,
    model: Model | str | Path | None = None,
    *,
    pool: Pool = "mean",
    wrong: Wrong = "other",
    epochs: int = 30,
    seed: int = 0,
    progress: bool = True,
    watch: Watch | None = None,
) -> NextSentence:
    """Train a head to tell real neighbours from wrong ones, and test it on passages it has not seen.

    The model itself is not changed: it reads every pair once, and only the head learns.

    Args:
        passages: as for `read_pairs`, or what it gave (with another share held out, or for several heads); then
            `model` is not asked.
        model: a loaded model, or anything `load` takes.
        pool: "cls" shows the head the last state at [CLS], as in BERT, though this model never learned anything
            there; "mean" the mean states of both sentences and how alike they are after every layer.
        wrong: the wrong pairs to train on: "other" (BERT: the second sentence is of another passage), "near" (of the
            same passage, but not the next) or "swapped" (ALBERT: the order is changed). It is tested on all of them.
        epochs: how often every pair is looked at.
        seed: of everything random.
        progress: show bars.
        watch: is given the curves so far, before the first epoch and after each.

    Raises:
        TextError: as `read_pairs`.
        TrainingError: if a setting is out of range.
        ModelError: as `read_pairs`, or if there is no [CLS] for `pool="cls"`.
    """
    _check(pool, wrong, epochs)
    if isinstance(passages, PairFeatures):
        features = passages
    else:
        features = read_pairs(passages, model, seed=seed, progress=progress)
    seen, scripts = _pooled(pool, features.cls, features.halves, features.model), torch.tensor(features.scripts)
    train, held = (torch.tensor(features.chosen(wrong, held_out=side)) for side in (False, True))
    # Whoever calls keeps their own random numbers.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = Head(seen[train], scripts[train])
        compared = head.compare(seen, scripts)
        learning = _train(head, compared[train], compared[held], epochs, progress=progress, watch=watch)
    tests = tuple(_test(head, features, compared, kind) for kind in WRONG)
    scorer = None if features._reader is None else Scorer(features._reader, features.model, head, pool)  # noqa: SLF001 (ours)
    return NextSentence(features.model, pool, wrong, len(train), learning, tests, scorer)


def _check(pool: str, wrong: str, epochs: int) -> None:
    for name, value, allowed in (("pool", pool, POOLS), ("wrong", wrong, WRONG)):
        if value not in allowed:
            raise TrainingError(say("train.error.choice", name=name, value=value, allowed=", ".join(allowed)))
    if not 1 <= epochs <= _MOST_EPOCHS:
        raise TrainingError(say("train.error.range", name="epochs", value=epochs, least=1, most=_MOST_EPOCHS))


def _pooled(pool: Pool, cls: Floats32 | None, halves: Floats32, model: str) -> torch.Tensor:
    if pool == "cls" and cls is None:
        raise ModelError(say("next_sentence.error.no_cls", model=model))
    return torch.tensor(cls if pool == "cls" else halves)


# --- the head ---------------------------------------------------------------------------------------------------------


class Head(nn.Module):
    """From the states of a pair to the log-odds that its second sentence is the next one: logistic regression.

    Two states are shown as they are, with their product and how far they are apart, and besides, for every layer, how
    alike they are on the whole. Each of these two groups is scaled to weigh as much as the other together: else the
    many would drown the few, which carry more.

    Args:
        seen: (pairs, width) or (pairs, layers + 1, 2, width) states of the pairs to be trained on: they set the scale.
        scripts: (pairs,) 0 or 1; each script has a scale of its own, or all sentences of one would be alike.
    """

    def __init__(self, seen: torch.Tensor, scripts: torch.Tensor) -> None:
        super().__init__()
        own = [rows if len(rows := seen[scripts == script]) > 1 else seen for script in (0, 1)]
        self._states = [_scale(rows) for rows in own]
        groups = self._groups(seen, scripts)
        self._features = [_scale(group) for group in groups]
        self._layer = nn.Linear(sum(group.shape[-1] for group in groups), 1)
        nn.init.zeros_(self._layer.weight)
        nn.init.zeros_(self._layer.bias)

    def forward(self, compared: torch.Tensor) -> torch.Tensor:
        """(pairs,) log-odds of what `compare` gives."""
        odds: torch.Tensor = self._layer(compared)[:, 0]
        return odds

    def compare(self, seen: torch.Tensor, scripts: torch.Tensor) -> torch.Tensor:
        """(pairs, features) on their scale."""
        groups = zip(self._groups(seen, scripts), self._features, strict=True)
        return torch.cat([(group - mean) / spread / math.sqrt(len(mean)) for group, (mean, spread) in groups], dim=-1)

    def _groups(self, seen: torch.Tensor, scripts: torch.Tensor) -> list[torch.Tensor]:
        means, spreads = (torch.stack(list(parts))[scripts] for parts in zip(*self._states, strict=True))
        scaled = (seen - means) / spreads
        if scaled.ndim == 2:
            return [scaled]
        a, b = scaled.unbind(dim=2)
        product, apart = a * b, (a - b).abs()
        alike = torch.cat([product.mean(dim=-1), apart.mean(dim=-1)], dim=-1)
        return [alike, torch.cat([part[:, -1] for part in (a, b, product, apart)], dim=-1)]


def _scale(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation over the first axis."""
    return rows.mean(dim=0), rows.std(dim=0).clamp(min=1e-6)


def _train(
    head: Head, seen: torch.Tensor, held: torch.Tensor, epochs: int, *, progress: bool, watch: Watch | None
) -> HeadLearning:
    optimizer = torch.optim.AdamW(head.parameters(), lr=_RATE, weight_decay=_DECAY)
    labels = _labels(len(seen))
    rows = [_measure(head, seen) + _measure(head, held)]
    _tell(watch, rows)
    with tqdm(total=epochs, desc=say("next_sentence.training"), disable=not progress, leave=False) as bar:
        for _ in range(epochs):
            for batch in torch.split(torch.randperm(len(seen)), _BATCH):
                optimizer.zero_grad()
                _bits(head(seen[batch]), labels[batch]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            rows.append(_measure(head, seen) + _measure(head, held))
            bar.set_postfix_str(say("next_sentence.now", accuracy=rows[-1][3]), refresh=False)
            bar.update()
            _tell(watch, rows)
    return _learning(rows)


def _labels(count: int) -> torch.Tensor:
    """One for the real pairs, which come first, zero for as many wrong ones."""
    return (torch.arange(count) < count // 2).float()


def _bits(odds: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return nn.functional.binary_cross_entropy_with_logits(odds, labels) / math.log(2)


@torch.inference_mode()
def _measure(head: Head, seen: torch.Tensor) -> tuple[float, float]:
    """Cross-entropy in bits and share judged right."""
    odds, labels = head(seen), _labels(len(seen))
    return float(_bits(odds, labels)), float(((odds > 0) == (labels > CHANCE)).float().mean())


def _tell(watch: Watch | None, rows: Sequence[tuple[float, ...]]) -> None:
    if watch is not None:
        watch(_learning(rows))


def _learning(rows: Sequence[tuple[float, ...]]) -> HeadLearning:
    return HeadLearning(*np.array(rows, dtype=np.float64).T)


@torch.inference_mode()
def _probabilities(head: Head, seen: torch.Tensor) -> Floats64:
    probabilities: Floats64 = torch.sigmoid(head(seen).double()).numpy()
    return probabilities


def _test(head: Head, features: PairFeatures, compared: torch.Tensor, wrong: Wrong) -> PairTest:
    chosen = features.chosen(wrong, held_out=True)
    probabilities = _probabilities(head, compared[torch.tensor(chosen)])
    return PairTest.of(wrong, [features.pairs[n] for n in chosen], probabilities)


@dataclass(frozen=True, eq=False)
class Scorer:
    """Asks the head about a new pair: what a `NextSentence` asks."""

    reader: PairReader
    model: str
    head: Head
    pool: Pool

    def probability(self, first: str, second: str) -> float:
        """That `second` follows `first`, in [0, 1].

        Raises:
            TextError: if one is empty, or both together are longer than the model's limit.
        """
        seen = _pooled(self.pool, *self.reader.read([(first, second)]), self.model)
        compared = self.head.compare(seen, torch.tensor([int(is_cjk(first + second))]))
        return float(_probabilities(self.head, compared)[0])
