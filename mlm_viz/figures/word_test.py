"""How well each model guesses the words of sentences: a dot and its interval for each, a panel for each place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mlm_viz.comparison import Side
from mlm_viz.escape import escape
from mlm_viz.figures import labels, theme
from mlm_viz.figures.theme import Colours
from mlm_viz.intervals import Estimate
from mlm_viz.strings import say
from mlm_viz.word_tests import DIFFERENCE, MEASURES, Measure, Panel, WordTest, panel_name

_MARGINS = {"left": 168, "right": 12, "top": 98, "bottom": 176}
_TITLES = {"accuracy": "figure.word_test.accuracy", "bits": "figure.word_test.bits"}
_ROW = 38  # pixels
_BETWEEN = 140  # pixels between two panels above each other: ticks of one, name of the other
_GAP = 0.05  # of the width, between two panels side by side
_ROOM = 1.34  # times the longest interval an axis takes: for the number behind it
_LETTERS = theme.SIZE - 1
_NAME_EMS = 30.0


@dataclass(frozen=True)
class _Frame:
    """A panel, and where it stands: column and row in the grid, and their ends as shares of width and height."""

    panel: Panel
    column: int
    row: int
    across: tuple[float, float]
    up: tuple[float, float]


def word_test_dots(test: WordTest, of: Measure = "accuracy", *, dark: bool = False) -> go.Figure:
    """Accuracy or bits of each model with its 95 % interval: languages below, places beside each other.

    The traces are, for each panel, a dot for each model and then the numbers behind them. Over each panel stands the
    difference of the first two questions on the same words.

    Raises:
        ValueError: if `of` is no measure.
    """
    if of not in MEASURES:
        raise ValueError(say("figure.word_test.error.of", of=of, known=", ".join(MEASURES)))
    ink = theme.colours(dark=dark)
    top = max(test.estimate(of, panel, side).high for panel in test.panels for side in test.sides)
    frames, height = _frames(test)
    figure = go.Figure()
    layout = theme.layout(ink, height, **_MARGINS, hovermode="closest", showlegend=False)
    annotations = [labels.note(_note(of), ink, _MARGINS["left"], _MARGINS["bottom"])]
    for number, frame in enumerate(frames):
        axes = ("", "") if not number else (str(number + 1),) * 2
        for trace in _traces(test, of, frame.panel, ink):
            figure.add_trace(trace.update(xaxis=f"x{axes[0]}", yaxis=f"y{axes[1]}"))
        last = all(other.row <= frame.row for other in frames if other.column == frame.column)
        layout[f"xaxis{axes[0]}"] = _value_axis(of, top, frame, ink, titled=last) | {"anchor": f"y{axes[1]}"}
        layout[f"yaxis{axes[1]}"] = _side_axis(test, frame, ink) | {"anchor": f"x{axes[0]}"}
        annotations.append(_heading(test, of, frame, ink))
    figure.layout = {**layout, "annotations": annotations}
    return figure


def word_test_text(test: WordTest, of: Measure = "accuracy") -> str:
    """What `word_test_dots` shows, as plain lines: for screen readers, logs and tests."""
    lines = []
    for panel in test.panels:
        lines.append(say("figure.word_test.text.panel", name=panel_name(panel), counts=_counts(test, panel)))
        lines += [f"  {_told(test, of, panel, side)}" for side in test.sides]
        lines.append(f"  {' '.join(_difference(test, of, panel))}")
    return "\n".join([*(line for line in lines if line.strip()), _note(of)])


# --- numbers as people read them --------------------------------------------------------------------------------------


def _value(of: Measure, value: float) -> str:
    return labels.percent(value) if of == "accuracy" else f"{value:.2f}"


def _told(test: WordTest, of: Measure, panel: Panel, side: Side) -> str:
    found = test.estimate(of, panel, side)
    ends = {name: _value(of, getattr(found, name)) for name in ("value", "low", "high")}
    return say(f"figure.word_test.{of}.told", side=say(f"side.{side}"), **ends)


def _difference(test: WordTest, of: Measure, panel: Panel) -> list[str]:
    """What is subtracted, and the difference; nothing if one of the two models is not there."""
    if not set(DIFFERENCE) <= set(test.sides):
        return []
    found = test.estimate(of, panel, *DIFFERENCE)
    scale = 100 if of == "accuracy" else 1
    ends = {name: labels.signed(scale * getattr(found, name)) for name in ("value", "low", "high")}
    return [f"{say('word_test.difference')}:", say(f"figure.word_test.{of}.difference", **ends)]


def _counts(test: WordTest, panel: Panel) -> str:
    chosen = test.at(panel)
    sentences = len(np.unique(test.sentences[chosen]))
    return say("figure.word_test.counts", words=len(chosen), sentences=sentences)


def _note(of: Measure) -> str:
    names = ["interval", "alike", *(["bits"] if of == "bits" else [])]
    return " ".join(say(f"figure.word_test.note.{name}") for name in names)


# --- where things stand -----------------------------------------------------------------------------------------------


def _frames(test: WordTest) -> tuple[list[_Frame], int]:
    """The panels with their places, and the height of the figure in pixels."""
    languages = list(dict.fromkeys(language for language, _ in test.panels))
    places = list(dict.fromkeys(place for _, place in test.panels))
    tall = _ROW * len(test.sides)
    plot = tall * len(languages) + _BETWEEN * (len(languages) - 1)
    width = (1 - _GAP * (len(places) - 1)) / len(places)
    frames = []
    for panel in test.panels:
        row, column = languages.index(panel[0]), places.index(panel[1])
        left, upper = column * (width + _GAP), plot - row * (tall + _BETWEEN)
        frames.append(_Frame(panel, column, row, (left, left + width), ((upper - tall) / plot, upper / plot)))
    return frames, plot + _MARGINS["top"] + _MARGINS["bottom"]


def _value_axis(of: Measure, top: float, frame: _Frame, ink: Colours, *, titled: bool) -> dict[str, Any]:
    most = labels.axis_top(top) if of == "accuracy" else _bits_top(top)
    ticks = [most * part / 4 for part in range(5)]
    texts = [f"{100 * tick:g} %" if of == "accuracy" else f"{tick:g}" for tick in ticks]
    title = {"title": labels.token_title(_TITLES[of], ink)} if titled else {}
    end = max(_ROOM * top, most)
    if most == end:
        texts[-1] = ""  # would stand on the first one of the next panel
    scale = {"tickmode": "array", "tickvals": ticks, "ticktext": texts, "domain": frame.across}
    return theme.axis(ink, range=[0, end], **scale, **title)


def _bits_top(top: float) -> float:
    return float(4 * np.ceil(top / 4))


def _side_axis(test: WordTest, frame: _Frame, ink: Colours) -> dict[str, Any]:
    texts = [say(f"side.{side}").replace(", ", ",\n") for side in test.sides]
    shown = [escape(text).replace("\n", "<br>") if not frame.column else "" for text in texts]
    ticks = {"tickmode": "array", "tickvals": list(range(len(texts))), "ticktext": shown, "showgrid": False}
    return theme.axis(ink, range=[len(texts) - 0.5, -0.5], domain=frame.up, **ticks)


def _heading(test: WordTest, of: Measure, frame: _Frame, ink: Colours) -> dict[str, Any]:
    name = labels.markup(panel_name(frame.panel), _NAME_EMS)
    rest = [escape(line) for line in (_counts(test, frame.panel), *_difference(test, of, frame.panel))]
    lines = [f"<b>{name}</b>", *(f'<span style="font-size:{_LETTERS}px">{line}</span>' for line in rest)]
    place = {"xref": "paper", "yref": "paper", "x": frame.across[0], "y": frame.up[1], "yshift": 4}
    anchors = {"xanchor": "left", "yanchor": "bottom", "align": "left", "showarrow": False}
    return {**place, **anchors, "text": "<br>".join(lines), "font": {"size": theme.SIZE, "color": ink.text}}


# --- traces -----------------------------------------------------------------------------------------------------------


def _traces(test: WordTest, of: Measure, panel: Panel, ink: Colours) -> list[go.Scatter]:
    found = [test.estimate(of, panel, side) for side in test.sides]
    dots = [
        _dot(estimate, place, side, labels.lines(panel_name(panel), _told(test, of, panel, side)), ink)
        for place, (side, estimate) in enumerate(zip(test.sides, found, strict=True))
    ]
    numbers = go.Scatter(
        x=[estimate.high for estimate in found],
        y=list(range(len(found))),
        mode="text",
        text=[f"  {escape(_value(of, estimate.value))}" for estimate in found],
        textposition="middle right",
        textfont={"size": theme.SIZE, "color": ink.text},
        cliponaxis=False,
        hoverinfo="skip",
    )
    return [*dots, numbers]


def _dot(estimate: Estimate, place: int, side: Side, told: str, ink: Colours) -> go.Scatter:
    look = theme.side_look(side, ink)
    return go.Scatter(
        x=[estimate.value],
        y=[place],
        mode="markers",
        name=escape(say(f"side.{side}")),
        marker={"color": look.colour, "symbol": look.symbol, "size": 13, "line": {"width": 3, "color": look.colour}},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [estimate.high - estimate.value],
            "arrayminus": [estimate.value - estimate.low],
            "color": look.colour,
            "thickness": 3,
            "width": 8,
        },
        customdata=[told],
        cliponaxis=False,
        hovertemplate="%{customdata}<extra></extra>",
    )
