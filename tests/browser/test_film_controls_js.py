"""The controls of a film in a real browser on a stand-in model and a clock that the tests turn: no JupyterLab, no kernel."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from mlm_viz.widgets.film_controls import FilmControls
from tests.browser.harness import get, mount, put, serving

HOSTILE = "<img src=x onerror=window.hacked=1>"
Player = Callable[..., Page]


@pytest.fixture(scope="module")
def browser_page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, str]]:
    with serving(tmp_path_factory.mktemp("site")) as address:
        page = browser.new_page(viewport={"width": 700, "height": 300})
        page.clock.install(time=0)
        page.clock.pause_at(1)  # or it would go on by itself, and far on a busy machine
        yield page, address


@pytest.fixture
def player(browser_page: tuple[Page, str]) -> Iterator[Player]:
    """Draws the controls; fails the test if the page complained."""
    page, address = browser_page
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def draw(**traits: Any) -> Page:
        defaults = FilmControls().get_state()
        state = {name: defaults[name] for name in FilmControls.class_own_traits() if not name.startswith("_")}
        labels = [f"step {step}" for step in (0, 1, 2, 4)]
        mount(page, address, "film_controls", {**state, "labels": labels, "shown": 0, **traits})
        return page

    yield draw
    assert complaints == []


def button(page: Page) -> Locator:
    return page.get_by_role("button", name=re.compile("Play|Pause"))


def slider(page: Page) -> Locator:
    return page.get_by_role("slider", name="Step of the training")


def test_a_frame_follows_when_the_one_before_was_drawn(player: Player) -> None:
    page = player()
    button(page).click()
    expect(button(page)).to_have_text("Pause")
    page.clock.run_for(450)
    assert get(page, "frame") == 0
    page.clock.run_for(100)
    assert get(page, "frame") == 1
    page.clock.run_for(5_000)
    assert get(page, "frame") == 1, "the kernel is busy"
    put(page, shown=1)
    page.clock.run_for(550)
    assert (get(page, "frame"), get(page, "playing")) == (2, True)
    put(page, shown=2)
    page.clock.run_for(550)
    assert (get(page, "frame"), get(page, "playing")) == (3, False)
    expect(button(page)).to_have_text("Play again")
    put(page, shown=3)
    button(page).click()
    assert (get(page, "frame"), get(page, "playing")) == (0, True)


def test_a_pause_holds_and_playing_goes_on_from_there(player: Player) -> None:
    page = player(frame=1, shown=1)
    button(page).press("Space")
    button(page).press("Enter")
    page.clock.run_for(2_000)
    assert (get(page, "frame"), get(page, "playing")) == (1, False)
    expect(button(page)).to_have_text("Play")
    button(page).press("Enter")
    page.clock.run_for(550)
    assert get(page, "frame") == 2


def test_the_slider_works_by_keyboard_and_ends_the_play(player: Player) -> None:
    page = player()
    button(page).click()
    slider(page).press("ArrowRight")
    assert (get(page, "frame"), get(page, "playing")) == (1, False)
    expect(slider(page)).to_have_attribute("aria-valuetext", "step 1")
    slider(page).press("End")
    assert get(page, "frame") == 3
    expect(page.locator(".mlmviz-film-label")).to_have_text("step 4")
    slider(page).press("Home")
    assert get(page, "frame") == 0


def test_the_keys_are_kept_from_jupyterlab_but_not_its_shortcuts(player: Player) -> None:
    page = player()
    page.evaluate(
        """() => document.addEventListener("keydown", (event) => {
            if (!event.target.hasAttribute("data-lm-suppress-shortcuts")) window.taken = event.key;
        }, true)"""
    )
    for control in (slider(page), button(page)):
        control.press("ArrowDown")
        assert page.evaluate("window.taken") is None
    slider(page).press("Control+s")
    assert page.evaluate("window.taken") == "s"


def test_two_views_play_at_the_pace_of_one(player: Player) -> None:
    page = player()
    page.evaluate("() => { window.second = mount(); }")
    button(page).first.click()
    page.clock.run_for(550)
    assert get(page, "frame") == 1
    expect(button(page).last).to_have_text("Pause")
    expect(slider(page).last).to_have_value("1")


def test_cleanup_leaves_nothing(player: Player) -> None:
    page = player()
    button(page).click()
    page.evaluate("cleanup()")
    assert page.evaluate("model.listeners()") == 0
    assert page.locator(".mlmviz").count() == 0
    page.clock.run_for(2_000)
    assert get(page, "frame") == 0


def test_hostile_labels_are_text_and_the_theme_is_told(player: Player) -> None:
    page = player(labels=[HOSTILE, "b"])
    expect(page.locator(".mlmviz-film-label")).to_have_text(HOSTILE)
    assert page.locator("img").count() == 0
    assert page.evaluate("window.hacked") is None
    assert get(page, "dark") is False
    page.evaluate("() => { document.body.dataset.jpThemeLight = 'false'; }")
    page.wait_for_function("model.kernel.dark")
