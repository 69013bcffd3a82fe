"""How well models of several kinds guess the words of sentences: frozen records of numpy arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from mlm_viz.comparison import Side
from mlm_viz.gaps import Gap
from mlm_viz.intervals import Estimate, grouped_mean
from mlm_viz.results import Floats64
from mlm_viz.strings import say
from mlm_viz.tokens import Flags, Ids

if TYPE_CHECKING:
    import pandas as pd

Place = Literal["first", "middle", "last"]
Measure = Literal["accuracy", "bits"]
Panel = tuple[str, Place]

PLACES: tuple[Place, ...] = get_args(Place)
MEASURES: tuple[Measure, ...] = get_args(Measure)
# What is subtracted from what unless it is said: the same words, with both sides and with the left one alone.
DIFFERENCE: tuple[Side, Side] = ("masked", "causal")


@dataclass(frozen=True)
class AskedWord:
    """One word that is asked for.

    Attributes:
        gap: the sentence with the word taken out.
        language: of the sentence.
        place: "first", "middle" or "last": behind the last word stands nothing but punctuation.
        sentence: number of the sentence, over all languages.
    """

    gap: Gap
    language: str
    place: Place
    sentence: int


@dataclass(frozen=True, eq=False)
class WordTest:
    """Words of whole sentences, each left out in turn, asked of models of several kinds.

    Attributes:
        sides: (sides,) the models: with both sides, blinded to the right, left to right, span.
        models: (sides,) their names.
        words: what was asked for, of every model the same.
        left_out: words that one of the vocabularies cannot spell; asked of none.
        log2_probs: (sides, words) log2 of the probability of the whole word, by the chain rule over its pieces.
        hits: (sides, words) True where the word was the best guess: all its pieces, each given those before.
        pieces: (sides, words) tokens that the word has for the model.
        resamples: how often the sentences are drawn for an interval.
        seed: of that drawing.
    """

    sides: tuple[Side, ...]
    models: tuple[str, ...]
    words: tuple[AskedWord, ...]
    left_out: tuple[AskedWord, ...]
    log2_probs: Floats64
    hits: Flags
    pieces: Ids
    resamples: int = 2000
    seed: int = 0

    def __repr__(self) -> str:
        shares = ", ".join(f"{side} {hits.mean():.1%}" for side, hits in zip(self.sides, self.hits, strict=True))
        return f"WordTest({len(self.words):,} words: {shares})"

    @cached_property
    def panels(self) -> tuple[Panel, ...]:
        """(language, place) of what was asked, languages as they were given, places as they stand in a sentence."""
        found = {(word.language, word.place) for word in self.words}
        languages = dict.fromkeys(word.language for word in self.words)
        return tuple((language, place) for language in languages for place in PLACES if (language, place) in found)

    @cached_property
    def sentences(self) -> Ids:
        """(words,) number of the sentence of each."""
        return np.array([word.sentence for word in self.words], dtype=np.int64)

    def at(self, panel: Panel) -> Ids:
        """Numbers of the words of a language at a place."""
        found = [number for number, word in enumerate(self.words) if (word.language, word.place) == panel]
        return np.array(found, dtype=np.int64)

    def estimate(self, measure: Measure, panel: Panel, side: Side, minus: Side | None = None) -> Estimate:
        """Accuracy in [0, 1] or bits per word, with the 95 % interval from drawing the sentences again.

        Args:
            measure: "accuracy" or "bits".
            panel: language and place.
            side: which model.
            minus: a model whose value is taken off, word by word. Two intervals that overlap do not say that two models
                are alike: both had the same words, and the interval of the difference knows that.
        """
        key = (measure, panel, side, minus)
        if key not in self._found:
            chosen = self.at(panel)
            values = self._values(measure, side)[chosen]
            if minus is not None:
                values = values - self._values(measure, minus)[chosen]
            drawing = {"resamples": self.resamples, "seed": self.seed}
            self._found[key] = grouped_mean(values, self.sentences[chosen], **drawing)
        return self._found[key]

    @cached_property
    def _found(self) -> dict[tuple[object, ...], Estimate]:
        """What was drawn already."""
        return {}

    def _values(self, measure: Measure, side: Side) -> Floats64:
        row = self.sides.index(side)
        return np.asarray(self.hits[row] if measure == "accuracy" else 0.0 - self.log2_probs[row], dtype=np.float64)

    # --- tables -----------------------------------------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """One row a language, place and side.

        Columns: language, place, side, model, words, sentences, pieces (mean a word), accuracy, accuracy_low,
        accuracy_high, bits, bits_low, bits_high.
        """
        import pandas as pd

        rows = []
        for panel in self.panels:
            chosen = self.at(panel)
            counts = {"words": len(chosen), "sentences": len(np.unique(self.sentences[chosen]))}
            for side, model, pieces in zip(self.sides, self.models, self.pieces, strict=True):
                row: dict[str, object] = {"language": panel[0], "place": panel[1], "side": side, "model": model}
                row |= counts | {"pieces": float(pieces[chosen].mean())}
                rows.append(row | self._columns(panel, side))
        return pd.DataFrame(rows)

    def differences(self, side: Side = DIFFERENCE[0], other: Side = DIFFERENCE[1]) -> pd.DataFrame:
        """One row a language and place: what `side` has more than `other` on the same words.

        Columns: language, place, side, minus, words, accuracy, accuracy_low, accuracy_high, bits, bits_low, bits_high.
        Where an interval does not hold 0, the words tell the two models apart.
        """
        import pandas as pd

        return pd.DataFrame(
            {"language": panel[0], "place": panel[1], "side": side, "minus": other, "words": len(self.at(panel))}
            | self._columns(panel, side, other)
            for panel in self.panels
        )

    def _columns(self, panel: Panel, side: Side, minus: Side | None = None) -> dict[str, float]:
        columns: dict[str, float] = {}
        for measure in MEASURES:
            found = self.estimate(measure, panel, side, minus)
            columns |= {measure: found.value, f"{measure}_low": found.low, f"{measure}_high": found.high}
        return columns

    def words_to_frame(self) -> pd.DataFrame:
        """One row a word and side: language, place, sentence, text (with a gap), word, side, pieces, bits, hit."""
        import pandas as pd

        return pd.DataFrame(
            {
                "language": word.language,
                "place": word.place,
                "sentence": word.sentence,
                "text": f"{word.gap.left}____{word.gap.right}",
                "word": word.gap.word,
                "side": side,
                "pieces": int(self.pieces[row, number]),
                "bits": 0.0 - float(self.log2_probs[row, number]),
                "hit": bool(self.hits[row, number]),
            }
            for number, word in enumerate(self.words)
            for row, side in enumerate(self.sides)
        )

    def table(self, measure: Measure = "accuracy") -> pd.DataFrame:
        """For people: one row a language and place, one column a model, and the difference of the first two questions.

        Each cell is the value and, in brackets, its 95 % interval.
        """
        import pandas as pd

        rows = {}
        for panel in self.panels:
            row: dict[str, object] = {say("word_test.words"): len(self.at(panel))}
            for side in self.sides:
                found = self.estimate(measure, panel, side)
                row[say(f"side.{side}")] = say(f"word_test.cell.{measure}", **vars(found))
            if set(DIFFERENCE) <= set(self.sides):
                found = self.estimate(measure, panel, *DIFFERENCE)
                row[say("word_test.difference")] = say(f"word_test.difference.{measure}", **vars(found))
            rows[panel_name(panel)] = row
        return pd.DataFrame.from_dict(rows, orient="index")


def panel_name(panel: Panel) -> str:
    """Language and place, for people."""
    language, place = panel
    known = {code: say(f"word_test.language.{code}") for code in ("en", "zh")}
    named = known.get(language, language)
    return say("word_test.panel", language=named, place=say(f"word_test.place.{place}"))
