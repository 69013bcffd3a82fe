"""The controls of a film: play and pause, and a slider over the frames."""

from __future__ import annotations

import anywidget
import traitlets

from mlm_viz.strings import section
from mlm_viz.widgets.script import script


class FilmControls(anywidget.AnyWidget):
    """A button and a slider; knows nothing of films.

    While it plays, the page asks for the next frame half a second after the last one was drawn.

    Attributes:
        labels: what each frame is called.
        frame: the frame that is wanted; the page changes it too.
        shown: the frame that was last drawn; Python says so.
        playing: whether the film runs; the page changes it too.
        dark: whether the page is dark; the page says so, Python reads it.
    """

    _esm = script("film_controls")

    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    frame = traitlets.Int(0, min=0).tag(sync=True)
    shown = traitlets.Int(-1).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    dark = traitlets.Bool(False).tag(sync=True)
    strings = traitlets.Dict().tag(sync=True)

    @traitlets.default("strings")
    def _default_strings(self) -> dict[str, str]:
        return section("player")

    @traitlets.validate("frame")
    def _within(self, proposal: dict[str, int]) -> int:
        return max(0, min(proposal["value"], len(self.labels) - 1))
