"""bertviz's frames in Chromium, in a page that may not reach the network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from playwright.sync_api import Browser, Frame, Page, Route

from mlm_viz.escape import clean
from mlm_viz.widgets.bertviz import View, bertviz_frame

CHINESE = ["[CLS]", *"今天天气很", "[MASK]", "。", "[SEP]"]
HOSTILE = [
    "<script>window.hit = 1; parent.postMessage('hit', '*')</script>",
    "</script><script>window.hit = 1; alert(1)</script>",
    '"><img src=x onerror="window.hit = 1; alert(1)">',
    "' onload='alert(1)",
    "<!-- <script>",
    "line\u2028and\u2029paragraph",
    "\u202eabc\u200b",
    "👩‍👧",
    "\ud83d\0",
    "&lt;b&gt;",
]


@dataclass
class Shown:
    """A page showing one frame, and everything that must not have happened in it."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def draw(self, markup: str) -> Frame:
        self.page.set_content(
            f"<!doctype html><meta charset=utf-8><script>onmessage = () => {{ window.hit = 1 }}</script>{markup}"
        )
        frame = self.page.frames[-1]
        frame.wait_for_selector("#vis line", state="attached")
        return frame

    def _block(self, route: Route) -> None:
        self.requests.append(route.request.url)
        route.abort()

    def watch(self) -> None:
        self.page.route("**/*", self._block)
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console", lambda message: message.type in {"error", "warning"} and self.complaints.append(message.text)
        )


@pytest.fixture
def shown(browser: Browser) -> Iterator[Shown]:
    shown = Shown(browser.new_page(viewport={"width": 1100, "height": 900}))
    shown.watch()
    yield shown
    shown.page.close()
    assert shown.requests == []
    assert shown.complaints == []


def markup(labels: list[str], heads: int, view: View, **options: object) -> str:
    weights = np.random.default_rng(3).dirichlet(np.ones(len(labels)), (3, heads, len(labels)))
    return bertviz_frame(weights, labels, view=view, layer=2, **options)


def texts(frame: Frame, selector: str) -> list[str]:
    return frame.eval_on_selector_all(selector, "found => found.map(one => one.textContent)")


@pytest.mark.parametrize("dark", [False, True])
def test_head_view_draws_a_line_for_each_weight(shown: Shown, dark: bool) -> None:
    frame = shown.draw(markup(CHINESE, 12, "head", dark=dark))
    size = len(CHINESE)
    assert frame.locator("#attention line").count() == 12 * size * size
    assert texts(frame, "#left text") == texts(frame, "#right text") == CHINESE
    assert "layer 3" in frame.inner_text("p")
    assert texts(frame, "rect title") == [f"Head {head}" for head in range(1, 13)]
    ink, paper = frame.evaluate(
        "[getComputedStyle(document.querySelector('#left text')).fill, getComputedStyle(document.body).backgroundColor]"
    )
    assert (ink, paper) == (
        ("rgb(214, 214, 214)", "rgb(0, 0, 0)") if dark else ("rgb(27, 27, 27)", "rgb(255, 255, 255)")
    )


def test_head_view_draws_the_weights_it_was_given(shown: Shown) -> None:
    weights = np.array([[[[0.9, 0.1], [0.25, 0.75]]]])
    frame = shown.draw(bertviz_frame(weights, ["a", "b"], view="head", layer=0))
    read = "found => found.map(line => +line.getAttribute('stroke-opacity'))"
    assert frame.eval_on_selector_all("#attention line", read) == [0.9, 0.1, 0.25, 0.75]


def test_model_view_draws_a_thumbnail_for_each_head_and_opens_one(shown: Shown) -> None:
    frame = shown.draw(markup(CHINESE, 4, "model"))
    size = len(CHINESE)
    assert frame.locator("#vis .attn_background").count() == 4
    assert frame.locator("#vis line").count() == 4 * size * size
    frame.locator("#attn_background_0_2 ~ rect").click()
    assert texts(frame, "text.token") == CHINESE * 2
    assert "Layer 3, Head 3" in texts(frame, "text.detail")


@pytest.mark.parametrize("view", ["head", "model"])
def test_hostile_tokens_are_shown_and_do_nothing(shown: Shown, view: View) -> None:
    frame = shown.draw(markup(HOSTILE, 2, view))
    if view == "model":
        frame.locator("#attn_background_0_0 ~ rect").click()
    labels = texts(frame, "#left text" if view == "head" else "text.token")
    assert labels[: len(HOSTILE)] == [clean(label) for label in HOSTILE]
    assert frame.locator("img").count() == 0
    assert frame.evaluate("window.hit") is None
    assert shown.page.evaluate("window.hit") is None


def test_long_labels_are_not_cut_off(shown: Shown) -> None:
    frame = shown.draw(markup(["Donaudampfschifffahrtsgesellschaft", "今天天气很好我们决定去公园", "a"], 2, "head"))
    assert (
        frame.eval_on_selector_all("#left text", "all => Math.min(...all.map(one => one.getBoundingClientRect().left))")
        >= 0
    )


@pytest.mark.parametrize("view", ["head", "model"])
@pytest.mark.parametrize("heads", [1, 4, 12])
def test_a_short_text_needs_no_scrolling(shown: Shown, view: View, heads: int) -> None:
    frame = shown.draw(markup(["token"] * 24, heads, view))
    spare = frame.evaluate("innerHeight - document.body.getBoundingClientRect().height")
    assert 0 <= spare <= 60


def test_the_frame_is_shut_off_from_notebook_and_network(shown: Shown) -> None:
    frame = shown.draw(markup(CHINESE, 2, "head"))
    assert (
        frame.evaluate("() => { try { return parent.document.title } catch (error) { return error.name } }")
        == "SecurityError"
    )
    assert frame.evaluate("fetch('http://localhost:9/').then(() => 'sent', () => 'refused')") == "refused"
    assert shown.requests == []
    assert any("Content Security Policy" in complaint for complaint in shown.complaints)
    shown.complaints.clear()
