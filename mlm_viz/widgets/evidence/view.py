"""What the views of the evidence panel have in common: a question, controls, pictures, and the same as text."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, ClassVar

import ipywidgets as widgets
import plotly.graph_objects as go

from mlm_viz.analysis.watching import Watched, watch_at
from mlm_viz.inquiry import Inquiry
from mlm_viz.state import ExplorerState
from mlm_viz.strings import say
from mlm_viz.widgets.markup import html, line, plain, row
from mlm_viz.widgets.picture import Picture
from mlm_viz.widgets.prediction_panel import as_text_button


class EvidenceView(widgets.VBox):
    """One question about the slot that is shown, answered piece by piece while the view is open.

    Attributes:
        name: key of its strings, `evidence.<name>`.
        rooms: for each of its pictures the pixels that are kept for it before it is there.
        needs_slot: whether there is nothing to say without a slot.
    """

    name: ClassVar[str]
    rooms: ClassVar[tuple[int, ...]]
    needs_slot: ClassVar[bool] = True

    def __init__(self, state: ExplorerState, controls: Sequence[widgets.Widget] = ()) -> None:
        self.state = state
        self.dark = False
        self._drawn: tuple[Any, ...] | None = None
        self.controls = tuple(controls)
        self.inquiry = Inquiry(self.about, self.ask)
        self.note = html(line(say(f"evidence.{self.name}.note"), "quiet"))
        self.status = html(css_class="mlmviz-status")
        self.pictures = [Picture(room) for room in self.rooms]
        self.as_text = as_text_button()
        self.text = html()
        super().__init__([self.note, row([*self.controls, self.as_text]), self.status, *self.pictures, self.text])
        self.layout.width = "100%"
        self.inquiry.observe(self.draw, ["result", "error", "finished", "wanted"])
        self.as_text.observe(self._draw_text, "value")
        for control in self.controls:
            control.observe(self._controlled, "value")
        state.observe(self.draw, ["stale", "slot", "aim", "word", "sentence", "prediction"])
        state.take_up(self.inquiry)

    # --- what a view says for itself --------------------------------------------------------------------------------

    def ask(self, state: ExplorerState) -> Iterator[object]:
        """The answers as they grow."""
        raise NotImplementedError

    def figures(self, result: Any) -> Sequence[go.Figure]:
        """As many figures as there are `rooms`."""
        raise NotImplementedError

    def words(self, result: Any) -> str:
        """The same as plain text."""
        raise NotImplementedError

    def depends(self) -> Hashable:
        """What the answer depends on besides the state."""
        return ()

    def answer(self) -> Any:
        """What there is to show of what the state shows now; None if nothing."""
        return self.inquiry.result if self.inquiry.is_about(self.state) else None

    # --- the machinery ----------------------------------------------------------------------------------------------

    def about(self, state: ExplorerState) -> Hashable | None:
        """All that the answer depends on; None if there is nothing to ask about."""
        if state.sentence is None or state.model.refusal is not None:
            return None
        if self.needs_slot and (state.shown is None or state.target is None):
            return None
        return (state.sentence, state.masking, state.silenced, *self.aspect(state), self.depends())

    def aspect(self, state: ExplorerState) -> tuple[Hashable, ...]:
        """What of the slot that is shown the answer depends on."""
        return (state.slot, state.target)

    def watched(self, state: ExplorerState) -> Watched:
        """The slot that is shown and the word that is explained."""
        assert state.sentence is not None  # noqa: S101 (nothing is asked without one)
        word = None if state.aim == "original" else state.target
        return watch_at(state.model, state.sentence, state.masking, state.slot, word, silenced=state.silenced)

    def switch(self, *, on: bool) -> None:
        """Begin to answer, or stop."""
        self.inquiry.wanted = on

    def _controlled(self, _change: object) -> None:
        self.state.go_on()
        self.draw()

    def draw(self, _change: object = None) -> None:
        """Bring the pictures up to date; nothing is drawn while the view is closed."""
        if not self.inquiry.wanted:
            return
        result = self.answer()
        self._tell(current=result is not None)
        seen = (result, self.dark, *(control.value for control in self.controls))
        if result is not None and seen != self._drawn:
            self._drawn = seen
            figures = self.figures(result)
            if self._drawn is seen:  # making them may set a control, and so draw what is newer
                for picture, figure in zip(self.pictures, figures, strict=True):
                    picture.present(figure)
        self._draw_text()

    def _tell(self, *, current: bool) -> None:
        """Whether the answer is on its way, complete, or cannot be had; an old picture stays, and looks old."""
        nothing = self.about(self.state) is None
        problem = self.inquiry.error if self.inquiry.is_about(self.state) else ""
        waiting = not nothing and (not current or not self.inquiry.finished)
        self.status.value = line(problem, "error", role="status") if problem else self._progress(waiting=waiting)
        for picture in self.pictures:
            told = nothing or bool(problem) or picture.figure is None
            picture.fade(stale=not current and not told)
            if told:
                picture.tell(say("evidence.nothing") if nothing else problem or say("evidence.waiting"))
            elif current:
                picture.bring_back()

    def _progress(self, *, waiting: bool) -> str:
        return line(say("evidence.working") if waiting else "", "quiet", role="status")

    def _draw_text(self, _change: object = None) -> None:
        result = self.answer() if self.as_text.value else None
        self.text.value = "" if result is None else plain(self.words(result))


def choice(key: str, values: Sequence[str], names: str = "", *, width: str = "13em") -> widgets.Dropdown:
    """A menu called `key`, whose entries are the strings `names.value`, or else `key.value`; at least `width` wide."""
    return widgets.Dropdown(
        options=[(say(f"{names or key}.{value}"), value) for value in values],
        description=say(key),
        tooltip=say(key),
        style={"description_width": "initial"},
        layout=widgets.Layout(width="auto", min_width=width),
    )
