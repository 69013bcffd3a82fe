"""A training watched live: what is shown is true, a stop leaves a model, and nothing that goes wrong is a riddle."""

from __future__ import annotations

import threading
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from comm.base_comm import BaseComm

import mlm_viz
from mlm_viz.analysis.questions import Question, Reply
from mlm_viz.errors import MlmVizError
from mlm_viz.learning import Learning
from mlm_viz.training import Callback, TrainingError
from mlm_viz.widgets import live_training
from mlm_viz.widgets.listening import listen_while_busy
from mlm_viz.widgets.live_figure import LiveFigure
from mlm_viz.widgets.live_training import LiveTraining, Pace, train_live
from mlm_viz.widgets.training_guesses import TOP, Asked, guesses, guesses_text
from mlm_viz.widgets.training_view import Progress, TrainingView, duration
from tests.story import story_lines
from tests.widgets.test_panels import everything

TINY: dict[str, Any] = {
    "layers": 1,
    "width": 32,
    "heads": 2,
    "vocab": 200,
    "limit": 32,
    "short": 16,
    "batch_tokens": 256,
    "rate": 0.01,
    "device": "cpu",
    "precision": "fp32",
    "dtype": "fp32",
}
SENTENCES = ("the cat {sat} on the mat 5.", "the king slept on the ____ 7.", "今天我们去公[MASK]看花。")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "story.txt"
    path.write_text("\n".join(story_lines()), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def shown(monkeypatch: pytest.MonkeyPatch) -> list[TrainingView]:
    """The views that were displayed."""
    views: list[TrainingView] = []
    monkeypatch.setattr(live_training, "display", views.append)
    return views


class At(Callback):
    """Does something once so many steps are done."""

    def __init__(self, step: int, act: Any) -> None:
        self.at, self.act = step, act

    def step(self, run: Any) -> None:
        if run.step == self.at:
            self.act()


class Watched(Callback):
    """Keeps what the view shows after each step."""

    def __init__(self, views: list[TrainingView]) -> None:
        self.views = views
        self.seen: list[tuple[Progress, int, str]] = []

    def step(self, run: Any) -> None:
        view = self.views[0]
        self.seen.append((view.progress, len(view.learning.held_steps), view.status.value))


def fail(problem: BaseException) -> None:
    raise problem


# --- a training from its beginning to its end ---------------------------------------------------


@pytest.fixture(scope="module")
def finished(text: Path) -> tuple[LiveTraining, list[tuple[Progress, int, str]]]:
    views: list[TrainingView] = []
    watched = Watched(views)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_training, "display", views.append)
        patch.setattr(live_training, "_PAUSE", 0.0)
        patch.setattr(live_training, "_SHARE", 1.0)  # draws after every step, on any machine
        live = train_live(text, sentences=SENTENCES, callbacks=[watched], steps=60, **TINY)
    return live, watched.seen


def test_the_view_follows(finished: tuple[LiveTraining, list[tuple[Progress, int, str]]]) -> None:
    _, seen = finished
    steps = [progress.step for progress, _, _ in seen]
    assert steps == [*range(61)], "the first time before the model has learned anything"
    assert [measured for _, measured, _ in seen] == sorted(measured for _, measured, _ in seen)
    assert all("Training." in status for _, _, status in seen)


def test_the_last_guesses_are_those_of_the_model_that_is_left(finished: tuple[LiveTraining, Any]) -> None:
    live, _ = finished
    model = live.model()
    assert len(live.view.asked) == len(SENTENCES)
    for one in live.view.asked:
        prediction = mlm_viz.predict(one.question.text, model)
        table = prediction.top(TOP)
        assert list(one.reply.guesses) == table["token"].tolist()
        assert one.reply.probabilities == pytest.approx(table["probability"].to_numpy(), rel=1e-3)
        assert one.way[-1] == table["token"][0]
        for guess in one.reply.guesses:
            assert guess in live.view.guesses.value
    score = live.view.asked[0].reply.score
    assert score is not None
    alone = mlm_viz.predict("the cat ____ on the mat 5.", model)
    assert (score.rank, score.probability) == (alone.rank("sat"), pytest.approx(alone.probability("sat"), rel=1e-3))


