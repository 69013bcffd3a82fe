"""What models of several kinds write behind a text or into a gap, and how it is judged; frozen records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from mlm_viz.errors import MlmVizError
from mlm_viz.gaps import Gap, words_of
from mlm_viz.intervals import Estimate, grouped_mean
from mlm_viz.results import Floats64
from mlm_viz.strings import say
from mlm_viz.tokens import is_cjk

if TYPE_CHECKING:
    import pandas as pd

Writer = Literal["causal", "span", "left_to_right", "confident", "random", "gibbs", "human"]
WRITERS: tuple[Writer, ...] = get_args(Writer)
Judge = Literal["causal", "masked"]
JUDGES: tuple[Judge, ...] = get_args(Judge)
Measure = Literal["causal", "masked", "words", "distinct", "repetition"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
_LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Judged:
    """What a judge makes of what was written, given the text around it.

    The causal judge gives -log2 of its probability, by the chain rule. The masked one gives minus its
    pseudo-log-likelihood: each token masked in turn, together with the later pieces of its word, all else in view.

    Attributes:
        bits: of the whole of what was written; the fewer, the more it is like the texts that the judge learned from.
        tokens: that it has for the judge.
        characters: that it has, white space not counted.
    """

    bits: float
    tokens: int
    characters: int

    @property
    def per_token(self) -> float:
        """Bits per token of the judge."""
        return self.bits / self.tokens

    @property
    def per_character(self) -> float:
        """Bits per character."""
        return self.bits / self.characters


@dataclass(frozen=True, eq=False)
class Writing:
    """What one writer wrote.

    Attributes:
        writer: "causal"; "span"; of the masked model the order in which it filled its masks; or "human".
        model: name of the model, empty for a human.
        gap: what stands before and behind.
        text: what was written so far, with the space before it if there is one.
        tokens: its tokens, as people read them.
        log2_probs: (tokens,) log2 of the probability that the writer gave each when it wrote it, whatever the
            temperature; a masked model that wrote a token again gave the last one.
        ended: whether the writer itself ended the text or gap; a masked model has no say in that.
        finished: whether nothing more comes.
        own: the judge that is the same model as the writer, or None.
        judged: by each judge; one that cannot read it is left out, and as long as it is not judged both are.
    """

    writer: Writer
    model: str
    gap: Gap
    text: str = ""
    tokens: tuple[str, ...] = ()
    log2_probs: Floats64 = field(default_factory=lambda: np.zeros(0))
    ended: bool = False
    finished: bool = False
    own: Judge | None = None
    judged: Mapping[Judge, Judged] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Writing({self.writer}: {self.text.strip()!r})"

    @property
    def whole(self) -> str:
        """The text with what was written in it."""
        left = self.gap.left
        begun = self.text.lstrip() if left[-1:].isspace() or not left else self.text
        return left + begun + self.gap.right

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words, Chinese characters and marks that were written."""
        return split(self.text)

    @property
    def distinct(self) -> float:
        """Share of distinct pairs among all pairs of neighbouring words, in (0, 1]; NaN if there are not two words.

        Source: after J. Li et al., "A Diversity-Promoting Objective Function for Neural Conversation Models" (2016);
        they divide by the number of words. Divided by that of pairs it is 1 where none comes twice.
        """
        pairs = list(zip(self.words, self.words[1:], strict=False))
        return len(set(pairs)) / len(pairs) if pairs else np.nan

    @property
    def repetition(self) -> int:
        """How many words in a row, at most, had stood there before, in the prompt or in what was written."""
        return longest_repetition(split(self.gap.left), self.words)

    def value(self, measure: Measure) -> float:
        """One number: bits per character of a judge, words, `distinct` or `repetition`; NaN if there is none."""
        if measure == "words":
            return float(len(self.words))
        if measure == "distinct":
            return self.distinct
        if measure == "repetition":
            return float(self.repetition) if self.words else np.nan
        found = self.judged.get(measure)
        return np.nan if found is None else found.per_character


