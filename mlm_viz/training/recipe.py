"""Which texts are trained on and how often: from the command line, or from a small TOML or JSON file."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlm_viz.strings import say
from mlm_viz.training.errors import TrainingError

ENDINGS = (".txt", ".tsv", ".jsonl")
PACKED = (".xz", ".gz")


@dataclass(frozen=True)
class Text:
    """One file of text.

    Attributes:
        path: a `.txt` (a line an input), `.tsv` (two columns that say the same, put into one input) or `.jsonl` file
            (objects with a "text"), as it is or packed as `.xz` or `.gz`.
        repeat: how often it counts: with 4 its tokens are seen four times for every time those of a text with 1 are.
        name: what it is called where results are shown; the file's name without its endings by default.
    """

    path: Path
    repeat: float = 1.0
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path).expanduser())
        object.__setattr__(self, "name", self.name or self.path.name.removesuffix(self.packing).removesuffix(self.kind))
        if not self.repeat > 0:
            raise TrainingError(say("train.error.repeat", path=self.path, repeat=self.repeat))

    @property
    def packing(self) -> str:
        """How the file is packed: ".xz", ".gz" or nothing."""
        return self.path.suffix if self.path.suffix in PACKED else ""

    @property
    def kind(self) -> str:
        """Its form: ".txt", ".tsv", ".jsonl", or another ending, which is read as ".txt"."""
        return Path(self.path.name.removesuffix(self.packing)).suffix

    def to_dict(self) -> dict[str, Any]:
        """As it is written to disk."""
        return {"path": str(self.path.resolve()), "repeat": self.repeat, "name": self.name}


def as_texts(given: str | Path | Text | Iterable[str | Path | Text]) -> list[Text]:
    """What was given as a list of texts, each under a name of its own; `FILE=4` stands for a file repeated 4 times.

    Raises:
        TrainingError: if nothing was given, or a repetition is not above zero.
    """
    items: Sequence[str | Path | Text] = [given] if isinstance(given, str | Path | Text) else list(given)
    if not items:
        raise TrainingError(say("train.error.no_text"))
    texts = [item if isinstance(item, Text) else _parse(str(item)) for item in items]
    names: dict[str, int] = {}
    for index, text in enumerate(texts):
        count = names[text.name] = names.get(text.name, 0) + 1
        if count > 1:
            texts[index] = Text(text.path, text.repeat, f"{text.name} ({count})")
    return texts


def _parse(item: str) -> Text:
    head, sign, tail = item.rpartition("=")
    if sign and not Path(item).exists():
        try:
            return Text(Path(head), float(tail))
        except ValueError as problem:
            if isinstance(problem, TrainingError):
                raise
    return Text(Path(item))


def read_recipe(path: Path) -> tuple[list[Text], dict[str, Any]]:
    """The texts and the settings named in a recipe; paths are relative to the recipe.

    A recipe has a list `text` of tables with `path`, and if wanted `repeat` and `name`, and a table `settings`.

    Raises:
        TrainingError: if it cannot be read, or has something else in it.
    """
    try:
        written = path.read_text(encoding="utf-8")
        recipe = json.loads(written) if path.suffix == ".json" else tomllib.loads(written)
        listed = [{**entry, "path": path.parent / entry["path"]} for entry in recipe.pop("text", [])]
        texts = [Text(**entry) for entry in listed]
        settings = dict(recipe.pop("settings", {}))
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as problem:
        if isinstance(problem, TrainingError):
            raise
        raise TrainingError(say("train.error.recipe", path=path, why=problem)) from problem
    if recipe:
        raise TrainingError(say("train.error.recipe", path=path, why=", ".join(recipe)))
    return texts, settings
