"""Showing a new figure in a widget that is already on the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mlm_viz.strings import say

_OWN = frozenset({"type", "uid"})  # what a trace is, and what the page knows it by


def refresh(target: go.Figure, new: go.Figure) -> None:
    """Make `target`, as a rule a FigureWidget on a page, show what `new` shows; only what differs is sent, in one go.

    Raises:
        ValueError: if the traces differ in number or kind: then the page would have to build the figure anew.
    """
    kinds = [trace.type for trace in target.data], [trace.type for trace in new.data]
    if kinds[0] != kinds[1]:
        raise ValueError(say("figure.error.traces", old=", ".join(kinds[0]), new=", ".join(kinds[1])))
    with target.batch_update():
        for old, trace in zip(target.data, new.data, strict=True):
            _copy(old, old.to_plotly_json(), trace.to_plotly_json())
        _copy(target.layout, target.layout.to_plotly_json(), new.layout.to_plotly_json())


def _copy(node: Any, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Set in `node`, which holds `old`, the properties that `new` has otherwise; what `new` lacks is taken away."""
    for key in sorted((old.keys() | new.keys()) - _OWN):
        before, after = old.get(key), new.get(key)
        if _same(before, after):
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            _copy(node[key], before, after)
        else:
            # None would leave a list of shapes standing on the page.
            node[key] = [] if after is None and isinstance(before, list | tuple) else after


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return type(a) is type(b) and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    return bool(a == b)
