"""The head board against plain transformers, a head silenced in one pass after the other, and against known heads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from scipy.spatial.distance import jensenshannon

from mlm_viz import interventions
from mlm_viz.analysis import heads as boards
from mlm_viz.analysis import prediction
from mlm_viz.analysis.heads import fewest_heads, head_board, head_means, silencing_self_test
from mlm_viz.analysis.prediction import prepare
from mlm_viz.analysis.silencing import silencing_effect, target_token
from mlm_viz.analysis.watching import watch_at
from mlm_viz.errors import ModelError, TextError, WordError
from mlm_viz.evidence import HeadBoard
from mlm_viz.examples import sentences
from mlm_viz.figures.heads_board import head_board_heatmap, head_board_text, search_text, silencing_text
from mlm_viz.figures.update import refresh
from mlm_viz.model import Model
from mlm_viz.state import ExplorerState
from mlm_viz.widgets.evidence import heads
from mlm_viz.widgets.evidence.heads import HeadsView
from tests.handmade import copying_bert
from tests.tiny import TINY

ModelOf = Callable[[str], Model]
DirOf = Callable[[str], Path]
NAMES = sorted(TINY)
MIXERS = ("attention.output.dense", "attention.out_lin", "attn.Wo", "attention.dense")
TEXT = "the capital of ____ is paris, a good day."
COPIED = "red [MASK] moon tree"


class Plain:
    """A checkpoint as transformers reads it; heads are silenced by hooks that count the calls of all mixers.

    Layers run in order, so the n-th call of any mixer is the n-th layer: this holds for ALBERT's shared one too.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.network = hf.AutoModelForMaskedLM.from_pretrained(folder).eval()
        self.tokenizer = hf.AutoTokenizer.from_pretrained(folder)
        self.ids = self.tokenizer(TINY[name].text.format(self.tokenizer.mask_token), return_tensors="pt")["input_ids"]
        self.slot = int(np.flatnonzero(self.ids[0] == self.tokenizer.mask_token_id)[0])
        self.heads = 4

    @torch.inference_mode()
    def logits(self, silenced: dict[tuple[int, int], Any], ids: torch.Tensor | None = None) -> np.ndarray:
        self.mixed: list[torch.Tensor] = []  # (tokens, heads x width) that each layer's mixer is given
        modules = [module for path, module in self.network.named_modules() if path.endswith(MIXERS)]
        handles = [module.register_forward_pre_hook(lambda _m, args: self._touch(args, silenced)) for module in modules]
        logits = self.network(input_ids=self.ids if ids is None else ids).logits[0]
        for handle in handles:
            handle.remove()
        return logits.double().numpy()

    def _touch(self, args: tuple[torch.Tensor, ...], silenced: dict[tuple[int, int], Any]) -> tuple[torch.Tensor]:
        states = args[0].clone()
        width = states.shape[-1] // self.heads
        for (layer, head), vector in silenced.items():
            if layer == len(self.mixed):
                states[:, :, head * width : (head + 1) * width] = torch.as_tensor(vector)
        self.mixed.append(states[0])
        return (states,)

    def log2_probs(self, silenced: dict[tuple[int, int], Any]) -> np.ndarray:
        logits = torch.tensor(self.logits(silenced)[self.slot])
        return (torch.log_softmax(logits, dim=-1) / np.log(2)).numpy()

    def means(self, texts: list[str]) -> np.ndarray:
        """(layers, heads, width of a head) by a loop over texts."""
        everything: list[np.ndarray] = []
        for text in texts:
            self.logits({}, self.tokenizer(text, return_tensors="pt")["input_ids"])
            everything.append(torch.stack(self.mixed, dim=1).numpy())  # (tokens, layers, heads x width)
        mean = np.concatenate(everything).astype(np.float64).mean(axis=0)
        return mean.reshape(len(mean), self.heads, -1)


@pytest.fixture(scope="module")
def plain(tiny_dir: DirOf) -> Callable[[str], Plain]:
    return cache(lambda name: Plain(name, tiny_dir(name)))


def blank(name: str) -> str:
    return TINY[name].text.format("____")


def every(model: Model) -> list[tuple[int, int]]:
    return [(layer, head) for layer in range(model.layers) for head in range(model.heads)]


