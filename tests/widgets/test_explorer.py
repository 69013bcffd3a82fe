"""The explorer from both sides: what the page sends arrives in Python, what Python sets arrives on the page."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import ipywidgets
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import mlm_viz
from mlm_viz.errors import MlmVizError
from mlm_viz.examples import EXAMPLES
from mlm_viz.model import Model
from mlm_viz.strings import say
from mlm_viz.widgets.explorer import Explorer, explore
from tests.unit.test_hostile import ANY_TEXT
from tests.widgets.conftest import TEXT, Calls, until_settled


def click(explorer: Explorer, position: int, *, mask: bool = True) -> None:
    """What the strip sends for a click on a chip."""
    marks = {p: mark for p, mark in explorer.strip.marks.items() if p != str(position)}
    if mask:
        marks[str(position)] = "masked"
    selected = position if mask else next((int(p) for p in marks), -1)
    explorer.strip.set_state({"marks": marks, "selected": selected})


def bars(explorer: Explorer) -> str:
    """The bars as the page gets them."""
    assert explorer.prediction_panel.figure is not None
    return str(explorer.prediction_panel.figure.to_json())


# --- from the page ----------------------------------------------------------------------------------------------------


def test_a_click_is_one_call_and_moves_the_bars(tiny_bert: Model, calls: Calls) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["paris"])
    before = bars(explorer)
    calls()
    click(explorer, 6, mask=False)
    assert calls() == 0
    assert explorer.masked == ()
    click(explorer, 4)
    assert calls() == 1
    assert explorer.masked == (4,)
    assert explorer.slot == 4
    assert bars(explorer) != before
    assert "france" in explorer.prediction_panel.numbers.value


def test_showing_another_slot_calls_nothing(tiny_bert: Model, calls: Calls) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["france", "paris"])
    assert explorer.slot == 4
    before = bars(explorer)
    calls()
    explorer.strip.set_state({"selected": 6})
    assert calls() == 0
    assert explorer.slot == 6
    assert bars(explorer) != before


def test_opening_the_heads_is_one_call_and_a_click_on_one_is_none(tiny_bert: Model, calls: Calls) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["paris"])
    panel = explorer.attention_panel
    assert panel.body.layout.display == "none"
    calls()
    panel.opener.set_state({"value": True})
    assert calls() == 1
    assert panel.body.layout.display == "flex"
    assert panel.grid.shape == [3, 4, 13, 13]
    panel.grid.set_state({"selected": [2, 1]})
    for control, value in (
        (panel.view, "row"),
        (panel.view, "shares"),
        (panel.special, "hide"),
        (panel.bertviz, "head"),
    ):
        control.value = value
    assert calls() == 0
    assert explorer.head == (2, 1)
    assert "layer 3, head 2" in panel.summary.value


def test_pinning_on_the_page(tiny_bert: Model, calls: Calls) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["paris"])
    calls()
    explorer.prediction_panel.pin.set_state({"value": True})
    assert calls() == 0
    assert explorer.state.baseline is not None
    assert say("prediction.divergence") in explorer.prediction_panel.numbers.value
    explorer.prediction_panel.pin.set_state({"value": False})
    assert explorer.state.baseline is None
    click(explorer, 6, mask=False)
    explorer.prediction_panel.pin.set_state({"value": True})  # there is nothing to hold: the button comes up again
    assert explorer.prediction_panel.pin.value is False


def test_typing_keeps_what_is_typed(tiny_bert: Model) -> None:
    explorer = explore(TEXT, tiny_bert)
    box = explorer.text_panel.text
    for text in ("", " ", "the " * 60, "the  day ", "the ____"):
        box.set_state({"value": text})
        assert box.value == text
        assert explorer.text == text
        assert bool(explorer.error) == bool(explorer.text_panel.problem.value)
    assert explorer.masked == (2,)


def test_a_sentence_takes_the_place_of_the_bars_and_hides_them(tiny_bert: Model) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["paris"])
    stage = explorer.prediction_panel.stage
    picture = stage.picture.children
    explorer.masked = ()
    assert "Click a token" in stage.words.value
    assert "mlmviz-hidden" in stage.picture._dom_classes
    assert stage.picture.children == picture, "plotly must not be taken off the page while it draws"
    explorer.masked = ["paris"]
    assert stage.words.value == ""
    assert "mlmviz-hidden" not in stage.picture._dom_classes


@pytest.mark.parametrize(("text", "says"), [("", "no text"), ("the " * 60, "62 tokens")])
def test_an_error_is_a_sentence_in_the_panel(tiny_bert: Model, text: str, says: str) -> None:
    explorer = explore(text, tiny_bert)
    assert says in explorer.error
    assert says in explorer.text_panel.problem.value
    assert explorer.text_panel.text.value == text
    assert explorer.strip.tokens == []
    assert explorer.prediction is None
    explorer.text = TEXT
    assert explorer.text_panel.problem.value == ""
    assert "Click a token" in explorer.prediction_panel.stage.words.value


def test_the_buttons(tiny_bert: Model, calls: Calls) -> None:
    explorer = explore(TEXT, tiny_bert)
    panel = explorer.text_panel
    calls()
    panel.seed.value = 3
    first = explorer.masking
    assert len(first) > 0
    panel.clear.click()
    assert explorer.masked == ()
    panel.random.click()
    assert explorer.masking == first
    panel.surprisal.value = True
    assert explorer.strip.shades is not None
    assert explorer.strip.shade_labels[0] == ""
    panel.surprisal.value = False
    assert explorer.strip.shades is None


def test_an_example_is_taken_and_can_be_taken_again(bundled: Model) -> None:
    explorer = explore("The weather", bundled)
    example_text = EXAMPLES["中文"][0]
    for _ in range(2):
        explorer.text_panel.examples.value = example_text
        assert explorer.text == example_text == explorer.text_panel.text.value
        assert explorer.text_panel.examples.value == example_text  # from there the next one can be reached by key
        explorer.text = "The weather"
        assert explorer.text_panel.examples.value == ""


def test_every_example_can_be_predicted(bundled: Model) -> None:
    explorer = explore("", bundled)
    for text in (text for group in EXAMPLES.values() for text in group):
        explorer.text = text
        assert not explorer.error
        assert explorer.shown is not None, text


def test_a_word_is_answered_beside_its_box(tiny_bert: Model) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["paris"])
    panel = explorer.prediction_panel
    panel.word.set_state({"value": "london"})
    assert "rank" in panel.answer.value
    panel.word.set_state({"value": "2024"})
    assert "cannot spell" in panel.answer.value
    assert panel.word.value == "2024"
    assert not explorer.error


def test_marks_that_cannot_be_are_undone_on_the_page(maskless: Model, tiny_bert: Model) -> None:
    explorer = explore("the good day", maskless)
    explorer.strip.set_state({"marks": {"1": "masked"}, "selected": 1})
    assert (explorer.strip.marks, explorer.strip.selected) == ({}, -1)
    assert "no mask token" in explorer.text_panel.problem.value
    explorer = explore("the good day", tiny_bert)
    explorer.strip.set_state({"marks": {"0": "masked", "99": "masked"}, "selected": 99})
    assert (explorer.strip.marks, explorer.strip.selected) == ({}, -1)


def test_a_click_on_a_text_that_is_gone_masks_nothing(tiny_bert: Model) -> None:
    explorer = explore("the good day", tiny_bert)
    strip = explorer.strip
    strip.set_state({"basis": strip.edition, "marks": {"2": "masked"}, "selected": 2})
    assert explorer.masked == (2,)
    explorer.text = "a day in the park"
    before = explorer.masked
    strip.set_state({"marks": {"1": "masked", "2": "masked"}, "selected": 1})  # the page has not seen the new text
    assert explorer.masked == before
    assert (strip.marks, strip.selected) == ({str(p): "masked" for p in before}, explorer.slot)
    strip.set_state({"basis": strip.edition, "marks": {"1": "masked"}, "selected": 1})
    assert explorer.masked == (1,)


def test_without_a_head_the_heads_can_still_be_seen(headless: Model) -> None:
    explorer = explore("the ____ day", headless)
    assert "cls.predictions" in explorer.text_panel.problem.value
    assert explorer.prediction is None
    assert "no prediction" in explorer.prediction_panel.stage.words.value
    assert explorer.attention is not None
    assert explorer.attention_panel.grid.shape == [3, 4, 5, 5]
    click(explorer, 1)
    assert explorer.attention.labels[1] == "[MASK]"


def test_a_burst_of_clicks_is_merged_and_looks_stale(tiny_bert: Model, calls: Calls) -> None:
    async def clicks() -> tuple[Explorer, list[bool]]:
        explorer = explore(TEXT, tiny_bert)
        stale = []
        for number in range(200):
            click(explorer, at := 1 + number % 7, mask=str(at) not in explorer.strip.marks)
            stale.append(explorer.strip.stale)
        stale.append("mlmviz-stale" in explorer.prediction_panel.stage._dom_classes)
        await until_settled(explorer.state)
        return explorer, stale

    explorer, stale = asyncio.run(clicks())
    assert all(stale)
    assert not explorer.strip.stale
    assert "mlmviz-stale" not in explorer.prediction_panel.stage._dom_classes
    assert explorer.strip.marks == {"1": "masked", "2": "masked", "3": "masked", "4": "masked"}
    assert explorer.masked == (1, 2, 3, 4)
    assert calls() == 1 + 4


def test_while_new_bars_are_on_their_way_the_old_ones_stay(tiny_bert: Model) -> None:
    async def run() -> None:
        explorer = explore(TEXT, tiny_bert, masked=["paris", "france"])
        await until_settled(explorer.state)
        panel = explorer.prediction_panel
        joint = panel.joint.value
        assert joint
        panel.stage.words.observe(lambda _: pytest.fail("a sentence took the place of the bars"), "value")
        panel.stage.picture.observe(
            lambda _: pytest.fail("the bars were taken off the page"), ["children", "_dom_classes"]
        )
        panel.joint.observe(lambda change: change["new"] or pytest.fail("the table was taken off the page"), "value")
        click(explorer, 2)
        assert panel.joint.value == joint
        await until_settled(explorer.state)
        assert panel.joint.value != joint

    asyncio.run(run())


def test_a_longer_text_while_the_heads_are_open(tiny_bert: Model) -> None:
    async def run() -> Explorer:
        explorer = explore("the ____", tiny_bert)
        explorer.attention_panel.opener.value = True
        await until_settled(explorer.state)
        explorer.text_panel.text.set_state({"value": "the day in the park in london is a good ____"})
        explorer.attention_panel.special.value = "hide"
        await until_settled(explorer.state)
        return explorer

    for explorer in (asyncio.run(run()), explore("the ____", tiny_bert)):
        assert explorer.attention is not None
        explorer.text = "the day in the park in london is a very good and big ____"
        assert not explorer.error
        explorer.text = "the"
        assert explorer.attention.labels == ("[CLS]", "the", "[SEP]")
        explorer.text = ""
        assert "cannot be read" in explorer.attention_panel.stage.words.value


# --- from Python ------------------------------------------------------------------------------------------------------


def test_everything_on_the_page_can_be_read(tiny_bert: Model) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["paris"])
    expected = mlm_viz.predict(TEXT, tiny_bert, masked=["paris"])
    assert explorer.model is tiny_bert
    assert explorer.text == TEXT
    assert explorer.masked == (6,)
    assert explorer.masking.actions == ("masked",)
    assert explorer.slot == 6
    assert explorer.head == (0, 0)
    assert explorer.prediction is not None
    np.testing.assert_allclose(explorer.prediction.log2_probs, expected.log2_probs, atol=1e-5)
    assert explorer.shown is not None
    assert explorer.shown.position == 6
    assert explorer.joint is None
    assert explorer.error == ""
    assert explorer.divergence is None
    assert explorer.attention is not None
    np.testing.assert_allclose(
        explorer.attention.weights, mlm_viz.attend(TEXT, tiny_bert, masked=["paris"]).weights, atol=1e-6
    )
    assert explorer.attention_panel.opener.value is True
    assert explorer.sweep is not None
    np.testing.assert_allclose(
        explorer.sweep.log2_probs, mlm_viz.sweep(TEXT, tiny_bert, progress=False).log2_probs, atol=1e-4
    )
    assert explorer.text_panel.surprisal.value is True


def test_what_python_sets_is_on_the_page(tiny_bert: Model) -> None:
    explorer = explore(TEXT, tiny_bert)
    explorer.text = "the capital of france is london"
    assert explorer.text_panel.text.value == "the capital of france is london"
    assert [token["label"] for token in explorer.strip.tokens][-2] == "london"
    explorer.masked = ["capital", 6]
    assert explorer.strip.marks == {"2": "masked", "6": "masked"}
    explorer.slot = 6
    assert explorer.strip.selected == 6
    assert "london" in explorer.prediction_panel.numbers.value
    assert explorer.joint is not None
    assert explorer.joint.words(0)[0] in explorer.prediction_panel.joint.value
    explorer.head = (1, 3)
    assert explorer.attention_panel.grid.selected == [0, 0], "a closed panel is not drawn"
    assert explorer.attention is not None
    assert explorer.attention_panel.grid.selected == [1, 3]
    explorer.pin()
    assert explorer.prediction_panel.pin.value is True
    assert explorer.divergence == 0
    explorer.unpin()
    assert explorer.prediction_panel.pin.value is False
    explorer.mask_at_random(seed=7)
    assert explorer.text_panel.seed.value == 7
    chosen = explorer.masking
    explorer.clear()
    assert explorer.strip.marks == {}
    explorer.mask_at_random(7)
    assert explorer.masking == chosen
    assert explorer.strip.marks == {str(p): action for p, action in chosen.action_at().items()}


def test_inside_a_running_loop_a_script_sees_its_last_change(tiny_bert: Model) -> None:
    async def cell() -> Any:
        explorer = explore(TEXT, tiny_bert)
        explorer.masked = ["paris"]
        explorer.text = "the capital of france was paris"
        return explorer.prediction, explorer.state.stale

    prediction, stale = asyncio.run(cell())
    assert prediction.sentence.text == "the capital of france was paris"
    assert not stale


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", 3),
        ("text", None),
        ("masked", ["dog"]),
        ("masked", [99]),
        ("masked", [0]),
        ("masked", [1.5]),
        ("masked", None),
        ("slot", 1),
        ("slot", 99),
        ("slot", "paris"),
        ("head", (99, 0)),
        ("head", (0, -1)),
        ("head", ("a", "b")),
        ("head", 3),
        ("head", (1, 2, 3)),
    ],
)
def test_a_wrong_value_from_python_raises_and_changes_nothing(tiny_bert: Model, name: str, value: Any) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["paris"])
    before = getattr(explorer, name)
    with pytest.raises(MlmVizError):
        setattr(explorer, name, value)
    assert getattr(explorer, name) == before
    assert explorer.error == ""


@pytest.mark.parametrize("seed", [-1, 10_000, "a", 0.5, None])
def test_a_seed_is_a_whole_number(tiny_bert: Model, seed: Any) -> None:
    explorer = explore(TEXT, tiny_bert)
    with pytest.raises(MlmVizError):
        explorer.mask_at_random(seed)
    assert explorer.masked == ()
    assert explorer.text_panel.seed.value == 0


def test_a_model_that_is_not_there_raises() -> None:
    with pytest.raises(MlmVizError):
        explore(TEXT, "no-such-model")


# --- any text ---------------------------------------------------------------------------------------------------------


def everything(explorer: Explorer) -> list[ipywidgets.Widget]:
    """The explorer and every widget in it."""
    found: list[ipywidgets.Widget] = []
    waiting: list[ipywidgets.Widget] = [explorer]
    while waiting:
        widget = waiting.pop()
        found.append(widget)
        waiting += [*getattr(widget, "children", ())]
    return found


def travels(explorer: Explorer) -> None:
    """Every widget's state can be sent: JSON without NaN, and no lone surrogate in it."""
    for widget in everything(explorer):
        state = {name: value for name, value in widget.get_state().items() if not isinstance(value, bytes | memoryview)}
        json.dumps(state, ensure_ascii=False, allow_nan=False, default=str).encode()


