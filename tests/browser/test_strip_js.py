"""The two scripts in a real browser on a stand-in model: clicks, keys, names, hostile text, and what cleanup leaves."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from mlm_viz.figures.theme import ATTENTION
from mlm_viz.strings import section
from mlm_viz.widgets.heads import HeadGrid, thumbnails
from mlm_viz.widgets.strip import TokenStrip
from tests.browser.harness import get, mount, put, serving

HOSTILE = [
    "<script>window.hacked=1</script>",
    '"><img src=x onerror=window.hacked=1>',
    "</script>",
    "{mask}",
    "שלום",
    "\u202eevil",
    "👩‍👩‍👧‍👦",
    "a" * 300,
]

Strip = Callable[..., Page]


@pytest.fixture(scope="module")
def browser_page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, str]]:
    with serving(tmp_path_factory.mktemp("site")) as address:
        yield browser.new_page(viewport={"width": 700, "height": 700}), address


@pytest.fixture
def strip(browser_page: tuple[Page, str]) -> Iterator[Strip]:
    """Draws a strip; fails the test if the page complained."""
    page, address = browser_page
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)

    def draw(labels: list[str], **traits: Any) -> Page:
        defaults = TokenStrip().get_state()
        state = {name: defaults[name] for name in TokenStrip.class_own_traits() if not name.startswith("_")}
        mount(page, address, "strip", {**state, "tokens": tokens(labels), **traits})
        return page

    yield draw
    assert complaints == []


def tokens(labels: list[str]) -> list[dict[str, Any]]:
    """Tokens as Python describes them; "##" continues a word, "____" is a blank."""
    made: list[dict[str, Any]] = []
    word = -1
    for label in labels:
        special = label in ("[CLS]", "[SEP]")
        word += not (special or label.startswith("##"))
        flags = {"special": special, "blank": label == "____"}
        made.append({"label": label, "title": f"the piece {label}", "word": -1 if special else word, **flags})
    return made


SENTENCE = ["[CLS]", "the", "wea", "##ther", "is", "nice", "[SEP]"]


def chip(page: Page, position: int) -> Any:
    return page.locator(f".mlmviz-chip[data-position='{position}'] > button")


def focused(page: Page) -> int:
    """Position of the chip that has the focus, -1 if none has."""
    found: int = page.evaluate("Number(document.activeElement.closest('.mlmviz-chip')?.dataset.position ?? -1)")
    return found


def test_a_click_masks_and_another_unmasks(strip: Strip) -> None:
    page = strip(SENTENCE)
    chip(page, 5).click()
    assert (get(page, "marks"), get(page, "selected")) == ({"5": "masked"}, 5)
    expect(chip(page, 5)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[aria-live]")).to_have_text("masked nice")
    chip(page, 5).click()
    assert (get(page, "marks"), get(page, "selected")) == ({}, -1)
    expect(page.locator("[aria-live]")).to_have_text("unmasked nice")
    assert page.evaluate("model.saves") >= 2


def test_shift_takes_the_whole_word(strip: Strip) -> None:
    page = strip(SENTENCE)
    chip(page, 3).click()
    chip(page, 2).click(modifiers=["Shift"])
    assert (get(page, "marks"), get(page, "selected")) == ({"2": "masked", "3": "masked"}, 2)
    chip(page, 2).focus()
    page.keyboard.press("Shift+Space")
    assert (get(page, "marks"), get(page, "selected")) == ({}, -1)


def test_unmasking_the_shown_slot_shows_the_nearest(strip: Strip) -> None:
    page = strip(SENTENCE, marks=dict.fromkeys(["1", "2", "4", "5"], "masked"), selected=2)
    for unmasked, shown in [(2, 1), (1, 4), (4, 5), (5, -1)]:
        chip(page, unmasked).click()
        assert get(page, "selected") == shown


def test_unmasking_another_slot_keeps_the_shown_one(strip: Strip) -> None:
    page = strip(SENTENCE, marks={"1": "masked", "5": "replaced"}, selected=1)
    chip(page, 5).click()
    assert (get(page, "marks"), get(page, "selected")) == ({"1": "masked"}, 1)
    expect(chip(page, 5)).to_have_attribute("aria-pressed", "false")


def test_the_badge_shows_a_slot_without_unmasking_it(strip: Strip) -> None:
    page = strip(SENTENCE, marks={"1": "masked", "5": "kept"}, selected=1)
    badge = page.locator(".mlmviz-chip[data-position='5'] .mlmviz-badge")
    expect(badge).to_have_text("2=")
    badge.click()
    assert (get(page, "marks"), get(page, "selected")) == ({"1": "masked", "5": "kept"}, 5)


def test_special_tokens_and_typed_blanks_are_not_toggled(strip: Strip) -> None:
    page = strip(["[CLS]", "a", "____"], marks={"2": "masked"})
    chip(page, 0).click(force=True)  # Playwright would wait for it to be enabled
    chip(page, 2).click()
    assert (get(page, "marks"), get(page, "selected")) == ({"2": "masked"}, 2)
    expect(chip(page, 0)).to_have_attribute("aria-disabled", "true")
    expect(chip(page, 0)).to_have_attribute("tabindex", "0" if focused(page) == 0 else "-1")


def test_the_keyboard_does_everything(strip: Strip) -> None:
    page = strip(SENTENCE)
    page.locator("#before").focus()
    page.keyboard.press("Tab")
    assert focused(page) == 0
    for key, position in [("ArrowRight", 1), ("End", 6), ("ArrowLeft", 5), ("ArrowLeft", 4), ("ArrowLeft", 3)]:
        page.keyboard.press(key)
        assert focused(page) == position
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert (get(page, "marks"), get(page, "selected")) == ({"3": "masked", "4": "masked"}, 4)
    page.keyboard.press("Enter")  # shows the slot, does not unmask it
    page.keyboard.press("ArrowLeft")
    assert (get(page, "marks"), get(page, "selected")) == ({"3": "masked", "4": "masked"}, 3)
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert get(page, "selected") == 4
    expect(page.locator("[role=tab]:focus")).to_have_text("2 · [MASK] \u2068is\u2069")
    expect(page.locator("[role=tab]:focus")).to_have_attribute("aria-selected", "true")


def test_up_and_down_go_by_row(strip: Strip) -> None:
    page = strip([f"word{number}" for number in range(40)])
    boxes = page.evaluate("[...document.querySelectorAll('.mlmviz-chip')].map(c => [c.offsetTop, c.offsetLeft])")
    columns = sum(top == boxes[0][0] for top, _ in boxes)
    chip(page, 1).focus()
    page.keyboard.press("ArrowDown")
    assert boxes[focused(page)][0] == boxes[columns][0]
    assert abs(boxes[focused(page)][1] - boxes[1][1]) < 60
    page.keyboard.press("ArrowUp")
    assert focused(page) == 1
    page.keyboard.press("ArrowUp")
    assert focused(page) == 1


def test_two_hundred_quick_clicks_end_right(strip: Strip) -> None:
    page = strip([f"w{number}" for number in range(12)])
    expected = page.evaluate("""() => {
      const buttons = [...document.querySelectorAll(".mlmviz-face")];
      const odd = new Set();
      for (let n = 0; n < 200; n++) {
        const at = (n * n + 3 * n) % 7 + n % 5;
        odd.has(at) ? odd.delete(at) : odd.add(at);
        buttons[at].click();
      }
      return [...odd].sort((a, b) => a - b);
    }""")
    assert 0 < len(expected) < 12
    assert sorted(map(int, get(page, "marks"))) == expected
    for position in range(12):
        expect(chip(page, position)).to_have_attribute("aria-pressed", str(position in expected).lower())


def test_a_long_text_makes_no_nodes_when_toggled(strip: Strip) -> None:
    page = strip([f"w{number}" for number in range(512)])
    assert page.locator(".mlmviz-chip").count() == 512
    page.evaluate("""() => {
      window.made = 0;
      const observer = new MutationObserver((records) => { window.made += records.length; });
      observer.observe(document.querySelector(".mlmviz-chips"), { childList: true, subtree: true });
    }""")
    for position in (3, 300, 511, 3):
        chip(page, position).click()
    put(page, shades=[0.5] * 512, shade_labels=["1.0"] * 512, stale=True, marks={"7": "kept"}, selected=7)
    expect(chip(page, 7)).to_have_attribute("aria-current", "true")
    assert page.evaluate("made") == 0


@pytest.mark.parametrize("mark", [None, "masked", "replaced", "kept"])
def test_hostile_text_stays_text(strip: Strip, mark: str | None) -> None:
    marks = {str(at): mark for at in range(len(HOSTILE))} if mark else {}
    same = {str(at): label for at, label in enumerate(HOSTILE)}
    page = strip(
        HOSTILE, marks=marks, replacements=same, guesses=same, selected=0, shades=[0.5] * len(HOSTILE),
        shade_labels=HOSTILE, shade_title=HOSTILE[1], mask_label=HOSTILE[0],
    )  # fmt: skip
    page.evaluate("new Promise(requestAnimationFrame)")
    assert page.evaluate("window.hacked") is None
    assert page.locator(".mlmviz-strip :is(script, img)").count() == 0
    for position, label in enumerate(HOSTILE):
        name = chip(page, position).get_attribute("aria-label")
        assert name is not None
        assert name.startswith(f"{label}, token {position + 1} of {len(HOSTILE)}")


def test_names_tell_a_screen_reader_everything(strip: Strip) -> None:
    page = strip(
        SENTENCE, marks={"2": "masked", "4": "replaced"}, replacements={"4": "of"}, selected=2,
        shades=[0, 0.1, 0.9, 0, 0, 0, 0], shade_labels=["", "0.1", "5.2", "", "", "", ""], shade_title="surprisal, bits",
    )  # fmt: skip
    expect(page.get_by_role("toolbar")).to_be_visible()
    expect(chip(page, 0)).to_have_accessible_name("[CLS], token 1 of 7, special, cannot be masked")
    expect(chip(page, 2)).to_have_accessible_name("wea, token 3 of 7, masked, slot 1, shown, surprisal, bits 5.2")
    expect(chip(page, 4)).to_have_accessible_name("is, token 5 of 7, replaced by of, slot 2")
    expect(page.get_by_role("tab")).to_have_text(["1 · [MASK] \u2068wea\u2069", "2 · \u2068is\u2069 ⇄ \u2068of\u2069"])


def test_a_guess_is_said_with_its_slot(strip: Strip) -> None:
    page = strip(SENTENCE, marks={"2": "masked"}, selected=2, guesses={"2": "rain", "5": "old"})
    expect(chip(page, 2)).to_have_accessible_name("wea, token 3 of 7, masked, slot 1, shown, best guess rain")
    expect(chip(page, 5)).to_have_accessible_name("nice, token 6 of 7")


def test_what_is_said_twice_is_heard_twice(strip: Strip) -> None:
    page = strip(SENTENCE)
    page.evaluate("""() => {
      const live = document.querySelector("[aria-live]");
      window.heard = [];
      new MutationObserver(() => heard.push(live.textContent)).observe(live, { childList: true });
    }""")
    for changes in (1, 3):
        chip(page, 0).click(force=True)
        page.wait_for_function("changes => heard.length === changes", arg=changes)
    said = "[CLS] is a special token and cannot be masked"
    assert page.evaluate("heard") == [said, "", said], "the same text in the place of the same would be no change"


def test_a_click_says_of_which_text_it_is(strip: Strip) -> None:
    page = strip(SENTENCE, edition=3)
    chip(page, 2).click()
    assert (get(page, "basis"), get(page, "marks")) == (3, {"2": "masked"})
    put(page, tokens=tokens(SENTENCE[1:]), edition=4, marks={"1": "masked"}, selected=-1)
    assert get(page, "basis") == 3
    page.locator(".mlmviz-badge").nth(1).click()
    assert (get(page, "basis"), get(page, "selected")) == (4, 1)


def test_plain_keys_are_kept_from_jupyterlab(strip: Strip) -> None:
    page = strip(SENTENCE)
    page.evaluate(
        """() => document.addEventListener("keydown", (event) => {
            if (!event.target.hasAttribute("data-lm-suppress-shortcuts")) window.taken = event.key;
        }, true)"""
    )
    for key in ("x", "d", "ArrowDown", "Shift+Enter"):
        chip(page, 1).press(key)
        assert page.evaluate("window.taken") is None, key
    chip(page, 1).press("Control+s")
    assert page.evaluate("window.taken") == "s"


def test_masking_moves_nothing(strip: Strip) -> None:
    page = strip(["extraordinarily", *SENTENCE * 4])
    where = "[...document.querySelectorAll('.mlmviz-chip, .mlmviz-legend')].map(e => JSON.stringify(e.getBoundingClientRect()))"
    before = page.evaluate(where)
    put(page, marks={"0": "masked", "2": "masked", "9": "kept"}, selected=2, guesses={"2": "unbelievable"}, stale=True)
    expect(page.get_by_role("tab").first).to_be_visible()
    assert page.evaluate(where) == before


def test_nothing_moves_for_those_who_ask_for_less_motion(strip: Strip) -> None:
    page = strip(SENTENCE)
    moving = "[...document.querySelectorAll('.mlmviz *')].filter(e => getComputedStyle(e).transitionDuration !== '0s').length"
    assert page.evaluate(moving) > 0
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(moving) == 0
    page.emulate_media(reduced_motion="no-preference")


def test_the_focus_survives_an_edit(strip: Strip) -> None:
    page = strip(SENTENCE)
    chip(page, 5).focus()
    put(page, tokens=tokens(["[CLS]", "a", "b", "c", "d", "e", "f", "[SEP]"]))
    expect(chip(page, 7)).to_be_visible()
    assert focused(page) == 5
    put(page, tokens=tokens(["[CLS]", "[SEP]"]))
    expect(chip(page, 5)).to_have_count(0)
    assert focused(page) == 1
    put(page, tokens=[])
    expect(chip(page, 0)).to_have_count(0)


def test_arabic_and_hebrew_run_from_the_right(strip: Strip) -> None:
    page = strip(["[CLS]", "שלום", "עולם"])
    chip(page, 1).focus()
    page.keyboard.press("ArrowLeft")
    assert focused(page) == 2


def test_the_page_says_whether_it_is_dark(strip: Strip) -> None:
    page = strip(SENTENCE)
    assert get(page, "dark") is False
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    page.wait_for_function("model.get('dark') === true")
    page.evaluate("delete document.body.dataset.jpThemeLight")
    page.wait_for_function("model.get('dark') === false")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("model.get('dark') === true")
    page.emulate_media(color_scheme="light")


def test_two_views_agree_and_cleanup_leaves_nothing(strip: Strip) -> None:
    page = strip(SENTENCE)
    page.evaluate("() => { window.second = mount(); }")
    chip(page, 5).nth(0).click()
    expect(chip(page, 5).nth(1)).to_have_attribute("aria-pressed", "true")
    page.evaluate("second()")
    expect(page.locator(".mlmviz-strip")).to_have_count(1)
    page.evaluate("cleanup()")
    assert page.evaluate("model.listeners()") == 0
    assert page.locator(".mlmviz-strip").count() == 0
    saves = page.evaluate("model.saves")
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    page.evaluate("new Promise(requestAnimationFrame)")
    assert page.evaluate("model.saves") == saves


def grid_state(shape: tuple[int, int, int], **traits: Any) -> dict[str, Any]:
    """A grid of heads in which every head looks at one key, the one with its own number."""
    layers, heads, size = shape
    weights = np.zeros((layers, heads, size, size))
    for head in range(heads):
        weights[:, head, :, head % size] = 1.0
    data, sizes = thumbnails(weights)
    picture = {"thumbnails": base64.b64encode(data).decode(), "shape": sizes, "strings": section("heads")}
    return {**picture, "selected": [0, 0], "colours": list(ATTENTION), "stale": False, **traits}


def test_heads_are_chosen_by_click_and_by_key(browser_page: tuple[Page, str]) -> None:
    page, address = browser_page
    mount(page, address, "heads", grid_state((3, 4, 5), selected=[1, 2]))
    cells = page.get_by_role("gridcell")
    expect(cells).to_have_count(12)
    expect(cells.nth(6)).to_have_accessible_name("Layer 2, head 3, selected")
    cells.nth(3).click()
    assert get(page, "selected") == [0, 3]
    expect(page.locator(".mlmviz-heads-caption")).to_have_text("Layer 1 · Head 4")
    for key in ("ArrowDown", "ArrowLeft", "ArrowRight", "ArrowRight", "ArrowDown", "Home", "Enter"):
        page.keyboard.press(key)
    assert get(page, "selected") == [2, 0]
    put(page, selected=[1, 1])
    expect(cells.nth(5)).to_have_attribute("aria-selected", "true")


def test_pictures_show_the_weights_and_only_changed_ones_are_drawn(browser_page: tuple[Page, str]) -> None:
    page, address = browser_page
    mount(page, address, "heads", grid_state((2, 3, 4)))
    pixel = """([cell, x]) => {
      const canvas = document.querySelectorAll(".mlmviz-heads canvas")[cell];
      return [...canvas.getContext("2d").getImageData(x, 0, 1, 1).data.slice(0, 3)];
    }"""
    dark, light = ([int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in (ATTENTION[0], ATTENTION[-1]))
    for cell in range(6):
        for x in range(4):
            assert page.evaluate(pixel, [cell, x]) == (light if x == cell % 3 else dark)
    drawn = page.evaluate("""async () => {
      let drawn = 0;
      const put = CanvasRenderingContext2D.prototype.putImageData;
      CanvasRenderingContext2D.prototype.putImageData = function (...args) { drawn += 1; return put.apply(this, args); };
      const bytes = new Uint8Array(model.get("thumbnails").buffer.slice(0));
      bytes[17] = 99;
      model.state.thumbnails = new DataView(bytes.buffer);
      model.handlers.get("change:thumbnails").forEach((handler) => handler());
      await Promise.resolve();
      return drawn;
    }""")
    assert drawn == 1


def test_a_twelve_by_twelve_grid_fits_and_cleans_up(browser_page: tuple[Page, str]) -> None:
    page, address = browser_page
    page.set_viewport_size({"width": 592, "height": 700})
    mount(page, address, "heads", grid_state((12, 12, 24)))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.get_by_role("grid").evaluate("grid => grid.scrollWidth <= grid.clientWidth")
    page.evaluate("cleanup()")
    assert page.evaluate("model.listeners()") == 0


def test_the_scripts_read_only_traits_that_exist(strip: Strip) -> None:
    page = strip([])
    for name, widget in (("strip", TokenStrip), ("heads", HeadGrid)):
        source = page.evaluate("name => fetch(`/${name}.js`).then((answer) => answer.text())", name)
        watched = source.split("static watched = [")[1].split("]")[0].replace('"', "").split(",")
        assert {trait.strip() for trait in watched} <= set(widget.class_own_traits())