def test_the_last_numbers_are_those_on_disk(finished: tuple[LiveTraining, Any]) -> None:
    live, _ = finished
    view, learning = live.view, live.learning
    assert live.trained is not None
    assert live.trained.finished
    assert view.progress.step == live.trained.steps == 60
    assert view.progress.tokens == live.trained.tokens == learning.tokens[-1]
    assert view.progress.fraction == 1.0
    assert learning.held_out[-1] < learning.held_out[0] - 1, "it has learned"
    assert view.learning.bits.tolist() == learning.bits.tolist()
    assert view.learning.held_out.tolist() == learning.held_out.tolist()
    assert list(view.figure.data[0].y) == learning.bits.tolist()
    assert list(view.figure.data[2].x) == learning.held_steps.tolist()
    assert f"{learning.held_out[-1]:.2f} bits" in view.numbers.value
    assert f"{2 ** learning.held_out[-1]:.1f}" in view.numbers.value
    assert 'value="1.0000"' in view.bar.value


def test_it_says_what_it_left_and_where(finished: tuple[LiveTraining, Any]) -> None:
    live, _ = finished
    assert live.view.stop.disabled
    assert str(live.folder) in live.view.status.value
    assert "Done: 60 steps" in live.view.status.value
    assert repr(live) == f"LiveTraining({str(live.folder)!r}: 60 steps, {live.trained.tokens:,} tokens)"  # type: ignore[union-attr]
    explorer = mlm_viz.explore("the cat ____ on the mat 5.", live.model())
    assert explorer.shown is not None


def test_all_of_it_can_be_read_as_text(finished: tuple[LiveTraining, Any]) -> None:
    view = finished[0].view
    assert view.text.value == ""
    view.as_text.value = True
    for part in ("step: 60", "held out, step 0", "lowest held out", "the cat ____ on the mat 5.", "True word sat:"):
        assert part in view.text.value
    view.as_text.value = False
    assert view.text.value == ""


def test_the_chart_follows_the_theme_of_the_page(finished: tuple[LiveTraining, Any]) -> None:
    view = finished[0].view
    light = view.figure.layout.paper_bgcolor
    view.theme.dark = True
    assert view.figure.layout.paper_bgcolor != light
    view.theme.dark = False
    assert view.figure.layout.paper_bgcolor == light


def test_a_finished_training_that_is_resumed_is_shown_as_it_is(finished: tuple[LiveTraining, Any]) -> None:
    live, _ = finished
    again = live.resume()
    assert again.trained == live.trained
    assert again.view.learning.bits.tolist() == live.learning.bits.tolist()
    assert [one.reply.guesses for one in again.view.asked] == [one.reply.guesses for one in live.view.asked]
    assert "Done" in again.view.status.value


# --- stopping and going on ----------------------------------------------------------------------


def test_the_button_stops_it_and_it_can_go_on(text: Path, tmp_path: Path, shown: list[TrainingView]) -> None:
    press = At(7, lambda: shown[0].stop.click())  # noqa: PLW0108 (there is no view yet)
    live = train_live(text, tmp_path / "m", sentences=SENTENCES[0], callbacks=[press], steps=20, **TINY)
    assert live.trained is not None
    assert (live.trained.finished, live.trained.steps) == (False, 8)
    assert live.view.progress.step == live.view.learning.steps[-1] == 8, "the last state is drawn, whatever the pace"
    assert "Stopped after 8 steps" in live.view.status.value
    assert live.view.stop.disabled
    assert mlm_viz.predict("the cat ____ on the mat.", live.model()).top(1)["probability"][0] > 0
    more = live.resume(steps=30)
    assert more.trained is not None
    assert (more.trained.finished, more.trained.steps) == (True, 30)
    assert more.view is shown[1]
    assert more.view.learning.steps.tolist() == more.learning.steps.tolist()
    assert more.learning.held_steps[0] == 0, "the curve begins where the training began"


def test_stopped_while_the_text_is_read_it_ends_before_the_first_step(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_training, "display", lambda view: view.stop.click())
    live = train_live(text, tmp_path / "m", steps=20, **TINY)
    assert live.trained is not None
    assert live.trained.steps == 0
    assert live.model().layers == 1


