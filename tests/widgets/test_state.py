"""The explorer's state: what each action costs, what it keeps, and what it says when something is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

import mlm_viz
from mlm_viz.errors import MlmVizError, TextError, WordError, attempt
from mlm_viz.masking import Masking
from mlm_viz.model import Model
from mlm_viz.results import SlotPrediction
from mlm_viz.state import ExplorerState
from tests.widgets.conftest import TEXT, Calls, until_settled

Action = Callable[[ExplorerState], object]


def labels(state: ExplorerState) -> list[str]:
    assert state.sentence is not None
    return [state.sentence.labels[p] for p in state.masking.positions]


def where(state: ExplorerState, label: str) -> int:
    assert state.sentence is not None
    return state.sentence.labels.index(label)


def same(a: SlotPrediction | None, b: SlotPrediction | None) -> bool:
    """Whether the two are the same distribution."""
    return a is not None and b is not None and np.array_equal(a.log2_probs, b.log2_probs)


def three_ways(model: Model) -> Masking:
    """`TEXT` with one token masked, one replaced and one kept."""
    vocabulary = model.vocabulary
    return Masking(
        (2, 4, 6),
        ("masked", "replaced", "kept"),
        (vocabulary.mask_id or 0, vocabulary.ids["dog"], vocabulary.ids["paris"]),
    )


# --- one action, one call ---------------------------------------------------------------------------------------------


def test_opening_costs_one_call(tiny_bert: Model, calls: Calls) -> None:
    ExplorerState(tiny_bert, TEXT)
    assert calls() == 0  # nothing is masked and nobody looks at heads: there is nothing to ask
    ExplorerState(tiny_bert, "the ____ day")
    assert calls() == 1


@pytest.mark.parametrize(
    ("action", "cost"),
    [
        (lambda s: s.set_marks({2: "masked"}, 2), 1),
        (lambda s: s.set_marks({}, -1), 0),
        (lambda s: s.set_masked([3]), 1),
        (lambda s: s.set_masked(["france"]), 1),
        (lambda s: s.set_masked(["paris"]), 0),  # masked already
        (lambda s: s.set_text("the capital of france was paris"), 1),
        (lambda s: s.set_text(TEXT), 0),
        (lambda s: s.select(-1), 0),
        (lambda s: s.show_head(1, 2), 0),
        (lambda s: s.want(attention=True), 1),
        (lambda s: s.want(attention=False), 0),
        (lambda s: s.pin(), 0),
        (lambda s: s.unpin(), 0),
        (lambda s: s.ask_word("london"), 0),  # one piece: its probability is known
        (lambda s: s.settle(), 0),
    ],
)
def test_what_an_action_costs(tiny_bert: Model, calls: Calls, action: Action, cost: int) -> None:
    state = ExplorerState(tiny_bert, TEXT, ["paris"])
    calls()
    action(state)
    assert calls() == cost
    assert not state.error


def test_with_the_heads_open_a_click_is_still_one_call(tiny_bert: Model, calls: Calls) -> None:
    state = ExplorerState(tiny_bert, TEXT, ["paris"])
    state.want(attention=True)
    calls()
    state.set_marks({2: "masked"}, 2)
    assert calls() == 1
    assert state.attention is not None
    assert state.attention.labels[2] == "[MASK]"
    assert state.attention.weights.shape[:2] == (tiny_bert.layers, tiny_bert.heads)


def test_heads_are_kept_while_the_panel_is_closed_and_opened(tiny_bert: Model, calls: Calls) -> None:
    state = ExplorerState(tiny_bert, TEXT, ["paris"])
    state.want(attention=True)
    calls()
    state.want(attention=False)
    state.want(attention=True)
    assert calls() == 0


def test_joint_fills_cost_a_call_a_slot_and_only_with_two(tiny_bert: Model, calls: Calls) -> None:
    state = ExplorerState(tiny_bert, TEXT, ["paris"])
    assert calls() == 1
    assert state.joint is None
    state.set_marks({2: "masked", 3: "masked"}, 3)
    assert state.joint is not None
    assert calls() == 1 + 2
    state.select(2)
    assert calls() == 0
    state.want(joint=False)
    state.set_marks({2: "masked", 4: "masked"}, 4)
    assert calls() == 1
    assert state.joint is None


def test_replaced_and_kept_tokens_are_no_slots_to_fill(tiny_bert: Model) -> None:
    state = ExplorerState(tiny_bert, TEXT)
    state.set_masked(three_ways(tiny_bert))
    assert len(state.masking) == 3
    assert state.joint is None


def test_the_sweep_runs_only_when_wanted_and_when_the_text_changes(tiny_bert: Model, calls: Calls) -> None:
    state = ExplorerState(tiny_bert, TEXT, ["paris"])
    assert calls() == 1
    assert state.sweep is None
    state.want(surprisal=True)
    assert calls() == 1  # a short text is one batch
    assert state.sweep is not None
    assert state.sentence is not None
    assert list(state.sweep.positions) == list(state.sentence.maskable)
    state.set_marks({2: "masked"}, 2)
    assert calls() == 1
    state.set_text("the capital of france was paris")
    assert calls() == 1 + 1
    state.want(surprisal=False)
    state.set_text(TEXT)
    assert calls() == 1
    assert state.sweep is None


# --- merging ----------------------------------------------------------------------------------------------------------


def test_two_hundred_clicks_are_merged_and_the_last_wins(tiny_bert: Model, calls: Calls) -> None:
    async def clicks() -> tuple[ExplorerState, list[bool]]:
        state = ExplorerState(tiny_bert, TEXT)
        await until_settled(state)
        marks: dict[int, str] = {}
        stale = []
        for number in range(200):
            at = 1 + number % 7
            if marks.pop(at, None) is None:
                marks[at] = "masked"
            state.set_marks(dict(marks), at if at in marks else -1)
            stale.append(state.stale)
        assert state.prediction is None, "nothing has been computed while clicks came in"
        await until_settled(state)
        return state, stale

    state, stale = asyncio.run(clicks())
    # 200 clicks over 7 chips: chips 1 to 4 were clicked 29 times, the others 28.
    assert state.masking.positions == (1, 2, 3, 4)
    assert all(stale)
    assert not state.stale
    assert state.prediction is not None
    assert state.prediction.positions == (1, 2, 3, 4)
    assert calls() == 1 + 4, "one look, and the joint fills of four slots"


def test_what_comes_between_two_steps_is_looked_at_first(tiny_bert: Model) -> None:
    async def run() -> list[str]:
        state = ExplorerState(tiny_bert, TEXT, [1, 2])
        told: list[str] = []
        state.observe(lambda change: told.append(f"joint {change['new'] is not None}"), "joint")
        state.observe(lambda change: told.append(f"looked {len(change['new'])}"), "prediction")
        while not told:
            await asyncio.sleep(0)
        assert told == ["looked 2"]
        state.set_marks({1: "masked", 2: "masked", 3: "masked"}, 3)
        await until_settled(state)
        return told

    assert asyncio.run(run()) == ["looked 2", "looked 3", "joint True"]


def test_reading_through_settle_sees_the_last_change(tiny_bert: Model) -> None:
    async def run() -> ExplorerState:
        state = ExplorerState(tiny_bert, TEXT)
        state.set_masked([1])
        state.set_masked([2])
        state.settle()
        return state

    state = asyncio.run(run())
    assert state.prediction is not None
    assert state.prediction.positions == (2,)
    assert not state.stale


@settings(max_examples=20)  # each makes two states of up to six looks
@given(groups=st.lists(st.sets(st.integers(1, 9), max_size=4), min_size=1, max_size=6))
def test_merged_or_not_the_end_is_the_same(tiny_bert: Model, groups: list[set[int]]) -> None:
    async def merged() -> ExplorerState:
        state = ExplorerState(tiny_bert, TEXT)
        for group in groups:
            state.set_marks(dict.fromkeys(group, "masked"), min(group, default=-1))
        await until_settled(state)
        return state

    one_by_one = ExplorerState(tiny_bert, TEXT)
    for group in groups:
        one_by_one.set_marks(dict.fromkeys(group, "masked"), min(group, default=-1))
    together = asyncio.run(merged())
    assert together.masking == one_by_one.masking
    assert together.slot == one_by_one.slot
    assert (together.prediction is None) == (one_by_one.prediction is None)
    if together.prediction is not None and one_by_one.prediction is not None:
        np.testing.assert_array_equal(together.prediction.log2_probs, one_by_one.prediction.log2_probs)


# --- what an edit keeps -----------------------------------------------------------------------------------------------


def test_an_edit_keeps_masks_slot_and_ghost_of_the_tokens_that_stay(tiny_bert: Model) -> None:
    state = ExplorerState(tiny_bert, TEXT, ["france", "paris"])
    state.select(where(state, "paris"))
    old = state.shown
    state.set_text("the very big capital of france is paris, a good day.")
    assert labels(state) == ["france", "paris"]
    assert state.sentence is not None
    assert state.sentence.labels[state.slot] == "paris"
    assert same(state.before, old)
    assert state.shown is not None
    assert old is not None
    assert state.shown.position == old.position + 2


def test_an_edit_drops_the_masks_of_the_tokens_that_go(tiny_bert: Model) -> None:
    state = ExplorerState(tiny_bert, TEXT, ["france", "paris"])
    state.select(where(state, "paris"))
    state.set_text("the capital of france is nice")
    assert labels(state) == ["france"]
    assert state.slot == where(state, "france")


@pytest.mark.parametrize("unreadable", ["", "the " * 200])
def test_a_text_that_cannot_be_read_for_a_moment_costs_no_masks(tiny_bert: Model, unreadable: str) -> None:
    state = ExplorerState(tiny_bert, TEXT, ["france", "paris"])
    state.select(6)
    masking = state.masking
    state.set_text(unreadable)
    assert state.error
    assert state.masking.positions == ()
    state.set_text(TEXT)
    assert (state.masking, state.slot, state.error) == (masking, 6, "")
    state.set_masked([])
    state.set_text(unreadable)
    state.set_text(TEXT)
    assert state.masking.positions == ()


def test_an_edit_keeps_how_a_token_was_treated(tiny_bert: Model) -> None:
    state = ExplorerState(tiny_bert, TEXT, three_ways(tiny_bert))
    assert state.sentence is not None
    before = {state.sentence.labels[p]: (a, i) for p, a, i in state.masking.rows()}
    state.set_text("very " + TEXT)
    after = {state.sentence.labels[p]: (a, i) for p, a, i in state.masking.rows()}
    assert before == after
    assert {action for action, _ in after.values()} == {"masked", "replaced", "kept"}


def test_typed_blanks_are_slots_whatever_is_asked(tiny_bert: Model) -> None:
    state = ExplorerState(tiny_bert, "the ____ of france is [MASK]")
    assert state.sentence is not None
    blanks = state.sentence.blanks
    assert state.masking.positions == blanks
    state.set_masked(())
    assert state.masking.positions == blanks
    state.set_marks({}, -1)
    assert state.masking.positions == blanks
    state.mask_at_random(seed=1)
    assert set(blanks) < set(state.masking.positions)
    state.set_text("the ____ of france")
    assert set(state.sentence.blanks) <= set(state.masking.positions)


def test_random_masks_are_reproducible_and_of_three_kinds(tiny_bert: Model) -> None:
    state = ExplorerState(tiny_bert, TEXT)
    chosen = []
    for seed in (0, 1, 0):
        state.set_masked(())
        state.mask_at_random(seed)
        chosen.append(state.masking)
    assert chosen[0] == chosen[2] != chosen[1]
    actions = set()
    for seed in range(40):
        state.mask_at_random(seed)
        actions.update(state.masking.actions)
    assert actions == {"masked", "replaced", "kept"}


def test_a_click_leaves_alone_how_others_were_treated(tiny_bert: Model) -> None:
    state = ExplorerState(tiny_bert, TEXT, three_ways(tiny_bert))
    marks: dict[int, str] = dict(state.masking.action_at())
    free = next(p for p in range(1, 12) if p not in marks)
    before = state.masking
    state.set_marks({**marks, free: "masked"}, free)
    assert state.masking.moved({p: p for p in before.positions}) == before
    kept = next(p for p, action in marks.items() if action == "kept")
    state.set_marks({**marks, kept: "masked"}, kept)  # unmasked and masked again before anybody looked
    assert state.masking.action_at()[kept] == "masked"


def test_the_previous_distribution_is_the_ghost(tiny_bert: Model) -> None:
    state = ExplorerState(tiny_bert, TEXT, ["paris"])
    assert state.before is None
    first = state.shown
    slot = state.slot
    state.set_marks({2: "masked", slot: "masked"}, slot)
    assert same(state.before, first)
    assert not same(state.shown, first)
    state.want(attention=True)  # another look at the same sentence moves nothing
    assert same(state.before, first)


def test_a_pinned_distribution_is_compared_by_js_divergence(tiny_bert: Model) -> None:
    state = ExplorerState(tiny_bert, TEXT, ["paris"])
    state.pin()
    pinned = state.shown
    assert same(state.baseline, pinned)
    assert pinned is not None
    assert state.divergence == 0
    for text in ("the capital of france is paris", "the dog of france runs paris"):
        state.set_text(text)
        assert same(state.before, pinned)
        assert state.shown is not None
        expected = jensenshannon(state.shown.probabilities, pinned.probabilities, base=2) ** 2
        assert state.divergence == pytest.approx(expected, abs=1e-6)
        assert 0 < state.divergence <= 1
    state.unpin()
    assert not same(state.before, pinned)


def test_with_nothing_shown_there_is_nothing_to_pin(tiny_bert: Model) -> None:
    state = ExplorerState(tiny_bert, TEXT)
    state.pin()
    assert state.baseline is None
    assert state.divergence is None


# --- a word -----------------------------------------------------------------------------------------------------------


def test_a_word_is_scored_and_follows_the_slot(tiny_bert: Model) -> None:
    state = ExplorerState(tiny_bert, TEXT, ["paris"])
    state.ask_word(" london ")
    expected = mlm_viz.predict(TEXT, tiny_bert, masked=["paris"]).score("london")
    assert state.word_score.probability == pytest.approx(expected.probability, rel=1e-6)
    assert state.word_score.rank == expected.rank
    state.set_masked(["france"])
    assert state.word_score.probability != expected.probability
    state.set_masked(())
    assert state.word_score is None
    state.ask_word("")
    assert state.word_score is None


def test_a_word_that_cannot_be_spelled_is_said_so(tiny_bert: Model) -> None:
    state = ExplorerState(tiny_bert, TEXT, ["paris"])
    state.ask_word("2024")
    assert state.word_score is None
    assert "cannot spell '2024'" in state.word_error
    assert not state.error
    state.ask_word("london")
    assert not state.word_error


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u200b"])
def test_an_empty_text_is_a_sentence(tiny_bert: Model, text: str) -> None:
    state = ExplorerState(tiny_bert, TEXT, ["paris"])
    state.set_text(text)
    assert "no text" in state.error
    assert state.text == text
    assert (state.sentence, state.prediction, state.slot, state.stale) == (None, None, -1, False)
    state.set_text(TEXT)
    assert not state.error


def test_a_long_text_says_how_long_and_how_long_it_may_be(tiny_bert: Model) -> None:
    text = "the " * 60 + "day"
    state = ExplorerState(tiny_bert, text)
    assert "63 tokens" in state.error
    assert f"at most {tiny_bert.limit}" in state.error
    assert state.text == text


def test_without_a_slot_nothing_is_wrong(tiny_bert: Model) -> None:
    state = ExplorerState(tiny_bert, TEXT)
    assert not state.error
    assert state.prediction is None
    assert state.shown is None


def test_nothing_is_done_to_no_text(tiny_bert: Model, calls: Calls) -> None:
    state = ExplorerState(tiny_bert, "")
    state.set_masked([1])
    state.set_marks({1: "masked"}, 1)
    state.mask_at_random(1)
    state.want(attention=True, surprisal=True)
    state.pin()
    state.ask_word("london")
    state.settle()
    assert calls() == 0
    assert state.masking == Masking()
    assert not state.stale


def test_a_model_without_a_head_is_refused_by_name_of_its_tensors(headless: Model) -> None:
    state = ExplorerState(headless, "the ____ day")
    assert "cls.predictions" in state.error
    assert state.prediction is None
    state.want(attention=True, surprisal=True)
    assert state.attention is not None
    assert state.attention.weights.sum(axis=-1) == pytest.approx(1, abs=1e-5)
    assert state.sweep is None
    state.set_marks({1: "masked"}, 1)
    assert "cls.predictions" in state.error
    assert state.joint is None


def test_a_tokenizer_without_a_mask_token_masks_nothing(maskless: Model) -> None:
    state = ExplorerState(maskless, "the good day")
    state.settle()
    assert "no mask token" in state.error
    state.set_marks({1: "masked"}, 1)
    state.mask_at_random(1)
    assert "no mask token" in state.error
    assert state.masking == Masking()
    state.want(attention=True)
    assert state.attention is not None


def test_marks_on_tokens_that_are_gone_are_passed_over(tiny_bert: Model) -> None:
    state = ExplorerState(tiny_bert, "the good day")
    state.set_marks({0: "masked", 2: "masked", 99: "masked"}, 99)
    assert state.masking.positions == (2,)
    assert state.slot == -1
    assert not state.error


def test_what_should_not_happen_is_a_sentence_too(
    tiny_bert: Model, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    state = ExplorerState(tiny_bert, TEXT)

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(tiny_bert, "forward", fail)
    state.set_masked(["paris"])
    assert "out of memory" in state.error
    assert not state.stale
    assert state.text == TEXT
    assert "Traceback" not in capfd.readouterr().err
    monkeypatch.undo()
    state.set_masked(["france"])
    assert not state.error
    assert state.prediction is not None


def no_room(*_: Any, **__: Any) -> Any:
    raise RuntimeError("no room")


def test_a_look_that_fails_leaves_no_numbers_of_another_text(tiny_bert: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    state = ExplorerState(tiny_bert, TEXT, ["paris", "france"])
    state.want(attention=True)
    state.ask_word("london")
    assert state.word_score is not None
    monkeypatch.setattr(tiny_bert, "forward", no_room)
    state.set_text("the capital of france was paris")
    assert "no room" in state.error
    assert (state.prediction, state.attention, state.word_score, state.stale) == (None, None, None, False)
    assert not state.joint_due
    monkeypatch.undo()
    state.set_text(TEXT)
    assert not state.error
    assert state.joint is not None
    assert state.word_score is not None


def test_joint_fills_that_fail_are_given_up_until_the_next_look(
    tiny_bert: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(*_: Any, **__: Any) -> Any:
        yield None
        no_room()

    state = ExplorerState(tiny_bert, TEXT)
    monkeypatch.setattr("mlm_viz.state.fill_in_parts", half)
    state.set_masked(["france", "paris"])
    assert "no room" in state.error
    assert not state.joint_due
    state.select(6)
    assert "no room" in state.error
    monkeypatch.undo()
    state.set_masked(["capital", "paris"])
    assert not state.error
    assert state.joint is not None


def test_a_sweep_that_fails_begins_anew(tiny_bert: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        no_room()
        yield

    state = ExplorerState(tiny_bert, TEXT, ["paris"])
    with monkeypatch.context() as patch:
        patch.setattr("mlm_viz.state.sweep_in_parts", broken)
        state.want(surprisal=True)
        assert "no room" in state.error
        state.select(6)
        assert "no room" in state.error
    state.set_masked(["france"])
    assert not state.error
    assert state.sweep is not None


def test_what_should_not_happen_to_a_word_is_a_sentence_too(tiny_bert: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    state = ExplorerState(tiny_bert, TEXT, ["paris"])
    monkeypatch.setattr(SlotPrediction, "score", no_room)
    state.ask_word("london")
    assert "no room" in state.word_error
    assert state.word_score is None


def test_what_is_attempted_comes_out_as_a_result_or_a_sentence() -> None:
    def refuse() -> None:
        raise MlmVizError

    assert attempt(lambda: 3) == (3, "")
    assert attempt(refuse) == (None, "MlmVizError"), "never an empty one"
    assert "RuntimeError: no room" in attempt(no_room)[1]


@pytest.mark.parametrize("masked", [[99], [0], [-1], ["dog"], [1.5], [None], None, object(), "zzz"])
def test_wrong_masks_from_python_raise_and_change_nothing(tiny_bert: Model, masked: Any) -> None:
    state = ExplorerState(tiny_bert, TEXT, ["paris"])
    before = state.masking
    with pytest.raises((TextError, WordError)):
        state.set_masked(masked)
    assert state.masking == before
    assert not state.stale
    with pytest.raises((TextError, WordError)):
        ExplorerState(tiny_bert, TEXT, masked)


@pytest.mark.parametrize("position", [0, 99])
def test_a_masking_of_another_text_is_refused(tiny_bert: Model, position: int) -> None:
    state = ExplorerState(tiny_bert, TEXT)
    with pytest.raises(TextError):
        state.set_masked(Masking((position,), ("masked",), (4,)))


@pytest.mark.parametrize("head", [(99, 0), (0, 99), (-1, 0), ("a", 0), (None, None)])
def test_a_head_that_is_not_there_raises(tiny_bert: Model, head: tuple[Any, Any]) -> None:
    state = ExplorerState(tiny_bert, TEXT)
    with pytest.raises(MlmVizError):
        state.show_head(*head)
    assert (state.layer, state.head) == (0, 0)


@pytest.mark.parametrize("text", [3, None, b"the day", ["the day"]])
def test_a_text_is_a_string(tiny_bert: Model, text: Any) -> None:
    with pytest.raises(TextError):
        ExplorerState(tiny_bert, text)
    state = ExplorerState(tiny_bert, TEXT)
    with pytest.raises(TextError):
        state.set_text(text)
    assert state.text == TEXT
