"""What the widgets' scripts have in common, in a real browser on a stand-in model."""

from __future__ import annotations

from collections.abc import Iterator

import anywidget
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from mlm_viz.widgets.film_controls import FilmControls
from mlm_viz.widgets.heads import HeadGrid
from mlm_viz.widgets.listening import PageTheme
from mlm_viz.widgets.strip import TokenStrip
from tests.browser.harness import WIDGETS, mount, put, serving

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
# A page of ours: as JupyterLab does, a widget is put in its place when it has been drawn.
PLACE = """html => {
  const mounted = document.body.querySelector(":scope > div");
  const place = document.body.appendChild(document.createElement("div"));
  place.className = "mlmviz";
  place.innerHTML = html;
  place.append(mounted);
}"""
# JupyterLab's way to the shortcut of a key: from what has the focus up; some of their selectors fit whatever has it.
SHORTCUTS = """() => document.addEventListener("keydown", (event) => {
  for (let node = event.target; node && !node.hasAttribute("data-lm-suppress-shortcuts"); node = node.parentElement) {
    if (!node.matches(":focus, body")) continue;
    window.taken = event.key;
    event.preventDefault();
  }
}, true)"""
# What a screen reader hears of the lines.
HEAR = """() => {
  const live = document.querySelector(".mlmviz > div > .mlmviz-unseen[aria-live=polite]");
  window.heard = [];
  new MutationObserver(() => live.textContent && heard.push(live.textContent)).observe(live, { childList: true });
}"""
assisted = pytest.mark.parametrize(
    ("name", "kind"), [("strip", TokenStrip), ("film_controls", FilmControls), ("page_theme", PageTheme)]
)


@pytest.fixture(scope="module")
def browser_page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, str]]:
    with serving(tmp_path_factory.mktemp("site")) as address:
        yield browser.new_page(), address


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


@assisted
def test_screen_readers_are_told_which_buttons_are_pressed(
    browser_page: tuple[Page, str], name: str, kind: type[anywidget.AnyWidget]
) -> None:
    page = draw(browser_page, name, kind)
    button = """<button class="widget-toggle-button" onclick="this.classList.toggle('mod-active')">{}</button>"""
    page.evaluate(PLACE, button.format("one") + button.format("two"))
    one, two = (page.get_by_role("button", name=label, exact=True) for label in ("one", "two"))
    expect(one).to_have_attribute("aria-pressed", "false")
    one.click()
    expect(one).to_have_attribute("aria-pressed", "true")
    expect(two).to_have_attribute("aria-pressed", "false")
    page.evaluate("cleanup()")
    two.click()
    page.evaluate("new Promise(requestAnimationFrame)")
    expect(two).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".mlmviz-unseen")).to_have_count(0)


@assisted
def test_sliders_and_pictures_have_names(
    browser_page: tuple[Page, str], name: str, kind: type[anywidget.AnyWidget]
) -> None:
    page = draw(browser_page, name, kind)
    page.evaluate(
        PLACE,
        """<div class="widget-slider"><label class="widget-label">Temperature</label>
        <div class="noUi-handle" role="slider" tabindex="0">o</div></div>
        <div class="js-plotly-plot"><svg><text class="xtitle">ignored</text>
        <text class="gtitle"><tspan class="line">A wins</tspan><tspan class="line">by far</tspan></text></svg></div>
        <div class="js-plotly-plot"><svg><text class="xtitle">Share</text><text class="ytitle">Layer</text></svg></div>
        <div class="js-plotly-plot">-</div>""",
    )
    expect(page.locator(".noUi-handle")).to_have_accessible_name("Temperature")
    plots = page.locator(".js-plotly-plot")
    expect(plots.nth(0)).to_have_role("figure")
    expect(plots.nth(0)).to_have_accessible_name("A wins by far")
    expect(plots.nth(1)).to_have_accessible_name("Share, Layer")
    assert plots.nth(2).get_attribute("role") is None
    page.evaluate("() => { document.querySelector('.gtitle').textContent = 'B wins'; }")
    expect(plots.nth(0)).to_have_accessible_name("B wins")


