"""The attention of the text: all heads small, one of them large, and bertviz's views of the same layer."""

from __future__ import annotations

import ipywidgets as widgets
import numpy as np
import plotly.graph_objects as go

from mlm_viz.figures.attention import attention_heatmap, attention_row, attention_shares, attention_text
from mlm_viz.figures.update import refresh
from mlm_viz.results import Attention
from mlm_viz.state import ExplorerState
from mlm_viz.strings import say
from mlm_viz.widgets.bertviz import bertviz_frame
from mlm_viz.widgets.heads import HeadGrid, thumbnails
from mlm_viz.widgets.markup import html, line, plain, row
from mlm_viz.widgets.prediction_panel import QUIET

_VIEWS = ("matrix", "row", "shares")
_SPECIALS = ("show", "hide", "renormalise")
_BERTVIZ = ("off", "head", "model")


class AttentionPanel(widgets.VBox):
    """Watches the attention, the head that is open and the slot whose row is in focus; closed until asked for."""

    def __init__(self, state: ExplorerState) -> None:
        self.state = state
        self.dark = False
        self.figures: dict[str, go.FigureWidget] = {}
        self.opener = widgets.ToggleButton(
            state.attention_wanted, description=say("attention.open"), tooltip=say("attention.open.hint"), icon="th"
        )
        self.grid = HeadGrid(selected=[state.layer, state.head])
        self.view = _choice("attention.view", _VIEWS)
        self.special = _choice("attention.special", _SPECIALS)
        self.bertviz = _choice("attention.bertviz", _BERTVIZ)
        self.stage = widgets.Box(layout=widgets.Layout(width="100%"))
        self.stage.add_class("mlmviz-stage")
        self.summary = html(css_class="mlmviz-numbers")
        self.as_text = widgets.ToggleButton(description=say("panel.text"), tooltip=say("panel.text.hint"), icon="list")
        self.text = html()
        self.frame = widgets.Box(layout=widgets.Layout(width="100%"))
        self.body = widgets.VBox(layout=widgets.Layout(width="100%", display="none"))
        left = widgets.VBox([self.grid], layout=widgets.Layout(flex="1 1 22em", min_width="18em", max_width="38em"))
        right = widgets.VBox(
            [row([self.view, self.special, self.as_text]), self.summary, self.stage, self.text],
            layout=widgets.Layout(flex="2 1 30em", min_width="22em"),
        )
        self.body.children = [row([left, right], "mlmviz-split"), row([self.bertviz]), self.frame]
        super().__init__([self.opener, self.body])
        self._watch()
        self._toggle(on=state.attention_wanted)

    def _watch(self) -> None:
        state = self.state
        self.opener.observe(lambda change: self._toggle(on=change["new"]), "value")
        self.grid.observe(lambda change: state.show_head(*change["new"]), "selected")
        for control in (self.view, self.special):
            control.observe(self.draw, "value")
        self.as_text.observe(self._draw_words, "value")
        self.bertviz.observe(self._draw_frame, "value")
        state.observe(self.draw, ["attention", "layer", "head", "slot"])
        state.observe(lambda change: setattr(self.opener, "value", change["new"]), "attention_wanted")
        state.observe(lambda change: setattr(self.grid, "stale", change["new"]), "stale")

    def _toggle(self, *, on: bool) -> None:
        self.body.layout.display = "flex" if on else "none"
        self.state.want(attention=on)
        if on:
            self.draw()

    @property
    def shown(self) -> Attention | None:
        """The attention as the choice about special tokens leaves it."""
        attention = self.state.attention
        if attention is None or self.special.value == "show":
            return attention
        return attention.without_special(renormalise=self.special.value == "renormalise")

    def _query(self) -> int:
        """Where the slot (or, without one, the first ordinary token) stands among the tokens that are shown."""
        attention, slot = self.state.attention, self.state.slot
        if attention is None:
            return 0
        if slot < 0:
            slot = int(np.flatnonzero(~attention.special)[0])
        return slot if self.special.value == "show" else int(np.count_nonzero(~attention.special[:slot]))

    def draw(self, _change: object = None) -> None:
        """Bring the pictures up to date; nothing is drawn while the panel is closed."""
        if not self.opener.value:
            return
        attention = self.shown
        if attention is None:
            self.stage.children = [html(line(say("attention.nothing"), "hint", role="status"))]
            return
        cells, shape = thumbnails(attention.weights)
        with self.grid.hold_sync():
            self.grid.thumbnails, self.grid.shape = cells, shape
            self.grid.selected = [self.state.layer, self.state.head]
        self._show(self.view.value, self._figure(attention))
        self._draw_words()
        self._draw_frame()

    def _figure(self, attention: Attention) -> go.Figure:
        layer, head, query = self.state.layer, self.state.head, self._query()
        if self.view.value == "row":
            return attention_row(attention, layer, head, query, dark=self.dark)
        if self.view.value == "shares":
            return attention_shares(attention, query, dark=self.dark)
        slot = query if self.state.slot >= 0 else None
        return attention_heatmap(attention, layer, head, slot=slot, dark=self.dark)

    def _show(self, name: str, figure: go.Figure) -> None:
        known = self.figures.get(name)
        if known is None:
            known = self.figures[name] = go.FigureWidget(figure)
            known._config = known._config | QUIET  # noqa: SLF001 (plotly offers no public way)
        else:
            refresh(known, figure)
        if self.stage.children != (known,):
            self.stage.children = [known]

    def _draw_words(self, _change: object = None) -> None:
        attention = self.shown
        if attention is None:
            return
        layer, head, query = self.state.layer, self.state.head, self._query()
        words = attention_text(attention, layer, head, query)
        self.summary.value = line(words.splitlines()[0], "quiet", role="status") if words else ""
        self.text.value = plain(words) if self.as_text.value else ""

    def _draw_frame(self, _change: object = None) -> None:
        """bertviz's page is large: it comes as a new widget, since a notebook server may hold back a large update."""
        old = self.frame.children
        attention = self.shown
        if self.bertviz.value == "off" or attention is None:
            self.frame.children = []
        else:
            markup = bertviz_frame(
                attention.weights, attention.labels, view=self.bertviz.value, layer=self.state.layer, dark=self.dark
            )
            self.frame.children = [html(markup)]
        for widget in old:
            widget.close()


def _choice(key: str, values: tuple[str, ...]) -> widgets.Dropdown:
    return widgets.Dropdown(
        options=[(say(f"{key}.{value}"), value) for value in values],
        description=say(key),
        tooltip=say(key),
        style={"description_width": "initial"},
        layout=widgets.Layout(width="auto", min_width="15em"),
    )
