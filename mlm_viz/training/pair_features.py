"""What a frozen model makes of pairs of sentences: the states that a head is then trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from mlm_viz.errors import ModelError, TextError
from mlm_viz.examples import passages as bundled_passages
from mlm_viz.loading import load
from mlm_viz.model import Model
from mlm_viz.next_sentence import PairFeatures
from mlm_viz.results import Floats32
from mlm_viz.strings import say
from mlm_viz.tokens import Ids, clean_text
from mlm_viz.training.sentence_pairs import Passages, sentence_pairs

_TOKENS_AT_ONCE = 2048
_LONGEST_SHOWN = 40  # characters of a sentence in an error


def read_pairs(
    passages: Passages | None = None,
    model: Model | str | Path | None = None,
    *,
    held_out: float = 0.25,
    seed: int = 0,
    progress: bool = True,
) -> PairFeatures:
    """Make pairs from passages and let the frozen model read each of them once; several heads can then be trained.

    Args:
        passages: of connected sentences, see `sentence_pairs`; by default the bundled ones in both languages.
        model: a loaded model, or anything `load` takes.
        held_out: share of the passages that is not trained on.
        seed: of the split and of the wrong pairs.
        progress: show a bar.

    Raises:
        TextError: if passages cannot be used, or two sentences together are longer than the model's limit.
        TrainingError: if `held_out` is no share.
        ModelError: if the model cannot be loaded, or its tokenizer does not tell two sentences apart.
    """
    reader = Reader(load(model))
    if passages is None:
        passages = [*bundled_passages("en"), *bundled_passages("zh")]
    pairs = sentence_pairs(passages, held_out=held_out, seed=seed)
    cls, halves = reader.read([(pair.first, pair.second) for pair in pairs], progress=progress)
    return PairFeatures(reader.model.name, pairs, cls, halves, reader)


class Reader:
    """Reads pairs of sentences with a frozen model."""

    def __init__(self, model: Model) -> None:
        if not model.tokenizer.is_fast:
            raise ModelError(say("next_sentence.error.tokenizer", model=model.name))
        self.model = model

    def read(self, pairs: Sequence[tuple[str, str]], *, progress: bool = False) -> tuple[Floats32 | None, Floats32]:
        """The states `cls` and `halves`, as in `PairFeatures`.

        Raises:
            TextError: if two sentences together are longer than the model's limit.
        """
        rows = [self._encode(*pair) for pair in pairs]
        found: dict[int, tuple[Floats32, Floats32]] = {}
        with tqdm(total=len(rows), desc=say("next_sentence.reading"), disable=not progress, leave=False) as bar:
            for numbers in _batches([len(ids) for ids, _ in rows]):
                hidden = self.model.forward(np.stack([rows[n][0] for n in numbers]), hidden=True).hidden
                assert hidden is not None  # noqa: S101 (asked for)
                for number, states in zip(numbers, hidden, strict=True):
                    found[number] = self._pool(states, *rows[number])
                bar.update(len(numbers))
        starts, means = zip(*(found[number] for number in range(len(rows))), strict=True)
        complete = all(len(start) == 1 for start in starts)
        return np.concatenate(starts) if complete else None, np.stack(means)

    def _pool(self, states: Floats32, ids: Ids, halves: Ids) -> tuple[Floats32, Floats32]:
        """(starts, width) the last state wherever [CLS] stands, and (layers + 1, 2, width) the means."""
        means = np.stack([states[:, halves == half].mean(axis=1) for half in (0, 1)], axis=1)
        return states[-1, ids == self._start], means

    @property
    def _start(self) -> int:
        start = self.model.tokenizer.cls_token_id
        return -1 if start is None else int(start)

    def _encode(self, first: str, second: str) -> tuple[Ids, Ids]:
        """(tokens,) ids of the pair, and 0 or 1 for the sentence that a token belongs to, -1 for special tokens."""
        texts = [clean_text(text).strip() for text in (first, second)]
        encoding = self.model.tokenizer(*texts, truncation=False, verbose=False)
        ids = np.asarray(encoding["input_ids"], dtype=np.int64)
        halves = np.array([-1 if half is None else half for half in encoding.sequence_ids(0)], dtype=np.int64)
        if not {0, 1} <= set(halves.tolist()):
            raise TextError(say("error.empty"))
        if len(ids) > self.model.limit:
            short = [text[:_LONGEST_SHOWN] + "…" * (len(text) > _LONGEST_SHOWN) for text in texts]
            size = {"tokens": len(ids), "limit": self.model.limit, "model": self.model.name}
            raise TextError(say("next_sentence.error.too_long", first=short[0], second=short[1], **size))
        return ids, halves


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Numbers of rows that share a pass: equally long ones."""
    for length, group in groupby(sorted(range(len(lengths)), key=lambda n: lengths[n]), key=lambda n: lengths[n]):
        numbers, size = list(group), max(1, _TOKENS_AT_ONCE // length)
        for start in range(0, len(numbers), size):
            yield numbers[start : start + size]
