"""Figures of the lens, of pairs, of filling and of two sentences: what is drawn is what was measured."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from mlm_viz.figures import labels, theme
from mlm_viz.figures.contrast import contrast_cloud, contrast_text
from mlm_viz.figures.filling import fill_lines, fill_order_bars, fill_text
from mlm_viz.figures.lens import lens_entropy, lens_heatmap, lens_ranks, lens_text
from mlm_viz.figures.pairs import pair_bars, pair_columns, pair_text
from mlm_viz.figures.update import refresh
from mlm_viz.pairs import MinimalPair, PseudoLogLikelihood, Stretch
from mlm_viz.readings import Contrast, Lens
from mlm_viz.results import SlotPrediction
from mlm_viz.steps import FillOrders, FillSteps
from mlm_viz.tokens import Sentence, Vocabulary

HOSTILE = '<img src=x onerror="alert(1)">'
SAFE_TAGS = re.compile(r"</?(b|sup)>|<br>|<span style=\"color:#[0-9a-f]{6}\">|</span>", re.IGNORECASE)


def vocabulary(names) -> Vocabulary:
    return Vocabulary(tuple(f"{i}:{n}" for i, n in enumerate(names)), tuple(names), None, None, frozenset({0}))


def sentence(labels_, blank=()) -> Sentence:
    """Special tokens at both ends, every other token a word of its own behind a space."""
    count = len(labels_)
    special = np.array([0 < n < count - 1 for n in range(count)]) == 0
    words = np.where(special, -1, np.arange(count) - 1)
    blanks = np.array([n in blank for n in range(count)])
    spaced = ~special & (np.arange(count) > 1)
    return Sentence(" ".join(labels_), np.arange(count), tuple(labels_), tuple(labels_), words, special, blanks, spaced)


def lens(rows=4, names=("[PAD]", "paris", "rome", HOSTILE, "good"), original=1, followed=(2, 1)) -> Lens:
    probs = np.random.default_rng(0).dirichlet(np.ones(len(names)), rows)
    text = sentence(("[CLS]", "in", "____", "[SEP]"), blank=(2,))
    return Lens(text, np.log2(probs).astype(np.float32), 2, original, followed, vocabulary(names))


def pair() -> MinimalPair:
    a = sentence(("[CLS]", "the", "keys", "are", HOSTILE, "[SEP]"))
    b = sentence(("[CLS]", "the", "key", "s", "is", HOSTILE, "[SEP]"))
    score_a = PseudoLogLikelihood(a, np.array([1, 2, 3, 4]), np.array([-1.0, -2.0, -3.0, -0.5]), "original")
    score_b = PseudoLogLikelihood(b, np.arange(1, 6), np.array([-1.5, -4.0, -0.25, -5.0, -1.0]), "original")
    stretches = (Stretch((1,), (1,), True), Stretch((2, 3), (2, 3, 4), False), Stretch((4,), (5,), True))
    return MinimalPair(score_a, score_b, stretches)


def steps(order="left_to_right", context=(), more=0, words=("new", HOSTILE)) -> FillSteps:
    """Two slots, filled from left to right, then the first drawn again `more` times."""
    names = ("[MASK]", *words, *dict.fromkeys(["[CLS]", "city", "is", "[SEP]", *context]))
    known = vocabulary(names)
    tokens = ["[CLS]", "[MASK]", "[MASK]", "city", "is", *context, "[SEP]"]
    text = sentence(tokens, blank=(1, 2))
    rows = [np.array([names.index(token) for token in tokens])]
    places, entropies = [1, 2, *[1] * more], [[3.0, 2.0], [np.nan, 1.0], *[[1.5, np.nan]] * more]
    for place in places:
        rows.append(rows[-1].copy())
        rows[-1][place] = place
    logs = np.array([-1.0, -2.0, *[-3.0] * more])
    numbers = (np.array(places), np.array(places), logs, np.array(entropies), -3.0, -3.5)
    return FillSteps(text, (1, 2), order, 0.0, np.array(rows), *numbers, known)


def contrast(count=12_000, hostile=True) -> Contrast:
    rng = np.random.default_rng(1)
    names = ["[PAD]", HOSTILE if hostile else "w", *(f"word{n}" for n in range(2, count))]
    base = rng.normal(0, 4, count)
    probs = [np.exp(base + rng.normal(0, 1, count)) for _ in range(2)]
    probs[0][1] *= 300
    known = vocabulary(names)
    a, b = (SlotPrediction(0, np.log2(p / p.sum()).astype(np.float32), None, known) for p in probs)
    return Contrast((f"He {HOSTILE} ____", "She works as a ____"), a, b)


# --- lens


def test_heat_map_has_the_best_guesses_of_every_layer():
    given = lens()
    figure = lens_heatmap(given, k=3)
    cells = figure.data[0]
    probs = np.exp2(given.log2_probs.astype(float))
    np.testing.assert_allclose(cells.z, -np.sort(-probs, axis=1)[:, :3], atol=1e-6)
    order = np.argsort(-probs, axis=1)
    for row in range(4):
        for place in range(3):
            name = given.vocabulary.labels[order[row, place]]
            assert html.escape(labels.short(name, 3)[:4]) in cells.text[row][place] or name == HOSTILE
            assert ("✓" in cells.text[row][place]) == (order[row, place] == given.original)
            assert ("<b>" in cells.text[row][place]) == (order[row, place] == order[-1, 0])
            assert labels.percent(probs[row, order[row, place]]) in html.unescape(cells.text[row][place])
    assert list(figure.layout.yaxis.ticktext) == ["embeddings", "layer 1", "layer 2", "layer 3, the last"]
    low, high = figure.layout.yaxis.range
    assert low > high  # the embeddings on top
    assert cells.texttemplate == "%{text}"


def test_entropy_and_ranks_by_layer():
    given = lens()
    curve = lens_entropy(given)
    np.testing.assert_allclose(curve.data[0].y, given.entropies)
    assert curve.layout.yaxis.range[1] > np.log2(5) == curve.layout.shapes[0].y0
    ranks = lens_ranks(given)
    assert ranks.layout.yaxis.type == "log"
    assert ranks.layout.yaxis.range[0] > ranks.layout.yaxis.range[1]
    probs = np.exp2(given.log2_probs.astype(float))
    for trace, token in zip(ranks.data, given.followed, strict=False):
        assert list(trace.y) == [1 + int((row > row[token]).sum()) for row in probs]
    assert [trace.name for trace in ranks.data[:2]] == ["rome", "✓ paris"]
    assert [trace.showlegend for trace in ranks.data] == [True, True, False, False]
    assert len({(trace.line.dash, trace.marker.symbol) for trace in ranks.data[:2]}) == 2


def test_ranks_can_be_shown_in_place_whatever_is_followed():
    shown = lens_ranks(lens())
    refresh(shown, lens_ranks(lens(followed=(1, 2, 3))))
    assert len(shown.data[2].y) == 4
    with pytest.raises(ValueError, match="from 1 to 4"):
        lens_ranks(lens(followed=(0, 1, 2, 3, 4)))
    with pytest.raises(ValueError, match="at least 1"):
        lens_heatmap(lens(), k=0)


def test_many_layers_are_thinned_but_the_ends_stay():
    ticks = lens_entropy(lens(rows=37)).layout.xaxis.tickvals
    assert len(ticks) <= 14
    assert {0, 36} <= set(ticks)


def test_lens_as_text():
    given = lens()
    lines = lens_text(given, 2).splitlines()
    assert len(lines) == 4
    best = given.at(0).top(2)
    assert lines[0].startswith(f"embeddings: {best['token'][0]} {labels.percent(best['probability'][0])}, ")
    assert lines[3].endswith(f"entropy {given.entropies[3]:.2f} bits")


# --- pairs


def test_columns_keep_together_what_belongs_together():
    assert pair_columns(pair()) == [(1, 1, True), (2, 2, False), (3, 3, False), (None, 4, False), (4, 5, True)]


def test_bars_stand_under_each_other_and_the_title_says_who_wins():
    figure = pair_bars(pair())
    assert figure.layout.legend.xref == figure.layout.legend.yref, "else the axes' titles would be pushed aside"
    same_a, differ_a, _, same_b, differ_b, _ = figure.data
    assert (list(same_a.x), list(same_a.y)) == ([0, 4], [1.0, 0.5])
    assert (list(differ_a.x), list(differ_a.y)) == ([1, 2], [2.0, 3.0])
    assert (list(same_b.x), list(same_b.y)) == ([0, 4], [1.5, 1.0])
    assert (list(differ_b.x), list(differ_b.y)) == ([1, 2, 3], [4.0, 0.25, 5.0])
    assert {same_a.yaxis, same_b.yaxis} == {"y", "y2"}
    assert figure.layout.xaxis.range == figure.layout.xaxis2.range
    assert figure.layout.yaxis.range == figure.layout.yaxis2.range
    assert "prefers A by 5.25 bits" in figure.layout.title.text
    assert "A has 4 tokens, B 5" in figure.layout.title.text
    assert [(shape.x0, shape.x1) for shape in figure.layout.shapes] == [(0.5, 1.5), (1.5, 2.5), (2.5, 3.5)]
    assert same_a.marker.pattern.shape != differ_a.marker.pattern.shape


def test_tie_and_the_other_winner():
    given = pair()
    other = MinimalPair(given.b, given.a, tuple(Stretch(s.b, s.a, s.same) for s in given.stretches))
    assert "prefers B by 5.25 bits" in pair_bars(other).layout.title.text
    tie = MinimalPair(given.a, given.a, given.stretches[:1])
    assert "prefers neither" in pair_text(tie)
    refresh(shown := pair_bars(given), pair_bars(other))
    assert list(shown.data[1].y) == [4.0, 0.25, 5.0]


def test_pair_as_text():
    lines = pair_text(pair()).splitlines()
    assert len(lines) == 3
    assert lines[2] == "keys are | key s is: A −5.0, B −9.2"


# --- filling


def test_lines_mark_what_was_filled_last():
    given = steps()
    figure = fill_lines(given)
    start, first, second = figure.data[0].text
    assert start.count("____") == 2
    assert "[new]" in first
    assert first.count("____") == 1
    assert "[new]" not in second
    assert "new" in second
    assert "[&lt;img" in second
    assert start.endswith("city is")
    assert figure.data[1].text[1] == "50.0 % · −1.0 bits"
    assert figure.data[1].text[2] == "25.0 % · −3.0 bits"
    assert "slot 2 open, entropy 2.00 bits" in figure.data[2].customdata[1]


def test_scrubbing_keeps_the_height_and_shows_the_latest():
    given = steps("gibbs", more=40)
    figures = [fill_lines(given, step) for step in range(len(given) + 1)]
    assert len({figure.layout.height for figure in figures}) == 1
    assert [len(figure.data[0].text) for figure in figures[:3]] == [1, 2, 3]
    assert figures[-1].layout.yaxis.ticktext[-1] == "step 42"
    assert len(figures[-1].data[0].text) < 20
    assert "drawn again" in figures[-1].data[1].text[-1]
    assert "[new]" in figures[-1].data[0].text[-1]
    for new in figures:
        refresh(figures[0], new)
    with pytest.raises(ValueError, match="0 to 42"):
        fill_lines(given, 43)


def test_long_texts_are_cut_down_to_what_is_around_the_slots():
    given = steps(context=[f"word{n}" for n in range(60)])
    for line in fill_lines(given).data[0].text:
        shown = html.unescape(re.sub("<[^>]+>", "", line))
        assert labels.ems(shown) < 60
        assert shown.endswith("…")
        assert "city is word0" in shown
        assert "word59" not in shown


def test_orders_are_compared_both_ways():
    runs = (steps(), replace(steps("random"), log2_joint=-2.0))
    figure = fill_order_bars(FillOrders(runs))
    own, across, values, _ = figure.data
    assert list(own.x) == [-3.0, -2.0]
    assert list(across.x) == [-3.5, -3.5]
    assert own.marker.pattern.shape != across.marker.pattern.shape
    assert list(figure.layout.yaxis.ticktext) == ["left to right", "random order"]
    assert "−2.0 bits" in values.text[1]
    assert figure.layout.xaxis.range[1] == 0 > -3.5 > figure.layout.xaxis.range[0]


def test_filling_as_text():
    lines = fill_text(steps(words=("new", "york"))).splitlines()
    assert lines == [
        "start: ____ ____ city is",
        "step 1: [new] ____ city is (50.0 % · −1.0 bits)",
        "step 2: new [york] city is (25.0 % · −3.0 bits)",
    ]


# --- two sentences


def test_cloud_has_a_point_for_every_word_and_is_drawn_by_the_graphics_card():
    given = contrast()
    figure = contrast_cloud(given)
    cloud = figure.data[0]
    assert isinstance(cloud, go.Scattergl)
    assert len(cloud.x) == 12_000 - 1  # no point for the special token
    np.testing.assert_allclose(cloud.x, given.a.probabilities[1:], rtol=1e-5)
    np.testing.assert_allclose(cloud.y, given.b.probabilities[1:], rtol=1e-5)
    assert cloud.x.dtype == np.float32
    assert cloud.customdata[1] == "word2"
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"
    assert figure.layout.xaxis.range == figure.layout.yaxis.range
    low = 10 ** figure.layout.xaxis.range[0]
    assert low <= min(cloud.x.min(), cloud.y.min())
    line = figure.layout.shapes[0]
    assert (line.x0, line.x1) == (line.y0, line.y1)


def test_outliers_are_named_on_their_side():
    given = contrast(hostile=False)
    figure = contrast_cloud(given, k=10)
    more_a, more_b = figure.data[1:]
    assert 5 < len(more_a.x) + len(more_b.x) <= 10
    assert (np.asarray(more_a.x) > np.asarray(more_a.y)).all()
    assert (np.asarray(more_b.x) < np.asarray(more_b.y)).all()
    best = given.vocabulary.labels[given.biggest(1)[0]]
    assert best in [*more_a.text, *more_b.text]
    assert more_a.marker.symbol != more_b.marker.symbol


@pytest.mark.parametrize("width", [520, 700, 1000, 1800])
def test_names_do_not_cover_each_other(width):
    given = contrast()
    figure = contrast_cloud(given, k=20, least=1e-5)
    low, _ = figure.layout.xaxis.range
    height = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
    boxes = []
    for trace in figure.data[1:]:
        for x, y, text, seat in zip(trace.x, trace.y, trace.text, trace.textposition, strict=True):
            assert text
            px = (np.log10(x) - low) / (0 - low) * width
            py = (np.log10(y) - low) / (0 - low) * height
            wide, tall = labels.ems(html.unescape(text)) * (theme.SIZE - 1), theme.SIZE
            up, side = seat.split()
            x0 = {"left": px - wide - 6, "center": px - wide / 2, "right": px + 6}[side]
            y0 = {"top": py + 6, "middle": py - tall / 2, "bottom": py - tall - 6}[up]
            boxes.append((x0, x0 + wide, y0, y0 + tall))
    assert len(boxes) > 8
    for number, (a0, a1, b0, b1) in enumerate(boxes):
        for c0, c1, d0, d1 in boxes[:number]:
            assert a1 <= c0 or c1 <= a0 or b1 <= d0 or d1 <= b0


def test_contrast_as_text_and_with_nothing_to_name():
    given = contrast(hostile=False)
    lines = contrast_text(given, 3).splitlines()
    assert len(lines) == 6
    token = int(given.biggest(1)[0])
    assert lines[3].startswith(given.vocabulary.labels[token] + ": ")
    assert f"{given.divergence:.3f} bits" in lines[2]
    bare = contrast_cloud(given, least=1.1)
    assert [len(trace.x) for trace in bare.data[1:]] == [0, 0]
    refresh(contrast_cloud(given), bare)


# --- all of them


@pytest.mark.parametrize("dark", [False, True])
def test_hostile_tokens_are_harmless_everywhere(dark):
    figures = [
        lens_heatmap(lens(), dark=dark),
        lens_entropy(lens(), dark=dark),
        lens_ranks(lens(followed=(3,)), dark=dark),
        pair_bars(pair(), dark=dark),
        fill_lines(steps(), dark=dark),
        fill_order_bars(FillOrders((steps(),)), dark=dark),
        contrast_cloud(contrast(50), dark=dark),
    ]
    for figure in figures:
        for text in strings_of(figure.to_plotly_json()):
            assert "<" not in SAFE_TAGS.sub("", text), text
    shown = [text for figure in figures for text in strings_of(figure.to_plotly_json()) if "&lt;img" in text]
    assert len(shown) > 7


def strings_of(node):
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            if key not in {"hovertemplate", "template"}:
                yield from strings_of(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from strings_of(value)
