"""The grid of attention heads: a thumbnail for each layer and head; a click opens one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import NDArray

from mlm_viz.figures.theme import ATTENTION
from mlm_viz.strings import section
from mlm_viz.widgets.script import script


def thumbnails(weights: NDArray[np.floating[Any]], most: int = 64) -> tuple[bytes, list[int]]:
    """Small pictures of attention, one byte for each cell.

    A text of more than `most` tokens is cut into blocks of equal size (the last may be smaller), and each block shows
    its largest weight, so that a single strong link stays visible however long the text is.

    Args:
        weights: shape (layers, heads, query, key), in [0, 1].
        most: the largest number of rows and columns a picture may have.

    Returns:
        The cells in C order, 0 for 0.0 and 255 for 1.0, and their shape [layers, heads, rows, cols].

    Raises:
        ValueError: if `weights` has not four axes.
    """
    if weights.ndim != 4:
        raise ValueError(f"weights have shape {weights.shape}; expected four axes: layers, heads, query, key")
    cells = np.rint(np.clip(weights, 0.0, 1.0) * 255).astype(np.uint8)
    for axis in (2, 3):
        block = -(-cells.shape[axis] // most)  # rounded up
        if block > 1:
            cells = np.maximum.reduceat(cells, np.arange(0, cells.shape[axis], block), axis=axis)
    return cells.tobytes(), list(cells.shape)


class HeadGrid(anywidget.AnyWidget):
    """Thumbnails of attention, a row for each layer and a column for each head.

    Attributes:
        thumbnails: cells as `thumbnails()` makes them, uint8 in C order.
        shape: [layers, heads, rows, cols] of `thumbnails`. Assign the two together, inside `hold_sync()`.
        selected: [layer, head] of the head being shown, from zero. The page changes it too.
        colours: colours from weight 0 to weight 1, evenly spaced over the square root of the weight.
        stale: whether the pictures are being computed again.
    """

    _esm = script("heads")
    _css = Path(__file__).parent / "heads.css"

    thumbnails = traitlets.Bytes(b"").tag(sync=True)
    shape = traitlets.List(traitlets.Int(min=0), [0, 0, 0, 0], minlen=4, maxlen=4).tag(sync=True)
    selected = traitlets.List(traitlets.Int(min=0), [0, 0], minlen=2, maxlen=2).tag(sync=True)
    colours = traitlets.List(traitlets.Unicode(), list(ATTENTION), minlen=2).tag(sync=True)
    stale = traitlets.Bool(False).tag(sync=True)
    strings = traitlets.Dict().tag(sync=True)

    @traitlets.default("strings")
    def _default_strings(self) -> dict[str, str]:
        return section("heads")
