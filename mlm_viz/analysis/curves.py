"""How accuracy falls as more of a text is masked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest
from tqdm.auto import tqdm

from mlm_viz.analysis.prediction import ModelLike, look_many, prepare
from mlm_viz.errors import TextError
from mlm_viz.loading import load
from mlm_viz.masking import Masking, mask_random
from mlm_viz.model import Model
from mlm_viz.results import AccuracyCurve, Floats64, Prediction
from mlm_viz.strings import say
from mlm_viz.tokens import Ids, Sentence

RATES = (0.1, 0.15, 0.3, 0.5, 0.75, 1.0)
_ALL_MASKED = (1.0, 0.0, 0.0)
# Distributions over the vocabulary are large and only two numbers of each are kept: so many probabilities at once.
_PROBABILITIES_AT_ONCE = 16_000_000


def accuracy_by_rate(
    texts: Sequence[str],
    model: ModelLike = None,
    rates: Sequence[float] = RATES,
    *,
    seed: int = 0,
    top: int = 1,
    name: str = "",
    progress: bool = True,
) -> AccuracyCurve:
    """Mask a share of the tokens of every text, all with the mask token, and count how many are guessed.

    Args:
        texts: whole texts; blanks typed in them are masked too, but not counted, as nobody knows what stood there.
        model: a loaded model, or anything `load` takes.
        rates: shares of the tokens to mask, each in (0, 1]; in every text at least one token is masked.
        seed: of the choice of tokens; the same seed gives the same curve.
        top: a token counts as guessed when it is among the `top` most probable.
        name: what a legend calls the curve.
        progress: show a bar when it takes longer than a second.

    Raises:
        TextError: if there is no text or no rate, a single text in place of a list, or a rate or a text is out of
            range.
        ModelError: if the model cannot be loaded or cannot predict.

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (1927), the interval.
    """
    if top < 1:
        raise TextError(say("curve.error.top", top=top))
    if isinstance(texts, str):
        raise TextError(say("error.one_text", given=texts))
    model = load(model)
    # Neighbours of like length share a pass.
    sentences = sorted((prepare(text, model)[0] for text in texts), key=len)
    total = sum(len(sentence.maskable) for sentence in sentences)
    if not total or not len(rates):
        raise TextError(say("curve.error.nothing"))
    points = []
    with tqdm(
        total=len(rates) * len(sentences), delay=1, disable=not progress, desc=say("curve.progress"), leave=False
    ) as bar:
        for rate, number in zip(rates, np.random.SeedSequence(seed).generate_state(len(rates)), strict=True):
            maskings = _mask_all(sentences, model, rate, int(number))
            ranks, bits = _scores(_in_parts(model, sentences, maskings, bar))
            points.append(_point(ranks <= top, bits, total))
    shares, accuracy, low, high, mean_bits, count = (np.array(column) for column in zip(*points, strict=True))
    return AccuracyCurve(np.array(rates, dtype=np.float64), shares, accuracy, low, high, mean_bits, count, top, name)


def _mask_all(sentences: Sequence[Sentence], model: Model, rate: float, seed: int) -> list[Masking]:
    seeds = np.random.default_rng(seed).integers(2**32, size=len(sentences))
    return [
        mask_random(sentence, model.vocabulary, rate=rate, split=_ALL_MASKED, seed=int(own))
        for sentence, own in zip(sentences, seeds, strict=True)
    ]


def _in_parts(
    model: Model, sentences: Sequence[Sentence], maskings: Sequence[Masking], bar: tqdm[Any]
) -> Iterator[Prediction]:
    prepared = list(zip(sentences, maskings, strict=True))
    size = max(1, _PROBABILITIES_AT_ONCE // (len(sentences[-1]) * len(model.vocabulary)))
    for start in range(0, len(prepared), size):
        part = prepared[start : start + size]
        yield from look_many(model, part)
        bar.update(len(part))


def _scores(predictions: Iterator[Prediction]) -> tuple[Ids, Floats64]:
    """(masked,) rank and surprisal of every masked token whose original is known."""
    pairs = [_own_scores(prediction) for prediction in predictions]
    ranks, bits = zip(*pairs, strict=True)
    return np.concatenate(ranks), np.concatenate(bits)


def _own_scores(prediction: Prediction) -> tuple[Ids, npt.NDArray[np.float32]]:
    positions = np.array(prediction.positions)
    known = ~prediction.sentence.blank[positions]
    log2_probs = prediction.log2_probs[known]
    own = np.take_along_axis(log2_probs, prediction.sentence.ids[positions[known], None], axis=1)
    return 1 + (log2_probs > own).sum(axis=1), -own[:, 0]


def _point(hits: npt.NDArray[np.bool_], bits: Floats64, total: int) -> tuple[float, ...]:
    count = len(hits)
    interval = binomtest(int(hits.sum()), count).proportion_ci(confidence_level=0.95, method="wilson")
    return count / total, float(hits.mean()), interval.low, interval.high, float(bits.mean(dtype=np.float64)), count
