"""What readers of all kinds share: a gap becomes rows, rows become distributions, distributions score the word."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mlm_viz import measures
from mlm_viz.comparison import Pattern
from mlm_viz.errors import TextError, WordError
from mlm_viz.gaps import Gap
from mlm_viz.loading import Kind
from mlm_viz.results import Floats32, Floats64, SlotPrediction, WordScore
from mlm_viz.spelling import Speller
from mlm_viz.strings import say
from mlm_viz.tokens import Flags, Ids

_TOKENS_A_BATCH = 4096
_LOGITS_A_BATCH = 2**26


@dataclass(frozen=True, eq=False)
class Row:
    """One input of a network.

    Attributes:
        ids: (tokens,) what it reads.
        hidden: (tokens,) True for what nobody may look at.
        slots: places whose distributions are wanted: in `written` if there is such, else in `ids`.
        written: (tokens,) what a decoder of its own has written so far, or None.
    """

    ids: Ids
    hidden: Flags
    slots: tuple[int, ...]
    written: Ids | None = None


@dataclass(frozen=True, eq=False)
class Guess:
    """What a reader makes of a gap.

    Attributes:
        guess: its distribution for the first token in the gap.
        word: the score of the word that stood there, None if nobody knows it.
        pattern: who looked at whom, None if it was not asked for.
    """

    guess: SlotPrediction
    word: WordScore | None
    pattern: Pattern | None


@dataclass(frozen=True, eq=False)
class Scores:
    """How a reader did on many gaps.

    Attributes:
        log2_probs: (gaps,) log2 of the probability of the whole word, at most 0, by the chain rule over its pieces.
        hits: (gaps,) True where the word was the best guess: every piece of it, given those before.
        pieces: (gaps,) tokens that the word has for this reader.
    """

    log2_probs: Floats64
    hits: Flags
    pieces: Ids


class Reader(ABC):
    """A model of one kind, asked about gaps.

    Attributes:
        name: what it is called.
        kind: "masked", "causal" or "span".
        speller: its tokenizer.
        limit: the longest text it takes, in tokens; None if it knows no limit.
        parameters: how many weights it has.
        calls: how many forward passes it has run.
    """

    kind: Kind

    def __init__(self, name: str, speller: Speller, limit: int | None, parameters: int) -> None:
        self.name = name
        self.speller = speller
        self.limit = limit
        self.parameters = parameters
        self.calls = 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.parameters / 1e6:.1f} M parameters)"

    # --- what kinds differ in ---------------------------------------------------------------------------------------

    @abstractmethod
    def rows(self, gap: Gap, pieces: Sequence[int], revealed: int) -> list[Row]:
        """The inputs in which the distributions of all `pieces` of a word can be read, in their order.

        Without pieces, or with one, the row has one slot: of the first token in the gap.
        """

    @abstractmethod
    def forward(self, rows: Sequence[Row]) -> list[torch.Tensor]:
        """The logits (slots, vocab) of each row, from one pass; rows may differ in length."""

    @abstractmethod
    def look(self, row: Row) -> Pattern:
        """Who looks at whom in one row."""

    # --- what they share --------------------------------------------------------------------------------------------

    def read(self, gap: Gap, revealed: int | None = None, *, pattern: bool = False) -> Guess:
        """The guess at a gap.

        Args:
            gap: the text and its gap.
            revealed: words of the right side that may be seen; all by default.
            pattern: whether who looks at whom is wanted.

        Raises:
            TextError: if the text is too long.
            WordError: if the vocabulary cannot spell the word.
        """
        revealed = len(gap.right_words) if revealed is None else revealed
        pieces = self.spell(gap)
        rows = self.rows(gap, pieces[:1], revealed)
        found = np.concatenate(list(self._run(rows)))
        guess = SlotPrediction(rows[0].slots[0], found[0], pieces[0] if len(pieces) == 1 else None, self.vocabulary)
        word = None if gap.word is None else self._score(gap, pieces, revealed, found[0])
        return Guess(guess, word, self.look(rows[0]) if pattern else None)

    def score(self, gaps: Sequence[Gap], *, right: bool = True) -> Scores:
        """The scores of the words of many gaps.

        Args:
            gaps: whose words are known.
            right: whether the right side may be seen.

        Raises:
            TextError: if a text is too long.
            WordError: if the vocabulary cannot spell a word, or the word of a gap is not known.
        """
        spelled = [self.spell(gap) for gap in gaps]
        if not all(spelled):
            raise WordError(say("gap.unknown"))
        rows: list[Row] = []
        targets: list[int] = []
        owners: list[int] = []
        for number, (gap, pieces) in enumerate(zip(gaps, spelled, strict=True)):
            rows += self.rows(gap, pieces, len(gap.right_words) if right else 0)
            targets += pieces
            owners += [number] * len(pieces)
        log2_probs, best = self._chosen(rows, np.array(targets, dtype=np.int64))
        sums, wrong = np.zeros(len(gaps)), np.zeros(len(gaps))
        np.add.at(sums, owners, log2_probs)
        np.add.at(wrong, owners, ~best)
        return Scores(sums, wrong == 0, np.array([len(pieces) for pieces in spelled], dtype=np.int64))

    @property
    def vocabulary(self) -> Any:
        """Its tokens."""
        return self.speller.vocabulary

    def spell(self, gap: Gap) -> tuple[int, ...]:
        """The pieces of the word in the gap, none if it is not known.

        Raises:
            WordError: if the vocabulary cannot spell it.
        """
        if gap.word is None:
            return ()
        first = self.speller.spelling.style == "metaspace" and not gap.left  # these begin as if behind a space
        ids = self.speller.spell(gap.word, spaced=gap.spaced or first)
        if not ids or self.vocabulary.unknown_id in ids:
            raise WordError(say("error.spelling", word=gap.word, model=self.name))
        return ids

    def check_length(self, tokens: int) -> None:
        """Nothing if so many tokens can be read.

        Raises:
            TextError: says how many are too many.
        """
        if self.limit is not None and tokens > self.limit:
            raise TextError(say("gap.too_long", tokens=tokens, model=self.name, limit=self.limit))

    def encoded(self, text: str, *, special: bool = True) -> tuple[Ids, list[tuple[int, int]]]:
        """The ids of a text, and from where to where each covers its characters.

        Raises:
            TextError: if the tokenizer cannot say the latter.
        """
        encoding = self.speller.tokenize(text, add_special_tokens=special)
        if not encoding.is_fast:
            raise TextError(say("gap.no_offsets", model=self.name))
        return np.asarray(encoding["input_ids"], dtype=np.int64), list(encoding.encodings[0].offsets)

    def _score(self, gap: Gap, pieces: tuple[int, ...], revealed: int, first: Floats32) -> WordScore:
        labels = tuple(self.vocabulary.labels[i] for i in pieces)
        if len(pieces) == 1:
            log2_prob = float(first[pieces[0]])
        else:
            log2_prob = float(self._chosen(self.rows(gap, pieces, revealed), np.array(pieces))[0].sum())
        return WordScore(gap.word or "", labels, log2_prob, measures.rank(first, log2_prob))

    def _chosen(self, rows: Sequence[Row], targets: Ids) -> tuple[Floats64, npt.NDArray[np.bool_]]:
        """Log2 of the probability of each target in the slots of all rows, and whether it is the best."""
        begins = np.cumsum([0, *(len(row.slots) for row in rows)])
        log2_probs, best = np.empty(len(targets)), np.empty(len(targets), dtype=np.bool_)
        for numbers in _batches(rows, len(self.vocabulary)):
            found = self._run([rows[number] for number in numbers])
            for number, logs in zip(numbers, found, strict=True):
                part = slice(begins[number], begins[number + 1])
                wanted = logs[np.arange(len(logs)), targets[part]]
                log2_probs[part], best[part] = wanted, wanted >= logs.max(axis=1)
        return log2_probs, best

    @torch.inference_mode()
    def _run(self, rows: Sequence[Row]) -> Iterator[Floats32]:
        """The log2-probabilities (slots, vocab) of each row, from one pass."""
        self.calls += 1
        for logits in self.forward(rows):
            logs: Floats32 = (torch.log_softmax(logits.float(), dim=-1) / math.log(2)).numpy()
            yield logs


def padded(rows: Sequence[Ids]) -> Ids:
    """Rows as one array, filled up with their own last token."""
    longest = max(len(row) for row in rows)
    return np.stack([np.pad(row, (0, longest - len(row)), mode="edge") for row in rows])


def seen(rows: Sequence[Row]) -> Flags:
    """(rows, longest) True for what may be looked at: neither hidden nor filled up."""
    longest = max(len(row.ids) for row in rows)
    return np.stack([np.pad(~row.hidden, (0, longest - len(row.ids)), constant_values=False) for row in rows])


def mean_attention(layers: Sequence[torch.Tensor]) -> Floats32:
    """(query, key) mean over layers and heads of attention weights, each (1, heads, query, key)."""
    mean: Floats32 = torch.stack(list(layers)).float().mean(dim=(0, 1, 2)).numpy()
    return mean


def _batches(rows: Sequence[Row], vocabulary: int) -> Iterator[list[int]]:
    """Numbers of the rows that share a pass: of about one length."""
    most = max(1, min(_TOKENS_A_BATCH, _LOGITS_A_BATCH // vocabulary))
    batch: list[int] = []
    for number in sorted(range(len(rows)), key=lambda n: -len(rows[n].ids)):
        if batch and (len(batch) + 1) * len(rows[batch[0]].ids) > most:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch
