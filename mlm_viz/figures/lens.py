"""A slot read out after every layer: the guesses, how sure they are, and the way of a few words to their rank."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from mlm_viz.escape import escape
from mlm_viz.figures import labels, theme
from mlm_viz.figures.theme import Colours
from mlm_viz.readings import Lens
from mlm_viz.strings import say

_ROW = 46  # pixels, two lines of text
_CELL_EMS = 5.6
_MARGINS = {"left": 168, "right": 24, "top": 60, "bottom": 92}
_CURVE = {"left": 88, "right": 28, "top": 60, "bottom": 64}
_TICKS = 13


def lens_heatmap(lens: Lens, *, k: int = 5, dark: bool = False) -> go.Figure:
    """The `k` best guesses after every layer, a row each from the embeddings down; the shade is the probability.

    The last row's best guess is bold wherever it stands, the original has a tick.

    Raises:
        ValueError: if `k` is less than 1.
    """
    if k < 1:
        raise ValueError(say("figure.error.k", k=k))
    ink = theme.colours(dark=dark)
    best = np.stack([lens.at(row).best(k) for row in range(len(lens))])  # (rows, k)
    probabilities = np.exp2(np.take_along_axis(lens.log2_probs, best, axis=1).astype(np.float64))
    top = labels.axis_top(float(probabilities.max()))
    size = best.shape[1]
    figure = go.Figure(
        go.Heatmap(
            z=np.round(probabilities, 6),
            x=list(range(size)),
            y=list(range(len(lens))),
            text=[[_cell(lens, row, int(token)) for token in best[row]] for row in range(len(lens))],
            customdata=[[_told(lens, row, int(token)) for token in best[row]] for row in range(len(lens))],
            texttemplate="%{text}",  # no colour of its own: plotly takes the one that can be read on the cell
            textfont={"size": theme.SIZE - 2},
            hovertemplate="%{customdata}<extra></extra>",
            zmin=0,
            zmax=top,
            colorscale=theme.attention_scale(),
            colorbar=_scale(top, ink),
            xgap=2,
            ygap=2,
        )
    )
    places = {"tickmode": "array", "tickvals": list(range(size)), "ticktext": [f"{n + 1}" for n in range(size)]}
    names = [labels.markup(_name(lens, row)) for row in range(len(lens))]
    figure.layout = theme.layout(
        ink,
        round(_MARGINS["top"] + _MARGINS["bottom"] + len(lens) * _ROW),
        **_MARGINS,
        xaxis=theme.axis(
            ink,
            range=[-0.5, size - 0.5],
            side="top",
            showgrid=False,
            title=labels.token_title("figure.lens.guess", ink),
            **places,
        ),
        yaxis=theme.axis(
            ink,
            range=[len(lens) - 0.5, -0.5],
            tickmode="array",
            tickvals=list(range(len(lens))),
            ticktext=names,
            showgrid=False,
        ),
    )
    return figure


def lens_entropy(lens: Lens, *, dark: bool = False) -> go.Figure:
    """Entropy after every layer; the axis ends where all tokens would be alike."""
    ink = theme.colours(dark=dark)
    entropies, most = lens.entropies, float(np.log2(lens.log2_probs.shape[1]))
    told = [
        labels.lines(_name(lens, row), say("figure.bars.entropy", bits=float(entropies[row])))
        for row in range(len(lens))
    ]
    figure = go.Figure(_line(entropies, told, 0, "", ink))
    alike = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": most, "y1": most}
    figure.layout = theme.layout(
        ink,
        380,
        **_CURVE,
        xaxis=_layers(lens, ink),
        yaxis=theme.axis(ink, range=[0, most * 1.12], title=labels.token_title("figure.lens.entropy", ink)),
        shapes=[{**alike, "line": {"color": ink.muted, "width": 1.5, "dash": "dot"}}],
        annotations=[
            {
                "text": escape(say("figure.lens.alike", bits=most)),
                "xref": "paper",
                "x": 1,
                "xanchor": "right",
                "y": most,
                "yanchor": "bottom",
                "showarrow": False,
                "font": {"color": ink.muted, "size": theme.SIZE - 2},
            }
        ],
    )
    return figure


def lens_ranks(lens: Lens, *, dark: bool = False) -> go.Figure:
    """The rank of the followed tokens after every layer, 1 on top, on a log axis; always as many traces.

    Raises:
        ValueError: if more tokens are followed than can be told apart.
    """
    ink = theme.colours(dark=dark)
    if len(lens.followed) > len(theme.LINES):
        raise ValueError(say("figure.error.curves", count=len(lens.followed), most=len(theme.LINES)))
    figure = go.Figure()
    for number in range(len(theme.LINES)):
        figure.add_trace(_way(lens, number, ink))
    size = lens.log2_probs.shape[1]
    decades = [10**power for power in range(int(np.log10(size)) + 1)]
    ticks = {"tickmode": "array", "tickvals": decades, "ticktext": [f"{decade:,}" for decade in decades]}
    end = float(np.log10(size))
    figure.layout = theme.layout(
        ink,
        420,
        **_CURVE,
        xaxis=_layers(lens, ink),
        yaxis=theme.axis(
            ink,
            type="log",
            range=[end + 0.1, -0.12],  # powers of ten, the first rank on top
            title=labels.token_title("figure.lens.rank", ink),
            **ticks,
        ),
    )
    return figure


def lens_text(lens: Lens, k: int = 5) -> str:
    """What `lens_heatmap` shows, as plain lines: for screen readers, logs and tests."""
    return "\n".join(_text_line(lens, row, k) for row in range(len(lens)))


def _text_line(lens: Lens, row: int, k: int) -> str:
    slot = lens.at(row)
    guesses = [slot.score_id(int(token)) for token in slot.best(k)]
    shown = [
        say("figure.lens.text.guess", word=guess.word, value=labels.percent(guess.probability)) for guess in guesses
    ]
    return say("figure.lens.text", row=_name(lens, row), guesses=", ".join(shown), bits=slot.entropy)


def _name(lens: Lens, row: int) -> str:
    if row == 0:
        return say("figure.lens.embeddings")
    return say("figure.lens.last" if row == len(lens) - 1 else "figure.lens.layer", layer=row)


def _cell(lens: Lens, row: int, token: int) -> str:
    """A guess and its probability, in two lines."""
    tick = "✓ " if token == lens.original else ""
    word = tick + labels.markup(lens.vocabulary.labels[token], _CELL_EMS - (1.2 if tick else 0))
    if token == int(lens.log2_probs[-1].argmax()):
        word = f"<b>{word}</b>"
    return f"{word}<br>{labels.percent(2.0 ** float(lens.log2_probs[row, token]))}"


def _told(lens: Lens, row: int, token: int) -> str:
    score = lens.at(row).score_id(token)
    return labels.lines(
        _name(lens, row),
        score.word,
        say("figure.bars.rank", rank=score.rank),
        say("figure.bars.probability", value=labels.percent(score.probability)),
        say("figure.bars.surprisal", bits=score.surprisal),
    )


def _scale(top: float, ink: Colours) -> dict[str, Any]:
    ticks = [top * share for share in (0, 0.2, 0.5, 1)]
    return theme.colour_bar(ink, say("figure.probability"), ticks, [f"{100 * tick:g} %" for tick in ticks])


def _layers(lens: Lens, ink: Colours) -> dict[str, Any]:
    """The layers to the right, the embeddings first; the last is always named."""
    step = -(-len(lens) // _TICKS)
    shown = sorted({0, *range(len(lens) - 1, 0, -step)})
    texts = [escape(say("figure.lens.first")) if row == 0 else f"{row}" for row in shown]
    return theme.axis(
        ink,
        range=[-0.4, len(lens) - 0.6],
        tickmode="array",
        tickvals=shown,
        ticktext=texts,
        showgrid=False,
        title=labels.token_title("figure.lens.layers", ink),
    )


def _way(lens: Lens, number: int, ink: Colours) -> go.Scatter:
    """The ranks of one of the followed tokens; nothing where there are fewer."""
    if number >= len(lens.followed):
        return _line(np.empty(0), [], number, "", ink)
    token = lens.followed[number]
    word = lens.vocabulary.labels[token]
    tick = "✓ " if token == lens.original else ""
    told = [_told(lens, row, token) for row in range(len(lens))]
    return _line(lens.ranks_of(token), told, number, tick + word, ink)


def _line(values: Any, told: list[str], number: int, name: str, ink: Colours) -> go.Scatter:
    dash, symbol = theme.LINES[number]
    return go.Scatter(
        x=list(range(len(values))),
        y=values,
        customdata=told,
        name=labels.markup(name, 12),
        showlegend=bool(name),
        mode="lines+markers",
        line={"color": ink.series[number], "width": 3, "dash": dash},
        marker={"color": ink.series[number], "size": 10, "symbol": symbol},
        cliponaxis=False,
        hovertemplate="%{customdata}<extra></extra>",
    )
