"""What stands in the gap: the distribution over the vocabulary at every slot, and the attention beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, overload

import numpy as np
import numpy.typing as npt

from mlm_viz.errors import TextError, WordError
from mlm_viz.loading import load
from mlm_viz.masking import Masking, mask_positions
from mlm_viz.model import Model
from mlm_viz.results import Attention, Pass, Prediction
from mlm_viz.strings import say
from mlm_viz.tokens import Ids, Sentence

ModelLike = Model | str | Path | None
Masked = Iterable[int | str] | Masking
Layers = Sequence[int] | Literal["all"] | None

# A batch is kept to so many tokens, for the cache of the processor.
TOKENS_A_BATCH = 2048
# And to so many probabilities: 64 MB of them.
PROBABILITIES_A_BATCH = 16_000_000
# So many tokens of padding cost about as much as a pass of its own, with 4 layers of 256 as with 12 of 768.
_PADDING_A_BATCH = 32


@overload
def predict(text: str, model: ModelLike = None, masked: Masked = ()) -> Prediction: ...
@overload
def predict(text: list[str] | tuple[str, ...], model: ModelLike = None) -> list[Prediction]: ...
def predict(
    text: str | list[str] | tuple[str, ...], model: ModelLike = None, masked: Masked = ()
) -> Prediction | list[Prediction]:
    """The distribution at every slot of a text.

    Args:
        text: a text with blanks (`[MASK]`, the model's mask token, or `____`), or a list of such texts, which are run
            in batches of like length.
        model: a loaded model, or anything `load` takes; the bundled one by default.
        masked: for a single text, what to mask besides its blanks: positions, words of the text, or a `Masking`.

    Raises:
        TextError: for an empty text, one without a slot, or one longer than the model's limit.
        WordError: if a word to be masked does not stand in the text.
        ModelError: if the model cannot be loaded or cannot predict.
    """
    model = load(model)
    model.check_can_predict()
    if not isinstance(text, str):
        return _predict_many(list(text), model)
    sentence, masking = prepare(text, model, masked)
    prediction, _ = look(model, sentence, masking)
    if prediction is None:
        raise TextError(say("error.no_slot"))
    return prediction


def attend(text: str, model: ModelLike = None, masked: Masked = (), layers: Layers = "all") -> Attention:
    """The attention weights of a text, with its blanks and what is `masked` standing as masks.

    Args:
        text: any text, with or without blanks.
        model: a loaded model, or anything `load` takes.
        masked: as for `predict`.
        layers: which layers, zero-based, or "all".

    Raises:
        TextError: for an empty text, or one longer than the model's limit.
        WordError: if a word to be masked does not stand in the text.
        ModelError: if the model cannot be loaded, or has no such layers.
    """
    model = load(model)
    sentence, masking = prepare(text, model, masked)
    attention = look(model, sentence, masking, layers=layers, distributions=False)[1]
    if attention is None:
        raise TextError(say("error.no_layers"))
    return attention


def prepare(text: str, model: Model, masked: Masked = ()) -> tuple[Sentence, Masking]:
    """The text as tokens, and what is masked in it.

    Raises:
        TextError: if the text has nothing but special tokens, or something cannot be masked.
        WordError: if a word to be masked does not stand in the text.
    """
    sentence = model.encode(text)
    if not sentence.maskable and not sentence.blanks:
        raise TextError(say("error.empty"))
    if not isinstance(masked, Masking):
        return sentence, mask_positions(sentence, model.vocabulary, masked)
    sentence.positions_of(masked.positions)
    return sentence, mask_positions(sentence, model.vocabulary).joined(masked)


def in_batches(rows: Ids, tokens: int, vocabulary: int) -> list[Ids]:
    """`rows`, each of `tokens` tokens with one slot, cut along the first axis into what one pass takes at a time."""
    size = max(1, min(TOKENS_A_BATCH // tokens, PROBABILITIES_A_BATCH // vocabulary))
    return np.array_split(rows, -(-len(rows) // size))


def look(
    model: Model, sentence: Sentence, masking: Masking, *, layers: Layers = None, distributions: bool = True
) -> tuple[Prediction | None, Attention | None]:
    """Prediction at the slots and attention of the layers asked for, from one forward pass.

    The prediction is None if there is no slot or the model cannot predict; the attention if no layer was asked for.
    """
    ids = masking.apply(sentence.ids)
    slots = np.array([(0, position) for position in masking.positions], dtype=np.int64)
    wanted = distributions and len(masking) > 0 and model.refusal is None
    if not wanted and layers is None:
        return None, None
    seen = model.forward(ids[None], slots=slots if wanted else None, attention=layers)
    prediction = None
    if seen.log2_probs is not None:
        prediction = Prediction(
            sentence, masking, seen.log2_probs, model.vocabulary, model.name, WordScoring(model, sentence, masking)
        )
    return prediction, _attention_of(model, sentence, ids, seen, layers)


def _attention_of(model: Model, sentence: Sentence, ids: Ids, seen: Pass, layers: Layers) -> Attention | None:
    if seen.attention is None or layers is None:
        return None
    numbers = tuple(range(model.layers)) if layers == "all" else tuple(int(i) for i in layers)
    labels = tuple(model.vocabulary.labels[i] for i in ids)
    return Attention(labels, sentence.special, numbers, seen.attention[0])


def _predict_many(texts: list[str], model: Model) -> list[Prediction]:
    prepared = [prepare(text, model) for text in texts]
    for number, (_, masking) in enumerate(prepared):
        if not len(masking):
            raise TextError(say("error.no_slot_in", number=number))
    return look_many(model, prepared)


def look_many(model: Model, prepared: Sequence[tuple[Sentence, Masking]]) -> list[Prediction]:
    """The predictions of many prepared texts, each with at least one slot, in the order given.

    Texts of like length share a pass, the shorter ones padded. Nothing looks at the padding, so that each text gets
    the numbers it would get alone, but for rounding.
    """
    # Where the mask goes past the backbone, parts of it would take padding for text.
    padding = 0 if model.family.mask_at_layers else _PADDING_A_BATCH
    found: dict[int, Prediction] = {}
    for numbers in _batches([len(sentence) for sentence, _ in prepared], padding):
        ids, allowed = _padded([prepared[n][1].apply(prepared[n][0].ids) for n in numbers])
        slots = np.array([(row, p) for row, n in enumerate(numbers) for p in prepared[n][1].positions], dtype=np.int64)
        log2_probs = model.forward(ids, slots=slots, allowed=allowed).log2_probs
        assert log2_probs is not None  # noqa: S101 (slots were asked for)
        for row, number in enumerate(numbers):
            sentence, masking = prepared[number]
            own = log2_probs[slots[:, 0] == row]
            scorer = WordScoring(model, sentence, masking)
            found[number] = Prediction(sentence, masking, own, model.vocabulary, model.name, scorer)
    return [found[number] for number in range(len(prepared))]


def _batches(lengths: Sequence[int], padding: int) -> Iterator[list[int]]:
    """Numbers of the texts that share a pass, the longest first, with at most `padding` tokens of padding a batch."""
    batch: list[int] = []
    padded = 0
    for number in sorted(range(len(lengths)), key=lambda n: -lengths[n]):
        longest = lengths[batch[0]] if batch else lengths[number]
        padded += longest - lengths[number]
        if batch and (padded > padding or (len(batch) + 1) * longest > TOKENS_A_BATCH):
            yield batch
            batch, padded = [], 0
        batch.append(number)
    if batch:
        yield batch


def _padded(rows: Sequence[Ids]) -> tuple[Ids, npt.NDArray[np.bool_] | None]:
    """Rows as one array (rows, longest), and where a query may look: everywhere (None), or not at what was filled in.

    A row is filled up with its own last token: any token will do, and this needs none that stands for padding.
    """
    lengths = np.array([len(row) for row in rows])
    longest = int(lengths.max())
    ids = np.stack([np.pad(row, (0, longest - len(row)), mode="edge") for row in rows])
    if lengths.min() == longest:
        return ids, None
    real = np.arange(longest) < lengths[:, None]  # (rows, key)
    return ids, np.repeat(real[:, None, None, :], longest, axis=2)


@dataclass(frozen=True, eq=False)
class WordScoring:
    """Scores a word of any number of pieces at a slot: what a `Prediction` asks when it is asked for a word."""

    model: Model
    sentence: Sentence
    masking: Masking

    def spell(self, position: int, word: str) -> tuple[int, ...]:
        """Ids of the pieces of `word` as it would stand at the slot at `position`.

        Raises:
            WordError: if the vocabulary cannot spell the word.
        """
        ids = self.model.spell(word, spaced=bool(self.sentence.spaced[position]))
        if not ids or self.model.vocabulary.unknown_id in ids:
            raise WordError(say("error.spelling", word=word, model=self.model.name))
        return ids

    def log2_prob(self, position: int, pieces: Sequence[int]) -> float:
        """Log2 of the probability of a word of several `pieces` at the slot at `position`.

        A word of n pieces is read with n masks in place of the slot: log2 p = sum of log2 p(piece i | pieces before i,
        masks for the rest), the other slots staying as they are. One batch of n rows.

        Raises:
            TextError: if the text with the word in it is longer than the model's limit.
        """
        mask_id = self.model.vocabulary.mask_id
        assert mask_id is not None  # noqa: S101 (there is a slot)
        rows, slots = _chain_rows(self.masking.apply(self.sentence.ids), position, pieces, mask_id)
        if rows.shape[1] > self.model.limit:
            raise TextError(say("error.too_long", tokens=rows.shape[1], limit=self.model.limit))
        log2_probs = self.model.forward(rows, slots=slots).log2_probs
        assert log2_probs is not None  # noqa: S101
        return float(log2_probs[np.arange(len(pieces)), list(pieces)].astype(np.float64).sum())


def _chain_rows(ids: Ids, position: int, pieces: Sequence[int], mask_id: int) -> tuple[Ids, Ids]:
    """Row i has the first i pieces written and masks for the rest; slot i is the place of piece i in row i."""
    count = len(pieces)
    widened = np.concatenate([ids[:position], np.full(count, mask_id, dtype=np.int64), ids[position + 1 :]])
    rows = np.repeat(widened[None], count, axis=0)
    for row in range(count):
        rows[row, position : position + row] = pieces[:row]
    return rows, np.stack([np.arange(count), position + np.arange(count)], axis=1)
