"""The figures of a film: what stands in them, what does not move, and no token that becomes markup."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlm_viz.figures import theme
from mlm_viz.figures.film import film_attention, film_guesses, film_loss, film_text
from mlm_viz.figures.film_loss import spread
from mlm_viz.figures.update import refresh
from mlm_viz.film import Film, Scene
from mlm_viz.measures import SHARES

GHOST, GUESS, TRUTH, EXTRA, VALUES, HOVER = range(6)
HOSTILE = '<img src=x onerror="alert(1)">'
STEPS = (0, 1, 10, 1000)


def film(sources: tuple[str, ...] = ("en_wiki", "zh_wiki", "en_talk"), layers: int = 3) -> Film:
    """Four frames of two sentences; the true word comes up in the first one, and never does in the second."""
    rng = np.random.default_rng(0)
    asked = (Scene("The sun rises in the [MASK].", "East"), Scene("我[MASK]天去。", "明"))
    guesses = (
        (("the", "of", "a"), ("，", "的", "了")),
        (("the", "a", "to"), ("的", "，", "了")),
        (("sky", "east", "the"), ("今", "，", "的")),
        (("east", "west", "sky"), ("今", "昨", "每")),
    )
    logs = np.array([[-12.0, -13.0], [-9.0, -9.0], [-2.0, -5.0], [-0.5, -6.0]])
    ranks = np.array([[5000, 7000], [80, 90], [2, 9], [1, 4]])
    probabilities = np.sort(rng.dirichlet(np.ones(9), (4, 2))[..., :3], axis=-1)[..., ::-1]
    bits = np.linspace(13, 3, 4)[:, None] + rng.random((4, len(sources)))
    shares = rng.dirichlet(np.ones(4), (4, layers))
    tokens = 512 * np.array(STEPS)
    return Film(asked, np.array(STEPS), tokens, guesses, probabilities, logs, ranks, sources, bits, shares)


def names_of(figure: go.Figure) -> go.Scatter:
    return next(trace for trace in figure.data if trace.mode == "text")


def points_of(figure: go.Figure) -> go.Scatter:
    return figure.data[-1]


FIGURES: dict[str, Callable[..., go.Figure]] = {
    "guesses": lambda film, frame, **more: film_guesses(film, frame, 0, **more),
    "loss": film_loss,
    "attention": film_attention,
}


# --- guesses --------------------------------------------------------------------------------------


def test_guesses_stand_in_order_on_an_axis_that_never_changes() -> None:
    made = film()
    for frame in range(4):
        figure = film_guesses(made, frame, 0)
        drawn = sorted((*zip(figure.data[GUESS].y, figure.data[GUESS].x, strict=True),), key=lambda pair: pair[0])
        place = made.truth_place(frame, 0)
        expected = [(n, p) for n, p in enumerate(made.probabilities[frame, 0]) if n != place]
        np.testing.assert_allclose(drawn, expected, rtol=1e-9)
        assert list(figure.layout.xaxis.range) == [0, 1]
        assert figure.layout.xaxis.ticktext[-1] == "100 %"


def test_the_true_word_is_marked_where_it_stands() -> None:
    figure = film_guesses(film(), 2, 0)
    assert list(figure.data[TRUTH].y) == [1]
    assert figure.data[TRUTH].marker.color == theme.LIGHT.original
    assert figure.data[TRUTH].marker.pattern.shape  # not by colour alone
    assert "✓ east" in figure.layout.yaxis.ticktext[1]
    assert not figure.layout.shapes


def test_the_true_word_that_is_not_guessed_has_a_row_of_its_own_with_its_rank() -> None:
    figure = film_guesses(film(), 1, 0)
    assert list(figure.data[TRUTH].x) == [2**-9.0]
    assert figure.data[TRUTH].y[0] > 3
    assert "✓ East" in figure.layout.yaxis.ticktext[-1]
    assert "#80" in figure.layout.yaxis.ticktext[-1]
    assert len(figure.layout.shapes) == 1


def test_a_probability_below_the_last_digit_is_drawn_as_nothing() -> None:
    made = film()
    none = replace(made, probabilities=np.round(made.probabilities * 1e-7, 5))
    figure = film_guesses(none, 0, 0)
    assert list(figure.data[GUESS].x) == [0, 0, 0]
    assert all("surprisal inf" not in told for told in figure.data[HOVER].customdata)
    assert "0 %" in film_text(none, 0, 0)


# --- loss -----------------------------------------------------------------------------------------


def test_a_curve_for_each_text_over_the_logarithm_of_the_step() -> None:
    made = film()
    figure = film_loss(made, 0)
    for source in range(3):
        curve = figure.data[source]
        np.testing.assert_allclose(curve.x, np.log10([1, 2, 11, 1001]))
        np.testing.assert_allclose(curve.y, made.bits[:, source])
    assert list(figure.layout.xaxis.ticktext) == ["0", "1", "10", "100", "1,000"]
    np.testing.assert_allclose(figure.layout.xaxis.tickvals, np.log10([1, 2, 11, 101, 1001]))
    low, high = figure.layout.yaxis.range
    assert low == 0
    assert high >= made.bits.max()


def test_the_mark_moves_and_nothing_else() -> None:
    made = film()
    figures = [film_loss(made, frame) for frame in range(4)]
    for frame, figure in enumerate(figures):
        place = np.log10(1 + STEPS[frame])
        [line] = figure.layout.shapes
        assert line.x0 == line.x1 == place
        assert list(points_of(figure).x) == [place] * 3
        np.testing.assert_allclose(points_of(figure).y, made.bits[frame])
        assert f"step {STEPS[frame]:,}" in figure.layout.annotations[0].text
    still = [[trace.to_json() for trace in figure.data[:-1]] for figure in figures]
    assert all(traces == still[0] for traces in still)
    assert figures[0].layout.annotations[0].xanchor == "left"  # it would be cut at the edge
    assert figures[3].layout.annotations[0].xanchor == "right"


def test_curves_are_told_apart_by_more_than_colour_and_named() -> None:
    figure = film_loss(film(tuple(f"{start}_{n}" for start in ("en", "zh", "x") for n in range(3))), 1)
    curves = figure.data[:9]
    assert len({(curve.line.color, curve.line.dash) for curve in curves}) == 9
    assert len({curve.marker.symbol for curve in curves}) == 9
    assert len({curve.line.color for curve in curves[:3]}) == 1  # what belongs together looks alike
    assert len({curve.line.color for curve in curves}) == 3
    assert list(points_of(figure).marker.symbol) == [curve.marker.symbol for curve in curves]
    named = dict(zip(names_of(figure).text, names_of(figure).textfont.color, strict=True))
    assert named == {f" {curve.name}": curve.line.color for curve in curves}


def test_names_stand_apart_beside_the_ends_of_their_curves() -> None:
    made = film(tuple(f"text{n}" for n in range(12)))
    together = replace(made, bits=np.tile(np.linspace(12, 2, 4)[:, None], 12))
    figure = film_loss(together, 3)
    heights = names_of(figure).y
    assert [y for y in figure.data[-3].y if y is not None][1::2] == list(heights)  # where the lines to them end
    pixels = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
    per_bit = pixels / figure.layout.yaxis.range[1]
    assert all(abs(b - a) * per_bit > 17 for a, b in pairwise(heights))
    assert min(heights) >= 0
    assert max(heights) <= figure.layout.yaxis.range[1]


def test_a_loss_that_was_not_measured_is_a_gap() -> None:
    made = film()
    bits = made.bits.copy()
    bits[1, 0] = bits[:, 2] = np.nan
    figure = film_loss(replace(made, bits=bits), 1)
    assert figure.data[0].y[1] is None
    assert points_of(figure).y[0] is None
    assert sorted(names_of(figure).text) == [" en_wiki", " zh_wiki"]
    assert "NaN" not in figure.to_json()
    assert "en_wiki" not in film_text(replace(made, bits=bits), 1, 0)


def test_a_film_of_one_frame_and_one_without_a_loss() -> None:
    for made in (film().until(0), film(()), replace(film(), bits=np.full((4, 3), np.nan))):
        figure = film_loss(made, 0)
        low, high = figure.layout.xaxis.range
        assert low < 0 < high
        assert figure.layout.yaxis.range[1] >= 1


@given(st.lists(st.floats(0, 10), max_size=8), st.floats(0.1, 1))
def test_spread_keeps_order_and_distance_and_moves_no_more_than_needed(wanted: list[float], gap: float) -> None:
    wanted = sorted(wanted)
    got = spread(wanted, gap, 10.0)
    assert len(got) == len(wanted)
    assert all(b - a >= gap - 1e-9 for a, b in pairwise(got))
    assert all(-1e-9 <= height <= 10 + 1e-9 for height in got)
    apart = all(b - a >= gap for a, b in pairwise(wanted))
    if apart:
        np.testing.assert_allclose(got, wanted, atol=1e-9)


# --- attention -----------------------------------------------------------------------------------


def test_shares_are_stacked_by_layer() -> None:
    made = film()
    figure = film_attention(made, 2)
    for kind in range(4):
        np.testing.assert_allclose(figure.data[kind].x, made.shares[2, :, kind])
    assert figure.layout.barmode == "stack"
    assert list(figure.layout.yaxis.ticktext) == ["Layer 1", "Layer 2", "Layer 3"]
    assert len({trace.marker.pattern.shape for trace in figure.data[:4]}) == 4
    assert f"{100 * made.shares[2, 1, 0]:.1f} %" in figure.data[4].customdata[1]


# --- all -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIGURES)
def test_no_frame_makes_the_page_jump(name: str) -> None:
    made = film()
    figures = [FIGURES[name](made, frame, dark=dark) for frame in range(4) for dark in (False, True)]
    assert len({tuple(trace.type for trace in figure.data) for figure in figures}) == 1
    for part in ("height", "margin.l", "margin.r", "margin.t", "margin.b"):
        assert len({figure.layout[part] for figure in figures}) == 1
    for axis in ("xaxis", "yaxis"):
        assert len({tuple(figure.layout[axis].range) for figure in figures}) == 1


@pytest.mark.parametrize("name", FIGURES)
def test_a_frame_can_be_shown_in_the_figure_of_another(name: str) -> None:
    made = film()
    target, new = FIGURES[name](made, 0), FIGURES[name](made, 3, dark=True)
    refresh(target, new)
    assert not target.layout.shapes or new.layout.shapes
    target.layout.shapes = new.layout.shapes
    assert target.to_json() == new.to_json()


@pytest.mark.parametrize("name", FIGURES)
def test_hostile_words_and_names_are_text(name: str) -> None:
    made = film((HOSTILE, "$x$", "b"))
    row = ((HOSTILE, "$x$", "b"),) * 2
    odd = replace(made, guesses=(row,) * 4, scenes=tuple(replace(scene, truth=HOSTILE) for scene in made.scenes))
    for frame in (0, 3):
        shown = str(FIGURES[name](odd, frame).to_dict())
        assert "<img" not in shown
        assert "$x$" not in shown


def test_the_text_says_what_the_figures_show() -> None:
    made = film()
    lines = film_text(made, 1, 0).splitlines()
    assert lines[0] == "The sun rises in the ____. (East)"
    assert lines[1] == "step 1, 512 tokens read"
    assert lines[2].startswith("1. the: ")
    assert lines[5] == "80. East: 0.20 %, the true word"
    assert lines[6] == f"loss on en_wiki: {made.bits[1, 0]:.2f} bits per masked token"
    assert lines[9].startswith("layer 1: left ")
    assert len(lines) == 9 + 3
    assert all(f"{name} " in lines[-1].replace("itself", "self") for name in SHARES)
    marked = film_text(made, 2, 0).splitlines()
    assert marked[3].startswith("2. east: ")
    assert marked[3].endswith(", the true word")
