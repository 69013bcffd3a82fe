"""The explorer in real JupyterLab, with every address but this machine's blocked: what a student and a lecturer do."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Frame, Locator, Page, expect

import mlm_viz
from mlm_viz.examples import EXAMPLES
from mlm_viz.masking import mask_random
from mlm_viz.strings import say
from mlm_viz.widgets.evidence.heads import HeadsView
from mlm_viz.widgets.evidence.panel import VIEWS
from mlm_viz.widgets.evidence.view import EvidenceView
from tests.browser.lab import PATIENCE, ROOT, Lab, Watch, lab, write_notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

TEXT = "The weather is so nice today."
LONG = "The man was walking in the park with his dog when it began to rain, so they went home and had a cup of tea."
HOSTILE = '<script>alert(1)</script> "><img src=x onerror=alert(2)> </script> שלום 👩‍👩‍👧 \u202eabc $x$ ____'
SIXTH = "06_one_direction_or_two.ipynb"
FEW_SENTENCES = 20
SCRATCH = [
    f"import itertools, json, mlm_viz\nruns = itertools.count()\nexplorer = mlm_viz.explore({TEXT!r})\nexplorer",
    """sentence = explorer.state.sentence
known = {"run": next(runs), "text": explorer.text, "masked": explorer.masked, "slot": explorer.slot, "head": explorer.head}
print("KERNEL", json.dumps({**known, "error": explorer.error, "labels": sentence.labels if sentence else []}))""",
]
WHY = [
    """import itertools, json, mlm_viz
runs = itertools.count()
explorer = mlm_viz.explore("The man was walking in the park with his dog.", masked=["park", "dog"])
explorer""",
    """print("KERNEL", json.dumps({"run": next(runs), "slot": explorer.slot, "silenced": sorted(explorer.state.silenced)}))""",
]
OTHERS = {"pair": "The man was walking in the parks with his dog.", "contrast": "The woman was sitting in the ____."}
DRAWN = """() => {
  const stage = document.querySelector(".mlmviz-stage");
  const [words, bars] = [".ytick text", ".barlayer path"].map(what => [...stage.querySelectorAll(what)]);
  return words.length ? JSON.stringify([words.map(word => word.textContent), bars.map(bar => bar.getAttribute("d"))]) : "";
}"""
# Has the page find every widget too late.
IMPATIENT = """const timeout = AbortSignal.timeout.bind(AbortSignal);
AbortSignal.timeout = (ms) => {
  if (ms !== 2000) return timeout(ms);
  const over = new AbortController();
  queueMicrotask(() => over.abort());
  return over.signal;
};"""


@dataclass
class Visit:
    """A page of JupyterLab with an open notebook."""

    page: Page
    lab: Lab
    watch: Watch
    dialogs: list[str] = field(default_factory=list)

    def run(self, notebook: str) -> None:
        """Open a notebook, run all its cells, and wait until the explorer has drawn itself."""
        self.lab.open(self.page, notebook)
        self.lab.run_all(self.page)
        expect(self.chips.first).to_be_visible()
        self.settle()

    @property
    def chips(self) -> Locator:
        return self.page.locator(".mlmviz-chip")

    @property
    def text(self) -> Locator:
        return self.page.get_by_label("Text", exact=True)

    @property
    def numbers(self) -> Locator:
        return self.page.locator(".mlmviz-numbers").first

    def chip(self, label: str) -> Locator:
        """The first chip of a token."""
        return self.page.locator(
            f".mlmviz-chip:has(> .mlmviz-face[data-label={json.dumps(label, ensure_ascii=False)}])"
        ).first

    def labels(self) -> list[str]:
        """The tokens as the chips name them, masked or not."""
        found: list[str] = self.page.locator(".mlmviz-face").evaluate_all("all => all.map(face => face.dataset.label)")
        return found

    def marks(self) -> dict[int, str]:
        """Position to what was done to it, as the chips show it."""
        found = self.chips.evaluate_all("all => all.map(chip => chip.dataset.mark)")
        return {position: mark for position, mark in enumerate(found) if mark}

    def bars(self) -> list[str]:
        """What stands beside the bars, from the top."""
        return self.page.locator(".mlmviz-stage").first.locator(".ytick text").all_text_contents()

    def drawn(self) -> str:
        """What stands beside the bars, and how long they are; empty before there are any."""
        return str(self.page.evaluate(DRAWN))

    def settle(self) -> None:
        """Wait until nothing on the page is on its way."""
        expect(self.page.locator(".mlmviz-strip")).to_have_attribute("aria-busy", "false")
        expect(self.page.locator(".mlmviz-stale")).to_have_count(0)

    def wait_for_bars(self, unlike: str = "") -> str:
        """The bars once they are drawn otherwise."""
        self.page.wait_for_function(f"old => {{ const now = ({DRAWN})(); return now && now !== old; }}", arg=unlike)
        return self.drawn()

    def kernel(self) -> dict[str, Any]:
        """What Python knows: the notebook's last cell, run again."""
        cell = self.page.locator(".jp-CodeCell").last
        output = cell.locator(".jp-OutputArea-output", has_text="KERNEL")
        before = output.text_content() or ""
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        expect(output).not_to_have_text(before)
        expect(output).to_contain_text("KERNEL")
        found: dict[str, Any] = json.loads((output.text_content() or "").partition("KERNEL")[2])
        return found


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("journeys") / "notebooks"
    folder.mkdir()
    shutil.copy(ROOT / "notebooks" / "01_fill_the_blank.ipynb", folder)
    # The whole of it is run, without a page, in test_notebooks.py.
    whole, few = "word_test()", f"word_test(sample={FEW_SENTENCES})"
    sixth = (ROOT / "notebooks" / SIXTH).read_text(encoding="utf-8")
    assert sixth.count(whole) == 1
    (folder / SIXTH).write_text(sixth.replace(whole, few), encoding="utf-8")
    with lab(folder) as started:
        yield started


