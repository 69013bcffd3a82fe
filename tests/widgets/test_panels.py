"""What stands in the panels: names for screen readers, and no text that becomes markup."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from html.parser import HTMLParser

import ipywidgets
import plotly.graph_objects as go
import pytest
from hypothesis import example, given, settings

from mlm_viz.model import Model
from mlm_viz.strings import say
from mlm_viz.widgets import markup
from mlm_viz.widgets.explorer import Explorer, explore
from mlm_viz.widgets.picture import Picture
from tests.unit.test_hostile import ANY_TEXT
from tests.widgets.conftest import TEXT, until_settled

CONTROLS = (
    ipywidgets.Text,
    ipywidgets.Textarea,
    ipywidgets.Dropdown,
    ipywidgets.BoundedIntText,
    ipywidgets.ToggleButton,
    ipywidgets.Button,
)
# What the panels build with, and what bertviz's frame is made of.
TAGS = {"p", "ul", "li", "span", "b", "pre", "table", "caption", "thead", "tbody", "tr", "th", "td", "style", "iframe"}
ATTRIBUTES = {"class", "role", "scope", "sandbox", "title", "style", "srcdoc"}
HOSTILE = (
    "<script>alert(1)</script> ____",
    '"><img src=x onerror=alert(2)> ____',
    "</script></style></pre><svg onload=alert(3)>",
    "'><iframe srcdoc='<script>alert(4)</script>'> [MASK]",
    "<b>&lt;b&gt;&amp;</b> <!-- ____ -->",
    "<a href='javascript:alert(5)'>____</a>",
)


class Read(HTMLParser):
    """The tags, attributes and text of a piece of HTML."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.tags.add("!--")


def everything(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    """A widget and all in it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from everything(child)


def is_faded(widget: ipywidgets.DOMWidget) -> bool:
    """Whether it looks old."""
    return "mlmviz-stale" in getattr(widget, "_dom_classes", ())


def opened(text: str, model: Model) -> Explorer:
    """An explorer with everything open."""
    explorer = explore(text, model)
    explorer.text_panel.random.click()
    explorer.text_panel.surprisal.value = True
    explorer.prediction_panel.as_text.value = True
    explorer.prediction_panel.pin.value = True
    explorer.attention_panel.opener.value = True
    explorer.attention_panel.as_text.value = True
    return explorer


def check(explorer: Explorer) -> None:
    """No widget's HTML holds a tag or attribute but those the panels build with."""
    for widget in everything(explorer):
        if isinstance(widget, ipywidgets.HTML):
            read = Read(widget.value)
            assert read.tags <= TAGS, widget.value[:500]
            assert read.attributes <= ATTRIBUTES, widget.value[:500]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text_everywhere(text: str, tiny_bert: Model) -> None:
    check_everywhere(text, tiny_bert)


def test_hostile_text_is_text_everywhere_with_the_bundled_model(bundled: Model) -> None:
    check_everywhere(" ".join(HOSTILE), bundled)


def check_everywhere(text: str, model: Model) -> None:
    explorer = opened(text, model)
    explorer.prediction_panel.word.value = text
    for view in ("head", "model"):
        explorer.attention_panel.bertviz.value = view
        check(explorer)
    explorer.masked = ()
    check(explorer)


@settings(max_examples=20)  # each opens an explorer
@given(text=ANY_TEXT, word=ANY_TEXT)
@example(text="\ud800 <b> ____", word="<b>")
def test_any_text_is_text_everywhere(tiny_bert: Model, text: str, word: str) -> None:
    explorer = opened(text, tiny_bert)
    explorer.prediction_panel.word.value = word
    check(explorer)


def test_a_hostile_word_is_repeated_as_it_is(tiny_bert: Model) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["paris"])
    word = "<b>2024</b>"
    explorer.prediction_panel.word.value = word
    assert repr(word) in Read(explorer.prediction_panel.answer.value).text


def test_a_hostile_name_of_a_model_is_text(tiny_bert: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiny_bert, "name", "<img src=x onerror=alert(1)>")
    explorer = explore(TEXT, tiny_bert)
    assert Read(explorer.text_panel.model.value).tags == {"p"}
    assert tiny_bert.name in Read(explorer.text_panel.model.value).text


def test_every_control_has_a_name_and_every_frame_a_title(tiny_bert: Model) -> None:
    explorer = opened(TEXT, tiny_bert)
    controls = [widget for widget in everything(explorer) if isinstance(widget, CONTROLS)]
    assert len(controls) >= 12
    for control in controls:
        assert control.description or control.tooltip, control
    names = [control.description or control.tooltip for control in controls]
    assert len(set(names)) == len(names) - 1, "only the two buttons that show a picture as text are called the same"
    explorer.attention_panel.bertviz.value = "head"
    assert 'title="bertviz head view of layer 1"' in explorer.attention_panel.frame.children[0].value


def test_what_changes_by_itself_is_said(tiny_bert: Model) -> None:
    explorer = explore("", tiny_bert)
    assert 'role="status"' in explorer.text_panel.problem.value
    assert 'role="status"' in explorer.prediction_panel.stage.words.value


def test_the_original_is_named_with_its_numbers(tiny_bert: Model) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["paris"])
    score = explorer.shown.original_score if explorer.shown is not None else None
    assert score is not None
    text = Read(explorer.prediction_panel.numbers.value).text
    assert say("prediction.original") in text
    assert "paris" in text
    assert str(score.rank) in text
    assert f"{score.surprisal:.2f} bits" in text
    explorer.text = "the ____ day"
    assert say("prediction.unknown") in Read(explorer.prediction_panel.numbers.value).text


