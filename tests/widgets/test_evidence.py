"""The evidence panel without a browser: each view shows what its analysis says, of the slot that is shown."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from mlm_viz.analysis.direction import direction
from mlm_viz.analysis.heads import head_board
from mlm_viz.analysis.influence import influence
from mlm_viz.errors import MlmVizError
from mlm_viz.figures.caption import caption
from mlm_viz.influences import ORDERS, SIDE_WAYS
from mlm_viz.inquiry import Inquiry
from mlm_viz.model import Model
from mlm_viz.strings import say
from mlm_viz.widgets.evidence.panel import VIEWS
from mlm_viz.widgets.explorer import Explorer, explore
from tests.widgets.conftest import TEXT, Calls, until_settled
from tests.widgets.test_panels import Read, is_faded

NAMES = [view.name for view in VIEWS]
OTHERS = {"pair": "the capital of france is good, a paris day.", "contrast": "the capital of [MASK] is good."}


def opened(explorer: Explorer, name: str):
    view = explorer.evidence_panel.show(name)
    if name in OTHERS:
        view.other.value = OTHERS[name]
    explorer.state.settle()
    return view


@pytest.mark.parametrize("name", NAMES)
def test_every_view_shows_pictures_and_the_same_as_text(tiny_bert: Model, name: str) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["france", "paris"])
    view = opened(explorer, name)
    assert view.inquiry.finished
    assert not view.inquiry.error
    assert all(picture.figure is not None for picture in view.pictures)
    assert not view.text.value
    view.as_text.value = True
    assert "mlmviz-text" in view.text.value
    assert say("evidence.working") not in view.status.value


@pytest.mark.parametrize("name", NAMES)
def test_without_a_slot_a_line_stands_there(tiny_bert: Model, name: str) -> None:
    explorer = explore(TEXT, tiny_bert)
    view = opened(explorer, name)
    if name == "pair":  # needs no slot
        assert view.pictures[0].figure is not None
        return
    assert say("evidence.nothing") in view.pictures[0].words.value
    explorer.masked = ["france"]
    explorer.state.settle()
    assert view.pictures[0].figure is not None
    assert view.pictures[0].words.value == ""


def test_what_is_closed_computes_nothing(tiny_bert: Model, calls: Calls) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["france"])
    calls()
    explorer.masked = ["paris"]
    explorer.state.settle()
    assert calls() == 1
    opened(explorer, "direction")
    assert calls() > 0
    explorer.evidence_panel.opener.value = False
    explorer.masked = ["france"]
    explorer.state.settle()
    assert calls() == 1


def test_the_numbers_are_those_of_the_analyses(tiny_bert: Model) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["france", "paris"])
    view = opened(explorer, "influence")
    expected = influence(TEXT, tiny_bert, ["france", "paris"], slot=0)
    np.testing.assert_allclose(view.inquiry.result.gains, expected.gains, atol=1e-5)
    assert explorer.strip.shade_labels[2] != ""
    assert set(explorer.strip.shade_signs) <= {-1, 0, 1}
    np.testing.assert_array_equal(
        np.sign(expected.by_token("masked")[[2, 3]]), np.array(explorer.strip.shade_signs)[[2, 3]]
    )
    sides = direction(TEXT, tiny_bert, ["france", "paris"], slot=0)
    assert explorer.prediction is not None
    said = caption(
        explorer.prediction, influence(TEXT, tiny_bert, ["france", "paris"], slot=0, ways=("masked",)), sides
    )
    assert explorer.evidence_panel.summing.result == said
    explorer.evidence_panel.show("direction")
    assert explorer.strip.shades is None


def test_another_slot_another_aim_another_answer(tiny_bert: Model) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["france", "paris"])
    view = opened(explorer, "influence")
    assert view.inquiry.result.target.word == "france"
    explorer.slot = explorer.masked[1]
    explorer.state.settle()
    assert view.inquiry.result.target.word == "paris"
    explorer.evidence_panel.aim.value = "guess"
    explorer.state.settle()
    assert view.inquiry.result.target.ids == (view.inquiry.result.target.guess,)
    explorer.state.ask_word("day")
    explorer.state.explain("word")
    explorer.state.settle()
    assert view.inquiry.result.target.word == "day"
    assert explorer.evidence_panel.aim.value == "word"
    with pytest.raises(MlmVizError, match="aim"):
        explorer.state.explain("sense")


def test_single_tokens_or_whole_words(tiny_bert: Model) -> None:
    explorer = explore("the pl ##aying dog [MASK] a day", tiny_bert)
    view = opened(explorer, "influence")
    assert all(len(span) == 1 for span in view.inquiry.result.spans)
    view.parts.value = "words"
    explorer.state.settle()
    expected = influence(explorer.text, tiny_bert, spans="words")
    assert view.inquiry.result.spans == expected.spans
    np.testing.assert_allclose(view.inquiry.result.gains, expected.gains, atol=1e-5)


def test_the_way_of_hiding_the_rest_is_a_matter_of_drawing(tiny_bert: Model, calls: Calls) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["france"])
    view = opened(explorer, "reveal")
    calls()
    for way in ("blocked", "masked"):
        view.way.value = way
        explorer.state.settle()
        drawn = [trace.y for trace in view.pictures[0].figure.data[: len(ORDERS)]]
        np.testing.assert_allclose(np.array(drawn), np.exp2(view.inquiry.result.log2_probs[SIDE_WAYS.index(way)]))
    assert calls() == 0


def test_filling_can_be_scrubbed(tiny_bert: Model, calls: Calls) -> None:
    explorer = explore("the [MASK] of [MASK] is [MASK], a good day.", tiny_bert)
    view = opened(explorer, "filling")
    assert (view.step.max, view.step.value) == (3, 3)
    calls()
    for step in (0, 2):
        view.step.value = step
        shown = view.pictures[0].figure.data[0].text
        assert len(shown) == step + 1
        assert shown[-1].count("____") == 3 - step
    view.order.value = "gibbs"
    runs = {run.order: run for run in view.inquiry.result.runs}
    assert (view.step.max, view.step.value) == (len(runs["gibbs"]), len(runs["gibbs"]))
    assert calls() == 0
    assert set(runs) == {order for _, order in view.order.options}
    view.heat.value = 0
    explorer.state.settle()
    assert calls() > 0
    assert {run.order: run.temperature for run in view.inquiry.result.runs}["gibbs"] == 0
    view.order.value = "left_to_right"
    assert (view.step.max, view.step.value) == (3, 3)


def test_heads_may_hand_on_their_mean(long_reader: Model) -> None:
    explorer = explore(TEXT, long_reader, masked=["france"])
    view = opened(explorer, "heads")
    zeros = view.inquiry.result
    view.replace.value = "mean"
    explorer.state.settle()
    board = head_board(TEXT, long_reader, ["france"], replace="mean")
    assert view.inquiry.result.replacement == "mean"
    np.testing.assert_allclose(view.inquiry.result.gains, board.gains, atol=1e-5)
    assert not np.allclose(view.inquiry.result.gains, zeros.gains)
    assert [name.endswith("bits") for name, _ in view.silent.options] == [True] * board.gains.size


def test_attention_beside_effect_over_tokens_too(tiny_bert: Model) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["france"])
    view = opened(explorer, "effect")
    effect, _ = view.inquiry.result
    assert (effect.over, len(effect)) == ("heads", tiny_bert.layers * tiny_bert.heads)
    view.over.value = "tokens"
    explorer.state.settle()
    effect, views = view.inquiry.result
    measured = influence(TEXT, tiny_bert, ["france"], ways=("masked",)).by_token("masked")
    np.testing.assert_allclose(effect.effects, measured[np.isfinite(measured)], atol=1e-5)
    assert views.labels[explorer.slot] == tiny_bert.vocabulary.labels[tiny_bert.vocabulary.mask_id]


def test_a_pair_and_a_contrast_say_what_they_need(tiny_bert: Model) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["france"])
    for name in OTHERS:
        view = explorer.evidence_panel.show(name)
        explorer.state.settle()
        assert say("evidence.nothing") in view.pictures[0].words.value
    pair = opened(explorer, "pair")
    pair.other.value = explorer.text
    explorer.state.settle()
    assert say("pair.same") in pair.pictures[0].words.value
    cloud = opened(explorer, "contrast")
    cloud.other.value = "the capital of france."
    explorer.state.settle()
    assert "mlmviz-error" in cloud.status.value
    cloud.other.value = OTHERS["contrast"]
    explorer.state.settle()
    assert "mlmviz-error" not in cloud.status.value
    assert cloud.pictures[0].words.value == ""


def test_a_word_that_was_not_asked_about_cannot_be_explained(tiny_bert: Model) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["france"])
    view = opened(explorer, "influence")
    explorer.evidence_panel.aim.value = "word"
    explorer.state.settle()
    assert say("evidence.nothing") in view.pictures[0].words.value
    assert explorer.evidence_panel.caption.value.count("“") == 0
    explorer.state.ask_word("day")
    explorer.state.settle()
    assert view.inquiry.result.target.word == "day"
    explorer.state.ask_word("zyx\u2603")
    explorer.state.settle()
    assert "mlmviz-error" in view.status.value


def test_a_slot_that_an_edit_takes_away_takes_its_evidence_along(tiny_bert: Model) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["france"])
    view = opened(explorer, "influence")
    assert explorer.strip.shades is not None
    explorer.text = "the capital is paris"
    explorer.state.settle()
    assert say("evidence.nothing") in view.pictures[0].words.value
    assert explorer.strip.shades is None


def test_with_nothing_around_the_slot_a_sentence_says_so(tiny_bert: Model) -> None:
    explorer = explore("[MASK]", tiny_bert)
    for name in ("influence", "direction", "reveal"):
        view = opened(explorer, name)
        assert say("influence.error.no_context") in view.pictures[0].words.value
    for name in ("heads", "lens"):
        assert opened(explorer, name).pictures[0].figure is not None


def test_silent_heads_are_silent_everywhere(tiny_bert: Model) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["france", "paris"])
    view = opened(explorer, "heads")
    board = head_board(TEXT, tiny_bert, ["france", "paris"], slot=0, target="france")
    before = explorer.shown.log2_probs
    joint = explorer.joint.log2_probs
    view._toggle(1, 0)  # a click on layer 1, head 2
    explorer.state.settle()
    assert explorer.state.silenced == {(0, 1)}
    assert view.silent.value == ((0, 1),)
    token = tiny_bert.vocabulary.ids["france"]
    np.testing.assert_allclose(before[token] - explorer.shown.log2_probs[token], board.gains[0, 1], atol=1e-5)
    assert not np.allclose(explorer.joint.log2_probs, joint)
    assert view.inquiry.result.silenced == ((0, 1),)
    assert "changes the logits" in view.proof.value
    view.clear.click()
    explorer.state.settle()
    np.testing.assert_array_equal(explorer.shown.log2_probs, before)
    view.silent.value = ((1, 1), (0, 0))
    explorer.state.settle()
    assert explorer.state.silenced == {(1, 1), (0, 0)}
    with pytest.raises(MlmVizError, match="no head"):
        explorer.state.silence([(9, 0)])


def test_the_search_runs_while_it_is_wanted(tiny_bert: Model) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["france"])
    view = opened(explorer, "heads")
    assert view.searching.result is None
    view.search.value = True
    explorer.state.settle()
    assert view.searching.finished
    assert view.found.value != ""


def test_a_word_of_several_pieces_is_a_sentence_on_the_board(tiny_bert: Model) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["france"])
    view = opened(explorer, "heads")
    explorer.state.ask_word("paris day")
    explorer.state.explain("word")
    explorer.state.settle()
    assert "paris day" in view.status.value
    assert "mlmviz-error" in view.status.value
    explorer.state.explain("original")
    explorer.state.settle()
    assert "mlmviz-error" not in view.status.value
    assert view.pictures[0].words.value == ""


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</style><b>", "&lt;script&gt;"]
)
def test_hostile_text_is_text(tiny_bert: Model, text: str) -> None:
    explorer = explore(f"the [MASK] is {text} day", tiny_bert)
    for name in ("influence", "heads", "lens"):
        view = opened(explorer, name)
        view.as_text.value = True
        told = view.text.value + view.status.value + explorer.evidence_panel.caption.value
        assert "<script" not in told
        assert "<img" not in told


@pytest.mark.parametrize("name", list(OTHERS))
@pytest.mark.parametrize("text", ["<script>alert(1)</script> [MASK] day", "[MASK] <img src=x onerror=alert(1)> day"])
def test_hostile_text_in_the_other_sentence_is_text(tiny_bert: Model, name: str, text: str) -> None:
    explorer = explore("the [MASK] is good", tiny_bert)
    view = explorer.evidence_panel.show(name)
    view.other.value = text
    view.as_text.value = True
    explorer.state.settle()
    assert view.inquiry.result is not None
    told = view.text.value + view.status.value + view.pictures[0].figure.to_json()
    assert "<script" not in told
    assert "\\u003cscript" not in told
    assert "<img" not in told
    assert "\\u003cimg" not in told


def test_an_unknown_view_is_named(tiny_bert: Model) -> None:
    with pytest.raises(MlmVizError, match="influence"):
        explore(TEXT, tiny_bert).evidence_panel.show("magic")


def test_a_model_that_cannot_predict_has_no_evidence(headless: Model) -> None:
    explorer = explore(TEXT, headless)
    view = opened(explorer, "influence")
    assert view.inquiry.result is None
    assert say("evidence.nothing") in view.pictures[0].words.value


def test_on_a_loop_a_click_drops_what_is_under_way(tiny_bert: Model, calls: Calls) -> None:
    async def journey() -> None:
        explorer = explore(TEXT, tiny_bert, masked=["france"])
        view = explorer.evidence_panel.show("heads")
        while view.inquiry.result is None:  # some heads are silenced, not yet all
            await asyncio.sleep(0)
        assert not view.inquiry.result.complete
        explorer.masked = ["paris"]
        assert explorer.prediction is not None  # the click is answered first
        assert not view.inquiry.is_about(explorer.state)
        await until_settled(explorer.state)
        assert view.inquiry.result.complete
        assert view.inquiry.result.position == explorer.slot

    asyncio.run(journey())


def test_after_a_click_nothing_old_looks_new(tiny_bert: Model) -> None:
    async def journey() -> None:
        explorer = explore(TEXT, tiny_bert, masked=["france", "paris"])
        panel, view = explorer.evidence_panel, explorer.evidence_panel.show("heads")
        view.search.value = view.as_text.value = True
        parts = [view.proof, panel.caption, view.found, view.text]
        await until_settled(explorer.state)
        assert all(Read(part.value).text for part in parts)
        assert not is_faded(view.pictures[0])
        assert not is_faded(view.silent)
        acts = [(explorer.state.select, explorer.masked[1], parts), (explorer.state.silence, [(0, 1)], parts[1:])]
        for act, value, gone in acts:  # the proof is of all heads, whichever are silent
            act(value)
            assert [Read(part.value).text for part in gone] == [""] * len(gone)
            assert is_faded(view.pictures[0])
            assert is_faded(view.silent), "what each head adds is another number now"
            await until_settled(explorer.state)
            assert all(Read(part.value).text for part in parts)
            assert not is_faded(view.pictures[0])
            assert not is_faded(view.silent)

    asyncio.run(journey())


def test_the_old_picture_looks_old_until_there_is_a_new_one(tiny_bert: Model) -> None:
    async def journey() -> None:
        explorer = explore(TEXT, tiny_bert, masked=["france", "paris"])
        view = explorer.evidence_panel.show("influence")
        await until_settled(explorer.state)
        old = view.inquiry.result
        assert explorer.strip.shades is not None
        seen: list[bool] = []
        view.inquiry.observe(lambda _: seen.append(view.inquiry.result is old), "finished")
        explorer.slot = explorer.masked[1]
        while not seen:  # the new question is asked
            assert is_faded(view.pictures[0])
            assert explorer.strip.shades is None
            await asyncio.sleep(0)
        assert seen == [False]
        await until_settled(explorer.state)
        assert view.inquiry.result.target.word == "paris"

    asyncio.run(journey())


def test_an_order_that_is_not_there_yet_is_not_drawn_as_another(tiny_bert: Model) -> None:
    async def journey() -> None:
        explorer = explore("the [MASK] of [MASK] is [MASK]", tiny_bert)
        view = explorer.evidence_panel.show("filling")
        view.order.value, view.as_text.value = "gibbs", True
        while view.inquiry.result is None:
            await asyncio.sleep(0)
        assert "gibbs" not in {run.order for run in view.inquiry.result.runs}
        assert view.pictures[0].figure is None
        assert view.text.value == ""
        assert say("evidence.working") in view.status.value
        await until_settled(explorer.state)
        assert view.pictures[0].figure is not None
        assert view.text.value
        assert len(view.pictures[1].figure.data[0].x) == len(view.order.options)

    asyncio.run(journey())


def test_without_a_loop_too_the_last_orders_are_the_ones_that_stay(tiny_bert: Model) -> None:
    view = opened(explore("the [MASK] of [MASK] is [MASK]", tiny_bert), "filling")
    assert len(view.pictures[1].figure.data[0].x) == len(view.order.options)


def test_the_page_is_heard_between_two_batches(tiny_bert: Model) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["france"])
    *waiting, said = explorer.evidence_panel._sum_up(explorer.state)
    assert waiting
    assert set(waiting) == {""}
    assert said
    view = explorer.evidence_panel.show("pair")
    view.other.value = "the capital of france is a good day in the park."
    *waiting, pair = view.ask(explorer.state)
    assert waiting, "sentences of two lengths are two batches"
    assert set(waiting) == {None}
    assert pair.b.sentence.text == view.other.value


def test_a_question_holds_what_it_is_about(tiny_bert: Model) -> None:
    """The number of an object that is gone may be given to another one."""
    explorer = explore(TEXT, tiny_bert, masked=["france"])
    view = opened(explorer, "heads")
    state = explorer.state
    assert any(part is state.sentence for part in view.about(state))
    assert any(part is state.sentence for part in view._proof_about(state))
    assert any(part is state.prediction for part in explorer.evidence_panel._about(state))


# --- inquiries --------------------------------------------------------------------------------------------------------


class Told:
    """A state with one thing to ask about."""

    def __init__(self) -> None:
        self.about = "a"


def counting(state):
    for number in range(3):
        yield state.about, number


def test_an_inquiry_grows_ends_and_begins_anew() -> None:
    state = Told()
    inquiry = Inquiry(lambda s: s.about, counting)
    assert not inquiry.is_due(state)
    inquiry.wanted = True
    seen = []
    while inquiry.is_due(state):
        inquiry.advance(state)
        seen.append(inquiry.result)
    assert seen == [("a", 0), ("a", 1), ("a", 2), ("a", 2)]
    assert inquiry.finished
    state.about = "b"
    assert inquiry.is_due(state)
    inquiry.advance(state)
    assert inquiry.result == ("b", 0)
    state.about = None
    assert not inquiry.is_due(state)
    assert not inquiry.is_about(state)


def test_what_goes_wrong_in_an_inquiry_is_said_once() -> None:
    def fail(state):
        raise MlmVizError(state.about)
        yield

    state = Told()
    inquiry = Inquiry(lambda s: s.about, fail)
    inquiry.wanted = True
    inquiry.advance(state)
    assert (inquiry.error, inquiry.result, inquiry.finished) == ("a", None, True)
    assert not inquiry.is_due(state)
    state.about = "b"
    inquiry.advance(state)
    assert inquiry.error == "b"


def test_an_old_answer_is_none_to_a_new_question() -> None:
    def slowly(state):
        yield None
        yield state.about

    state = Told()
    inquiry = Inquiry(lambda s: s.about, slowly)
    inquiry.wanted = True
    while inquiry.is_due(state):
        inquiry.advance(state)
    assert inquiry.is_about(state)
    state.about = "b"
    inquiry.advance(state)
    assert (inquiry.result, inquiry.finished, inquiry.is_about(state)) == (None, False, False)
    inquiry.advance(state)
    assert (inquiry.result, inquiry.is_about(state)) == ("b", True)


def test_what_should_not_happen_in_an_inquiry_is_said_and_no_answer() -> None:
    def fail(state):
        yield "half"
        raise MemoryError("no room")

    state = Told()
    inquiry = Inquiry(lambda s: s.about, fail)
    inquiry.wanted = True
    inquiry.advance(state)
    assert inquiry.result == "half"
    inquiry.advance(state)
    assert "no room" in inquiry.error
    assert (inquiry.result, inquiry.finished, inquiry.is_due(state)) == (None, True, False)
    assert inquiry.is_about(state), "so the error is shown"


def test_an_inquiry_that_is_interrupted_is_asked_anew() -> None:
    def interrupted(state):
        yield "half"
        if state.about == "a":
            raise KeyboardInterrupt
        yield "whole"

    state = Told()
    inquiry = Inquiry(lambda _: "always", interrupted)
    inquiry.wanted = True
    inquiry.advance(state)
    with pytest.raises(KeyboardInterrupt):
        inquiry.advance(state)
    state.about = "b"
    while inquiry.is_due(state):
        inquiry.advance(state)
    assert (inquiry.result, inquiry.finished) == ("whole", True)
