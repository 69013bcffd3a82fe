"""A place on the page for a plotly figure that changes, also into one of another build."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go

from mlm_viz.widgets.live_figure import LiveFigure
from mlm_viz.widgets.markup import discard
from mlm_viz.widgets.stage import Stage


class Picture(Stage):
    """A stage with one figure on it; the widget is kept for as long as the figures have the same traces.

    Args:
        room: pixels that are kept for it before it is there.
    """

    def __init__(self, room: int) -> None:
        super().__init__()
        self.layout.min_height = f"{room}px"
        self._live: LiveFigure | None = None
        self._listening: Callable[[int, int], None] | None = None

    @property
    def figure(self) -> go.Figure | None:
        """The figure that was last shown; None before there was any."""
        return None if self._live is None else self._live.latest

    def present(self, figure: go.Figure) -> LiveFigure:
        """Show a figure; returns the widget that shows it."""
        old = self._live
        if old is not None and _build(old.latest) == _build(figure):
            old.present(figure)
            self.show(old)
            return old
        self._live = LiveFigure(figure)
        self._listen()
        self.show(self._live)
        if old is not None:
            discard(old)
        return self._live

    def on_point(self, act: Callable[[int, int], None]) -> None:
        """Call `act` with column and row of a cell of the first trace that is clicked."""
        if self._listening is None:
            self._listening = act
            self._listen()

    def _listen(self) -> None:
        act = self._listening
        if self._live is None or act is None:
            return

        def clicked(_trace: Any, points: Any, _state: Any) -> None:
            if points.xs and points.ys:
                act(int(points.xs[0]), int(points.ys[0]))

        self._live.data[0].on_click(clicked)

    def bring_back(self) -> None:
        """Show the last figure again after a line was told in its place."""
        if self._live is not None:
            self.show(self._live)


def _build(figure: go.Figure) -> list[str]:
    return [trace.type for trace in figure.data]