def test_without_a_folder_there_is_one_for_the_life_of_the_kernel(text: Path) -> None:
    one, other = (train_live(text, steps=1, **TINY) for _ in range(2))
    assert one.folder != other.folder
    assert (one.folder / "model.safetensors").exists()


def test_the_caller_keeps_their_random_numbers_and_gets_what_train_gives(text: Path, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    train_live(text, tmp_path / "live", sentences=SENTENCES, steps=6, **TINY)
    assert torch.equal(before, torch.get_rng_state())
    mlm_viz.train(text, tmp_path / "plain", steps=6, progress=False, **TINY)
    assert (tmp_path / "live" / "model.safetensors").read_bytes() == (
        tmp_path / "plain" / "model.safetensors"
    ).read_bytes()


# --- what goes wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "settings"),
    [("nothing.txt", {}), (None, {"layers": 0}), (None, {"no_such": 1}), ([], {})],
)
def test_wrong_arguments_are_raised_and_nothing_is_left(
    texts: Any, settings: dict[str, Any], text: Path, tmp_path: Path, shown: list[TrainingView]
) -> None:
    with pytest.raises(TrainingError):
        train_live(text if texts is None else texts, tmp_path / "m", steps=2, **{**TINY, **settings})
    assert [view.comm for view in shown] == [None], "the view is taken off the page"
    assert [part for part in everything(shown[0]) if part.comm is not None] == []
    assert not (tmp_path / "m").exists()


def test_a_sentence_without_a_gap_is_raised_before_anything_is_shown(text: Path, shown: list[TrainingView]) -> None:
    with pytest.raises(MlmVizError, match="one gap"):
        train_live(text, sentences=["no gap"], steps=2, **TINY)
    assert shown == []


def test_what_goes_wrong_later_is_said_in_the_view_and_by_the_model(text: Path, tmp_path: Path) -> None:
    broken = At(3, lambda: fail(TrainingError("The disk is <full>.")))
    live = train_live(text, tmp_path / "m", callbacks=[broken], steps=9, **TINY)
    assert (live.trained, live.error) == (None, "The disk is <full>.")
    assert "The disk is &lt;full&gt;." in live.view.status.value
    assert "mlmviz-error" in live.view.status.value
    assert "<full>" in repr(live)
    with pytest.raises(TrainingError, match="full"):
        live.model()