def test_the_picture_as_text_says_what_the_picture_shows(tiny_bert: Model) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["paris"])
    panel = explorer.prediction_panel
    assert panel.text.value == ""
    panel.as_text.value = True
    assert explorer.shown is not None
    for word in explorer.shown.top(3)["token"]:
        assert word in Read(panel.text.value).text
    panel.as_text.value = False
    assert panel.text.value == ""


def test_the_joint_fills_stand_beside_the_independent_ones(tiny_bert: Model) -> None:
    explorer = explore(TEXT, tiny_bert, masked=["france", "paris"])
    joint = explorer.joint
    assert joint is not None
    read = Read(explorer.prediction_panel.joint.value)
    for fill in range(len(joint.fills)):
        for word in joint.words(fill):
            assert word in read.text
    assert say("joint.together") in read.text
    explorer.masked = ["france"]
    assert explorer.prediction_panel.joint.value == ""


def test_the_theme_of_the_page_reaches_the_pictures(tiny_bert: Model) -> None:
    explorer = opened(TEXT, tiny_bert)
    explorer.attention_panel.bertviz.value = "model"
    light = explorer.attention_panel.frame.children[0].value
    explorer.strip.set_state({"dark": True})
    assert explorer.prediction_panel.dark
    assert explorer.attention_panel.dark
    assert explorer.attention_panel.frame.children[0].value != light


def test_a_discarded_widget_leaves_nothing() -> None:
    from ipywidgets.widgets.widget import _instances

    before = len(_instances)
    made = markup.html("text")
    assert len(_instances) > before
    markup.discard(made)
    assert len(_instances) == before


def test_discarding_takes_along_all_there_is_in_a_widget() -> None:
    from ipywidgets.widgets.widget import _instances

    picture = Picture(100)
    picture.present(go.Figure(go.Bar(y=[1])))
    before = len(_instances)
    other = Picture(100)
    other.present(go.Figure(go.Bar(y=[1])))
    markup.discard(markup.row([markup.html("text"), other]))
    assert len(_instances) == before


def test_a_figure_of_another_build_takes_the_place_of_the_old_one() -> None:
    picture = Picture(100)
    old = picture.present(go.Figure(go.Bar(y=[1])))
    new = picture.present(go.Figure(go.Scatter(y=[1])))
    assert picture.picture.children == (new,)
    assert (old.comm, new.comm is None) == (None, False)


# --- what looks old ---------------------------------------------------------------------------------------------------


def test_until_an_edit_is_answered_everything_looks_old(tiny_bert: Model) -> None:
    async def journey() -> None:
        explorer = opened("the ____ of ____ is paris", tiny_bert)
        explorer.state.ask_word("london")
        explorer.attention_panel.bertviz.value = "head"
        one, other = explorer.prediction_panel, explorer.attention_panel
        parts = [one.numbers, one.stage, one.answer, one.text, one.joint]
        parts += [other.summary, other.stage, other.text, other.frame]
        await until_settled(explorer.state)
        assert all(part.children if hasattr(part, "children") else part.value for part in parts)
        assert not any(map(is_faded, parts))
        assert not other.grid.stale
        explorer.text = "the ____ of ____ is london"
        assert all(map(is_faded, parts))
        assert other.grid.stale
        while explorer.state.stale:
            await asyncio.sleep(0)
        assert is_faded(one.joint), "the old table stays until there is a new one"
        await until_settled(explorer.state)
        assert not any(map(is_faded, parts))
        assert not other.grid.stale

    asyncio.run(journey())


def test_attention_of_an_older_text_looks_old_when_it_is_opened_again(tiny_bert: Model) -> None:
    async def journey() -> None:
        explorer = opened("the ____ day", tiny_bert)
        panel = explorer.attention_panel
        await until_settled(explorer.state)
        panel.opener.value = False
        explorer.text = "the ____ day in london"
        await until_settled(explorer.state)
        panel.opener.value = True
        assert is_faded(panel.stage)
        assert panel.grid.stale
        await until_settled(explorer.state)
        assert len(explorer.state.attention.labels) == 7
        assert not is_faded(panel.stage)
        explorer.text = ""
        assert not is_faded(panel.stage), "a sentence stands there"
        panel.opener.value = False
        explorer.text = "the ____ day"
        await until_settled(explorer.state)
        assert not any(map(is_faded, everything(explorer))), "what is closed does not wait for anything"

    asyncio.run(journey())


def test_beside_an_error_no_numbers_of_an_older_text_stand(tiny_bert: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = opened("the ____ of ____ is paris", tiny_bert)
    assert explorer.joint is not None

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(tiny_bert, "forward", fail)
    explorer.text = "the ____ of ____ is london"
    assert "no room" in explorer.text_panel.problem.value
    assert say("prediction.nothing") in explorer.prediction_panel.stage.words.value
    assert explorer.prediction_panel.joint.value == ""
    assert explorer.strip.guesses == {}
    assert is_faded(explorer.attention_panel.stage)
    monkeypatch.undo()
    explorer.text = "the ____ of ____ is good"
    assert explorer.joint is not None
    assert not is_faded(explorer.attention_panel.stage)
