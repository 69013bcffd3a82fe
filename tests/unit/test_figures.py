from __future__ import annotations

import html
import re
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlm_viz.figures import labels, theme
from mlm_viz.figures.attention import attention_heatmap, attention_row, attention_shares, attention_text
from mlm_viz.figures.bars import prediction_bars, prediction_text
from mlm_viz.figures.curves import accuracy_curve
from mlm_viz.figures.distributions import distribution_shift
from mlm_viz.figures.surprisal import surprisal_bars
from mlm_viz.figures.update import refresh
from mlm_viz.results import AccuracyCurve, Attention, SlotPrediction, Sweep, WordScore
from mlm_viz.tokens import Sentence, Vocabulary

EIGHT = (0.5, 0.2, 0.1, 0.08, 0.06, 0.03, 0.02, 0.01)
NAMES = ("rain", "sun", "the", "the", "snow", "hail", "fog", "mist")
HOSTILE = '<img src=x onerror="alert(1)">'
GHOST, GUESS, ORIGINAL, EXTRA, VALUES, HOVER = range(6)


def slot(probs=EIGHT, names=NAMES, original=None) -> SlotPrediction:
    vocabulary = Vocabulary(tuple(f"{i}:{n}" for i, n in enumerate(names)), names, None, None, frozenset())
    return SlotPrediction(3, np.log2(np.array(probs)).astype(np.float32), original, vocabulary)


def attention(labels_=("[CLS]", "the", "cat", "the", "[SEP]"), layers=(0, 2)) -> Attention:
    tokens = len(labels_)
    weights = np.random.default_rng(0).dirichlet(np.ones(tokens), (len(layers), 2, tokens)).astype(np.float32)
    special = np.array([label in {"[CLS]", "[SEP]"} for label in labels_])
    return Attention(tuple(labels_), special, layers, weights)


def sweep() -> Sweep:
    flags = np.zeros(4, dtype=bool)
    special = np.array([True, False, False, True])
    words = np.array([-1, 0, 1, -1])
    text = Sentence("a b", np.arange(4), ("c", "a", "b", "s"), ("c", "a", HOSTILE, "s"), words, special, flags, flags)
    numbers = np.array([1, 2]), np.array([-3.0, -0.5]), np.array([4, 1]), np.array([2.0, 1.0]), np.array([0, 1])
    return Sweep(text, *numbers, slot().vocabulary)


# --- prediction bars


def test_the_best_tokens_stand_in_order_with_their_probabilities():
    figure = prediction_bars(slot(), k=4)
    np.testing.assert_allclose(figure.data[GUESS].x, EIGHT[:4], rtol=1e-6)
    assert list(figure.data[GUESS].y) == [0, 1, 2, 3]
    low, high = figure.layout.yaxis.range
    assert low > high  # the best is on top


def test_equal_labels_keep_a_bar_each():
    figure = prediction_bars(slot(), k=4)
    assert list(figure.layout.yaxis.ticktext) == ["rain", "sun", "the", "the"]
    assert len(set(figure.data[GUESS].y)) == 4


def test_original_among_the_best_is_marked_where_it_stands():
    figure = prediction_bars(slot(original=1), k=4)
    assert list(figure.data[ORIGINAL].y) == [1]
    assert 1 not in figure.data[GUESS].y
    assert figure.data[ORIGINAL].marker.color == "#009E73"
    assert figure.data[ORIGINAL].marker.pattern.shape  # not by colour alone
    assert "✓ sun" in figure.layout.yaxis.ticktext[1]
    assert not figure.layout.shapes


def test_original_beyond_the_best_gets_a_row_of_its_own_with_its_rank():
    figure = prediction_bars(slot(original=6), k=4)
    assert figure.data[ORIGINAL].y[0] > 4
    assert figure.data[ORIGINAL].x[0] == pytest.approx(0.02, rel=1e-6)
    assert "✓ fog" in figure.layout.yaxis.ticktext[-1]
    assert "#7" in figure.layout.yaxis.ticktext[-1]
    assert len(figure.layout.shapes) == 1


