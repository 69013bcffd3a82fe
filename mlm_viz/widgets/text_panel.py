"""The text, the examples, and what can be done to the whole of it at once."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from mlm_viz.examples import EXAMPLES
from mlm_viz.state import ExplorerState
from mlm_viz.strings import say
from mlm_viz.widgets.markup import TextBox, html, line, row

MOST_SEED = 9999


class TextPanel(widgets.VBox):
    """Text box, menu of examples, the model's name, the buttons that mask, and the line that says what is wrong."""

    def __init__(self, state: ExplorerState) -> None:
        self.state = state
        self.text = TextBox(
            state.text,
            description=say("text.label"),
            placeholder=say("text.placeholder"),
            rows=2,
        )
        self.examples = widgets.Dropdown(
            options=[(say("text.examples"), "")] + [(t, t) for group in EXAMPLES.values() for t in group],
            tooltip=say("text.examples"),
            layout=widgets.Layout(width="16em"),
        )
        self.random = _button(say("text.random"), say("text.random.hint"), "random")
        self.seed = widgets.BoundedIntText(
            0,
            min=0,
            max=MOST_SEED,
            description=say("text.seed"),
            tooltip=say("text.seed.hint"),
            layout=widgets.Layout(width="9em"),
            style={"description_width": "initial"},
        )
        self.clear = _button(say("text.clear"), say("text.clear.hint"), "eraser")
        self.surprisal = widgets.ToggleButton(
            state.surprisal_wanted,
            description=say("text.surprisal"),
            tooltip=say("text.surprisal.hint"),
            icon="thermometer-half",
            layout=widgets.Layout(width="auto"),
        )
        self.model = html(line(say("text.model", name=state.model.name, about=_about(state)), "quiet"))
        self.problem = html(css_class="mlmviz-problem")
        controls = row([self.examples, self.random, self.seed, self.clear, self.surprisal])
        super().__init__([self.text, controls, self.model, self.problem])
        self._watch()

    def _watch(self) -> None:
        self.text.observe(lambda change: self.state.set_text(change["new"]), "value")
        self.examples.observe(self._take_example, "value")
        self.random.on_click(lambda _: self.state.mask_at_random(self.seed.value))
        self.seed.observe(lambda change: self.state.mask_at_random(change["new"]), "value")
        self.clear.on_click(lambda _: self.state.set_masked(()))
        self.surprisal.observe(lambda change: self.state.want(surprisal=change["new"]), "value")
        self.state.observe(self._show_text, "text")
        self.state.observe(self._show_problem, "error")
        self.state.observe(lambda change: setattr(self.surprisal, "value", change["new"]), "surprisal_wanted")
        self._show_problem()

    def _take_example(self, change: dict[str, Any]) -> None:
        if change["new"]:
            self.state.set_text(change["new"])

    def _show_text(self, change: dict[str, Any]) -> None:
        """In the box, and in the menu if it is an example: so one can go on from there, and come back to it."""
        text = change["new"]
        self.text.value = text
        self.examples.value = text if text in dict(self.examples.options).values() else ""

    def _show_problem(self, _change: object = None) -> None:
        self.problem.value = line(self.state.error, "error", role="status") if self.state.error else ""


def _button(text: str, hint: str, icon: str) -> widgets.Button:
    return widgets.Button(description=text, tooltip=hint, icon=icon, layout=widgets.Layout(width="auto"))


def _about(state: ExplorerState) -> str:
    model = state.model
    return say("text.model.about", family=model.family.name, layers=model.layers, heads=model.heads, limit=model.limit)
