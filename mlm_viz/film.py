"""The film of a training: what a model guessed, and where it looked, at steps ever further apart."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlm_viz.errors import MlmVizError
from mlm_viz.measures import SHARES
from mlm_viz.paths import data_dir
from mlm_viz.results import Floats64
from mlm_viz.strings import say
from mlm_viz.tokens import Ids, is_cjk

if TYPE_CHECKING:
    import pandas as pd

_FOLDER = "film"
_GAP = "[MASK]"
_ONE_IN_BRACES = re.compile(r"([^{}]*)\{([^{}]*[^{}\s][^{}]*)\}([^{}]*)")
# Enough for a bar and a hover text; more digits would only make the file larger.
_DIGITS = 5


@dataclass(frozen=True)
class Scene:
    """A sentence with one gap, and the word that was taken out of it.

    Attributes:
        text: with `[MASK]` in the gap.
        truth: the word.
    """

    text: str
    truth: str

    @classmethod
    def read(cls, line: str) -> Scene:
        """From a line with the word in braces, such as "The sun rises in the {east}".

        Raises:
            MlmVizError: if there is not exactly one word in braces.
        """
        found = _ONE_IN_BRACES.fullmatch(line.strip())
        if found is None:
            raise MlmVizError(say("film.scene", line=line.strip()))
        before, truth, after = found.groups()
        return cls(f"{before}{_GAP}{after}", truth.strip())

    @property
    def language(self) -> str:
        """Chinese ("zh") if there is a Chinese character in it, else English ("en")."""
        return "zh" if any(is_cjk(char) for char in self.text) else "en"

    @property
    def parts(self) -> tuple[str, str]:
        """What stands before the gap and behind it."""
        before, _, after = self.text.partition(_GAP)
        return before, after

    def filled(self, word: str) -> str:
        """The sentence with a word in its gap."""
        return word.join(self.parts)

    def is_truth(self, guess: str) -> bool:
        """Whether a guess is written like the word; many vocabularies know no capitals, some write the space before."""
        return guess.lstrip("␣").casefold() == self.truth.casefold()


@dataclass(frozen=True, eq=False)
class Film:
    """A training in pictures.

    Attributes:
        scenes: the sentences that were asked every time.
        steps: (frames,) how many steps were done.
        tokens: (frames,) how many tokens were read.
        guesses: (frames, scenes, top) the best guesses, best first.
        probabilities: (frames, scenes, top) theirs, in [0, 1].
        truth_log2_probs: (frames, scenes) of the word that was taken out, at most 0.
        truth_ranks: (frames, scenes) its rank, from 1.
        sources: names of the held-out texts.
        bits: (frames, sources) mean surprisal of their masked tokens: the loss.
        shares: (frames, layers, 4) where the ordinary tokens of the scenes look, in the order of `measures.SHARES`;
            the mean over tokens and heads.
    """

    scenes: tuple[Scene, ...]
    steps: Ids
    tokens: Ids
    guesses: tuple[tuple[tuple[str, ...], ...], ...]
    probabilities: Floats64
    truth_log2_probs: Floats64
    truth_ranks: Ids
    sources: tuple[str, ...]
    bits: Floats64
    shares: Floats64

    def __repr__(self) -> str:
        last = f", to step {self.steps[-1]:,}" if len(self) else ""
        return f"Film({len(self)} frames of {len(self.scenes)} sentences{last})"

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def top(self) -> int:
        """How many guesses there are of each sentence."""
        return int(self.probabilities.shape[-1])

    def truth_place(self, frame: int, scene: int) -> int | None:
        """Where among the guesses the word that was taken out stands, from 0; None if it is not among them."""
        guesses = self.guesses[frame][scene]
        place = int(self.truth_ranks[frame, scene]) - 1
        # Guesses of equal probability share a rank.
        alike = [n for n in range(place, len(guesses)) if self.scenes[scene].is_truth(guesses[n])]
        return alike[0] if alike else place if place < len(guesses) else None

    def only(self, language: str) -> Film:
        """The film of the sentences of one language ("en" or "zh").

        Raises:
            MlmVizError: if there is none.
        """
        chosen = [number for number, scene in enumerate(self.scenes) if scene.language == language]
        if not chosen:
            known = ", ".join(sorted({scene.language for scene in self.scenes}))
            raise MlmVizError(say("film.no_language", language=language, known=known))
        cut = {name: getattr(self, name)[:, chosen] for name in ("probabilities", "truth_log2_probs", "truth_ranks")}
        return replace(
            self,
            scenes=tuple(self.scenes[number] for number in chosen),
            guesses=tuple(tuple(frame[number] for number in chosen) for frame in self.guesses),
            **cut,
        )

    def until(self, step: int) -> Film:
        """The frames up to a step, that one included."""
        count = int(np.searchsorted(self.steps, step, side="right"))
        cut = {name: getattr(self, name)[:count] for name in _BY_FRAME}
        return Film(scenes=self.scenes, sources=self.sources, **cut)

    def joined(self, frame: Film) -> Film:
        """With the frames of another film of the same scenes behind its own."""
        both = {name: np.concatenate([getattr(self, name), getattr(frame, name)]) for name in _BY_FRAME[1:]}
        return Film(scenes=self.scenes, sources=self.sources, guesses=self.guesses + frame.guesses, **both)

    def to_frame(self, scene: int) -> pd.DataFrame:
        """One row a guess of a scene: step, tokens, rank, token, probability."""
        import pandas as pd

        frames, _, top = self.probabilities.shape
        return pd.DataFrame(
            {
                "step": np.repeat(self.steps, top),
                "tokens": np.repeat(self.tokens, top),
                "rank": np.tile(np.arange(1, top + 1), frames),
                "token": [guess for frame in self.guesses for guess in frame[scene]],
                "probability": self.probabilities[:, scene].ravel(),
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """As it is written as JSON; a loss that was not measured is null."""
        written: dict[str, Any] = {"scenes": [[scene.text, scene.truth] for scene in self.scenes]}
        written["sources"] = list(self.sources)
        for name in _BY_FRAME:
            value = getattr(self, name)
            written[name] = value if name == "guesses" else _plain(value)
        return written

    @classmethod
    def from_dict(cls, written: dict[str, Any]) -> Film:
        """As it was written.

        Raises:
            MlmVizError: if something is missing in it or does not fit together.
        """
        try:
            scenes = tuple(Scene(str(text), str(truth)) for text, truth in written["scenes"])
            guesses = tuple(tuple(tuple(map(str, scene)) for scene in frame) for frame in written["guesses"])
            numbers = {name: _array(written[name], name) for name in _BY_FRAME[1:]}
            film = cls(scenes=scenes, sources=tuple(map(str, written["sources"])), guesses=guesses, **numbers)
            film._check()
        except (LookupError, TypeError, ValueError, OverflowError) as problem:
            raise MlmVizError(say("film.damaged", why=problem)) from problem
        return film

    def _check(self) -> None:
        frames, scenes = len(self), len(self.scenes)
        top = len(self.guesses[0][0]) if frames and scenes else 0
        layers = self.shares.shape[1] if self.shares.ndim == 3 else 0
        shapes = {
            "tokens": (frames,),
            "probabilities": (frames, scenes, top),
            "truth_log2_probs": (frames, scenes),
            "truth_ranks": (frames, scenes),
            "bits": (frames, len(self.sources)),
            "shares": (frames, layers, len(SHARES)),
        }
        found = {name: getattr(self, name).shape for name in shapes}
        whole = len(self.guesses) == frames and all(len(frame) == scenes for frame in self.guesses)
        if not whole or any(len(guesses) != top for frame in self.guesses for guesses in frame):
            found["guesses"] = ()
        wrong = [name for name, shape in found.items() if shape != shapes.get(name)]
        if not ((self.probabilities >= 0) & (self.probabilities <= 1)).all():
            wrong.append("probabilities")
        if not ((self.truth_log2_probs <= 0).all() and (self.truth_ranks >= 1).all()):
            wrong.append("truth_ranks")
        if not np.isfinite(self.shares).all():
            wrong.append("shares")
        if (np.diff(self.steps) <= 0).any():
            wrong.append("steps")
        if wrong:
            raise ValueError(", ".join(wrong))


# What has one entry a frame; the guesses, which are words, come first.
_BY_FRAME = ("guesses", "steps", "tokens", "probabilities", "truth_log2_probs", "truth_ranks", "bits", "shares")
_WHOLE = frozenset({"steps", "tokens", "truth_ranks"})


def _plain(values: Any) -> Any:
    """An array as lists of numbers, rounded; NaN as None."""
    if values.dtype.kind == "i":
        return values.tolist()
    rounded: Any = np.round(values, _DIGITS).astype(object)
    rounded[np.isnan(values)] = None
    return rounded.tolist()


def _array(values: Any, name: str) -> Any:
    return np.array(values, dtype=np.int64 if name in _WHOLE else np.float64)


def scenes_in(path: Path) -> list[Scene]:
    """The scenes of a text file, one a line; empty lines are passed over.

    Raises:
        MlmVizError: if the file cannot be read, or a line has no word in braces.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise MlmVizError(say("film.unreadable", path=path, why=problem)) from problem
    return [Scene.read(line) for line in lines if line.strip()]


def load_film(path: str | Path | None = None) -> Film:
    """The film in a file; by default that of the bundled model's own training.

    Raises:
        MlmVizError: if there is no film there, or it is damaged.
    """
    file = data_dir() / _FOLDER / "film.json" if path is None else Path(path).expanduser()
    try:
        written = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise MlmVizError(say("film.unreadable", path=file, why=problem)) from problem
    return Film.from_dict(written)