def test_ghost_has_the_probabilities_the_same_tokens_had_before():
    before = slot(EIGHT[::-1])
    figure = prediction_bars(slot(original=6), k=3, before=before, before_name="pinned")
    np.testing.assert_allclose(figure.data[GHOST].x, [0.01, 0.02, 0.03, 0.2], rtol=1e-6)
    assert figure.data[GHOST].name == "pinned"
    assert figure.data[GHOST].width > figure.data[GUESS].width
    assert "50.0 % (+49.0)" in figure.data[VALUES].text[0]
    told = figure.data[HOVER].customdata[0]
    assert "+49.0 percentage points" in told
    assert f"{np.log2(50):+.1f} bits" in told


@pytest.mark.parametrize(("largest", "top"), [(0.04, 0.1), (0.1, 0.1), (0.11, 0.25), (0.26, 0.5), (0.9, 1.0)])
def test_axis_ends_at_the_next_round_number(largest, top):
    assert labels.axis_top(largest) == top


@pytest.mark.parametrize(("largest", "top"), [(0.0, 0.01), (0.004, 0.01), (0.011, 0.025), (0.09, 0.1), (0.2, 0.25)])
def test_where_one_word_is_watched_the_axis_may_end_earlier(largest, top):
    assert labels.axis_top(largest, 0.01) == top
    axis = labels.percent_axis(theme.LIGHT, largest, least=0.01)
    assert axis["range"] == [0, top]
    assert axis["ticktext"][-1] == f"{100 * top:g} %"


def test_axis_has_room_for_the_ghost_too():
    small = slot([0.05] * 8 + [0.6], (*NAMES, "x"))
    large = slot([0.3, *[0.1] * 7, 0.0001], (*NAMES, "x"))
    assert prediction_bars(small, k=9, before=large).layout.xaxis.range[1] == 1
    assert prediction_bars(replace(small, log2_probs=small.log2_probs - 4), k=3).layout.xaxis.range[1] == 0.1


def test_words_asked_for_stand_below_with_their_own_mark():
    words = [WordScore("sun fog", ("sun", "fog"), -10.0, 99), slot().score("1:sun")]
    figure = prediction_bars(slot(), k=2, extra=words, before=slot(EIGHT[::-1]))
    np.testing.assert_allclose(figure.data[EXTRA].x, [2**-10, 0.2], rtol=1e-6)
    assert min(figure.data[EXTRA].y) > 2
    assert "+ sun fog" in figure.layout.yaxis.ticktext[-2]
    assert "#99" in figure.layout.yaxis.ticktext[-2]
    assert len(figure.data[GHOST].x) == 3  # a word of several pieces has no ghost


def test_figure_has_the_same_traces_and_height_whatever_it_shows():
    figures = [
        prediction_bars(slot(original=o), k=4, before=b, dark=d)
        for o in (None, 1, 6)
        for b in (None, slot())
        for d in (True, False)
    ]
    assert len({tuple(trace.type for trace in figure.data) for figure in figures}) == 1
    assert len({figure.layout.height for figure in figures}) == 1


def test_more_bars_than_tokens_and_none_at_all():
    assert len(prediction_bars(slot(), k=20).data[GUESS].x) == 8
    with pytest.raises(ValueError, match="at least 1"):
        prediction_bars(slot(), k=0)
    with pytest.raises(ValueError, match="same model"):
        prediction_bars(slot(), before=slot((0.5, 0.5), ("a", "b")))


def test_text_form_says_what_the_bars_show():
    lines = prediction_text(slot(original=6), 2, slot(EIGHT[::-1])).splitlines()
    assert lines[0].startswith("1. rain: 50.0 %, surprisal 1.00 bits; before 1.0 %; changed by +49.0")
    assert lines[2].startswith("7. fog: 2.0 %, surprisal 5.64 bits, the original")
    bits = -sum(p * np.log2(p) for p in EIGHT)
    assert lines[-1] == f"entropy {bits:.2f} bits"
    assert len(lines) == 4


# --- attention


def test_heat_map_shows_one_head_queries_down():
    given_ = attention()
    figure = attention_heatmap(given_, 2, 1, slot=2)
    np.testing.assert_allclose(figure.data[0].z, given_.weights[1, 1], atol=5.1e-5)
    low, high = figure.layout.yaxis.range
    assert low > high
    assert len(figure.data[0].x) == len(set(figure.data[0].x)) == 5  # "the" and "the" stay apart
    boxes = [(s.x0, s.x1, s.y0, s.y1) for s in figure.layout.shapes]
    assert all((x0 < 2 < x1) and (y0 < 2 < y1) for x0, x1, y0, y1 in boxes)
    assert not attention_heatmap(given_, 2, 1).layout.shapes