def assert_is_separate_passes(board: HeadBoard, model: Model, plain: Plain, base: dict, vectors: Any) -> None:
    before = plain.log2_probs(base)
    target = board.target
    assert board.position == plain.slot
    assert board.before == pytest.approx(before[target], abs=1e-4)
    assert board.guess == before.argmax()
    for layer, head in every(model):
        after = plain.log2_probs({**base, (layer, head): vectors[layer, head]})
        others = np.delete(after, target)
        assert board.gains[layer, head] == pytest.approx(before[target] - after[target], abs=1e-4)
        assert board.margins[layer, head] == pytest.approx(after[target] - others.max(), abs=1e-4)
        js = jensenshannon(2**after, 2**before, base=2) ** 2
        assert board.divergences[layer, head] == pytest.approx(js, abs=1e-4)
        assert board.guesses[layer, head] == after.argmax()


# --- the board --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_board_is_layers_times_heads_plain_passes(name: str, tiny_model: ModelOf, plain: Any) -> None:
    model = tiny_model(name)
    board = head_board(blank(name), model)
    assert_is_separate_passes(board, model, plain(name), {}, np.zeros((model.layers, model.heads)))
    assert board.divergences.min() > 1e-6  # every head does something, or the test says nothing about it
    assert board.replacement == "zero"


