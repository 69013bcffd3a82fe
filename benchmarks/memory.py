"""How much a process grows while masks are toggled: `python -m benchmarks.memory MODEL TOGGLES page|state`.

Each runs in a process of its own: in one that has held other models, memory that they gave back would hide a leak.
"""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import psutil

from benchmarks.measuring import Measure
from benchmarks.subjects import Subject

TEXT = "the keys to the old cabinet are on the table in the kitchen"
WARM_UP = 100
_EVERY = 100  # toggles between two collections


def growth(subjects: Sequence[Subject], toggles: int) -> list[Measure]:
    """Growth of the resident memory: the whole page on the first model, its state alone on the others.

    The processes run side by side, since no time is measured.
    """
    views = ["page", *["state"] * (len(subjects) - 1)]
    with ThreadPoolExecutor() as side_by_side:
        grown = list(side_by_side.map(lambda subject, view: _toggle_apart(subject, toggles, view), subjects, views))
    what = f"growth after {toggles:,} masks toggled"
    return [Measure(f"{what}, {v}", s.name, mb, "MB", 20) for s, v, mb in zip(subjects, views, grown, strict=True)]


def _toggle_apart(subject: Subject, toggles: int, view: str) -> float:
    command = [sys.executable, "-m", "benchmarks.memory", str(subject.folder), str(toggles), view]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1])


def toggle(folder: Path, toggles: int, view: str) -> float:
    """Megabytes that this process grows by while masks are toggled one after the other, the attention being open."""
    import torch

    import mlm_viz
    from benchmarks.page import open_page
    from mlm_viz.state import ExplorerState

    torch.set_num_threads(1)
    model = mlm_viz.load(folder)
    state = open_page(TEXT, model).state if view == "page" else ExplorerState(model, TEXT)
    state.want(attention=True)
    assert state.sentence is not None
    steps = cycle([masked for position in state.sentence.maskable for masked in ((position,), ())])

    def run(count: int) -> float:
        for number in range(count):
            state.set_masked(next(steps))
            if not number % _EVERY:
                gc.collect()
        gc.collect()
        return psutil.Process().memory_info().rss / 1e6

    before = run(min(WARM_UP, toggles))
    return run(toggles) - before


if __name__ == "__main__":
    print(toggle(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
