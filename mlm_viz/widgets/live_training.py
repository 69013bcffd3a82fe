"""Training a model in a notebook, and watching it learn: `train_live("my.txt")`."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from IPython.display import display

from mlm_viz.analysis.questions import Question, Reply, ask
from mlm_viz.learning import Learning, read_learning
from mlm_viz.model import Model
from mlm_viz.strings import say
from mlm_viz.training.callbacks import Callback
from mlm_viz.training.errors import TrainingError
from mlm_viz.training.loop import Run
from mlm_viz.training.metrics import read_metrics
from mlm_viz.training.start import TextLike, Trained, train
from mlm_viz.widgets.markup import discard
from mlm_viz.widgets.training_guesses import TOP
from mlm_viz.widgets.training_view import Progress, TrainingView, duration

_PAUSE = 0.4  # seconds at least between two drawings
_SHARE = 0.05  # of the time at most is spent on drawing
_METRICS = "metrics.jsonl"
# They are emptied when the kernel ends, and not before: a model may be loaded again.
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


@dataclass
class LiveTraining:
    """A training that was watched.

    Attributes:
        folder: with the model and the metrics.
        view: what is on the page.
        sentences: what the model was asked while it learned.
        trained: what the training left; None if something went wrong.
        error: what went wrong, empty if nothing did.
    """

    folder: Path
    view: TrainingView
    sentences: tuple[str, ...] = ()
    trained: Trained | None = None
    error: str = ""

    def __repr__(self) -> str:
        done = self.trained
        told = self.error if done is None else say("live.result", steps=done.steps, tokens=done.tokens)
        return f"LiveTraining({str(self.folder)!r}: {told})"

    def model(self) -> Model:
        """The model, ready to be asked.

        Raises:
            TrainingError: if the training failed.
            ModelError: if it was trained for something else than masked tokens.
        """
        if self.trained is None:
            raise TrainingError(self.error)
        return self.trained.model()

    @property
    def learning(self) -> Learning:
        """How the loss went, all resumptions included."""
        return read_learning(self.folder)

    def resume(self, **settings: Any) -> LiveTraining:
        """Go on after a stop, in a new view; `settings` are those that may be changed then, such as `minutes`."""
        return train_live((), self.folder, sentences=self.sentences, resume=True, **settings)


def train_live(
    texts: TextLike | Iterable[TextLike] = (),
    out: str | Path | None = None,
    *,
    sentences: Iterable[str] = (),
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    **settings: Any,
) -> LiveTraining:
    """Train a masked language model from random weights on text files, and show how it learns.

    It takes until the training has ended. The view's button and the notebook's own, which interrupts the kernel, end it
    early; the model is kept as it is then.

    Args:
        texts: one or more files, see `training.Text`; on resuming none are needed.
        out: folder for the model, a new or empty one unless `resume`; by default one that lasts as long as the kernel.
        sentences: what the model is asked again and again: each with `[MASK]` or `____` in its one gap, or with the
            word that belongs there in braces, such as "The sun rises in the {east}."; only masked models can be asked.
        resume: go on with the training in `out`, with its settings.
        callbacks: who else looks on, such as a `FilmRecorder`.
        **settings: see `training.Settings`; `minutes` or `steps` is the budget.

    Raises:
        TrainingError: if a text, a setting or the folder cannot be used. What goes wrong later, such as a full disk,
            is said in the view, and raised by `model()`.
        MlmVizError: if a sentence has not exactly one gap.
    """
    asked = tuple([sentences] if isinstance(sentences, str) else sentences)
    questions = [Question.read(sentence) for sentence in asked]
    folder = _temporary() if out is None else Path(out).expanduser()
    view = TrainingView(questions)
    live = LiveTraining(folder, view, asked)
    watcher = Watcher(view, questions, folder)
    display(view)  # type: ignore[no-untyped-call]
    try:
        view.wait_until_drawn()
        live.trained = train(texts, folder, resume=resume, progress=False, callbacks=[watcher, *callbacks], **settings)
    except TrainingError as problem:
        if not watcher.begun:
            discard(view)
            raise
        live.error = str(problem)
        view.close_down(live.error, "error")
    except BaseException as problem:
        view.close_down(say("live.broken", why=type(problem).__name__), "error")
        raise
    else:
        watcher.finish(live.trained)
    return live


class Pace:
    """Says when it is time to draw: not too often, and never for too large a share of the time.

    Args:
        clock: gives the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = -math.inf

    def is_due(self) -> bool:
        """Whether it is time."""
        return self._clock() >= self._next

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Measures how long what is inside takes: the next drawing has to wait accordingly."""
        start = self._clock()
        yield
        end = self._clock()
        self._next = end + max(_PAUSE, (end - start) * (1 - _SHARE) / _SHARE)


class Watcher(Callback):
    """Looks on at a training, asks the questions, and has the view show what it sees.

    Attributes:
        begun: whether the training has begun: texts and settings were right.
    """

    def __init__(self, view: TrainingView, questions: Sequence[Question], folder: Path) -> None:
        self.begun = False
        self.masked_only = bool(questions)  # without any, the loss of every kind of training can be watched
        self.pace = Pace()
        self._view, self._questions, self._folder = view, questions, folder
        self._lines: list[Mapping[str, Any]] = []
        self._model: Model | None = None

    def begin(self, run: Run) -> None:
        """Before the first step; of a resumed run the metrics so far are there."""
        self.begun = True
        # One for the whole run: it sees the weights change.
        self._model = run.as_model() if self._questions else None
        self._lines = [*read_metrics(self._folder / _METRICS)]
        self._view.on_stop = run.stop
        if self._view.stop_wanted:
            run.stop()
        else:
            self._view.tell(say("live.training"))

    def metrics(self, run: Run, line: Mapping[str, Any]) -> None:  # noqa: ARG002 (what a callback is called with)
        """Remember a line."""
        self._lines.append(line)

    def step(self, run: Run) -> None:
        """Draw when it is time."""
        if self.pace.is_due():
            with self.pace.drawing():
                self._look(run)

    def end(self, run: Run) -> None:
        """Draw what is kept."""
        self._look(run)

    def _look(self, run: Run) -> None:
        fraction = run.fraction
        progress = Progress(
            fraction=fraction,
            step=run.step,
            tokens=run.tokens,
            speed=next((line["tokens_per_second"] for line in reversed(self._lines) if "loss_bits" in line), None),
            seconds_left=run.seconds / fraction - run.seconds if run.step and fraction else None,
            steps=run.settings.steps,
            highest_bits=math.ceil(math.log2(len(run.tokenizer))),
        )
        self._view.show(progress, Learning.from_lines(self._lines), self._ask())

    def _ask(self) -> list[Reply]:
        if self._model is None:
            return []
        self._model.network.eval()  # the loop switches it back
        return ask(self._questions, self._model, TOP)

    def finish(self, trained: Trained) -> None:
        """Say what was left."""
        if not self.begun:  # it had been finished before: there was nothing to look at
            self._model = trained.model() if self._questions else None
            progress = Progress(1.0, trained.steps, trained.tokens)
            self._view.show(progress, read_learning(self._folder), self._ask())
        key = "live.finished" if trained.finished else "live.stopped"
        numbers = {"steps": trained.steps, "time": duration(trained.seconds), "folder": trained.folder}
        self._view.close_down(say(key, **numbers))


def _temporary() -> Path:
    _FOLDERS.append(tempfile.TemporaryDirectory(prefix="mlm_viz_"))
    return Path(_FOLDERS[-1].name) / "live"
