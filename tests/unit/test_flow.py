"""Rollout and value norms against the published formulas, and attention against effect on data made by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from scipy.stats import rankdata

import mlm_viz
from mlm_viz.analysis.flow import attention_effect, attention_views, rollout, spearman, value_norms
from mlm_viz.analysis.heads import head_board
from mlm_viz.errors import ModelError, TextError, WordError
from mlm_viz.figures.flow import effect_scatter, views_bars
from mlm_viz.model import Model
from mlm_viz.results import Attention
from tests.handmade import copying_bert
from tests.tiny import TINY

ModelOf = Callable[[str], Model]
DirOf = Callable[[str], Path]
NAMES = sorted(TINY)
MIXERS = ("attention.output.dense", "attention.out_lin", "attn.Wo", "attention.dense")
VALUES = ("attention.self.value", "attention.v_lin", "attn.Wqkv", "attention.value", "attention.self.value_proj")
COPIED = "red [MASK] moon tree"


def of(weights: Any, *, special: tuple[int, ...] = (), layers: tuple[int, ...] | None = None) -> Attention:
    weights = np.asarray(weights, dtype=np.float32)
    flags = np.isin(np.arange(weights.shape[-1]), special)
    names = tuple(f"t{i}" for i in range(weights.shape[-1]))
    return Attention(names, flags, layers or tuple(range(len(weights))), weights)


def random_attention(layers: int, heads: int, tokens: int) -> Attention:
    weights = np.random.default_rng(3).random((layers, heads, tokens, tokens)) ** 3
    return of(weights / weights.sum(axis=-1, keepdims=True))


# --- rollout ----------------------------------------------------------------------------------------------------------


def test_rollout_of_a_fixed_tensor_by_hand() -> None:
    """Two layers of two heads over two tokens, worked out on paper: A' = (A + I) / 2, rollout = A'2 A'1."""
    first = [[[1.0, 0.0], [0.5, 0.5]], [[0.5, 0.5], [0.0, 1.0]]]  # mean [[.75, .25], [.25, .75]]
    second = [[[0.0, 1.0], [1.0, 0.0]], [[0.5, 0.5], [0.5, 0.5]]]  # mean [[.25, .75], [.75, .25]]
    found = rollout(of([first, second]))
    np.testing.assert_allclose(found[0], [[0.875, 0.125], [0.125, 0.875]])
    # [[.625, .375], [.375, .625]] @ [[.875, .125], [.125, .875]]
    np.testing.assert_allclose(found[1], [[0.59375, 0.40625], [0.40625, 0.59375]])


def test_rollout_is_the_published_formula() -> None:
    attention = random_attention(4, 3, 6)
    expected = np.eye(6)
    for layer in range(4):
        mixed = 0.5 * attention.weights[layer].mean(axis=0) + 0.5 * np.eye(6)
        expected = (mixed / mixed.sum(axis=1, keepdims=True)) @ expected
        np.testing.assert_allclose(rollout(attention)[layer], expected, atol=1e-6)
    np.testing.assert_allclose(rollout(attention).sum(axis=-1), 1, atol=1e-9)


def test_rows_of_a_rollout_sum_to_one_without_special_tokens_too(tiny_model: ModelOf) -> None:
    attention = mlm_viz.attend("the dog runs today", tiny_model("bert"))
    for renormalise in (True, False):
        found = rollout(attention.without_special(renormalise=renormalise))
        np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-9)


def test_rollout_needs_every_layer() -> None:
    with pytest.raises(TextError, match=r"these are layers \[1, 2\]"):
        rollout(of(random_attention(2, 2, 3).weights, layers=(1, 2)))


# --- value-weighted norms ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_value_norms_by_brute_force(name: str, tiny_model: ModelOf, tiny_dir: DirOf) -> None:
    """Values as they leave the projection of plain transformers, the mixer's own columns, a loop over all pairs."""
    model, text = tiny_model(name), TINY[name].text
    network = hf.AutoModelForMaskedLM.from_pretrained(tiny_dir(name), attn_implementation="eager").eval()
    tokenizer = hf.AutoTokenizer.from_pretrained(tiny_dir(name))
    values: list[np.ndarray] = []
    mixers: list[np.ndarray] = []
    for path, module in network.named_modules():
        if path.endswith(VALUES):
            module.register_forward_hook(lambda _m, _a, out: values.append(out[0, :, -32:].numpy()))
        if path.endswith(MIXERS):
            module.register_forward_hook(lambda m, _a, _o: mixers.append(m.weight.numpy()))
    with torch.inference_mode():
        seen = network(**tokenizer(text.format(tokenizer.mask_token), return_tensors="pt"), output_attentions=True)
    found = value_norms(text.format("____"), model)
    layers, heads, tokens, _ = found.norms.shape
    assert (layers, heads) == (model.layers, model.heads) == (len(values), 4) == (len(mixers), 4)
    for layer in range(layers):
        weights = seen.attentions[layer][0].numpy()
        for head in range(heads):
            own = slice(8 * head, 8 * head + 8)
            for query in range(tokens):
                for key in range(tokens):
                    added = mixers[layer][:, own] @ (weights[head, query, key] * values[layer][key, own])
                    assert found.norms[layer, head, query, key] == pytest.approx(np.linalg.norm(added), abs=1e-4)
    assert found.norms.max() > 0.1


