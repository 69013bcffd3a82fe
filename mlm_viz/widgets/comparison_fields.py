"""What a comparison is about: the sentence, the word of its gap, and the models of the columns."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from mlm_viz.analysis.compare import Source
from mlm_viz.comparison import SIDES, Side
from mlm_viz.strings import say
from mlm_viz.widgets.comparison_state import ComparisonState
from mlm_viz.widgets.markup import TextLine, html, line, row

# Sentences and the word of their gap, written for this project; in the last of each language nothing stands behind it.
EXAMPLES: tuple[tuple[str, str], ...] = (
    ("Tom did not ____ to school because he was sick.", "go"),
    ("He wrote a long ____ to his mother.", "letter"),
    ("Please close the ____ before you leave the room.", "door"),
    ("I ____ him yesterday at the station.", "saw"),
    ("Every morning she drinks a cup of ____.", "coffee"),
    ("今天天气很____，我们决定去公园野餐。", "好"),
    ("他每天早上____茶，晚上看书。", "喝"),
    ("她____一个很好的老师。", "是"),
    ("他在图____馆看书。", "书"),
    ("他每天都去学____。", "校"),
)


class ComparisonFields(widgets.VBox):
    """Watches what the state is about and what is wrong with it."""

    def __init__(self, state: ComparisonState) -> None:
        self.state = state
        self.text = _field(state.text, say("comparison.sentence"), say("comparison.sentence.hint"), "1 1 34em")
        self.word = _field(state.word, say("comparison.gap"), say("comparison.gap.hint"), "0 1 17em")
        self.examples = widgets.Dropdown(
            options=[(say("comparison.examples"), ("", ""))]
            + [(say("comparison.example", text=text, word=word), (text, word)) for text, word in EXAMPLES],
            tooltip=say("comparison.examples"),
            layout=widgets.Layout(width="13em"),
        )
        self.opener = widgets.ToggleButton(
            description=say("comparison.models"),
            tooltip=say("comparison.models.hint"),
            icon="cogs",
            layout=widgets.Layout(width="auto"),
        )
        self.models = {side: _model(side, state) for side in SIDES}
        self.drawer = widgets.VBox(
            [row(list(self.models.values())), html(line(say("comparison.model.note"), "quiet"))],
            layout=widgets.Layout(width="100%", display="none"),
        )
        self.problem = html(css_class="mlmviz-problem")
        super().__init__([row([self.text]), row([self.word, self.examples, self.opener]), self.drawer, self.problem])
        self._watch()
        self._show_problems()

    def _watch(self) -> None:
        state = self.state
        self.text.observe(lambda change: state.ask(change["new"], state.word), "value")
        self.word.observe(lambda change: state.ask(state.text, change["new"]), "value")
        self.examples.observe(self._take_example, "value")
        self.opener.observe(self._open, "value")
        for side, field in self.models.items():
            field.observe(partial(self._take_model, side), "value")
        state.observe(lambda change: setattr(self.text, "value", change["new"]), "text")
        state.observe(lambda change: setattr(self.word, "value", change["new"]), "word")
        state.observe(self._show_example, ["text", "word"])
        state.observe(self._show_problems, ["error", "problems"])

    def _take_example(self, change: dict[str, Any]) -> None:
        text, word = change["new"]
        if text:
            self.state.ask(text, word)

    def _show_example(self, _change: object) -> None:
        """The example that stands there, if it is one: so one can go on from it in the menu, and come back to it."""
        asked = (self.state.text, self.state.word)
        self.examples.value = asked if asked in dict(self.examples.options).values() else ("", "")

    def _take_model(self, side: Side, change: dict[str, Any]) -> None:
        wanted = change["new"].strip()
        if wanted != _named(self.state.sources[side]):
            self.state.set_model(side, wanted)

    def _open(self, change: dict[str, Any]) -> None:
        self.drawer.layout.display = "flex" if change["new"] else "none"

    def _show_problems(self, _change: object = None) -> None:
        state = self.state
        lines = [state.error] if state.error else []
        for side, why in state.problems.items():
            lines.append(say("comparison.problem", side=say(f"side.{side}"), why=why))
        self.problem.value = "<br>".join(line(text, "error", role="status") for text in lines)


def _field(value: str, name: str, hint: str, flex: str) -> TextLine:
    return TextLine(
        value,
        description=name,
        placeholder=hint,
        tooltip=hint,
        continuous_update=False,
        style={"description_width": "initial"},
        layout=widgets.Layout(width="auto", flex=flex),
    )


def _model(side: Side, state: ComparisonState) -> TextLine:
    return TextLine(
        _named(state.sources[side]),
        description=say(f"comparison.model.{side}"),
        placeholder=say("comparison.model.same" if side == "blinded" else "comparison.model.own"),
        continuous_update=False,
        style={"description_width": "initial"},
        layout=widgets.Layout(width="auto", flex="1 1 19em"),
    )


def _named(source: Source) -> str:
    """What a field shows for a model."""
    if source is None or isinstance(source, str | Path):
        return str(source or "")
    return source.name
