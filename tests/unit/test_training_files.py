"""What a training writes is there as a whole or not at all, and what a checkpoint remembers of random numbers."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from mlm_viz.training import checkpoints
from mlm_viz.training.checkpoints import own_random, random_state, remove_halves, restore_random, write_atomically
from mlm_viz.training.errors import TrainingError, writing
from mlm_viz.training.vocabulary import SPECIAL, read_tokenizer, save_tokenizer
from tests.full_disk import files_up_to


def test_a_full_disk_by_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write_atomically(tmp_path / "a", b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TrainingError, match="no room"):
        write_atomically(tmp_path / "a", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"old")]


@pytest.mark.parametrize(
    ("number", "says"), [(errno.ENOSPC, "no room"), (errno.EFBIG, "no room"), (errno.EACCES, "cannot be written")]
)
def test_what_the_library_of_tokenizers_says_of_a_full_disk(number: int, says: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=says), writing(tmp_path):
        raise Exception(f"{os.strerror(number)} (os error {number})")  # noqa: TRY002 (that is what it raises)


def test_other_exceptions_are_left_as_they_are(tmp_path: Path) -> None:
    for problem in (Exception("a word too long"), ValueError("(os error 28)"), KeyboardInterrupt()):
        with pytest.raises(type(problem)) as caught, writing(tmp_path):
            raise problem
        assert caught.value is problem


def test_no_room_for_the_tokenizer_leaves_none_that_looks_whole(tmp_path: Path) -> None:
    pieces = [*SPECIAL, *"abcdefgh"]
    with files_up_to(1000), pytest.raises(TrainingError, match="no room"):
        save_tokenizer(pieces, tmp_path / "t", 64)
    assert not (tmp_path / "t" / "tokenizer.json").exists()
    save_tokenizer(pieces, tmp_path / "t", 64)
    assert read_tokenizer(tmp_path / "t").get_vocab_size() == len(pieces)


def test_of_a_tokenizer_the_file_that_is_looked_for_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(checkpoints, "write_atomically", lambda path, _: written.append(path.name))
    save_tokenizer([*SPECIAL, "a"], tmp_path / "t", 64)
    assert len(written) > 1
    assert written[-1] == "tokenizer.json"


def test_halves_of_files_are_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "work" / "tokenizer").mkdir(parents=True)
    kept = ["model.safetensors", ".gitignore", "work/checkpoint-0000000005.pt", "work/.hidden"]
    halves = [".model.safetensors.x1.half", "work/.checkpoint-0000000010.pt.x2.half", "work/tokenizer/.a.json.x3.half"]
    for name in kept + halves:
        (tmp_path / name).write_bytes(b"some")
    remove_halves(tmp_path)
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()) == sorted(kept)
    remove_halves(tmp_path / "nowhere")


def test_random_numbers_go_on_where_they_stood() -> None:
    cpu = torch.device("cpu")
    before = random_state(cpu)
    first = torch.rand(5)
    restore_random(before, cpu)
    assert torch.equal(torch.rand(5), first)


def test_so_do_those_of_an_apple_device(monkeypatch: pytest.MonkeyPatch) -> None:
    mps, found = torch.device("mps"), []
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: torch.tensor([7], dtype=torch.uint8))
    monkeypatch.setattr(torch.mps, "set_rng_state", lambda state: found.append(state.tolist()))
    state = random_state(mps)
    restore_random(state, mps)
    assert found == [[7]]
    older = {name: state[name] for name in ("random", "random_cuda")}
    restore_random(older, mps)
    restore_random(random_state(torch.device("cpu")), mps)  # begun on another device
    restore_random(state, torch.device("cpu"))
    assert found == [[7]]
    with own_random(1, mps):
        pass
    assert found == [[7], [7]]
