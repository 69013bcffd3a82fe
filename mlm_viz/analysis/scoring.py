"""How surprising is each token, every one masked in turn; and the sum of it, the score of a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from tqdm.auto import tqdm

from mlm_viz import measures
from mlm_viz.analysis.prediction import ModelLike, in_batches, prepare
from mlm_viz.errors import TextError
from mlm_viz.loading import load
from mlm_viz.model import Model
from mlm_viz.pairs import WITHIN_WORD, PseudoLogLikelihood, WithinWord
from mlm_viz.results import Floats64, Sweep
from mlm_viz.strings import say
from mlm_viz.tokens import Ids, Sentence


def sweep(text: str, model: ModelLike = None, *, progress: bool = True) -> Sweep:
    """Mask every token of a text in turn, the others left standing, and ask for the one that was there.

    Args:
        text: any text; typed blanks stay blank throughout.
        model: a loaded model, or anything `load` takes.
        progress: show a bar when it takes longer than a second.

    Raises:
        TextError: if there is nothing to mask, or the text is longer than the model's limit.
        ModelError: if the model cannot be loaded or cannot predict.
    """
    model = load(model)
    sentence, _ = prepare(text, model)
    with tqdm(
        total=len(sentence.maskable), delay=1, disable=not progress, desc=say("sweep.progress"), leave=False
    ) as bar:
        for partial in sweep_in_parts(model, sentence):
            bar.update(len(partial.positions) - bar.n)
    return partial


def sweep_in_parts(model: Model, sentence: Sentence) -> Iterator[Sweep]:
    """The sweep of a prepared text as it grows, batch by batch; the last one is complete.

    Raises:
        TextError: if there is nothing to mask.
        ModelError: if the model cannot predict.
    """
    positions = np.array(sentence.maskable, dtype=np.int64)
    if not len(positions):
        raise TextError(say("error.nothing_to_sweep"))
    parts = []
    for chunk in in_batches(positions, len(sentence), len(model.vocabulary)):
        parts.append(_sweep_chunk(model, sentence, chunk))
        log2_probs, ranks, entropies, guesses = (np.concatenate(column) for column in zip(*parts, strict=True))
        done = positions[: len(log2_probs)]
        yield Sweep(sentence, done, log2_probs, ranks, entropies, guesses, model.vocabulary)


def _sweep_chunk(model: Model, sentence: Sentence, positions: Ids) -> tuple[np.ndarray, ...]:
    rows = np.repeat(sentence.ids[None], len(positions), axis=0)
    number = np.arange(len(positions))
    rows[number, positions] = model.vocabulary.mask_id or 0
    log2_probs = model.forward(rows, slots=np.stack([number, positions], axis=1)).log2_probs
    assert log2_probs is not None  # noqa: S101 (slots were asked for)
    own = log2_probs[number, sentence.ids[positions]]
    ranks = 1 + (log2_probs > own[:, None]).sum(axis=1)
    return own.astype(np.float64), ranks, measures.entropy(log2_probs), log2_probs.argmax(axis=1)


# --- sentences ----------------------------------------------------------------------------------------------------


@overload
def pseudo_log_likelihood(
    text: str, model: ModelLike = None, *, within_word: WithinWord = "original", progress: bool = True
) -> PseudoLogLikelihood: ...
@overload
def pseudo_log_likelihood(
    text: list[str] | tuple[str, ...],
    model: ModelLike = None,
    *,
    within_word: WithinWord = "original",
    progress: bool = True,
) -> list[PseudoLogLikelihood]: ...
def pseudo_log_likelihood(
    text: str | list[str] | tuple[str, ...],
    model: ModelLike = None,
    *,
    within_word: WithinWord = "original",
    progress: bool = True,
) -> PseudoLogLikelihood | list[PseudoLogLikelihood]:
    """The sum over the tokens of a sentence of log2 p(token | all others), each masked in turn.

    It is no log of a probability of the sentence, for it is not the product of a chain rule: use it to compare
    sentences, not to sum over them. Within a word of several pieces the other pieces all but give a token away, so that
    long rare words look likely; "left_to_right" masks the later pieces of the same word along with it.

    Args:
        text: a sentence, or several, which share passes where they have the same number of tokens.
        model: a loaded model, or anything `load` takes.
        within_word: "original" or "left_to_right". Words are those of `Sentence.words`: each Chinese character and
            each mark of punctuation is one.
        progress: show a bar when it takes longer than a second.

    Raises:
        TextError: if a text has nothing to mask or is longer than the model's limit, or `within_word` is neither.
        ModelError: if the model cannot be loaded or cannot predict.

    Source: J. Salazar et al., "Masked Language Model Scoring" (2020); C. Kauf and A. Ivanova, "A Better Way to Do
    Masked Language Model Scoring" (2023) for the way within words.
    """
    model = load(model)
    sentences = [prepare(one, model)[0] for one in ([text] if isinstance(text, str) else text)]
    scores: list[PseudoLogLikelihood | None] = []
    with tqdm(total=len(sentences), delay=1, disable=not progress, desc=say("score.progress"), leave=False) as bar:
        for scores in scores_in_parts(model, sentences, within_word):
            bar.update(sum(score is not None for score in scores) - bar.n)
    complete = [score for score in scores if score is not None]
    return complete[0] if isinstance(text, str) else complete


def scores_in_parts(
    model: Model, sentences: Sequence[Sentence], within_word: WithinWord = "original"
) -> Iterator[list[PseudoLogLikelihood | None]]:
    """The scores of prepared sentences, batch by batch: None for those still to come; at last all are there.

    Raises:
        TextError: if there is nothing to mask in a sentence, or `within_word` is no way of scoring.
        ModelError: if the model cannot predict.
    """
    if within_word not in WITHIN_WORD:
        raise TextError(say("score.within_word", given=within_word, allowed=", ".join(WITHIN_WORD)))
    for sentence in sentences:
        if not sentence.maskable:
            raise TextError(say("error.nothing_to_sweep"))
    found: list[list[float]] = [[] for _ in sentences]
    scores: list[PseudoLogLikelihood | None] = [None] * len(sentences)
    for jobs in _jobs(sentences, len(model.vocabulary)):
        for number, log2_prob in zip(jobs[:, 0], _own_log2_probs(model, sentences, jobs, within_word), strict=True):
            found[number].append(log2_prob)
            positions = np.array(sentences[number].maskable, dtype=np.int64)
            if len(found[number]) == len(positions):
                scores[number] = PseudoLogLikelihood(sentences[number], positions, np.array(found[number]), within_word)
        yield list(scores)


def _jobs(sentences: Sequence[Sentence], vocabulary: int) -> Iterator[Ids]:
    """(jobs, 2) numbers of sentences and positions, those of one pass at a time: all of equally long sentences."""
    lengths = [len(sentence) for sentence in sentences]
    for length in sorted(set(lengths), reverse=True):
        jobs = [(n, p) for n, sentence in enumerate(sentences) if lengths[n] == length for p in sentence.maskable]
        yield from in_batches(np.array(jobs, dtype=np.int64), length, vocabulary)


def _own_log2_probs(model: Model, sentences: Sequence[Sentence], jobs: Ids, within_word: WithinWord) -> Floats64:
    """(jobs,) log2 p of the token that each job masks."""
    rows = np.stack([sentences[number].ids for number, _ in jobs])
    places = np.stack([np.arange(len(jobs)), jobs[:, 1]], axis=1)
    own = rows[places[:, 0], places[:, 1]]
    for row, (number, position) in zip(rows, jobs, strict=True):
        row[_masked_with(sentences[number], int(position), within_word)] = model.vocabulary.mask_id or 0
    log2_probs = model.forward(rows, slots=places).log2_probs
    assert log2_probs is not None  # noqa: S101 (slots were asked for)
    return np.asarray(log2_probs[places[:, 0], own], dtype=np.float64)


def _masked_with(sentence: Sentence, position: int, within_word: WithinWord) -> list[int]:
    """What is masked when the token at `position` is to be guessed."""
    if within_word == "original":
        return [position]
    return [other for other in sentence.word_at(position) if other >= position]
