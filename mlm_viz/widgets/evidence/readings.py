"""The views on layers, on whole sentences, and on what stands in several gaps."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import ipywidgets as widgets
import plotly.graph_objects as go

from mlm_viz.analysis.contrast import contrast
from mlm_viz.analysis.lens import look_through
from mlm_viz.analysis.pairs import align
from mlm_viz.analysis.prediction import prepare
from mlm_viz.analysis.scoring import scores_in_parts
from mlm_viz.analysis.silencing import target_token
from mlm_viz.analysis.steps import fill_in_steps
from mlm_viz.errors import MlmVizError
from mlm_viz.figures.contrast import contrast_cloud, contrast_text
from mlm_viz.figures.filling import fill_lines, fill_order_bars, fill_text
from mlm_viz.figures.lens import lens_entropy, lens_heatmap, lens_ranks, lens_text
from mlm_viz.figures.pairs import pair_bars, pair_text
from mlm_viz.pairs import MinimalPair
from mlm_viz.readings import Contrast, Lens
from mlm_viz.state import ExplorerState
from mlm_viz.steps import ORDERS, FillOrders, FillSteps
from mlm_viz.strings import say
from mlm_viz.widgets.evidence.view import EvidenceView, choice
from mlm_viz.widgets.markup import TextLine

_WITHIN = ("original", "left_to_right")


class LensView(EvidenceView):
    """The slot read out after every layer."""

    name = "lens"
    rooms = (382, 420, 380)

    def ask(self, state: ExplorerState) -> Iterator[Lens]:
        """Two passes."""
        assert state.sentence is not None  # noqa: S101 (nothing is asked without one)
        assert state.target is not None  # noqa: S101
        try:
            followed = [target_token(state.model, state.sentence, state.masking, state.slot, state.target)]
        except MlmVizError:
            followed = []  # a word of several pieces has no single line
        yield look_through(state.answering, state.sentence, state.masking, state.slot, followed)

    def figures(self, result: Lens) -> Sequence[go.Figure]:
        """Guesses, ranks and entropy by layer."""
        return [draw(result, dark=self.dark) for draw in (lens_heatmap, lens_ranks, lens_entropy)]

    def words(self, result: Lens) -> str:
        """The guesses of each layer."""
        return lens_text(result)


class PairView(EvidenceView):
    """The text beside another that differs little: which is the likelier one."""

    name = "pair"
    rooms = (726,)
    needs_slot = False

    def __init__(self, state: ExplorerState) -> None:
        self.other = _line("pair")
        self.within = choice("evidence.within", _WITHIN)
        super().__init__(state, [self.other, self.within])

    def depends(self) -> Hashable:
        """The other text, and the way of scoring."""
        return (self.other.value, self.within.value)

    def aspect(self, state: ExplorerState) -> tuple[Hashable, ...]:  # noqa: ARG002 (no slot matters here)
        """The text alone."""
        return ()

    def about(self, state: ExplorerState) -> Hashable | None:
        """Nothing while there is no other text."""
        return super().about(state) if self.other.value.strip() else None

    def ask(self, state: ExplorerState) -> Iterator[MinimalPair | None]:
        """When all is scored; None after each batch before that."""
        model, within = state.answering, self.within.value
        a, b = (prepare(text, model)[0] for text in (state.text, self.other.value))
        stretches = align(a, b)
        for one, two in scores_in_parts(model, [a, b], within):
            if one is not None and two is not None:
                yield MinimalPair(one, two, stretches)
                return
            yield None

    def figures(self, result: MinimalPair) -> Sequence[go.Figure]:
        """Both sentences, aligned."""
        return [pair_bars(result, dark=self.dark)]

    def words(self, result: MinimalPair) -> str:
        """Which wins, and where they differ."""
        return pair_text(result)


class FillingView(EvidenceView):
    """All slots filled step by step, in an order to choose, and what each order reaches."""

    name = "filling"
    rooms = (172, 366)

    def __init__(self, state: ExplorerState) -> None:
        self.order = choice("evidence.order", ORDERS, "filling.order")
        self.heat = widgets.BoundedFloatText(
            1.0,
            min=0.0,
            max=5.0,
            step=0.1,
            description=say("evidence.heat"),
            style={"description_width": "initial"},
            layout=widgets.Layout(width="11em"),
        )
        self.step = widgets.IntSlider(
            0,
            0,
            1,
            description=say("evidence.step"),
            style={"description_width": "initial"},
            layout=widgets.Layout(width="22em"),
        )
        super().__init__(state, [self.order, self.heat, self.step])

    def depends(self) -> Hashable:
        """Temperature; the orders are all computed, the step only chooses what is drawn."""
        return float(self.heat.value)

    def aspect(self, state: ExplorerState) -> tuple[Hashable, ...]:  # noqa: ARG002 (all slots are filled)
        """The masks alone."""
        return ()

    def ask(self, state: ExplorerState) -> Iterator[FillOrders]:
        """One order after the other; random ones and Gibbs draw at the temperature."""
        assert state.sentence is not None  # noqa: S101 (nothing is asked without one)
        runs: list[FillSteps] = []
        for order in ORDERS:
            heat = float(self.heat.value) if order == "gibbs" else 0.0
            for steps in fill_in_steps(
                state.answering, state.sentence, state.masking, order, temperature=heat, rounds=3
            ):
                if steps is not None:
                    runs.append(steps)
                yield FillOrders(tuple(runs)) if runs else None  # type: ignore[misc]

    def answer(self) -> FillOrders | None:
        """The orders so far, once the chosen one is among them."""
        result: FillOrders | None = super().answer()
        return None if result is None or self._chosen(result) is None else result

    def _chosen(self, result: FillOrders) -> FillSteps | None:
        return next((run for run in result.runs if run.order == self.order.value), None)

    def figures(self, result: FillOrders) -> Sequence[go.Figure]:
        """The text after each step of the chosen order, and the orders side by side."""
        run = self._chosen(result)
        assert run is not None  # noqa: S101 (there is no answer without it)
        if self.step.max != len(run):
            self.step.max = len(run)
            self.step.value = len(run)
        step = min(self.step.value, len(run))
        return [fill_lines(run, step, dark=self.dark), fill_order_bars(result, dark=self.dark)]

    def words(self, result: FillOrders) -> str:
        """The steps of the chosen order."""
        run = self._chosen(result)
        return "" if run is None else fill_text(run)


class ContrastView(EvidenceView):
    """The vocabulary at the slot against the vocabulary at a slot of another sentence."""

    name = "contrast"
    rooms = (640,)

    def __init__(self, state: ExplorerState) -> None:
        self.other = _line("contrast")
        super().__init__(state, [self.other])

    def depends(self) -> Hashable:
        """The other text."""
        return str(self.other.value)

    def aspect(self, state: ExplorerState) -> tuple[Hashable, ...]:
        """Of the slot its place, but no word."""
        return (state.slot,)

    def about(self, state: ExplorerState) -> Hashable | None:
        """Nothing while there is no other text."""
        return super().about(state) if self.other.value.strip() else None

    def ask(self, state: ExplorerState) -> Iterator[Contrast]:
        """One pass."""
        number = state.masking.positions.index(state.slot)
        yield contrast(state.text, self.other.value, state.answering, masked=(state.masking, ()), slots=(number, None))

    def figures(self, result: Contrast) -> Sequence[go.Figure]:
        """The cloud."""
        return [contrast_cloud(result, dark=self.dark)]

    def words(self, result: Contrast) -> str:
        """The biggest differences, and what they do not say."""
        return f"{contrast_text(result)}\n{result.caution}"


def _line(view: str) -> TextLine:
    """Where another sentence is typed."""
    return TextLine(
        description=say(f"evidence.{view}.other"),
        placeholder=say(f"evidence.{view}.other.hint"),
        continuous_update=False,
        style={"description_width": "initial"},
        layout=widgets.Layout(width="36em"),
    )
