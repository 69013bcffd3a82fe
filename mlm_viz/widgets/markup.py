"""The little HTML the panels need; every text goes through the one escaping helper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import ipywidgets as widgets
from traitlets import Unicode, validate

from mlm_viz.escape import escape
from mlm_viz.tokens import clean_text


def line(text: str, kind: str = "line", role: str = "") -> str:
    """A paragraph of plain text; with `role="status"` the page's script (`assist`) has screen readers told of it.

    On its own the role would not do: a paragraph comes as a new element with every update.
    """
    said = f' role="{role}"' if role else ""
    return f'<p class="mlmviz-{kind}"{said}>{escape(text)}</p>'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and values side by side, wrapping as the page narrows."""
    items = "".join(f"<li><span>{escape(name)}</span> <b>{escape(value)}</b></li>" for name, value in pairs)
    return f'<ul class="mlmviz-facts">{items}</ul>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> str:
    """A table with a caption; cells are plain text."""
    titles = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<table class="mlmviz-table"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"
    )


def plain(text: str) -> str:
    """Preformatted text, for the text form of a picture."""
    return f'<pre class="mlmviz-text">{escape(text)}</pre>'


def html(value: str = "", css_class: str = "") -> widgets.HTML:
    """An HTML widget that fills its row."""
    made = widgets.HTML(value, layout=widgets.Layout(width="100%", margin="0"))
    if css_class:
        made.add_class(css_class)
    return made


def row(children: Sequence[widgets.Widget], css_class: str = "mlmviz-row") -> widgets.Box:
    """Children side by side, wrapping as the page narrows."""
    box = widgets.Box(list(children), layout=widgets.Layout(flex_flow="row wrap", align_items="center", width="100%"))
    box.add_class(css_class)
    return box


def discard(widget: widgets.Widget) -> None:
    """Close a widget that is not needed any more, and all that came with it: closing leaves that behind."""
    for part in (getattr(widget, "layout", None), getattr(widget, "style", None), widget):
        if isinstance(part, widgets.Widget):  # the layout of a figure is plotly's
            part.close()
    for child in getattr(widget, "children", ()):
        discard(child)


class _Typed(widgets.ValueWidget):
    """A text that is typed: cleaned, and not echoed as it came, since a lone surrogate cannot be sent back."""

    value = Unicode().tag(sync=True, echo_update=False)

    @validate("value")
    def _clean(self, proposal: dict[str, str]) -> str:
        return clean_text(proposal["value"])


class TextBox(_Typed, widgets.Textarea):
    """Several lines of text."""


class TextLine(_Typed, widgets.Text):
    """One line of text."""
