"""What each head adds to a prediction: layers down, heads to the right."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from mlm_viz.escape import escape
from mlm_viz.evidence import HeadBoard, HeadSearch, SilencingTest
from mlm_viz.figures import labels, theme
from mlm_viz.figures.theme import Colours
from mlm_viz.strings import say
from mlm_viz.tokens import Flags

_MARGINS = {"left": 92, "right": 104, "top": 84, "bottom": 16}
_ROW = 38  # pixels
_LEAST = 0.05  # bits: less is a dot in its cell
_MOST_COLUMNS = 16  # whose cells have room for a number


def head_board_heatmap(board: HeadBoard, *, dark: bool = False) -> go.Figure:
    """Bits that each head adds to log2 p(target): one colour where it raises the target, another where it lowers it.

    Three traces, always: the cells, a cross on each head that is silent throughout, and a diamond in the corner of each
    head without which the best guess is another. The number with its sign stands in the cell; a dot is less than 0.05
    bits, an empty cell is not measured yet.

    Args:
        board: complete or still growing.
        dark: for a dark page.
    """
    ink = theme.colours(dark=dark)
    layers, heads = board.gains.shape
    silent = np.zeros((layers, heads), dtype=np.bool_)
    for head in board.silenced:
        silent[head] = True
    figure = go.Figure(_cells(board, ink))
    figure.add_trace(_marks(silent, "x-thin", "silenced", 0.0, ink))
    figure.add_trace(_marks(board.flips, "diamond", "flips", 0.36, ink))
    across = [str(head + 1) for head in range(heads)]
    down = [say("figure.board.layer", layer=layer + 1) for layer in range(layers)]
    figure.layout = theme.layout(
        ink,
        _MARGINS["top"] + _MARGINS["bottom"] + _ROW * layers,
        **_MARGINS,
        xaxis=theme.axis(
            ink,
            range=[-0.5, heads - 0.5],
            tickvals=list(range(heads)),
            ticktext=across,
            showgrid=False,
            side="top",
            title=labels.token_title("figure.board.head", ink),
        ),
        yaxis=theme.axis(
            ink,
            range=[layers - 0.5, -0.5],
            tickvals=list(range(layers)),
            ticktext=[escape(name) for name in down],
            showgrid=False,
        ),
    )
    return figure


def _cells(board: HeadBoard, ink: Colours) -> go.Heatmap:
    top = labels.bits_top(float(np.nanmax(np.abs(board.gains), initial=0.0)))
    ticks = [-top, 0, top]
    heads = board.gains.shape[1]
    return go.Heatmap(
        z=np.round(board.gains, 3),
        zmin=-top,
        zmax=top,
        colorscale=theme.diverging_scale(ink),
        text=[[_number(float(gain)) for gain in row] for row in board.gains],
        texttemplate="%{text}" if heads <= _MOST_COLUMNS else "",
        textfont={"size": theme.SIZE - 2},
        customdata=[[_told(board, layer, head) for head in range(heads)] for layer in range(len(board.gains))],
        hovertemplate="%{customdata}<extra></extra>",
        hoverongaps=False,
        xgap=2,
        ygap=2,
        colorbar={
            "tickvals": ticks,
            "ticktext": [f"{tick:+g}".replace("-", "−") if tick else "0" for tick in ticks],
            "tickfont": {"size": theme.SIZE, "color": ink.text},
            "title": {"text": escape(say("figure.board.bits")), "font": {"size": theme.SIZE, "color": ink.muted}},
            "outlinewidth": 0,
            "thickness": 16,
            "x": 1.0,
            "xpad": 14,
        },
    )


def _number(gain: float) -> str:
    if np.isnan(gain):
        return ""
    return "·" if abs(gain) < _LEAST else f"{gain:+.1f}".replace("-", "−")


def _told(board: HeadBoard, layer: int, head: int) -> str:
    """What a cell says on hovering."""
    name = say("figure.attention.head", layer=layer + 1, head=head + 1)
    if board.guesses[layer, head] < 0:
        return labels.lines(name, say("figure.board.waiting"))
    if (layer, head) in board.silenced:
        return labels.lines(name, say("figure.board.silenced"))
    word = board.vocabulary.labels[board.target]
    guess = board.vocabulary.labels[int(board.guesses[layer, head])]
    flipped = bool(board.flips[layer, head])
    return labels.lines(
        name,
        say("figure.board.gain", word=word, bits=labels.signed(float(board.gains[layer, head]))),
        say("figure.board.divergence", bits=float(board.divergences[layer, head])),
        say("figure.board.guess.other" if flipped else "figure.board.guess.same", guess=guess),
    )


def _marks(where: Flags, symbol: str, kind: str, corner: float, ink: Colours) -> go.Scatter:
    """A sign in some cells, up and to the right of their middle by `corner`."""
    rows, columns = np.nonzero(where)
    return go.Scatter(
        x=columns + corner,
        y=rows - 0.8 * corner,
        mode="markers",
        name=escape(say(f"figure.board.{kind}")),
        showlegend=True,
        marker={
            "symbol": symbol,
            "size": 22 if symbol == "x-thin" else 10,
            "color": ink.text,
            "line": {"color": ink.text if symbol == "x-thin" else ink.page, "width": 3 if symbol == "x-thin" else 1},
        },
        hoverinfo="skip",
    )


def head_board_text(board: HeadBoard, most: int = 5) -> str:
    """The heads that raise and lower the target most, as plain lines: for screen readers, logs and tests."""
    word = board.vocabulary.labels[board.target]
    guess = board.vocabulary.labels[board.guess]
    start = {"word": word, "value": labels.percent(float(np.exp2(board.before))), "guess": guess}
    lines = [say("figure.board.text", **start)]
    for layer, head in board.strongest(most):
        name = say("figure.attention.head", layer=layer + 1, head=head + 1)
        lines.append(say("figure.board.text.head", name=name, bits=labels.signed(float(board.gains[layer, head]))))
    return "\n".join(lines)


def search_text(search: HeadSearch) -> str:
    """What the search for few heads found, as one sentence."""
    guess = search.vocabulary.labels[int(search.guesses[0])]
    if not search.complete:
        return say("figure.search.running", tried=search.tried, silent=len(search.heads))
    if not search.flipped:
        return say("figure.search.none", guess=guess, count=len(search.heads))
    names = ", ".join(say("figure.attention.head", layer=layer + 1, head=head + 1) for layer, head in search.heads)
    other = search.vocabulary.labels[int(search.guesses[-1])]
    return say("figure.search.found", names=names, guess=guess, other=other, count=len(search.heads))


def silencing_text(test: SilencingTest) -> str:
    """The line that shows whether silencing is felt."""
    if test.inert:
        layers = ", ".join(str(layer + 1) for layer in test.inert)
        return say("figure.selftest.inert", change=test.change, layers=layers)
    return say("figure.selftest", change=test.change)
