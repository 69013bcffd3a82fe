"""What notebook 05 says is to be seen, checked on its own cells; trainings by their steps alone, whatever the clock."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import numpy as np
import pytest
import torch

import mlm_viz
from mlm_viz.learning import read_learning
from mlm_viz.training import loop, train

BOOK = Path(__file__).resolve().parents[2] / "notebooks" / "05_how_it_learns.ipynb"
CELLS = {cell.id: cell.source for cell in nbformat.read(BOOK, as_version=nbformat.NO_CONVERT).cells}
STEPS = {"split-train": 150, "live-train": 200, "overfit-train": 300}  # fewer than in the notebook are enough

pytestmark = [pytest.mark.notebook, pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """What stands behind the first cell."""
    return run({}, "exercise-table")


def run(names: dict[str, Any], *cells: str) -> dict[str, Any]:
    """Names as they stand when these cells have run, one after another."""
    for cell in cells:
        exec(compile(CELLS[cell], cell, "exec"), names)
    return names


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The notebook's trainings without a page and without a clock: every step has a line of metrics."""
    monkeypatch.setattr(loop, "_LOG_SECONDS", 0.0)
    monkeypatch.setattr(loop, "_LOG_SHARE", 0.0)

    def use(steps: int) -> None:
        def train_quietly(texts: Any, sentences: Any = (), **settings: Any) -> SimpleNamespace:
            assert settings.pop("minutes") < 1
            assert settings.pop("steps") >= steps
            folder = tmp_path / f"model {len(list(tmp_path.iterdir()))}"
            trained = train(texts, folder, progress=False, steps=steps, **settings)
            return SimpleNamespace(model=trained.model, trained=trained, learning=read_learning(folder))

        monkeypatch.setattr(mlm_viz, "train_live", train_quietly, raising=False)

    return use


def test_one_step_by_hand(page: dict[str, Any]) -> None:
    names = run(dict(page), "step-forward", "step-loss", "step-gradient")
    loss, p, true = names["loss"].item(), names["p"], names["true"]
    assert names["sentence"].labels[names["place"]] == "tea"
    assert loss / np.log(2) == pytest.approx(-np.log2(p[true].item()), abs=1e-4)
    assert names["difference"] < 1e-6, "the gradient at the logits is p minus one-hot"
    before = {name: weight.clone() for name, weight in names["model"].network.state_dict().items()}
    run(names, "step-update")
    _, *tea = names["rows"][0]
    assert np.log2(tea[1]) > 0.8 * np.log2(tea[0]), "the true word is more probable after the step"
    assert tea[0] == pytest.approx(p[true].item(), rel=1e-4)
    run(names, "step-rates")
    rates, here, there, best = zip(*names["rows"], strict=True)
    assert here[rates.index(0.001)] == pytest.approx(tea[1], rel=1e-3)
    assert here[0] < here[1], "among small steps the larger one moves more"
    assert best[0] == mlm_viz.predict("What [MASK] is it now?").top(1)["token"][0], "a tiny step changes little"
    assert there[-1] < there[0] / 100, "a huge step destroys what the network knew of other sentences"
    after = names["model"].network.state_dict()
    assert all(torch.equal(weight, after[name]) for name, weight in before.items()), "the bundled model was changed"


def test_the_same_step_in_chinese(page: dict[str, Any]) -> None:
    names = dict(page)
    old, word, new = "I drink a cup of tea every morning.", '["tea"]', "我明天要去书店买书。"
    assert new in CELLS["step-after"]
    assert old in CELLS["step-forward"]
    assert word in CELLS["step-forward"]
    exec(CELLS["step-forward"].replace(old, new).replace(word, '["明"]'), names)
    assert names["model"].vocabulary.labels[names["true"]] == "明"


def test_counting_all_places_is_copying(page: dict[str, Any]) -> None:
    rows = run(dict(page), "places-text", "places-train")["rows"]
    last = {counted: values for counted, step, *values in rows if step == 64}
    everywhere, visible, masked = last["all places"]
    assert everywhere < 1
    assert visible < 0.25
    assert masked > 2.5
    assert abs(masked - last["masked places"][2]) < 1.2, "at the masks they are about alike"
    assert last["masked places"][1] > 2, "a network never asked about visible places does not know what to say there"


@pytest.mark.timeout(600)
def test_what_80_10_10_prevents(page: dict[str, Any], quiet: Any) -> None:
    quiet(STEPS["split-train"])
    names = run(dict(page), "split-train", "split-table")
    bits = {(recipe, standing): value for recipe, standing, _, value, _ in names["rows"]}
    only, mixed = (
        {s: bits[r, s] for s in ("the mask", "the right token", "a random token")} for r in names["learners"]
    )
    assert only["the right token"] > only["the mask"] + 1, "never asked, it does not even read what stands there"
    assert mixed["the right token"] < mixed["the mask"] - 1
    assert mixed["the right token"] < only["the right token"] - 3
    assert mixed["a random token"] < only["a random token"]
    assert mixed["the mask"] < only["the mask"] + 1, "at the gaps it loses little, if anything"
    run(names, "split-words")


@pytest.mark.timeout(600)
def test_the_nano_model_learns_the_village(page: dict[str, Any], quiet: Any) -> None:
    quiet(STEPS["live-train"])
    names = run(dict(page) | _settings_of("split-train"), "live-train")
    names["learner"] = names["live"].model()
    run(names, "perplexity-table")
    before, after = names["table"]["perplexity before"], names["table"]["perplexity after"]
    vocabulary = len(names["learner"].vocabulary)
    assert before.between(vocabulary / 3, vocabulary * 3).all(), "at the start it rolls dice"
    assert (after < before / 10).all()
    assert all(score.accuracy > 0.2 for score in names["scores"])


def _settings_of(cell: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec("\n".join(line for line in CELLS[cell].splitlines() if line.startswith("nano")), names)
    return {"nano": names["nano"]}


def test_a_small_text_is_learned_by_heart(page: dict[str, Any], quiet: Any) -> None:
    quiet(STEPS["overfit-train"])
    names = run(dict(page), "overfit-train")
    names["folder"].cleanup()
    learning = names["crammed"].learning
    held, lowest = learning.held_out, learning.lowest
    assert lowest is not None
    assert 0 < lowest < len(held) - 3, "the best was long before the end"
    assert held[-1] > held[lowest] + 0.5, "held out, it turns up"
    # Single steps scatter by half a bit. Ten together fall by three to four, whatever the seed.
    assert len(learning.bits) == STEPS["overfit-train"]
    first, last = learning.bits[:10].mean(), learning.bits[-10:].mean()
    assert last < first - 2, "while the training loss falls"
    assert last < held[-1] - 2
