"""Next sentence prediction before one's eyes: how a head learns it, and two lines to ask it afterwards."""

from __future__ import annotations

from functools import partial
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go
from IPython.display import display

from mlm_viz.errors import MlmVizError, attempt
from mlm_viz.figures.next_sentence import next_sentence_curve
from mlm_viz.next_sentence import HeadLearning, NextSentence, PairFeatures, Pool, Wrong
from mlm_viz.strings import say
from mlm_viz.training.next_sentence import train_next_sentence
from mlm_viz.widgets.listening import PageTheme, listen_while_busy, wait_until_drawn
from mlm_viz.widgets.live_figure import LiveFigure
from mlm_viz.widgets.markup import TextLine, discard, html, line, row
from mlm_viz.widgets.script import styles
from mlm_viz.widgets.stage import Stage

_PATIENCE = 5.0  # seconds


class NextSentenceView(widgets.VBox):
    """A learning curve that grows, and, once there is a result, two sentences to ask it about.

    Attributes:
        result: the head, None before it is trained.
        first, second: the sentences it is asked about.
        answer: what it says of them.
    """

    def __init__(self, epochs: int) -> None:
        self.result: NextSentence | None = None
        self._epochs = epochs
        self._learning: HeadLearning | None = None
        self._live: LiveFigure | None = None
        self.theme = PageTheme()
        self.status = html(line(say("next_sentence.view.reading"), role="status"))
        self.stage = Stage()
        self.stage.layout.min_height = "410px"
        self.first = _sentence(say("next_sentence.view.first"), say("next_sentence.view.first.example"))
        self.second = _sentence(say("next_sentence.view.second"), say("next_sentence.view.second.example"))
        self.answer = html(line(say("next_sentence.view.wait"), role="status"))
        super().__init__([self._style(), self.theme, self.status, self.stage, *self._asking()])
        self.add_class("mlmviz")
        self.theme.observe(self._redraw, "dark")
        for box in (self.first, self.second):
            box.observe(self._ask, "value")

    def _style(self) -> widgets.HTML:
        return html(styles("strip", "explorer"), "mlmviz-style")

    def _asking(self) -> list[widgets.Widget]:
        return [row([self.first]), row([self.second]), self.answer]

    @property
    def figure(self) -> go.Figure | None:
        """The chart that was last shown."""
        return None if self._live is None else self._live.latest

    def show(self, learning: HeadLearning) -> None:
        """Draw how far it has come; the first time, wait until the page is ready to draw."""
        self._learning = learning
        done = len(learning.bits) - 1
        right = {"accuracy": learning.held_accuracy[-1], "bits": learning.held_bits[-1]}
        self.status.value = line(
            say("next_sentence.view.epoch", done=done, epochs=self._epochs, **right), role="status"
        )
        if self._live is not None:
            self._live.present(self._curve(learning))
            return
        self._live = LiveFigure(self._curve(learning))
        self.stage.show(self._live)
        listen_while_busy(self.theme, self._live)
        wait_until_drawn(self._live, _PATIENCE)

    def finish(self, result: NextSentence) -> None:
        """Let the head be asked."""
        self.result = result
        self._ask(None)

    def break_off(self, why: str) -> None:
        """Say why there will be no head."""
        self.status.value = line(say("live.broken", why=why), "error", role="status")
        self.answer.value = ""

    def _curve(self, learning: HeadLearning) -> go.Figure:
        return next_sentence_curve(learning, until=self._epochs, dark=self.theme.dark)

    def _redraw(self, _change: object) -> None:
        if self._live is not None and self._learning is not None:
            self._live.present(self._curve(self._learning))

    def _ask(self, _change: object) -> None:
        first, second = self.first.value.strip(), self.second.value.strip()
        if self.result is None or not (first and second):
            return
        probability, problem = attempt(partial(self.result.probability, first, second))
        told = problem or say("next_sentence.view.answer", probability=probability)
        self.answer.value = line(told, "error" if problem else "line", role="status")


def train_next_sentence_live(
    features: PairFeatures | None = None,
    *,
    pool: Pool = "mean",
    wrong: Wrong = "other",
    epochs: int = 30,
    seed: int = 0,
    **settings: Any,
) -> NextSentence:
    """Train a head as `train_next_sentence` does, with its learning curve on the page and two lines to ask it.

    Args:
        features: pairs that a model has read, `read_pairs()`; by default the bundled ones are read now.
        pool: "mean" or "cls", see `train_next_sentence`.
        wrong: how the wrong pairs are wrong, see there.
        epochs: how often all pairs are gone through.
        seed: of the random numbers.
        **settings: others that `train_next_sentence` takes.

    Raises:
        TrainingError: if a setting is out of range.
    """
    view = NextSentenceView(epochs)
    display(view)  # type: ignore[no-untyped-call]
    chosen = {"pool": pool, "wrong": wrong, "epochs": epochs, "seed": seed} | settings
    try:
        result = train_next_sentence(features, progress=False, watch=view.show, **chosen)
    except MlmVizError:  # of what was given: it has not begun
        discard(view)
        raise
    except BaseException as problem:
        view.break_off(type(problem).__name__)
        raise
    view.finish(result)
    return result


def _sentence(name: str, example: str) -> TextLine:
    return TextLine(
        value=example,
        description=name,
        continuous_update=False,
        style={"description_width": "10em"},
        layout=widgets.Layout(width="min(46em, 100%)"),
    )
