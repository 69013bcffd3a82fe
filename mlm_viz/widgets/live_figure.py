"""A plotly figure on the page that can be shown anew at any time, also before the page has drawn it."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from importlib.resources import files
from threading import RLock
from typing import Any

import anywidget
import plotly.graph_objects as go
import traitlets

from mlm_viz.figures.update import refresh
from mlm_viz.widgets.script import script

_CONFIG = {"displayModeBar": False, "displaylogo": False, "responsive": True}


class PlotlyBundle(anywidget.AnyWidget):
    """Carries plotly's widget script to the page, once for all figures."""

    _esm = "export default {}"
    code = traitlets.Unicode().tag(sync=True)


@cache
def _bundle() -> PlotlyBundle:
    script = files("plotly") / "package_data" / "widgetbundle.js"
    return PlotlyBundle(code=script.read_text(encoding="utf-8"))


class LiveFigure(go.FigureWidget):
    """A `FigureWidget` that loses nothing while it is on its way to the page.

    plotly's own sends an empty figure first and then what belongs in it, carries five megabytes of script in each, and
    forgets changes that arrive before that script runs: on a busy machine an empty or old picture stays. This one sends
    the whole figure first, shares the script, and holds later figures back until the page says that it has drawn.

    What the page says may be heard in one thread while another, in which a cell runs, shows a new figure: they take
    turns, or changes that are sent meanwhile would be lost.
    """

    _esm = script("live_figure")

    _bundle = traitlets.Unicode().tag(sync=True)

    def __init__(self, figure: go.Figure) -> None:
        self._turn = RLock()
        self._complete = False
        self._drawn = False
        self._latest = figure
        super().__init__(figure)
        self._bundle = _bundle().model_id
        self._config = {**self._config, **_CONFIG}  # type: ignore[has-type]
        self._complete = True
        self.open()
        self.observe(self._on_drawn, "_js2py_traceDeltas")

    @property
    def latest(self) -> go.Figure:
        """The figure that was last shown, whether or not the page has it yet."""
        return self._latest

    @property
    def drawn(self) -> bool:
        """Whether the page has said that it has drawn."""
        return self._drawn

    def open(self) -> None:
        """Tell the page of this widget; put off while the figure is still being put together."""
        if self._complete:
            super().open()

    def present(self, figure: go.Figure) -> None:
        """Show another figure with the same traces."""
        with self._turn:
            self._latest = figure
            if self._drawn:
                refresh(self, figure)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what the page says."""
        with self._turn:
            super().set_state(sync_data)

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002
        """The state for the page; one that is loaded anew gets the figure as it is, not as it was at first."""
        state: dict[str, Any] = super().get_state(key, drop_defaults)
        now = {"_widget_data": self._data, "_widget_layout": self._layout_obj._props} if self._complete else {}  # noqa: SLF001
        for name in now.keys() & state.keys():
            state[name] = self.trait_metadata(name, "to_json")(deepcopy(now[name]), self)
        return state

    def _on_drawn(self, _change: object) -> None:
        if not self._drawn:
            self._drawn = True
            refresh(self, self._latest)
