"""What a training sets out to do: texts and settings, decided once, written down, and found again on resuming."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from mlm_viz.strings import say
from mlm_viz.training.checkpoints import write_atomically
from mlm_viz.training.corpus import Surveyed, survey
from mlm_viz.training.encoding import Encoded
from mlm_viz.training.errors import TrainingError
from mlm_viz.training.objectives import OBJECTIVES
from mlm_viz.training.recipe import Text
from mlm_viz.training.settings import Settings, changed, made_from

_PLACE = Path("work", "run.json")


@dataclass(frozen=True)
class Plan:
    """Settings, all decided; the texts as they were surveyed; and the same as ids once they are on disk."""

    settings: Settings
    surveyed: list[Surveyed]
    encoded: tuple[Encoded, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As it is written to disk."""
        texts = [{**s.text.to_dict(), "lines": s.lines, "characters": s.characters} for s in self.surveyed]
        return {"settings": self.settings.to_dict(), "texts": texts}

    @classmethod
    def from_dict(cls, written: dict[str, Any]) -> Plan:
        """As it was written to disk."""
        surveyed = [
            Surveyed(Text(Path(t["path"]), t["repeat"], t["name"]), t["lines"], t["characters"])
            for t in written["texts"]
        ]
        return cls(Settings(**written["settings"]), surveyed)

    def write(self, folder: Path) -> None:
        """Put it where `resumed` finds it.

        Raises:
            TrainingError: if the disk is full or closed.
        """
        write_atomically(folder / _PLACE, json.dumps(self.to_dict(), indent=2).encode())


def begun(folder: Path, texts: Sequence[Text], asked: dict[str, Any]) -> Plan:
    """The plan of a new training; nothing is written yet.

    Raises:
        TrainingError: if a text, a setting or the folder cannot be used.
    """
    settings = made_from(asked)
    _check_objective(settings)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        unfinished = (folder / _PLACE).exists()
        key = "unfinished" if unfinished else "not_empty"
        raise TrainingError(say(f"train.error.{key}", folder=folder))
    device = find_device(settings.device)
    surveyed = survey(texts)
    characters, lines = (sum(getattr(s, name) for s in surveyed) for name in ("characters", "lines"))
    settings = settings.resolved(characters=characters, lines=lines, device=device)
    return Plan(settings, surveyed)


def resumed(folder: Path, asked: dict[str, Any]) -> Plan:
    """The plan of the training in a folder, with what is asked for now; nothing is written yet.

    Raises:
        TrainingError: if there is none, the device is not there, or something was asked for that would make it another
            training.
    """
    written = read_json(folder / _PLACE)
    if written is None:
        raise TrainingError(say("train.error.nothing_to_resume", folder=folder))
    plan = Plan.from_dict(written)
    settings = changed(plan.settings, asked)
    find_device(settings.device)
    return replace(plan, settings=settings)


def _check_objective(settings: Settings) -> None:
    if settings.objective not in OBJECTIVES:
        allowed = ", ".join(OBJECTIVES)
        raise TrainingError(say("train.error.choice", name="objective", value=settings.objective, allowed=allowed))
    OBJECTIVES[settings.objective](settings)  # has its own say about them


def find_device(asked: str) -> str:
    """The device that is meant by "auto", or the one asked for.

    Raises:
        TrainingError: if it is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if asked == "auto":
        return next(name for name, is_there in there.items() if is_there)
    if not there[asked]:
        raise TrainingError(say("train.error.device", device=asked))
    return asked


def has_bf16(device: str) -> bool:
    """Whether the processor computes in bf16 by itself; where it only imitates it, that is slower."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "mps":
        return False
    able = torch.cpu.get_capabilities()
    return any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file, None if there is no such file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