def test_a_silent_head_adds_nothing(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    free, silent = value_norms("the ____ runs", model), value_norms("the ____ runs", model, silenced=[(0, 1), (2, 2)])
    assert silent.norms[0, 1].max() == silent.norms[2, 2].max() == 0
    np.testing.assert_allclose(silent.norms[0, [0, 2, 3]], free.norms[0, [0, 2, 3]], atol=1e-5)
    assert np.abs(silent.norms[1] - free.norms[1]).max() > 1e-3
    assert free.labels == ("[CLS]", "the", "[MASK]", "runs", "[SEP]")


# --- the views --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", [None, 0, 2])
def test_views_are_the_row_of_the_slot(layer: int | None, tiny_model: ModelOf) -> None:
    model, text = tiny_model("bert"), "the dog ____ today"
    views = attention_views(text, model, layer=layer)
    attention, norms = mlm_viz.attend(text, model), value_norms(text, model)
    layers = range(3) if layer is None else [layer]
    assert views.position == 3
    rows = [attention.weights[number, head, 3] for number in layers for head in range(4)]
    np.testing.assert_allclose(views.raw, np.mean(rows, axis=0), atol=1e-6)
    np.testing.assert_allclose(views.rollout, rollout(attention)[-1 if layer is None else layer, 3], atol=1e-6)
    carried = np.sum([norms.norms[number, head, 3] for number in layers for head in range(4)], axis=0)
    np.testing.assert_allclose(views.norms, carried / carried.sum(), atol=1e-6)
    for shares in (views.raw, views.rollout, views.norms):
        assert shares.sum() == pytest.approx(1, abs=1e-5)
    assert views.to_frame()["token"].tolist() == list(views.labels)


def test_attention_to_what_carries_nothing_is_seen_through() -> None:
    """Five heads attend everywhere and hand on zeros; the copying one is all that is left in the norms."""
    views = attention_views(COPIED, copying_bert())
    assert views.norms[3] > 0.9 > views.raw[3]
    nothing = attention_views(COPIED, copying_bert(), silenced=[(1, 2)])
    assert nothing.norms.sum() == 0


def test_views_that_cannot_be(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    with pytest.raises(ModelError, match="layers 0 to 2"):
        attention_views("the ____", model, layer=3)
    with pytest.raises(WordError, match="2 slots"):
        attention_views("the ____ ____", model)
    with pytest.raises(ModelError, match="no head"):
        attention_views("the ____", model, silenced=[(0, 9)])


# --- attention against effect -----------------------------------------------------------------------------------------


def test_spearman_by_hand() -> None:
    """Ranks 1 2 3 4 5 and 2 1 4 3 5: rho = 1 - 6 x 4 / (5 x 24) = 0.8."""
    a, b = np.array([0.1, 0.2, 0.3, 0.4, 0.9]), np.array([3.0, 1.0, 8.0, 7.0, 100.0])
    assert spearman(a, b) == pytest.approx(0.8)
    assert spearman(a, -b) == pytest.approx(-0.8)
    tied = np.array([1.0, 1.0, 2.0, 3.0, 3.0])
    assert spearman(a, tied) == pytest.approx(np.corrcoef(rankdata(a), rankdata(tied))[0, 1])
    for undefined in ((a[:2], b[:2]), (a, np.ones(5)), (np.zeros(5), b)):
        assert np.isnan(spearman(*undefined))


def test_tokens_by_hand() -> None:
    """Three heads over five tokens, the slot at 2, the last token special; nothing is known of the slot itself."""
    weights = np.zeros((1, 3, 5, 5))
    weights[0, :, 2] = [[0.1, 0.2, 0.3, 0.4, 0.0], [0.3, 0.2, 0.1, 0.4, 0.0], [0.2, 0.5, 0.2, 0.1, 0.0]]
    attention = of(weights, special=(4,))
    effects = np.array([-0.5, 4.0, np.nan, 1.0, np.nan])
    mean = attention_effect(attention, 2, effects)
    assert (mean.over, mean.names, mean.labels) == ("tokens", ((0,), (1,), (3,)), ("t0", "t1", "t3"))
    np.testing.assert_allclose(mean.attention, [0.2, 0.3, 0.3], atol=1e-6)
    np.testing.assert_allclose(mean.effects, [-0.5, 4.0, 1.0])
    np.testing.assert_allclose(attention_effect(attention, 2, effects, heads="max").attention, [0.3, 0.5, 0.4])
    one = attention_effect(attention, 2, effects, heads=(0, 0))
    np.testing.assert_allclose(one.attention, [0.1, 0.2, 0.4], atol=1e-6)
    assert one.rho == pytest.approx(0.5)  # ranks 1 2 3 and 1 3 2 of the sizes 0.5, 4, 1
    assert one.to_frame().columns.tolist() == ["position", "token", "attention", "effect"]


def test_heads_are_looked_up_on_the_board(tiny_model: ModelOf) -> None:
    model, text = tiny_model("bert"), "the dog ____ today"
    board, attention = head_board(text, model, silenced=[(1, 1)]), mlm_viz.attend(text, model)
    effect = attention_effect(attention, 3, board)
    assert len(effect) == 11
    assert (1, 1) not in effect.names
    for (layer, head), weight, bits in zip(effect.names, effect.attention, effect.effects, strict=True):
        assert weight == pytest.approx(max(attention.weights[layer, head, 3, key] for key in (1, 2, 4)))
        assert bits == board.gains[layer, head]
    ranks = rankdata(effect.attention), rankdata(np.abs(effect.effects))
    assert effect.rho == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert effect.to_frame().columns.tolist() == ["layer", "head", "attention", "effect"]
    some = attention_effect(mlm_viz.attend(text, model, layers=[2]), 3, board)
    assert some.names == ((2, 0), (2, 1), (2, 2), (2, 3))


def test_effects_that_do_not_fit() -> None:
    attention = random_attention(2, 2, 4)
    with pytest.raises(TextError, match="3 effects were given for 4 tokens"):
        attention_effect(attention, 1, np.zeros(3))
    for heads in ((2, 0), (0, 2), (0, -1), "median"):
        with pytest.raises(TextError, match="'mean', 'max', or a pair"):
            attention_effect(attention, 1, np.zeros(4), heads=heads)


# --- figures ----------------------------------------------------------------------------------------------------------


def test_the_scatter_is_the_points_and_the_title_is_rho(tiny_model: ModelOf) -> None:
    model, text = tiny_model("bert"), "the dog ____ today"
    effect = attention_effect(mlm_viz.attend(text, model), 3, head_board(text, model))
    figure = effect_scatter(effect)
    up, down, names = figure.data
    assert len(up.x) + len(down.x) == len(effect) == 12
    assert (up.marker.symbol, down.marker.symbol) == ("triangle-up", "triangle-down")
    drawn = np.concatenate([np.stack([trace.x, trace.y], axis=1) for trace in (up, down)])
    meant = np.stack([effect.attention, np.abs(effect.effects)], axis=1)
    np.testing.assert_allclose(sorted(drawn.tolist()), sorted(meant.tolist()))
    assert f"{effect.rho:+.2f}".replace("-", "−") in figure.layout.title.text
    assert "12 heads" in figure.layout.title.text
    legend = figure.layout.legend
    assert legend.xref == legend.yref, "else plotly keeps the left side free for it, and moves the axis' title there"
    assert len(names.text) == 6
    assert figure.layout.yaxis.range[1] > max(abs(effect.effects))
    assert all("adds +" in told for told in up.customdata)
    assert all("adds −" in told or "±" in told for told in down.customdata)


def test_a_scatter_of_few_points_has_no_rho() -> None:
    effects = np.array([0.5, np.nan, -2.0, np.nan])
    figure = effect_scatter(attention_effect(random_attention(1, 1, 4), 1, effects), dark=True)
    assert "no ρ over 2 tokens" in figure.layout.title.text
    nothing = effect_scatter(attention_effect(random_attention(1, 1, 4), 1, np.full(4, np.nan)))
    assert [len(trace.x) for trace in nothing.data] == [0, 0, 0]


def test_the_views_stand_side_by_side(tiny_model: ModelOf) -> None:
    views = attention_views("the dog ____ today", tiny_model("bert"))
    figure = views_bars(views)
    *bars, hover = figure.data
    for trace, shares in zip(bars, (views.raw, views.rollout, views.norms), strict=True):
        np.testing.assert_allclose(trace.y, shares)
    assert len({trace.marker.color for trace in bars}) == len({trace.marker.pattern.shape for trace in bars}) == 3
    assert figure.layout.barmode == "group"
    assert "weighted by values" in hover.customdata[1]
    assert figure.layout.yaxis.range[1] >= max(views.raw.max(), views.norms.max(), views.rollout.max())
