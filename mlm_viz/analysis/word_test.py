"""The words of sentences, each left out in turn: how often, and with how many bits, do models of each kind know it?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from mlm_viz.analysis.compare import Sources, readers_for
from mlm_viz.errors import TextError, WordError
from mlm_viz.examples import sentences as bundled_sentences
from mlm_viz.gaps import Gap, words_of
from mlm_viz.readers import Reader, Scores
from mlm_viz.strings import say
from mlm_viz.tokens import clean_text, write_blanks
from mlm_viz.word_tests import PLACES, AskedWord, Place, WordTest, panel_name

LANGUAGES = ("en", "zh")
Texts = Mapping[str, Sequence[str]] | Sequence[str]
_WORDS_A_PART = 512
_LEAST = 2  # sentences, to draw from
_FIELDS = ("log2_probs", "hits", "pieces")


def word_test(
    sentences: Texts | None = None,
    models: Sources | None = None,
    *,
    places: Sequence[Place] = ("middle", "last"),
    sample: int | None = None,
    seed: int = 0,
    resamples: int = 2000,
    progress: bool = True,
) -> WordTest:
    """Ask a masked model, the same one blinded to the right, a causal and a span model for every word of sentences.

    A word counts as guessed when it is the best guess: all its pieces, each given those before. Bits are -log2 of its
    probability, by the chain rule over its pieces. Marks of punctuation are read but not asked for.

    What is not alike: the masked model, blinded or not, is told of how many pieces the word is, for that many masks
    stand in the gap; the causal and the span model are not, and share out their probability over words of any length.
    And behind the last word the masked and the span model still see the mark that ends the sentence; the blinded and
    the causal one do not even know that it ends there.

    Args:
        sentences: whole sentences that no model was trained on, or such by language; two of each language at least. By
            default those of `examples.sentences`, which were written by hand for this project.
        models: other models than the bundled twins, by column, as for `compare`.
        places: which words: "first", "middle" (neither first nor last) and "last" (nothing but punctuation behind it).
        sample: ask for the words of so many sentences of each language only.
        seed: of that choice and of the drawing for the intervals.
        resamples: how often the sentences are drawn again for an interval.
        progress: show a bar when it takes longer than a second.

    Raises:
        TextError: if there are not two sentences, nothing to ask for at a place, a blank in a sentence, or no such
            place; or a sentence is too long for a model.
        ModelError: if there is no such model or column, or a model of the wrong kind in a column.
    """
    if not places or not set(places) <= set(PLACES):
        raise TextError(say("word_test.error.places", given=", ".join(places), known=", ".join(PLACES)))
    readers = readers_for(models)
    texts = _sampled(_by_language(sentences), sample, seed)
    known, left_out = _spelled([word for word in asked_words(texts) if word.place in places], readers.values())
    _check(known, list(texts), places)
    gaps = [word.gap for word in known]
    total = len(readers) * len(gaps)
    with tqdm(total=total, delay=1, disable=not progress, desc=say("word_test.progress"), leave=False) as bar:
        found = [_scores(reader, gaps, bar, right=side != "blinded") for side, reader in readers.items()]
    names = tuple(reader.name for reader in readers.values())
    log2_probs, hits, pieces = (np.stack([getattr(one, name) for one in found]) for name in _FIELDS)
    return WordTest(tuple(readers), names, tuple(known), tuple(left_out), log2_probs, hits, pieces, resamples, seed)


def asked_words(texts: Mapping[str, Sequence[str]]) -> list[AskedWord]:
    """Every word of sentences by language, in their order; punctuation is none."""
    words: list[AskedWord] = []
    numbered = enumerate((language, text) for language, listed in texts.items() for text in listed)
    for number, (language, text) in numbered:
        spans = [(begin, end) for begin, end in words_of(text) if any(map(str.isalnum, text[begin:end]))]
        for index, (begin, end) in enumerate(spans):
            place: Place = "first" if index == 0 else "last" if index == len(spans) - 1 else "middle"
            gap = Gap(text[:begin], text[end:], text[begin:end])
            words.append(AskedWord(gap, language, place, number))
    return words


def _by_language(sentences: Texts | None) -> dict[str, list[str]]:
    if sentences is None:
        return {language: bundled_sentences(language) for language in LANGUAGES}
    if isinstance(sentences, str):
        raise TextError(say("word_test.error.string"))
    texts = sentences if isinstance(sentences, Mapping) else {"own": sentences}
    cleaned = {language: [clean_text(text) for text in listed] for language, listed in texts.items()}
    blank = next((text for listed in cleaned.values() for text in listed if write_blanks(text, "\0") != text), None)
    if blank is not None:
        raise TextError(say("word_test.error.blank", text=blank))
    if not any(cleaned.values()):
        raise TextError(say("word_test.error.nothing"))
    return cleaned


def _sampled(texts: dict[str, list[str]], sample: int | None, seed: int) -> dict[str, list[str]]:
    if sample is None:
        return texts
    if sample < _LEAST:
        raise TextError(say("word_test.error.sample", sample=sample, least=_LEAST))
    rng = np.random.default_rng(seed)
    chosen = {name: rng.permutation(len(listed))[:sample] for name, listed in texts.items()}
    return {name: [listed[number] for number in sorted(chosen[name])] for name, listed in texts.items()}


def _spelled(words: Sequence[AskedWord], readers: Iterable[Reader]) -> tuple[list[AskedWord], list[AskedWord]]:
    """Those that every vocabulary can spell, and the others."""
    asked = set(readers)  # the blinded one is most often the masked one
    found: dict[tuple[str | None, str], bool] = {}  # how a word is spelled hangs on what stands right before it
    for word in words:
        key = (word.gap.word, word.gap.left[-1:])
        if key not in found:
            found[key] = all(_can_spell(reader, word.gap) for reader in asked)
    fine = [found[word.gap.word, word.gap.left[-1:]] for word in words]
    known = [word for word, spelled in zip(words, fine, strict=True) if spelled]
    return known, [word for word, spelled in zip(words, fine, strict=True) if not spelled]


def _can_spell(reader: Reader, gap: Gap) -> bool:
    try:
        reader.spell(gap)
    except WordError:
        return False
    return True


def _check(words: Sequence[AskedWord], languages: Sequence[str], places: Sequence[Place]) -> None:
    """Sentences are what is drawn for an interval, so there must be some to draw from."""
    for language in languages:
        for place in places:
            count = len({word.sentence for word in words if (word.language, word.place) == (language, place)})
            if count < _LEAST:
                panel = panel_name((language, place))
                raise TextError(say("word_test.error.few", panel=panel, count=count, least=_LEAST))


def _scores(reader: Reader, gaps: Sequence[Gap], bar: tqdm[Any], *, right: bool) -> Scores:
    """The scores of all gaps in their order; gaps of like length share a part, and so a pass."""
    order = sorted(range(len(gaps)), key=lambda number: len(gaps[number].text))
    parts = []
    for start in range(0, len(order), _WORDS_A_PART):
        part = order[start : start + _WORDS_A_PART]
        parts.append(reader.score([gaps[number] for number in part], right=right))
        bar.update(len(part))
    back = np.argsort(order)
    return Scores(*(np.concatenate([getattr(part, name) for part in parts])[back] for name in _FIELDS))
