"""The explorer: a text, its tokens, the prediction at a slot, and the attention heads, on one page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ipywidgets as widgets

from mlm_viz.analysis.prediction import Masked, ModelLike
from mlm_viz.errors import MlmVizError, TextError
from mlm_viz.loading import load
from mlm_viz.masking import Masking
from mlm_viz.model import Model
from mlm_viz.results import Attention, JointFills, Prediction, SlotPrediction, Sweep
from mlm_viz.state import ExplorerState
from mlm_viz.strings import say
from mlm_viz.widgets.attention_panel import AttentionPanel
from mlm_viz.widgets.evidence.panel import EvidencePanel
from mlm_viz.widgets.markup import html
from mlm_viz.widgets.prediction_panel import PredictionPanel
from mlm_viz.widgets.script import styles
from mlm_viz.widgets.strip_panel import StripPanel
from mlm_viz.widgets.text_panel import MOST_SEED, TextPanel


class Explorer(widgets.VBox):
    """The page, and the same from Python: what can be clicked can be read and set here.

    Reading waits for what is being computed, so a script always sees the answer to its last change.
    """

    def __init__(self, state: ExplorerState) -> None:
        self.state = state
        self.text_panel = TextPanel(state)
        self.strip = StripPanel(state)
        self.prediction_panel = PredictionPanel(state)
        self.attention_panel = AttentionPanel(state)
        self.evidence_panel = EvidencePanel(state)
        style = html(styles("explorer"), "mlmviz-style")
        panels = (self.text_panel, self.strip, self.prediction_panel, self.evidence_panel, self.attention_panel)
        super().__init__([style, *panels])
        self.add_class("mlmviz")
        self.strip.observe(self._follow_theme, "dark")

    def _follow_theme(self, change: dict[str, Any]) -> None:
        for panel in (self.prediction_panel, self.evidence_panel, self.attention_panel):
            panel.dark = change["new"]
            panel.draw()

    @property
    def model(self) -> Model:
        """The model that answers."""
        return self.state.model

    @property
    def text(self) -> str:
        """The text; setting it keeps the masks of the tokens that stay."""
        return self.state.text

    @text.setter
    def text(self, text: str) -> None:
        self.state.set_text(text)

    @property
    def masked(self) -> tuple[int, ...]:
        """Positions of the slots, typed blanks included; set it to positions, words, or a `Masking`."""
        return self.state.masking.positions

    @masked.setter
    def masked(self, masked: Iterable[int | str] | Masking) -> None:
        self.state.set_masked(masked)

    @property
    def masking(self) -> Masking:
        """What was done to each slot: masked, replaced or kept."""
        return self.state.masking

    @property
    def slot(self) -> int:
        """Position of the slot that is shown, -1 for none."""
        return self.state.slot

    @slot.setter
    def slot(self, position: int) -> None:
        if position != -1 and position not in self.masked:
            raise TextError(say("error.not_a_slot", position=position, slots=list(self.masked)))
        self.state.select(position)

    @property
    def head(self) -> tuple[int, int]:
        """Layer and head that are open, zero-based."""
        return self.state.layer, self.state.head

    @head.setter
    def head(self, layer_and_head: tuple[int, int]) -> None:
        match layer_and_head:
            case (layer, head):
                self.state.show_head(layer, head)
            case _:
                raise MlmVizError(say("error.head", given=layer_and_head))

    @property
    def prediction(self) -> Prediction | None:
        """The prediction at all slots; None without one."""
        self.state.catch_up()
        return self.state.prediction

    @property
    def shown(self) -> SlotPrediction | None:
        """The prediction at the slot that is shown."""
        self.state.catch_up()
        return self.state.shown

    @property
    def joint(self) -> JointFills | None:
        """The joint best fills, when there are several slots."""
        self.state.settle()
        return self.state.joint

    @property
    def attention(self) -> Attention | None:
        """The attention of all heads; asking for it opens the panel. None if the text cannot be read."""
        self.state.want(attention=True)
        self.state.catch_up()
        return self.state.attention

    @property
    def sweep(self) -> Sweep | None:
        """Surprisal of each token; asking for it shades the chips."""
        self.state.want(surprisal=True)
        self.state.settle()
        return self.state.sweep

    @property
    def divergence(self) -> float | None:
        """Jensen-Shannon divergence in bits from the pinned distribution, or else from the previous one."""
        self.state.catch_up()
        return self.state.divergence

    @property
    def error(self) -> str:
        """What is wrong, as the page says it; empty if nothing is."""
        self.state.catch_up()
        return self.state.error

    def pin(self) -> None:
        """Hold the distribution that is shown: every later one is compared with it."""
        self.state.pin()

    def unpin(self) -> None:
        """Let go of the pinned distribution."""
        self.state.unpin()

    def clear(self) -> None:
        """Unmask everything but the blanks typed in the text."""
        self.state.set_masked(())

    def mask_at_random(self, seed: int = 0) -> None:
        """Choose 15 % of the tokens as training does.

        Raises:
            ValueError: if the seed is no whole number from 0 to 9999.
        """
        if seed not in range(MOST_SEED + 1):
            raise MlmVizError(say("error.seed", seed=seed, most=MOST_SEED))
        self.text_panel.seed.value = seed
        self.state.mask_at_random(seed)


def explore(text: str = "", model: ModelLike = None, masked: Masked | None = None) -> Explorer:
    """Open the explorer on a text.

    Args:
        text: any text; blanks may be written `[MASK]`, as the model's mask token, or `____`.
        model: a loaded model, or anything `load` takes; the bundled one by default.
        masked: positions or words to mask besides the blanks, or a `Masking`.

    Raises:
        ModelError: if the model cannot be loaded. A text that cannot be read is no error: the page says what is wrong.
    """
    return Explorer(ExplorerState(load(model), text, () if masked is None else masked))
