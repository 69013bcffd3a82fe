"""Where a panel shows its picture, or says why there is none."""

from __future__ import annotations

import ipywidgets as widgets

from mlm_viz.widgets.markup import html, line


class Stage(widgets.Box):
    """Room for a picture, or for a line in its place.

    The picture is hidden behind the line and not taken off the page: nothing jumps, nothing has to be drawn anew, and
    plotly, which cannot be interrupted while it draws, is not asked to.
    """

    def __init__(self) -> None:
        self.words = html()
        self.picture = widgets.Box(layout=widgets.Layout(width="100%"))
        super().__init__([self.words, self.picture], layout=widgets.Layout(width="100%"))
        self.add_class("mlmviz-stage")

    def show(self, figure: widgets.Widget) -> None:
        """Show a picture."""
        if self.picture.children != (figure,):
            self.picture.children = (figure,)
        self.picture.remove_class("mlmviz-hidden")
        self.words.value = ""

    def tell(self, text: str) -> None:
        """Say a sentence instead."""
        self.picture.add_class("mlmviz-hidden")
        self.words.value = line(text, "hint", role="status")

    def fade(self, *, stale: bool) -> None:
        """Let what is shown look old while something new is on its way."""
        fade(self, stale=stale)


def fade(part: widgets.DOMWidget, *, stale: bool) -> None:
    """Let a part of the page look old while something new is on its way; nothing moves."""
    act = part.add_class if stale else part.remove_class
    act("mlmviz-stale")