def test_heat_map_of_a_long_text_shows_few_labels_but_the_slots():
    figure = attention_heatmap(attention(tuple(f"t{i}" for i in range(200))), 0, 0, slot=77)
    shown = figure.layout.xaxis.ticktext
    assert len(shown) == len(figure.layout.xaxis.tickvals) < 40
    assert any(">t77<" in text for text in shown)


def test_scale_of_attention_shows_weak_weights_and_stays_true():
    scale = theme.attention_scale()
    places = [place for place, _ in scale]
    assert places[0] == 0
    assert places[-1] == 1
    assert places == sorted(places)
    lightness = [sum(w * int(c[i : i + 2], 16) for w, i in ((0.2126, 1), (0.7152, 3), (0.0722, 5))) for _, c in scale]
    assert lightness == sorted(lightness)
    quarter = lightness[places.index(0.25)]
    assert quarter == pytest.approx((lightness[0] + lightness[-1]) / 2, abs=25)  # sqrt: a quarter looks half way


def test_row_sorts_keys_by_where_they_stand():
    given_ = attention()
    figure = attention_row(given_, 2, 1, 2)
    left, right, own, special = figure.data[:4]
    assert [list(t.x) for t in (left, right, own, special)] == [[1], [3], [2], [0, 4]]
    row = given_.weights[1, 1, 2]
    np.testing.assert_allclose(special.y, row[[0, 4]], rtol=1e-6)
    assert labels.percent(row[0] + row[4]) in html.unescape(special.name)
    assert len({trace.marker.pattern.shape for trace in figure.data[:4]}) == 4
    assert len({trace.marker.color for trace in figure.data[:4]}) == 4


def test_shares_are_stacked_for_each_head():
    given_ = attention()
    figure = attention_shares(given_, 2)
    totals = sum(np.asarray(trace.x) for trace in figure.data[:4])
    np.testing.assert_allclose(totals, np.ones(4), rtol=1e-5)
    np.testing.assert_allclose(figure.data[2].x, given_.weights[:, :, 2, 2].ravel(), rtol=1e-6)
    assert list(figure.layout.yaxis.ticktext) == [f"Layer {n} · Head {h}" for n in (1, 3) for h in (1, 2)]
    row = given_.weights[0, 0, 2].astype(float)
    assert f"{-(row * np.log2(row)).sum():.1f} bits" in figure.data[4].text[0]
    assert len(attention_shares(given_, 2, layer=2).data[0].x) == 2


def test_attention_as_text_names_the_most_attended_first():
    given_ = attention()
    row = given_.weights[1, 0, 2]
    lines = attention_text(given_, 2, 0, 2, most=3).splitlines()
    assert lines[0] == "Layer 3, head 1: cat (token 3) looks most at"
    best = int(row.argmax())
    assert lines[1] == f"{given_.labels[best]} (token {best + 1}): {labels.percent(row[best])}"
    assert len(lines) == 6
    assert f"itself {labels.percent(row[2])}" in lines[-2]


def test_row_and_text_agree_with_the_measured_shares():
    given_ = attention()
    for query in range(5):
        expected = given_.shares(query)[0, 1]
        traces = attention_row(given_, 0, 1, query).data[:4]
        np.testing.assert_allclose([np.sum(trace.y) for trace in traces], expected, atol=1e-6)


# --- surprisal, curves, shifts


def test_surprisal_in_bits_where_the_token_stands():
    figure = surprisal_bars(sweep())
    right, wrong = figure.data[:2]
    assert (list(right.x), list(right.y)) == ([2], [0.5])
    assert (list(wrong.x), list(wrong.y)) == ([1], [3.0])


def curve(name, rates, accuracy):
    count = np.full(len(rates), 50)
    return AccuracyCurve(rates, rates, accuracy, accuracy - 0.1, accuracy + 0.1, accuracy, count, name=name)


def test_curves_have_their_bands_and_differ_by_more_than_colour():
    rates, accuracy = np.array([0.1, 0.5]), np.array([0.6, 0.3])
    figure = accuracy_curve([curve(name, rates, accuracy) for name in ("English", "Chinese")])
    band, line, _, other = figure.data
    assert list(line.y) == [0.6, 0.3]
    np.testing.assert_allclose(band.y, [0.7, 0.4, 0.2, 0.5])
    assert (line.line.dash, line.marker.symbol) != (other.line.dash, other.marker.symbol)
    with pytest.raises(ValueError, match="from 1 to"):
        accuracy_curve([])


