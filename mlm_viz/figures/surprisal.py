"""How surprised a model is by each token of a text, each masked in turn."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from mlm_viz.escape import escape
from mlm_viz.figures import labels, theme
from mlm_viz.figures.theme import Colours
from mlm_viz.results import Sweep
from mlm_viz.strings import say
from mlm_viz.tokens import Ids

_MARGINS = {"left": 76, "right": 24, "top": 60, "bottom": 128}
_LABEL_EMS = 7.5


def surprisal_bars(sweep: Sweep, *, dark: bool = False) -> go.Figure:
    """Surprisal in bits over the tokens of a text; two traces tell the model's best guesses from the rest.

    Special tokens and blanks have no bar, for their original is not known.
    """
    ink = theme.colours(dark=dark)
    right = sweep.ranks == 1
    most = float(np.max(-sweep.log2_probs, initial=1.0))
    tokens = len(sweep.sentence)
    inks = labels.token_inks(sweep.sentence.special, None, ink)
    figure = go.Figure()
    figure.add_trace(_bars(sweep, np.flatnonzero(right), "right", ink.original, "/", ink))
    figure.add_trace(_bars(sweep, np.flatnonzero(~right), "wrong", ink.guess, "", ink))
    told = [_hover(sweep, row) for row in range(len(sweep.positions))]
    figure.add_trace(labels.hover_layer(sweep.positions.tolist(), told, start=0, end=most * 1.08, across=False))
    figure.layout = theme.layout(
        ink,
        440,
        **_MARGINS,
        barmode="overlay",
        xaxis=labels.token_axis(
            ink, sweep.sentence.labels, inks=inks, spacing=480 / tokens, most=_LABEL_EMS, tickangle=-60
        ),
        yaxis=theme.axis(ink, range=[0, most * 1.08], title=labels.token_title("figure.surprisal", ink)),
    )
    return figure


def _bars(sweep: Sweep, chosen: Ids, kind: str, fill: str, hatching: str, ink: Colours) -> go.Bar:
    return go.Bar(
        x=sweep.positions[chosen],
        y=-sweep.log2_probs[chosen] + 0.0,
        name=escape(say(f"figure.surprisal.{kind}")),
        showlegend=True,
        width=0.75,
        marker={"color": fill, "pattern": theme.pattern(hatching, ink.paper), "line": {"width": 0}},
        hoverinfo="skip",
    )


def _hover(sweep: Sweep, row: int) -> str:
    return labels.lines(
        sweep.sentence.labels[int(sweep.positions[row])],
        say("figure.bars.surprisal", bits=float(-sweep.log2_probs[row] + 0.0)),
        say("figure.bars.probability", value=labels.percent(float(np.exp2(sweep.log2_probs[row])))),
        say("figure.bars.rank", rank=int(sweep.ranks[row])),
        say("figure.surprisal.guess", guess=sweep.vocabulary.labels[int(sweep.guesses[row])]),
        say("figure.bars.entropy", bits=float(sweep.entropies[row])),
    )
