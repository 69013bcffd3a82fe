"""Takes the pictures for the README from the real page: `make screenshots`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

import mlm_viz

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.browser.lab import ROOT, Lab, Watch, lab, launch, write_notebook

DOCS = ROOT / "docs"
WIDTH = 1400
MOST_BYTES = 400_000
OPEN = "import mlm_viz\n\nexplorer = mlm_viz.explore({text!r})\nexplorer"
ENGLISH = "I would like a cup of tea, please."
CHINESE = "今天天气很____，我们决定去公园野餐。"
# Hides what is JupyterLab's and changes from run to run.
QUIET = ".jp-Notebook-footer, .jp-cell-toolbar, .jp-Toolbar, .jp-OutputPrompt { visibility: hidden !important } * { caret-color: transparent !important }"


def settle(page: Page) -> None:
    """Wait until everything is drawn and nothing is on its way."""
    expect(page.locator(".mlmviz-strip")).to_have_attribute("aria-busy", "false")
    expect(page.locator(".mlmviz-stale")).to_have_count(0)
    expect(page.locator(".mlmviz-stage").first.locator(".ytick").first).to_be_visible()
    page.evaluate("document.fonts.ready")
    # Two frames in which nothing moves: plotly has drawn, and the transitions are over.
    page.wait_for_function(
        """() => new Promise(done => {
            const look = () => [...document.querySelectorAll(".mlmviz *")].map(n => {
                const box = n.getBoundingClientRect();
                return [box.x, box.y, box.width, getComputedStyle(n).opacity];
            }).join();
            const before = look();
            requestAnimationFrame(() => requestAnimationFrame(() => done(before === look())));
        })"""
    )
    page.mouse.move(2, 2)
    page.evaluate("document.activeElement?.blur()")


def open_explorer(page: Page, server: Lab, text: str, *, dark: bool) -> Locator:
    """A notebook with nothing but the explorer, run; gives the explorer."""
    write_notebook(server.folder / "docs.ipynb", [OPEN.format(text=text)])
    server.open(page, "docs.ipynb")
    page.add_style_tag(content=QUIET)
    if dark:
        page.get_by_role("menuitem", name="Settings", exact=True).click()
        page.locator(".lm-Menu-itemLabel", has_text="Theme").first.hover()
        page.locator(".lm-Menu-itemLabel", has_text="JupyterLab Dark").first.click()
        expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    page.keyboard.press("Control+B")  # the list of files leaves the page to the notebook
    server.run_all(page)
    expect(page.locator(".mlmviz-chip").first).to_be_visible()
    return page.locator(".mlmviz").first


def chip(page: Page, label: str) -> Locator:
    return page.locator(f".mlmviz-chip:has(> .mlmviz-face[data-label='{label}'])").first


def shoot(page: Page, what: Locator, name: str, margin: int = 4) -> None:
    """Save a picture of one element with a little of the page around it."""
    settle(page)
    box = what.bounding_box()
    assert box is not None
    clip = {"x": box["x"] - margin, "y": box["y"] - margin}
    clip |= {"width": box["width"] + 2 * margin, "height": box["height"] + 2 * margin}
    target = DOCS / name
    page.screenshot(path=target, clip=clip, animations="disabled", caret="hide")
    assert target.stat().st_size < MOST_BYTES, f"{name} has {target.stat().st_size} bytes"
    print(target.relative_to(ROOT), target.stat().st_size)


def explorer_in_english(page: Page, server: Lab) -> None:
    """A masked word, its original marked, shades under the chips."""
    what = open_explorer(page, server, ENGLISH, dark=False)
    chip(page, "tea").click()
    expect(page.locator(".mlmviz-numbers").first).to_contain_text("original tea")
    page.get_by_role("button", name="Surprisal").click()
    expect(page.locator(".mlmviz-ramp")).to_be_visible()
    shoot(page, what, "explorer.png")


def explorer_in_chinese(page: Page, server: Lab) -> None:
    """A typed blank and a masked character, filled together, in the dark theme."""
    what = open_explorer(page, server, CHINESE, dark=True)
    chip(page, "园").click()
    expect(page.locator(".mlmviz-numbers").first).to_contain_text("original 园")
    expect(page.locator(".mlmviz-table tbody tr")).to_have_count(5)
    shoot(page, what, "explorer-zh-dark.png")


def attention_heads(page: Page, server: Lab) -> None:
    """The grid of heads and one head as a heat map."""
    open_explorer(page, server, ENGLISH, dark=False)
    chip(page, "tea").click()
    page.get_by_role("button", name="Attention heads").click()
    page.locator(".mlmviz-heads-cell").nth(mlm_viz.load().heads + 1).click()
    expect(page.locator(".mlmviz-numbers").nth(1)).to_contain_text("layer 2, head 2")
    expect(page.locator(".mlmviz-stage").nth(1).locator(".heatmaplayer image")).to_have_count(1)
    shoot(page, page.locator(".mlmviz-split"), "heads.png", margin=0)


def take(browser: Browser, server: Lab) -> None:
    """All pictures, each in a fresh page that may not reach the network."""
    for picture in (explorer_in_english, attention_heads, explorer_in_chinese):  # the theme stays as it was last
        page = browser.new_page(viewport={"width": WIDTH, "height": 2600})
        page.set_default_timeout(60_000)
        Watch().follow(page)
        picture(page, server)
        page.close()


def main() -> None:
    DOCS.mkdir(exist_ok=True)
    expect.set_options(timeout=60_000)
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as driver:
        folder = Path(temporary) / "notebooks"
        folder.mkdir()
        with lab(folder) as server:
            browser = launch(driver)
            take(browser, server)
            browser.close()


if __name__ == "__main__":
    main()
