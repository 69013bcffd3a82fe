"""The notebooks: as they are kept, and executed from top to bottom as a reader would."""

from __future__ import annotations

import ast
import os
import re
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MOST_LINES = 14
FEW_STEPS = 20
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}

every = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def code_cells(book: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in book.cells if cell.cell_type == "code"]


def test_there_are_notebooks():
    assert [path.stem for path in NOTEBOOKS][:3] == ["01_fill_the_blank", "02_masking", "03_attention_heads"]


# --- as they are kept ---------------------------------------------------------------------------------------------------


@every
def test_form(path):
    book = read(path)
    nbformat.validate(book)
    assert (book.nbformat, book.nbformat_minor) == (4, 5)
    assert book.metadata.kernelspec == KERNEL, "without it JupyterLab asks for a kernel"
    assert set(book.metadata) <= {"kernelspec", "language_info"}
    ids = [cell.id for cell in book.cells]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z][a-z0-9-]+", name) for name in ids), "ids are kept by hand, so that diffs stay small"


@every
def test_nothing_that_running_leaves_behind(path):
    for cell in read(path).cells:
        assert not cell.metadata
        if cell.cell_type == "code":
            assert cell.outputs == [], cell.id
            assert cell.execution_count is None, cell.id


@every
def test_cells_are_short_and_define_nothing(path):
    for cell in code_cells(read(path)):
        assert len(cell.source.splitlines()) <= MOST_LINES, cell.id
        defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
        assert not [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, defined)], cell.id


@every
def test_every_cell_is_led_up_to_by_a_question(path):
    cells = read(path).cells
    for before, cell in pairwise(cells):
        if cell.cell_type == "code":
            assert before.cell_type == "markdown", cell.id
            assert re.search(r"\*\*Guess first|Before you run", before.source), cell.id


@every
def test_both_languages_and_the_five_parts(path):
    cells = read(path).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for heading in re.findall(r"^## \d+ · .*\n\n(.*)$", prose, flags=re.MULTILINE):
        assert heading.startswith("中文："), heading
    steps = len(re.findall(r"^## \d+ · ", prose, flags=re.MULTILINE))
    assert steps >= 5
    for part in ("**Look at**", "**Try**", "**Mind**"):
        assert prose.count(part) >= steps, part
    for section in re.split(r"^(?=## \d+ · )", prose, flags=re.MULTILINE)[1:]:
        assert re.search(r"^\*\*中文\*\* · .{20}", section, flags=re.MULTILINE), section.partition("\n")[0]


@every
def test_links_lead_somewhere(path):
    prose = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    headings = {"#" + heading.replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", prose, flags=re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", prose):
        assert target in headings or (path.parent / target).is_file(), target


def test_the_explorer_comes_at_once():
    first = read(NOTEBOOKS[0]).cells[:3]
    assert any(cell.cell_type == "code" and "mlm_viz.explore(" in cell.source for cell in first)


def test_the_fourth_asks_all_that_the_panel_asks():
    source = "\n".join(cell.source for cell in code_cells(read(ROOT / "notebooks" / "04_why_it_moved.ipynb")))
    asked = (
        "influence",
        "direction",
        "reveal",
        "head_board",
        "silencing_self_test",
        "fewest_heads",
        "attention_effect",
    )
    for name in (*asked, "attention_views", "lens", "minimal_pair", "fill_orders", "contrast"):
        assert f"mlm_viz.{name}(" in source, name
    assert ".evidence_panel.show(" in source
    assert source.count("assert ") >= 7, "what the prose says of the numbers is checked where it is said"


# --- executed ------------------------------------------------------------------------------------------------------------


class ThisPython(AsyncKernelManager):
    """Starts kernels of the Python that runs the tests, whatever kernel is installed as python3."""

    def format_kernel_cmd(self, extra_arguments=None):
        return [sys.executable, *super().format_kernel_cmd(extra_arguments)[1:]]


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """A copy of the notebook, run in a fresh kernel, in an empty folder and without the hub.

    Its trainings take a few steps only: test_how_it_learns.py is about what they teach.
    """
    book = read(path)
    for cell in code_cells(book):
        cell.source = re.sub(r"\b(steps(?:=|\": ))\d+", rf"\g<1>{FEW_STEPS}", cell.source)
    where = {"metadata": {"path": str(folder)}}
    client = NotebookClient(book, kernel_manager_class=ThisPython, timeout=600, resources=where)
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    # One thread: two that share a busy machine's cores wait for each other most of the time.
    client.execute(env={**os.environ, "PYTHONPATH": paths, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"})
    return book


@pytest.mark.notebook
@pytest.mark.slow
@pytest.mark.timeout(1200)
@every
def test_runs_from_top_to_bottom(path, tmp_path):
    cells = code_cells(execute(path, tmp_path))
    for cell in cells:
        assert cell.outputs, f"{cell.id} shows nothing"
        for output in cell.outputs:
            assert output.output_type != "error", f"{cell.id}: {output.get('ename')}: {output.get('evalue')}"
            assert output.get("name") != "stderr", f"{cell.id}: {output.get('text')}"
    shown = {kind for cell in cells for output in cell.outputs for kind in output.get("data", {})}
    assert {"application/vnd.jupyter.widget-view+json", "application/vnd.plotly.v1+json"} <= shown
    assert list(tmp_path.iterdir()) == [], "a notebook leaves no files behind"
