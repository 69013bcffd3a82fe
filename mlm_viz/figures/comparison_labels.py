"""The words around a matrix of attention: its tokens on both sides, what it is called, and what shape it has."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from mlm_viz.comparison import Pattern
from mlm_viz.escape import escape
from mlm_viz.figures import labels, theme
from mlm_viz.figures.theme import Colours
from mlm_viz.strings import say
from mlm_viz.tokens import is_cjk

MARGINS = {"left": 112, "right": 30, "top": 176, "bottom": 60}
_LABEL_EMS = 6.0
_LINE = 50  # characters to a line of the sentence above


def shape_of(pattern: Pattern) -> str:
    """One of "full", "hidden" (some keys nobody may look at), "triangular", and "parts" (an encoder and a decoder)."""
    if pattern.written.any():
        return "parts"
    if pattern.open.all():
        return "full"
    triangle = np.tri(len(pattern.labels), dtype=np.bool_)
    return "triangular" if bool((pattern.open == triangle).all()) else "hidden"


def _shown(pattern: Pattern, spacing: float) -> tuple[list[int], int]:
    """Which tokens are named, the slot among them, and in which size: those of a long text are thinned."""
    size = theme.SIZE - 1 if spacing >= theme.SIZE else theme.SIZE - 3
    step = max(1, int(np.ceil((size - 0.5) / spacing)))
    return [*range(pattern.slot % step, len(pattern.labels), step)], size


def _inks(pattern: Pattern, ink: Colours) -> list[str]:
    return [ink.slot_ink if place == pattern.slot else ink.text for place in range(len(pattern.labels))]


def query_ticks(pattern: Pattern, spacing: float, ink: Colours) -> dict[str, Any]:
    """The names of the queries, as properties of an axis; `spacing` is the pixels a token has."""
    shown, size = _shown(pattern, spacing)
    inks, beside = _inks(pattern, ink), 2e-4 * len(pattern.labels)
    texts = [f'<span style="color:{inks[i]}">{labels.markup(pattern.labels[i], _LABEL_EMS)}</span>' for i in shown]
    # plotly tells a tick's short label where the pointer is on the tick exactly; a hair beside, the whole token.
    places = [place + beside for place in shown]
    return {"tickmode": "array", "tickvals": places, "ticktext": texts, "tickfont": {"size": size, "color": ink.text}}


def key_names(pattern: Pattern, spacing: float, ink: Colours) -> list[dict[str, Any]]:
    """The names of the keys above the columns: Chinese upright from top to bottom, others turned."""
    shown, size = _shown(pattern, spacing)
    inks = _inks(pattern, ink)
    found = []
    for place in shown:
        label = pattern.labels[place]
        stacked = any(is_cjk(char) for char in label)
        upright = stacked or labels.ems(label) * size <= spacing
        text = "<br>".join(labels.markup(char) for char in labels.short(label, 4.2)) if stacked else None
        found.append(
            {
                "xref": "x",
                "yref": "y",
                "x": place,
                "y": -0.5,
                "yanchor": "bottom",
                "yshift": 3,
                "showarrow": False,
                "textangle": 0 if upright else -90,
                "text": text or labels.markup(label, _LABEL_EMS),
                "font": {"size": size, "color": inks[place]},
            }
        )
    return found


def heading(pattern: Pattern, title: str, ink: Colours) -> list[dict[str, Any]]:
    """What the model is called, and in a sentence who looks at whom."""
    place = {"xref": "paper", "yref": "paper", "x": 0, "y": 1, "xanchor": "left", "yanchor": "top", "align": "left"}
    place |= {"xshift": 4 - MARGINS["left"], "showarrow": False}
    said = "<br>".join(escape(line) for line in textwrap.wrap(say(f"comparison.pattern.{shape_of(pattern)}"), _LINE))
    small = {"color": ink.muted, "size": theme.SIZE - 2}
    return [
        {**place, "text": f"<b>{labels.markup(title, 22)}</b>", "yshift": MARGINS["top"] - 2},
        {**place, "text": said, "yshift": MARGINS["top"] - 24, "font": small},
    ]


def part_names(pattern: Pattern, ink: Colours) -> list[dict[str, Any]]:
    """Beside the rows: which are read, and which are written."""
    if not pattern.written.any():
        return []
    tokens, edge = len(pattern.labels), int(np.argmax(pattern.written))
    place = {
        "xref": "x",
        "yref": "y",
        "x": tokens - 0.5,
        "xanchor": "left",
        "xshift": 6,
        "textangle": 90,
        "showarrow": False,
    }
    middles = {"read": (edge - 1) / 2, "written": (edge + tokens - 1) / 2}
    font = {"color": ink.muted, "size": theme.SIZE - 2}
    return [
        {**place, "y": middle, "text": escape(say(f"comparison.pattern.part.{name}")), "font": font}
        for name, middle in middles.items()
    ]
