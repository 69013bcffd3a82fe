"""Models of several kinds at one gap, on the page: `show_comparison("今天天气很____，我们去公园。", "好")`."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets
import plotly.graph_objects as go

from mlm_viz.analysis.compare import Source, Sources
from mlm_viz.comparison import SIDES, Column, Comparison, Revealed, Side
from mlm_viz.figures.comparison import comparison_bars, comparison_caption, pattern_matrix, reveal_curves
from mlm_viz.gaps import Gap
from mlm_viz.strings import say
from mlm_viz.widgets.comparison_fields import EXAMPLES, ComparisonFields
from mlm_viz.widgets.comparison_state import ComparisonState
from mlm_viz.widgets.comparison_words import sentence, text_form
from mlm_viz.widgets.film_controls import FilmControls
from mlm_viz.widgets.markup import html, line, plain, row
from mlm_viz.widgets.picture import Picture
from mlm_viz.widgets.prediction_panel import as_text_button
from mlm_viz.widgets.script import styles

BARS = 8
_TOP = 0.5  # of the scale of all matrices: always the same, so that no colour changes its meaning
_BARS_ROOM, _MATRIX_ROOM, _CURVES_ROOM = 608, 560, 460  # pixels
_PLAYER = ("label", "slider", "play", "pause", "again")
# As many columns as there is room for, two at most: four would be too narrow for the names of tokens.
_GRID = "repeat(auto-fit, minmax(min(100%, max(370px, 34%)), 1fr))"


class ComparisonPanel(widgets.VBox):
    """The page, and the same from Python: `text`, `word` and `revealed` can be read and set."""

    def __init__(self, state: ComparisonState) -> None:
        self.state = state
        self._drawn: dict[str, tuple[object, ...]] = {}
        self._rooms: dict[tuple[Side, str], int] = {}
        self._gap: Gap | None = None
        self.fields = ComparisonFields(state)
        self.sentence = html()
        self.controls = FilmControls(strings={name: say(f"comparison.player.{name}") for name in _PLAYER})
        self.caption = html(css_class="mlmviz-caption")
        self.bars = Picture(_BARS_ROOM)
        self.bars.add_class("mlmviz-comparison-bars")
        self.as_text = as_text_button()
        self.text_form = html()
        self.patterns = {side: Picture(_MATRIX_ROOM) for side in SIDES}
        self.curves = Picture(_CURVES_ROOM)
        super().__init__(self._parts())
        self.add_class("mlmviz")
        self.add_class("mlmviz-comparison")
        state.observe(self._draw, ["gap", "comparison", "revealed", "stale"])
        state.observe(self._draw_curves, ["curves", "curves_error", "revealed"])
        self.controls.observe(lambda change: self._reveal(change["new"]), "frame")
        self.controls.observe(self._draw, "dark")
        self.controls.observe(self._draw_curves, "dark")
        self.as_text.observe(self._draw_text, "value")
        self._draw()
        self._draw_curves()

    def _parts(self) -> list[widgets.Widget]:
        matrices = list(self.patterns.values())
        grid = widgets.GridBox(matrices, layout=widgets.Layout(width="100%", grid_template_columns=_GRID))
        return [
            html(styles("strip", "explorer", "film_player", "comparison"), "mlmviz-style"),
            self.fields,
            self.sentence,
            self.controls,
            self.caption,
            self.bars,
            row([self.as_text]),
            self.text_form,
            _heading("patterns"),
            grid,
            _heading("curves"),
            self.curves,
        ]

    # --- from Python ------------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """The sentence, with a blank or with the word in it."""
        return self.state.text

    @text.setter
    def text(self, text: str) -> None:
        self.state.ask(text, self.state.word)

    @property
    def word(self) -> str:
        """The word of the gap, empty if it is not known."""
        return self.state.word

    @word.setter
    def word(self, word: str) -> None:
        self.state.ask(self.state.text, word)

    @property
    def revealed(self) -> int:
        """How many words on the right are in view."""
        return self.state.revealed

    @revealed.setter
    def revealed(self, count: int) -> None:
        self.state.reveal(count)

    def use(self, side: Side, source: Source) -> None:
        """Put another model into a column; what is wrong with it is said on the page."""
        self.state.set_model(side, source)

    @property
    def comparison(self) -> Comparison | None:
        """What the models say to what is shown; None if nothing can be asked."""
        self.state.settle()
        return self.state.comparison

    @property
    def curve(self) -> Revealed | None:
        """How that changes as the right side comes into view, all of it."""
        self.state.settle()
        return self.state.curves

    @property
    def figures(self) -> dict[str, go.Figure]:
        """The figures that were last shown: "bars", "curves", and a matrix by the name of each side."""
        pictures = [("bars", self.bars), ("curves", self.curves), *self.patterns.items()]
        return {name: picture.figure for name, picture in pictures if picture.figure is not None}

    # --- drawing ----------------------------------------------------------------------------------------------------

    def _reveal(self, count: int) -> None:
        if self.state.gap is not None:
            self.state.reveal(min(count, len(self.state.gap.right_words)))

    def _draw(self, _change: object = None) -> None:
        """Bring the sentence, the slider, and what the models say up to date; bars before all else."""
        state, dark = self.state, self.controls.dark
        self._show_gap()
        comparison = state.comparison
        for picture in (self.bars, self.curves, *self.patterns.values()):
            picture.fade(stale=state.stale and not state.is_current)
        if comparison is None:
            self._tell_nothing()
            return
        self._show("bars", self.bars, (comparison, dark), lambda: comparison_bars(comparison, top=BARS, dark=dark))
        self.caption.value = line(comparison_caption(comparison), "line", role="status")
        self._draw_patterns(comparison)
        self._draw_text()
        if not state.stale:
            self.controls.shown = state.revealed

    def _show_gap(self) -> None:
        """The sentence as it is in view, and the slider for it; without a gap the last ones stay."""
        gap, seen = self.state.gap, self.state.revealed
        if gap is None:
            return
        self.sentence.value = sentence(gap, seen)
        with self.controls.hold_sync():
            if gap is not self._gap:
                most = len(gap.right_words)
                self.controls.playing = False
                self.controls.labels = [say("comparison.in_view", seen=n, most=most) for n in range(most + 1)]
                self._gap = gap
                self._rooms.clear()
            self.controls.frame = seen

    def _tell_nothing(self) -> None:
        waiting = self.state.stale
        self.caption.value = line(say("comparison.asking") if waiting else "", "line", role="status")
        self.bars.tell(say("comparison.asking" if waiting else "prediction.nothing"))
        for picture in (self.curves, *self.patterns.values()):
            picture.tell("")

    def _draw_patterns(self, comparison: Comparison) -> None:
        """The matrices on one scale, each with cells of one size however much its model reads."""
        dark, state = self.controls.dark, self.state
        columns = {column.side: column for column in comparison.columns}
        for side, picture in self.patterns.items():
            column = columns.get(side)
            if column is None or column.pattern is None:
                picture.tell(state.problems.get(side, say("comparison.no_answer")))
            else:
                self._show(side, picture, (column, dark), self._matrix(column, dark=dark))

    def _matrix(self, column: Column, *, dark: bool) -> Callable[[], go.Figure]:
        pattern = column.pattern
        assert pattern is not None  # noqa: S101 (the caller has looked)
        key = (column.side, column.model)
        room = self._rooms[key] = max(len(pattern.labels), self._rooms.get(key, 0))
        title = say(f"side.{column.side}")
        return lambda: pattern_matrix(pattern, title=title, top=_TOP, room=room, dark=dark)

    def _draw_curves(self, _change: object = None) -> None:
        state, dark = self.state, self.controls.dark
        curves = state.curves
        if state.curves_error:
            self.curves.tell(state.curves_error)
        elif curves is None:
            self.curves.tell(say("comparison.waiting") if state.gap is not None else "")
        elif curves.gap is state.gap:
            seen = state.revealed
            self._show("curves", self.curves, (curves, seen, dark), lambda: reveal_curves(curves, seen, dark=dark))
        self._draw_text()

    def _show(self, name: str, picture: Picture, seen: tuple[object, ...], make: Callable[[], go.Figure]) -> None:
        """Show a figure; one that stands there already is only brought back."""
        if self._drawn.get(name) == seen:
            picture.bring_back()
            return
        self._drawn[name] = seen
        picture.present(make())

    def _draw_text(self, _change: object = None) -> None:
        state, wanted = self.state, self.as_text.value
        self.text_form.value = plain(text_form(state.comparison, state.curves, BARS)) if wanted else ""


def _heading(name: str) -> widgets.HTML:
    return html(line(say(f"comparison.heading.{name}"), "heading"))


def show_comparison(
    text: str | None = None, word: str | None = None, *, models: Sources | None = None
) -> ComparisonPanel:
    """Show what a masked, a left-to-right and a span model make of one gap, and what the right side does to it.

    What is wrong with the text or with a model is said on the page, and the other columns stand.

    Args:
        text: with one blank (`[MASK]`, `____`); or without one, and then `word` is taken out of it. By default an
            example; there are more of them in the menu.
        word: what belongs into the gap, if it is known.
        models: other models than the bundled ones, by column: "masked", "blinded", "causal", "span"; a name, a
            directory, or a loaded model. The blinded one is the masked one unless it is named too.

    Raises:
        ModelError: if there is no such column.
    """
    if text is None:
        text, word = EXAMPLES[0]
    return ComparisonPanel(ComparisonState(text, word, models))
