"""What one pass costs: a word guessed, a whole text scored, by models of each kind, in CPU time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tqdm.auto import tqdm

from mlm_viz.analysis.compare import Sources, readers_for
from mlm_viz.analysis.word_test import asked_words
from mlm_viz.comparison import Side
from mlm_viz.errors import TextError
from mlm_viz.examples import sentences
from mlm_viz.gaps import Gap
from mlm_viz.readers import Reader
from mlm_viz.readers.causal import CausalReader
from mlm_viz.readers.span import SpanReader
from mlm_viz.readers.writing import continue_from, fill_gap
from mlm_viz.results import Floats64
from mlm_viz.strings import say
from mlm_viz.timings import PassTimes, Task, Timing

_WRITTEN = 8  # tokens
_SENTENCES = 3  # of the bundled ones, one after the other: some thirty words
_SIDES: tuple[Side, ...] = ("masked", "causal", "span")  # the blinded one is the masked one


def pass_times(
    text: str | None = None, models: Sources | None = None, *, repeats: int = 9, progress: bool = True
) -> PassTimes:
    """What a masked, a left-to-right and a span model cost on the same text.

    To guess one word each reads the text once; here it is the last word, so that none is spared anything. To score
    every word the left-to-right model still reads it once, for it guesses every next token at the same time; the masked
    and the span model read it once for every word (and the masked one once for every piece of a word). To write, the
    left-to-right model reads the text once and then only what it wrote last, for it keeps what it made of the rest, and
    so does the span model with what it writes; the masked model reads the whole text again for every token.

    It is CPU time of the process, all its threads together, so that other programs do not count; tokenizing and
    adding up are in it. The models take turns, and the first turn, in which caches fill, does not count.

    Args:
        text: of two words at least; some sentences of `examples.sentences` by default.
        models: other models than the bundled twins, by column, as for `compare`.
        repeats: how often each task is done.
        progress: show a bar when it takes longer than a second.

    Raises:
        TextError: if the text has not two words or is too long for a model, or `repeats` is less than 1.
        WordError: if a vocabulary cannot spell a word.
        ModelError: if there is no such model or column, or a model of the wrong kind in a column.
    """
    if repeats < 1:
        raise TextError(say("pass_times.error.repeats", repeats=repeats))
    text = (" ".join(sentences("en")[:_SENTENCES]) if text is None else text).strip()
    gaps = [word.gap for word in asked_words({"": [text]})]
    if len(gaps) < 2:
        raise TextError(say("pass_times.error.short", text=text))
    readers = readers_for(models)
    jobs = [job for side in _SIDES for job in _jobs(side, readers[side], text, gaps)]
    seconds = np.empty((repeats, len(jobs)))
    rounds = range(-1, repeats)  # the first one is thrown away
    for number in tqdm(rounds, delay=1, disable=not progress, desc=say("pass_times.progress"), leave=False):
        seconds[max(number, 0)] = [_seconds(job) for job in jobs]
    return PassTimes(text, len(gaps), tuple(_timing(job, seconds[:, at]) for at, job in enumerate(jobs)))


@dataclass(frozen=True)
class _Job:
    """One task of one model; `words` and `inputs` as in `Timing`."""

    task: Task
    side: Side
    reader: Reader
    words: int
    inputs: int
    run: Callable[[], object]


def _jobs(side: Side, reader: Reader, text: str, gaps: list[Gap]) -> list[_Job]:
    # The whole text as one long word: its pieces are guessed one after the other, in one pass.
    every = [Gap("", "", text)] if side == "causal" else gaps
    jobs: list[tuple[Task, int, int, Callable[[], object]]] = [
        ("guess", 1, _inputs(reader, gaps[-1:]), lambda: reader.score(gaps[-1:])),
        ("score", len(gaps), _inputs(reader, every), lambda: reader.score(every)),
        ("write", _WRITTEN, _WRITTEN, lambda: _write(reader, text)),
    ]
    return [_Job(task, side, reader, words, inputs, run) for task, words, inputs, run in jobs]


def _inputs(reader: Reader, gaps: list[Gap]) -> int:
    """A masked model reads a word of several pieces once for each."""
    return sum(len(reader.spell(gap)) for gap in gaps) if reader.kind == "masked" else len(gaps)


def _write(reader: Reader, text: str) -> object:
    """Some tokens behind a text; the end token is put off, so that it is always as many."""
    behind = Gap(text + " ", "")
    if isinstance(reader, CausalReader):
        return list(continue_from(reader, text, tokens=_WRITTEN, least=_WRITTEN))
    if isinstance(reader, SpanReader):
        return list(fill_gap(reader, behind, tokens=_WRITTEN, least=_WRITTEN))
    return [reader.read(behind) for _ in range(_WRITTEN)]


def _seconds(job: _Job) -> float:
    begin = time.process_time()
    job.run()
    return time.process_time() - begin


def _timing(job: _Job, seconds: Floats64) -> Timing:
    return Timing(job.side, job.reader.name, job.reader.parameters, job.task, job.words, job.inputs, seconds)
