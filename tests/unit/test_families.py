"""Every family against transformers itself: the same files, loaded apart from mlm_viz and run whole."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf

import mlm_viz
from mlm_viz.families import FAMILIES
from mlm_viz.model import Model
from tests.tiny import TINY

ModelOf = Callable[[str], Model]
DirOf = Callable[[str], Path]
NAMES = sorted(TINY)
# A convolution over neighbouring tokens is no attention: no attention mask stops it.
ATTENTION_ONLY = [name for name in NAMES if name != "deberta-v2-conv"]
SHARED = {"albert", "albert-groups"}


class Reference:
    """The same checkpoint as transformers reads and runs it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.tokenizer = hf.AutoTokenizer.from_pretrained(folder)
        self.text = TINY[name].text.format(self.tokenizer.mask_token)
        self.inputs = self.tokenizer(self.text, return_tensors="pt")
        self.ids = self.inputs["input_ids"][0].numpy()
        self.slot = int(np.flatnonzero(self.ids == self.tokenizer.mask_token_id)[0])
        self.network = hf.AutoModelForMaskedLM.from_pretrained(folder).eval()

    @torch.inference_mode()
    def probabilities(self, network: Any = None, **changes: Any) -> np.ndarray:
        logits = (network or self.network)(**{**self.inputs, **changes}).logits[0, self.slot]
        return torch.softmax(logits.double(), dim=-1).numpy()

    @torch.inference_mode()
    def states(self) -> Any:
        body = hf.AutoModel.from_pretrained(self.folder, attn_implementation="eager").eval()
        return body(**self.inputs, output_attentions=True, output_hidden_states=True)


@pytest.fixture(scope="module")
def reference(tiny_dir: DirOf) -> Callable[[str], Reference]:
    return cache(lambda name: Reference(name, tiny_dir(name)))


def probabilities(model: Model, reference: Reference, **how: Any) -> np.ndarray:
    """Our distribution at the slot, in [0, 1]."""
    seen = model.forward(reference.ids[None], slots=np.array([[0, reference.slot]]), **how)
    return np.exp2(seen.log2_probs[0].astype(np.float64))


def mixer(network: Any, name: str, layer: int) -> Any:
    path = TINY[name].mixer.format(prefix=network.base_model_prefix, layer=layer)
    return network.get_submodule(path)


def test_every_row_of_the_table_is_tested(tiny_model: ModelOf) -> None:
    assert {tiny_model(name).network.config.model_type for name in NAMES} == set(FAMILIES)


@pytest.mark.parametrize("name", NAMES)
def test_prediction_is_that_of_a_plain_forward_pass(name: str, tiny_model: ModelOf, reference: Any) -> None:
    plain = reference(name)
    prediction = mlm_viz.predict(TINY[name].text.format("____"), tiny_model(name))
    assert prediction.positions == (plain.slot,)
    np.testing.assert_allclose(prediction[0].probabilities, plain.probabilities(), atol=1e-5)
    assert prediction[0].probabilities.max() > 2 / len(tiny_model(name).vocabulary)  # not a flat one, where all agree


