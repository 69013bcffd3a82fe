"""Captions of numbers made by hand, and of what a model says."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import mlm_viz
from mlm_viz.analysis.heads import head_board
from mlm_viz.errors import MlmVizError
from mlm_viz.figures.caption import LEAST, caption
from mlm_viz.influences import LEFT, RIGHT, Direction, Influence
from mlm_viz.model import Model
from mlm_viz.results import Prediction

ModelOf = Callable[[str], Model]
TEXT = "the capital of ____ is very good"


@pytest.fixture
def seen(tiny_model: ModelOf) -> tuple[Prediction, Influence, Direction]:
    model = tiny_model("bert")
    return mlm_viz.predict(TEXT, model), mlm_viz.influence(TEXT, model), mlm_viz.direction(TEXT, model)


def with_gains(found: Influence, **gains: float) -> Influence:
    """The same with other gains, by the words they are of; those not named are 0."""
    table = np.zeros(found.log2_probs.shape)
    for word, gain in gains.items():
        table[:, found.labels.index(word)] = gain
    return replace(found, log2_probs=found.target.log2_prob - table)


def with_changes(found: Direction, left: float, right: float) -> Direction:
    table = np.full(found.log2_probs.shape, found.target.log2_prob)
    table[:, RIGHT] += left  # without the left side
    table[:, LEFT] += right
    return replace(found, log2_probs=table)


def board(found: Influence, gains: Any) -> Any:
    table = np.array(gains, dtype=float)
    order = np.argsort(-np.abs(np.nan_to_num(table)).ravel())
    strongest = [divmod(int(i), table.shape[1]) for i in order]
    target = found.target
    return SimpleNamespace(
        gains=table, strongest=lambda k: strongest[:k], position=target.position, target=target.ids[0]
    )


def test_what_raises_and_what_lowers_is_named_with_its_bits(seen: Any) -> None:
    prediction, found, _ = seen
    said = caption(prediction, with_gains(found, the=3.14, capital=2.04, of=1.0, very=-0.46))
    word = found.target.word
    assert said.startswith(f"The best guess, “{word}” (")
    assert said.endswith(
        "is raised most by “the” (+3.1 bits) and “capital” (+2.0 bits) and lowered most by “very” (−0.46 bits), "
        "each masked in turn."
    )


def test_only_up_only_down_and_neither(seen: Any) -> None:
    prediction, found, _ = seen
    up = caption(prediction, with_gains(found, capital=0.5))
    assert "raised most by “capital” (+0.50 bits), each masked in turn." in up
    assert "lowered" not in up
    down = caption(prediction, with_gains(found, capital=-0.5))
    assert "lowered most by “capital” (−0.50 bits)" in down
    assert "nothing raises it" in down
    nothing = caption(prediction, with_gains(found, capital=0.99 * LEAST, of=-0.99 * LEAST))
    assert "hangs on no single word" in nothing
    assert "0.1 bits" in nothing


def test_a_word_that_is_not_the_guess_says_what_is(seen: Any, tiny_model: ModelOf) -> None:
    prediction, found, _ = seen
    best = found.target.word
    asked = mlm_viz.influence(TEXT, tiny_model("bert"), target="london")
    said = caption(prediction, asked)
    assert said.startswith("“london” (")
    assert f"the best guess is “{best}”)" in said


def test_the_same_word_twice_is_told_apart_by_its_place(tiny_model: ModelOf) -> None:
    text = "the cat and the ____ play"
    model = tiny_model("bert")
    found = mlm_viz.influence(text, model)
    table = np.zeros(found.log2_probs.shape)
    the = [i for i, label in enumerate(found.labels) if label == "the"]
    table[:, the[1]] = 2.0
    said = caption(mlm_viz.predict(text, model), replace(found, log2_probs=found.target.log2_prob - table))
    assert f"“the” (token {found.spans[the[1]][0] + 1}, +2.0 bits)" in said


def test_which_side_mattered(seen: Any) -> None:
    prediction, found, dial = seen
    quiet = with_gains(found)
    cases = {
        (-4.2, -0.3): "The left side matters more (−4.2 bits without it, −0.30 without the right side).",
        (0.2, -1.5): "The right side matters more (−1.5 bits without it, +0.20 without the left side).",
        (-2.0, -2.04): "Both sides matter alike (−2.0 bits without the left, −2.0 without the right).",
        (-0.05, 0.01): "Neither side matters alone (less than 0.1 bits without either).",
    }
    for (left, right), sentence in cases.items():
        assert caption(prediction, quiet, with_changes(dial, left, right)).endswith(sentence)


def test_which_head_mattered_one_based(seen: Any) -> None:
    prediction, found, dial = seen
    heads = board(found, [[0.0, -0.5], [1.24, 0.1]])
    alone = caption(prediction, found, board=heads)
    assert alone.endswith("Of the heads, layer 2, head 1 matters most (−1.2 bits without it).")
    both = caption(prediction, found, with_changes(dial, -4.2, -0.3), heads)
    assert both.endswith("; of the heads, layer 2, head 1 matters most (−1.2 bits without it).")
    assert len(re.findall(r"\.(?:\s|$)", both)) == 2  # sentences
    none = caption(prediction, found, board=board(found, [[0.0, 0.05]]))
    assert none.endswith("no single one moves it by 0.1 bits.")


def test_what_was_measured_elsewhere_is_left_out(seen: Any, tiny_model: ModelOf) -> None:
    prediction, found, _ = seen
    alone = caption(prediction, found)
    other = mlm_viz.direction(TEXT, tiny_model("bert"), target="london")
    assert caption(prediction, found, other) == alone
    assert caption(prediction, found, board=SimpleNamespace(position=1, target=0)) == alone
    growing = board(found, [[np.nan, np.nan]])
    assert caption(prediction, found, board=growing) == alone
    one_sided = mlm_viz.direction("____ is good", tiny_model("bert"))
    first = mlm_viz.influence("____ is good", tiny_model("bert"))
    said = caption(mlm_viz.predict("____ is good", tiny_model("bert")), first, one_sided)
    assert "side" not in said


def test_a_slot_that_is_gone_is_refused(seen: Any, tiny_model: ModelOf) -> None:
    with pytest.raises(MlmVizError, match="not a slot"):
        caption(mlm_viz.predict("____ runs", tiny_model("bert")), seen[1])


@pytest.mark.parametrize(
    ("name", "text"), [("bert", TEXT), ("xlm-roberta", "今天天气很____，我们去公园。"), ("modernbert", "____ is good")]
)
def test_captions_of_what_models_say(name: str, text: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    found = mlm_viz.influence(text, model)
    said = caption(mlm_viz.predict(text, model), found, mlm_viz.direction(text, model), head_board(text, model))
    gains = found.gains[0]
    up, down = found.labels[int(gains.argmax())], found.labels[int(gains.argmin())]
    assert (f"raised most by “{up}” (" in said) == (gains.max() >= LEAST)
    assert (f"lowered most by “{down}” (" in said) == (gains.min() <= -LEAST)
    assert ("no single word" in said) == (np.abs(gains).max() < LEAST)
    assert said.endswith(".")
    assert "nan" not in said
    assert "{" not in said


def test_partial_numbers_are_passed_over(seen: Any) -> None:
    prediction, found, _ = seen
    unknown = np.full(found.log2_probs.shape, np.nan)
    unknown[:, 0] = found.target.log2_prob - 1
    said = caption(prediction, replace(found, log2_probs=unknown))
    assert f"raised most by “{found.labels[0]}” (+1.0 bits), each" in said
