"""Checkpoints that are there as a whole or not at all, and the model that is left at the end."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from mlm_viz.strings import say
from mlm_viz.training.errors import TrainingError, writing

_KEPT = 2
_PATTERN = "checkpoint-*.pt"
_HALF = ".half"
_DTYPES = {"fp16": torch.float16, "fp32": torch.float32}


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """Write a file so that at any moment, whatever happens, the old or the new one is there.

    Raises:
        TrainingError: if the disk is full or closed; nothing is left of the new file then.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_HALF)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def remove_halves(folder: Path) -> None:
    """Remove what was being written when a training was killed: nobody reads it, and it can be large."""
    for half in [*folder.glob(f".*{_HALF}"), *(folder / "work").rglob(f".*{_HALF}")]:
        half.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the new name last too; systems that cannot open folders do it by themselves."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def save_checkpoint(folder: Path, step: int, state: Mapping[str, Any]) -> Path:
    """Write all that a training needs to go on; the last two are kept.

    Raises:
        TrainingError: if there is no room; those written before are still there.
    """
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    path = folder / f"checkpoint-{step:010d}.pt"
    write_atomically(path, buffer.getbuffer())
    for old in checkpoints(folder)[:-_KEPT]:
        old.unlink()
    return path


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, oldest first."""
    return sorted(folder.glob(_PATTERN))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """What was saved, on the CPU; read as data only, never as code.

    Raises:
        TrainingError: if the file is damaged or no checkpoint.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        state["step"], state["model"], state["optimizer"]
    except Exception as problem:
        raise TrainingError(say("train.error.checkpoint", path=path)) from problem
    return state


def random_state(device: torch.device) -> dict[str, torch.Tensor | None]:
    """Where the random numbers of torch stand, and those of the device, which has its own."""
    return {
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "random_mps": torch.mps.get_rng_state() if device.type == "mps" else None,
    }


def restore_random(state: Mapping[str, Any], device: torch.device) -> None:
    """Go on with random numbers from there; those of a device alone if it was the same one then."""
    torch.set_rng_state(state["random"])
    if device.type == "cuda" and state["random_cuda"] is not None:
        torch.cuda.set_rng_state(state["random_cuda"], device)
    if device.type == "mps" and state.get("random_mps") is not None:  # older checkpoints have none
        torch.mps.set_rng_state(state["random_mps"])


@contextmanager
def own_random(seed: int, device: torch.device) -> Iterator[None]:
    """Random numbers that follow from the seed; outside they go on as if nothing had been drawn."""
    before = random_state(device)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        restore_random(before, device)


def restore_weights(network: Any, weights: Mapping[str, torch.Tensor], path: Path) -> None:
    """Put weights into a network.

    Raises:
        TrainingError: if they are of another shape; nothing is changed then.
    """
    own = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    differing = sorted(name for name in own | given if own.get(name) != given.get(name))
    if differing:
        name = differing[0]
        raise TrainingError(say("train.error.shape", path=path, name=name, was=given.get(name), now=own.get(name)))
    network.load_state_dict(weights)


def save_model(network: Any, tokenizer: Any, folder: Path, *, dtype: str, limit: int) -> None:
    """Write a model as transformers reads it: weights in `dtype`, loaded as 32-bit floats.

    Args:
        network: a model of transformers.
        tokenizer: of transformers.
        folder: gets `config.json`, `model.safetensors`, `tokenizer.json` and `tokenizer_config.json`.
        dtype: "fp16" or "fp32".
        limit: the longest input in tokens that was trained on.

    Raises:
        TrainingError: if there is no room.
    """
    config = {**network.config.to_diff_dict(), "architectures": [type(network).__name__], "dtype": "float32"}
    tokenizer.model_max_length = limit
    save_tokenizer_files(tokenizer, folder)
    write_atomically(folder / "config.json", (json.dumps(config, indent=2) + "\n").encode())
    # The weights last: where they are, all is.
    weights = safetensors.torch.save(_own_tensors(network, _DTYPES[dtype]), {"format": "pt"})
    write_atomically(folder / "model.safetensors", weights)


def save_tokenizer_files(tokenizer: Any, folder: Path) -> None:
    """Write a tokenizer of transformers; where its `tokenizer.json` is, all of it is.

    Raises:
        TrainingError: if there is no room.
    """
    with writing(folder), tempfile.TemporaryDirectory() as temporary:
        tokenizer.save_pretrained(temporary)
        for file in sorted(Path(temporary).iterdir(), key=lambda file: (file.name == "tokenizer.json", file.name)):
            write_atomically(folder / file.name, file.read_bytes())


def _own_tensors(network: Any, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The tensors of a network on the CPU; of those tied together the first, from which the others are made."""
    own: dict[int, tuple[str, torch.Tensor]] = {}
    for name, tensor in network.state_dict().items():
        own.setdefault(tensor.data_ptr(), (name, tensor))
    return {name: tensor.to("cpu", dtype).contiguous() for name, tensor in own.values()}