@pytest.fixture
def visit(browser: Browser, jupyter: Lab) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1400, "height": 1200})
    page, watch = context.new_page(), Watch()
    page.set_default_timeout(PATIENCE)
    watch.follow(page)
    here = Visit(page, jupyter, watch)
    # Anew each time: one that JupyterLab had saved with its outputs would look as if it had run.
    for name, cells in {"scratch.ipynb": SCRATCH, "why.ipynb": WHY, "again.ipynb": SCRATCH}.items():
        write_notebook(jupyter.folder / name, cells)
    page.on("dialog", lambda dialog: (here.dialogs.append(dialog.message), dialog.dismiss()))
    yield here
    context.close()
    assert watch.outside == []
    assert watch.errors == []
    assert here.dialogs == []


# --- journeys ---------------------------------------------------------------------------------------------------------


def test_the_first_notebook_runs_and_a_click_moves_the_bars(visit: Visit) -> None:
    visit.run("01_fill_the_blank.ipynb")
    assert not visit.page.locator(".jp-OutputArea-output", has_text="Traceback").all()
    for label in ("天", "气"):
        before = visit.drawn()
        visit.chip(label).click()
        expect(visit.numbers).to_contain_text(f"original {label}")
        expect(visit.chip(label)).to_have_attribute("data-mark", "masked")
        visit.wait_for_bars(unlike=before)
        assert any("✓" in bar and label in bar for bar in visit.bars()), "the original has a bar of its own"
    visit.chip("天").click()
    expect(visit.chip("天")).to_have_attribute("data-mark", "")


def test_the_same_by_keyboard_alone(visit: Visit) -> None:
    visit.run("scratch.ipynb")
    page = visit.page
    visit.text.focus()
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.mlmviz-face')"):
            break
    focused = page.locator(".mlmviz-face:focus")
    expect(focused).to_have_attribute("data-label", visit.labels()[0])
    for label in visit.labels()[1:3]:
        page.keyboard.press("ArrowRight")
        expect(focused).to_have_attribute("data-label", label)
    page.keyboard.press("Space")
    expect(visit.numbers).to_contain_text("original weather")
    assert "slot 1, shown" in (focused.get_attribute("aria-label") or "")
    before = visit.drawn()
    for key in ("ArrowRight", "ArrowRight", "Space"):
        page.keyboard.press(key)
    expect(visit.numbers).to_contain_text("original so")
    visit.wait_for_bars(unlike=before)
    assert visit.marks() == {2: "masked", 4: "masked"}
    for key in ("Space", "Home", "ArrowRight", "ArrowRight", "Space"):
        page.keyboard.press(key)
    expect(page.locator(".mlmviz-stage").first).to_contain_text("Click a token")
    assert visit.marks() == {}
    expect(page.locator(".jp-CodeCell")).to_have_count(len(SCRATCH))
    assert visit.kernel()["masked"] == []


