"""The token strip: a row of chips, one for each token; a click masks a token, another click unmasks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from mlm_viz.strings import section
from mlm_viz.widgets.script import script

MARKS = ("masked", "replaced", "kept")


class TokenStrip(anywidget.AnyWidget):
    """Chips for tokens, in reading order, with the pieces of a word joined; knows nothing of models.

    A marked position is a *slot*. The page changes `marks`, `selected`, `basis` and `dark`; assign the others, and the
    first two as well, from Python. Put assignments that belong together inside `hold_sync()`, so that the page never
    draws the marks of one text on the tokens of another. What is done on the page is heard of later, maybe after an
    edit: `basis` says of which tokens it was meant.

    Attributes:
        edition: number of the text that `tokens` are of; count it up with them.
        basis: the edition that the page's last change of `marks` or `selected` was meant for, -1 before there was any.
        tokens: for each token `label` (text of the chip), `title` (its tooltip), `word` (index of its word, -1 for
            none), `special` (cannot be masked) and `blank` (a blank in the text: a slot that cannot be unmasked).
        marks: position, as a decimal string -> "masked", "replaced" or "kept".
        replacements: position -> label of the token that stands there instead, where the mark is "replaced".
        selected: position of the slot being shown, -1 for none.
        shades: one number in [0, 1] for each token, or None for no shading.
        shade_signs: empty, or for each token 1 where the shade stands for raising, -1 for lowering, 0 for neither.
        shade_labels: what is written under each chip while there are shades.
        shade_title: the legend of the shades, with their unit.
        guesses: position -> likeliest label, written under a slot; "" or nothing for none.
        mask_label: what a masked chip shows.
        stale: whether something shown is being computed again.
        dark: whether the page is dark; the page says so, Python reads it.
    """

    _esm = script("strip")
    _css = Path(__file__).parent / "strip.css"

    edition = traitlets.Int(0).tag(sync=True)
    basis = traitlets.Int(-1).tag(sync=True)
    tokens = traitlets.List(traitlets.Dict()).tag(sync=True)
    marks = traitlets.Dict(key_trait=traitlets.Unicode(), value_trait=traitlets.Enum(MARKS)).tag(sync=True)
    replacements = traitlets.Dict(key_trait=traitlets.Unicode(), value_trait=traitlets.Unicode()).tag(sync=True)
    selected = traitlets.Int(-1, min=-1).tag(sync=True)
    shades: traitlets.TraitType[list[float] | None, list[float] | None] = traitlets.List(  # type: ignore[assignment]
        traitlets.Float(), default_value=None, allow_none=True
    ).tag(sync=True)
    shade_signs = traitlets.List(traitlets.Enum((-1, 0, 1))).tag(sync=True)
    shade_labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    shade_title = traitlets.Unicode().tag(sync=True)
    guesses = traitlets.Dict(key_trait=traitlets.Unicode(), value_trait=traitlets.Unicode()).tag(sync=True)
    mask_label = traitlets.Unicode("[MASK]").tag(sync=True)
    stale = traitlets.Bool(False).tag(sync=True)
    dark = traitlets.Bool(False).tag(sync=True)
    strings = traitlets.Dict().tag(sync=True)

    @traitlets.default("strings")
    def _default_strings(self) -> dict[str, str]:
        return section("strip")

    @traitlets.validate("marks", "replacements", "guesses")
    def _keyed_by_position(self, proposal: dict[str, Any]) -> dict[str, str]:
        value: dict[str, str] = proposal["value"]
        for key in value:
            if not (key.isascii() and key.isdigit()):
                raise traitlets.TraitError(f"positions are decimal strings such as '3', not {key!r}")
        return value

    @traitlets.validate("shades")
    def _within_unit(self, proposal: dict[str, Any]) -> list[float] | None:
        value: list[float] | None = proposal["value"]
        for shade in value or []:
            if not 0 <= shade <= 1:  # also false for NaN, which JSON cannot carry
                raise traitlets.TraitError(f"a shade is a number in [0, 1], not {shade}; scale the values first")
        return value
