"""Attention beside what it does: a scatter of both, and three ways of saying where a slot looks."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from mlm_viz.escape import escape
from mlm_viz.evidence import AttentionEffect, AttentionViews
from mlm_viz.figures import labels, theme
from mlm_viz.figures.theme import Colours
from mlm_viz.results import Floats64
from mlm_viz.strings import say

_SCATTER = {"left": 88, "right": 28, "top": 92, "bottom": 64}
_HEIGHT, _LEGEND = 480, 56  # pixels: of the scatter, and from its top to the legend
_VIEWS = {"left": 84, "right": 24, "top": 60, "bottom": 128}
_LABEL_EMS = 7.5
_NAMED = 6  # points that are named in the picture; the others on hovering
_HATCHING = {"raw": "", "rollout": "/", "norms": "."}


def effect_scatter(effect: AttentionEffect, *, dark: bool = False) -> go.Figure:
    """Attention to the right, size of the measured effect up: were attention an explanation, points would line up.

    Three traces, always: what raises the target, what lowers it, and the names of the points that stand out. The title
    is Spearman's rho with the number of points.
    """
    ink = theme.colours(dark=dark)
    sizes = np.abs(effect.effects)
    top = labels.bits_top(float(sizes.max(initial=0.0)))
    largest = float(effect.attention.max(initial=0.0))
    figure = go.Figure()
    for kind in ("up", "down"):
        figure.add_trace(_points(effect, kind, ink))
    figure.add_trace(_names(effect, sizes / top, ink))
    layout = theme.layout(
        ink,
        _HEIGHT,
        **_SCATTER,
        xaxis=labels.percent_axis(ink, largest, title=labels.token_title(f"figure.effect.{effect.over}", ink)),
        yaxis=theme.axis(
            ink,
            range=[-0.03 * top, 1.06 * top],
            tickvals=[top * step / 4 for step in range(5)],
            title=labels.token_title("figure.effect.size", ink),
        ),
        title={"text": escape(_rho(effect)), "font": {"size": theme.SIZE + 2}},
        hovermode="closest",
    )
    layout["title"] |= {"x": 0, "xanchor": "left", "y": 1, "yanchor": "top", "pad": {"t": 10, "l": 12}}
    # The title stands at the top, so the legend goes under it; placed by the plot, it would push the axis' title aside.
    layout["legend"] |= {"y": 1 - _LEGEND / _HEIGHT}
    figure.layout = layout
    return figure


def _rho(effect: AttentionEffect) -> str:
    things = say(f"figure.effect.count.{effect.over}", count=len(effect))
    if np.isnan(effect.rho):
        return say("figure.effect.no_rho", things=things)
    return say("figure.effect.rho", rho=f"{effect.rho:+.2f}".replace("-", "−"), things=things)


def _points(effect: AttentionEffect, kind: str, ink: Colours) -> go.Scatter:
    rows = np.flatnonzero((effect.effects >= 0) == (kind == "up"))
    return go.Scatter(
        x=effect.attention[rows],
        y=np.abs(effect.effects[rows]),
        customdata=[_told(effect, int(row)) for row in rows],
        mode="markers",
        name=escape(say(f"figure.effect.{kind}")),
        showlegend=True,
        marker={
            "symbol": "triangle-up" if kind == "up" else "triangle-down",
            "color": ink.guess if kind == "up" else ink.right,
            "size": 13,
            "line": {"color": ink.page, "width": 1},
        },
        cliponaxis=False,
        hovertemplate="%{customdata}<extra></extra>",
    )


def _told(effect: AttentionEffect, row: int) -> str:
    return labels.lines(
        _name(effect, row),
        say("figure.effect.attention", value=labels.percent(float(effect.attention[row]))),
        say("figure.effect.bits", bits=labels.signed(float(effect.effects[row]))),
    )


def _name(effect: AttentionEffect, row: int) -> str:
    if effect.over == "tokens":
        return say("figure.effect.token", label=effect.labels[row], number=effect.names[row][0] + 1)
    layer, head = effect.names[row]
    return say("figure.attention.head", layer=layer + 1, head=head + 1)


def _names(effect: AttentionEffect, heights: Floats64, ink: Colours) -> go.Scatter:
    """Names over the points that are farthest out, on either axis."""
    far = np.maximum(heights, effect.attention / max(float(effect.attention.max(initial=0.0)), 1e-9))
    rows = np.argsort(-far, kind="stable")[:_NAMED]
    short = [
        effect.labels[row] if effect.labels else f"{effect.names[row][0] + 1}·{effect.names[row][1] + 1}"
        for row in rows
    ]
    return go.Scatter(
        x=effect.attention[rows],
        y=np.abs(effect.effects[rows]),
        text=[labels.markup(name, _LABEL_EMS) for name in short],
        mode="text",
        textposition="top center",
        textfont={"size": theme.SIZE - 2, "color": ink.text},
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )


def views_bars(views: AttentionViews, *, dark: bool = False) -> go.Figure:
    """Where a slot looks, three bars a token: raw attention, rollout, value-weighted norms; a fourth trace tells."""
    ink = theme.colours(dark=dark)
    shares = {"raw": views.raw, "rollout": views.rollout, "norms": views.norms}
    axis = labels.percent_axis(
        ink, float(max(values.max() for values in shares.values())), title=labels.token_title("figure.views", ink)
    )
    figure = go.Figure()
    for colour, (kind, values) in zip(ink.series, shares.items(), strict=False):
        figure.add_trace(_bars(kind, values, colour, ink))
    tokens = len(views.labels)
    told = [_view_told(views, token) for token in range(tokens)]
    figure.add_trace(labels.hover_layer(range(tokens), told, start=0, end=axis["range"][1], across=False))
    figure.data[-1].update(offset=-0.5)  # by itself over the whole column: the others stand side by side
    inks = labels.token_inks(views.special, views.position, ink)
    figure.layout = theme.layout(
        ink,
        460,
        **_VIEWS,
        barmode="group",
        bargap=0.25,
        xaxis=labels.token_axis(
            ink, views.labels, inks=inks, spacing=480 / tokens, most=_LABEL_EMS, keep=views.position, tickangle=-60
        ),
        yaxis=axis,
    )
    return figure


def _bars(kind: str, values: Floats64, colour: str, ink: Colours) -> go.Bar:
    return go.Bar(
        x=list(range(len(values))),
        y=values,
        name=escape(say(f"figure.views.{kind}")),
        showlegend=True,
        marker={"color": colour, "pattern": theme.pattern(_HATCHING[kind], ink.paper), "line": {"width": 0}},
        hoverinfo="skip",
    )


def _view_told(views: AttentionViews, token: int) -> str:
    shares = {"raw": views.raw, "rollout": views.rollout, "norms": views.norms}
    lines = [
        say("figure.attention.share", kind=say(f"figure.views.{kind}"), value=labels.percent(float(values[token])))
        for kind, values in shares.items()
    ]
    return labels.lines(say("figure.effect.token", label=views.labels[token], number=token + 1), *lines)
