"""The one place where text that may be hostile is made harmless: tokens, labels, file names, error messages.

`escape` is for everything that ends up in markup (HTML, attributes, plotly's labels), `clean` for what travels as JSON.
"""

from __future__ import annotations

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# NUL and surrogates have no place in HTML or UTF-8: a browser drops or mangles them and an encoder raises.
_UNSENDABLE: dict[int, str] = dict.fromkeys((0, *range(0xD800, 0xE000)), _REPLACEMENT)
# Numbers, not names, for the quotes: plotly's pseudo-HTML knows &#34; but not &quot;.
# The dollar because plotly hands "$...$" to MathJax wherever a page has loaded it.
_ENTITIES: dict[int, str] = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "$": "&#36;"}
)
_ESCAPES: dict[int, str] = _UNSENDABLE | _ENTITIES


def clean(text: str) -> str:
    """`text` with NUL and each surrogate replaced by U+FFFD, so that it can be encoded and sent; of the same length."""
    return text.translate(_UNSENDABLE)


def escape(text: str) -> str:
    """`text` as markup that shows exactly these characters and does nothing else.

    Safe as the content of an element, in an attribute in either kind of quotes (`srcdoc` included) and in plotly's
    tick, hover and annotation texts. NUL and surrogates become U+FFFD. Apply it once, where text enters markup.

    >>> escape("<b title='x'>")
    '&lt;b title=&#39;x&#39;&gt;'
    """
    return text.translate(_ESCAPES)
