"""Where a token looks: one head as a map, one row of it as bars, the shares of all heads, and all of it as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mlm_viz.escape import escape
from mlm_viz.figures import labels, theme
from mlm_viz.figures.heatmap import attention_heatmap
from mlm_viz.figures.theme import Colours
from mlm_viz.measures import SHARES, attention_entropy
from mlm_viz.results import Attention, Floats64
from mlm_viz.strings import say
from mlm_viz.tokens import Ids

__all__ = ["attention_heatmap", "attention_row", "attention_shares", "attention_text", "share_stack"]

_LABEL_EMS = 7.5
_ROW = {"left": 84, "right": 24, "top": 74, "bottom": 128}
_HEADS = {"left": 166, "right": 96, "top": 82, "bottom": 58}
_HEAD = 30  # pixels for a head's bar
_HATCHING = {"left": "/", "right": "\\", "self": "", "special": "."}


def attention_row(attention: Attention, layer: int, head: int, query: int, *, dark: bool = False) -> go.Figure:
    """Where one token looks in one head: a bar for each key, its kind (left, right, itself, special) in four traces.

    Args:
        attention: of a text.
        layer: counted in the model, from zero.
        head: from zero.
        query: position of the token that looks.
        dark: for a dark page.
    """
    ink = theme.colours(dark=dark)
    weights = np.asarray(attention.head(layer, head)[query], dtype=np.float64)
    spacing = 480 / len(weights)  # of the narrowest page it should be read on
    kinds = _kinds(attention, query)
    looks = [_look(attention, query, key, weights[key]) for key in range(len(weights))]
    axis = labels.percent_axis(ink, float(weights.max()), title=labels.token_title("figure.attention", ink))
    figure = go.Figure()
    for kind in SHARES:
        figure.add_trace(_keys(weights, np.flatnonzero(kinds == kind), kind, ink))
    figure.add_trace(_tops(weights, spacing, ink))
    figure.add_trace(labels.hover_layer(range(len(weights)), looks, start=0, end=axis["range"][1], across=False))
    inks = labels.token_inks(attention.special, query, ink)
    figure.layout = theme.layout(
        ink,
        460,
        **_ROW,
        barmode="overlay",
        xaxis=labels.token_axis(
            ink, attention.labels, inks=inks, spacing=spacing, most=_LABEL_EMS, keep=query, tickangle=-60
        ),
        yaxis=axis,
    )
    return figure


def _kinds(attention: Attention, query: int) -> np.ndarray[Any, np.dtype[np.str_]]:
    """(keys,) which of `SHARES` each key's weight counts to."""
    keys = np.arange(len(attention.labels))
    sides = np.where(keys < query, "left", np.where(keys > query, "right", "self"))
    return np.where(attention.special & (keys != query), "special", sides)


def _look(attention: Attention, query: int, key: int, weight: float) -> str:
    value = labels.percent(weight)
    look = say("figure.attention.looks", query=attention.labels[query], key=attention.labels[key], value=value)
    return labels.lines(look)


def _style(kind: str, ink: Colours) -> dict[str, Any]:
    fill = {"left": ink.left, "right": ink.right, "self": ink.text, "special": ink.special}[kind]
    return {"color": fill, "pattern": theme.pattern(_HATCHING[kind], ink.paper), "line": {"width": 0}}


def _keys(weights: Floats64, keys: Ids, kind: str, ink: Colours) -> go.Bar:
    share = labels.percent(weights[keys].sum())
    return go.Bar(
        x=keys,
        y=weights[keys],
        name=escape(say("figure.attention.share", kind=say(f"figure.attention.{kind}"), value=share)),
        showlegend=True,
        width=0.7,
        marker=_style(kind, ink),
        hoverinfo="skip",
    )


def _tops(weights: Floats64, spacing: float, ink: Colours) -> go.Scatter:
    """The value above each bar worth it; of the highest only where bars are too narrow for more."""
    shown = np.flatnonzero(weights >= 0.01) if spacing >= 48 else np.argsort(weights)[-1:]
    return go.Scatter(
        x=[int(key) for key in shown],
        y=weights[shown],
        text=[escape(labels.percent(weights[key])) for key in shown],
        mode="text",
        textposition="top center",
        textfont={"size": theme.SIZE - 1, "color": ink.text},
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )


