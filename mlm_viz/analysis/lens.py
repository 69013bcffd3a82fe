"""What a slot would be filled with if the network stopped after a layer: the logit lens."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mlm_viz.analysis.prediction import Masked, ModelLike, prepare
from mlm_viz.analysis.silencing import slot_position, target_token
from mlm_viz.loading import load
from mlm_viz.masking import Masking
from mlm_viz.model import Model
from mlm_viz.readings import Lens
from mlm_viz.tokens import Sentence


def lens(
    text: str,
    model: ModelLike = None,
    masked: Masked = (),
    slot: int | None = None,
    *,
    words: Iterable[str] = (),
) -> Lens:
    """Read a slot out after every layer through the model's own head for masked tokens.

    The head, and the normalisation before it where the family has one, was trained on what the last layer leaves
    behind and on nothing else. That an early layer reads as nonsense therefore does not mean that it knows nothing: it
    may say the same in terms that the head cannot read. And a sharp early guess is what the head makes of the layer,
    not what the layer "thinks". Tuned lenses train a translator for each layer to lessen this; here nothing is trained.

    Args:
        text: a text with blanks.
        model: a loaded model, or anything `load` takes.
        masked: as for `predict`.
        slot: number of the slot in reading order, from 0; may be left out when there is only one.
        words: to be followed through the layers besides the best guess and the original; each a single token.

    Raises:
        TextError: if there is no slot, or the text is longer than the model's limit.
        WordError: if there is no such slot, or a word is not a single token of the vocabulary.
        ModelError: if the model cannot be loaded or cannot predict.

    Source: nostalgebraist, "interpreting GPT: the logit lens" (2020); N. Belrose et al., "Eliciting Latent Predictions
    from Transformers with the Tuned Lens" (2023).
    """
    model = load(model)
    sentence, masking = prepare(text, model, masked)
    position = slot_position(model, masking, slot)
    chosen = [target_token(model, sentence, masking, position, word) for word in words]
    return look_through(model, sentence, masking, position, chosen)


def look_through(
    model: Model, sentence: Sentence, masking: Masking, position: int, followed: Iterable[int] = ()
) -> Lens:
    """The lens of a prepared text at the slot at `position`; `followed` are ids. Two passes, the second without layers.

    Raises:
        ModelError: if the model cannot predict.
    """
    ids = masking.apply(sentence.ids)
    seen = model.forward(ids[None], slots=np.array([[0, position]]), hidden=True)
    assert seen.hidden is not None  # noqa: S101 (asked for)
    assert seen.log2_probs is not None  # noqa: S101 (asked for)
    # The last hidden states have been through the last normalisation; the others go through it here, and the head.
    before = seen.hidden[0, :-1]  # (layers, tokens, width): one row of a batch for each layer
    rows = np.arange(len(before))
    slots = np.stack([rows, np.full_like(rows, position)], axis=1)
    early = model.forward(np.repeat(ids[None], len(before), axis=0), slots=slots, start=(model.layers, before))
    assert early.log2_probs is not None  # noqa: S101 (asked for)
    log2_probs = np.concatenate([early.log2_probs, seen.log2_probs])
    original = None if sentence.blank[position] else int(sentence.ids[position])
    tokens = _followed(int(log2_probs[-1].argmax()), original, followed)
    return Lens(sentence, log2_probs, position, original, tokens, model.vocabulary)


def _followed(guess: int, original: int | None, words: Iterable[int]) -> tuple[int, ...]:
    """The best guess, the original and the words asked for, each once."""
    known = () if original is None else (original,)
    return tuple(dict.fromkeys([guess, *known, *words]))