def test_a_chinese_sentence_with_its_glyphs(visit: Visit) -> None:
    visit.run("scratch.ipynb")
    sentence = EXAMPLES["中文"][0]
    visit.page.locator("select[title^=Examples]").select_option(label=sentence)
    expect(visit.chip("天")).to_be_visible()
    expect(visit.text).to_have_value(sentence)
    expect(visit.numbers).to_contain_text("not known")
    visit.text.fill("今天天气很好")
    expect(visit.chips).to_have_count(8)
    visit.chip("气").click()
    expect(visit.numbers).to_contain_text("original 气")
    glyphs = visit.chip("好").evaluate(
        """chip => {
            const draw = (sign) => {
                const paper = Object.assign(document.createElement("canvas"), { width: 64, height: 64 }).getContext("2d");
                paper.font = `40px ${getComputedStyle(chip).fontFamily}`;
                paper.fillText(sign, 8, 48);
                return paper.getImageData(0, 0, 64, 64).data.join();
            };
            return ["天", "气", "好", "\\u{10fffe}", " "].map(draw);
        }"""
    )
    assert len(set(glyphs)) == 5, "each is drawn, and none as the box that stands for a glyph that is missing"
    kernel = visit.kernel()
    assert (kernel["text"], kernel["masked"], kernel["slot"]) == ("今天天气很好", [4], 4)


def test_heads_open_and_bertviz_draws_its_lines(visit: Visit) -> None:
    visit.run("scratch.ipynb")
    page = visit.page
    visit.chip("weather").click()
    page.get_by_role("button", name="Attention heads").click()
    cells = page.locator(".mlmviz-heads-cell")
    model = mlm_viz.load()
    expect(cells).to_have_count(model.layers * model.heads)
    summary = page.locator(".mlmviz-numbers").nth(1)
    expect(summary).to_contain_text("layer 1, head 1")
    expect(page.locator(".mlmviz-stage").nth(1).locator(".heatmaplayer image")).to_have_count(1)
    picture = heat(page)
    cells.nth(model.heads + 1).click()
    expect(summary).to_contain_text("layer 2, head 2")
    page.wait_for_function(
        "old => document.querySelectorAll('.mlmviz-stage')[1].querySelector('.heatmaplayer image')?.href.baseVal !== old",
        arg=picture,
    )
    menu = page.get_by_label("bertviz", exact=True)
    menu.select_option(label="head view")
    tokens = visit.chips.count()
    assert drawn(page, "head view of layer 2", "svg line") == model.heads * tokens * tokens
    menu.select_option(label="model view")
    assert drawn(page, "model view of layer 2", "svg line") >= model.heads * tokens * tokens
    menu.select_option(label="off")
    expect(page.locator("iframe")).to_have_count(0)
    assert visit.kernel()["head"] == [1, 1]


def heat(page: Page) -> str:
    """The picture of the open head."""
    image = page.locator(".mlmviz-stage").nth(1).locator(".heatmaplayer image")
    return str(image.evaluate("image => image.href.baseVal"))


def drawn(page: Page, title: str, what: str) -> int:
    """How many elements the frame with this title has drawn, once it has drawn any."""
    handle = page.locator(f"iframe[title*={json.dumps(title)}]").element_handle()
    frame: Frame | None = handle.content_frame()
    assert frame is not None
    frame.wait_for_function("what => document.querySelectorAll(what).length > 0", arg=what)
    return frame.locator(what).count()


