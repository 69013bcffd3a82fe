"""The numbers of a training: a line of JSON every few seconds, and a bar for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from mlm_viz.strings import say
from mlm_viz.training.checkpoints import write_atomically
from mlm_viz.training.errors import writing

_FORMAT = "{desc}{percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


class Log:
    """Lines of JSON in a file, each a dictionary with a "step".

    Args:
        path: of the file.
        step: lines after this step are thrown away: the steps are done once more.
    """

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        kept = [line for line in read_metrics(path) if line["step"] <= step] if step else []
        write_atomically(path, "".join(json.dumps(line) + "\n" for line in kept).encode())

    def add(self, line: Mapping[str, Any]) -> None:
        """Append a line.

        Raises:
            TrainingError: if the disk is full.
        """
        with writing(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All lines of a file of metrics; a last one that was cut off is passed over."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]


class Bar:
    """A progress bar over the budget, with tokens per second, time left and the loss in bits.

    Args:
        shown: whether there is one.
        fraction: of the budget that is used already.
    """

    def __init__(self, *, shown: bool, fraction: float) -> None:
        self._bar = tqdm(
            total=1.0, initial=fraction, disable=not shown, desc=say("train.bar"), bar_format=_FORMAT, mininterval=0.5
        )

    def move(self, fraction: float) -> None:
        """To a fraction of the budget."""
        self._bar.update(fraction - self._bar.n)

    def tell(self, line: Mapping[str, Any]) -> None:
        """Show the numbers of a line of metrics."""
        said = say("train.bar.now", step=line["step"], speed=line["tokens_per_second"], bits=line["loss_bits"])
        self._bar.set_postfix_str(said, refresh=False)

    def close(self) -> None:
        """Leave it standing as it is."""
        self._bar.close()
