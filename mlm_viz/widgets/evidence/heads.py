"""The views on heads: what each does to the word, and whether attention tells it."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np
import plotly.graph_objects as go

from mlm_viz.analysis.flow import attend_with_norms, attention_effect, views_at
from mlm_viz.analysis.heads import fewest_heads_in_parts, head_board_in_parts
from mlm_viz.analysis.influence import influence_in_parts
from mlm_viz.analysis.silencing import means_for, silencing_effect, target_token
from mlm_viz.evidence import AttentionEffect, AttentionViews, Head, HeadBoard, HeadSearch, SilencingTest
from mlm_viz.figures.flow import effect_scatter, views_bars
from mlm_viz.figures.heads_board import head_board_heatmap, head_board_text, search_text, silencing_text
from mlm_viz.figures.labels import signed
from mlm_viz.inquiry import Inquiry
from mlm_viz.model import Model
from mlm_viz.results import Floats32
from mlm_viz.state import ExplorerState
from mlm_viz.strings import say
from mlm_viz.tokens import is_cjk
from mlm_viz.widgets.evidence.view import EvidenceView, choice
from mlm_viz.widgets.markup import html, line, row
from mlm_viz.widgets.stage import fade

_REPLACEMENTS = ("zero", "mean")
_OVER = ("heads", "tokens")
_ROWS = 8


class HeadsView(EvidenceView):
    """Every head silenced in turn; those chosen are silent on the whole page."""

    name = "heads"
    rooms = (252,)

    def __init__(self, state: ExplorerState) -> None:
        self.replace = choice("evidence.replace", _REPLACEMENTS)
        super().__init__(state, [self.replace])
        self._renaming = False
        self._means: dict[tuple[str, bool], Floats32 | None] = {}
        self.silent = widgets.SelectMultiple(
            options=_options(state.model, None),
            value=sorted(state.silenced),
            rows=_ROWS,
            description=say("evidence.silent"),
            style={"description_width": "initial"},
            layout=widgets.Layout(width="auto", min_width="22em"),
        )
        self.clear = widgets.Button(description=say("evidence.silent.none"), icon="volume-up")
        self.search = widgets.ToggleButton(
            description=say("evidence.search"),
            tooltip=say("evidence.search.hint"),
            icon="search",
            layout=widgets.Layout(width="auto"),
        )
        self.found = html(css_class="mlmviz-answer")
        self.proof = html()
        self.searching = Inquiry(self._search_about, self._search)
        self.proving = Inquiry(self._proof_about, self._prove)
        below = [row([self.silent, self.clear, self.search]), self.found, self.proof]
        self.children = (*self.children, *below)  # type: ignore[has-type]
        self._watch()

    def _watch(self) -> None:
        state = self.state
        self.silent.observe(lambda change: self._choose(change["new"]), "value")
        self.clear.on_click(lambda _: state.silence(()))
        self.search.observe(lambda change: setattr(self.searching, "wanted", change["new"]), "value")
        self.searching.observe(self._draw_search, ["result", "finished", "error", "wanted"])
        self.proving.observe(self._draw_proof, "result")
        state.observe(lambda change: setattr(self.silent, "value", sorted(change["new"])), "silenced")
        for inquiry in (self.searching, self.proving):
            state.take_up(inquiry)

    def switch(self, *, on: bool) -> None:
        """The board, the proof that it is no sham, and the search if it is wanted."""
        super().switch(on=on)
        self.proving.wanted = on
        self.searching.wanted = on and self.search.value

    def depends(self) -> Hashable:
        """What a silenced head hands on."""
        return str(self.replace.value)

    def means(self, state: ExplorerState) -> Floats32 | None:
        """What silenced heads hand on instead; averaged once for each language of the text."""
        replace = str(self.replace.value)
        key = replace, is_cjk(state.text)
        if key not in self._means:
            self._means[key] = means_for(state.model, state.text, replace)
        return self._means[key]

    def ask(self, state: ExplorerState) -> Iterator[HeadBoard]:
        """Layer by layer."""
        assert state.sentence is not None  # noqa: S101 (nothing is asked without one)
        assert state.target is not None  # noqa: S101
        target = target_token(state.model, state.sentence, state.masking, state.slot, state.target)
        yield from head_board_in_parts(
            state.model,
            state.sentence,
            state.masking,
            state.slot,
            target,
            means=self.means(state),
            silenced=state.silenced,
        )

    def figures(self, result: HeadBoard) -> Sequence[go.Figure]:
        """Layers x heads."""
        return [head_board_heatmap(result, dark=self.dark)]

    def _draw_list(self) -> None:
        """The list of heads with what each adds; until that is measured the old numbers stay, and look old."""
        board: HeadBoard | None = self.answer()
        known = board is not None and board.complete
        waiting = not known and self.about(self.state) is not None and not self.inquiry.error
        fade(self.silent, stale=waiting)
        if not waiting:
            self._name_heads(board)

    def _name_heads(self, board: HeadBoard | None) -> None:
        """New entries take the choice away, which is not the user's doing."""
        self._renaming = True
        self.silent.options = _options(self.state.model, board)
        self.silent.value = sorted(self.state.silenced)
        self._renaming = False

    def _choose(self, heads: Collection[Head]) -> None:
        if not self._renaming:
            self.state.silence(heads)

    def draw(self, change: object = None) -> None:
        """The board, whose cells can be clicked, and what stands below it."""
        super().draw(change)
        self.pictures[0].on_point(self._toggle)
        if self.inquiry.wanted:
            self._draw_list()
            self._draw_search()
            self._draw_proof()

    def _toggle(self, head: int, layer: int) -> None:
        self.state.silence(self.state.silenced ^ {(layer, head)})

    def words(self, result: HeadBoard) -> str:
        """The heads that matter most."""
        return head_board_text(result)

    # --- the search and the proof -----------------------------------------------------------------------------------

    def _search_about(self, state: ExplorerState) -> Hashable | None:
        return None if self.about(state) is None else (self.about(state), "search")

    def _search(self, state: ExplorerState) -> Iterator[HeadSearch]:
        assert state.sentence is not None  # noqa: S101 (nothing is asked without one)
        yield from fewest_heads_in_parts(
            state.model,
            state.sentence,
            state.masking,
            state.slot,
            means=self.means(state),
            silenced=state.silenced,
        )

    def _draw_search(self, _change: object = None) -> None:
        searching = self.searching
        said = ""
        if searching.wanted and searching.is_about(self.state):
            said = searching.error or search_text(searching.result)
        self.found.value = line(said, "line", role="status")

    def _proof_about(self, state: ExplorerState) -> Hashable | None:
        return None if self.about(state) is None else (state.sentence, state.masking, state.slot)

    def _prove(self, state: ExplorerState) -> Iterator[SilencingTest]:
        assert state.sentence is not None  # noqa: S101 (nothing is asked without one)
        yield silencing_effect(state.model, state.masking.apply(state.sentence.ids), state.slot)

    def _draw_proof(self, _change: object = None) -> None:
        result = self.proving.result if self.proving.is_about(self.state) else None
        self.proof.value = "" if result is None else line(silencing_text(result), "quiet")


