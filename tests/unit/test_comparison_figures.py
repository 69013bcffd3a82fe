"""The figures of a comparison: what stands in them, what does not move, and no token that becomes markup."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from mlm_viz.comparison import SIDES, Column, Comparison, Pattern, Revealed, Side
from mlm_viz.figures import theme
from mlm_viz.figures.comparison import (
    comparison_bars,
    comparison_caption,
    comparison_text,
    pattern_matrix,
    pattern_text,
    reveal_curves,
    revealed_text,
)
from mlm_viz.figures.update import refresh
from mlm_viz.gaps import Gap
from mlm_viz.results import SlotPrediction, WordScore
from mlm_viz.strings import say
from mlm_viz.tokens import Vocabulary

HOSTILE = '<img src=x onerror="alert(1)">'
WORDS = ("[PAD]", "warm", "soft", "red", "old", "new", "blue", "thin", "big", "odd", HOSTILE, "wet")
GAP = Gap("The cat sat on the ", " mat by the fire", "warm")
PER_COLUMN = 5
GUESS, TRUTH, SPECIAL, TEXTS, HOVER = range(PER_COLUMN)
CHANCES: dict[Side, float] = {"masked": 0.4, "blinded": 0.05, "causal": 0.03, "span": 0.2}


def vocabulary() -> Vocabulary:
    return Vocabulary(WORDS, WORDS, None, None, frozenset({0}))


def column(side: Side, *, word: str | None = "warm", pattern: Pattern | None = None) -> Column:
    """The true word has the chance of its side, the rest goes to the others in falling shares."""
    shares = np.arange(len(WORDS), 0, -1.0)
    shares[1] = 0
    probabilities = shares / shares.sum() * (1 - CHANCES[side])
    probabilities[1] = CHANCES[side]
    logs = np.log2(probabilities).astype(np.float32)
    known = word == "warm"
    guess = SlotPrediction(6, logs, 1 if known else None, vocabulary())
    if word is None:
        return Column(side, f"model {side}", guess, None, pattern)
    score = replace(guess.score_id(1), word=word) if known else WordScore(word, ("wa", "##rmer"), -7.0, 9)
    return Column(side, f"model {side}", guess, score, pattern)


def comparison(gap: Gap = GAP, sides: tuple[Side, ...] = SIDES, revealed: int = 2) -> Comparison:
    return Comparison(gap, revealed, tuple(column(side, word=gap.word) for side in sides))


def traces(figure: go.Figure, number: int) -> tuple[go.Bar, ...]:
    return figure.data[PER_COLUMN * number : PER_COLUMN * (number + 1)]


# --- bars ---------------------------------------------------------------------------------------------


def test_each_column_shows_its_best_guesses_on_one_scale() -> None:
    made = comparison()
    figure = comparison_bars(made, top=4)
    ranges = {tuple(figure.layout[f"xaxis{n or ''}"].range) for n in ("", 2, 3, 4)}
    assert ranges == {(0, 0.5)}
    for number, one in enumerate(made.columns):
        found = traces(figure, number)
        drawn = sorted(
            (y, x) for trace in found[:TEXTS] for y, x in zip(trace.y, trace.x, strict=True) if round(y - 0.24) < 4
        )
        best = one.guess.probabilities[one.guess.best(4)]
        np.testing.assert_allclose([x for _, x in drawn], best)
        assert {trace.xaxis for trace in found} == {f"x{number + 1}" if number else "x"}


def test_the_true_word_is_marked_where_it_stands_or_below() -> None:
    figure = comparison_bars(comparison(), top=3)
    masked, blinded = traces(figure, 0), traces(figure, 1)
    assert list(masked[TRUTH].x) == pytest.approx([0.4])
    assert list(masked[TRUTH].y) == pytest.approx([0.24])
    assert blinded[TRUTH].y[0] > 3  # below the three best
    assert masked[TRUTH].marker.color == theme.LIGHT.original
    assert masked[TRUTH].marker.pattern.shape  # not by colour alone
    assert "✓ warm" in masked[TEXTS].text[0]
    assert len(figure.layout.shapes) == sum(
        len(traces(figure, n)[TRUTH].x) and traces(figure, n)[TRUTH].y[0] > 3 for n in range(4)
    )


def test_special_tokens_stand_back() -> None:
    figure = comparison_bars(comparison(), top=3)
    assert list(traces(figure, 1)[SPECIAL].y) == pytest.approx([0.24])
    assert traces(figure, 1)[SPECIAL].marker.color == theme.LIGHT.special


def test_the_numbers_of_the_true_word_stand_above() -> None:
    heads = [note.text for note in comparison_bars(comparison()).layout.annotations]
    assert "40.0 %, rank 1" in heads[0]
    assert "3.0 %, rank" in heads[2]
    for head, one in zip(heads, comparison().columns, strict=True):
        assert f"entropy {one.guess.entropy:.2f} bits" in head
        assert one.model in head
        assert head.count("<br>") == 5  # a column that says less does not move the others


def test_a_word_of_several_pieces_is_drawn_as_a_whole() -> None:
    figure = comparison_bars(comparison(replace(GAP, word="warmer")), top=3)
    for number in range(4):
        assert list(traces(figure, number)[TRUTH].x) == pytest.approx([2.0**-7])
        assert "wa ##rmer" in traces(figure, number)[HOVER].customdata[-1]


def test_without_the_word_nothing_is_true() -> None:
    figure = comparison_bars(comparison(replace(GAP, word=None)), top=3)
    assert all(len(traces(figure, number)[TRUTH].x) == 0 for number in range(4))
    assert "rank" not in "".join(note.text for note in figure.layout.annotations)


def test_a_missing_column_leaves_the_others_where_they_are() -> None:
    whole, part = comparison_bars(comparison()), comparison_bars(comparison(sides=("masked", "span")))
    assert [trace.type for trace in whole.data] == [trace.type for trace in part.data]
    assert whole.layout.height == part.layout.height
    assert list(traces(part, 3)[TRUTH].x) == list(traces(whole, 3)[TRUTH].x)
    assert len(traces(part, 1)[TEXTS].x) == 0
    assert say("comparison.no_answer") in part.layout.annotations[1].text
    target = go.Figure(whole)
    refresh(target, part)
    target.layout.shapes = part.layout.shapes  # an empty list is left where there is none
    assert target.to_json() == part.to_json()


def test_at_least_one_guess() -> None:
    with pytest.raises(ValueError, match="0"):
        comparison_bars(comparison(), top=0)


def test_the_text_form_says_the_same() -> None:
    text = comparison_text(comparison(), top=3)
    assert text.count("✓ 1. warm: 40.0 %") == 1
    assert text.count("entropy") == 4
    assert [line for line in text.splitlines() if "model span" in line]


# --- the sentence ---------------------------------------------------------------------------------------


def test_the_caption_is_written_from_the_numbers() -> None:
    said = comparison_caption(comparison())
    assert said == (
        "With 2 of 4 words on the right in view, “warm” gets 40.0 % from the masked model, 20.0 % from the span model, "
        "5.0 % from the masked model blinded to the right and 3.0 % from the left-to-right model. "
        "The last two cannot look to the right."
    )
    assert comparison_caption(comparison(sides=("masked", "causal"))).endswith("The last one cannot look to the right.")
    assert "With all 4 words" in comparison_caption(comparison(revealed=4))
    assert "With none of the 4 words" in comparison_caption(comparison(revealed=0))
    assert comparison_caption(comparison(sides=())) == ""


def test_the_caption_without_a_word_or_a_right_side() -> None:
    said = comparison_caption(comparison(replace(GAP, word=None)))
    assert "the best guess is “warm” (40.0 %) for the masked model" in said
    end = comparison_caption(comparison(Gap("It is ", "", "warm"), revealed=0))
    assert "nothing standing to the right" in end
    assert "cannot look" not in end


# --- who looks at whom ------------------------------------------------------------------------------------


def full(tokens: int = 5, hidden: int = 0) -> Pattern:
    open_ = np.ones((tokens, tokens), dtype=np.bool_)
    open_[:, tokens - hidden :] = False
    weights = np.where(open_, 1 / (tokens - hidden), 0).astype(np.float32)
    return Pattern(tuple("abcdefghijklmnopqrstuvwxyz"[:tokens]), np.zeros(tokens, dtype=np.bool_), open_, weights, 2)


def triangular(tokens: int = 5) -> Pattern:
    open_ = np.tri(tokens, dtype=np.bool_)
    weights = (open_ / open_.sum(axis=1, keepdims=True)).astype(np.float32)
    return replace(full(tokens), open=open_, weights=weights)


def parts(reads: int = 4, writes: int = 2) -> Pattern:
    tokens = reads + writes
    open_ = np.zeros((tokens, tokens), dtype=np.bool_)
    open_[:, :reads] = True
    open_[reads:, reads:] = np.tri(writes, dtype=np.bool_)
    weights = (open_ * 0.2).astype(np.float32)
    return replace(full(tokens), open=open_, weights=weights, written=np.arange(tokens) >= reads, slot=reads + 1)


PATTERNS: dict[str, Pattern] = {"full": full(), "hidden": full(hidden=2), "triangular": triangular(), "parts": parts()}


def strokes(figure: go.Figure) -> list[tuple[float, ...]]:
    """The ends of each stroke of the hatching."""
    paths = [shape.path for shape in figure.layout.shapes if shape.type == "path"]
    found = []
    for stroke in "".join(paths).split("M")[1:]:
        start, end = stroke.split("L")
        found.append(tuple(float(number) for number in (*start.split(","), *end.split(","))))
    return found


@pytest.mark.parametrize("name", PATTERNS)
def test_open_cells_have_a_weight_and_closed_ones_are_closed(name: str) -> None:
    pattern = PATTERNS[name]
    figure = pattern_matrix(pattern)
    weights, closed = np.array(figure.data[0].z, dtype=float), np.array(figure.data[1].z, dtype=float)
    np.testing.assert_allclose(weights[pattern.open], pattern.weights[pattern.open], atol=5e-5)
    np.testing.assert_array_equal(np.isnan(weights), ~pattern.open)
    np.testing.assert_array_equal(np.isnan(closed), pattern.open)
    assert pattern_text(pattern).startswith(say(f"comparison.pattern.{name}"))


@pytest.mark.parametrize("name", PATTERNS)
def test_the_hatching_goes_through_all_closed_cells_and_no_other(name: str) -> None:
    pattern = PATTERNS[name]
    hatched = np.zeros(pattern.open.shape, dtype=np.bool_)
    for x0, y0, x1, y1 in strokes(pattern_matrix(pattern)):
        for step in range(round(x1 - x0)):
            hatched[round(y0 - 0.5 - step), round(x0 + 0.5 + step)] = True
        assert x1 - x0 == y0 - y1 > 0
    np.testing.assert_array_equal(hatched, ~pattern.open)


def test_the_row_of_the_guess_is_orange_and_a_border_parts_read_from_written() -> None:
    for pattern in PATTERNS.values():
        shapes = pattern_matrix(pattern).layout.shapes
        rows = [shape for shape in shapes if shape.type == "rect" and shape.line.color == theme.LIGHT.slot]
        assert [(row.y0, row.y1) for row in rows] == [(pattern.slot - 0.5, pattern.slot + 0.5)]
        borders = {(s.x0, s.x1, s.y0, s.y1) for s in shapes if s.type == "line"}
        assert borders == ({(3.5, 3.5, -0.5, 5.5), (-0.5, 5.5, 3.5, 3.5)} if pattern.written.any() else set())


def test_what_the_marks_mean_stands_in_the_legend() -> None:
    names = [trace.name for trace in pattern_matrix(triangular()).data if trace.showlegend]
    assert names == [say("comparison.pattern.closed"), say("comparison.pattern.slot")]


def key_notes(figure: go.Figure) -> list[go.layout.Annotation]:
    return [note for note in figure.layout.annotations if note.xref == "x" and note.yanchor == "bottom"]


def test_names_are_thinned_only_when_there_is_no_room_and_chinese_stands_upright() -> None:
    for tokens, shown in ((5, 5), (20, 20), (26, 13)):
        figure = pattern_matrix(full(tokens))
        assert len(key_notes(figure)) == len(figure.layout.yaxis.ticktext) == shown
        assert any("#955f00" in text for text in figure.layout.yaxis.ticktext)  # the slot is always named
    chinese = replace(full(3), labels=("[CLS]", "天气", "，"))
    angles = {note.text: note.textangle for note in key_notes(pattern_matrix(chinese))}
    assert angles == {"[CLS]": -90 if 3.6 * theme.SIZE > 268 / 3 else 0, "天<br>气": 0, "，": 0}
    crowded = replace(full(20), labels=("[CLS]", *"今天天气很好我们决定去公园野餐明天见吧"))
    angles = {note.text: note.textangle for note in key_notes(pattern_matrix(crowded))}
    assert angles.pop("[CLS]") == -90
    assert set(angles.values()) == {0}


def test_a_text_that_grows_keeps_the_size_of_its_cells() -> None:
    small, large = pattern_matrix(triangular(4), room=7, top=0.3), pattern_matrix(triangular(7), room=7, top=0.3)
    for axis in ("xaxis", "yaxis"):
        assert small.layout[axis].range == large.layout[axis].range
    assert small.layout.height == large.layout.height
    assert small.data[0].zmax == large.data[0].zmax == 0.5
    target = go.Figure(small)
    refresh(target, large)
    assert target.to_json() == large.to_json()


def test_the_scale_is_not_stretched_by_the_few_who_have_no_choice() -> None:
    figure = pattern_matrix(triangular(20))
    assert figure.data[0].zmax == 0.5  # the first token gives itself all there is
    assert figure.data[0].colorbar.ticktext[-1] == "≥50 %"
    assert pattern_matrix(full(20)).data[0].colorbar.ticktext == ("0 %", "4 %", "10 %")


def test_each_mark_stands_in_the_legend_once() -> None:
    figure = comparison_bars(comparison())
    named = [trace.name for trace in figure.data if trace.showlegend]
    assert sorted(named) == sorted(say(f"comparison.mark.{mark}") for mark in ("guess", "original", "special"))


def test_the_text_of_a_pattern_names_what_the_guess_looks_at() -> None:
    lines = pattern_text(triangular()).splitlines()
    assert lines[1] == "10 of 25 cells are closed."
    assert "read at c (token 3)" in lines[2]
    assert lines[3].endswith("33.3 %")


# --- the right side coming into view ------------------------------------------------------------------------


def revealed(gap: Gap = GAP, sides: tuple[Side, ...] = SIDES, steps: int = 5) -> Revealed:
    words = len(gap.right_words) + 1
    log2_probs = np.full((len(sides), words), np.nan)
    entropies = np.full((len(sides), words), np.nan)
    for row, side in enumerate(sides):
        rise = 0.5 * np.arange(words) if side in ("masked", "span") else np.zeros(words)
        log2_probs[row, :steps] = (-5.0 - SIDES.index(side) + rise)[:steps]
        entropies[row, :steps] = (6.0 + row - rise)[:steps]
    if gap.word is None:
        log2_probs[:] = np.nan
    best = tuple(("soft",) * words for _ in sides)
    return Revealed(gap, sides, tuple(f"model {side}" for side in sides), log2_probs, entropies, best)


def test_a_line_for_each_side_told_apart_without_colour() -> None:
    made = revealed()
    figure = reveal_curves(made)
    for row, trace in enumerate(figure.data[:4]):
        np.testing.assert_allclose(trace.y, np.exp2(made.log2_probs[row]))
        assert list(trace.x) == [0, 1, 2, 3, 4]
    looks = {(trace.line.dash, trace.marker.symbol) for trace in figure.data[:4]}
    assert len(looks) == 4
    assert figure.layout.yaxis.type == "log"
    assert len(figure.data[5].text) == 4


def test_the_names_stand_at_the_ends_and_apart() -> None:
    figure = reveal_curves(revealed())
    heights = np.log10(np.array(figure.data[5].y, dtype=float))
    low, high = figure.layout.yaxis.range
    pixels = np.diff(np.sort(heights)) / (high - low) * (460 - 46 - 126)
    assert (pixels > 30).all()
    assert (heights >= low).all()
    assert (heights <= high).all()


def test_the_words_are_the_axis() -> None:
    figure = reveal_curves(revealed())
    shown = [text.split(">")[1].split("<")[0] for text in figure.layout.xaxis.ticktext]
    assert shown == ["none", "mat", "by", "the", "fire"]
    assert figure.layout.xaxis.tickangle == 0
    chinese = reveal_curves(revealed(Gap("今天天气很", "，我们决定去公园野餐。", "好"), steps=11))
    assert chinese.layout.xaxis.tickangle == 0
    assert len(chinese.layout.xaxis.ticktext) == 12
    long = reveal_curves(revealed(Gap("It ", " because of internationalization" * 6, "was"), steps=1))
    assert long.layout.xaxis.tickangle == -60


def test_the_mark_moves_and_nothing_else() -> None:
    first, last = reveal_curves(revealed(), 1), reveal_curves(revealed(), 4)
    assert [trace.to_plotly_json() for trace in first.data[:-1]] == [trace.to_plotly_json() for trace in last.data[:-1]]
    assert (first.layout.shapes[0].x0, last.layout.shapes[0].x0) == (1, 4)
    assert set(first.data[-1].x) == {1}
    np.testing.assert_allclose(first.data[-1].y, [first.data[n].y[1] for n in range(4)])


def test_what_is_not_measured_yet_is_not_drawn() -> None:
    figure = reveal_curves(revealed(steps=2), 4)
    assert all(list(trace.x) == [0, 1] for trace in figure.data[:4])
    assert len(figure.data[-1].x) == 0
    nothing = reveal_curves(revealed(steps=0), 4)
    assert [trace.type for trace in nothing.data] == [trace.type for trace in figure.data]


def test_without_the_word_entropies_are_drawn() -> None:
    made = revealed(replace(GAP, word=None))
    figure = reveal_curves(made)
    for row, trace in enumerate(figure.data[:4]):
        np.testing.assert_allclose(trace.y, made.entropies[row])
    assert figure.layout.yaxis.type != "log"
    assert "entropy" in figure.layout.yaxis.title.text
    assert "best guess soft" in revealed_text(made)


def test_without_a_right_side_there_is_one_point() -> None:
    figure = reveal_curves(revealed(Gap("It is ", "", "warm"), steps=1))
    assert all(list(trace.x) == [0] for trace in figure.data[:4])
    low, high = figure.layout.xaxis.range
    assert low < 0 < high


def test_the_text_of_the_curves_has_every_point() -> None:
    text = revealed_text(revealed(sides=("masked", "causal")))
    assert text.count("masked; warm: ") == text.count("left to right; warm: ") == 5
    assert "2 in view, the last one “by”:" in text


# --- all of them --------------------------------------------------------------------------------------------

FIGURES: dict[str, Callable[..., go.Figure]] = {
    "bars": lambda **more: comparison_bars(
        Comparison(
            replace(GAP, word=HOSTILE), 1, tuple(replace(column(side, word=HOSTILE), model=HOSTILE) for side in SIDES)
        ),
        top=len(WORDS),
        **more,
    ),
    "matrix": lambda **more: pattern_matrix(
        replace(full(3), labels=(HOSTILE, "今" + HOSTILE, "c")), title=HOSTILE, **more
    ),
    "curves": lambda **more: reveal_curves(revealed(Gap("It is ", f" {HOSTILE} too", HOSTILE), steps=1), **more),
}


@pytest.mark.parametrize("name", FIGURES)
def test_no_word_becomes_markup(name: str) -> None:
    figure = FIGURES[name]()
    assert "<img" not in str(figure.to_dict())


@pytest.mark.parametrize("name", FIGURES)
def test_light_and_dark_differ_in_colours_only(name: str) -> None:
    light, dark = FIGURES[name](dark=False), FIGURES[name](dark=True)
    assert light.layout.paper_bgcolor == theme.LIGHT.page
    assert dark.layout.paper_bgcolor == theme.DARK.page
    assert dark.layout.font.color == theme.DARK.text
    assert [trace.type for trace in light.data] == [trace.type for trace in dark.data]
    target = go.Figure(light)
    refresh(target, dark)
    assert target.to_json() == dark.to_json()
