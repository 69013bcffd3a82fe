"""The same gap in two sentences: what becomes more probable, and what less."""

from __future__ import annotations

from mlm_viz.analysis.prediction import Masked, ModelLike, look_many, prepare
from mlm_viz.analysis.silencing import slot_position
from mlm_viz.loading import load
from mlm_viz.readings import Contrast
from mlm_viz.results import Prediction
from mlm_viz.steps import written

_GAP = "____"


def contrast(
    text_a: str,
    text_b: str,
    model: ModelLike = None,
    *,
    masked: tuple[Masked, Masked] = ((), ()),
    slots: tuple[int | None, int | None] = (None, None),
) -> Contrast:
    """Every word of the vocabulary in sentence A against the same word in sentence B.

    A difference is one of this model, for these two sentences, at this one gap. It follows what stood in the texts that
    the model learned from; it is neither a fact about the world nor, from a single pair, a measure of bias: change a
    word that should not matter, and see how much moves. See `Contrast.caution`.

    Args:
        text_a: a text with a blank, such as "He works as a ____."
        text_b: another, such as "She works as a ____."
        model: a loaded model, or anything `load` takes.
        masked: for each text as for `predict`.
        slots: for each text the number of the slot in reading order, from 0; may be left out when there is only one.

    Raises:
        TextError: if a text has no slot, or is longer than the model's limit.
        WordError: if there is no such slot, or a text has several and none was named.
        ModelError: if the model cannot be loaded or cannot predict.
    """
    model = load(model)
    prepared = [prepare(text, model, which) for text, which in zip((text_a, text_b), masked, strict=True)]
    places = [slot_position(model, masking, slot) for (_, masking), slot in zip(prepared, slots, strict=True)]
    a, b = look_many(model, prepared)
    texts = (_with_gap(a, places[0]), _with_gap(b, places[1]))
    return Contrast(texts, a.at(places[0]), b.at(places[1]))


def _with_gap(prediction: Prediction, position: int) -> str:
    """The text as it was read, with a gap at `position`."""
    standing = prediction.masking.apply(prediction.sentence.ids)
    labels = [prediction.vocabulary.labels[i] for i in standing]
    labels[position] = _GAP
    return "".join(written(labels, prediction.sentence))
