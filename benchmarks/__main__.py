"""Runs everything and prints one table: `python -m benchmarks [--quick] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pandas as pd
import torch
from transformers.utils import logging as chatter

from benchmarks import heads, influence, memory, payload, speed, training
from benchmarks.measuring import Measure
from benchmarks.subjects import Subject, bundled, random_bert

_TINY = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 32, "intermediate_size": 64}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say with the exit status that all went well; a bar that is missed is no failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tiny model for bert-base and few rounds: no figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--threads", type=int, default=1, help="of torch; more make the figures depend on the machine")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    chatter.set_verbosity_error()
    chatter.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        other = random_bert(Path(folder), "tiny" if options.quick else "bert-base", **(_TINY if options.quick else {}))
        measures = []
        for measure in _all([bundled(), other], quick=options.quick):
            print(f"  {measure.what} [{measure.model}]: {measure.value:.3g} {measure.unit}", file=sys.stderr)
            measures.append(measure)
    print(_table(measures).to_string(index=False))
    if options.json:
        options.json.write_text(json.dumps([asdict(m) | {"met": m.met} for m in measures], indent=1), encoding="utf-8")
    return 0


def _all(subjects: Sequence[Subject], *, quick: bool) -> Iterator[Measure]:
    """Everything there is to measure, one after the other: side by side they would be in each other's way."""
    few, some, most = (1, 1, 2) if quick else (3, 7, 15)
    for subject in subjects:
        yield from speed.clicks(subject, most)
        yield speed.page_click(subject, some)
        yield speed.one_prediction(subject, most)
        yield speed.many_predictions(subject, few, 4 if quick else 64)
        yield speed.sweeps(subject, few)
        yield from influence.leave_one_out(subject, few)
    yield speed.import_time(few)
    with tempfile.TemporaryDirectory() as folder:
        yield training.beside_trainer(Path(folder), training.QUICK if quick else training.LARGE, few)
    large = subjects[-1]
    yield heads.boards(large, few)
    for tokens in (24,) if quick else (24, 64, 128):
        yield payload.beside_bertviz(large, tokens)
    yield payload.alone(large, 32 if quick else 512)
    yield from memory.growth(subjects, 20 if quick else 1000)


def _table(measures: Sequence[Measure]) -> pd.DataFrame:
    def side(amount: float | None, unit: str) -> str:
        return "" if amount is None else f"{amount:.3g} {unit}"

    sign = {"at most": "<=", "at least": ">="}
    answer = {True: "yes", False: "NO", None: ""}
    rows = [
        {
            "measure": m.what,
            "model": m.model,
            "ours": side(m.ours, m.side_unit),
            "theirs": side(m.theirs, m.side_unit),
            "value": side(m.value, m.unit),
            "bar": "" if m.bar is None else f"{sign[m.reached_by]} {m.bar:g}",
            "met": answer[m.met],
        }
        for m in measures
    ]
    return pd.DataFrame(rows)


if __name__ == "__main__":
    sys.exit(main())
