"""The film of a training: how it is written and read, and that what is recorded is what the model says."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mlm_viz
from mlm_viz import cli
from mlm_viz.errors import MlmVizError
from mlm_viz.film import Film, Scene, load_film, scenes_in
from mlm_viz.model import Model
from mlm_viz.training import Callback, train
from mlm_viz.training.film import FilmRecorder
from mlm_viz.training.metrics import read_metrics
from tests.unit.test_training_run import TINY

SCENES = (
    Scene("the cat [MASK] on the mat.", "Sat"),  # written with a capital, which the vocabulary does not know
    Scene("the [MASK] ran on the hill.", "dog"),
    Scene("我们去公[MASK]看花。", "园"),
)
STEPS = [0, 1, 2, 3, 4, 6, 8, 11, 12]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "story.txt"
    rng = np.random.default_rng(0)
    who, did, where = ("cat dog king fox".split(), "sat ran slept sang".split(), "mat hill boat tree".split())
    lines = [f"the {rng.choice(who)} {rng.choice(did)} on the {rng.choice(where)}." for _ in range(300)]
    lines += ["我们去公园看花。"] * 100
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def trained(text: Path, out: Path, *callbacks: Callback, **settings: Any) -> Path:
    train(text, out, steps=12, dtype="fp32", held_out=0.2, progress=False, callbacks=callbacks, **(TINY | settings))
    return out


@pytest.fixture(scope="module")
def folder(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training, and its film."""
    out = tmp_path_factory.mktemp("run") / "model"
    return trained(text, out, FilmRecorder(out / "film.json", SCENES, top=5))


@pytest.fixture(scope="module")
def film(folder: Path) -> Film:
    return load_film(folder / "film.json")


def same(one: Film, two: Film) -> bool:
    return json.dumps(one.to_dict()) == json.dumps(two.to_dict())


# --- scenes ---------------------------------------------------------------------------------------


def test_a_scene_is_read_from_a_line() -> None:
    scene = Scene.read("  The sun rises in the {east}.\n")
    assert scene == Scene("The sun rises in the [MASK].", "east")
    assert (scene.language, Scene.read("我{明}天去。").language) == ("en", "zh")
    assert scene.parts == ("The sun rises in the ", ".")
    assert scene.filled("west") == "The sun rises in the west."


@pytest.mark.parametrize(
    "line", ["no braces", "{}", "{ }", "an {open one", "two {a} of {b}", "{a{b}}", "}a{", "a} {b}"]
)
def test_a_line_without_exactly_one_word_in_braces_is_refused(line: str) -> None:
    with pytest.raises(MlmVizError, match="one word to guess in braces"):
        Scene.read(line)


def test_the_bundled_film_is_that_of_the_bundled_model(bundled: Model) -> None:
    card = json.loads((Path(bundled.network.config.name_or_path) / "training.json").read_text(encoding="utf-8"))
    film = load_film()
    assert (film.steps[-1], film.tokens[-1]) == (card["steps"], card["tokens"])


def test_the_scenes_of_the_bundled_film() -> None:
    scenes = scenes_in(mlm_viz.paths.data_dir() / "film" / "scenes.txt")
    assert len(scenes) == len(set(scenes)) >= 30
    assert {scene.language for scene in scenes} == {"en", "zh"}