def test_a_second_interrupt_breaks_off_and_the_view_says_so(
    text: Path, tmp_path: Path, shown: list[TrainingView]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_live(text, tmp_path / "m", callbacks=[At(2, lambda: fail(KeyboardInterrupt()))], steps=9, **TINY)
    assert "KeyboardInterrupt" in shown[0].status.value
    assert shown[0].stop.disabled


def test_other_objectives_can_be_watched_but_not_asked(text: Path, tmp_path: Path, shown: list[TrainingView]) -> None:
    live = train_live(text, tmp_path / "m", objective="causal", steps=3, **TINY)
    assert live.view.learning.steps[-1] == 3
    with pytest.raises(TrainingError, match="causal"):
        train_live(text, tmp_path / "n", sentences=SENTENCES, objective="causal", steps=3, **TINY)
    assert shown[1].comm is None


# --- what it costs ------------------------------------------------------------------------------


@pytest.mark.parametrize("cost", [0.001, 0.03, 2.0])
def test_drawing_is_seldom_and_cheap(cost: float) -> None:
    now, spent, count = 0.0, 0.0, 0
    pace = Pace(lambda: now)
    while now < 200:
        if pace.is_due():
            with pace.drawing():
                now += cost
            spent, count = spent + cost, count + 1
        now += 0.01  # a step
    assert spent - cost <= 0.05 * now, "the first one is free"
    assert count <= 1 + now / 0.4
    assert count >= min(now / 0.45, 0.04 * now / cost)


# --- hostile and odd texts ----------------------------------------------------------------------

HOSTILE = ('<script>alert(1)</script> [MASK] "><img src=x onerror=alert(2)>', "</p></ul><svg onload=alert(3)> {<b>} x")


class Tags(HTMLParser):
    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_hostile_sentences_and_guesses_are_text() -> None:
    asked = [Asked(Question.read(line)) for line in HOSTILE]
    bad = "<i onclick=alert(4)>"
    for one in asked:
        one.take(Reply((bad, "&amp;", "b"), np.array([0.5, 0.3, 0.1])))
    asked[1].take(Reply(problem="<iframe>"))
    seen = Tags(guesses(asked))
    assert seen.tags == {"ul", "li", "p", "b", "bdi", "ol", "span", "i"}
    assert seen.attributes <= {"class", "dir", "aria-label", "style", "data-right"}
    for part in ("<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "<svg onload=alert(3)>", "<iframe>"):
        assert part in seen.text
    assert "&amp;" in seen.text
    assert bad[:9] in guesses_text(asked)


def test_every_question_has_its_rows_whatever_is_known() -> None:
    fresh, asked = Asked(Question("a [MASK] b")), Asked(Question("a [MASK] b", "c"))
    asked.take(Reply(("c", "d"), np.array([0.6, 0.2])))
    for one in (fresh, asked):
        assert guesses([one]).count("<li") == 1 + TOP
    assert guesses([]) == ""


def test_the_way_of_the_best_guess_is_remembered() -> None:
    one = Asked(Question("a [MASK] b"))
    for best in ("the", "the", "of", "the", "cat"):
        one.take(Reply((best, "x"), np.array([0.4, 0.2])))
    one.take(Reply(problem="no"))
    assert one.way == ["the", "of", "the", "cat"]
    assert "the → of → the → cat" in guesses_text([one])


def test_a_view_that_knows_nothing_yet_can_be_read() -> None:
    view = TrainingView([Question("a [MASK] b")])
    view.as_text.value = True
    assert "step: 0" in view.text.value
    assert view.stop.description == "Stop"
    assert "Reading" in view.status.value
    view.show(Progress(0.25, 10, 1000, 500, 83.0, 40, 8), Learning.from_lines([]), [])
    assert "1 min 23 s" in view.numbers.value
    assert view.figure.layout.xaxis.range == (0, 40)
    assert view.figure.layout.yaxis.range == (0, 8)
    assert 'aria-label="Training, 25 % done"' in view.bar.value


@pytest.mark.parametrize(("seconds", "said"), [(0.2, "0 s"), (59.6, "1 min 0 s"), (3700, "1 h 1 min")])
def test_time_is_said_as_people_say_it(seconds: float, said: str) -> None:
    assert duration(seconds) == said


# --- hearing the page while a cell runs ---------------------------------------------------------


def test_the_thread_that_last_spoke_is_forgotten() -> None:
    view = TrainingView()
    for part in (view.stop, view.as_text, view.theme, view._live):
        part.comm._reply_subshell_id = None  # what ipykernel remembers when a cell changes a widget
    view.listen()
    for part in (view.stop, view.as_text, view.theme, view._live):
        assert not hasattr(part.comm, "_reply_subshell_id")
        part.close()
    view.listen()  # closed ones have nothing to forget


def test_the_kernel_still_remembers_under_that_name() -> None:
    """If this fails, ipykernel has changed: see in a browser whether a click is heard while a cell runs."""
    from ipykernel.comm.comm import BaseComm as KernelComm

    comm = KernelComm(target_name="test", primary=False)
    assert comm._reply_subshell_for({}, "from the page") == "from the page"
    comm._reply_subshell_id = None
    assert comm._reply_subshell_for({}, "from the page") is None
    listen_while_busy(type("Part", (), {"comm": comm})())
    assert comm._reply_subshell_for({}, "from the page") == "from the page"


def test_a_figure_takes_turns_with_what_the_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BaseComm, "publish_msg", lambda *_, **__: None)
    figure = LiveFigure(go.Figure(go.Scatter(x=[1], y=[1])))
    drawn = {"_js2py_traceDeltas": {"trace_deltas": [], "trace_edit_id": 0}}
    begun = threading.Event()
    page = threading.Thread(target=lambda: (begun.set(), figure.set_state(drawn)))
    with figure._turn:
        page.start()
        assert begun.wait(timeout=30)
        page.join(timeout=0.2)
        assert page.is_alive(), "the page waits while a figure is shown"
        assert not figure._drawn
    page.join(timeout=30)
    assert figure._drawn
