"""The token strip of the explorer: chips drawn from the state, clicks carried back to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlm_viz.figures.influence import Shades
from mlm_viz.state import ExplorerState
from mlm_viz.strings import say
from mlm_viz.widgets.strip import TokenStrip

# Shades run up to so many bits: a one-in-sixteen-thousand surprise, about what a vocabulary's size allows.
_DARKEST = 14.0


class StripPanel(TokenStrip):
    """A `TokenStrip` that watches an `ExplorerState`."""

    def __init__(self, state: ExplorerState) -> None:
        self.state = state
        vocabulary = state.model.vocabulary
        label = say("strip.mask") if vocabulary.mask_id is None else vocabulary.labels[vocabulary.mask_id]
        super().__init__(mask_label=label, stale=state.stale)
        self.observe(self._take_marks, ["marks", "selected"])
        state.observe(self._draw, ["sentence", "masking", "slot"])
        state.observe(self._draw_shades, ["sweep", "surprisal_wanted", "shades", "stale"])
        state.observe(self._draw_guesses, ["prediction"])
        state.observe(lambda change: setattr(self, "stale", change["new"]), "stale")
        self._draw()
        self._draw_guesses()
        self._draw_shades()

    def _take_marks(self, _change: object) -> None:
        """A click on the page; what cannot be done is undone there, and so is what was meant for other tokens.

        Marks that come from `_draw` change nothing.
        """
        if self._marks_of_state() != self.marks or self.selected != self.state.slot:
            if self.basis in (-1, self.edition):  # -1: not from a page
                self.state.set_marks({int(p): mark for p, mark in self.marks.items()}, self.selected)
            self._draw()

    def _marks_of_state(self) -> dict[str, str]:
        return {str(p): action for p, action in self.state.masking.action_at().items()}

    def _draw(self, _change: object = None) -> None:
        sentence, masking = self.state.sentence, self.state.masking
        labels = self.state.model.vocabulary.labels
        replaced = {
            str(p): labels[token_id]
            for p, action, token_id in zip(masking.positions, masking.actions, masking.ids, strict=True)
            if action == "replaced"
        }
        tokens = [] if sentence is None else [_chip(sentence, p) for p in range(len(sentence))]
        with self.hold_sync(), self.hold_trait_notifications():
            if tokens != self.tokens:
                self.tokens, self.edition = tokens, self.edition + 1
            self.marks, self.replacements, self.selected = self._marks_of_state(), replaced, self.state.slot

    def _draw_guesses(self, _change: object = None) -> None:
        prediction = self.state.prediction
        slots = [] if prediction is None else list(prediction)
        self.guesses = {str(slot.position): slot.vocabulary.labels[int(slot.best(1)[0])] for slot in slots}

    def _draw_shades(self, _change: object = None) -> None:
        sweep = self.state.sweep if self.state.surprisal_wanted else None
        with self.hold_sync():
            self.shades, self.shade_signs, self.shade_labels, self.shade_title = None, [], [], ""
            if sweep is None:
                if self.state.shades is not None and not self.state.surprisal_wanted:
                    self._lay_over(self.state.shades)
                return
            amounts = sweep.surprisals
            self.shades = [float(min(a / _DARKEST, 1.0)) for a in np.nan_to_num(amounts)]
            self.shade_labels = ["" if np.isnan(a) else f"{a:.1f}" for a in amounts]
            self.shade_title = say("strip.shade.surprisal", most=round(_DARKEST))

    def _lay_over(self, shades: Shades) -> None:
        if len(shades.amounts) == len(self.tokens):  # those of an older text are on their way out
            self.shades, self.shade_signs = list(shades.amounts), list(shades.signs)
            self.shade_labels, self.shade_title = list(shades.labels), shades.title


def _chip(sentence: Any, position: int) -> dict[str, Any]:
    label = sentence.labels[position]
    return {
        "label": label,
        "title": say("strip.title", position=position + 1, piece=label, id=int(sentence.ids[position])),
        "word": int(sentence.words[position]),
        "special": bool(sentence.special[position]),
        "blank": bool(sentence.blank[position]),
    }