def test_why_opens_nine_views_and_a_click_silences_a_head(visit: Visit) -> None:
    visit.run("why.ipynb")
    page, panel = visit.page, visit.page.locator(".mlmviz-evidence")
    page.get_by_role("button", name=say("evidence.open")).click()
    assert len(VIEWS) == 9
    for view in VIEWS:
        open_view(page, view)
    open_view(page, HeadsView)
    caption = panel.locator(".mlmviz-caption")
    expect(caption).to_contain_text("“park”")
    before = visit.drawn()
    model = mlm_viz.load()
    cell = panel.locator(".heatmaplayer image").bounding_box()
    assert cell is not None
    x, y = cell["x"] + 1.5 * cell["width"] / model.heads, cell["y"] + 0.5 * cell["height"] / model.layers
    page.mouse.move(x, y)
    expect(panel.locator(".hovertext")).to_contain_text("Layer 1 · Head 2")
    page.mouse.click(x, y)
    visit.wait_for_bars(unlike=before)
    silent = panel.locator("select[multiple] option:checked")
    expect(silent).to_have_attribute("value", re.compile("^Layer 1 · Head 2"))
    visit.settle()
    assert visit.kernel()["silenced"] == [[0, 1]]
    panel.get_by_role("button", name=say("evidence.silent.none")).click()
    expect(silent).to_have_count(0)
    page.wait_for_function(f"old => ({DRAWN})() === old", arg=before)
    visit.chip("dog").locator(".mlmviz-face").focus()
    page.keyboard.press("Enter")
    expect(caption).to_contain_text("“dog”")
    visit.settle()
    kernel = visit.kernel()
    assert (kernel["slot"], kernel["silenced"]) == (visit.labels().index("dog"), [])


def open_view(page: Page, view: type[EvidenceView]) -> None:
    """Open a view of the evidence and wait until each of its pictures is drawn and up to date."""
    panel = page.locator(".mlmviz-evidence")
    title = say(f"evidence.{view.name}")
    panel.get_by_role("button", name=title, exact=True).click()
    pressed = panel.locator(".widget-toggle-buttons").first.get_by_role("button", pressed=True)
    expect(pressed).to_have_text(title)  # for screen readers
    expect(panel.get_by_text(say(f"evidence.{view.name}.note"), exact=True)).to_be_visible()
    if view.name in OTHERS:
        panel.get_by_label(say(f"evidence.{view.name}.other")).fill(OTHERS[view.name])
        page.keyboard.press("Enter")
    page.wait_for_function(
        """count => {
            const stages = [...document.querySelectorAll(".mlmviz-evidence .mlmviz-stage")];
            const marks = ".barlayer path, .heatmaplayer image, .scatterlayer path, .scatterlayer text, .gl-canvas";
            return stages.length === count && stages.every(stage => stage.querySelector(marks)
                && !stage.querySelector(".mlmviz-hint") && !stage.matches(".mlmviz-stale"));
        }""",
        arg=len(view.rooms),
    )
    expect(panel.get_by_text(say("evidence.working"), exact=True)).to_have_count(0)
    expect(panel.locator(".mlmviz-error")).to_have_count(0)


def test_widgets_that_the_page_gave_up_on_work_all_the_same(visit: Visit) -> None:
    page = visit.page
    page.add_init_script(IMPATIENT)
    visit.run("scratch.ipynb")
    visit.chip("weather").click()
    expect(visit.numbers).to_contain_text("original weather")
    before = visit.wait_for_bars()
    visit.text.fill("The weather is so bad today.")
    expect(visit.chip("bad")).to_be_visible()
    visit.wait_for_bars(unlike=before)
    page.get_by_role("button", name="Attention heads").click()
    cells, model = page.locator(".mlmviz-heads-cell"), mlm_viz.load()
    expect(cells).to_have_count(model.layers * model.heads)
    cells.nth(model.heads + 1).click()
    expect(page.locator(".mlmviz-numbers").nth(1)).to_contain_text("layer 2, head 2")
    visit.settle()
    kernel = visit.kernel()
    assert (kernel["masked"], kernel["head"]) == ([2], [1, 1])
    assert len(visit.watch.late) > 3, "no widget was late: this is no test"


def test_the_sixth_notebook_runs_and_the_slider_moves_what_it_can(visit: Visit) -> None:
    page = visit.page
    visit.lab.open(page, SIXTH)
    visit.lab.run_all(page, 5 * PATIENCE)
    assert not page.locator(".jp-OutputArea-output", has_text="Traceback").all()
    slider = page.get_by_role("slider", name="Words revealed on the right")
    slider.scroll_into_view_if_needed()
    caption = page.locator(".mlmviz-comparison [role=status]").first
    whole = caption.text_content() or ""
    panel = page.locator(".mlmviz-comparison")
    panel.get_by_role("button", name="As text").click()
    written = panel.locator(".mlmviz-text")
    seen = columns(written.text_content() or "")
    slider.focus()
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("^0 of"))
    expect(caption).not_to_have_text(whole)
    expect(written).not_to_contain_text(seen["masked"])
    blind = columns(written.text_content() or "")
    assert blind["masked, blinded to the right"] == seen["masked, blinded to the right"]
    assert blind["left to right"] == seen["left to right"], "it cannot look there"
    assert blind["span"] != seen["span"]
    # The summary leads back to where each of its cells was measured.
    link, heading = (
        page.get_by_role("link", name="words in the middle"),
        page.get_by_role("heading", name="Every word once"),
    )
    for patience in (10_000, 10_000, PATIENCE):  # what stands above may still grow, and push it away again
        link.click()
        with suppress(AssertionError):
            expect(heading).to_be_in_viewport(timeout=patience)
            break
    expect(heading).to_be_in_viewport()


