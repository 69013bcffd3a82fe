"""The lens against transformers' own network, its last layer made to hand on what an earlier one left behind."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import entropy as scipy_entropy

import mlm_viz
from mlm_viz.errors import TextError, WordError
from mlm_viz.model import Model
from mlm_viz.readings import Lens
from tests.tiny import TINY

ModelOf = Callable[[str], Model]


@torch.inference_mode()
def stopped_after_each(model: Model, ids: np.ndarray, position: int) -> np.ndarray:
    """(layers, vocab) log2 of the probabilities when the last layer hands on the states after layer 0, 1, ..."""
    network, rows = model.network, torch.tensor(ids[None])
    layers = model.family.layers(network)
    runs = sum(layer is layers[-1] for layer in layers)  # ALBERT runs one layer many times
    states = network(input_ids=rows, output_hidden_states=True).hidden_states[:-1]
    found = []
    for state in states:
        calls = [0]

        def replaced(_module, _args, output, state=state, calls=calls):
            calls[0] += 1
            if calls[0] < runs:
                return output
            return (state, *output[1:]) if isinstance(output, tuple) else state

        handle = layers[-1].register_forward_hook(replaced)
        try:
            logits = network(input_ids=rows).logits[0, position].double()
        finally:
            handle.remove()
        found.append((torch.log_softmax(logits, dim=-1) / math.log(2)).numpy())
    return np.stack(found)


def seen(name: str, model: Model) -> Lens:
    return mlm_viz.lens(TINY[name].text.format("____"), model)


@pytest.mark.parametrize("name", sorted(TINY))
def test_every_row_is_what_the_network_would_say_if_it_stopped_there(name: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    found = seen(name, model)
    assert len(found) == model.layers + 1
    sentence = model.encode(TINY[name].text.format("____"))
    expected = stopped_after_each(model, sentence.ids, found.position)
    np.testing.assert_allclose(found.log2_probs[:-1], expected, atol=1e-3, rtol=1e-4)
    prediction = mlm_viz.predict(TINY[name].text.format("____"), model)[0]
    np.testing.assert_allclose(found.log2_probs[-1], prediction.log2_probs, atol=1e-5)
    # the layers do something
    assert np.abs(np.diff(found.log2_probs, axis=0)).max(axis=1).min() > 1e-3


def test_entropies_ranks_and_guesses_are_those_of_each_row(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    found = mlm_viz.lens("the capital of france is paris", model, masked=["paris"], words=["london"])
    probs = np.exp2(found.log2_probs.astype(np.float64))
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found.entropies, scipy_entropy(probs, base=2, axis=1), atol=1e-4)
    paris, london = model.vocabulary.ids["paris"], model.vocabulary.ids["london"]
    assert found.original == paris
    assert {paris, london, int(probs[-1].argmax())} == set(found.followed)
    for token in found.followed:
        assert found.ranks_of(token).tolist() == [1 + int((row > row[token]).sum()) for row in probs]
    guesses = probs.argmax(axis=1).tolist()
    assert guesses[found.settled :] == [guesses[-1]] * (len(found) - found.settled)
    assert found.settled == 0 or guesses[found.settled - 1] != guesses[-1]


def test_frames_say_the_same(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    found = mlm_viz.lens("the cat ____ today", model, words=["dog"])
    table = found.to_frame(k=5)
    assert table["layer"].tolist() == [row for row in range(4) for _ in range(5)]
    last = mlm_viz.predict("the cat ____ today", model).top(5)
    assert table[table["layer"] == 3]["token"].tolist() == last["token"].tolist()
    np.testing.assert_allclose(table[table["layer"] == 3]["probability"], last["probability"], atol=1e-6)
    followed = found.followed_frame()
    assert followed["token"].tolist().count("dog") == 4
    assert (followed["log2_prob"] <= 0).all()
    assert "last layer only" in found.caution


def test_two_passes_whatever_is_asked(tiny_model: ModelOf) -> None:
    model = tiny_model("modernbert")
    before = model.calls
    mlm_viz.lens("the capital of ____ is paris", model)
    assert model.calls - before == 2


def test_one_of_several_slots_and_chinese(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    text = "今天天气很[MASK]，我们去公[MASK]。"
    found = mlm_viz.lens(text, model, slot=1, words=["园"])
    prediction = mlm_viz.predict(text, model)
    assert found.position == prediction.positions[1]
    np.testing.assert_allclose(found.log2_probs[-1], prediction[1].log2_probs, atol=1e-5)
    assert model.vocabulary.ids["园"] in found.followed


def test_what_cannot_be_asked_is_said(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    with pytest.raises(TextError, match="no slot"):
        mlm_viz.lens("the cat", model)
    with pytest.raises(TextError, match="type a sentence"):
        mlm_viz.lens("", model)
    with pytest.raises(WordError, match="2 slots"):
        mlm_viz.lens("the ____ ____", model)
    with pytest.raises(WordError, match="cannot spell"):
        mlm_viz.lens("the ____", model, words=["2024"])
    with pytest.raises(WordError, match="several tokens"):
        mlm_viz.lens("the ____", model, words=["walking"])
