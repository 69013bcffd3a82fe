"""Whole trainings on a tiny scale: what is left, killing and going on, and what is said when something is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import mlm_viz
from mlm_viz import cli
from mlm_viz.training import Callback, TrainingError, evaluate, train
from mlm_viz.training.checkpoints import checkpoints, load_checkpoint, write_atomically
from mlm_viz.training.metrics import read_metrics
from tests.full_disk import files_up_to
from tests.story import story_lines

TINY = {
    "family": "bert",
    "optimizer": "adamw",
    "layers": 1,
    "width": 32,
    "heads": 2,
    "vocab": 200,
    "limit": 32,
    "short": 16,
    "batch_tokens": 256,
    "rate": 0.01,
    "device": "cpu",
    "precision": "fp32",
}
ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "story.txt"
    lines = story_lines()
    lines += [" ".join(lines[n : n + 6]) for n in range(0, 120, 6)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def equal(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


# --- what is left -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "model"
    trained = train(text, out, steps=120, progress=False, dtype="fp32", seed=1, **TINY)
    assert trained.finished
    assert trained.steps == 120
    assert trained.loss_bits < 6  # of the last step or of many: that depends on the machine
    return out


def test_the_model_loads_everywhere_and_has_learned(finished: Path, text: Path) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    network, report = AutoModelForMaskedLM.from_pretrained(finished, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert network.dtype == torch.float32
    assert AutoTokenizer.from_pretrained(finished).mask_token == "[MASK]"
    model = mlm_viz.load(finished)
    assert model.limit == network.config.max_position_embeddings == 32
    assert (
        mlm_viz.predict("the cat [MASK] on the mat 5.", model)
        .top(4)["token"]
        .isin(["sat", "ran", "slept", "sang"])
        .all()
    )
    score = evaluate(model, text, progress=False).scores[0]
    assert score.accuracy > 0.2
    assert score.lines < 60


@pytest.mark.parametrize(("family", "optimizer"), [("bert", "muon"), ("modernbert", "adamw"), ("modernbert", "muon")])
def test_every_network_learns_with_every_optimizer(text: Path, tmp_path: Path, family: str, optimizer: str) -> None:
    from transformers import AutoConfig

    settings = TINY | {"family": family, "optimizer": optimizer, "rate": 0.03}
    train(text, tmp_path / "m", steps=60, progress=False, **settings)
    held = [
        line["held_out_bits"]["story"]
        for line in read_metrics(tmp_path / "m" / "metrics.jsonl")
        if "held_out_bits" in line
    ]
    assert held[-1] < held[0] - 1.5
    assert AutoConfig.from_pretrained(tmp_path / "m").model_type == family
    assert mlm_viz.predict("the cat [MASK] on", tmp_path / "m").positions == (3,)


def test_muon_turns_what_stands_between_layers(text: Path, tmp_path: Path) -> None:
    """Every weight has one optimizer; Muon has the matrices inside the layers and no table of words."""
    seen: dict[str, set[int]] = {}

    class Look(Callback):
        def begin(self, run) -> None:
            muon, adamw = run._optimizer._parts
            assert isinstance(muon, torch.optim.Muon)
            names = {id(weight): name for name, weight in run.network.named_parameters()}
            for part, key in ((muon, "muon"), (adamw, "adamw")):
                seen[key] = [names[id(weight)] for group in part.param_groups for weight in group["params"]]

    train(text, tmp_path / "m", steps=1, progress=False, callbacks=[Look()], **(TINY | {"optimizer": "muon"}))
    assert len(seen["muon"]) == 6  # query, key, value, their mixture, and two of the layer's own network
    assert all(".layer.0." in name and name.endswith("weight") for name in seen["muon"])
    assert not set(seen["muon"]) & set(seen["adamw"])
    assert any("word_embeddings" in name for name in seen["adamw"])


def test_only_the_model_and_its_papers_are_left(finished: Path) -> None:
    names = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in finished.iterdir()} == names | {"training.json", "metrics.jsonl"}
    card = json.loads((finished / "training.json").read_text())
    assert card["finished"] is True
    assert card["texts"][0]["name"] == "story"
    assert str(finished.parent.parent) not in json.dumps(card)


def test_metrics_tell_the_whole_way(finished: Path) -> None:
    lines = read_metrics(finished / "metrics.jsonl")
    losses = [line for line in lines if "loss_bits" in line]
    held = [line for line in lines if "held_out_bits" in line]
    assert losses[-1]["step"] == held[-1]["step"] == 120
    assert held[0]["step"] == 0
    assert held[0]["held_out_bits"]["story"] == pytest.approx(np.log2(200), abs=1.5)
    assert held[-1]["held_out_bits"]["story"] < held[0]["held_out_bits"]["story"] - 2
    assert losses[-1]["rate"] < 0.0002
    assert losses[-1]["limit"] == 32
    assert losses[-1]["mask_rate"] < 0.2


def test_a_seed_gives_the_same_weights_and_another_gives_others(text: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        before = torch.get_rng_state()
        train(text, tmp_path / name, steps=5, seed=seed, progress=False, **TINY)
        assert torch.equal(before, torch.get_rng_state())  # the caller's random numbers are left alone
    one, same, other = (weights(tmp_path / name) for name in "abc")
    assert equal(one, same)
    assert not equal(one, other)
    assert next(iter(one.values())).dtype == torch.float16


def test_a_small_text_needs_no_settings(text: Path, tmp_path: Path) -> None:
    trained = train(text, tmp_path / "m", steps=2, progress=False, device="cpu")
    settings = json.loads((tmp_path / "m" / "training.json").read_text())["settings"]
    assert (settings["layers"], settings["width"], settings["heads"]) == (2, 128, 2)
    assert settings["vocab"] < 1000
    assert mlm_viz.load(trained.folder).limit > 16
    assert trained.model().layers == 2


def test_bf16_and_whole_words_train_too(text: Path, tmp_path: Path) -> None:
    settings = TINY | {"precision": "bf16", "whole_words": True, "decay": "cosine", "dropout": 0.1}
    assert train(text, tmp_path / "m", steps=3, progress=False, **settings).loss_bits < 10


# --- killing and going on -----------------------------------------------------------------------

KILLED = '''
import os, signal, sys
import torch
torch.set_num_threads(1)
import mlm_viz.training.checkpoints as checkpoints
from mlm_viz.training import Callback, train
from mlm_viz.training import start

def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)

class DieAt(Callback):
    def __init__(self, step): self.at = step
    def step(self, run):
        if run.step == self.at: die()

class DieWriting:
    """Dies in the middle of writing the n-th file that begins with a name: it stands there under another one."""
    def __init__(self, name, count):
        self.name, self.left, self.write = name, count, checkpoints.write_atomically
    def __call__(self, path, data):
        if path.name.startswith(self.name):
            self.left -= 1
            if self.left == 0:
                os.fsync = die
        return self.write(path, data)

def attempt(moment):
    callbacks = []
    if isinstance(moment, int):
        callbacks = [DieAt(moment)]
    elif moment == "encoding":
        start.encode = die
    else:
        checkpoints.write_atomically = DieWriting(*moment)
    out = sys.argv[2]
    begun = os.path.exists(out + "/work/run.json")
    train(sys.argv[1], out, resume=begun, steps=24, checkpoint_steps=5, progress=False, callbacks=callbacks,
          **({} if begun else eval(sys.argv[3])))

for moment in ["encoding", 3, ("checkpoint", 1), 12, ("checkpoint", 1), 19, ("model", 1)]:
    child = os.fork()
    if child == 0:
        attempt(moment)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, (moment, status)
    print(moment, sorted(p for p in os.listdir(sys.argv[2] + "/work") if p.endswith(".pt")))
'''


def test_killed_at_any_moment_it_reaches_the_same_weights(text: Path, tmp_path: Path) -> None:
    # Dropout draws from torch's own random numbers, and Muon keeps a momentum of its own.
    settings = TINY | {"dtype": "fp32", "dropout": 0.1, "family": "modernbert", "optimizer": "muon"}
    train(text, tmp_path / "whole", steps=24, checkpoint_steps=5, progress=False, **settings)
    out = tmp_path / "killed"
    told = subprocess.run(
        [sys.executable, "-c", KILLED, str(text), str(out), repr(settings)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert "checkpoint-0000000005.pt" in told.stdout
    assert not (out / "model.safetensors").exists()
    # The last kill came when all steps were done. What it was writing lies there; what those before left is gone.
    assert load_checkpoint(checkpoints(out / "work")[-1])["step"] == 24
    assert len(list(out.glob(".model.safetensors.*"))) == 1
    assert not list((out / "work").rglob(".*"))
    out = out.rename(tmp_path / "moved")  # it may go on elsewhere, and the text is not needed any more
    trained = train([], out, resume=True, progress=False)
    assert (trained.finished, trained.steps) == (True, 24)
    assert equal(weights(out), weights(tmp_path / "whole"))
    steps = [line["step"] for line in read_metrics(out / "metrics.jsonl")]
    assert steps == sorted(steps)
    assert train([], out, resume=True, progress=False) == trained  # nothing is left to do
    assert not list(out.rglob(".*"))


class StopAt(Callback):
    def __init__(self, step: int) -> None:
        self.at, self.seen, self.lines, self.ended = step, [], [], 0

    def step(self, run) -> None:
        self.seen.append(run.step)
        if run.step == self.at:
            run.stop()

    def metrics(self, run, line) -> None:
        self.lines.append(line)

    def end(self, run) -> None:
        self.ended += 1


def test_stopped_it_leaves_a_usable_model_and_goes_on(text: Path, tmp_path: Path) -> None:
    stop = StopAt(7)
    trained = train(text, tmp_path / "m", steps=20, progress=False, callbacks=[stop], **TINY)
    assert (trained.finished, trained.steps) == (False, 8)
    assert stop.seen == [*range(8), 8]
    assert stop.ended == 1
    assert stop.lines == read_metrics(tmp_path / "m" / "metrics.jsonl")
    assert trained.model().limit == 16  # long inputs were not reached
    with pytest.raises(TrainingError, match="unfinished"):
        train(text, tmp_path / "m", progress=False)
    trained = train([], tmp_path / "m", resume=True, progress=False)
    assert trained.finished
    assert trained.model().limit == 32


def test_an_interrupt_stops_between_two_steps(text: Path, tmp_path: Path) -> None:
    class Interrupt(Callback):
        def step(self, run) -> None:
            if run.step == 4:
                os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    trained = train(text, tmp_path / "m", steps=20, progress=False, callbacks=[Interrupt()], **TINY)
    assert (trained.finished, trained.steps) == (False, 5)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_callback_may_ask_the_model_without_disturbing_it(text: Path, tmp_path: Path) -> None:
    class Ask(Callback):
        answers = 0

        def step(self, run) -> None:
            model = run.as_model()
            prediction = mlm_viz.predict("the cat [MASK] on the mat", model)
            assert mlm_viz.attend("the cat", model).weights.shape[:2] == (1, 2)
            self.answers += len(prediction)

    ask = Ask()
    train(text, tmp_path / "asked", steps=4, progress=False, callbacks=[ask], **TINY)
    train(text, tmp_path / "alone", steps=4, progress=False, **TINY)
    assert ask.answers == 5
    assert equal(weights(tmp_path / "asked"), weights(tmp_path / "alone"))


def test_a_budget_of_time_ends_annealed(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(np.arange(0, 10_000, 0.01))
    monkeypatch.setattr("mlm_viz.training.schedule.time.monotonic", lambda: float(next(clock)))
    train(text, tmp_path / "m", minutes=0.5, progress=False, **TINY)
    last = [line for line in read_metrics(tmp_path / "m" / "metrics.jsonl") if "rate" in line][-1]
    assert last["fraction"] > 0.95
    assert last["rate"] < 0.05 * 0.01
    assert last["limit"] == 32


# --- what goes wrong ----------------------------------------------------------------------------


def nothing_left(folder: Path) -> bool:
    return not folder.exists()


@pytest.mark.parametrize(
    ("data", "says"), [(b"", "is empty"), (b"\0\1\2", "not a text file"), ("é".encode("latin-1"), "not UTF-8")]
)
def test_bad_text_is_said_by_the_command_and_nothing_is_written(
    data: bytes, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    assert cli.main(["train", str(tmp_path / "a.txt"), "--out", str(tmp_path / "m"), "--quiet"]) == 2
    assert says in capsys.readouterr().err
    assert nothing_left(tmp_path / "m")


def test_a_text_smaller_than_a_batch(text: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="fewer than a batch of 100000"):
        train(text, tmp_path / "m", progress=False, **(TINY | {"batch_tokens": 100_000}))
    assert nothing_left(tmp_path / "m")


def test_no_room_for_the_ids_leaves_nothing(text: Path, tmp_path: Path) -> None:
    # The tokenizer's own file is smaller than the ids of many lines.
    big = tmp_path / "big.txt"
    big.write_text(text.read_text(encoding="utf-8").replace(".", "!\n") * 8, encoding="utf-8")
    with files_up_to(40_000), pytest.raises(TrainingError, match="no room"):
        train(big, tmp_path / "m", steps=2, progress=False, **TINY)
    assert nothing_left(tmp_path / "m")


def test_no_room_for_a_checkpoint_leaves_the_one_before(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlm_viz.training.checkpoints as module

    out, written = tmp_path / "m", []

    def full(path: Path, data: bytes) -> None:
        written.append(path.name)
        with files_up_to(50_000 if len([n for n in written if n.startswith("checkpoint")]) > 1 else 10**9):
            write_atomically(path, data)

    monkeypatch.setattr(module, "write_atomically", full)
    with pytest.raises(TrainingError, match="no room"):
        train(text, out, steps=10, checkpoint_steps=3, progress=False, **TINY)
    assert [path.name for path in checkpoints(out / "work")] == ["checkpoint-0000000003.pt"]
    assert not list((out / "work").glob(".*"))
    assert load_checkpoint(checkpoints(out / "work")[0])["step"] == 3
    monkeypatch.undo()
    assert train([], out, resume=True, progress=False).finished


@pytest.fixture
def begun(text: Path, tmp_path: Path) -> Path:
    train(text, tmp_path / "m", steps=9, progress=False, callbacks=[StopAt(2)], **TINY)
    return tmp_path / "m"


def test_resuming_with_other_settings_is_refused(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--out", str(begun), "--resume", "--width", "64"]) == 2
    assert "begun with width 32 and cannot go on with 64" in capsys.readouterr().err
    assert train([], begun, resume=True, progress=False, width=32, steps=5).steps == 5  # the same, and a new budget


def test_a_checkpoint_of_another_shape_or_damaged(begun: Path) -> None:
    newest = checkpoints(begun / "work")[-1]
    state = load_checkpoint(newest)
    state["model"] = {name: torch.zeros(3) for name in state["model"]}
    torch.save(state, newest)
    with pytest.raises(TrainingError, match="another shape"):
        train([], begun, resume=True, progress=False)
    newest.write_bytes(b"nonsense")
    with pytest.raises(TrainingError, match="damaged or no checkpoint"):
        train([], begun, resume=True, progress=False)


def test_folders_that_cannot_be_used(text: Path, begun: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no training to resume"):
        train([], tmp_path / "new", resume=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(TrainingError, match="not an empty folder"):
        train(text, tmp_path / "full")
    assert (tmp_path / "full" / "letter.txt").read_text() == "dear"
    (begun / "letter.txt").write_text("dear")
    with pytest.raises(TrainingError, match="unfinished"):
        train(text, begun)
    assert checkpoints(begun / "work")


def test_a_loss_that_is_no_number_ends_it(text: Path, tmp_path: Path) -> None:
    class Break(Callback):
        def step(self, run) -> None:
            if run.step == 2:
                torch.nn.init.constant_(run.network.cls.predictions.bias, float("nan"))

    with pytest.raises(TrainingError, match="no longer a number"):
        train(text, tmp_path / "m", steps=8, checkpoint_steps=4, progress=False, callbacks=[Break()], **TINY)
    assert not (tmp_path / "m" / "model.safetensors").exists()
    assert not checkpoints(tmp_path / "m" / "work")


def test_the_command_trains_with_a_recipe_and_shows_a_bar(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "r.json"
    recipe.write_text(json.dumps({"text": [{"path": str(text), "repeat": 2}], "settings": TINY | {"steps": 3}}))
    assert cli.main(["train", "--recipe", str(recipe), "--out", str(tmp_path / "m"), "--steps", "4"]) == 0
    told = capsys.readouterr()
    assert "trained for 4 steps" in told.out
    assert "tokens/s" in told.err
    assert "bits" in told.err
