"""Hearing the page while a cell runs: a stop button that works, a chart that is drawn, the theme of the page."""

from __future__ import annotations

import time
from typing import Any

import anywidget
import ipywidgets as widgets
import traitlets

from mlm_viz.widgets.live_figure import LiveFigure
from mlm_viz.widgets.script import script

_LOOK = 0.05  # seconds between two looks


def listen_while_busy(*parts: widgets.Widget) -> None:
    """Have what the page says to some widgets heard at once, in a thread, while a cell runs.

    JupyterLab sends it to a second thread of the kernel, a subshell. But from version 7.4 on ipykernel hands it to the
    thread that last spoke to the page about the widget: as a rule that in which the cell runs, which hears it when the
    cell is done. So that is forgotten here; do it after the last change made by the cell. Where there are no subshells
    nothing is lost: it is heard after the cell.
    """
    for part in parts:
        comm: Any = part.comm
        if comm is not None:
            vars(comm).pop("_reply_subshell_id", None)


def wait_until_drawn(figure: LiveFigure, seconds: float) -> None:
    """Leave the processor to the page until it has drawn, but no longer than `seconds`.

    It gives up on widgets that it cannot start within two seconds. Where there is no page nobody waits.
    """
    until = time.monotonic() + seconds
    has_page = getattr(figure.comm, "kernel", None) is not None
    while has_page and not figure.drawn and time.monotonic() < until:
        time.sleep(_LOOK)


class PageTheme(anywidget.AnyWidget):
    """Nothing to see; says whether the page is dark, and tells screen readers what the page around it shows.

    Attributes:
        dark: whether the page is dark; the page says so, Python reads it.
    """

    _esm = script("page_theme")

    dark = traitlets.Bool(False).tag(sync=True)
