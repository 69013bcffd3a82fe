"""Recording the film of a training while it runs."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlm_viz.errors import MlmVizError, TextError
from mlm_viz.film import Film, Scene, load_film
from mlm_viz.masking import mask_positions
from mlm_viz.measures import attention_shares
from mlm_viz.model import Model
from mlm_viz.results import Floats64
from mlm_viz.tokens import Ids
from mlm_viz.training.callbacks import Callback, is_film_step
from mlm_viz.training.checkpoints import write_atomically
from mlm_viz.training.loop import Run

log = logging.getLogger(__name__)
_TOP = 8


class FilmRecorder(Callback):
    """Asks the model the same sentences at every film step, and writes what it says into a file.

    A training that is resumed goes on with the film that is there.

    Args:
        path: of the file.
        scenes: the sentences; one that is too long for the model, or whose word is no single token of the vocabulary,
            is left out.
        top: so many guesses of each are kept.
    """

    masked_only = True

    def __init__(self, path: str | Path, scenes: Sequence[Scene], top: int = _TOP) -> None:
        self._path = Path(path)
        self._given = tuple(scenes)
        self._top = top
        self._bits: Mapping[str, float] = {}

    def begin(self, run: Run) -> None:
        """Choose the scenes, and go on behind the frames that hold."""
        model = run.as_model()
        self._scenes = tuple(scene for scene in self._given if _answer(model, scene) is not None)
        for scene in set(self._given) - set(self._scenes):
            log.warning(
                "left out of the film: too long, or %r is no token of the vocabulary: %s", scene.truth, scene.text
            )
        self._film: Film | None = None
        if run.step and self._path.exists():
            self._film = self._kept(run.step)

    def _kept(self, step: int) -> Film | None:
        try:
            film = load_film(self._path).until(step)
        except MlmVizError:
            log.warning("%s is damaged; the film begins anew", self._path)
            return None
        return film if film.scenes == self._scenes and len(film) else None

    def metrics(self, run: Run, line: Mapping[str, Any]) -> None:  # noqa: ARG002 (what a callback is called with)
        """Remember the loss by source, which is measured just before a frame is taken."""
        self._bits = line.get("held_out_bits", self._bits)

    def step(self, run: Run) -> None:
        """Take a frame when it is time."""
        if is_film_step(run.step):
            self._take(run)

    def end(self, run: Run) -> None:
        """The last frame shows the model that is kept."""
        if not run.stopped:
            self._take(run)

    def _take(self, run: Run) -> None:
        if not self._scenes or (self._film is not None and self._film.steps[-1] >= run.step):
            return
        frame = self._frame(run)
        if self._film is not None and not _fits(self._film, frame):
            log.warning("%s is of another training; the film begins anew", self._path)
            self._film = None
        self._film = frame if self._film is None else self._film.joined(frame)
        written = json.dumps(self._film.to_dict(), ensure_ascii=False, separators=(",", ":"))
        write_atomically(self._path, written.encode())

    def _frame(self, run: Run) -> Film:
        model = run.as_model()
        asked = [_ask(model, scene, self._top) for scene in self._scenes]
        guesses, probabilities, log2_probs, ranks, shares = zip(*asked, strict=True)
        return Film(
            scenes=self._scenes,
            steps=np.array([run.step]),
            tokens=np.array([run.tokens]),
            guesses=(guesses,),
            probabilities=np.array([probabilities]),
            truth_log2_probs=np.array([log2_probs], dtype=np.float64),
            truth_ranks=np.array([ranks], dtype=np.int64),
            sources=tuple(self._bits),
            bits=np.array([list(self._bits.values())], dtype=np.float64),
            shares=np.mean(shares, axis=0)[None],
        )


def _fits(film: Film, frame: Film) -> bool:
    """Whether a frame can stand behind a film: the same held-out texts, guesses and layers."""
    return (film.sources, film.top, film.shares.shape[1]) == (frame.sources, frame.top, frame.shares.shape[1])


def _answer(model: Model, scene: Scene) -> int | None:
    """The id of the word that was taken out; None if it is not one token, or the sentence cannot be read."""
    try:
        sentence = model.encode(scene.text)
        if not sentence.blanks:
            return None
        ids = model.spell(scene.truth, spaced=bool(sentence.spaced[sentence.blanks[0]]))
    except TextError:
        return None
    return ids[0] if len(ids) == 1 and ids[0] != model.vocabulary.unknown_id else None


def _ask(model: Model, scene: Scene, top: int) -> tuple[tuple[str, ...], Floats64, float, int, Floats64]:
    """Guesses, their probabilities, log2 probability and rank of the true word, and shares of attention by layer."""
    sentence = model.encode(scene.text)
    ids: Ids = mask_positions(sentence, model.vocabulary).apply(sentence.ids)
    seen = model.forward(ids[None], slots=np.array([(0, sentence.blanks[0])]), attention="all")
    assert seen.log2_probs is not None  # noqa: S101 (a slot was asked for)
    assert seen.attention is not None  # noqa: S101
    log2_probs = seen.log2_probs[0].astype(np.float64)
    best = np.argsort(-log2_probs, kind="stable")[:top]
    truth = log2_probs[_answer(model, scene)]
    shares = attention_shares(seen.attention[0], sentence.special)[:, :, ~sentence.special].mean(axis=(1, 2))
    labels = tuple(model.vocabulary.labels[i] for i in best)
    return labels, np.exp2(log2_probs[best]), float(truth), 1 + int((log2_probs > truth).sum()), shares
