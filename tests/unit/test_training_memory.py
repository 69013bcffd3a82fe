"""Memory while training is that of the network and of one pool of batches, however long the texts are."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tracemalloc
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from mlm_viz.training.batches import Stream
from mlm_viz.training.encoding import Encoded
from mlm_viz.training.objectives import MaskedTokens, Pieces
from mlm_viz.training.schedule import Phase

ROOT = Path(__file__).resolve().parents[2]
LINE = 10  # tokens


def corpus(folder: Path, tokens: int) -> Encoded:
    """A text as `encode` leaves it on disk."""
    stem = folder / f"{tokens}"
    np.random.default_rng(0).integers(5, 200, tokens, dtype=np.uint16).tofile(f"{stem}.ids")
    np.arange(0, tokens + 1, LINE, dtype=np.uint64).tofile(f"{stem}.starts")
    np.zeros(tokens // LINE + 1, dtype=np.bool_).tofile(f"{stem}.joins")
    return Encoded("text", 1.0, str(stem), tokens // LINE, tokens, LINE, "uint16", ())


def test_batches_of_a_long_text_take_no_more_memory(tmp_path: Path) -> None:
    pieces = Pieces(200, np.zeros(200, dtype=np.bool_))

    def peak(tokens: int) -> int:
        stream = Stream([corpus(tmp_path, tokens)], pieces, MaskedTokens(), tokens=256, seed=0)
        batches = stream.batches(stream.start(16), 0, lambda _step: Phase(16, 0.15))
        tracemalloc.start()
        for _ in itertools.islice(batches, 250):  # more than three pools
            pass
        memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return memory

    peak(20_000)  # what is imported or cached on first use
    small, large = peak(50_000), peak(5_000_000)
    assert large < small * 1.1


TRAINED = """
import json, os, sys
from pathlib import Path
import numpy as np, torch
from mlm_viz.training import Callback, Settings
from mlm_viz.training.batches import Stream
from mlm_viz.training.encoding import Encoded
from mlm_viz.training.loop import Run
from mlm_viz.training.objectives import MaskedTokens, Pieces

torch.set_num_threads(1)

def memory():
    # Without the pages of files that are looked at, which the system takes back when it needs them.
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon"))

class Highest(Callback):
    reached = 0
    def step(self, run): self.reached = max(self.reached, memory())

def train(text, folder):
    settings = Settings(family="bert", optimizer="adamw", layers=1, width=32, heads=2, vocab=200, limit=16, short=16,
                        batch_tokens=256, steps=120, device="cpu", precision="fp32", held_out=0.0)
    objective, highest, before = MaskedTokens(), Highest(), memory()
    stream = Stream([text], Pieces(200, np.zeros(200, dtype=bool)), objective, tokens=256, seed=0)
    Run(settings, objective, stream, {}, range(200), folder, bf16=False).train([highest], progress=False)
    print(highest.reached - before, flush=True)

for number, written in enumerate(json.loads(sys.argv[1])):
    child = os.fork()  # both begin with the same memory
    if child == 0:
        train(Encoded(**written), Path(sys.argv[2], f"model-{number}"))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
def test_training_on_a_long_text_takes_no_more_memory(tmp_path: Path) -> None:
    texts = [corpus(tmp_path, tokens) for tokens in (50_000, 20_000_000)]
    told = subprocess.run(
        [sys.executable, "-c", TRAINED, json.dumps([asdict(text) for text in texts]), str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    small, large = map(int, told.stdout.split())
    ids = Path(f"{texts[1].stem}.ids").stat().st_size // 1024
    assert large < small + ids / 4
