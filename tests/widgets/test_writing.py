"""Writing on the page: streamed, stopped, begun again, and nothing that goes wrong is a riddle; no page needed."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mlm_viz
from mlm_viz.errors import ModelError, TextError
from mlm_viz.figures.labels import ems
from mlm_viz.gaps import Gap
from mlm_viz.readers import as_reader
from mlm_viz.steps import ORDERS
from mlm_viz.strings import say
from mlm_viz.widgets.writing import PROMPTS, WritingView, show_writing
from mlm_viz.widgets.writing_cards import card, cards_text
from mlm_viz.writing import Writing, Writings

ENGLISH, CHINESE = "the weather today is", "今天天气很"
HOSTILE = '<img src=x onerror="alert(1)">'


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def models(tiny_dir: Callable[[str], Path]) -> dict[str, Any]:
    kinds: tuple[Any, ...] = ("causal", "span", "masked")
    return {kind: as_reader(tiny_dir(kind), kind) for kind in kinds}


def open_view(models: dict[str, Any], prompt: str = ENGLISH, **how: Any) -> WritingView:
    return show_writing(prompt, models, **{"words": 3, "orders": ("left_to_right",), **how})


def plain(markup: str) -> str:
    return re.sub(r"<[^>]*>", " ", markup)


@pytest.mark.parametrize("prompt", [ENGLISH, CHINESE, "the ____ is nice.", "今天____，我们去公园。"])
def test_all_write_side_by_side_with_their_numbers(models: dict[str, Any], prompt: str) -> None:
    view = open_view(models, prompt, orders=ORDERS, seed=2)  # without a loop all is done at once
    alone = mlm_viz.write(prompt, models, words=3, seed=2)
    assert view.writings is not None
    assert [one.text for one in view.writings.written] == [one.text for one in alone.written]
    assert list(view.cards) == ["causal", "span", *ORDERS]
    for one in alone.written:
        shown = plain(view.cards[one.writer].value)
        assert say(f"writing.writer.{one.writer}") in shown
        if one.words:
            assert f"{one.value('causal'):.2f}" in shown
            assert f"{one.value('masked'):.2f}" in shown
    assert say("writing.status.done", seed=2) in view.status.value
    assert not view.busy
    assert view.stop.disabled


def test_the_text_grows_word_by_word_and_only_its_card_is_sent(models: dict[str, Any]) -> None:
    async def watch() -> dict[str, list[str]]:
        view = open_view(models, words=6, temperature=1.5)
        sent: dict[str, list[str]] = {name: [] for name in view.cards}
        for name, part in view.cards.items():
            part.observe(lambda change, name=name: sent[name].append(change["new"]), "value")
        while view.busy:
            await asyncio.sleep(0.001)
        return sent

    sent = asyncio.run(watch())
    assert len(sent["causal"]) > 4
    texts = [re.search(r"</span><b>([^<]*)</b><span>", markup) for markup in sent["causal"]]
    grown = [found.group(1) for found in texts if found]
    assert all(late.startswith(early) for early, late in itertools.pairwise(grown))
    assert len(set(grown)) > 3
    assert len(sent["left_to_right"]) <= 5  # begun, filled, judged


def test_stop_stops_and_keeps_what_is_there(models: dict[str, Any]) -> None:
    async def stop_it() -> tuple[WritingView, int]:
        view = open_view(models, words=12, orders=ORDERS)
        while view.writings is None or not view.writings["span"].text:
            await asyncio.sleep(0.001)
        assert view.busy
        assert not view.stop.disabled
        view.stop.click()
        calls = sum(reader.calls for reader in models.values())
        while view.scheduler._timer is not None:
            await asyncio.sleep(0)
        return view, sum(reader.calls for reader in models.values()) - calls

    view, calls = asyncio.run(stop_it())
    assert calls == 0
    assert not view.busy
    assert view.stop.disabled
    assert say("writing.status.stopped") in view.status.value
    assert view.writings is not None
    assert view.writings["causal"].finished
    assert not view.writings["gibbs"].finished
    assert 'data-busy="true"' not in "".join(part.value for part in view.cards.values())
    view.halt()  # a second time does nothing
    view.write.click()
    assert view.writings["gibbs"].finished


def test_a_new_start_drops_the_old_one(models: dict[str, Any]) -> None:
    async def restart() -> WritingView:
        view = open_view(models, words=8)
        while view.writings is None:
            await asyncio.sleep(0.001)
        view.prompt.value = CHINESE
        view.write.click()
        while view.busy:
            await asyncio.sleep(0.001)
        return view

    view = asyncio.run(restart())
    assert view.writings is not None
    assert view.writings.gap == Gap(CHINESE, "")
    assert CHINESE in view.cards["span"].value


def test_again_takes_the_next_seed_and_the_same_seed_the_same_text(models: dict[str, Any]) -> None:
    view = open_view(models, temperature=2.0, words=8)
    texts = [cards_text(view.writings)] if view.writings else []
    view.more.click()
    assert view.seed.value == 1
    texts.append(cards_text(view.writings) if view.writings else "")
    view.seed.value = 0
    view.write.click()
    texts.append(cards_text(view.writings) if view.writings else "")
    assert texts[0] == texts[2] != texts[1]
    view.seed.value = view.seed.max
    view.again()
    assert view.seed.value == 0


def test_the_sliders_are_heeded(models: dict[str, Any]) -> None:
    view = open_view(models, temperature=0.0)
    view.words.value, view.top_p.value, view.temperature.value = 2, 0.5, 1.0
    view.start()
    alone = mlm_viz.write(ENGLISH, models, words=2, top_p=0.5, temperature=1.0, orders=("left_to_right",))
    assert view.writings is not None
    assert [one.text for one in view.writings.written] == [one.text for one in alone.written]
    assert say("writing.how.masked", words=2) in view.cards["left_to_right"].value


@pytest.mark.parametrize(
    ("prompt", "said"),
    [("a ____ and ____", "There are 2 gaps"), ("un____ing", "splits a word"), ("the " * 70, "reads at most 64")],
)
def test_what_is_wrong_with_the_text_is_one_line(models: dict[str, Any], prompt: str, said: str) -> None:
    view = open_view(models, prompt)
    assert said in view.status.value
    assert view.status.value.count("<p") == 1
    assert "mlmviz-error" in view.status.value
    assert not view.busy
    view.prompt.value = ENGLISH
    view.write.click()
    assert say("writing.status.done", seed=0) in view.status.value


@pytest.mark.parametrize("when", ["begun", "under way"])
def test_what_should_not_happen_is_one_line_and_the_end(
    models: dict[str, Any], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def fail(*_: Any) -> Any:
        raise MemoryError("no room")

    def half(gap: Gap, *_: Any) -> Any:
        yield Writings(gap, (Writing("causal", "m", gap, " so far"),))
        fail()

    monkeypatch.setattr("mlm_viz.widgets.writing.write_in_steps", fail if when == "begun" else half)
    view = open_view(models)
    assert "no room" in view.status.value
    assert not view.busy
    assert view.stop.disabled
    assert 'data-busy="true"' not in "".join(part.value for part in view.cards.values())
    monkeypatch.undo()
    view.write.click()
    assert say("writing.status.done", seed=0) in view.status.value


def test_begun_again_it_does_not_say_that_all_have_written(models: dict[str, Any]) -> None:
    async def again() -> None:
        view = open_view(models)
        while view.busy:
            await asyncio.sleep(0)
        assert say("writing.status.done", seed=0) in view.status.value
        view.more.click()
        assert view.status.value.count(say("writing.status.busy", writer=say("writing.writer.causal"))) == 1
        view.stop.click()

    asyncio.run(again())


def test_numbers_and_models_that_cannot_be_are_raised(models: dict[str, Any]) -> None:
    with pytest.raises(TextError, match="top_p is 3"):
        open_view(models, top_p=3)
    with pytest.raises(TextError, match="words is 99"):
        open_view(models, words=99)
    with pytest.raises(ModelError, match="There is no role"):
        show_writing(ENGLISH, {"author": models["causal"]})
    assert open_view(models, top_p=0.001, temperature=7.0).top_p.value == 0.001


def test_every_control_has_a_name_and_examples_write(models: dict[str, Any]) -> None:
    view = open_view(models)
    for control in (view.temperature, view.top_p, view.words, view.seed, view.write, view.more, view.stop):
        assert control.description
        assert control.tooltip
    assert view.examples.tooltip
    for prompt in PROMPTS[3:]:
        view.examples.value = prompt
        assert view.prompt.value == prompt
        assert view.examples.value == ""
        assert view.writings is not None
        assert view.writings["span"].finished
    assert view.prompt.description


def test_the_cards_as_text(models: dict[str, Any]) -> None:
    view = open_view(models)
    assert view.text.value == ""
    view.as_text.value = True
    assert view.writings is not None
    for one in view.writings.written:
        assert one.whole in plain(view.text.value)
    view.start()
    assert view.text.value


def test_a_card_keeps_its_lines_whatever_is_known() -> None:
    empty = card(Writing("gibbs", "", Gap("", "")), words=5, busy=True)
    full = card(Writing("gibbs", "m", Gap("so", "."), " it is", finished=True), words=5, busy=False)
    assert empty.count("<li>") == full.count("<li>") == 5
    assert 'data-busy="true"' in empty
    assert 'tabindex="0"' in full
    long = card(Writing("causal", "m", Gap("a" * 999, "b" * 999), " c"), words=5, busy=False)
    assert len(plain(long)) < 800


def test_a_card_that_grows_shows_its_newest_words() -> None:
    for left, written in (
        ("word" + " word" * 30, " newest"),
        ("so", " long" * 40 + " newest"),
        ("今天天气很好" * 20, "所以"),
    ):
        one = Writing("causal", "m", Gap(left, ""), written)
        found = re.search(r"<p[^>]*><span>(.*?)</span><b>(.*?)</b>", card(one, words=12, busy=True))
        assert found is not None
        assert ems("".join(found.groups())) < 64
        assert written.endswith(found.group(2)[-6:])
        assert written in card(one, words=12, busy=False), "read from its beginning once it stands"
    short = card(Writing("causal", "m", Gap("so", ""), " it is"), words=12, busy=True)
    assert "<span>so</span><b> it is</b>" in short


def test_no_text_becomes_markup(models: dict[str, Any]) -> None:
    view = open_view(models, HOSTILE)
    view.as_text.value = True
    shown = "".join(part.value for part in [*view.cards.values(), view.status, view.text])
    assert "<img" not in shown
    assert "&lt;img" in shown
    shown = card(Writing("span", HOSTILE, Gap(HOSTILE, HOSTILE), HOSTILE, finished=True), words=3, busy=False)
    assert "<img" not in shown


def test_the_default_prompt_is_an_example(models: dict[str, Any]) -> None:
    assert show_writing(models=models, words=1, orders=()).prompt.value == PROMPTS[0]
