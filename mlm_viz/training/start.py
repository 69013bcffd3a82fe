"""From text files to a model in one call: vocabulary, ids, training, and the folder that is left."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlm_viz.loading import load
from mlm_viz.model import Model
from mlm_viz.strings import say
from mlm_viz.training.batches import Stream
from mlm_viz.training.callbacks import Callback
from mlm_viz.training.checkpoints import checkpoints, own_random, remove_halves, save_model, write_atomically
from mlm_viz.training.encoding import encode
from mlm_viz.training.errors import TrainingError
from mlm_viz.training.loop import Run
from mlm_viz.training.metrics import read_metrics
from mlm_viz.training.objectives import OBJECTIVES, Batch, Objective, Pieces, framed
from mlm_viz.training.plan import Plan, begun, find_device, has_bf16, read_json, resumed
from mlm_viz.training.recipe import Text, as_texts
from mlm_viz.training.schedule import Phase
from mlm_viz.training.settings import BUDGET
from mlm_viz.training.vocabulary import SENTINEL, SPECIAL, choose_pieces, count_words, read_tokenizer, save_tokenizer

_WATCHED_RATE = 0.15
TextLike = str | Path | Text


@dataclass(frozen=True)
class Trained:
    """What a training left.

    Attributes:
        folder: with the model, `metrics.jsonl` and `training.json`.
        finished: whether the budget was spent; if not, `resume=True` goes on.
        steps, tokens, seconds: of training so far.
        loss_bits: the last mean loss over the targets; None if no step was taken.
    """

    folder: Path
    finished: bool
    steps: int
    tokens: int
    seconds: float
    loss_bits: float | None

    def model(self) -> Model:
        """The model, ready to be asked.

        Raises:
            ModelError: if it was trained for something else than masked tokens: `loading.load_network` loads it then.
        """
        return load(self.folder)


def train(
    texts: TextLike | Iterable[TextLike],
    out: str | Path,
    *,
    resume: bool = False,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
    **settings: Any,
) -> Trained:
    """Train a language model from random weights on text files: a masked one, or what the setting `objective` says.

    Interrupted (Ctrl-C, a notebook's stop button) it leaves a checkpoint and the model as it is.

    Args:
        texts: one or more files, see `Text`; on resuming none are needed.
        out: folder for the model; a new or empty one unless `resume`.
        resume: go on with the training in `out`, with its settings; a finished one is left as it is. A budget that is
            given takes the place of the one before, `minutes` and `steps` alike.
        progress: show bars.
        callbacks: what looks on.
        **settings: see `Settings`; `minutes` or `steps` is the budget.

    Raises:
        TrainingError: if a text, a setting or the folder cannot be used, a callback has no use for the objective, the
            disk is full, or a finished training is asked to go on with another budget.
    """
    folder = Path(out).expanduser()
    if resume and (done := read_json(folder / "training.json")) and done["finished"]:
        _check_finished(folder, done, settings)
        return _trained(folder, done)
    # Nothing is written up to here, and nothing may be removed: what is in the folder is not ours.
    plan = resumed(folder, settings) if resume else begun(folder, as_texts(texts), settings)
    _check_callbacks(plan, callbacks)
    try:
        remove_halves(folder)
        plan.write(folder)
        plan = _prepare(folder, plan, progress=progress)
        with own_random(plan.settings.seed, torch.device(plan.settings.device)):
            run = _set_up(folder, plan)
            run.train(callbacks, progress=progress)
    except BaseException:
        if not resume and not checkpoints(folder / "work"):
            _take_back(folder)
        raise
    return _finish(folder, plan, run)


# --- before --------------------------------------------------------------------------------------


def _check_finished(folder: Path, done: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    if any(asked.get(name) not in (None, done["settings"][name]) for name in BUDGET):
        raise TrainingError(say("train.error.finished", folder=folder, steps=done["steps"]))


def _check_callbacks(plan: Plan, callbacks: Sequence[Callback]) -> None:
    objective = plan.settings.objective
    if objective != "masked" and any(callback.masked_only for callback in callbacks):
        raise TrainingError(say("train.error.masked_only", objective=objective))


def _prepare(folder: Path, plan: Plan, *, progress: bool) -> Plan:
    """The vocabulary and the ids, made now or found from before."""
    work, settings = folder / "work", plan.settings
    if not (work / "tokenizer" / "tokenizer.json").exists():
        pieces = choose_pieces(count_words(plan.surveyed, settings.held_out or 0.0), settings.vocab or 0)
        sentinels = OBJECTIVES[settings.objective](settings).sentinels
        save_tokenizer(pieces, work / "tokenizer", settings.limit, sentinels=sentinels)
    encoded = encode(
        plan.surveyed,
        read_tokenizer(work / "tokenizer"),
        work / "ids",
        short=settings.short,
        held_out=settings.held_out or 0.0,
        progress=progress,
    )
    # Positions that no line reaches would never be trained.
    limit = min(settings.limit, max(text.longest for text in encoded) + 2)
    settings = replace(settings, limit=limit, short=min(settings.short, limit), device=find_device(settings.device))
    return replace(plan, settings=settings, encoded=tuple(encoded))


def _set_up(folder: Path, plan: Plan) -> Run:
    from transformers import AutoTokenizer

    settings = plan.settings
    objective: Objective = OBJECTIVES[settings.objective](settings)
    tokenizer = AutoTokenizer.from_pretrained(folder / "work" / "tokenizer")
    pieces = _pieces(tokenizer)
    stream = Stream(plan.encoded, pieces, objective, tokens=settings.batch_tokens or 0, seed=settings.seed)
    stream.check()
    watched = _watched(plan, read_tokenizer(folder / "work" / "tokenizer"), objective, pieces)
    bf16 = settings.precision == "bf16" or (settings.precision == "auto" and has_bf16(settings.device))
    run = Run(settings, objective, stream, watched, tokenizer, folder, bf16=bf16)
    if saved := checkpoints(folder / "work"):
        run.resume(saved[-1])
    return run


def _pieces(tokenizer: Any) -> Pieces:
    names = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    first = SENTINEL.format(0)
    size = names.index(first) if first in names else len(names)
    return Pieces(size, np.array([name.startswith("##") for name in names[:size]]), len(names) - size)


def _watched(plan: Plan, tokenizer: Any, objective: Objective, pieces: Pieces) -> dict[str, Batch]:
    """One batch of held-out lines of each text, with targets chosen once and for all."""
    batches = {}
    for text in plan.encoded:
        lines = [encoding.ids for encoding in tokenizer.encode_batch(list(text.watched), add_special_tokens=False)]
        lines = [line[: plan.settings.short - 2] for line in lines if any(i >= len(SPECIAL) for i in line)]
        if lines:
            ends = np.cumsum([len(line) for line in lines])
            begin = np.concatenate([[0], ends[:-1]])
            rows = framed(np.concatenate(lines), begin, ends)
            rng = np.random.default_rng(0)
            phase = Phase(plan.settings.short, _WATCHED_RATE)
            batches[text.name] = objective.make_batch(rows, ends - begin + 2, pieces, phase, rng)
    return batches


# --- after ---------------------------------------------------------------------------------------


def _finish(folder: Path, plan: Plan, run: Run) -> Trained:
    limit = max(run.reached, plan.settings.short)
    save_model(run.network, run.tokenizer, folder, dtype=plan.settings.dtype, limit=limit)
    card = _card(folder, plan, run)
    write_atomically(folder / "training.json", (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode())
    if card["finished"] and not plan.settings.keep:
        shutil.rmtree(folder / "work")
    return _trained(folder, card)


def _card(folder: Path, plan: Plan, run: Run) -> dict[str, Any]:
    """All that a model card needs; of the texts the names, not the places."""
    lines = read_metrics(folder / "metrics.jsonl")
    losses = [line["loss_bits"] for line in lines if "loss_bits" in line]
    held_out = [line["held_out_bits"] for line in lines if "held_out_bits" in line]
    encoded = {text.name: text for text in plan.encoded}
    return {
        "finished": not run.stopped,
        "objective": plan.settings.objective,
        "network": type(run.network).__name__,
        "steps": run.step,
        "tokens": run.tokens,
        "seconds": round(run.seconds, 1),
        "loss_bits": losses[-1] if losses else None,
        "held_out_bits": held_out[-1] if held_out else None,
        "targets_per_token": round(run.learned / run.text, 4) if run.text else None,
        "parameters": sum(weight.numel() for weight in run.network.parameters()),
        "hardware": _hardware(run.device),
        "torch": torch.__version__,
        "settings": plan.settings.to_dict(),
        "texts": [
            {
                "name": s.text.name,
                "repeat": s.text.repeat,
                "lines": s.lines,
                "characters": s.characters,
                "tokens": encoded[s.text.name].tokens if s.text.name in encoded else 0,
            }
            for s in plan.surveyed
        ],
    }


def _hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {device.type}, {torch.get_num_threads()} threads"


def _trained(folder: Path, card: dict[str, Any]) -> Trained:
    return Trained(folder, card["finished"], card["steps"], card["tokens"], card["seconds"], card["loss_bits"])


def _take_back(folder: Path) -> None:
    """Remove what a training that never began has left in a folder that was empty before it."""
    shutil.rmtree(folder / "work", ignore_errors=True)
    for name in ("metrics.jsonl", "film.json"):
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