def columns(written: str) -> dict[str, str]:
    """What the text form of the comparison says of each side, by its name."""
    parts = re.split(r"^(.+) \(model: .+\)$", written, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_hostile_tokens_are_text(visit: Visit) -> None:
    visit.run("scratch.ipynb")
    page = visit.page
    scripts = page.locator("script").count()
    visit.text.fill(HOSTILE)
    expect(visit.chip("script")).to_be_visible()
    page.get_by_role("button", name="Attention heads").click()
    for name in ("Surprisal", "Mask 15 %"):
        page.get_by_role("button", name=name).click()
    for switch in page.get_by_role("button", name="As text").all():
        switch.click()
    page.get_by_label("Ask for a word").fill("<img src=x onerror=alert(3)>")
    page.keyboard.press("Enter")
    page.get_by_label("bertviz", exact=True).select_option(label="head view")
    assert drawn(page, "head view", "svg line") > 0
    visit.settle()
    inside = page.locator(".mlmviz")
    assert inside.locator("img, a[href], object, embed").count() == 0
    assert page.locator("[onerror], [onload]").count() == 0
    assert page.locator("script").count() == scripts
    kernel = visit.kernel()
    assert kernel["text"] == HOSTILE
    assert kernel["error"] == ""
    assert visit.labels() == kernel["labels"]
    assert {"<", "script", ">"} <= set(kernel["labels"])
    # A lone surrogate can be pasted, but not sent back.
    visit.text.evaluate(
        """box => { box.value = "the \\ud800 day"; box.dispatchEvent(new InputEvent("input", { bubbles: true })); }"""
    )
    expect(visit.chips).to_have_count(4)  # this tokenizer passes over U+FFFD
    assert visit.kernel()["text"] == "the \ufffd day"


def test_random_masks_look_three_ways_and_two_hundred_clicks_end_right(visit: Visit) -> None:
    visit.run("scratch.ipynb")
    page = visit.page
    model = mlm_viz.load()
    sentence = model.encode(LONG)
    maskings = ((seed, mask_random(sentence, model.vocabulary, seed=seed)) for seed in range(1000))
    seed, masking = next((s, m) for s, m in maskings if len(set(m.actions)) == 3)
    visit.text.fill(LONG)
    expect(visit.chips).to_have_count(len(sentence))
    page.get_by_label("seed").fill(str(seed))
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Mask 15 %").click()
    page.wait_for_function("count => document.querySelectorAll('.mlmviz-chip[data-mark=kept]').length > 0", arg=1)
    assert visit.marks() == masking.action_at()
    looks = {
        mark: page.locator(f".mlmviz-chip[data-mark={mark}] .mlmviz-face").first.evaluate(
            "face => [getComputedStyle(face).backgroundColor, getComputedStyle(face).borderStyle, face.parentElement.innerText].join()"
        )
        for mark in ("masked", "replaced", "kept")
    }
    assert len(set(looks.values())) == 3
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".mlmviz-chip[data-mark=masked]")).to_have_count(0)
    # Two seconds of clicks, one every ten milliseconds, over five chips: the first is clicked an odd number of times.
    page.evaluate(
        """async () => {
            const faces = [1, 2, 3, 4, 5].map(at => document.querySelectorAll(".mlmviz-face")[at]);
            for (let click = 0; click < 200; click++) {
                faces[click < 199 ? click % 5 : 0].click();
                await new Promise(done => setTimeout(done, 10));
            }
        }"""
    )
    # 199 clicks in turn: 40 on each of the first four, 39 on the fifth; then one more on the first.
    visit.settle()
    expect(visit.numbers).to_contain_text("original")
    kernel = visit.kernel()
    assert kernel["masked"] == [1, 5]
    assert visit.marks() == {1: "masked", 5: "masked"}
    assert kernel["slot"] in kernel["masked"]
    assert page.locator(".mlmviz-chip[data-selected=true]").get_attribute("data-position") == str(kernel["slot"])


