"""A training on the page: how far it is, how the loss falls, what is guessed by now, and a button that stops it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import RLock

import ipywidgets as widgets
import plotly.graph_objects as go

from mlm_viz.analysis.questions import Question, Reply
from mlm_viz.escape import escape
from mlm_viz.figures.learning import learning_curve, learning_text
from mlm_viz.learning import Learning
from mlm_viz.strings import say
from mlm_viz.widgets.listening import PageTheme, listen_while_busy, wait_until_drawn
from mlm_viz.widgets.live_figure import LiveFigure
from mlm_viz.widgets.markup import facts, html, line, plain, row
from mlm_viz.widgets.prediction_panel import as_text_button
from mlm_viz.widgets.script import styles
from mlm_viz.widgets.stage import Stage
from mlm_viz.widgets.training_guesses import Asked, guesses, guesses_text

_MINUTE = 60
_PATIENCE = 5.0  # seconds


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Attributes:
        fraction: of the budget that is used, in [0, 1].
        step: so many steps are done.
        tokens: read so far.
        speed: tokens per second of late; None if it was not measured yet.
        seconds_left: at this pace; None if that cannot be said yet.
        steps: the budget in steps; None if it is one of time.
        highest_bits: the loss of who takes all tokens for equally likely.
    """

    fraction: float = 0.0
    step: int = 0
    tokens: int = 0
    speed: int | None = None
    seconds_left: float | None = None
    steps: int | None = None
    highest_bits: int | None = None


class TrainingView(widgets.VBox):
    """Shows what it is given; knows nothing of how a model is trained.

    Attributes:
        progress, learning, asked: what was last shown.
        stop_wanted: whether the button was pressed.
        on_stop: what is to be done then.
    """

    def __init__(self, questions: Sequence[Question] = ()) -> None:
        # The page is heard in another thread than that in which the training runs.
        self._turn = RLock()
        self.progress = Progress()
        self.learning = Learning.from_lines([])
        self.asked = [Asked(question) for question in questions]
        self.stop_wanted = False
        self.on_stop: Callable[[], None] = lambda: None
        self.theme = PageTheme()
        self.status = html(line(say("live.reading"), role="status"), "mlmviz-live-status")
        self.stop = widgets.Button(
            description=say("live.stop"),
            tooltip=say("live.stop.hint"),
            icon="stop",
            layout=widgets.Layout(width="auto"),
        )
        self.bar = html()
        self.numbers = html(css_class="mlmviz-live-facts")
        self.stage = Stage()
        self._live = LiveFigure(self._curve())
        self.stage.show(self._live)
        self.guesses = html()
        self.as_text = as_text_button()
        self.text = html()
        super().__init__(self._parts())
        self.add_class("mlmviz")
        self.add_class("mlmviz-live")
        self.stop.on_click(self._stop)
        self.theme.observe(self._redraw, "dark")
        self.as_text.observe(self._redraw, "value")
        self._draw()
        self.listen()

    def _parts(self) -> list[widgets.Widget]:
        return [
            html(styles("strip", "explorer", "training_view"), "mlmviz-style"),
            self.theme,
            self.status,
            self.bar,
            self.numbers,
            row([self.stop, self.as_text]),
            self.stage,
            self.guesses,
            self.text,
        ]

    def __repr__(self) -> str:
        return f"TrainingView(step {self.progress.step:,}, {self.learning!r})"

    @property
    def figure(self) -> go.Figure:
        """The chart that was last shown."""
        return self._live.latest

    def listen(self) -> None:
        """Have the page heard while a cell runs."""
        listen_while_busy(self.stop, self.as_text, self.theme, self._live)

    def wait_until_drawn(self) -> None:
        """Let the page draw the view before something else takes the processor."""
        wait_until_drawn(self._live, _PATIENCE)

    def show(self, progress: Progress, learning: Learning, replies: Sequence[Reply]) -> None:
        """Bring everything up to date.

        Args:
            progress: how far it is.
            learning: the loss so far.
            replies: one for each question, or none to leave those that stand there.
        """
        with self._turn:
            self.progress, self.learning = progress, learning
            for one, reply in zip(self.asked, replies, strict=False):
                one.take(reply)
            self._draw()

    def tell(self, text: str, kind: str = "line") -> None:
        """Say a sentence at the head; `kind` is "line" or "error"."""
        self.status.value = line(text, kind, role="status")

    def close_down(self, text: str, kind: str = "line") -> None:
        """Say how it ended, and leave everything else as it is."""
        self.stop.disabled = True
        self.tell(text, kind)
        self.listen()

    def _stop(self, _button: object) -> None:
        self.stop_wanted = True
        self.stop.disabled = True
        self.tell(say("live.stopping"))
        self.on_stop()

    def _redraw(self, _change: object) -> None:
        with self._turn:
            self._draw()

    def _draw(self) -> None:
        self.bar.value = _bar(self.progress.fraction)
        self.numbers.value = facts(self._facts())
        self.guesses.value = guesses(self.asked)
        self._live.present(self._curve())
        self.text.value = plain(self._text()) if self.as_text.value else ""

    def _curve(self) -> go.Figure:
        progress = self.progress
        return learning_curve(self.learning, until=progress.steps, top=progress.highest_bits, dark=self.theme.dark)

    def _facts(self) -> list[tuple[str, str]]:
        progress, bits, held = self.progress, self.learning.bits[-1:], self.learning.held_out[-1:]
        return [
            (say("live.step"), f"{progress.step:,}"),
            (say("live.tokens"), f"{progress.tokens:,}"),
            (say("live.speed"), _NONE if progress.speed is None else f"{progress.speed:,}"),
            (say("live.left"), _NONE if progress.seconds_left is None else duration(progress.seconds_left)),
            (say("live.loss"), _bits(bits[0]) if len(bits) else _NONE),
            (say("live.held"), _bits(held[0]) if len(held) else _NONE),
            (say("live.perplexity"), f"{2 ** held[0]:,.1f}" if len(held) else _NONE),
        ]

    def _text(self) -> str:
        numbers = "\n".join(f"{name}: {value}" for name, value in self._facts())
        return "\n\n".join(part for part in (numbers, learning_text(self.learning), guesses_text(self.asked)) if part)


_NONE = "–"


def _bar(fraction: float) -> str:
    label = escape(say("live.bar", percent=round(100 * fraction)))
    return f'<progress class="mlmviz-live-bar" max="1" value="{fraction:.4f}" aria-label="{label}"></progress>'


def _bits(value: float) -> str:
    return say("panel.bits", bits=value)


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(7.2), duration(83), duration(7260)
    ('7 s', '1 min 23 s', '2 h 1 min')
    """
    minutes, rest = divmod(round(seconds), _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    if hours:
        return say("live.hours", hours=hours, minutes=minutes)
    return say("live.minutes", minutes=minutes, seconds=rest) if minutes else say("live.seconds", seconds=rest)
