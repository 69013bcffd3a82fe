"""The attention of the text: all heads small, one of them large, and bertviz's views of the same layer."""

from __future__ import annotations

import ipywidgets as widgets
import numpy as np
import plotly.graph_objects as go

from mlm_viz import measures
from mlm_viz.figures.attention import attention_heatmap, attention_row, attention_shares, attention_text
from mlm_viz.figures.labels import percent
from mlm_viz.results import Attention
from mlm_viz.state import ExplorerState
from mlm_viz.strings import say
from mlm_viz.widgets.bertviz import View, bertviz_frame, fits
from mlm_viz.widgets.evidence.view import choice
from mlm_viz.widgets.heads import HeadGrid, thumbnails
from mlm_viz.widgets.live_figure import LiveFigure
from mlm_viz.widgets.markup import discard, facts, html, plain, row
from mlm_viz.widgets.prediction_panel import as_text_button
from mlm_viz.widgets.stage import Stage, fade

_VIEWS = ("matrix", "row", "shares")
_SPECIALS = ("show", "hide", "renormalise")
# With more heads than these, the shares of one layer are shown: a bar each would make a page of its own.
_MOST_SHARES = 24
_BERTVIZ = ("off", "head", "model")


class AttentionPanel(widgets.VBox):
    """Watches the attention, the head that is open and the slot whose row is in focus; closed until asked for."""

    def __init__(self, state: ExplorerState) -> None:
        self.state = state
        self.dark = False
        self._live: dict[str, LiveFigure] = {}
        self.opener = widgets.ToggleButton(
            state.attention_wanted,
            description=say("attention.open"),
            tooltip=say("attention.open.hint"),
            icon="th",
            layout=widgets.Layout(width="auto", margin="12px 2px 6px"),
        )
        self.grid = HeadGrid(selected=[state.layer, state.head])
        self.view = choice("attention.view", _VIEWS, width="15em")
        self.special = choice("attention.specials", _SPECIALS, width="15em")
        self.bertviz = choice("attention.bertviz", _BERTVIZ, width="15em")
        self._drawn: tuple[object, ...] | None = None
        self.stage = Stage()
        self.summary = html(css_class="mlmviz-numbers")
        self.as_text = as_text_button()
        self.text = html()
        self.frame = widgets.Box(layout=widgets.Layout(width="100%"))
        self.body = widgets.VBox(layout=widgets.Layout(width="100%", display="none"))
        left = widgets.VBox([self.grid], layout=widgets.Layout(flex="1 1 22em", min_width="18em", max_width="38em"))
        right = widgets.VBox(
            [row([self.view, self.special, self.as_text]), self.summary, self.stage, self.text],
            layout=widgets.Layout(flex="2 1 30em", min_width="22em"),
        )
        self.body.children = [row([left, right], "mlmviz-split"), row([self.bertviz]), self.frame]
        super().__init__([row([self.opener]), self.body])
        self._watch()
        self._fade()
        self._toggle(on=state.attention_wanted)

    def _watch(self) -> None:
        state = self.state
        self.opener.observe(lambda change: self._toggle(on=change["new"]), "value")
        self.grid.observe(lambda change: state.show_head(*change["new"]), "selected")
        for control in (self.view, self.special):
            control.observe(self.draw, "value")
        self.as_text.observe(self._draw_words, "value")
        self.bertviz.observe(self._draw_frame, "value")
        state.observe(self.draw, ["attention", "layer", "head", "slot", "error"])
        state.observe(lambda change: setattr(self.opener, "value", change["new"]), "attention_wanted")
        state.observe(self._fade, ["stale", "attention", "attention_wanted", "sentence"])

    def _toggle(self, *, on: bool) -> None:
        self.body.layout.display = "flex" if on else "none"
        self.state.want(attention=on)
        if on:
            self.draw()

    def _fade(self, _change: object = None) -> None:
        """What is not of the text as it stands looks old."""
        state = self.state
        missing = state.attention_wanted and state.attention is None and state.sentence is not None
        self.grid.stale = state.stale or missing
        for part in (self.summary, self.stage, self.text, self.frame):
            fade(part, stale=self.grid.stale)

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
        """Bring the pictures up to date; nothing is drawn while the panel is closed or new attention is on its way."""
        state = self.state
        choice = (self.view.value, self.special.value, self.dark)
        seen = (state.attention, state.sentence, state.layer, state.head, state.slot, *choice)
        if not self.opener.value or state.stale or seen == self._drawn:
            return
        self._drawn = seen
        attention = self.shown
        if attention is None:
            if self.state.sentence is None:
                self._draw_nothing()
            return
        cells, shape = thumbnails(attention.weights)
        with self.grid.hold_sync():
            self.grid.thumbnails, self.grid.shape = cells, shape
            self.grid.selected = [self.state.layer, self.state.head]
        self._show(self.view.value, self._figure(attention))
        self._draw_words()
        self._draw_frame()

    def _draw_nothing(self) -> None:
        with self.grid.hold_sync():
            self.grid.thumbnails, self.grid.shape = b"", [0, 0, 0, 0]
        self.summary.value = self.text.value = ""
        self.stage.tell(say("attention.nothing"))
        self._draw_frame()

    @property
    def figure(self) -> go.Figure | None:
        """The picture that was last shown; None before there was any."""
        live = self._live.get(self.view.value)
        return None if live is None else live.latest

    def _figure(self, attention: Attention) -> go.Figure:
        layer, head, query = self.state.layer, self.state.head, self._query()
        if self.view.value == "row":
            return attention_row(attention, layer, head, query, dark=self.dark)
        if self.view.value == "shares":
            few = self.state.model.layers * attention.heads <= _MOST_SHARES
            return attention_shares(attention, query, layer=None if few else layer, dark=self.dark)
        slot = query if self.state.slot >= 0 else None
        return attention_heatmap(attention, layer, head, slot=slot, dark=self.dark)

    def _show(self, name: str, figure: go.Figure) -> None:
        known = self._live.get(name)
        if known is None:
            known = self._live[name] = LiveFigure(figure)
        else:
            known.present(figure)
        self.stage.show(known)

    def _draw_words(self, _change: object = None) -> None:
        attention = self.shown
        if attention is None:
            return
        layer, head, query = self.state.layer, self.state.head, self._query()
        self.summary.value = facts(_summary(attention, layer, head, query))
        self.text.value = plain(attention_text(attention, layer, head, query)) if self.as_text.value else ""

    def _draw_frame(self, _change: object = None) -> None:
        """As a new widget each time: a notebook server may hold back an update of that size, but not a new widget."""
        old = self.frame.children
        attention = self.shown
        if self.bertviz.value == "off" or attention is None:
            self.frame.children = ()
        else:
            markup = self._bertviz_markup(attention)
            if old and old[0].value == markup:
                return
            self.frame.children = (html(markup),)
        for widget in old:
            discard(widget)

    def _bertviz_markup(self, attention: Attention) -> str:
        """All heads of the layer that is open; of a long text only the head that is open."""
        view: View = self.bertviz.value
        heads = None if fits(view, attention.labels, attention.heads) else [self.state.head]
        return bertviz_frame(
            attention.weights, attention.labels, view=view, layer=self.state.layer, heads=heads, dark=self.dark
        )


def _summary(attention: Attention, layer: int, head: int, query: int) -> list[tuple[str, str]]:
    """Which head is open, and where the query's attention goes in it."""
    index = attention.layers.index(layer)
    shares = attention.shares(query)[index, head]
    spread = measures.attention_entropy(attention.weights[index, head, query])
    return [
        (say("attention.head"), say("attention.head.value", layer=layer + 1, head=head + 1)),
        (say("attention.query"), say("attention.query.value", label=attention.labels[query], number=query + 1)),
        *((say(f"attention.{name}"), percent(share)) for name, share in zip(measures.SHARES, shares, strict=True)),
        (say("attention.entropy"), say("panel.bits", bits=float(spread))),
    ]
