"""Models of three kinds go on with a text, side by side: `show_writing("The weather was so nice that")`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from threading import RLock

import ipywidgets as widgets

from mlm_viz.analysis.compare import Sources
from mlm_viz.analysis.writing import MOST_WORDS, Team, Wishes, gap_of, team_for, write_in_steps
from mlm_viz.errors import attempt
from mlm_viz.gaps import Gap
from mlm_viz.sampling import Sampling
from mlm_viz.scheduling import Scheduler
from mlm_viz.steps import ORDERS, Order
from mlm_viz.strings import say
from mlm_viz.widgets.listening import PageTheme
from mlm_viz.widgets.markup import TextBox, html, line, plain, row
from mlm_viz.widgets.prediction_panel import as_text_button
from mlm_viz.widgets.script import styles
from mlm_viz.widgets.writing_cards import card, cards_text
from mlm_viz.writing import Writer, Writing, Writings

PROMPTS = (
    "The weather was so nice that we",
    "She opened the door and",
    "I would like ____ for breakfast.",
    "今天天气很好，我们",
    "他昨天没有来学校，因为",
    "我昨天____，所以今天很累。",
)
_MOST_SEED = 9999


class WritingView(widgets.VBox):
    """The page, and the same from Python: set `prompt.value` and the sliders, then `start()`.

    Attributes:
        prompt, temperature, top_p, words, seed: what is to be written.
        writings: what was written so far; None before the first start and after an error.
    """

    def __init__(self, team: Team, wishes: Wishes, prompt: str) -> None:
        self._team = team
        # The page may be heard in another thread than that in which the models write.
        self._turn = RLock()
        self._orders = wishes.orders
        self._parts: Iterator[Writings] | None = None
        self._drawn: dict[Writer, tuple[Writing, bool]] = {}
        writers: tuple[Writer, ...] = ("causal", "span", *wishes.orders)
        self._nothing = {name: Writing(name, "", Gap("", "")) for name in writers}
        self._asked = wishes
        self.writings: Writings | None = None
        self.scheduler = Scheduler(self._step)
        self._make_fields(wishes, prompt)
        self.status = html(line(say("writing.status.ready"), role="status"), "mlmviz-writing-status")
        self.cards: dict[Writer, widgets.HTML] = {name: html() for name in writers}
        self.board = widgets.Box(list(self.cards.values()))
        self.board.add_class("mlmviz-writers")
        self.text = html()
        super().__init__(self._parts_of_page())
        self.add_class("mlmviz")
        self.add_class("mlmviz-writing")
        self._draw()
        self._watch()

    def _make_fields(self, wishes: Wishes, prompt: str) -> None:
        drawn = wishes.sampling
        self.prompt = TextBox(prompt, description=say("text.label"), placeholder=say("writing.prompt"), rows=2)
        self.examples = _menu(PROMPTS)
        self.temperature = _slider("temperature", drawn.temperature, 0.0, max(2.0, drawn.temperature))
        self.top_p = _slider("top_p", drawn.top_p, min(0.05, drawn.top_p), 1.0)
        self.words = widgets.IntSlider(wishes.words, min=1, max=MOST_WORDS, **_named("words"))
        self.seed = widgets.BoundedIntText(
            drawn.seed, min=0, max=max(_MOST_SEED, drawn.seed), **_named("seed", width="8em")
        )
        self.write = _button("write", "pencil")
        self.more = _button("again", "refresh")
        self.stop = _button("stop", "stop")
        self.stop.disabled = True
        self.as_text = as_text_button()

    def _parts_of_page(self) -> list[widgets.Widget]:
        return [
            html(styles("strip", "explorer", "writing"), "mlmviz-style"),
            PageTheme(),
            html(line(say("writing.prompt"), "quiet")),
            self.prompt,
            row([self.temperature, self.top_p, self.words, self.seed]),
            row([self.write, self.more, self.stop, self.examples, self.as_text]),
            self.status,
            html(line(say("writing.legend"), "writing-legend")),
            self.board,
            self.text,
        ]

    def _watch(self) -> None:
        self.write.on_click(lambda _: self.start())
        self.more.on_click(lambda _: self.again())
        self.stop.on_click(lambda _: self.halt())
        self.as_text.observe(lambda _: self._draw_text(), "value")
        self.examples.observe(lambda _: self._take_example(), "value")

    def __repr__(self) -> str:
        return f"WritingView({self.prompt.value!r}, {'writing' if self.busy else 'at rest'})"

    @property
    def busy(self) -> bool:
        """Whether somebody is writing."""
        return self._parts is not None

    def start(self) -> None:
        """Have all models write, from the beginning; what is wrong with the text is said in a line."""
        with self._turn:
            self._begin()

    def _begin(self) -> None:
        self._parts, self.writings = None, None
        self._parts, problem = attempt(self._ask)
        if self._parts is None:
            self._end(problem, "error")
            return
        self.stop.disabled = False
        self._tell(next(iter(self.cards)))
        self._draw()
        self.scheduler.request()

    def _ask(self) -> Iterator[Writings]:
        sampling = Sampling(self.temperature.value, self.top_p.value, self.seed.value)
        self._asked = Wishes(self.words.value, sampling, self._orders)
        return write_in_steps(gap_of(self.prompt.value), self._team, self._asked)

    def again(self) -> None:
        """The same with the next seed."""
        self.seed.value = self.seed.value + 1 if self.seed.value < self.seed.max else 0
        self.start()

    def halt(self) -> None:
        """Stop, and keep what is there."""
        with self._turn:
            if self.busy:
                self._end(say("writing.status.stopped"))

    def _step(self) -> bool:
        """One pass more; returns whether there is something left to do."""
        with self._turn:
            if self._parts is not None:
                self._go_on(self._parts)
            return self.busy

    def _go_on(self, parts: Iterator[Writings]) -> None:
        writings, problem = attempt(partial(next, parts, None))
        if problem:
            self._end(problem, "error")
        elif writings is None:
            self._end(say("writing.status.done", seed=self._asked.sampling.seed))
        else:
            self.writings = writings
            self._draw()

    def _end(self, text: str, kind: str = "line") -> None:
        self._parts = None
        self.stop.disabled = True
        self.status.value = line(text, kind, role="status")
        self._draw()

    def _take_example(self) -> None:
        chosen = self.examples.value
        if chosen:
            self.prompt.value = chosen
            self.examples.value = ""  # a menu: the same one can be chosen again
            self.start()

    # --- what is shown ------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        """Bring up to date what has changed."""
        written = {one.writer: one for one in self.writings.written} if self.writings else {}
        at_work = next((one.writer for one in written.values() if not one.finished), None) if self.busy else None
        for name, part in self.cards.items():
            shown = (written.get(name, self._nothing[name]), name == at_work)
            before = self._drawn.get(name)
            if before is None or before[0] is not shown[0] or before[1] != shown[1]:
                self._drawn[name] = shown
                part.value = card(shown[0], words=self._asked.words, busy=shown[1])
        if at_work is not None:
            self._tell(at_work)
        self._draw_text()

    def _tell(self, at_work: Writer) -> None:
        """Say who writes; a screen reader says each change."""
        self.status.value = line(say("writing.status.busy", writer=say(f"writing.writer.{at_work}")), role="status")

    def _draw_text(self) -> None:
        shown = self.as_text.value and self.writings is not None
        self.text.value = plain(cards_text(self.writings)) if shown and self.writings else ""


def _named(name: str, width: str = "19em") -> dict[str, object]:
    return {
        "description": say(f"writing.control.{name}"),
        "tooltip": say(f"writing.control.{name}.hint"),
        "style": {"description_width": "initial"},
        "layout": widgets.Layout(width=width),
    }


def _slider(name: str, value: float, least: float, most: float) -> widgets.FloatSlider:
    return widgets.FloatSlider(value, min=least, max=most, step=0.05, readout_format=".2f", **_named(name))


def _button(name: str, icon: str) -> widgets.Button:
    return widgets.Button(
        description=say(f"writing.control.{name}"),
        tooltip=say(f"writing.control.{name}.hint"),
        icon=icon,
        layout=widgets.Layout(width="auto"),
    )


def _menu(prompts: Sequence[str]) -> widgets.Dropdown:
    options = [(say("writing.examples"), ""), *((prompt, prompt) for prompt in prompts)]
    return widgets.Dropdown(
        options=options, value="", tooltip=say("writing.examples"), layout=widgets.Layout(width="auto")
    )


def show_writing(
    prompt: str | None = None,
    models: Sources | None = None,
    *,
    words: int = MOST_WORDS,
    temperature: float = 0.8,
    top_p: float = 0.9,
    seed: int = 0,
    orders: Sequence[Order] = ORDERS,
) -> WritingView:
    """Have models of three kinds go on with a text, side by side, while somebody watches.

    The text is streamed word by word; the masked model's appears once its masks are filled. Between two passes the page
    is heard, so that Stop works at once.

    Args:
        prompt: the beginning of a text, or a text with one blank (`____`); an example by default.
        models: as for `write`.
        words: so many at most; this and what follows can be changed on the page, but for the orders.
        temperature: as for `write`.
        top_p: as for `write`.
        seed: of what is drawn.
        orders: in which the masked model fills its masks; none leaves it out.

    Raises:
        TextError: if a number is out of range. A text that cannot be gone on with is no error: the page says why.
        ModelError: if there is no such model, or it is of another kind.
    """
    wishes = Wishes(words, Sampling(temperature, top_p, seed), tuple(orders))
    view = WritingView(team_for(models), wishes, PROMPTS[0] if prompt is None else prompt)
    view.start()
    return view