def attention_shares(attention: Attention, query: int, *, layer: int | None = None, dark: bool = False) -> go.Figure:
    """How much of one token's attention goes left, right, to itself and to special tokens, a stacked bar for each head.

    Args:
        attention: of a text.
        query: position of the token that looks.
        layer: only this layer, counted in the model; None for all that are held.
        dark: for a dark page.
    """
    ink = theme.colours(dark=dark)
    frame = attention.shares_frame(query)
    frame = frame if layer is None else frame[frame["layer"] == layer]
    names = [_head_name(row.layer, row.head, only=layer is not None) for row in frame.itertuples()]
    figure = go.Figure()
    for kind in SHARES:
        figure.add_trace(share_stack(frame[kind].to_numpy(), kind, ink))
    figure.add_trace(_entropies(frame["entropy"].to_numpy(), ink))
    places = list(range(len(names)))
    told = [labels.lines(name, *_told(row)) for name, row in zip(names, frame.to_dict("records"), strict=True)]
    figure.add_trace(labels.hover_layer(places, told, start=0, end=1, across=True))
    ticks = {"tickmode": "array", "tickvals": places, "ticktext": [escape(name) for name in names], "showgrid": False}
    figure.layout = theme.layout(
        ink,
        _HEADS["top"] + _HEADS["bottom"] + _HEAD * len(names),
        **_HEADS,
        barmode="stack",
        xaxis=labels.percent_axis(ink, 1.0, title=labels.token_title("figure.attention", ink)),
        yaxis=theme.axis(ink, range=[len(names) - 0.5, -0.5], **ticks),
        annotations=[_entropy_heading(ink)],
    )
    return figure


def _head_name(layer: Any, head: Any, *, only: bool) -> str:
    key = "figure.attention.head_only" if only else "figure.attention.head"
    return say(key, layer=int(layer) + 1, head=int(head) + 1)


def _told(row: Mapping[Any, Any]) -> list[str]:
    """The four shares and the entropy of a head."""
    shares = [
        say("figure.attention.share", kind=say(f"figure.attention.{kind}"), value=labels.percent(row[kind]))
        for kind in SHARES
    ]
    return [*shares, say("figure.attention.entropy_value", bits=row["entropy"])]


def share_stack(shares: Floats64, kind: str, ink: Colours) -> go.Bar:
    """One kind of share, a bar lying in each row, to be stacked on the kinds before it."""
    return go.Bar(
        x=shares,
        y=list(range(len(shares))),
        name=escape(say(f"figure.attention.{kind}")),
        showlegend=True,
        orientation="h",
        width=0.7,
        marker=_style(kind, ink),
        hoverinfo="skip",
    )


def _entropies(bits: Floats64, ink: Colours) -> go.Scatter:
    return go.Scatter(
        x=[1.0] * len(bits),
        y=list(range(len(bits))),
        text=[escape(" " + say("figure.attention.bits", bits=value)) for value in bits],
        mode="text",
        textposition="middle right",
        textfont={"size": theme.SIZE, "color": ink.text},
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )


def _entropy_heading(ink: Colours) -> dict[str, Any]:
    place = {"xref": "paper", "yref": "paper", "x": 1, "y": 1, "xanchor": "left", "yanchor": "bottom", "xshift": 8}
    font = {"color": ink.muted}
    return {**place, "text": escape(say("figure.attention.entropy")), "showarrow": False, "font": font}


def attention_text(attention: Attention, layer: int, head: int, query: int, most: int = 5) -> str:
    """Where one token looks in one head, as plain lines: the `most` attended keys, the four shares, the entropy."""
    row = attention.head(layer, head)[query]
    order = np.argsort(-row, kind="stable")[:most]
    who = {"query": attention.labels[query], "number": query + 1}
    lines = [say("figure.attention.text", layer=layer + 1, head=head + 1, **who)]
    for key in order:
        value = labels.percent(row[key])
        lines.append(say("figure.attention.text.key", key=attention.labels[key], number=int(key) + 1, value=value))
    kinds = _kinds(attention, query)
    values = {kind: labels.percent(row[kinds == kind].sum()) for kind in SHARES}
    lines.append(say("figure.attention.text.shares", **values))
    lines.append(say("figure.attention.entropy_value", bits=float(attention_entropy(row))))
    return "\n".join(lines)
