"""What readers of all kinds share: a gap becomes rows, rows become distributions, distributions score the word."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mlm_viz import measures
from mlm_viz.comparison import Pattern
from mlm_viz.errors import ModelError, TextError, WordError
from mlm_viz.gaps import BLIND, Gap
from mlm_viz.loading import Kind
from mlm_viz.results import Floats32, Floats64, SlotPrediction, WordScore
from mlm_viz.spelling import Speller
from mlm_viz.strings import say
from mlm_viz.tokens import Flags, Ids, Vocabulary

_TOKENS_A_BATCH = 4096
_LOGITS_A_BATCH = 2**26


@dataclass(frozen=True, eq=False)
class Cut:
    """A text cut into tokens.

    Attributes:
        ids: (tokens,).
        places: (tokens, 2) from where to where each covers the characters of the text.
        added: (tokens,) True for what the tokenizer puts around a text by itself.
    """

    ids: Ids
    places: Ids
    added: Flags


@dataclass(frozen=True, eq=False)
class Row:
    """One input of a network.

    Attributes:
        ids: (tokens,) what stands there.
        hidden: (tokens,) True for what no guess may see. It is the end of the row, and `forward` does not read it; for
            its pattern a left-to-right model reads the whole row, whose end no guess can see.
        slots: places whose distributions are wanted: in `written` if there is such, else in `ids`.
        written: (tokens,) what a decoder of its own has written so far, or None.
    """

    ids: Ids
    hidden: Flags
    slots: tuple[int, ...]
    written: Ids | None = None

    @property
    def shown(self) -> Ids:
        """(tokens read,) what is read."""
        return self.ids[~self.hidden]


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
        pads: whether rows of unlike length may share a pass.
        calls: how many forward passes it has run.
    """

    kind: Kind

    def __init__(self, name: str, speller: Speller, limit: int | None, parameters: int) -> None:
        self.name = name
        self.speller = speller
        self.limit = limit
        self.parameters = parameters
        self.pads = True
        self.calls = 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.parameters / 1e6:.1f} M parameters)"

    # --- what kinds differ in ---------------------------------------------------------------------------------------

    @abstractmethod
    def rows(self, gap: Gap, pieces: Sequence[int], revealed: int) -> list[Row]:
        """The inputs in which the distributions of all `pieces` of a word can be read, in their order.

        Without pieces there is one row with one slot: of the first token in the gap. One row for several pieces has
        that slot first; where each piece has a row of its own, it is asked for apart.
        """

    @abstractmethod
    def forward(self, rows: Sequence[Row]) -> list[Floats32]:
        """Log2 of the probabilities (slots, vocab) of each row, from one pass."""

    @abstractmethod
    def look(self, row: Row) -> Pattern:
        """Who looks at whom in one row, from a pass of its own."""

    # --- what they share --------------------------------------------------------------------------------------------

    def read(self, gap: Gap, revealed: int | None = None, *, pattern: bool = False) -> Guess:
        """The guess at a gap.

        Args:
            gap: the text and its gap.
            revealed: words of the right side that may be seen, all by default; `BLIND` hides even that it ends.
            pattern: whether who looks at whom is wanted.

        Raises:
            TextError: if the text is too long.
            WordError: if the vocabulary cannot spell the word.
            ModelError: if the tokenizer does not say where its tokens stand.
        """
        revealed = len(gap.right_words) if revealed is None else revealed
        pieces = self.spell(gap)
        rows = self.rows(gap, pieces, revealed)
        alone = rows if len(rows) == 1 else self.rows(gap, (), revealed)
        found = self._ask(rows)
        first = found[0] if alone is rows else self._ask(alone)[0]
        guess = SlotPrediction(alone[0].slots[0], first, pieces[0] if len(pieces) == 1 else None, self.vocabulary)
        word = None if gap.word is None else self._rated(gap.word, pieces, found, first)
        return Guess(guess, word, self._look(alone[0]) if pattern else None)

    def score(self, gaps: Sequence[Gap], *, right: bool = True) -> Scores:
        """The scores of the words of many gaps.

        Args:
            gaps: whose words are known.
            right: whether the right side may be seen.

        Raises:
            TextError: if a text is too long.
            WordError: if the vocabulary cannot spell a word, or the word of a gap is not known.
            ModelError: if the tokenizer does not say where its tokens stand.
        """
        spelled = [self.spell(gap) for gap in gaps]
        if not all(spelled):
            raise WordError(say("gap.unknown"))
        rows: list[Row] = []
        for gap, pieces in zip(gaps, spelled, strict=True):
            rows += self.rows(gap, pieces, len(gap.right_words) if right else BLIND)
        counts = np.array([len(pieces) for pieces in spelled], dtype=np.int64)
        targets = np.array([piece for pieces in spelled for piece in pieces], dtype=np.int64)
        log2_probs, best = self._chosen(rows, targets)
        owners = np.repeat(np.arange(len(gaps)), counts)
        sums, wrong = np.zeros(len(gaps)), np.zeros(len(gaps))
        np.add.at(sums, owners, log2_probs)
        np.add.at(wrong, owners, ~best)
        return Scores(sums, wrong == 0, counts)

    @property
    def vocabulary(self) -> Vocabulary:
        """Its tokens."""
        return self.speller.vocabulary

    def spell(self, gap: Gap) -> tuple[int, ...]:
        """The pieces of the word in the gap, none if it is not known.

        Raises:
            WordError: if the vocabulary cannot spell it.
        """
        if gap.word is None:
            return ()
        metaspace = self.speller.spelling.style == "metaspace"
        spaced = self.is_spaced(gap)
        # Sentence pieces begin as if behind a space, or without one: as their tokenizer has it.
        ids = self.speller.spell(gap.word, spaced=spaced or (metaspace and not gap.left))
        if metaspace and spaced and ids and not self.vocabulary.pieces[ids[0]].startswith("▁"):
            ids = tuple(self.speller.tokenize(" " + gap.word, add_special_tokens=False)["input_ids"])
        if not ids or self.vocabulary.unknown_id in ids:
            raise WordError(say("error.spelling", word=gap.word, model=self.name))
        return ids

    def is_spaced(self, gap: Gap) -> bool:
        """Whether the word in the gap is spelled as behind a space: white space in front of it becomes part of it.

        Where a space is a byte like any other, a new line is not one.
        """
        return gap.left.endswith(" ") if self.speller.spelling.style == "byte-level" else gap.spaced

    def check_length(self, tokens: int) -> None:
        """Nothing if so many tokens can be read.

        Raises:
            TextError: says how many are too many.
        """
        if self.limit is not None and tokens > self.limit:
            raise TextError(say("gap.too_long", tokens=tokens, model=self.name, limit=self.limit))

    def encoded(self, text: str, *, special: bool = True, meant: int = -1) -> Cut:
        """A text as tokens. Names of special tokens in it are text, as they were when the models were trained.

        Args:
            text: any text.
            special: whether the tokenizer may put its own tokens around it.
            meant: a character of the one special token that is meant as such.

        Raises:
            ModelError: if the tokenizer does not say where its tokens stand in the text.
        """
        encoding = self.speller.tokenize(text, add_special_tokens=special)
        if not encoding.is_fast:
            raise ModelError(say("gap.no_offsets", model=self.name))
        found = encoding.encodings[0]
        ids: list[int] = []
        places: list[tuple[int, int]] = []
        added: list[bool] = []
        for token, (start, end), own in zip(found.ids, found.offsets, found.special_tokens_mask, strict=True):
            typed = not own and token in self.vocabulary.special_ids and not start <= meant < end
            pieces = self._as_text(token, text[start:end].strip()) if typed else (token,)
            ids += pieces
            places += [(start, end)] * len(pieces)
            added += [bool(own)] * len(pieces)
        cuts = np.array(places, dtype=np.int64).reshape(-1, 2)
        return Cut(np.array(ids, dtype=np.int64), cuts, np.array(added, dtype=np.bool_))

    def around(self, gap: Gap, token: str, revealed: int) -> tuple[Ids, Flags, int]:
        """Both sides with a special token in the gap: the ids, what of them is hidden, and where that token stands.

        The end token belongs to the right side: it tells that there is no more.
        """
        edge = len(gap.left) + len(token)
        cut = self.encoded(gap.left + token + gap.right, meant=edge - 1)
        slot = int(np.flatnonzero(cut.ids == self.vocabulary.ids[token])[0])
        start, end = cut.places.T - edge
        ends = revealed < len(gap.right_words)
        hidden = np.zeros(len(cut.ids), dtype=np.bool_)
        for place in range(slot + 1, len(hidden)):
            hidden[place] = ends if cut.added[place] else gap.hidden(start[place], end[place], revealed)
        return cut.ids, np.logical_or.accumulate(hidden), slot

    def _as_text(self, token: int, name: str) -> tuple[int, ...]:
        """The pieces that spell the name of a special token, or the token if it does not stand there by its name."""
        if name.casefold() != self.vocabulary.pieces[token].casefold():
            return (token,)
        # Some vocabularies find the name again if it is not broken up.
        pieces = (*self.speller.spell(name[:1], spaced=False), *self.speller.spell(name[1:], spaced=False))
        return tuple(i for i in pieces if i not in self.vocabulary.special_ids or i == self.vocabulary.unknown_id)

    def _look(self, row: Row) -> Pattern:
        self.calls += 1
        return self.look(row)

    def _rated(self, word: str, pieces: tuple[int, ...], found: Floats32, first: Floats32) -> WordScore:
        labels = tuple(self.vocabulary.labels[i] for i in pieces)
        log2_prob = float(found[np.arange(len(pieces)), list(pieces)].astype(np.float64).sum())
        return WordScore(word, labels, log2_prob, measures.rank(first, log2_prob))

    def _chosen(self, rows: Sequence[Row], targets: Ids) -> tuple[Floats64, Flags]:
        """Log2 of the probability of each target in the slots of all rows, and whether it is the best."""
        begins = np.cumsum([0, *(len(row.slots) for row in rows)])
        log2_probs, best = np.empty(len(targets)), np.empty(len(targets), dtype=np.bool_)
        for number, logs in self._answers(rows):
            part = slice(begins[number], begins[number + 1])
            wanted = logs[np.arange(len(logs)), targets[part]]
            log2_probs[part], best[part] = wanted, wanted >= logs.max(axis=1)
        return log2_probs, best

    def _ask(self, rows: Sequence[Row]) -> Floats32:
        """Log2 of the probabilities (slots, vocab) of all rows, in their order."""
        answers = dict(self._answers(rows))
        return np.concatenate([answers[number] for number in range(len(rows))])

    def _answers(self, rows: Sequence[Row]) -> Iterator[tuple[int, Floats32]]:
        """The number of each row and its log2-probabilities, in batches."""
        for numbers in _batches([len(row.shown) for row in rows], len(self.vocabulary), pads=self.pads):
            self.calls += 1
            with torch.inference_mode():
                found = self.forward([rows[number] for number in numbers])
            yield from zip(numbers, found, strict=True)


