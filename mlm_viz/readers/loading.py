"""Finding the reader for a model."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from mlm_viz.errors import ModelError
from mlm_viz.loading import Kind, Network, find, kind_of, load, load_network
from mlm_viz.model import Model
from mlm_viz.paths import models_dir
from mlm_viz.readers.causal import CausalReader
from mlm_viz.readers.masked import MaskedReader
from mlm_viz.readers.reader import Reader
from mlm_viz.readers.span import SpanReader
from mlm_viz.strings import say


def as_reader(source: str | Path | Model | Network | Reader | None, kind: Kind) -> Reader:
    """A reader of the kind that is wanted.

    Args:
        source: None for the bundled twin of that kind; else a reader, a model as `load` or (of the other kinds)
            `load_network` gives it, or what they take.
        kind: "masked", "causal" or "span".

    Raises:
        ModelError: if there is no such model, or it is of another kind.
    """
    if source is None:
        return _bundled(kind)
    if isinstance(source, Reader):
        _check(source.name, source.kind, kind)
        return source
    if isinstance(source, Model):
        _check(source.name, "masked", kind)
        return MaskedReader(source)
    if isinstance(source, Network):
        _check(source.name, source.kind, kind)
        if kind == "masked":
            raise ModelError(say("gap.masked_network", name=source.name))
        return _over(source)
    _check(Path(str(source)).name, kind_of(source), kind)
    return MaskedReader(load(source)) if kind == "masked" else _over(load_network(source))


@cache
def _bundled(kind: Kind) -> Reader:
    place = find(models_dir() / kind)
    return MaskedReader(load(place)) if kind == "masked" else _over(load_network(place))


def _over(network: Network) -> Reader:
    return CausalReader(network) if network.kind == "causal" else SpanReader(network)


def _check(name: str, kind: Kind, wanted: Kind) -> None:
    if kind != wanted:
        raise ModelError(say("gap.kind", name=name, kind=say(f"kind.{kind}"), wanted=say(f"kind.{wanted}")))
