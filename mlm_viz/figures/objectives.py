"""The same text learned with different questions: the held-out loss against what was read, or was learned from."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go

from mlm_viz.comparison import Side
from mlm_viz.escape import escape
from mlm_viz.figures import labels, theme
from mlm_viz.figures.learning import round_end
from mlm_viz.figures.theme import Colours
from mlm_viz.learning import Learning, Objectives
from mlm_viz.strings import say

By = Literal["tokens", "targets"]

_MARGINS = {"left": 64, "right": 28, "top": 64, "bottom": 128}
_TITLES = {"tokens": "figure.objectives.tokens", "targets": "figure.objectives.targets"}
_HEIGHT = 470


def objective_curves(objectives: Objectives, *, by: By = "tokens", dark: bool = False) -> go.Figure:
    """Held-out loss of each objective against the tokens it read, or against those it learned from.

    The traces are a line for each objective, its bits per target of its own.

    Raises:
        ValueError: if `by` is something else.
    """
    if by not in {"tokens", "targets"}:
        raise ValueError(say("figure.objectives.error.by", by=by))
    ink = theme.colours(dark=dark)
    figure = go.Figure([_line(side, learning, by, ink) for side, learning in objectives.learnings.items()])
    highest = max(float(learning.held_out.max()) for learning in objectives.learnings.values())
    reached = max(float(_places(learning, by)[-1]) for learning in objectives.learnings.values())
    across = {"tickformat": "~s", "nticks": 7, "showgrid": False}
    figure.layout = theme.layout(
        ink,
        _HEIGHT,
        **_MARGINS,
        xaxis=theme.axis(
            ink,
            range=[0, round_end(int(reached))],
            title=labels.token_title(_TITLES[by], ink),
            **across,
        ),
        yaxis=theme.axis(
            ink, range=[0, float(np.ceil(highest))], nticks=9, title=labels.token_title("figure.objectives.bits", ink)
        ),
        annotations=[labels.note(say("figure.objectives.note"), ink, _MARGINS["left"], _MARGINS["bottom"])],
        hovermode="closest",
    )
    return figure


def objectives_text(objectives: Objectives) -> str:
    """What the curves show, in words: a line for each objective."""
    rows = objectives.to_frame().to_dict("records")
    lines = [
        say(
            "figure.objectives.text",
            name=say(f"side.{row['objective']}"),
            share=labels.percent(row["share"]),
            **{str(key): value for key, value in row.items() if key not in {"objective", "share"}},
        )
        for row in rows
    ]
    return "\n".join([*lines, say("figure.objectives.note")])


def _places(learning: Learning, by: By) -> Any:
    return learning.held_tokens if by == "tokens" else learning.held_targets


def _line(side: Side, learning: Learning, by: By, ink: Colours) -> go.Scatter:
    look = theme.side_look(side, ink)
    rows = zip(learning.held_tokens.tolist(), learning.held_targets.tolist(), learning.held_out.tolist(), strict=True)
    told = [
        labels.lines(
            say("figure.objectives.point", name=say(f"side.{side}"), bits=bits),
            say("figure.objectives.counts", tokens=tokens, targets=round(targets)),
        )
        for tokens, targets, bits in rows
    ]
    share = labels.percent(learning.targets[-1] / learning.tokens[-1])
    return go.Scatter(
        x=_places(learning, by),
        y=learning.held_out,
        customdata=told,
        name=escape(say("figure.objectives.name", name=say(f"side.{side}"), share=share)),
        showlegend=True,
        mode="lines+markers",
        line={"color": look.colour, "width": 3, "dash": look.dash},
        marker={"color": look.colour, "size": 8, "symbol": look.symbol},
        cliponaxis=False,
        hovertemplate="%{customdata}<extra></extra>",
    )