@pytest.mark.parametrize("name", ["bert", "albert", "modernbert", "deberta-v2"])
def test_a_board_on_top_of_silenced_heads(name: str, tiny_model: ModelOf, plain: Any) -> None:
    model = tiny_model(name)
    base = {(0, 1): 0.0, (2, 2): 0.0}
    board = head_board(blank(name), model, silenced=list(base))
    assert_is_separate_passes(board, model, plain(name), base, np.zeros((model.layers, model.heads)))
    assert board.silenced == ((0, 1), (2, 2))
    np.testing.assert_allclose([board.gains[head] for head in base], 0, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_means_are_those_of_a_loop_over_texts(name: str, tiny_model: ModelOf, plain: Any) -> None:
    model = tiny_model(name)
    texts = ["MKTAY", "QISFVKSH", "AAAAAA"] if name == "esm" else ["a good day", "paris", "a red dog runs", "not a cat"]
    texts = ["CCO", "CC=O", "c1cc", "Cl"] if name == "smiles" else texts
    np.testing.assert_allclose(head_means(model, texts), plain(name).means(texts), atol=1e-5)


@pytest.mark.parametrize("name", ["bert", "albert", "distilbert", "modernbert", "esm"])
def test_heads_may_be_silenced_by_their_mean(name: str, tiny_model: ModelOf, plain: Any) -> None:
    model = tiny_model(name)
    texts = ["MKTAY", "QISFVKSH"] if name == "esm" else ["a good day", "a red dog runs"]
    means = plain(name).means(texts)
    board = head_board(blank(name), model, replace="mean", reference=texts, silenced=[(1, 1)])
    base = {(1, 1): means[1, 1]}
    assert_is_separate_passes(board, model, plain(name), base, means)
    assert board.replacement == "mean"
    ready = head_board(blank(name), model, replace="mean", reference=head_means(model, texts), silenced=[(1, 1)])
    np.testing.assert_allclose(ready.gains, board.gains, atol=1e-5)
    assert np.abs(board.gains - head_board(blank(name), model, silenced=[(1, 1)]).gains).max() > 1e-2


@pytest.mark.parametrize(("text", "language"), [("the ____ runs", "en"), ("今天____很好", "zh")])
def test_the_default_reference_is_in_the_language_of_the_text(
    text: str, language: str, tiny_model: ModelOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model("bert")
    asked: list[Any] = []
    real = boards.means_for.__globals__["head_means"]
    monkeypatch.setitem(
        boards.means_for.__globals__, "head_means", lambda m, t: asked.append(t) or real(m, ["a good day"])
    )
    head_board(text, model, replace="mean")
    assert asked == [sentences(language)]


@pytest.mark.parametrize("name", ["bert", "albert"])
def test_it_arrives_layer_by_layer_from_a_pass_each(
    name: str, tiny_model: ModelOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model(name)
    sentence, masking = prepare(blank(name), model)
    (position,) = masking.positions
    before = model.calls
    parts = list(boards.head_board_in_parts(model, sentence, masking, position))
    assert model.calls - before == 1 + model.layers
    for layer, part in enumerate(parts):
        np.testing.assert_array_equal(part.gains[: layer + 1], parts[-1].gains[: layer + 1])
        assert np.isnan(part.gains[layer + 1 :]).all()
        assert (part.guesses[layer + 1 :] == -1).all()
        assert not part.flips[layer + 1 :].any()
        assert len(part.to_frame()) == (layer + 1) * model.heads
        assert all(found[0] <= layer for found in part.strongest(99))
    assert [part.complete for part in parts] == [False] * (model.layers - 1) + [True]
    monkeypatch.setattr(prediction, "TOKENS_A_BATCH", 2 * len(sentence))
    small = list(boards.head_board_in_parts(model, sentence, masking, position))[-1]
    np.testing.assert_allclose(small.gains, parts[-1].gains, atol=1e-4)


def test_whatever_is_asked_for_is_watched(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    typed = head_board(TEXT, model)
    assert typed.target == typed.guess
    asked = head_board(TEXT, model, target="dog")
    assert asked.target == model.vocabulary.ids["dog"]
    np.testing.assert_allclose(asked.divergences, typed.divergences)
    known = head_board("the capital of france is paris", model, masked=["france"])
    assert known.target == model.vocabulary.ids["france"]
    second = head_board("the ____ of ____", model, slot=1)
    assert second.position == 4
    table = asked.to_frame()
    assert table.columns.tolist() == ["layer", "head", "gain", "divergence", "guess", "flips", "silenced"]
    assert table["gain"].to_numpy().reshape(3, 4)[2, 1] == asked.gains[2, 1]
    best = asked.strongest(1)[0]
    assert abs(asked.gains[best]) == np.abs(asked.gains).max()
    assert "dog" in repr(asked)


@pytest.mark.parametrize(
    ("name", "text"), [("bert", "the 2024 cats"), ("roberta", "the catcher plays"), ("xlm-roberta", "the cats, 2024")]
)
@pytest.mark.parametrize("aim", ["original", "guess"])
def test_on_a_page_the_very_token_is_explained(name: str, text: str, aim: str, tiny_model: ModelOf) -> None:
    """Not what its piece would be spelled as: the unknown token, or a piece without a space behind a space."""
    model = tiny_model(name)
    sentence = model.encode(text)
    for position in sentence.maskable:
        state = ExplorerState(model, text, masked=[position])
        state.settle()
        state.explain(aim)
        token = sentence.ids[position] if aim == "original" else state.prediction[0].best(1)[0]
        assert target_token(model, state.sentence, state.masking, state.slot, state.target) == token
        watched = watch_at(model, state.sentence, state.masking, state.slot, state.target)
        assert (watched.pieces, watched.word) == ((token,), "")


def test_means_are_of_the_language_that_is_shown(tiny_model: ModelOf, monkeypatch: pytest.MonkeyPatch) -> None:
    state = ExplorerState(tiny_model("bert"), "the ____ runs")
    view = HeadsView(state)
    view.replace.value = "mean"
    monkeypatch.setattr(heads, "means_for", lambda _model, text, _replace: text)
    assert view.means(state) == "the ____ runs"
    state.set_text("the ____ plays")
    assert view.means(state) == "the ____ runs"  # averaged once
    state.set_text("今天____很好")
    assert view.means(state) == "今天____很好"


def test_what_cannot_be_answered(tiny_model: ModelOf, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("bert")
    with pytest.raises(TextError, match="no slot"):
        head_board("the dog", model)
    with pytest.raises(WordError, match="2 slots"):
        head_board("the ____ ____", model)
    with pytest.raises(WordError, match="1 slots"):
        head_board("the ____", model, slot=1)
    with pytest.raises(WordError, match="cannot spell"):
        head_board(TEXT, model, target="2024")
    with pytest.raises(WordError, match="several tokens"):
        head_board(TEXT, model, target="walking")
    with pytest.raises(ModelError, match=r"no head \(3, 0\)"):
        head_board(TEXT, model, silenced=[(3, 0)])
    with pytest.raises(TextError, match="'zero' or 'mean'"):
        head_board(TEXT, model, replace="noise")
    with pytest.raises(TextError, match="no text to average"):
        head_board(TEXT, model, replace="mean", reference=[])
    with pytest.raises(TextError, match="list of texts"):
        head_board(TEXT, model, replace="mean", reference="a good day")
    for shape in ((2, 4, 8), (3, 4, 1), (3, 4)):
        with pytest.raises(ModelError, match=r"\(3, 4, 8\)"):
            head_board(TEXT, model, replace="mean", reference=np.zeros(shape, dtype=np.float32))
    with pytest.raises(TextError, match="at least 1"):
        fewest_heads(TEXT, model, most=0)
    monkeypatch.setattr(model, "refusal", "it has no head")
    for ask in (head_board, fewest_heads, silencing_self_test):
        with pytest.raises(ModelError, match="it has no head"):
            ask(TEXT, model)


# --- known heads ------------------------------------------------------------------------------------------------------


def test_a_head_that_copies_the_next_token_shows() -> None:
    model = copying_bert()
    board = head_board(COPIED, model)
    assert model.vocabulary.labels[board.guess] == "moon"
    assert board.strongest(1) == [(1, 2)]
    assert board.gains[1, 2] > 2
    others = [head for head in every(model) if head != (1, 2)]
    np.testing.assert_allclose([board.gains[head] for head in others], 0, atol=1e-5)
    assert np.argwhere(board.flips).tolist() == [[1, 2]]
    assert board.divergences[1, 2] > 0.1


def test_the_head_is_found_by_the_search() -> None:
    search = fewest_heads(COPIED, copying_bert())
    assert search.heads == ((1, 2),)
    assert search.flipped
    assert search.complete
    assert search.margins[0] > 1
    assert search.margins[1] < 1e-6  # with nothing copied all tokens are alike


def test_heads_that_stand_in_for_each_other_are_found_together() -> None:
    """Any one of three suffices, so that the guess stands until all three are silent."""
    copies = ((0, 1), (1, 0), (1, 2))
    model = copying_bert(copies)
    assert not head_board(COPIED, model).flips.any()
    search = fewest_heads(COPIED, model)
    assert set(search.heads) == set(copies)
    assert search.flipped
    assert (np.diff(search.margins) < 0).all()
    assert len(search.guesses) == len(search.log2_probs) == 4
    table = search.to_frame()
    assert table["guess"].tolist()[:3] == ["moon"] * 3
    assert table["layer"].isna().tolist() == [True, False, False, False]
    short = fewest_heads(COPIED, model, most=2)
    assert (short.heads, short.flipped, short.complete) == (search.heads[:2], False, True)
    rest = fewest_heads(COPIED, model, silenced=search.heads[:1])
    assert (rest.heads, rest.flipped) == (search.heads[1:], True)


def test_the_search_ends_when_all_heads_are_silent() -> None:
    model = copying_bert()
    search = fewest_heads(COPIED, model, silenced=every(model))
    assert (search.heads, search.flipped, search.complete, search.tried) == ((), False, True, 0)


@pytest.mark.parametrize("name", ["bert", "albert", "roberta"])
def test_one_head_is_the_one_that_trying_all_finds(name: str, tiny_model: ModelOf, plain: Any) -> None:
    model = tiny_model(name)
    before = plain(name).log2_probs({})
    guess = before.argmax()
    margins = {}
    for head in every(model):
        after = plain(name).log2_probs({head: 0.0})
        margins[head] = after[guess] - np.delete(after, guess).max()
    search = fewest_heads(blank(name), model, most=1)
    assert search.heads == (min(margins, key=margins.get),)
    assert search.margins[1] == pytest.approx(min(margins.values()), abs=1e-4)
    assert search.flipped == (min(margins.values()) < 0)
    assert search.tried == model.layers * model.heads


def test_the_search_arrives_in_parts(tiny_model: ModelOf) -> None:
    model = copying_bert(((0, 1), (1, 0)))
    sentence, masking = prepare(COPIED, model)
    parts = list(boards.fewest_heads_in_parts(model, sentence, masking, masking.positions[0]))
    assert [part.tried for part in parts] == [3, 6, 9, 12, 12]
    assert [len(part.heads) for part in parts] == [0, 0, 1, 1, 2]
    assert [part.complete for part in parts] == [False] * 4 + [True]


# --- the self-test ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_self_test_is_the_change_of_plain_logits(name: str, tiny_model: ModelOf, plain: Any) -> None:
    model, reference = tiny_model(name), plain(name)
    found = silencing_self_test(blank(name), model)
    before = reference.logits({})[reference.slot]

    def moved(silenced: dict) -> float:
        change = reference.logits(silenced)[reference.slot] - before
        return float(np.abs(change - change.mean()).max())

    assert found.change == pytest.approx(moved(dict.fromkeys(every(model), 0.0)), abs=1e-3)
    for layer in range(model.layers):
        silenced = dict.fromkeys([(layer, head) for head in range(model.heads)], 0.0)
        assert found.by_layer[layer] == pytest.approx(moved(silenced), abs=1e-3)
    assert found.inert == ()


def test_a_hook_that_does_nothing_is_found_out(tiny_model: ModelOf, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("bert")
    monkeypatch.setattr(interventions, "_replacing", lambda *_: lambda _module, args: args)
    found = silencing_self_test(TEXT, model)
    assert found.change < 1e-5
    assert found.inert == (0, 1, 2)


def test_a_layer_without_any_effect_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    model = copying_bert()
    ids = model.encode(COPIED).ids
    found = silencing_effect(model, ids, 2)
    assert found.inert == (0,)
    assert found.change > 1
    monkeypatch.setattr(prediction, "TOKENS_A_BATCH", len(ids))
    np.testing.assert_allclose(silencing_effect(model, ids, 2).by_layer, found.by_layer, atol=1e-5)


# --- the figure -------------------------------------------------------------------------------------------------------


def test_the_heat_map_has_a_cell_a_head_with_its_sign() -> None:
    model = copying_bert()
    board = head_board(COPIED, model, silenced=[(0, 1)])
    figure = head_board_heatmap(board)
    cells, silent, flips = figure.data
    np.testing.assert_allclose(cells.z, board.gains, atol=1e-3)
    assert cells.zmin == -cells.zmax < -board.gains.max() + 1e-9
    assert cells.text[1][2] == f"+{board.gains[1, 2]:.1f}"
    assert cells.text[0][0] == "·"
    assert "adds +" in cells.customdata[1][2]
    assert "“moon”" in cells.customdata[1][2]
    assert "silenced" in cells.customdata[0][1]
    assert (silent.x.tolist(), silent.y.tolist()) == ([1], [0])
    assert [round(float(flips.x[0])), round(float(flips.y[0]))] == [2, 1]
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1]  # the first layer on top
    lowering = head_board(COPIED, model, target="red")
    assert head_board_heatmap(lowering).data[0].text[1][2].startswith("−")


def test_a_growing_board_is_drawn_with_the_same_traces(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    sentence, masking = prepare(TEXT, model)
    parts = list(boards.head_board_in_parts(model, sentence, masking, masking.positions[0]))
    first, last = (head_board_heatmap(part, dark=True) for part in (parts[0], parts[-1]))
    assert [trace.type for trace in first.data] == [trace.type for trace in last.data]
    assert first.layout.height == last.layout.height
    assert list(first.data[0].text[2]) == [""] * 4
    assert "not measured yet" in first.data[0].customdata[2][0]
    refresh(first, last)
    np.testing.assert_array_equal(first.data[0].z, last.data[0].z)


def test_no_token_runs_as_markup(tiny_model: ModelOf) -> None:
    model = copying_bert()
    words = dataclasses.replace(model.vocabulary, labels=tuple(f"<b>{label}" for label in model.vocabulary.labels))
    board = dataclasses.replace(head_board(COPIED, model), vocabulary=words)
    assert "<b>" not in str(head_board_heatmap(board).data[0].customdata)


def test_what_is_said_of_board_search_and_self_test() -> None:
    model = copying_bert()
    lines = head_board_text(head_board(COPIED, model), 2).splitlines()
    assert lines[0].startswith("“moon” has ")
    assert lines[1].startswith("Layer 2 · Head 3: +")
    search = fewest_heads(COPIED, model)
    assert "Layer 2 · Head 3 (1 in all)" in search_text(search)
    assert "from “moon” to" in search_text(search)
    assert "still “moon”" in search_text(fewest_heads(COPIED, copying_bert(((0, 0), (1, 2))), most=1))
    assert "0 tried" in search_text(dataclasses.replace(search, tried=0, complete=False))
    test = silencing_self_test(COPIED, model)
    assert f"by up to {test.change:.2f}, but silencing those of layer 1 changes nothing" in silencing_text(test)
    assert silencing_text(dataclasses.replace(test, by_layer=np.ones(2))).endswith(f"up to {test.change:.2f}.")