@dataclass(frozen=True, eq=False)
class Writings:
    """One text, gone on with by several writers.

    Attributes:
        gap: the prompt: what stands before and behind what is to be written.
        written: by each writer.
    """

    gap: Gap
    written: tuple[Writing, ...]

    def __getitem__(self, writer: Writer) -> Writing:
        for one in self.written:
            if one.writer == writer:
                return one
        known = ", ".join(one.writer for one in self.written)
        raise MlmVizError(say("writing.no_writer", name=writer, known=known))

    def __repr__(self) -> str:
        return f"Writings({self.gap.left!r}: {', '.join(one.writer for one in self.written)})"

    @property
    def language(self) -> str:
        """Chinese ("zh") if the prompt has a Chinese character, else "en"."""
        return "zh" if is_cjk(self.gap.left + self.gap.right) else "en"

    def to_frame(self) -> pd.DataFrame:
        """One row a writer: writer, model, text, words, ended, bits of each judge, distinct, repetition.

        `causal_bits` and `masked_bits` are per character, `..._bits_per_token` per token of the judge.
        """
        import pandas as pd

        rows = []
        for one in self.written:
            row = {"writer": one.writer, "model": one.model, "text": one.text.strip(), "words": len(one.words)}
            row |= {"ended": one.ended}
            for judge in JUDGES:
                found = one.judged.get(judge)
                row[f"{judge}_bits"] = np.nan if found is None else found.per_character
                row[f"{judge}_bits_per_token"] = np.nan if found is None else found.per_token
            rows.append(row | {measure: one.value(measure) for measure in ("distinct", "repetition")})
        return pd.DataFrame(rows)


@dataclass(frozen=True, eq=False)
class WritingTest:
    """Many texts, gone on with by several writers, and how that is judged on average.

    Attributes:
        runs: one for each prompt.
        seed: of the drawing for the intervals.
    """

    runs: tuple[Writings, ...]
    seed: int = 0

    def __repr__(self) -> str:
        return f"WritingTest({len(self.runs)} prompts: {', '.join(self.writers)})"

    @property
    def writers(self) -> tuple[Writer, ...]:
        """Who wrote, in the order of `WRITERS`."""
        there = {one.writer for run in self.runs for one in run.written}
        return tuple(writer for writer in WRITERS if writer in there)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of the prompts: characters of one say more than those of the other, so they stand apart."""
        there = {run.language for run in self.runs}
        return tuple(language for language in _LANGUAGES if language in there)

    def values(self, writer: Writer, measure: Measure, language: str | None = None) -> Floats64:
        """(prompts,) one number for each prompt of a language, or of all; NaN where there is none."""
        runs = [run for run in self.runs if language in (None, run.language)]
        return np.array([run[writer].value(measure) for run in runs], dtype=np.float64)

    def estimate(self, writer: Writer, measure: Measure, language: str | None = None) -> Estimate:
        """The mean over prompts with its 95 % interval, from drawing prompts again and again."""
        asked = (writer, measure, language)
        if asked not in self._found:
            self._found[asked] = _mean(self.values(*asked), self.seed)
        return self._found[asked]

    @cached_property
    def _found(self) -> dict[tuple[Writer, Measure, str | None], Estimate]:
        """What was drawn already."""
        return {}

    def difference(
        self, writer: Writer, other: Writer = "human", measure: Measure = "causal", language: str | None = None
    ) -> Estimate:
        """By how much a writer's number is larger than another's, on the same prompts: mean and 95 % interval.

        Raises:
            MlmVizError: if one of them wrote nothing; names those who did.
        """
        numbers = [self.values(one, measure, language) for one in (writer, other)]
        return _mean(numbers[0] - numbers[1], self.seed)

    def to_frame(self) -> pd.DataFrame:
        """One row a language, writer and measure: language, writer, measure, own, value, low, high, prompts.

        `own` is True where the judge is the writer; prompts are those of which there is a number.
        """
        import pandas as pd

        rows = []
        for language in self.languages:
            for writer in self.writers:
                own = next(run[writer].own for run in self.runs)
                for measure in MEASURES:
                    known = int(np.isfinite(self.values(writer, measure, language)).sum())
                    found = self.estimate(writer, measure, language)
                    row = {"language": language, "writer": writer, "measure": measure, "own": own == measure}
                    rows.append(row | {"value": found.value, "low": found.low, "high": found.high, "prompts": known})
        return pd.DataFrame(rows)


def split(text: str) -> tuple[str, ...]:
    """The words of a text, each Chinese character and mark alone, capitals made small."""
    return tuple(text[begin:end].casefold() for begin, end in words_of(text))


def longest_repetition(before: Sequence[str], written: Sequence[str]) -> int:
    """How many words of `written` in a row stood in the same order before, in `before` or in what was written.

    Both may overlap: of "the the the" two words stood there before.
    """
    words = [*before, *written]
    first, longest = len(before), 0
    same = np.zeros(len(words), dtype=np.int64)  # [j]: so many words up to the current one stand up to j as well
    for place in range(first, len(words)):
        alike = np.array([word == words[place] for word in words[:place]], dtype=np.bool_)
        run = np.zeros_like(same)
        run[:place] = np.where(alike, np.concatenate([[0], same[: place - 1]])[:place] + 1, 0)
        same = run
        longest = max(longest, int(run.max()))
    return longest


def _mean(values: Floats64, seed: int) -> Estimate:
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return Estimate(float(known[0]) if len(known) else np.nan, np.nan, np.nan)
    return grouped_mean(known, np.arange(len(known)), seed=seed)
