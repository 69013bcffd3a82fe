"""How three objectives learn the same text: targets that are counted, curves and words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlm_viz.errors import MlmVizError
from mlm_viz.figures.objectives import objective_curves, objectives_text
from mlm_viz.learning import Learning, Objectives, read_learning, read_objectives

SHARES = {"masked": 0.25, "causal": 1.0, "span": 0.15}


def lines(share: float, end: float = 4.0) -> list[dict[str, Any]]:
    """A hundred steps of 1,000 tokens; the held-out loss falls evenly from 14 bits."""
    found: list[dict[str, Any]] = []
    for step in range(101):
        if step:
            loss = {"loss_bits": 14 - step / 10, "targets_per_token": share, "rate": 0.1}
            found.append({"step": step, "fraction": step / 100, "seconds": step / 2, "tokens": 1000 * step, **loss})
        if step % 20 == 0:
            bits = 14 - (14 - end) * step / 100
            found.append({"step": step, "fraction": step / 100, "held_out_bits": {"en": bits - 1, "zh": bits + 1}})
    return found


def write(folder: Path, found: list[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(line) + "\n" for line in found)
    (folder / "metrics.jsonl").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def objectives(tmp_path: Path) -> Objectives:
    ends = {"masked": 5.0, "causal": 4.0, "span": 6.0}
    return read_objectives({name: write(tmp_path / name, lines(SHARES[name], ends[name])) for name in SHARES})


# --- what is counted ----------------------------------------------------------------------------


def test_targets_are_tokens_times_their_share() -> None:
    found = lines(0.3)
    for line in found[60:]:
        if "loss_bits" in line:
            line["targets_per_token"] = 0.1
    learning = Learning.from_lines(found)
    by_hand = np.cumsum([1000 * line["targets_per_token"] for line in found if "loss_bits" in line])
    np.testing.assert_allclose(learning.targets, by_hand)
    np.testing.assert_allclose(learning.held_targets, [0, *by_hand[19::20]])


def test_a_table_says_when_nine_tenths_are_done(objectives: Objectives) -> None:
    table = objectives.to_frame().set_index("objective")
    assert list(table.index) == ["masked", "causal", "span"]
    assert table["share"].tolist() == pytest.approx([0.25, 1.0, 0.15])
    assert table["tokens"].tolist() == [100_000] * 3
    assert table["targets"].tolist() == [25_000, 100_000, 15_000]
    assert table["start_bits"].tolist() == [14.0] * 3
    assert table["bits"].tolist() == [5.0, 4.0, 6.0]
    assert table["tokens_90"].tolist() == [90_000] * 3
    assert table["targets_90"].tolist() == [22_500, 90_000, 13_500]


def test_the_bundled_ones_are_found(objectives: Objectives, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, share in SHARES.items():
        write(tmp_path / "data" / "models" / name, lines(share))
    monkeypatch.setenv("MLM_VIZ_DATA", str(tmp_path / "data"))
    assert list(read_objectives().learnings) == ["masked", "causal", "span"]
    assert "causal: Learning(training 4.00 bits" in repr(read_objectives())


@pytest.mark.parametrize(
    "found",
    [
        [],
        [line for line in lines(0.2) if "loss_bits" in line],
        [line for line in lines(0.2) if "loss_bits" not in line],
        [{name: line[name] for name in line if name != "targets_per_token"} for line in lines(0.2)],
    ],
)
def test_half_a_training_is_refused(tmp_path: Path, found: list[dict[str, Any]]) -> None:
    with pytest.raises(MlmVizError, match="targets"):
        read_objectives({"masked": write(tmp_path / "m", found)})
    with pytest.raises(MlmVizError, match="cannot be read"):
        read_objectives({"masked": tmp_path / "nowhere"})


def test_a_training_without_shares_can_still_be_read(tmp_path: Path) -> None:
    older = [{name: line[name] for name in line if name != "targets_per_token"} for line in lines(0.2)]
    assert np.isnan(read_learning(write(tmp_path / "m", older)).targets).all()


# --- curves -------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["tokens", "targets"])
def test_curves(objectives: Objectives, by: Any) -> None:
    figure = objective_curves(objectives, by=by)
    assert len(figure.data) == 3
    for trace, (name, learning) in zip(figure.data, objectives.learnings.items(), strict=True):
        expected = np.arange(0, 100_001, 20_000) * (1 if by == "tokens" else SHARES[name])
        np.testing.assert_allclose(trace.x, expected)
        np.testing.assert_allclose(trace.y, learning.held_out)
        assert trace.showlegend
    assert figure.data[0].name == "masked: learns from 25.0 %"
    assert len({trace.line.color for trace in figure.data}) == len({trace.line.dash for trace in figure.data}) == 3
    assert figure.layout.yaxis.range == (0, 14)
    assert figure.layout.xaxis.range[1] >= 100_000
    assert "not their heights" in figure.layout.annotations[0].text.replace("<br>", " ")


def test_the_same_in_words(objectives: Objectives) -> None:
    first = objectives_text(objectives).splitlines()[0]
    for told in ("masked", "25.0 %", "100,000", "25,000", "14.00 to 5.00", "90,000", "22,500"):
        assert told in first


def test_curves_refuse_another_axis(objectives: Objectives) -> None:
    with pytest.raises(ValueError, match="tokens"):
        objective_curves(objectives, by="steps")  # type: ignore[arg-type]
