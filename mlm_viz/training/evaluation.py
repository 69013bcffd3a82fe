"""How good a masked language model is on text, source by source: hits, bits, and whether its confidence is earned."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from mlm_viz.errors import TextError
from mlm_viz.loading import kind_of, load
from mlm_viz.masking import BERT_RATE, mask_random
from mlm_viz.model import Model
from mlm_viz.results import Floats64
from mlm_viz.strings import say
from mlm_viz.tokens import Ids, Sentence
from mlm_viz.training.corpus import is_held_out, joined, line_hash, records
from mlm_viz.training.errors import TrainingError
from mlm_viz.training.recipe import Text, as_texts
from mlm_viz.training.scores import Evaluation, Tally

DEFAULT_HELD_OUT = 0.005
_ALL_MASKED = (1.0, 0.0, 0.0)
_SENTENCES_AT_ONCE = 1000  # sorted by length, so that equally long ones share a pass
_PROBABILITIES_AT_ONCE = 16_000_000
_TOKENS_AT_ONCE = 2048
_BREAKS = frozenset(".!?;。！？；… ")


def evaluate(
    model: str | Path | Model | None,
    texts: str | Path | Text | Iterable[str | Path | Text],
    *,
    every_line: bool = False,
    most_lines: int | None = None,
    rate: float = BERT_RATE,
    seed: int = 0,
    progress: bool = True,
) -> Evaluation:
    """Mask a share of the tokens of every line, all with the mask token, and see what the model guesses.

    Args:
        model: anything `load` takes.
        texts: files as for `train`.
        every_line: look at every line, for texts the model was not trained on; else only at those its training held
            out (for a model of other making: those that would be).
        most_lines: of each text at most so many.
        rate: share of the tokens of a line to mask, at least one.
        seed: of the choice; each line's masks depend on the seed and the line alone.
        progress: show a bar.

    Raises:
        TrainingError: if a text cannot be read, or has no line to look at or no masked token that the vocabulary has,
            or the model is no masked one, or `most_lines` is no whole number from 1.
        TextError: if the rate is out of range.
        ModelError: if the model cannot be loaded or cannot predict.
    """
    if most_lines is not None and not (isinstance(most_lines, int) and most_lines >= 1):
        raise TrainingError(say("evaluate.error.most_lines", given=most_lines))
    if not isinstance(model, Model | None) and (kind := kind_of(model)) != "masked":
        raise TrainingError(say("evaluate.error.kind", name=Path(model).name, kind=kind))
    model = load(model)
    model.check_can_predict()
    share = None if every_line else held_out_share(model)
    named = [
        (text.name, _collect(model, text, share, most_lines, rate, seed, progress=progress)) for text in as_texts(texts)
    ]
    if len(named) > 1:
        named.append((say("evaluate.all"), Tally.joined([tally for _, tally in named])))
    return Evaluation(model.name, rate, seed, share, tuple(tally.score(name) for name, tally in named))


def held_out_share(model: Model) -> float:
    """The fraction of lines that the training of a model held out."""
    card = Path(str(model.network.config.name_or_path)) / "training.json"
    if not card.exists():
        return DEFAULT_HELD_OUT
    return float(json.loads(card.read_text(encoding="utf-8"))["settings"]["held_out"])


def _collect(
    model: Model, text: Text, share: float | None, most: int | None, rate: float, seed: int, *, progress: bool
) -> Tally:
    wanted = (joined(record) for record in records(text) if share is None or is_held_out(record, share))
    lines = itertools.islice(wanted, most)
    unknown_id = model.vocabulary.unknown_id
    columns, count, tokens, unknown = [np.empty((0, 4))], 0, 0, 0
    with tqdm(desc=text.name, unit=say("evaluate.lines"), disable=not progress, leave=False) as bar:
        while batch := list(itertools.islice(lines, _SENTENCES_AT_ONCE)):
            sentences = [s for line in batch for s in fitting(model, line) if s.maskable]
            count, tokens = count + len(batch), tokens + sum(len(s.maskable) for s in sentences)
            unknown += sum(int((s.ids[list(s.maskable)] == unknown_id).sum()) for s in sentences)
            columns += list(_guess(model, sentences, rate, seed))
            bar.update(len(batch))
    if not count:
        raise TrainingError(say("evaluate.error.no_lines", path=text.path))
    table = np.concatenate(columns)
    if not len(table):
        raise TrainingError(say("evaluate.error.unknown", path=text.path))
    return Tally(count, tokens, unknown, table)


def fitting(model: Model, line: str) -> list[Sentence]:
    """A line as sentences that the model can take: one too long is halved, behind a sentence or a word if there is."""
    try:
        sentence = model.encode(line)
    except TextError:
        if len(line) < 2:
            return []
        middle = len(line) // 2
        near = sorted((i for i, char in enumerate(line[:-1], 1) if char in _BREAKS), key=lambda i: abs(i - middle))
        place = near[0] if near else middle
        return [*fitting(model, line[:place]), *fitting(model, line[place:])]
    return [sentence]


def _guess(model: Model, sentences: Sequence[Sentence], rate: float, seed: int) -> Iterator[Floats64]:
    """Records of the masked tokens, batch by batch of equally long sentences."""
    most_slots = max(1, _PROBABILITIES_AT_ONCE // len(model.vocabulary))
    for length, group in itertools.groupby(sorted(sentences, key=len), key=len):
        alike = list(group)
        rows = max(1, min(_TOKENS_AT_ONCE // length, most_slots // length))
        for start in range(0, len(alike), rows):
            yield _look(model, alike[start : start + rows], rate, seed)


def _look(model: Model, sentences: Sequence[Sentence], rate: float, seed: int) -> Floats64:
    maskings = [
        mask_random(
            sentence,
            model.vocabulary,
            rate=rate,
            split=_ALL_MASKED,
            seed=int(line_hash(f"{seed} {sentence.text}") * 2**32),
        )
        for sentence in sentences
    ]
    pairs = [
        (row, position)
        for row, (sentence, masking) in enumerate(zip(sentences, maskings, strict=True))
        for position in masking.positions
        if not sentence.blank[position] and sentence.ids[position] != model.vocabulary.unknown_id
    ]
    if not pairs:
        return np.empty((0, 4))
    slots = np.array(pairs, dtype=np.int64)
    ids = np.stack([masking.apply(sentence.ids) for sentence, masking in zip(sentences, maskings, strict=True)])
    targets: Ids = np.stack([sentence.ids for sentence in sentences])[slots[:, 0], slots[:, 1]]
    log2_probs = model.forward(ids, slots=slots).log2_probs
    assert log2_probs is not None  # noqa: S101 (slots were asked for)
    own = np.take_along_axis(log2_probs, targets[:, None], axis=1)
    ranks = 1 + (log2_probs > own).sum(axis=1)
    characters = [letters(model.vocabulary.labels[target]) for target in targets]
    best = np.exp2(log2_probs.max(axis=1).astype(np.float64))
    return np.stack([ranks, -own[:, 0].astype(np.float64), characters, best], axis=1)


def letters(label: str) -> int:
    """How many characters of the text a token stands for: spaces and the marks of pieces are none."""
    bare = label.removeprefix("##") if len(label) > len("##") else label
    return max(1, len(bare.replace("␣", "")))