def test_the_dark_theme_is_readable(visit: Visit) -> None:
    visit.run("scratch.ipynb")
    page = visit.page
    visit.chip("weather").click()
    page.get_by_role("button", name="Attention heads").click()
    page.get_by_role("button", name="Surprisal").click()
    expect(page.locator(".mlmviz-stage").nth(1).locator(".heatmaplayer image")).to_have_count(1)
    for theme, light in (("JupyterLab Dark", "false"), ("JupyterLab Light", "true")):
        page.get_by_role("menuitem", name="Settings", exact=True).click()
        page.locator(".lm-Menu-itemLabel", has_text="Theme").first.hover()
        page.locator(".lm-Menu-itemLabel", has_text=theme).first.click()
        expect(page.locator("body")).to_have_attribute("data-jp-theme-light", light)
        try:
            page.wait_for_function(f"() => {{ {CONTRAST} return low().length === 0 && texts().length > 40; }}")
        except Error:
            pytest.fail(str(page.evaluate(f"() => {{ {CONTRAST} return [texts().length, ...low()]; }}")))


# Texts of the explorer whose contrast with what is behind them is too low. What is half transparent is laid over what is
# behind it; a chip's own background counts. Disabled and unseen parts are left out.
CONTRAST = """
const paper = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
const channels = (colour) => {
  paper.clearRect(0, 0, 1, 1);
  paper.fillStyle = colour;
  paper.fillRect(0, 0, 1, 1);
  return [...paper.getImageData(0, 0, 1, 1).data].map((c, i) => i < 3 ? c : c / 255);
};
const over = (front, back) => back.map((c, i) => i < 3 ? front[3] * front[i] + (1 - front[3]) * c : 1);
const luminance = (rgb) => rgb.slice(0, 3).map(c => c / 255)
  .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4).reduce((sum, c, i) => sum + [0.2126, 0.7152, 0.0722][i] * c, 0);
const behind = (node) => {
  if (!node) return [255, 255, 255, 1];
  const own = channels(getComputedStyle(node).backgroundColor);
  return own[3] === 1 ? own : over(own, behind(node.parentElement));
};
const texts = () => [...document.querySelectorAll(
  ".mlmviz-label, .mlmviz-was, .mlmviz-under, .mlmviz-facts span, .mlmviz-facts b, .mlmviz-quiet, .mlmviz-hint, .mlmviz-legend span, "
  + ".mlmviz-stage svg text, .mlmviz-heads-heading, .mlmviz-heads-caption")]
  .filter(node => node.textContent.trim() && node.getClientRects().length && getComputedStyle(node).visibility === "visible");
const low = () => texts().map(node => {
  const back = behind(node), style = getComputedStyle(node);
  const front = over(channels(node instanceof SVGElement ? style.fill : style.color), back);
  const [dark, bright] = [luminance(front), luminance(back)].sort((a, b) => a - b);
  return [(bright + 0.05) / (dark + 0.05), node.textContent, node.getAttribute("class")];
}).filter(([ratio]) => ratio < 4.5);
"""


def test_a_page_loaded_anew_goes_on(visit: Visit) -> None:
    """The kernel lives on when a page is loaded again; what stands there then is what stood there before."""
    visit.run("again.ipynb")
    visit.chip("weather").click()
    first = visit.wait_for_bars()
    visit.chip("so").click()
    visit.wait_for_bars(unlike=first)
    before = visit.bars()
    visit.page.keyboard.press("Control+S")  # from within the strip, which keeps only the plain keys to itself
    expect(visit.page.locator(".lm-TabBar-tab.jp-mod-dirty")).to_have_count(0)
    visit.page.reload()
    expect(visit.chip("so")).to_have_attribute("data-mark", "masked")
    drawn = visit.wait_for_bars()
    assert visit.bars() == before
    visit.chip("nice").click()
    expect(visit.numbers).to_contain_text("original nice")
    visit.wait_for_bars(unlike=drawn)
    assert visit.kernel()["masked"] == [2, 4, 5]
