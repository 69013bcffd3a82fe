"""A quantity that falls or rises as something is turned up, with how sure it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from mlm_viz.figures import labels, theme
from mlm_viz.figures.theme import Colours
from mlm_viz.results import AccuracyCurve
from mlm_viz.strings import say

_MARGINS = {"left": 88, "right": 28, "top": 60, "bottom": 64}


def accuracy_curve(curves: Sequence[AccuracyCurve], *, dark: bool = False) -> go.Figure:
    """Accuracy against the share that is masked: for each curve a shaded band, then its line.

    Raises:
        ValueError: for no curve, or more than can be told apart.
    """
    ink = theme.colours(dark=dark)
    if not 1 <= len(curves) <= len(theme.LINES):
        raise ValueError(say("figure.error.curves", count=len(curves), most=len(theme.LINES)))
    figure = go.Figure()
    for number, curve in enumerate(curves):
        figure.add_trace(_band(curve, number, ink))
        figure.add_trace(_line(curve, number, ink))
    right = max(float(np.max(curve.rates)) for curve in curves)
    top = max(float(np.max(curve.high)) for curve in curves)
    across = labels.percent_axis(ink, right, title=labels.token_title("figure.curve.rate", ink), showgrid=False)
    up = labels.percent_axis(ink, top, title=labels.token_title("figure.curve.accuracy", ink))
    figure.layout = theme.layout(ink, 460, **_MARGINS, xaxis=across, yaxis=up, hovermode="closest")
    return figure


def _band(curve: AccuracyCurve, number: int, ink: Colours) -> go.Scatter:
    return go.Scatter(
        x=np.concatenate([curve.rates, curve.rates[::-1]]),
        y=np.concatenate([curve.high, curve.low[::-1]]),
        fill="toself",
        fillcolor=ink.series[number],
        opacity=0.22,
        mode="lines",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )


def _line(curve: AccuracyCurve, number: int, ink: Colours) -> go.Scatter:
    dash, symbol = theme.LINES[number]
    colour = ink.series[number]
    rows = zip(curve.rates, curve.accuracy, curve.low, curve.high, strict=True)
    points = [[labels.percent(value) for value in row] for row in rows]
    told = [
        say("figure.curve.point", name=curve.name, rate=rate, value=value, low=low, high=high)
        for rate, value, low, high in points
    ]
    return go.Scatter(
        x=curve.rates,
        y=curve.accuracy,
        customdata=[labels.lines(line) for line in told],
        name=labels.markup(curve.name, 16),
        showlegend=True,
        mode="lines+markers",
        line={"color": colour, "width": 3, "dash": dash},
        marker={"color": colour, "size": 10, "symbol": symbol},
        cliponaxis=False,
        hovertemplate="%{customdata}<extra></extra>",
    )
