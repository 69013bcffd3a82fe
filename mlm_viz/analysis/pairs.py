"""Two sentences that differ little: where they differ, and which the model finds better."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np

from mlm_viz.analysis.prediction import ModelLike, prepare
from mlm_viz.analysis.scoring import scores_in_parts
from mlm_viz.errors import TextError
from mlm_viz.loading import load
from mlm_viz.pairs import MinimalPair, Stretch, WithinWord
from mlm_viz.strings import say
from mlm_viz.tokens import Sentence


def minimal_pair(
    text_a: str, text_b: str, model: ModelLike = None, *, within_word: WithinWord = "original"
) -> MinimalPair:
    """Align two sentences, such as one that is grammatical and one that is not, and score both.

    Args:
        text_a: a sentence.
        text_b: another.
        model: a loaded model, or anything `load` takes.
        within_word: as for `pseudo_log_likelihood`; it matters where a word has several pieces.

    Raises:
        TextError: if both are the same, one has nothing to mask, or is longer than the model's limit.
        ModelError: if the model cannot be loaded or cannot predict.

    Source: A. Warstadt et al., "BLiMP: The Benchmark of Linguistic Minimal Pairs for English" (2020).
    """
    model = load(model)
    a, b = (prepare(text, model)[0] for text in (text_a, text_b))
    stretches = align(a, b)
    *_, (score_a, score_b) = scores_in_parts(model, [a, b], within_word)
    assert score_a is not None  # noqa: S101 (the last ones are complete)
    assert score_b is not None  # noqa: S101
    return MinimalPair(score_a, score_b, stretches)


def align(a: Sentence, b: Sentence) -> tuple[Stretch, ...]:
    """The words of two sentences beside each other (difflib's longest matching blocks), special tokens left out.

    Raises:
        TextError: if both sentences are the same, token for token.
    """
    if a.ids.tolist() == b.ids.tolist():
        raise TextError(say("pair.same"))
    words_a, words_b = _words(a), _words(b)
    matcher = SequenceMatcher(a=_spelled(a, words_a), b=_spelled(b, words_b), autojunk=False)
    return tuple(
        Stretch(_flat(words_a[a0:a1]), _flat(words_b[b0:b1]), kind == "equal")
        for kind, a0, a1, b0, b1 in matcher.get_opcodes()
    )


def _words(sentence: Sentence) -> list[list[int]]:
    """Positions of each word in reading order, typed blanks among them."""
    words: dict[int, list[int]] = {}
    for position in np.flatnonzero(~sentence.special):
        words.setdefault(int(sentence.words[position]), []).append(int(position))
    return list(words.values())


def _spelled(sentence: Sentence, words: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """The ids of each word."""
    return [tuple(sentence.ids[list(word)].tolist()) for word in words]


def _flat(words: Sequence[Sequence[int]]) -> tuple[int, ...]:
    return tuple(position for word in words for position in word)