@settings(max_examples=20)  # each opens an explorer
@given(text=ANY_TEXT, more=ANY_TEXT, word=ANY_TEXT, seed=st.integers(0, 99))
@example(text="\ud800 \0 ____", more="\udfff", word="\ud800", seed=0)
@example(text="<script>alert(1)</script> ____", more="\u202e שלום ____ 👩‍👩‍👧‍👦", word="</script>", seed=1)
def test_any_text_travels(tiny_bert: Model, text: str, more: str, word: str, seed: int) -> None:
    explorer = explore(text, tiny_bert)
    travels(explorer)
    explorer.text_panel.random.click()
    explorer.prediction_panel.word.set_state({"value": word})
    explorer.prediction_panel.as_text.value = True
    explorer.attention_panel.opener.value = True
    explorer.attention_panel.as_text.value = True
    travels(explorer)
    explorer.text_panel.text.set_state({"value": more})
    explorer.text_panel.seed.value = seed
    assert "should not" not in explorer.error
    travels(explorer)
    assert explorer.strip.stale is False


def test_what_cannot_be_sent_back_is_not_echoed(tiny_bert: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = explore(TEXT, tiny_bert)
    sent: list[Any] = []
    box = explorer.text_panel.text
    monkeypatch.setattr(box, "_send", lambda message, buffers=None: sent.append(message))
    box.set_state({"value": "the \ud800 day"})
    assert explorer.text == box.value == "the \ufffd day"
    json.dumps(sent, ensure_ascii=False).encode()
    assert sent[-1]["state"]["value"] == "the \ufffd day", "the page is told what became of it"


# --- size -------------------------------------------------------------------------------------------------------------


def test_a_text_of_512_tokens_opens_with_its_heads(long_reader: Model) -> None:
    explorer = explore("the day " * 254 + "the ____", long_reader)
    assert explorer.error == ""
    assert len(explorer.strip.tokens) == 512
    assert explorer.attention is not None
    assert explorer.attention.weights.shape == (3, 4, 512, 512)
    panel = explorer.attention_panel
    assert panel.grid.shape == [3, 4, 64, 64]
    assert len(panel.grid.thumbnails) == 3 * 4 * 64 * 64
    for view in ("matrix", "row", "shares"):
        panel.view.value = view
        assert sent_bytes(panel._live[view]) < 4_000_000
    for view in ("head", "model"):
        panel.bertviz.value = view
        assert len(panel.frame.children[0].value.encode()) < 20_000_000
    click(explorer, 5)
    assert explorer.masked == (5, 510)


def sent_bytes(figure: Any) -> int:
    """Bytes of a figure on its way to the page: its JSON, and the arrays beside it."""
    arrays: list[bytes] = []
    text = json.dumps(figure.get_state(), default=lambda value: arrays.append(bytes(value)) or "")
    return len(text.encode()) + sum(map(len, arrays))


# --- what is left behind ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bertviz", ["off", "head", "model"])
def test_many_clicks_leave_no_widgets_behind(tiny_bert: Model, bertviz: str) -> None:
    explorer = explore(TEXT, tiny_bert)
    explorer.attention_panel.opener.value = True
    explorer.attention_panel.bertviz.value = bertviz

    def toggle(times: int) -> int:
        for number in range(times):
            click(explorer, 2 + number // 2 % 3, mask=number % 2 == 0)
        return count_widgets()

    first = toggle(10)
    assert toggle(60 if bertviz == "off" else 20) == first


def count_widgets() -> int:
    from ipywidgets.widgets import widget

    return len(widget._instances)


def test_switching_views_leaves_no_widgets_behind(tiny_bert: Model) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["paris"])
    panel = explorer.attention_panel
    panel.opener.value = True

    def switch() -> int:
        for view in ("row", "shares", "matrix"):
            panel.view.value = view
        for view in ("head", "model", "off"):
            panel.bertviz.value = view
        for text in ("", "the ____", TEXT):
            explorer.text = text
        return count_widgets()

    first = switch()
    assert all(switch() == first for _ in range(5))


def test_bertviz_is_drawn_anew_only_when_it_changes(tiny_bert: Model) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["paris", "france"])
    panel = explorer.attention_panel
    panel.opener.value = True
    panel.bertviz.value = "head"
    frame = panel.frame.children[0]
    explorer.slot = 4
    panel.view.value = "row"
    explorer.head = (0, 2)
    assert panel.frame.children[0] is frame
    explorer.head = (1, 2)
    assert panel.frame.children[0] is not frame
