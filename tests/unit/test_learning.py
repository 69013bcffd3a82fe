"""The loss of a training as arrays, as a curve and in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlm_viz.errors import MlmVizError
from mlm_viz.figures.learning import learning_curve, learning_text, round_end
from mlm_viz.figures.update import refresh
from mlm_viz.learning import Learning, read_learning

TRAINED = [(4, 400, 9.0), (10, 900, 7.0), (12, 1100, 6.5), (30, 3000, 4.0), (31, 3100, 4.5)]
HELD = [(0, 9.5, 9.7), (10, 7.2, 7.4), (20, 5.0, 6.0), (31, 5.5, 6.5)]


def lines(sources: tuple[str, str] = ("en", "zh")) -> list[dict[str, Any]]:
    trained = [{"step": s, "fraction": s / 31, "tokens": t, "loss_bits": b, "rate": 0.1} for s, t, b in TRAINED]
    held = [
        {"step": s, "fraction": s / 31, "held_out_bits": dict(zip(sources, bits, strict=True))} for s, *bits in HELD
    ]
    return sorted(trained + held, key=lambda line: line["step"])


@pytest.fixture
def learning() -> Learning:
    return Learning.from_lines(lines())


@pytest.fixture
def begun() -> Learning:
    return Learning.from_lines([])


# --- arrays -------------------------------------------------------------------------------------


def test_lines_become_arrays(learning: Learning) -> None:
    assert learning.steps.tolist() == [4, 10, 12, 30, 31]
    assert learning.tokens.tolist() == [400, 900, 1100, 3000, 3100]
    assert learning.bits.tolist() == [9.0, 7.0, 6.5, 4.0, 4.5]
    assert learning.sources == ("en", "zh")
    assert learning.held_bits.tolist() == [[9.5, 9.7], [7.2, 7.4], [5.0, 6.0], [5.5, 6.5]]
    assert learning.held_out.tolist() == pytest.approx([9.6, 7.3, 5.5, 6.0])


def test_tokens_of_a_measurement_lie_between_those_of_the_lines_around_it(learning: Learning) -> None:
    # step 20 is 8 of 18 steps on the way from step 12 (1,100 tokens) to step 30 (3,000 tokens)
    assert learning.held_tokens.tolist() == [0, 900, round(1100 + 8 / 18 * 1900), 3100]


def test_the_lowest_is_where_overfitting_begins(learning: Learning, begun: Learning) -> None:
    assert learning.lowest == 2
    assert begun.lowest is None


@given(st.lists(st.tuples(st.integers(1, 50), st.floats(0, 20)), min_size=1, max_size=60), st.floats(0, 0.5))
def test_the_running_mean_is_that_of_the_steps(rows: list[tuple[int, float]], share: float) -> None:
    steps = np.cumsum([steps for steps, _ in rows])
    learning = Learning.from_lines(
        {"step": int(step), "tokens": int(step), "loss_bits": bits} for step, (_, bits) in zip(steps, rows, strict=True)
    )
    for place, mean in enumerate(learning.smoothed(share)):
        reach = min(round(share * len(rows)), place, len(rows) - 1 - place)
        each_step = [bits for steps, bits in rows[place - reach : place + reach + 1] for _ in range(steps)]
        assert mean == pytest.approx(np.mean(each_step), abs=1e-9)


def test_a_table_has_every_measurement_once(learning: Learning) -> None:
    table = learning.to_frame()
    assert table["step"].tolist() == [0, 4, 10, 12, 20, 30, 31]
    assert table["training"].dropna().tolist() == [9.0, 7.0, 6.5, 4.0, 4.5]
    assert table["held out: zh"].dropna().tolist() == [9.7, 7.4, 6.0, 6.5]


def test_it_says_the_last_numbers(learning: Learning, begun: Learning) -> None:
    assert repr(learning) == "Learning(training 4.50 bits, held out 6.00 bits)"
    assert repr(begun) == "Learning()"


# --- from disk ----------------------------------------------------------------------------------


def test_a_line_that_is_being_written_is_passed_over(tmp_path: Path) -> None:
    text = "".join(json.dumps(line) + "\n" for line in lines())
    (tmp_path / "metrics.jsonl").write_text(text + '{"step": 40, "loss_', encoding="utf-8")
    assert read_learning(tmp_path).steps.tolist() == [4, 10, 12, 30, 31]


@pytest.mark.parametrize("text", [None, "nonsense\n", "[1]\n", '{"step": 1, "loss_bits": "x", "tokens": 1}\n'])
def test_what_cannot_be_read_is_said(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "metrics.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(MlmVizError):
        read_learning(tmp_path)


@pytest.mark.parametrize("lacking", [{"loss_bits": 1.0}, {"held_out_bits": {}}, {"step": 3, "held_out_bits": {"b": 1}}])
def test_a_line_that_lacks_something_is_refused(lacking: dict[str, Any]) -> None:
    with pytest.raises(MlmVizError, match="metrics"):
        Learning.from_lines([{"step": 1, "held_out_bits": {"a": 2}}, lacking])


# --- the curve ----------------------------------------------------------------------------------


def test_the_curve_shows_both_losses_and_marks_the_lowest(learning: Learning) -> None:
    raw, mean, held, lowest, _ = learning_curve(learning).data
    assert list(raw.x) == list(mean.x) == [4, 10, 12, 30, 31]
    assert list(raw.y) == [9.0, 7.0, 6.5, 4.0, 4.5]
    assert list(mean.y) == pytest.approx(learning.smoothed())
    assert list(held.x) == [0, 10, 20, 31]
    assert list(held.y) == pytest.approx([9.6, 7.3, 5.5, 6.0])
    assert (list(lowest.x), list(lowest.y)) == ([20], [5.5])
    assert lowest.name == "lowest held out: 5.50 bits, step 20"
    [line] = learning_curve(learning).layout.shapes
    assert (line.x0, line.x1, line.y0, line.y1) == (20, 20, 0, 5.5)
    assert "6.00 bits" in held.customdata[2]
    assert "zh" in held.customdata[2]
    assert held.line.dash != "solid", "told apart without colour"


def test_tokens_may_lie_along_the_axis(learning: Learning) -> None:
    figure = learning_curve(learning, by="tokens")
    assert list(figure.data[0].x) == learning.tokens.tolist()
    assert list(figure.data[2].x) == learning.held_tokens.tolist()
    assert figure.layout.xaxis.title.text == "tokens read"
    with pytest.raises(ValueError, match="tokens"):
        learning_curve(learning, by="minute")  # type: ignore[arg-type]


def test_perplexity_stands_at_the_same_heights(learning: Learning) -> None:
    layout = learning_curve(learning).layout
    assert layout.yaxis.range == layout.yaxis2.range == (0, 10)
    assert [2**bits for bits in layout.yaxis.tickvals] == [int(t.replace(",", "")) for t in layout.yaxis2.ticktext]
    assert layout.yaxis2.tickvals == layout.yaxis.tickvals


def test_the_axes_reach_as_far_as_asked(learning: Learning, begun: Learning) -> None:
    assert learning_curve(learning, until=400).layout.xaxis.range == (0, 400)
    assert learning_curve(learning, until=5).layout.xaxis.range == (0, 40)
    assert learning_curve(begun, top=11).layout.yaxis.range == (0, 11)


def test_a_figure_on_the_page_follows_from_the_beginning(learning: Learning, begun: Learning) -> None:
    shown = go.FigureWidget(learning_curve(begun))
    refresh(shown, learning_curve(learning, dark=True))
    assert [list(trace.x) for trace in shown.data[:3]] == [[4, 10, 12, 30, 31]] * 2 + [[0, 10, 20, 31]]
    assert shown.layout.paper_bgcolor == learning_curve(begun, dark=True).layout.paper_bgcolor


def test_the_name_of_a_text_is_text() -> None:
    figure = learning_curve(Learning.from_lines(lines(("<img src=x>", "zh"))))
    assert "<img" not in figure.to_json()


@given(st.integers(0, 10**9))
def test_the_end_of_an_axis_is_near_and_round(reached: int) -> None:
    end = round_end(reached)
    assert reached <= end <= max(10, 1.6 * reached)
    assert len(f"{end:.0f}".rstrip("0")) <= 2


# --- in words -----------------------------------------------------------------------------------


def test_the_curve_in_words(learning: Learning, begun: Learning) -> None:
    said = learning_text(learning).split("\n")
    assert len(said) == 5
    assert said[0] == "held out, step 0, 0 tokens read: 9.60 bits, perplexity 776.0"
    assert said[1].endswith("7.30 bits, perplexity 157.6; trained on 7.00 bits")
    assert said[-1] == "lowest held out: 5.50 bits, step 20"
    assert learning_text(begun) == ""
    only = Learning.from_lines([line for line in lines() if "loss_bits" in line])
    assert learning_text(only) == "step 31, 3,100 tokens read: 4.50 bits, perplexity 22.6"


def test_a_long_training_is_told_in_a_dozen_lines() -> None:
    many = [{"step": step, "held_out_bits": {"a": 9 - step / 100}} for step in range(200)]
    said = learning_text(Learning.from_lines(many)).split("\n")
    assert len(said) == 13
    assert said[-2].startswith("held out, step 199")
