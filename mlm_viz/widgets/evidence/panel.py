"""The evidence panel: why does the model say that? One view at a time, and a sentence that sums up."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import ipywidgets as widgets

from mlm_viz.analysis.direction import direction_of
from mlm_viz.analysis.influence import influence_in_parts
from mlm_viz.analysis.watching import watch_at
from mlm_viz.errors import MlmVizError
from mlm_viz.figures.caption import caption
from mlm_viz.inquiry import Inquiry
from mlm_viz.state import AIMS, ExplorerState
from mlm_viz.strings import say
from mlm_viz.widgets.evidence.context import DirectionView, InfluenceView, RevealView
from mlm_viz.widgets.evidence.heads import EffectView, HeadsView
from mlm_viz.widgets.evidence.readings import ContrastView, FillingView, LensView, PairView
from mlm_viz.widgets.evidence.view import EvidenceView, choice
from mlm_viz.widgets.markup import html, line, row

VIEWS: tuple[type[EvidenceView], ...] = (
    InfluenceView,
    DirectionView,
    RevealView,
    HeadsView,
    EffectView,
    LensView,
    PairView,
    FillingView,
    ContrastView,
)


class EvidencePanel(widgets.VBox):
    """Watches the slot that is shown; closed until asked for, and only the view that is open computes anything."""

    def __init__(self, state: ExplorerState) -> None:
        self.state = state
        self.opener = widgets.ToggleButton(
            description=say("evidence.open"),
            tooltip=say("evidence.open.hint"),
            icon="question-circle",
            layout=widgets.Layout(width="auto", margin="12px 2px 6px"),
        )
        self.aim = choice("evidence.aim", AIMS)
        self.chosen = widgets.ToggleButtons(
            options=[(say(f"evidence.{view.name}"), view.name) for view in VIEWS],
            tooltips=[say(f"evidence.{view.name}.note") for view in VIEWS],
            style={"button_width": "auto"},
        )
        self.caption = html(css_class="mlmviz-caption")
        self.views: dict[str, EvidenceView] = {}
        self.place = widgets.Box(layout=widgets.Layout(width="100%"))
        self.body = widgets.VBox(
            [row([self.aim]), self.caption, self.chosen, self.place],
            layout=widgets.Layout(width="100%", display="none"),
        )
        self.body.add_class("mlmviz-evidence")
        self.summing = Inquiry(self._about, self._sum_up)
        super().__init__([row([self.opener]), self.body])
        self._dark = False
        self._watch()

    def _watch(self) -> None:
        state = self.state
        self.opener.observe(lambda _: self._open(), "value")
        self.chosen.observe(lambda _: self._open(), "value")
        self.aim.observe(lambda change: state.explain(change["new"]), "value")
        state.observe(lambda change: setattr(self.aim, "value", change["new"]), "aim")
        self.summing.observe(self._draw_caption, ["result", "error"])
        state.observe(self._draw_caption, ["slot", "stale", "prediction", "aim", "word"])
        state.take_up(self.summing)

    def show(self, name: str) -> EvidenceView:
        """Open a view by its name.

        Raises:
            MlmVizError: if there is no such view; names those there are.
        """
        names = [view.name for view in VIEWS]
        if name not in names:
            raise MlmVizError(say("error.view", name=name, known=", ".join(names)))
        self.chosen.value = name
        self.opener.value = True
        return self.views[name]

    def _open(self) -> None:
        on = bool(self.opener.value)
        self.body.layout.display = "flex" if on else "none"
        name = str(self.chosen.value)
        if on and name not in self.views:
            self.views[name] = next(view for view in VIEWS if view.name == name)(self.state)  # made when first wanted
            self.views[name].dark = self._dark
        for other, view in self.views.items():
            view.switch(on=on and other == name)
        self.summing.wanted = on
        if on:
            self.place.children = (self.views[name],)
            self.views[name].draw()

    @property
    def dark(self) -> bool:
        """Whether the page is dark."""
        return self._dark

    @dark.setter
    def dark(self, dark: bool) -> None:
        self._dark = dark
        for view in self.views.values():
            view.dark = dark

    def draw(self) -> None:
        """Bring the open view up to date."""
        for view in self.views.values():
            view.draw()

    # --- the caption ------------------------------------------------------------------------------------------------

    def _about(self, state: ExplorerState) -> Hashable | None:
        if state.shown is None or state.target is None or state.model.refusal is not None:
            return None
        return (state.prediction, state.slot, state.target, state.silenced)

    def _sum_up(self, state: ExplorerState) -> Iterator[str]:
        """Influence by masking and both sides: what the caption is written from; till then it says nothing."""
        assert state.sentence is not None  # noqa: S101 (nothing is asked without one)
        assert state.prediction is not None  # noqa: S101
        word = None if state.aim == "original" else state.target
        watched = watch_at(state.model, state.sentence, state.masking, state.slot, word, silenced=state.silenced)
        for influence in influence_in_parts(watched, ways=("masked",)):  # noqa: B007 (the last one is complete)
            yield ""
        yield caption(state.prediction, influence, direction_of(watched))

    def _draw_caption(self, _change: object = None) -> None:
        current = not self.state.stale and self.summing.is_about(self.state)
        said = (self.summing.error or self.summing.result or "") if current else ""
        self.caption.value = line(said, "line", role="status")
