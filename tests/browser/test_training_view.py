"""A model trained in real JupyterLab: the chart moves, Stop works while the cell runs, and the model can be explored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.lab import PATIENCE, Lab, Watch, lab, write_notebook
from tests.story import story_lines

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

# So large a budget that both trainings end by being stopped.
CELLS = [
    """import json, mlm_viz, torch
torch.set_num_threads(1)  # leaves a processor to the browser
nano = mlm_viz.train_live("story.txt", sentences=["the cat {sat} on the mat 5."], minutes=20,
    layers=1, width=32, vocab=200, limit=32, short=16, batch_tokens=256, device="cpu")
nano""",
    'mlm_viz.explore("the cat ____ on the mat 5.", nano.model())',
    "more = nano.resume(minutes=30)",
    """print("KERNEL", json.dumps([nano.trained.steps, more.trained.steps, more.trained.finished]))""",
]


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("training") / "notebooks"
    folder.mkdir()
    (folder / "story.txt").write_text("\n".join(story_lines()), encoding="utf-8")
    write_notebook(folder / "train.ipynb", CELLS)
    with lab(folder) as started:
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1400, "height": 1200})
    page, watch = context.new_page(), Watch()
    page.set_default_timeout(PATIENCE)
    watch.follow(page)
    yield page
    context.close()
    assert watch.outside == []
    assert watch.errors == []


def wait_for_steps(view: Locator, more_than: int) -> int:
    """The step that is shown, once it is beyond another, and the curve with it."""
    handle = view.element_handle()
    found: Any = view.page.wait_for_function(
        """([view, least]) => {
            const step = Number(view.querySelector(".mlmviz-facts b").textContent.replaceAll(",", ""));
            const mean = view.querySelectorAll(".js-line")[1]?.getAttribute("d") ?? "";
            return step > least && mean.split(/[LC]/).length > 3 ? step : 0;
        }""",
        arg=[handle, more_than],
    ).json_value()
    return int(found)


def test_train_stop_explore_and_go_on(page: Page, jupyter: Lab) -> None:
    jupyter.open(page, "train.ipynb")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator(".lm-Menu-itemLabel", has_text="Run All Cells").first.click()

    view = page.locator(".mlmviz-live").first
    expect(view.locator(".mlmviz-live-status")).to_contain_text("Training.")
    seen = wait_for_steps(view, more_than=0)
    mean = view.locator(".js-line").nth(1)
    expect(mean).not_to_have_attribute("d", mean.get_attribute("d") or "")  # it moves while the cell runs
    expect(view.locator(".mlmviz-live-guesses bdi")).to_have_count(5)
    view.get_by_role("button", name="Stop").focus()
    page.keyboard.press("Space")
    expect(view.locator(".mlmviz-live-status")).to_contain_text("Stopped after")

    expect(page.locator(".mlmviz-chip").first).to_be_visible()
    expect(page.locator(".mlmviz-stage .ytick").first).to_be_visible()

    again = page.locator(".mlmviz-live").nth(1)
    wait_for_steps(again, more_than=seen)
    page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) [data-command='notebook:interrupt-kernel']").first.click()
    expect(again.locator(".mlmviz-live-status")).to_contain_text("Stopped after")
    output = page.locator(".jp-OutputArea-output", has_text="KERNEL")
    stopped, more, finished = json.loads((output.text_content() or "").partition("KERNEL")[2])
    assert seen < stopped < more
    assert not finished
    assert page.locator(".jp-OutputArea-output", has_text="Traceback").count() == 0
    assert page.locator(".jp-OutputArea-output", has_text="LiveTraining(").count() == 1
