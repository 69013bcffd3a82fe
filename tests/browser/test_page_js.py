"""What the widgets' scripts have in common, in a real browser on a stand-in model."""

from __future__ import annotations

from collections.abc import Iterator

import anywidget
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from mlm_viz.widgets.film_controls import FilmControls
from mlm_viz.widgets.heads import HeadGrid
from mlm_viz.widgets.listening import PageTheme
from mlm_viz.widgets.strip import TokenStrip
from tests.browser.harness import mount, serving
from tests.browser.lab import launch

every = pytest.mark.parametrize(
    ("name", "kind"),
    [("strip", TokenStrip), ("heads", HeadGrid), ("film_controls", FilmControls), ("page_theme", PageTheme)],
)
# The model as anywidget makes it: what Python says comes to it through a gate, which is open, or closed for good.
GATED = """open => {
  class Plain { _handle_comm_msg(message) { this.heard = message; } }
  class Gated extends Plain { async _handle_comm_msg() { if (!open) throw new Error("too late"); this.asked = true; } }
  window.real = new Gated();
  real.comm = { on_msg(handler) { this.say = handler; }, send(message) { this.sent = message; } };
  const set = model.set.bind(model);
  model.set = (name, value) => (typeof name === "string" ? set(name, value) : real);
  window.view = mount();
}"""


@pytest.fixture(scope="module")
def browser_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, str]]:
    with sync_playwright() as driver, serving(tmp_path_factory.mktemp("site")) as address:
        browser = launch(driver)
        yield browser.new_page(), address
        browser.close()


def draw(browser_page: tuple[Page, str], name: str, kind: type[anywidget.AnyWidget]) -> Page:
    page, address = browser_page
    own = [trait for trait in kind.class_own_traits() if not trait.startswith("_")]
    state = {trait: value for trait, value in kind().get_state(own).items() if not isinstance(value, bytes)}
    mount(page, address, name, state)
    return page


@every
def test_what_python_says_is_heard_though_the_page_gave_up_on_the_widget(
    browser_page: tuple[Page, str], name: str, kind: type[anywidget.AnyWidget]
) -> None:
    page = draw(browser_page, name, kind)
    page.evaluate(GATED, False)
    page.wait_for_function("real.comm.sent")
    assert page.evaluate("real.comm.sent") == {"method": "request_state"}, "what was missed is asked for"
    page.evaluate("real.comm.say('hello')")
    assert page.evaluate("real.heard") == "hello"


@every
def test_a_widget_that_was_ready_in_time_is_left_as_it_is(
    browser_page: tuple[Page, str], name: str, kind: type[anywidget.AnyWidget]
) -> None:
    page = draw(browser_page, name, kind)
    page.evaluate(GATED, True)
    page.wait_for_function("real.asked")
    page.evaluate("new Promise(requestAnimationFrame)")
    assert page.evaluate("[real.comm.say, real.comm.sent]") == [None, None]


@pytest.mark.parametrize(
    ("name", "kind"), [("strip", TokenStrip), ("film_controls", FilmControls), ("page_theme", PageTheme)]
)
def test_screen_readers_are_told_which_buttons_are_pressed(
    browser_page: tuple[Page, str], name: str, kind: type[anywidget.AnyWidget]
) -> None:
    page = draw(browser_page, name, kind)
    page.evaluate(
        """() => {
          const place = document.body.appendChild(document.createElement("div"));
          place.className = "mlmviz";
          const button = (label) => {
            const made = place.appendChild(document.createElement("button"));
            made.className = "widget-toggle-button";
            made.textContent = label;
            made.onclick = () => made.classList.toggle("mod-active");
          };
          button("one");
          button("two");
          const mounted = document.body.querySelectorAll(":scope > div");
          place.append(mounted[0]); // as JupyterLab does: a widget is put in its place when it has been drawn
        }"""
    )
    one, two = (page.get_by_role("button", name=label, exact=True) for label in ("one", "two"))
    expect(one).to_have_attribute("aria-pressed", "false")
    one.click()
    expect(one).to_have_attribute("aria-pressed", "true")
    expect(two).to_have_attribute("aria-pressed", "false")
    page.evaluate("cleanup()")
    two.click()
    page.evaluate("new Promise(requestAnimationFrame)")
    expect(two).to_have_attribute("aria-pressed", "false")