def test_shift_shows_the_largest_changes_and_the_divergence():
    figure = distribution_shift(slot(), slot(EIGHT[::-1]), k=4)
    up, down = figure.data[:2]
    np.testing.assert_allclose(up.x, [0.49, 0.18], rtol=1e-5)
    np.testing.assert_allclose(down.x, [-0.18, -0.49], rtol=1e-5)
    p, q = np.array(EIGHT), np.array(EIGHT[::-1])
    m = (p + q) / 2
    bits = ((p * np.log2(p / m)).sum() + (q * np.log2(q / m)).sum()) / 2
    assert f"{bits:.3f} bits" in figure.layout.title.text
    assert not distribution_shift(slot(), slot()).data[1].x.size


# --- labels and numbers


@pytest.mark.parametrize(
    ("probability", "shown"),
    [
        *[(0, "0 %"), (0.00009, "<0.01 %"), (0.0001, "0.010 %"), (0.00099, "0.099 %"), (0.00678, "0.68 %")],
        *[(0.00996, "1.0 %"), (0.4321, "43.2 %"), (0.99944, "99.9 %"), (0.9996, ">99.9 %"), (1, "100 %")],
    ],
)
def test_percent(probability, shown):
    assert labels.percent(probability) == shown


@given(st.floats(0, 1))
def test_percent_says_the_number_it_was_given(probability):
    shown = labels.percent(probability)
    assert re.fullmatch(r"[<>]?\d+(\.\d+)? %", shown)
    number = float(shown.strip("<>% "))
    if shown.startswith("<"):
        assert 0 < 100 * probability < number
    elif shown.startswith(">"):
        assert number < 100 * probability < 100
    else:
        assert number == pytest.approx(100 * probability, abs=0.0501, rel=0.06)
        assert (number == 100) == (probability == 1)
        assert (number == 0) == (probability == 0)


@given(st.floats(0, 1), st.floats(0, 1))
def test_percent_keeps_order(a, b):
    def size(p):
        shown = labels.percent(p)
        return float(shown.strip("<>% ")) + {"<": -0.001, ">": 0.01}.get(shown[0], 0)

    assert (size(a) <= size(b)) or a > b


@given(st.floats(-100, 100))
def test_signed_has_the_sign_and_the_value(value):
    shown = labels.signed(value)
    assert float(shown.replace("−", "-").replace("±", "")) == pytest.approx(value, abs=0.0501)
    assert shown[0] == ("±" if abs(value) < 0.005 else "+" if value > 0 else "−")


@given(st.text(max_size=60), st.floats(2, 20))
def test_labels_are_as_short_as_asked(text, most):
    cut = labels.short(text, most)
    assert labels.ems(cut) <= most + 0.8 or labels.ems(text) <= most  # the ellipsis itself is 0.75 wide
    assert cut == text or cut.endswith("…")


@given(st.text(max_size=30))
def test_markup_has_no_tag_and_comes_back_whole(text):
    shown = labels.markup(text, 1e6)
    assert not set(shown) & set("<>\"'")
    if any(len(run) > 4 for run in re.findall(r"[^\w\s]+", text)):
        return  # may be a tower of accents, which is cut
    back = html.unescape(shown).strip("\u2068\u2069")
    kept = text.replace("\0", "\ufffd").strip("\u2068\u2069")
    assert back == re.sub("[\ud800-\udfff]", "\ufffd", kept)


def test_a_tower_of_accents_is_cut_and_a_family_is_not():
    assert labels.short("e" + "\u0301" * 50 + "x", 20) == "e" + "\u0301" * 4 + "…"
    assert labels.short("👩‍👩‍👧‍👦", 20) == "👩‍👩‍👧‍👦"


def test_right_to_left_tokens_are_kept_from_turning_the_rank_about():
    assert labels.markup("שלום") == "\u2068שלום\u2069"
    assert labels.markup("rain") == "rain"


