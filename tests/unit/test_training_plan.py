"""What a training is begun with: settings, the plan on disk, and refusals that leave a folder as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from mlm_viz import cli
from mlm_viz.paths import data_dir
from mlm_viz.training import Settings, Text, Trained, TrainingError, start, train
from mlm_viz.training.objectives import OBJECTIVES
from mlm_viz.training.plan import begun, find_device, has_bf16, resumed
from mlm_viz.training.settings import changed


@pytest.fixture
def text(tmp_path: Path) -> Path:
    (tmp_path / "story.txt").write_text("the cat sat on the mat.\n" * 50, encoding="utf-8")
    return tmp_path / "story.txt"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def interrupt(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


# --- the folder ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, "not an empty folder"),
        ({"colour": 1}, "no setting colour"),
        ({"rate": -1}, "rate is -1"),
        ({"resume": True}, "no training to resume"),
        ({"resume": True, "steps": 5}, "no training to resume"),
    ],
)
def test_a_refused_call_leaves_the_files_that_are_there(
    asked: dict[str, Any], says: str, text: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    for name in ("work/thesis.tex", "metrics.jsonl", "film.json", "training.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"my own {name}", encoding="utf-8")
    before = contents(folder)
    with pytest.raises(TrainingError, match=says):
        train(text, folder, progress=False, **asked)
    assert len(before) == 4
    assert contents(folder) == before


@pytest.mark.parametrize(("flags", "says"), [([], "not an empty folder"), (["--resume"], "no training to resume")])
def test_a_file_in_the_place_of_the_folder_is_named(
    flags: list[str], says: str, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m").write_text("a letter", encoding="utf-8")
    assert cli.main(["train", str(text), "--out", str(tmp_path / "m"), *flags]) == 2
    assert says in capsys.readouterr().err
    assert (tmp_path / "m").read_text(encoding="utf-8") == "a letter"


@pytest.mark.parametrize("where", ["mlm_viz.training.plan.survey", "mlm_viz.training.start._prepare"])
def test_interrupted_before_the_first_step_nothing_is_left(
    where: str, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(text, tmp_path / "m", progress=False, device="cpu")
    assert not (tmp_path / "m").exists()


def test_what_is_changed_on_resuming_is_remembered(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "m"
    begun(folder, [Text(text, 2.0)], {"steps": 10, "device": "cpu"}).write(folder)
    plan = resumed(folder, {})
    monkeypatch.setattr(start, "_prepare", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train([], folder, resume=True, steps=50, keep=True)
    again = resumed(folder, {})
    assert (plan.settings.steps, plan.settings.keep) == (10, False)
    assert (again.settings.steps, again.settings.keep) == (50, True)
    assert again.surveyed == plan.surveyed


def test_a_device_that_is_not_there_is_not_remembered(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "m"
    begun(folder, [Text(text)], {"steps": 10, "device": "cpu"}).write(folder)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(TrainingError, match="no cuda"):
        train([], folder, resume=True, device="cuda")
    assert resumed(folder, {}).settings.device == "cpu"


def test_a_finished_training_says_so_when_it_is_given_another_budget(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = {"finished": True, "steps": 24, "tokens": 6000, "seconds": 1.0, "loss_bits": 2.0}
    card = done | {"settings": Settings(steps=24).to_dict()}
    (tmp_path / "training.json").write_text(json.dumps(card), encoding="utf-8")
    for asked in ({}, {"steps": 24}, {"steps": None}):
        assert train([], tmp_path, resume=True, **asked).steps == 24
    for asked in ({"steps": 50}, {"minutes": 5.0}):
        with pytest.raises(TrainingError, match="is finished: after 24 steps"):
            train([], tmp_path, resume=True, **asked)
    assert cli.main(["train", "--resume", "--out", str(tmp_path), "--steps", "50"]) == 2
    assert "train anew in another folder" in capsys.readouterr().err


def test_a_home_folder_is_the_same_for_model_and_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []

    def look(_texts: Any, out: Path, **more: Any) -> Trained:
        seen.extend([out, more["callbacks"][0]._path])
        return Trained(out, finished=True, steps=1, tokens=1, seconds=1.0, loss_bits=None)

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(start, "train", look)
    (tmp_path / "scenes.txt").write_text("the {cat} sat\n", encoding="utf-8")
    assert cli.main(["train", "a.txt", "--out=~/m", "--film=~/scenes.txt"]) == 0
    assert seen == [tmp_path / "m", tmp_path / "m" / "film.json"]


# --- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"rate": -1}, "rate is -1"),
        ({"rate": None}, "rate is None"),
        ({"mask_to": 1.5}, "mask_to is 1.5"),
        ({"layers": "two"}, "layers is 'two'"),
        ({"layers": 2.5}, "layers is 2.5; it must be a whole number from 1 to 96"),
        ({"layers": True}, "layers is True"),
        ({"vocab": 1.5e3}, "vocab is 1500.0; it must be a whole number"),
        ({"whole_words": "no"}, "whole_words is 'no'; it must be one of: False, True"),
        ({"keep": None}, "keep is None"),
        ({"decay": "steep"}, "linear, cosine"),
        ({"width": 30, "heads": 4}, "cannot be shared among 4"),
        ({"width": 300, "heads": 4}, "choose a multiple of 8"),
        ({"short": 300}, "short is 300"),
        ({"colour": 1}, "no setting colour"),
        ({"objective": "dream"}, "objective is 'dream'"),
        ({"steps": 0}, "steps is 0"),
        ({"minutes": float("nan")}, "minutes is nan"),
    ],
)
def test_settings_out_of_range(setting: dict[str, Any], says: str, text: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=says):
        train(text, tmp_path / "m", progress=False, **setting)
    assert not (tmp_path / "m").exists()


def test_sizes_by_the_text() -> None:
    small, large = (Settings().resolved(characters=c, lines=c // 50, device="cpu") for c in (20_000, 50_000_000))
    assert (small.layers, small.width, small.heads, small.batch_tokens, small.held_out) == (2, 128, 2, 256, 0.05)
    assert (large.layers, large.width, large.heads, large.vocab, large.batch_tokens) == (4, 256, 4, 14_000, 2048)
    assert large.held_out == 0.005
    assert small.minutes == 10
    odd = Settings(width=320).resolved(characters=50_000_000, lines=10**6, device="cuda")
    assert (odd.width % odd.heads, odd.batch_tokens) == (0, 65_536)


@pytest.mark.parametrize(("family", "width"), [("modernbert", 300), ("modernbert", 42), ("bert", 300), ("bert", 45)])
def test_a_width_gets_as_many_heads_as_its_network_can_have(family: str, width: int) -> None:
    asked = Settings(family=family, width=width, layers=1, limit=16, short=8)
    settings = asked.resolved(characters=50_000_000, lines=10**6, device="cpu")
    network = OBJECTIVES["masked"](settings).new_model(settings, 20)
    assert network(input_ids=torch.tensor([[2, 7, 8, 3]])).logits.shape == (1, 4, 20)


def test_pairs_of_numbers_are_turned_by_one_kind_of_network_only() -> None:
    assert Settings(family="bert", width=300, heads=4).heads == 4
    assert Settings(objective="span", width=300, heads=4).heads == 4
    with pytest.raises(TrainingError, match="301 cannot be shared among 1"):
        Settings(width=301).resolved(characters=50_000_000, lines=10**6, device="cpu")


@pytest.mark.parametrize("card", sorted((data_dir() / "models").glob("*/training.json")), ids=lambda p: p.parent.name)
def test_settings_that_were_written_earlier_are_read(card: Path) -> None:
    written = json.loads(card.read_text(encoding="utf-8"))["settings"]
    assert Settings(**written).to_dict() | written == Settings(**written).to_dict()


# --- resuming -----------------------------------------------------------------------------------


def started(**settings: Any) -> Settings:
    return Settings(**settings).resolved(characters=100_000, lines=1000, device="cpu")


@pytest.mark.parametrize(
    ("first", "then", "budget"),
    [
        ({}, {}, (10.0, None)),
        ({}, {"steps": 50}, (None, 50)),  # the ten minutes were nobody's wish
        ({"minutes": 3.0}, {"minutes": None}, (3.0, None)),
        ({"minutes": 3.0}, {"minutes": 7.0}, (7.0, None)),
        ({"steps": 10}, {"steps": 50, "minutes": None}, (None, 50)),
        ({"steps": 10}, {"minutes": 2.0}, (2.0, None)),
        ({"steps": 10}, {"steps": 50, "minutes": 2.0}, (2.0, 50)),
        ({"steps": 10, "minutes": 2.0}, {"keep": True}, (2.0, 10)),
    ],
)
def test_a_budget_takes_the_place_of_the_one_before(
    first: dict[str, Any], then: dict[str, Any], budget: tuple[float | None, int | None]
) -> None:
    settings = changed(started(**first), then)
    assert (settings.minutes, settings.steps) == budget


@pytest.mark.parametrize(
    "recipe",
    [
        {"limit": 256, "long_from": 1.0},
        {"limit": 32, "short": 16},
        {"limit": 32, "short": 16, "long_from": 1},
        {"width": None, "heads": 2, "held_out": 0.01, "whole_words": True},
    ],
)
def test_the_same_settings_once_more_change_nothing(recipe: dict[str, Any]) -> None:
    settings = started(**recipe)
    assert changed(settings, recipe) == settings
    assert changed(settings, {"limit": recipe.get("limit")}) == settings


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"limit": 128}, "begun with limit 256 and cannot go on with 128"),
        ({"seed": 1}, "begun with seed 0"),
        ({"keep": "yes"}, "keep is 'yes'"),
        ({"steps": 0}, "steps is 0"),
        ({"colour": None}, "no setting colour"),
    ],
)
def test_what_would_be_another_training_is_refused(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        changed(started(), asked)


# --- devices ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "best"), [(set(), "cpu"), ({"mps"}, "mps"), ({"cuda"}, "cuda"), ({"cuda", "mps"}, "cuda")]
)
def test_the_best_device_that_is_there(there: set[str], best: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in there)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in there)
    assert find_device("auto") == best
    assert find_device("cpu") == "cpu"
    for missing in {"cuda", "mps"} - there:
        with pytest.raises(TrainingError, match=f"no {missing}"):
            find_device(missing)


@pytest.mark.parametrize(
    ("able", "has"), [({}, False), ({"avx2": True, "amx_bf16": False}, False), ({"avx512_bf16": True}, True)]
)
def test_bf16_where_the_processor_has_it(able: dict[str, bool], has: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert has_bf16("cpu") is has
    assert not has_bf16("mps")