def test_a_file_of_scenes_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(MlmVizError, match="cannot be read"):
        scenes_in(tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes("caf\xe9 {a}".encode("latin-1"))
    with pytest.raises(MlmVizError, match="cannot be read"):
        scenes_in(tmp_path / "latin.txt")
    (tmp_path / "some.txt").write_text("\na {b}\n\n", encoding="utf-8")
    assert scenes_in(tmp_path / "some.txt") == [Scene("a [MASK]", "b")]


def test_a_guess_is_the_truth_whatever_its_capitals() -> None:
    assert all(Scene("[MASK]", "East").is_truth(guess) for guess in ("east", "East", "␣east"))
    assert not any(Scene("[MASK]", "east").is_truth(guess) for guess in ("##east", "eastern", ""))


# --- recording -----------------------------------------------------------------------------------


def test_frames_are_taken_at_the_steps_of_a_film_and_at_the_end(folder: Path, film: Film) -> None:
    assert film.steps.tolist() == STEPS
    assert film.scenes == SCENES
    assert film.top == 5
    lines = read_metrics(folder / "metrics.jsonl")
    measured = {line["step"]: line["held_out_bits"] for line in lines if "held_out_bits" in line}
    assert film.sources == ("story",)
    assert film.bits.ravel().tolist() == [measured[step]["story"] for step in STEPS]
    tokens = {line["step"]: line["tokens"] for line in lines if "tokens" in line}
    assert film.tokens[0] == 0
    assert film.tokens[-1] == tokens[12]
    assert (np.diff(film.tokens) > 0).all()


def test_the_last_frame_is_what_transformers_says_of_the_model_that_was_kept(folder: Path, film: Film) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForMaskedLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    shares = []
    for number, scene in enumerate(SCENES):
        inputs = tokenizer(scene.text, return_tensors="pt")
        ids = inputs["input_ids"][0].tolist()
        slot = ids.index(tokenizer.mask_token_id)
        with torch.no_grad():
            said = network(**inputs, output_attentions=True)
        probabilities = said.logits[0, slot].double().softmax(-1)
        best = probabilities.argsort(descending=True)[:5]
        assert film.guesses[-1][number] == tuple(tokenizer.convert_ids_to_tokens(best.tolist()))
        np.testing.assert_allclose(film.probabilities[-1, number], probabilities[best].numpy(), atol=2e-5)
        truth = probabilities[tokenizer.convert_tokens_to_ids(scene.truth.lower())]
        assert film.truth_log2_probs[-1, number] == pytest.approx(float(truth.log2()), abs=1e-3)
        assert film.truth_ranks[-1, number] == 1 + sum(1 for p in probabilities if p > truth)
        shares.append([_shares(layer[0].numpy(), ids, tokenizer) for layer in said.attentions])
    np.testing.assert_allclose(film.shares[-1], np.mean(shares, axis=0), atol=2e-5)
    np.testing.assert_allclose(film.shares.sum(axis=-1), 1, atol=1e-4)


def _shares(heads: np.ndarray, ids: list[int], tokenizer: Any) -> list[float]:
    """Left, right, self and special, counted weight by weight; the mean over heads and ordinary tokens."""
    ends = {tokenizer.cls_token_id, tokenizer.sep_token_id}
    queries = [place for place, token in enumerate(ids) if token not in ends]
    sums = [0.0] * 4
    for head in heads:
        for query in queries:
            for key, token in enumerate(ids):
                kind = 2 if key == query else 3 if token in ends else 0 if key < query else 1
                sums[kind] += float(head[query, key])
    return [total / (len(heads) * len(queries)) for total in sums]


def test_asking_for_a_film_changes_nothing_in_the_training(text: Path, folder: Path, tmp_path: Path) -> None:
    alone = trained(text, tmp_path / "alone")
    assert (alone / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


class DieAt(Callback):
    def __init__(self, step: int) -> None:
        self.at = step

    def step(self, run: Any) -> None:
        if run.step == self.at:
            raise KeyboardInterrupt


def recorder(out: Path, top: int = 5) -> FilmRecorder:
    return FilmRecorder(out / "film.json", SCENES, top=top)


@pytest.fixture
def killed(text: Path, tmp_path: Path) -> Path:
    """Ended at step 9; the last checkpoint is of step 5, so that two frames of the film are thrown away."""
    out = tmp_path / "killed"
    with pytest.raises(KeyboardInterrupt):
        trained(text, out, recorder(out), DieAt(9), checkpoint_steps=5)
    assert load_film(out / "film.json").steps.tolist() == [0, 1, 2, 3, 4, 6, 8]
    return out


def go_on(out: Path, top: int = 5) -> Film:
    train([], out, resume=True, progress=False, callbacks=[recorder(out, top)])
    return load_film(out / "film.json")


def test_a_film_goes_on_after_a_kill_as_if_nothing_had_been(killed: Path, film: Film) -> None:
    assert same(go_on(killed), film)


def test_a_film_that_is_damaged_or_of_something_else_begins_anew(
    killed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert go_on(killed, top=3).top == 3
    assert "begins anew" in caplog.text


def test_a_film_cut_off_begins_anew(killed: Path) -> None:
    written = (killed / "film.json").read_bytes()
    (killed / "film.json").write_bytes(written[: len(written) // 2])
    assert go_on(killed).steps.tolist() == [6, 8, 11, 12]


def test_scenes_that_cannot_be_asked_are_left_out(text: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    odd = [
        Scene("the [MASK] ran.", "xylophonist"),
        Scene("the cat ran.", "dog"),
        Scene("the [MASK]" + " cat" * 99, "dog"),
    ]
    file = tmp_path / "film.json"
    with caplog.at_level(logging.WARNING):
        trained(text, tmp_path / "m", FilmRecorder(file, [*odd, SCENES[1]]), FilmRecorder(tmp_path / "no.json", odd))
    assert load_film(file).scenes == (SCENES[1],)
    assert caplog.text.count("left out of the film") == 6
    assert not (tmp_path / "no.json").exists()


def test_the_command_writes_a_film_beside_the_model(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "scenes.txt"
    listed.write_text("the cat {sat} on the mat.\n我们去公{园}看花。\n", encoding="utf-8")
    flags = [part for name, value in TINY.items() for part in ("--" + name.replace("_", "-"), str(value))]
    command = ["train", str(text), "--out", str(tmp_path / "m"), "--quiet", "--steps", "3", *flags, "--film"]
    assert cli.main([*command, str(listed)]) == 0
    assert load_film(tmp_path / "m" / "film.json").steps.tolist() == [0, 1, 2, 3]
    listed.write_text("no braces", encoding="utf-8")
    assert cli.main([*command, str(listed)]) == 2
    assert "in braces" in capsys.readouterr().err


# --- writing and reading ---------------------------------------------------------------------------


def test_a_film_is_read_as_it_was_written(film: Film, tmp_path: Path) -> None:
    lost = replace(film, bits=np.where(film.steps[:, None] == 3, np.nan, film.bits))
    (tmp_path / "film.json").write_text(json.dumps(lost.to_dict()), encoding="utf-8")
    assert "NaN" not in (tmp_path / "film.json").read_text(encoding="utf-8")
    again = load_film(str(tmp_path / "film.json"))
    assert same(again, lost)
    assert again.guesses == film.guesses
    assert np.isnan(again.bits[3, 0])
    for name in ("steps", "tokens", "probabilities", "truth_log2_probs", "truth_ranks", "shares"):
        found, expected = getattr(again, name), getattr(film, name)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype


def test_cut_and_joined_it_is_the_same_film(film: Film) -> None:
    assert film.until(5).steps.tolist() == [0, 1, 2, 3, 4]
    assert film.until(4).steps.tolist() == [0, 1, 2, 3, 4]
    assert len(film.until(-1)) == 0
    assert same(film.until(999), film)
    rest = {
        name: getattr(film, name)[5:] for name in ("guesses", "steps", "tokens", "probabilities", "truth_log2_probs")
    }
    rest |= {name: getattr(film, name)[5:] for name in ("truth_ranks", "bits", "shares")}
    assert same(film.until(5).joined(replace(film, **rest)), film)
    assert "9 frames of 3 sentences, to step 12" in repr(film)
    assert "0 frames" in repr(film.until(-1))


def test_the_sentences_of_one_language(film: Film) -> None:
    chinese = film.only("zh")
    assert chinese.scenes == SCENES[2:]
    assert [frame[0] for frame in chinese.guesses] == [frame[2] for frame in film.guesses]
    np.testing.assert_array_equal(chinese.probabilities[:, 0], film.probabilities[:, 2])
    np.testing.assert_array_equal(chinese.truth_ranks[:, 0], film.truth_ranks[:, 2])
    np.testing.assert_array_equal(chinese.shares, film.shares)
    with pytest.raises(MlmVizError, match="'fr'.*en, zh"):
        film.only("fr")


def test_a_row_for_each_guess(film: Film) -> None:
    table = film.to_frame(1)
    assert list(table.columns) == ["step", "tokens", "rank", "token", "probability"]
    assert len(table) == 9 * 5
    row = table[(table["step"] == 8) & (table["rank"] == 2)].iloc[0]
    assert row["token"] == film.guesses[6][1][1]
    assert row["probability"] == film.probabilities[6, 1, 1]


def made(guesses: tuple[str, ...], rank: int, truth: str = "cat") -> Film:
    one = np.array([0])
    share = np.full((1, 2, 4), 0.25)
    probabilities = np.full((1, 1, len(guesses)), 0.1)
    logs, ranks = np.array([[-3.0]]), np.array([[rank]])
    asked = (Scene("a [MASK]", truth),)
    return Film(asked, one, one, ((guesses,),), probabilities, logs, ranks, (), np.empty((1, 0)), share)


def test_where_the_true_word_stands_among_the_guesses() -> None:
    assert made(("a", "cat", "b"), 2).truth_place(0, 0) == 1
    assert made(("a", "b", "cat"), 2).truth_place(0, 0) == 2  # as probable as the one before it
    assert made(("a", "cat", "b"), 4).truth_place(0, 0) is None
    assert made(("a", "CAT", "b"), 2).truth_place(0, 0) == 1
    assert made(("a", "cafe"), 2, "café").truth_place(0, 0) == 1  # written without its accent by the vocabulary


DAMAGE: dict[str, Any] = {
    "scenes": [["only one"]],
    "steps": [3, 2, 1, 4, 5, 6, 7, 8, 9],
    "tokens": [1],
    "guesses": [],
    "probabilities": [[0.5]],
    "truth_log2_probs": "text",
    "truth_ranks": [[0, 1, 1]] * 9,
    "sources": ["a", "b"],
    "bits": None,
    "shares": [[[None] * 4]] * 9,
}


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.parametrize("how", ["missing", "wrong", "huge"])
def test_a_film_that_does_not_fit_together_is_refused(film: Film, name: str, how: str) -> None:
    written = film.to_dict()
    if how == "missing":
        del written[name]
    else:
        written[name] = DAMAGE[name] if how == "wrong" else 10**30
    with pytest.raises(MlmVizError, match="damaged"):
        Film.from_dict(written)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[]", b"3", b"null", b"{}"])
def test_a_file_that_is_no_film_is_refused_in_a_sentence(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "film.json").write_bytes(data)
    with pytest.raises(MlmVizError, match="cannot be read|damaged"):
        load_film(tmp_path / "film.json")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(MlmVizError, match="cannot be read"):
        load_film(tmp_path / "film.json")