def hostile_figures() -> dict[str, go.Figure]:
    bad = slot(names=(HOSTILE, *NAMES[1:]), original=0)
    look = attention(("[CLS]", HOSTILE, "</script>", "the", "[SEP]"))
    rate = np.array([0.1])
    return {
        "bars": prediction_bars(bad, before=bad, before_name=HOSTILE, extra=[WordScore(HOSTILE, (HOSTILE,), -1, 1)]),
        "heatmap": attention_heatmap(look, 0, 0, slot=1),
        "row": attention_row(look, 0, 0, 1),
        "shares": attention_shares(look, 1),
        "surprisal": surprisal_bars(sweep()),
        "curve": accuracy_curve([curve(HOSTILE, rate, rate)]),
        "shift": distribution_shift(bad, slot(EIGHT[::-1], bad.vocabulary.labels)),
    }


@pytest.mark.parametrize(("name", "figure"), hostile_figures().items())
def test_no_token_becomes_markup(name, figure):
    said = figure.to_json().replace("\\u003c", "<").replace("\\u003e", ">")
    assert "<img" not in said
    assert "</script" not in said
    assert name == "shares" or "&lt;" in said


@pytest.mark.parametrize(("name", "figure"), hostile_figures().items())
def test_hover_texts_are_data_and_never_template(name, figure):
    templates = {trace.hovertemplate for trace in figure.data if trace.hovertemplate}
    assert templates <= {"%{customdata}<extra></extra>", "%{y} → %{x}: %{z:.2%}<extra></extra>"}


# --- themes


def contrast(a: str, b: str) -> float:
    """WCAG 2 contrast of two colours #rrggbb."""

    def light(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(a), light(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("dark", "page"), [(False, "#ffffff"), (True, "#111111"), (True, "#24292f")])
def test_text_and_bars_stand_out_from_the_page(dark, page):
    ink = theme.colours(dark=dark)
    for text in (ink.text, ink.muted, ink.slot_ink, ink.original_ink):
        assert contrast(text, page) >= 4.5
    for fill in (ink.guess, ink.original, ink.extra, ink.left, ink.right, *ink.series):
        assert contrast(fill, page) >= 3


def test_dark_and_light_differ_in_colour_only():
    light, dark = prediction_bars(slot(original=1)), prediction_bars(slot(original=1), dark=True)
    assert light.layout.font.color != dark.layout.font.color
    assert light.data[GUESS].marker.color != dark.data[GUESS].marker.color
    np.testing.assert_array_equal(light.data[GUESS].x, dark.data[GUESS].x)
    assert light.layout.margin == dark.layout.margin
    assert (light.layout.paper_bgcolor, dark.layout.paper_bgcolor) == ("#ffffff", "#111111")


# --- updating in place


def same(a: go.Figure, b: go.Figure) -> None:
    left, right = a.to_plotly_json(), b.to_plotly_json()
    for trace in left["data"]:
        trace.pop("uid", None)
    left["layout"] = {key: value for key, value in left["layout"].items() if value not in ([], ())}
    assert go.Figure(left).to_json() == go.Figure(right).to_json()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (prediction_bars(slot(original=6)), prediction_bars(slot(original=1), k=3, before=slot())),
        (prediction_bars(slot(), k=3, before=slot()), prediction_bars(slot(original=6), dark=True)),
        (attention_heatmap(attention(), 0, 0, slot=1), attention_heatmap(attention(("a", "b")), 2, 1)),
        (attention_heatmap(attention(("a", "b")), 2, 1), attention_heatmap(attention(), 0, 0, slot=1, dark=True)),
        (attention_row(attention(), 0, 0, 1), attention_row(attention(("a", "b", "c")), 2, 1, 2)),
        (attention_shares(attention(), 0, layer=0), attention_shares(attention(), 2)),
    ],
)
def test_refreshed_widget_is_the_new_figure_in_one_message(old, new):
    widget = go.FigureWidget(old)
    sent = []
    widget._send_update_msg = lambda **message: sent.append(message)
    refresh(widget, new)
    same(widget, new)
    assert len(sent) == 1
    refresh(widget, new)
    assert len(sent) == 1  # nothing differs, nothing is sent


def test_refresh_sends_only_what_differs():
    widget = go.FigureWidget(prediction_bars(slot(), k=3))
    sent = []
    widget._send_update_msg = lambda **message: sent.append(message)
    refresh(widget, prediction_bars(slot(), k=3, dark=True))
    assert not {"x", "y"} & set(sent[0]["restyle_data"])


def test_refresh_refuses_a_figure_made_otherwise():
    widget = go.FigureWidget(prediction_bars(slot()))
    with pytest.raises(ValueError, match="new widget"):
        refresh(widget, attention_heatmap(attention(), 0, 0))
