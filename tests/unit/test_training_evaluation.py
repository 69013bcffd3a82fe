"""Evaluation: every number against a plain loop over the transformers model."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mlm_viz import cli
from mlm_viz.errors import TextError
from mlm_viz.masking import mask_random
from mlm_viz.model import Model
from mlm_viz.training.corpus import is_held_out, line_hash
from mlm_viz.training.errors import TrainingError
from mlm_viz.training.evaluation import _collect, evaluate, fitting, letters
from mlm_viz.training.recipe import Text
from mlm_viz.training.scores import calibration

LINES = [
    "The capital of France is Paris.",
    "a good day",
    "今天天气很好，我们去公园。",
    "dog",
    "we went to the big red dog and the cat today",
    "today the dog runs and the cat walks in a park, and we play!",
]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(LINES), encoding="utf-8")
    return path


def by_hand(model: Model, seed: int) -> tuple[list[int], list[float], list[int], list[float]]:
    """Rank, bits, characters and best probability of each masked token, one line at a time."""
    ranks, bits, characters, best = [], [], [], []
    for line in LINES:
        sentence = model.encode(line)
        own_seed = int(line_hash(f"{seed} {line}") * 2**32)
        masking = mask_random(sentence, model.vocabulary, split=(1.0, 0.0, 0.0), seed=own_seed)
        with torch.no_grad():
            logits = model.network(torch.tensor(masking.apply(sentence.ids))[None]).logits[0]
        for position in masking.positions:
            true = int(sentence.ids[position])
            if true == model.vocabulary.unknown_id:
                continue
            probabilities = torch.softmax(logits[position].double(), -1)
            ranks.append(1 + int((probabilities > probabilities[true]).sum()))
            bits.append(-math.log2(probabilities[true]))
            best.append(float(probabilities.max()))
            piece = model.tokenizer.convert_ids_to_tokens(true)
            characters.append(len(piece.removeprefix("##")))
    return ranks, bits, characters, best


def test_scores_are_those_of_a_plain_loop(text: Path, tiny_model: Callable[[str], Model]) -> None:
    model = tiny_model("bert")
    ranks, bits, characters, best = by_hand(model, 3)
    score = evaluate(model, text, every_line=True, seed=3, progress=False).scores[0]
    # An untrained model hits nothing, so the ranks are compared one by one too.
    columns = _collect(model, Text(text), None, None, 0.15, 3, progress=False).columns
    assert sorted(columns[:, 0]) == sorted(ranks)
    assert sorted(columns[:, 2]) == sorted(characters)
    assert (score.name, score.lines, score.masked, score.characters) == ("lines", 6, len(ranks), sum(characters))
    assert score.accuracy == pytest.approx(np.mean([rank == 1 for rank in ranks]))
    assert score.top5 == pytest.approx(np.mean([rank <= 5 for rank in ranks]))
    assert score.bits_per_token == pytest.approx(np.mean(bits), rel=1e-5)
    assert score.bits_per_character == pytest.approx(sum(bits) / sum(characters), rel=1e-5)
    error = 0.0
    for low in range(10):
        inside = [i for i, p in enumerate(best) if min(int(p * 10), 9) == low]
        if inside:
            gap = np.mean([best[i] for i in inside]) - np.mean([ranks[i] == 1 for i in inside])
            error += abs(gap) * len(inside) / len(best)
    assert score.calibration_error == pytest.approx(error, abs=1e-6)


def test_calibration_of_a_worked_example() -> None:
    bins = calibration(np.array([0.05, 0.95, 0.99, 1.0, 0.5]), np.array([False, True, False, True, True]))
    assert [(b.low, b.count) for b in bins if b.count] == [(0.0, 1), (0.5, 1), (0.9, 3)]
    assert bins[9].confidence == pytest.approx(0.98)
    assert bins[9].accuracy == pytest.approx(2 / 3)
    assert bins[1].confidence is None


def test_all_together_is_the_last_row(text: Path, tmp_path: Path, tiny_model: Callable[[str], Model]) -> None:
    other = tmp_path / "more.txt"
    other.write_text("a good cat\nthe dog runs\n", encoding="utf-8")
    first, second, both = evaluate(tiny_model("bert"), [text, other], every_line=True, progress=False).scores
    assert both.name == "all"
    assert both.masked == first.masked + second.masked
    total = first.bits_per_token * first.masked + second.bits_per_token * second.masked
    assert both.bits_per_token == pytest.approx(total / both.masked)


def test_seeds_repeat_and_differ(text: Path, tiny_model: Callable[[str], Model]) -> None:
    one, again, other = (
        evaluate(tiny_model("bert"), text, every_line=True, seed=seed, progress=False).scores for seed in (1, 1, 2)
    )
    assert one == again
    assert one != other


def test_only_held_out_lines_by_default(tmp_path: Path, tiny_model: Callable[[str], Model]) -> None:
    lines = [f"the cat {'and the dog ' * (n % 3)}runs {n}" for n in range(3000)]
    (tmp_path / "a.txt").write_text("\n".join(lines), encoding="utf-8")
    evaluation = evaluate(tiny_model("bert"), tmp_path / "a.txt", progress=False)
    assert evaluation.held_out == 0.005
    assert evaluation.scores[0].lines == sum(is_held_out((line,), 0.005) for line in lines) > 0
    assert evaluate(tiny_model("bert"), tmp_path / "a.txt", most_lines=2, progress=False).scores[0].lines == 2


def test_long_lines_are_halved_until_they_fit(tiny_model: Callable[[str], Model]) -> None:
    model = tiny_model("bert")
    line = "the cat runs and the dog walks. " * 20
    parts = fitting(model, line)
    assert len(parts) > 1
    assert max(map(len, parts)) <= model.limit
    assert "".join(part.text for part in parts) == line
    assert "".join(part.text for part in fitting(model, "好" * 200)) == "好" * 200


@pytest.mark.parametrize("family", ["roberta", "albert", "modernbert"])
def test_other_families(family: str, text: Path, tiny_model: Callable[[str], Model]) -> None:
    score = evaluate(tiny_model(family), text, every_line=True, progress=False).scores[0]
    assert 0 < score.bits_per_character < score.bits_per_token * 2


def test_letters() -> None:
    assert [letters(label) for label in ("cat", "##ing", "##", "␣the", "好", "␣")] == [3, 3, 2, 3, 1, 1]


@pytest.mark.parametrize("most", [0, -1, 1.5])
def test_a_number_of_lines_that_is_none(
    most: float, text: Path, tiny_dir: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TrainingError, match="at least 1 line"):
        evaluate(tiny_dir("bert"), text, most_lines=most, progress=False)
    if isinstance(most, int):
        assert cli.main(["evaluate", str(tiny_dir("bert")), str(text), "--lines", str(most)]) == 2
        assert "at least 1 line" in capsys.readouterr().err


def test_unknown_tokens_are_counted_and_not_asked_for(tmp_path: Path, tiny_model: Callable[[str], Model]) -> None:
    model, strange = tiny_model("bert"), "\ua66e"
    (tmp_path / "some.txt").write_text(f"the cat {strange} runs\n" + f"{strange} a good day\n" * 2, encoding="utf-8")
    score = evaluate(model, tmp_path / "some.txt", every_line=True, rate=1.0, progress=False).scores[0]
    assert (score.unknown, score.tokens, score.masked) == (3, 12, 9)
    (tmp_path / "all.txt").write_text(f"{strange} {strange}\n{strange}\n", encoding="utf-8")
    with pytest.raises(TrainingError, match="none of the tokens"):
        evaluate(model, tmp_path / "all.txt", every_line=True, progress=False)


def test_nothing_to_look_at_and_bad_rates(text: Path, tiny_model: Callable[[str], Model]) -> None:
    with pytest.raises(TrainingError, match="--all"):
        evaluate(tiny_model("bert"), text, progress=False)
    with pytest.raises(TextError, match="rate"):
        evaluate(tiny_model("bert"), text, every_line=True, rate=2.0, progress=False)


def test_the_command_prints_a_table_or_json(
    text: Path, tiny_dir: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["evaluate", str(tiny_dir("bert")), str(text), "--all", "--quiet"]
    assert cli.main([*given, "--json"]) == 0
    score = json.loads(capsys.readouterr().out)["scores"][0]
    assert cli.main(given) == 0
    shown = capsys.readouterr().out
    assert f"{score['bits_per_character']:.3f}" in shown
    assert "90% - 100%" in shown
    assert f"{score['unknown'] / score['tokens']:.2%}" in shown
    assert "compared roughly" in shown
    assert cli.main([*given[:2], str(text), "--quiet"]) == 2
    assert "--all" in capsys.readouterr().err
