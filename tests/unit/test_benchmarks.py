"""The benchmarks run, on models and texts too small for figures; what they say about speed is not tested."""

from __future__ import annotations

import json

import pytest

from benchmarks.__main__ import main
from benchmarks.measuring import Measure, alternate


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # bertviz leaves its scripts open
def test_all_of_it_runs_and_is_written_down(tmp_path, capfd):
    file = tmp_path / "figures.json"
    assert main(["--quick", "--json", str(file)]) == 0
    written = json.loads(file.read_text(encoding="utf-8"))
    table = capfd.readouterr().out
    for measure in written:
        assert measure["what"] in table
        assert measure["value"] > 0 or "growth" in measure["what"]
        assert (measure["bar"] is None) == (measure["met"] is None)
    for part in (
        "click",
        "one sentence",
        "predict(list)",
        "sweep",
        "import mlm_viz",
        "attention bytes",
        "growth",
        "Trainer",
    ):
        assert any(part in measure["what"] for measure in written)


@pytest.mark.parametrize(("value", "reached_by", "met"), [(1.2, "at most", True), (1.4, "at most", False)])
def test_a_bar_is_met_or_not(value, reached_by, met):
    assert Measure("click", "model", value, "x", 1.3, reached_by).met is met


def test_at_least_is_the_other_way_round_and_no_bar_is_neither():
    assert Measure("sweep", "model", 4.9, "x", 5, "at least").met is False
    assert Measure("sweep", "model", 5.0, "x", 5, "at least").met is True
    assert Measure("page", "model", 5.0, "ms").met is None


def test_both_sides_run_equally_often_in_turn():
    ran: list[str] = []
    alternate(lambda: ran.append("a") or sum(range(9999)), lambda: ran.append("b") or sum(range(9999)), rounds=3)
    assert ran == ["a", "b", "a", "b", "b", "a", "a", "b"]