def bits(logits: torch.Tensor) -> Floats32:
    """Log2 of the probabilities that logits (slots, vocab) stand for."""
    logs: Floats32 = (torch.log_softmax(logits.float(), dim=-1) / math.log(2)).numpy()
    return logs


def padded(rows: Sequence[Ids]) -> torch.Tensor:
    """Rows as one tensor, filled up with their own last token."""
    longest = max(len(row) for row in rows)
    return torch.from_numpy(np.stack([np.pad(row, (0, longest - len(row)), mode="edge") for row in rows]))


def real(rows: Sequence[Ids]) -> Flags | None:
    """(rows, longest) False for what rows are filled up with; None if they are equally long."""
    lengths = np.array([len(row) for row in rows])
    longest = int(lengths.max())
    return None if lengths.min() == longest else np.arange(longest) < lengths[:, None]


def mean_attention(layers: Sequence[torch.Tensor]) -> Floats32:
    """(query, key) mean over layers and heads of attention weights, each (1, heads, query, key)."""
    mean: Floats32 = torch.stack(list(layers)).float().mean(dim=(0, 1, 2)).numpy()
    return mean


def _batches(lengths: Sequence[int], vocabulary: int, *, pads: bool) -> Iterator[list[int]]:
    """Numbers of the rows that share a pass, longest first: of about one length, or of exactly one."""
    most = max(1, min(_TOKENS_A_BATCH, _LOGITS_A_BATCH // vocabulary))
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda n: -lengths[n]):
        longest = lengths[batch[0]] if batch else 0
        if batch and ((len(batch) + 1) * longest > most or not (pads or lengths[number] == longest)):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch
