"""The views on the words around a slot: how much each matters, which side, and as they come into view."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import plotly.graph_objects as go

from mlm_viz.analysis.direction import direction_of, reveal_in_parts
from mlm_viz.analysis.influence import influence_in_parts
from mlm_viz.figures.direction import direction_bars, direction_text, reveal_lines, reveal_text
from mlm_viz.figures.influence import influence_bars, influence_shades, influence_text
from mlm_viz.influences import SIDE_WAYS, WAYS, Direction, Influence, Reveal
from mlm_viz.state import ExplorerState
from mlm_viz.widgets.evidence.view import EvidenceView, choice

_PARTS = ("tokens", "words")


class InfluenceView(EvidenceView):
    """What each part of the context adds to the word, three ways side by side."""

    name = "influence"
    rooms = (602,)

    def __init__(self, state: ExplorerState) -> None:
        self.parts = choice("evidence.parts", _PARTS)
        super().__init__(state, [self.parts])

    def depends(self) -> str:
        """Tokens or words."""
        return str(self.parts.value)

    def ask(self, state: ExplorerState) -> Iterator[Influence]:
        """Batch by batch."""
        spans = "words" if self.parts.value == "words" else None
        yield from influence_in_parts(self.watched(state), spans=spans)

    def draw(self, change: object = None) -> None:
        """The bars, and the first of the three ways as shades over the tokens."""
        super().draw(change)
        result = self.answer() if self.inquiry.wanted else None
        self.state.shades = None if result is None else influence_shades(result, WAYS[0])

    def switch(self, *, on: bool) -> None:
        """With the view the shades go."""
        super().switch(on=on)
        if not on:
            self.state.shades = None

    def figures(self, result: Influence) -> Sequence[go.Figure]:
        """Signed bars."""
        return [influence_bars(result, dark=self.dark)]

    def words(self, result: Influence) -> str:
        """The spans that matter most."""
        return influence_text(result)


class DirectionView(EvidenceView):
    """The slot under both sides, one side, and windows."""

    name = "direction"
    rooms = (486,)

    def ask(self, state: ExplorerState) -> Iterator[Direction]:
        """All at once: two passes."""
        yield direction_of(self.watched(state))

    def figures(self, result: Direction) -> Sequence[go.Figure]:
        """A row a view."""
        return [direction_bars(result, dark=self.dark)]

    def words(self, result: Direction) -> str:
        """The same rows."""
        return direction_text(result)


class RevealView(EvidenceView):
    """The word's probability as the context comes into view."""

    name = "reveal"
    rooms = (470,)

    def __init__(self, state: ExplorerState) -> None:
        self.way = choice("evidence.way", SIDE_WAYS[::-1])
        super().__init__(state, [self.way])

    def ask(self, state: ExplorerState) -> Iterator[Reveal]:
        """Batch by batch."""
        yield from reveal_in_parts(self.watched(state))

    def figures(self, result: Reveal) -> Sequence[go.Figure]:
        """A line for each order."""
        return [reveal_lines(result, way=self.way.value, dark=self.dark)]

    def words(self, result: Reveal) -> str:
        """Every point."""
        return reveal_text(result, self.way.value)
