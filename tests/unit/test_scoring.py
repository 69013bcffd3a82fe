"""The sweep against one plain pass for each token."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import entropy as scipy_entropy

import mlm_viz
from mlm_viz.analysis import prediction, scoring
from mlm_viz.errors import TextError
from mlm_viz.model import Model

ModelOf = Callable[[str], Model]
TEXTS = {
    "bert": "the cats play in london today, a good day!",
    "roberta": "the capital of france is paris",
    "xlm-roberta": "今天天气很好，我们去公园。",
    "esm": "MKTAYIAKQQISF",
    "smiles": "CC(=O)Oc1ccccc1",
}


@torch.inference_mode()
def one_by_one(model: Model, text: str) -> dict[str, list]:
    """Mask, run, read, for one token after the other."""
    sentence = model.encode(text)
    found: dict[str, list] = {"log2_probs": [], "ranks": [], "entropies": [], "guesses": []}
    for position in sentence.maskable:
        ids = torch.tensor(sentence.ids[None])
        ids[0, position] = model.vocabulary.mask_id
        probs = torch.softmax(model.network(input_ids=ids).logits[0, position].double(), dim=-1).numpy()
        own = probs[sentence.ids[position]]
        found["log2_probs"].append(math.log2(own))
        found["ranks"].append(1 + int((probs > own).sum()))
        found["entropies"].append(scipy_entropy(probs, base=2))
        found["guesses"].append(int(probs.argmax()))
    return found


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_sweep_is_a_loop_over_the_tokens(name: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    swept, expected = mlm_viz.sweep(TEXTS[name], model), one_by_one(model, TEXTS[name])
    assert swept.positions.tolist() == list(swept.sentence.maskable)
    np.testing.assert_allclose(swept.log2_probs, expected["log2_probs"], atol=1e-4)
    np.testing.assert_allclose(swept.entropies, expected["entropies"], atol=1e-4)
    assert swept.ranks.tolist() == expected["ranks"]
    assert swept.guesses.tolist() == expected["guesses"]


def test_sweep_agrees_with_masking_one_word(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    swept = mlm_viz.sweep("the cat runs today", model)
    score = mlm_viz.predict("the cat runs today", model, masked=[3])[0].original_score
    assert swept.surprisals[3] == pytest.approx(score.surprisal, rel=1e-5)
    assert swept.ranks[2] == score.rank


def test_surprisals_stand_at_their_tokens(tiny_model: ModelOf) -> None:
    swept = mlm_viz.sweep("the ____ runs", tiny_model("bert"))
    assert swept.positions.tolist() == [1, 3]
    assert np.isnan(swept.surprisals).tolist() == [True, False, True, False, True]
    assert (swept.surprisals[swept.positions] >= 0).all()
    table = swept.to_frame()
    assert table["token"].tolist() == ["the", "runs"]
    np.testing.assert_allclose(np.log2(table["probability"]), -table["surprisal"])


def test_batches_do_not_change_the_numbers(tiny_model: ModelOf, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("bert")
    before = model.calls
    whole = mlm_viz.sweep(TEXTS["bert"], model)
    assert model.calls - before == 1
    monkeypatch.setattr(prediction, "TOKENS_A_BATCH", 40)
    parts = list(scoring.sweep_in_parts(model, model.encode(TEXTS["bert"])))
    assert len(parts) > 2
    assert [len(part.positions) for part in parts] == sorted(len(part.positions) for part in parts)
    assert model.calls - before == 1 + len(parts)
    np.testing.assert_allclose(parts[-1].log2_probs, whole.log2_probs, atol=1e-4)
    assert parts[-1].positions.tolist() == whole.positions.tolist()


def test_nothing_to_sweep(tiny_model: ModelOf) -> None:
    with pytest.raises(TextError, match="no token to mask"):
        mlm_viz.sweep("____ [MASK]", tiny_model("bert"))
    with pytest.raises(TextError, match="at most 40"):
        mlm_viz.sweep("the " * 60, tiny_model("bert"))
