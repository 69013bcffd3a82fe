from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from numpy.typing import NDArray

from mlm_viz.escape import clean
from mlm_viz.widgets import bertviz
from mlm_viz.widgets.bertviz import BertvizError, bertviz_frame, bertviz_page, frame_bytes, frame_height

LABELS = ["[CLS]", "today", "the", "[MASK]", "the", "[SEP]"]
HOSTILE = [
    "<script>window.hit = 1</script>",
    "</script><script>window.hit = 1</script>",
    '"><img src=x onerror="window.hit = 1">',
    "<!-- <script>",
    "line\u2028and\u2029paragraph",
    "\u202eabc\u200b",
    "👩‍👧",
    "\ud83d\0",
    "PYTHON_PARAMS",
    "&lt;\\u003c",
]


def attention(layers: int, heads: int, tokens: int) -> NDArray[np.float32]:
    return np.random.default_rng(7).dirichlet(np.full(tokens, 0.3), (layers, heads, tokens)).astype(np.float32)


class Tags(HTMLParser):
    """The tags of a page with their attributes, and the text of its JSON."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.json = ""
        self._inside = False
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._inside = ("id", "params") in attrs

    def handle_data(self, data: str) -> None:
        self.json += data if self._inside else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = False


def params(page: str) -> dict:
    return json.loads(Tags(page).json)


@pytest.mark.parametrize("view", ["head", "model"])
def test_page_carries_the_rounded_weights_of_one_layer(view: bertviz.View) -> None:
    weights = attention(3, 4, len(LABELS))
    (data,) = params(bertviz_page(weights, LABELS, view=view, layer=1))["attention"]
    drawn = np.array(data["attn"])
    assert drawn.shape == (1, 4, 6, 6)
    np.testing.assert_array_equal(drawn[0], np.round(weights[1].astype(np.float64), 3))
    np.testing.assert_allclose(drawn.sum(-1), 1, atol=6 * 0.0005 + 1e-6)
    assert data["left_text"] == data["right_text"] == LABELS


@pytest.mark.filterwarnings("ignore:Exception ignored in")  # bertviz leaves its script files open
@pytest.mark.parametrize("view", ["head", "model"])
def test_params_are_those_bertviz_makes_itself(view: bertviz.View) -> None:
    import bertviz as original
    import torch

    weights = attention(2, 8, len(LABELS))
    tensors = [torch.from_numpy(layer)[None] for layer in weights]
    function = original.head_view if view == "head" else original.model_view
    html = function(tensors, LABELS, include_layers=[1], html_action="return").data
    theirs = json.loads(re.search(r"const params = (\{.*\});? // HACK", html).group(1))  # type: ignore[union-attr]
    ours = params(bertviz_page(weights, LABELS, view=view, layer=1))
    np.testing.assert_allclose(ours["attention"][0]["attn"], theirs["attention"][0]["attn"], atol=0.0005 + 1e-7)
    assert ours["attention"][0]["left_text"] == theirs["attention"][0]["left_text"]
    assert set(theirs) - set(ours) == set()
    assert ours["include_layers"] == [layer + 1 for layer in theirs["include_layers"]]
    if view == "model":
        assert ours["include_heads"] == [head + 1 for head in theirs["include_heads"]]
        assert ours["total_heads"] == theirs["total_heads"]


def test_only_the_chosen_heads_are_embedded_and_keep_their_names() -> None:
    weights = attention(2, 12, len(LABELS))
    head = params(bertviz_page(weights, LABELS, view="head", layer=0, heads=[11, 2]))
    model = params(bertviz_page(weights, LABELS, view="model", layer=0, heads=[11, 2]))
    for made in (head, model):
        np.testing.assert_array_equal(
            np.array(made["attention"][0]["attn"])[0], np.round(weights[0, [11, 2]].astype(float), 3)
        )
    assert head["head_names"] == ["Head 12", "Head 3"]
    assert model["include_heads"] == [12, 3]


@pytest.mark.parametrize("view", ["head", "model"])
def test_hostile_labels_add_nothing_to_the_page(view: bertviz.View) -> None:
    size = len(HOSTILE)
    weights = attention(1, 2, size)
    hostile = bertviz_page(weights, HOSTILE, view=view, layer=0)
    plain = bertviz_page(weights, ["a"] * size, view=view, layer=0)
    assert [tag for tag, _ in Tags(hostile).found] == [tag for tag, _ in Tags(plain).found]
    assert hostile.count("</script") == plain.count("</script")
    assert hostile.count("<!--") == plain.count("<!--")
    assert params(hostile)["attention"][0]["left_text"] == [clean(label) for label in HOSTILE]
    hostile.encode("utf-8")


def test_page_asks_for_nothing_from_outside() -> None:
    tags = Tags(bertviz_page(attention(1, 2, 6), LABELS, view="head", layer=0)).found
    assert not [(tag, attrs) for tag, attrs in tags if {"src", "href"} & set(attrs)]
    policy = next(attrs["content"] for tag, attrs in tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy


def test_frame_holds_the_page_in_a_sandbox() -> None:
    weights = attention(1, 2, len(HOSTILE))
    ((tag, attributes),) = Tags(bertviz_frame(weights, HOSTILE, view="model", layer=0)).found
    assert tag == "iframe"
    assert attributes["sandbox"] == "allow-scripts"
    assert attributes["title"] == "bertviz model view of layer 1"
    assert attributes["srcdoc"] == bertviz_page(weights, HOSTILE, view="model", layer=0)


def test_dark_reaches_paper_and_bertviz() -> None:
    weights = attention(1, 2, 6)
    assert params(bertviz_page(weights, LABELS, view="model", layer=0, dark=True))["display_mode"] == "dark"
    assert '<html lang="en" class="dark">' in bertviz_page(weights, LABELS, view="head", layer=0, dark=True)
    assert "background:#000" in bertviz_frame(weights, LABELS, view="head", layer=0, dark=True)


@pytest.mark.parametrize(("heads", "tokens"), [(1, 2), (12, 24), (12, 64), (12, 128), (1, 512)])
@pytest.mark.parametrize("view", ["head", "model"])
def test_estimate_is_an_upper_bound_and_close(view: bertviz.View, heads: int, tokens: int) -> None:
    labels = ["天<&\"'$\\👩‍👧"] * tokens
    sent = len(bertviz_frame(attention(1, heads, tokens), labels, view=view, layer=0).encode())
    assert sent <= frame_bytes(view, labels, heads) <= 1.5 * sent


def test_a_page_too_large_is_a_sentence_and_is_never_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bertviz, "_params", lambda *_, **__: pytest.fail("the page was built"))
    weights = np.broadcast_to(np.float32(1 / 512), (12, 12, 512, 512))
    frame = bertviz_frame(weights, ["a"] * 512, view="head", layer=3)
    assert re.fullmatch(
        r'<p role="status">bertviz&#39;s head view is not drawn: for 512 tokens and 12 heads it would be a page of '
        r"\d\d\.\d MB with 3,145,728 lines, which freezes a browser \(limits: 20 MB, 300,000 lines\)\. "
        r"Shorten the text: 158 tokens fit with 12 heads, 547 with one\.</p>",
        frame,
    )


def test_huge_labels_count_towards_the_limit() -> None:
    with pytest.raises(BertvizError, match="20 MB"):
        bertviz_page(attention(1, 1, 2), ["a" * 11_000_000, "b"], view="head", layer=0)


def test_the_limits_named_in_the_sentence_hold() -> None:
    bertviz._check_size("head", ["a"] * 158, 12)
    bertviz._check_size("model", ["a"] * 547, 1)
    with pytest.raises(BertvizError):
        bertviz._check_size("head", ["a"] * 159, 12)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    bertviz._libraries.cache_clear()
    bertviz._installed.cache_clear()
    monkeypatch.setattr(bertviz, "find_spec", lambda _: None)
    monkeypatch.setattr(bertviz, "_fixed_bytes", lambda _: 0)
    frame = bertviz_frame(attention(1, 2, 6), LABELS, view="head", layer=0)
    assert frame.startswith('<p role="status">')
    assert "pip install nbclassic" in frame


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"view": "neuron"}, "'head' or 'model'"),
        ({"layer": 2}, "from 0 to 1"),
        ({"layer": -1}, "from 0 to 1"),
        ({"heads": [4]}, "from 0 to 3"),
        ({"heads": []}, "at least one"),
        ({"labels": ["a"]}, r"labels number 1"),
        ({"weights": np.zeros((4, 6, 6))}, r"shape \(4, 6, 6\)"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change: dict, message: str) -> None:
    arguments = {"weights": attention(2, 4, 6), "labels": LABELS, "view": "head", "layer": 0} | change
    with pytest.raises(ValueError, match=message):
        bertviz_frame(**arguments)


def test_frame_grows_with_the_text_up_to_a_limit() -> None:
    for view in ("head", "model"):
        heights = [frame_height(view, tokens, 12) for tokens in (2, 8, 16, 512)]
        assert heights == sorted(heights)
        assert heights[-1] == bertviz.MAX_HEIGHT


def test_making_a_page_loads_neither_torch_nor_what_carries_the_scripts() -> None:
    code = (
        "import sys, numpy as np; from mlm_viz.widgets.bertviz import bertviz_frame;"
        "bertviz_frame(np.full((1, 1, 2, 2), 0.5), ['a', 'b'], view='head', layer=0);"
        "print(sorted({'torch', 'bertviz', 'mpld3', 'nbclassic'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
