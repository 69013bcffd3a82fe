"""The comparison on the page, without a page: what a user does reaches every model once, and what is wrong is said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import ipywidgets
import numpy as np
import pytest

import mlm_viz
from mlm_viz.analysis.compare import compare, reveal_right
from mlm_viz.comparison import SIDES, Side
from mlm_viz.errors import MlmVizError, ModelError, TextError
from mlm_viz.examples import EXAMPLES as SENTENCES
from mlm_viz.figures.comparison import comparison_bars, comparison_caption, reveal_curves
from mlm_viz.gaps import Gap
from mlm_viz.strings import say
from mlm_viz.widgets.comparison import BARS, ComparisonPanel, show_comparison
from mlm_viz.widgets.comparison_fields import EXAMPLES
from mlm_viz.widgets.comparison_state import ComparisonState
from tests.widgets.test_panels import ATTRIBUTES, HOSTILE, TAGS, Read, everything

TEXT, WORD = "the capital of ____ is paris, a good day.", "france"
DirOf = Callable[[str], Path]


@pytest.fixture(scope="module")
def twins(tiny_dir: DirOf) -> dict[str, Path]:
    return {kind: tiny_dir(kind) for kind in ("masked", "causal", "span")}


@pytest.fixture(scope="module")
def lasting(twins: dict[str, Path]) -> ComparisonPanel:
    return show_comparison(TEXT, WORD, models=twins)


@pytest.fixture
def panel(lasting: ComparisonPanel, twins: dict[str, Path]) -> ComparisonPanel:
    """A panel as it opens: making one anew takes longer than bringing one back."""
    for side in SIDES:
        lasting.use(side, twins.get(side))
    lasting.controls.set_state({"dark": False})
    lasting.as_text.value = False
    lasting.state.ask(TEXT, WORD)
    lasting.revealed = len(lasting.controls.labels) - 1
    return lasting


class Calls:
    """Counts the passes of the models of a panel since it was last asked."""

    def __init__(self, panel: ComparisonPanel) -> None:
        self.readers = {side: reader for side, reader in panel.state.readers.items() if side != "blinded"}
        self()

    def __call__(self) -> dict[Side, int]:
        found = {side: reader.calls for side, reader in self.readers.items()}
        for reader in self.readers.values():
            reader.calls = 0
        return found


def move(panel: ComparisonPanel, count: int) -> None:
    """What the slider sends."""
    panel.controls.set_state({"frame": count})


def problem(panel: ComparisonPanel) -> str:
    return Read(panel.fields.problem.value).text


# --- what is shown ----------------------------------------------------------------------------------------


def test_it_shows_what_the_analyses_say(panel: ComparisonPanel, twins: dict[str, Path]) -> None:
    made, curves = compare(TEXT, WORD, models=twins), reveal_right(TEXT, WORD, models=twins)
    figures = panel.figures
    assert figures["bars"].to_json() == comparison_bars(made, top=BARS).to_json()
    assert figures["curves"].to_json() == reveal_curves(curves, len(made.gap.right_words)).to_json()
    assert set(figures) == {"bars", "curves", *SIDES}
    assert panel.caption.value.endswith(f">{comparison_caption(made)}</p>")
    assert panel.comparison is not None
    assert panel.curve is not None
    assert problem(panel) == ""


def test_the_slider_moves_masked_and_span_and_leaves_causal_and_blinded(panel: ComparisonPanel) -> None:
    before = panel.comparison
    curves = panel.figures["curves"].data[:4]
    move(panel, 2)
    after = panel.comparison
    assert before is not None
    assert after is not None
    assert (before.revealed, after.revealed) == (len(before.gap.right_words), 2)
    for side in SIDES:
        moved = float(np.abs(after[side].guess.log2_probs - before[side].guess.log2_probs).max())
        assert moved > 1e-3 if side in ("masked", "span") else moved < 1e-5, side
    assert after["causal"] is not before["causal"]  # asked again, and nothing moved
    figure = panel.figures["curves"]
    assert figure.layout.shapes[0].x0 == 2
    assert [trace.to_plotly_json() for trace in figure.data[:4]] == [trace.to_plotly_json() for trace in curves]
    assert "With 2 of" in Read(panel.caption.value).text
    assert "2 of" in panel.controls.labels[2]
    assert panel.controls.shown == 2


def test_nothing_jumps_while_the_slider_moves(panel: ComparisonPanel) -> None:
    def layout() -> dict[str, object]:
        found: dict[str, object] = {}
        for name, figure in panel.figures.items():
            found[name] = (figure.layout.height, figure.layout.margin, [trace.type for trace in figure.data])
            if name in SIDES:
                found[name + " cells"] = (figure.layout.xaxis.range, figure.layout.yaxis.range, figure.data[0].zmax)
        return found

    before, words = layout(), Read(panel.sentence.value).text
    for count in range(len(panel.controls.labels)):
        move(panel, count)
        assert layout() == before
        assert Read(panel.sentence.value).text == words  # what is hidden keeps its place


def test_what_is_not_in_view_is_hatched(panel: ComparisonPanel) -> None:
    assert "mlmviz-comparison-hidden" not in panel.sentence.value
    move(panel, 2)
    hidden = panel.sentence.value.partition("mlmviz-comparison-hidden")[2]
    assert ">,</span>" in hidden
    assert "paris" not in hidden


# --- how often the models are asked --------------------------------------------------------------------------


def test_one_action_asks_each_model_once(panel: ComparisonPanel) -> None:
    calls = Calls(panel)
    move(panel, 1)
    assert calls() == {"masked": 2, "causal": 2, "span": 2}  # the guess, and who looks at whom
    move(panel, 1)
    assert calls() == {"masked": 0, "causal": 0, "span": 0}
    panel.controls.set_state({"dark": True})
    panel.as_text.value = True
    assert calls() == {"masked": 0, "causal": 0, "span": 0}
    panel.fields.text.value = "we went to the ____ park"
    steps = len(Gap.of(panel.text, WORD).right_words) + 1
    # The columns, and each step of the curves; the blinded column asks the masked model too.
    assert calls() == {"masked": 2 * (2 + steps), "causal": 2 + steps, "span": 2 + steps}


def test_on_a_loop_moves_that_come_together_are_answered_once_and_first(twins: dict[str, Path]) -> None:
    async def drag() -> None:
        panel = show_comparison(TEXT, WORD, models=twins)
        assert panel.state.comparison is None
        assert say("comparison.asking") in panel.caption.value
        while panel.state.comparison is None:
            await asyncio.sleep(0)
        calls = Calls(panel)
        drawn = np.isfinite(panel.state.curves.entropies).sum() if panel.state.curves else 0
        for count in (5, 4, 3, 2):
            move(panel, count)
        while panel.state.stale:
            await asyncio.sleep(0)
        assert calls() == {"masked": 2, "causal": 2, "span": 2}
        assert panel.state.comparison.revealed == 2
        now = np.isfinite(panel.state.curves.entropies).sum() if panel.state.curves else 0
        assert now == drawn  # the curves wait
        while panel.state.scheduler._timer is not None:
            await asyncio.sleep(0)
        assert panel.state.curves is not None
        assert np.isfinite(panel.state.curves.entropies).all()

    asyncio.run(drag())


# --- another text, another word --------------------------------------------------------------------------------


def test_another_text_and_another_word(panel: ComparisonPanel, twins: dict[str, Path]) -> None:
    move(panel, 1)
    panel.fields.text.value = "we went to the big red park"
    panel.fields.word.value = "red"
    made = compare("we went to the big red park", "red", models=twins)
    assert panel.revealed == panel.controls.frame == 1
    assert panel.controls.labels == [say("comparison.in_view", seen=n, most=1) for n in (0, 1)]
    assert panel.figures["bars"].to_json() == comparison_bars(made, top=BARS).to_json()
    assert "we went to the big ____ park" in Read(panel.sentence.value).text
    panel.word = "big"
    assert panel.fields.word.value == "big"
    assert panel.revealed == 2
    panel.text = "we went to ____"
    assert panel.controls.labels == [say("comparison.in_view", seen=0, most=0)]
    assert "nothing standing to the right" in Read(panel.caption.value).text


def test_the_word_need_not_be_known(panel: ComparisonPanel) -> None:
    panel.fields.word.value = ""
    assert panel.comparison is not None
    assert all(column.word is None for column in panel.comparison.columns)
    assert "the best guess is" in Read(panel.caption.value).text
    assert "entropy" in panel.figures["curves"].layout.yaxis.title.text
    move(panel, 0)
    assert problem(panel) == ""


def test_an_example_brings_its_word(panel: ComparisonPanel) -> None:
    calls = Calls(panel)
    text, word = "the ____ is very good.", "day"
    panel.fields.examples.options = [("", ("", "")), ("x", (text, word))]
    panel.fields.examples.value = (text, word)
    assert (panel.text, panel.word, panel.fields.text.value, panel.fields.word.value) == (text, word, text, word)
    assert panel.fields.examples.value == (text, word)  # from there the next one can be reached by key
    assert calls()["causal"] == 2 + 5  # asked about once, the curves included
    panel.fields.word.value = ""
    assert panel.fields.examples.value == ("", "")


@pytest.mark.parametrize(("text", "word"), EXAMPLES)
def test_the_examples_have_one_gap_and_a_word(text: str, word: str) -> None:
    gap = Gap.of(text, word)
    assert gap.word == word
    assert gap.left.strip()  # a left-to-right model has something to go on from


def test_there_are_examples_in_both_languages() -> None:
    texts = [text for text, _ in EXAMPLES]
    assert SENTENCES["中文"][0] in texts
    assert dict(EXAMPLES)[SENTENCES["中文"][0]] == "好"
    assert sum(text.isascii() for text in texts) >= 3


# --- what can be wrong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "word", "said"),
    [
        ("", "", "There is no text to read"),
        ("the capital of france", "", "There is no gap"),
        ("the ____ of ____", "", "There are 2 gaps"),
        ("the capital", "dog", "does not stand in the text"),
        ("the cap____ of france", "", "splits a word"),
        ("the capital", "cap", "splits a word"),
    ],
)
def test_a_text_that_cannot_be_asked_about_is_one_line(panel: ComparisonPanel, text: str, word: str, said: str) -> None:
    calls = Calls(panel)
    panel.state.ask(text, word)
    assert said in problem(panel)
    assert panel.fields.problem.value.count("<p") == 1
    assert panel.comparison is None
    assert say("prediction.nothing") in panel.bars.words.value
    move(panel, 0)
    assert sum(calls().values()) == 0
    panel.fields.word.value = WORD
    panel.fields.text.value = TEXT
    assert problem(panel) == ""
    assert panel.bars.words.value == ""
    assert panel.curves.words.value == ""


def test_a_bad_text_at_the_start_and_a_good_one_after(twins: dict[str, Path]) -> None:
    panel = show_comparison("no gap here", models=twins)
    assert "There is no gap" in problem(panel)
    panel.fields.text.value = TEXT
    assert set(panel.figures) == {"bars", "curves", *SIDES}


def test_a_text_too_long_for_one_model_leaves_the_others(panel: ComparisonPanel, tiny_dir: DirOf) -> None:
    panel.use("span", tiny_dir("t5"))  # knows no limit
    panel.text = "a good day, " * 20 + "the capital of ____ is paris"
    assert panel.comparison is not None
    assert [column.side for column in panel.comparison.columns] == ["span"]
    assert "reads at most" in problem(panel)
    assert panel.fields.problem.value.count("<p") == 3  # a line for each column


def test_a_model_of_the_wrong_kind_leaves_the_others(panel: ComparisonPanel, twins: dict[str, Path]) -> None:
    panel.fields.models["causal"].value = str(twins["masked"])
    assert "left to right: masked is a masked model; a left-to-right model is needed here." in problem(panel)
    assert panel.comparison is not None
    assert [column.side for column in panel.comparison.columns] == ["masked", "blinded", "span"]
    assert panel.figures["curves"].data[2].x == ()
    assert "is needed here" in panel.patterns["causal"].words.value
    panel.fields.models["causal"].value = str(twins["causal"])
    assert problem(panel) == ""
    assert len(panel.comparison.columns) == 4


def test_a_masked_model_that_is_not_there_takes_the_blinded_column_along(panel: ComparisonPanel) -> None:
    panel.fields.models["masked"].value = "no/such-model"
    assert panel.fields.problem.value.count("<p") == 1
    assert "no/such-model" in problem(panel)
    assert panel.comparison is not None
    assert [column.side for column in panel.comparison.columns] == ["causal", "span"]


def test_models_of_other_families_in_every_column(panel: ComparisonPanel, tiny_dir: DirOf) -> None:
    names: dict[Side, str] = {"masked": "bert", "blinded": "roberta", "causal": "gpt2", "span": "t5"}
    for side, name in names.items():
        panel.fields.models[side].value = str(tiny_dir(name))
    assert problem(panel) == ""
    assert panel.comparison is not None
    assert {column.side: column.model for column in panel.comparison.columns} == names
    expected = compare(TEXT, WORD, models={side: tiny_dir(name) for side, name in names.items()})
    assert panel.figures["bars"].to_json() == comparison_bars(expected, top=BARS).to_json()
    calls = Calls(panel)
    panel.fields.models["blinded"].value = ""
    assert panel.state.readers["blinded"] is panel.state.readers["masked"]
    assert calls()["causal"] > 0


def test_a_loaded_model_can_be_given(tiny_dir: DirOf, twins: dict[str, Path]) -> None:
    model = mlm_viz.load(tiny_dir("bert"))
    panel = show_comparison(TEXT, WORD, models={**twins, "masked": model})
    assert panel.fields.models["masked"].value == model.name
    assert panel.comparison is not None
    assert panel.comparison["blinded"].model == model.name


def test_a_model_that_breaks_is_a_sentence_too(panel: ComparisonPanel, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        message = "no weights"
        raise RuntimeError(message)

    monkeypatch.setattr(panel.state.readers["span"], "read", broken)
    panel.text = "the capital of ____ is good"
    assert "span: Something went wrong" in problem(panel)
    assert "no weights" in problem(panel)
    assert panel.comparison is not None
    assert len(panel.comparison.columns) == 3
    assert np.isfinite(panel.curve.entropies).all()  # of those that answer


def test_what_is_wrong_in_the_call_is_raised(panel: ComparisonPanel, twins: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="blinded"):
        show_comparison(TEXT, WORD, models={"left": twins["causal"]})
    with pytest.raises(TextError, match="say 0 to"):
        panel.revealed = 99
    with pytest.raises(MlmVizError):
        ComparisonState(3)  # type: ignore[arg-type]


# --- the page ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text_everywhere(panel: ComparisonPanel, text: str) -> None:
    panel.as_text.value = True
    panel.fields.models["span"].value = text
    whole = text.replace("____", "x").replace("[MASK]", "x")
    panel.state.ask(f"the {whole} ____ {whole}", "good" if "<b>" not in text else text)
    for widget in everything(panel):
        if isinstance(widget, ipywidgets.HTML):
            read = Read(widget.value)
            assert read.tags <= TAGS | {"br"}
            assert read.attributes <= ATTRIBUTES
    shown = json.dumps([str(figure.to_dict()) for figure in panel.figures.values()])
    assert all(tag not in shown for tag in ("<img", "<script", "<svg", "<iframe", "<a "))


def test_every_control_has_a_name(panel: ComparisonPanel) -> None:
    kinds = (ipywidgets.Text, ipywidgets.ToggleButton)
    assert all(widget.description for widget in everything(panel) if isinstance(widget, kinds))
    assert panel.fields.examples.tooltip
    assert set(panel.controls.strings) == {"label", "slider", "play", "pause", "again"}
    assert all(panel.controls.strings.values())


def test_the_theme_of_the_page_reaches_every_picture(panel: ComparisonPanel) -> None:
    panel.controls.set_state({"dark": True})
    assert {figure.layout.paper_bgcolor for figure in panel.figures.values()} == {"#111111"}


def test_everything_can_be_read_as_text(panel: ComparisonPanel) -> None:
    panel.as_text.value = True
    text = Read(panel.text_form.value).text
    assert text.count("entropy") > 4
    assert say("comparison.pattern.triangular") in text
    assert "None of the right side in view:" in text
    move(panel, 0)
    assert say("comparison.pattern.hidden") in Read(panel.text_form.value).text
    panel.as_text.value = False
    assert panel.text_form.value == ""
