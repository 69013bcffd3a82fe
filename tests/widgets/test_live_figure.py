"""A figure on its way to the page loses nothing."""

from __future__ import annotations

from typing import Any

import comm
import plotly.graph_objects as go
import pytest
from comm.base_comm import BaseComm

from mlm_viz.widgets.live_figure import LiveFigure


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Everything that goes to the page: the kind of message, and its data."""
    sent: list[tuple[str, dict[str, Any]]] = []

    class Recorder(BaseComm):
        def publish_msg(self, msg_type: str, data: Any = None, **_: Any) -> None:
            sent.append((msg_type, data or {}))

    monkeypatch.setattr(comm, "create_comm", Recorder)
    return sent


def bars(*heights: float, shapes: int = 0) -> go.Figure:
    figure = go.Figure(go.Bar(x=list(range(len(heights))), y=list(heights)))
    return figure.update_layout(shapes=[{"type": "line", "x0": 0, "x1": 1, "y0": 0, "y1": 1}] * shapes)


def drawn(figure: LiveFigure) -> None:
    """What the page says when it has drawn."""
    figure.set_state({"_js2py_traceDeltas": {"trace_deltas": [], "trace_edit_id": 0}})


def states(wire: list[tuple[str, dict[str, Any]]], name: str) -> list[Any]:
    return [data["state"][name] for _, data in wire if name in data.get("state", {})]


def updates(wire: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """plotly's messages; the empty one belongs to the opening."""
    return [update for update in states(wire, "_py2js_update") if update]


def heights(state: Any) -> list[float]:
    return list(state[0]["y"])


def test_the_first_message_holds_the_whole_figure(wire: list[tuple[str, dict[str, Any]]]) -> None:
    figure = LiveFigure(bars(1, 2))
    opened = next(d for kind, d in wire if kind == "comm_open" and "_widget_data" in d["state"])
    assert heights(opened["state"]["_widget_data"]) == [1, 2]
    assert opened["state"]["_bundle"] == figure._bundle
    assert len(opened["state"]["_esm"]) < 50_000  # plotly's own script travels once, in the bundle


def test_plotly_travels_once(wire: list[tuple[str, dict[str, Any]]]) -> None:
    first, second = LiveFigure(bars(1)), LiveFigure(bars(2))
    assert first._bundle == second._bundle
    assert len(states(wire, "code")) <= 1


def test_figures_are_held_back_until_the_page_has_drawn(wire: list[tuple[str, dict[str, Any]]]) -> None:
    figure = LiveFigure(bars(1, 2))
    figure.present(bars(3, 4, 5, shapes=1))
    assert figure.latest.data[0].y == (3, 4, 5)
    assert updates(wire) == []
    drawn(figure)
    [update] = updates(wire)
    assert list(update["style_data"]["y"][0]) == [3, 4, 5]
    assert len(figure.layout.shapes) == 1


def test_later_figures_go_at_once_and_only_what_differs(wire: list[tuple[str, dict[str, Any]]]) -> None:
    figure = LiveFigure(bars(1, 2))
    drawn(figure)
    before = len(wire)
    figure.present(bars(1, 2))
    assert updates(wire[before:]) == []
    figure.present(bars(1, 9))
    assert [list(u["style_data"]["y"][0]) for u in updates(wire[before:])] == [[1, 9]]


def test_a_page_loaded_anew_gets_the_figure_as_it_is() -> None:
    figure = LiveFigure(bars(1, 2))
    drawn(figure)
    figure.present(bars(7, 8, 9))
    assert heights(figure.get_state()["_widget_data"]) == [7, 8, 9]