def _options(model: Model, board: HeadBoard | None) -> list[tuple[str, Head]]:
    """All heads, with what each adds where that is known."""
    found = []
    for layer in range(model.layers):
        for head in range(model.heads):
            name = say("figure.attention.head", layer=layer + 1, head=head + 1)
            gain = np.nan if board is None else float(board.gains[layer, head])
            told = name if np.isnan(gain) else say("figure.board.text.head", name=name, bits=signed(gain))
            found.append((told, (layer, head)))
    return found


class EffectView(EvidenceView):
    """Attention from the slot beside the measured effect, over heads or tokens; and attention said in other ways."""

    name = "effect"
    rooms = (480, 460)

    def __init__(self, state: ExplorerState) -> None:
        self.over = choice("evidence.over", _OVER)
        super().__init__(state, [self.over])

    def depends(self) -> Hashable:
        """Heads or tokens."""
        return str(self.over.value)

    def ask(self, state: ExplorerState) -> Iterator[tuple[AttentionEffect, AttentionViews]]:
        """As the effects are measured."""
        assert state.sentence is not None  # noqa: S101 (nothing is asked without one)
        attention, norms = attend_with_norms(state.model, state.sentence, state.masking, state.silenced)
        views = views_at(attention, norms, state.slot)
        for measured in self._effects(state):
            yield attention_effect(attention, state.slot, measured), views

    def _effects(self, state: ExplorerState) -> Iterator[Any]:
        if self.over.value == "tokens":
            parts = influence_in_parts(self.watched(state), ways=("masked",))
            yield from (part.by_token("masked") for part in parts)
            return
        assert state.sentence is not None  # noqa: S101
        assert state.target is not None  # noqa: S101
        target = target_token(state.model, state.sentence, state.masking, state.slot, state.target)
        yield from head_board_in_parts(
            state.model, state.sentence, state.masking, state.slot, target, silenced=state.silenced
        )

    def figures(self, result: tuple[AttentionEffect, AttentionViews]) -> Sequence[go.Figure]:
        """The scatter, and the three views of attention."""
        effect, views = result
        return [effect_scatter(effect, dark=self.dark), views_bars(views, dark=self.dark)]

    def words(self, result: tuple[AttentionEffect, AttentionViews]) -> str:
        """Every point, and every token's shares."""
        effect, views = result
        return f"{effect.to_frame().to_string(index=False)}\n\n{views.to_frame().to_string(index=False)}"
