"""The film of a training on the page: play it, and see how the guesses, the loss and the attention change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ipywidgets as widgets
import plotly.graph_objects as go

from mlm_viz.errors import MlmVizError
from mlm_viz.figures.film import film_attention, film_guesses, film_loss, film_text
from mlm_viz.film import Film, load_film
from mlm_viz.strings import say
from mlm_viz.widgets.film_board import board, languages, sentence
from mlm_viz.widgets.film_controls import FilmControls
from mlm_viz.widgets.live_figure import LiveFigure
from mlm_viz.widgets.markup import html, plain, row
from mlm_viz.widgets.prediction_panel import as_text_button
from mlm_viz.widgets.script import styles
from mlm_viz.widgets.stage import Stage


class FilmPlayer(widgets.VBox):
    """The page, and the same from Python: `frame` and `scene` can be read and set."""

    def __init__(self, film: Film, *, dark: bool | None = None) -> None:
        if not len(film) or not film.scenes:
            raise MlmVizError(say("film.empty"))
        self.film = film
        self._dark = dark
        self._drawn: dict[str, tuple[object, ...]] = {}
        self._live: dict[str, LiveFigure] = {}
        self.controls = FilmControls(labels=_labels(film))
        self.scenes = widgets.Dropdown(
            options=_options(film),
            description=say("film.sentence"),
            tooltip=say("film.sentence"),
            style={"description_width": "initial"},
            layout=widgets.Layout(width="auto", flex="0 1 34em"),
        )
        self.as_text = as_text_button()
        self.sentence = html()
        self.guesses, self.loss, self.attention = Stage(), Stage(), Stage()
        self.boards = {language: html() for language in languages(film)}
        self.text = html()
        super().__init__(self._parts())
        self.add_class("mlmviz")
        self.add_class("mlmviz-film")
        self.controls.observe(self._draw, ["frame", "dark", "playing"])
        self.scenes.observe(self._draw, "index")
        self.as_text.observe(self._draw, "value")
        self._draw()

    def _parts(self) -> list[widgets.Widget]:
        halves = [_half(self.guesses), _half(self.loss)]
        boards = [_half(part) for part in self.boards.values()]
        return [
            html(styles("strip", "explorer", "film_player"), "mlmviz-style"),
            self.controls,
            row([self.scenes, self.as_text]),
            self.sentence,
            row(halves, "mlmviz-split"),
            self.text,
            row(boards, "mlmviz-split"),
            self.attention,
        ]

    @property
    def frame(self) -> int:
        """The frame that is shown, from 0."""
        return int(self.controls.frame)

    @frame.setter
    def frame(self, number: int) -> None:
        self.controls.frame = _checked("frame", number, len(self.film))

    @property
    def scene(self) -> int:
        """The sentence that is shown, from 0."""
        return int(self.scenes.index)

    @scene.setter
    def scene(self, number: int) -> None:
        self.scenes.index = _checked("sentence", number, len(self.film.scenes))

    @property
    def dark(self) -> bool:
        """Whether the figures are drawn for a dark page."""
        return self.controls.dark if self._dark is None else self._dark

    @property
    def figures(self) -> dict[str, go.Figure]:
        """The figures that were last shown: "guesses", "loss" (not if none was measured) and "attention"."""
        return {name: live.latest for name, live in self._live.items()}

    def _draw(self, _change: object = None) -> None:
        """Bring everything up to date, and tell the page that it may ask for the next frame."""
        film, frame, scene, dark = self.film, self.frame, self.scene, self.dark
        self._show("guesses", (frame, scene, dark), lambda: film_guesses(film, frame, scene, dark=dark))
        if film.sources:
            self._show("loss", (frame, dark), lambda: film_loss(film, frame, dark=dark))
        else:
            self.loss.tell(say("film.not_measured"))
        self._show("attention", (frame, dark), lambda: film_attention(film, frame, dark=dark))
        self.sentence.value = sentence(film, frame, scene, is_playing=self.controls.playing)
        for language, part in self.boards.items():
            part.value = board(film, frame, language, scene)
        self.text.value = plain(film_text(film, frame, scene)) if self.as_text.value else ""
        self.controls.shown = frame

    def _show(self, name: str, seen: tuple[object, ...], make: Callable[[], go.Figure]) -> None:
        """Show a figure, unless it is the one that stands there."""
        if self._drawn.get(name) == seen:
            return
        self._drawn[name] = seen
        if name in self._live:
            self._live[name].present(make())
        else:
            self._live[name] = LiveFigure(make())
            stage: Stage = getattr(self, name)
            stage.layout.min_height = f"{self._live[name].latest.layout.height}px"  # before it is drawn, too
            stage.show(self._live[name])


def _half(part: widgets.Widget) -> widgets.Box:
    """Half of a row, or all of it where the page is narrow."""
    return widgets.Box([part], layout=widgets.Layout(flex="1 1 30em", min_width="min(30em, 100%)"))


def _labels(film: Film) -> list[str]:
    last = int(film.steps[-1])
    return [
        say("film.frame", step=int(step), last=last, tokens=int(tokens))
        for step, tokens in zip(film.steps, film.tokens, strict=True)
    ]


def _options(film: Film) -> list[tuple[str, int]]:
    return [
        (say("film.option", text=scene.filled("____"), truth=scene.truth), number)
        for number, scene in enumerate(film.scenes)
    ]


def _checked(kind: str, number: int, count: int) -> int:
    if number not in range(count):
        raise MlmVizError(say("film.no_frame", kind=kind, number=number, last=count - 1))
    return number


def show_film(
    film: Film | str | Path | None = None, *, language: str | None = None, dark: bool | None = None
) -> FilmPlayer:
    """Show the film of a training: a slider and a play button, guesses, loss and attention at every frame.

    Args:
        film: a film, or the file of one; by default that of the bundled model's own training.
        language: show only the sentences of this language, "en" or "zh".
        dark: draw the figures for a dark page, or for a light one; by default as the page is.

    Raises:
        MlmVizError: if there is no film there, it is damaged, or has no sentence of this language.
    """
    opened = film if isinstance(film, Film) else load_film(film)
    return FilmPlayer(opened if language is None else opened.only(language), dark=dark)