@every
def test_plain_keys_are_ours_and_the_others_jupyterlabs(
    browser_page: tuple[Page, str], name: str, kind: type[anywidget.AnyWidget]
) -> None:
    page = draw(browser_page, name, kind)
    page.evaluate(PLACE, "<select title='menu'><option>a</option><option>b</option></select><button>push</button>")
    page.evaluate(SHORTCUTS)

    def taken(control: Locator, key: str) -> object:
        page.evaluate("() => { window.taken = null; }")
        control.press(key)
        return page.evaluate("window.taken")

    menu, button = page.get_by_title("menu"), page.get_by_role("button", name="push")
    for control in (menu, button):
        assert [taken(control, key) for key in ("ArrowDown", "x", "d", "Shift+M")] == [None] * 4
        assert taken(control, "Shift+Enter") == "Enter"  # runs the cell
        assert taken(control, "Control+s") == "s"
    expect(menu).to_have_value("b")
    assert taken(page.locator("#before"), "x") == "x", "it is on no page of ours"
    page.evaluate("cleanup()")
    assert taken(menu, "x") == "x"


@pytest.fixture
def still(browser: Browser, browser_page: tuple[Page, str]) -> Iterator[tuple[Page, str]]:
    """A page whose clock the test turns."""
    page = browser.new_page()
    page.clock.install(time=0)
    page.clock.pause_at(1)
    yield page, browser_page[1]
    page.close()


def line(page: Page, text: str) -> None:
    """What ipywidgets does when a line changes."""
    hidden = f'<p role="status" style="display: none">hidden {text}</p>'
    page.evaluate(
        "html => { document.getElementById('line').innerHTML = html; }", f'<p role="status">{text}</p>{hidden}'
    )


@assisted
def test_a_line_is_said_once_it_stands_still(
    still: tuple[Page, str], name: str, kind: type[anywidget.AnyWidget]
) -> None:
    page = draw(still, name, kind)
    page.evaluate(PLACE, '<p role="status">from the start</p><div id="line"></div>')
    page.evaluate(HEAR)
    page.clock.run_for(2_000)
    for step in range(5):
        line(page, f"step {step}")
        expect(page.locator("#line > p").first).to_have_attribute("aria-live", "off")
        page.clock.run_for(900)
    assert page.evaluate("heard") == []
    page.clock.run_for(200)
    assert page.evaluate("heard") == ["step 4"]
    line(page, "step 4")  # drawn again and not changed
    page.clock.run_for(2_000)
    assert page.evaluate("heard") == ["step 4"]
    line(page, "")
    page.clock.run_for(2_000)
    line(page, "step 4")
    page.clock.run_for(2_000)
    assert page.evaluate("heard") == ["step 4"] * 2, "it is said again when it comes again"


def test_no_line_is_said_while_a_film_plays(still: tuple[Page, str]) -> None:
    page = draw(still, "film_controls", FilmControls)
    page.evaluate(PLACE, '<div id="line"></div>')
    page.evaluate(HEAR)
    put(page, playing=True)
    for frame in range(3):
        line(page, f"frame {frame}")
        page.clock.run_for(3_000)
    assert page.evaluate("heard") == []
    put(page, playing=False)
    page.clock.run_for(2_000)
    assert page.evaluate("heard") == ["frame 2"]


def test_forced_colours_leave_what_fills_said(browser_page: tuple[Page, str]) -> None:
    page = draw(browser_page, "film_controls", FilmControls)
    for sheet in ("explorer", "film_player"):
        page.add_style_tag(path=WIDGETS / f"{sheet}.css")
    page.evaluate(
        PLACE,
        """<button class="jupyter-button widget-toggle-button mod-active">on</button>
        <button class="jupyter-button widget-toggle-button">off</button>
        <i id="chosen" style="background: Highlight; forced-color-adjust: none"></i>
        <i id="ink" style="background: ButtonText; forced-color-adjust: none"></i>""",
    )
    page.emulate_media(forced_colors="active")
    fill = "what => getComputedStyle(document.querySelector(what)).backgroundColor"
    on, off, chosen, ink, icon = (
        page.evaluate(fill, what)
        for what in (".mod-active", ".jupyter-button:not(.mod-active)", "#chosen", "#ink", ".mlmviz-film-icon")
    )
    page.emulate_media(forced_colors="none")
    assert on == chosen != off
    assert icon == ink