@pytest.mark.parametrize("name", NAMES)
def test_prediction_is_the_same_with_written_out_attention(name: str, tiny_model: ModelOf, reference: Any) -> None:
    model, plain = tiny_model(name), reference(name)
    fused, written_out = probabilities(model, plain), probabilities(model, plain, attention="all")
    np.testing.assert_allclose(written_out, fused, atol=1e-5)
    np.testing.assert_allclose(written_out, plain.probabilities(), atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_best_guesses_are_those_of_the_pipeline(name: str, tiny_model: ModelOf, reference: Any) -> None:
    plain = reference(name)
    pipe = hf.pipeline("fill-mask", model=plain.network, tokenizer=plain.tokenizer, device="cpu")
    theirs = pipe(plain.text, top_k=7)
    ours = mlm_viz.predict(plain.text, tiny_model(name))[0]
    assert ours.best(7).tolist() == [guess["token"] for guess in theirs]
    np.testing.assert_allclose(ours.top(7)["probability"], [guess["score"] for guess in theirs], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_attention_is_that_of_transformers(name: str, tiny_model: ModelOf, reference: Any) -> None:
    model, plain = tiny_model(name), reference(name)
    theirs = torch.stack(plain.states().attentions, dim=1)[0].numpy()
    ours = mlm_viz.attend(plain.text, model)
    assert ours.weights.shape == theirs.shape
    assert ours.layers == tuple(range(model.layers))
    assert (model.layers, model.heads) == theirs.shape[:2]
    np.testing.assert_allclose(ours.weights, theirs, atol=1e-5)
    np.testing.assert_allclose(ours.weights.sum(axis=-1), 1, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_chosen_layers_keep_their_numbers(name: str, tiny_model: ModelOf, reference: Any) -> None:
    model, text = tiny_model(name), reference(name).text
    last = model.layers - 1
    some = mlm_viz.attend(text, model, layers=[last, 0])
    every = mlm_viz.attend(text, model)
    np.testing.assert_array_equal(some.head(last, 1), every.head(last, 1))
    np.testing.assert_array_equal(some.head(0, 2), every.head(0, 2))


@pytest.mark.parametrize("name", NAMES)
def test_hidden_states_are_those_of_transformers(name: str, tiny_model: ModelOf, reference: Any) -> None:
    model, plain = tiny_model(name), reference(name)
    theirs = torch.stack(plain.states().hidden_states, dim=1).numpy()
    ours = model.forward(plain.ids[None], hidden=True).hidden
    assert ours is not None
    assert ours.shape == (1, model.layers + 1, len(plain.ids), 32)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


# --- the attention mask -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attention", [None, "all"])
@pytest.mark.parametrize("name", NAMES)
def test_allowing_everything_changes_nothing(name: str, attention: Any, tiny_model: ModelOf, reference: Any) -> None:
    model, plain = tiny_model(name), reference(name)
    tokens = len(plain.ids)
    for shape in ((1, 1, tokens, tokens), (1, model.heads, tokens, tokens)):
        allowed = np.ones(shape, dtype=np.bool_)
        same = probabilities(model, plain, allowed=allowed, attention=attention)
        np.testing.assert_allclose(same, plain.probabilities(), atol=1e-5)


def test_local_window_is_smaller_than_the_sentence(tiny_model: ModelOf, reference: Any) -> None:
    """Otherwise the test above says nothing about ModernBERT."""
    model, plain = tiny_model("modernbert"), reference("modernbert")
    tokens = len(plain.ids)
    seen = model.forward(plain.ids[None], attention="all", allowed=np.ones((1, 1, tokens, tokens), dtype=np.bool_))
    assert seen.attention is not None
    far = np.abs(np.subtract.outer(np.arange(tokens), np.arange(tokens))) > 2
    assert seen.attention[0, 0][:, far].min() > 0
    assert seen.attention[0, 1:][:, :, far].max() == 0


@pytest.mark.parametrize("attention", [None, "all"])
@pytest.mark.parametrize("name", ATTENTION_ONLY)
def test_a_blocked_token_cannot_be_felt(name: str, attention: Any, tiny_model: ModelOf, reference: Any) -> None:
    model, plain = tiny_model(name), reference(name)
    tokens, key = len(plain.ids), plain.slot - 1
    allowed = np.ones((1, 1, tokens, tokens), dtype=np.bool_)
    allowed[..., key] = False
    allowed[..., key, key] = True
    other = plain.ids.copy()
    other[key] = next(i for i in model.vocabulary.ordinary_ids if i != plain.ids[key])
    slots = np.array([[0, plain.slot], [1, plain.slot]])
    rows = np.stack([plain.ids, other])
    open_ = model.forward(rows, slots=slots, attention=attention).log2_probs
    blocked = model.forward(rows, slots=slots, attention=attention, allowed=allowed).log2_probs
    assert np.abs(open_[0] - open_[1]).max() > 1e-2
    np.testing.assert_allclose(blocked[0], blocked[1], atol=1e-5)


@pytest.mark.parametrize("name", ATTENTION_ONLY)
def test_one_head_alone_can_be_blocked(name: str, tiny_model: ModelOf, reference: Any) -> None:
    """A mask for one head shows in that head's weights of every layer, and in no other head of the first layer."""
    model, plain = tiny_model(name), reference(name)
    tokens, key = len(plain.ids), plain.slot - 1
    allowed = np.ones((1, model.heads, tokens, tokens), dtype=np.bool_)
    allowed[0, 1, :, key] = False
    allowed[0, 1, key, key] = True
    seen = model.forward(plain.ids[None], attention="all", allowed=allowed).attention[0]
    free = model.forward(plain.ids[None], attention="all").attention[0]
    elsewhere = np.arange(tokens) != key
    assert seen[:, 1][:, elsewhere, key].max() == 0
    np.testing.assert_allclose(seen[0, [0, 2, 3]], free[0, [0, 2, 3]], atol=1e-6)
    np.testing.assert_allclose(seen.sum(axis=-1), 1, atol=1e-5)


# --- silenced heads ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_silencing_no_head_changes_nothing_and_all_heads_much(name: str, tiny_model: ModelOf, reference: Any) -> None:
    model, plain = tiny_model(name), reference(name)
    every = [(layer, head) for layer in range(model.layers) for head in range(model.heads)]
    np.testing.assert_array_equal(probabilities(model, plain, silenced=[]), probabilities(model, plain))
    silent = probabilities(model, plain, silenced=every)
    assert np.abs(silent - plain.probabilities()).max() > 1e-3
    np.testing.assert_allclose(probabilities(model, plain), plain.probabilities(), atol=1e-5)  # and no hook stays


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SHARED])
def test_a_silenced_head_is_one_whose_output_weights_are_zero(name: str, tiny_model: ModelOf, reference: Any) -> None:
    model, plain = tiny_model(name), reference(name)
    width = 32 // model.heads
    for silenced in ([(0, 1)], [(2, 3)], [(0, 0), (1, 2), (1, 3)]):
        network = copy.deepcopy(plain.network)
        with torch.no_grad():
            for layer, head in silenced:
                mixer(network, name, layer).weight[:, head * width : (head + 1) * width] = 0
        expected = plain.probabilities(network)
        assert np.abs(expected - plain.probabilities()).max() > 1e-4
        np.testing.assert_allclose(probabilities(model, plain, silenced=silenced), expected, atol=1e-5)


@pytest.mark.parametrize("silenced", [[(0, 1)], [(1, 0)], [(2, 3), (3, 3)], [(3, 2), (0, 2)]])
def test_albert_silences_a_head_in_one_layer_only(silenced: list, tiny_model: ModelOf, reference: Any) -> None:
    """ALBERT's layers are one module: here run one by one, each with its own copy of the weights."""
    model, plain = tiny_model("albert"), reference("albert")
    encoder = plain.network.albert.encoder
    group = encoder.albert_layer_groups[0]
    with torch.inference_mode():
        states = encoder.embedding_hidden_mapping_in(plain.network.albert.embeddings(plain.inputs["input_ids"]))
        for layer in range(4):
            own = copy.deepcopy(group)
            for _, head in [pair for pair in silenced if pair[0] == layer]:
                own.albert_layers[0].attention.dense.weight[:, head * 8 : (head + 1) * 8] = 0
            states = own(states, None)
        logits = plain.network.predictions(states)[0, plain.slot]
    expected = torch.softmax(logits.double(), dim=-1).numpy()
    assert np.abs(expected - plain.probabilities()).max() > 1e-4
    np.testing.assert_allclose(probabilities(model, plain, silenced=silenced), expected, atol=1e-5)


@pytest.mark.parametrize(("group", "inner"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_albert_with_groups_counts_its_inner_layers(
    group: int, inner: int, tiny_model: ModelOf, reference: Any
) -> None:
    """4 layers in 2 groups of 2 inner ones: the modules run as 00 01 00 01 10 11 10 11."""
    model, plain = tiny_model("albert-groups"), reference("albert-groups")
    assert model.layers == 8
    network = copy.deepcopy(plain.network)
    with torch.no_grad():
        network.albert.encoder.albert_layer_groups[group].albert_layers[inner].attention.dense.weight[:, 8:16] = 0
    first = 4 * group + inner
    ours = probabilities(model, plain, silenced=[(first, 1), (first + 2, 1)])
    np.testing.assert_allclose(ours, plain.probabilities(network), atol=1e-5)


def test_a_silenced_head_still_shows_its_attention(tiny_model: ModelOf, reference: Any) -> None:
    model, plain = tiny_model("bert"), reference("bert")
    seen = model.forward(plain.ids[None], attention="all", silenced=[(0, 1)]).attention
    np.testing.assert_allclose(seen[0, 0], mlm_viz.attend(plain.text, model).weights[0], atol=1e-6)
