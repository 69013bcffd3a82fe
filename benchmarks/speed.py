"""How much CPU time it takes: one click, predictions, a sweep, the import."""

from __future__ import annotations

import statistics
import subprocess
import sys
from itertools import cycle

import torch

import mlm_viz
from benchmarks.measuring import Measure, Work, alternate, cpu_ms
from benchmarks.page import open_page
from benchmarks.subjects import Subject
from mlm_viz.state import ExplorerState

TOKENS = 24
_IMPORT = "import time; start = time.process_time(); import mlm_viz; print(time.process_time() - start)"


def clicks(subject: Subject, rounds: int) -> list[Measure]:
    """One click (another token masked, the shades being there already) beside a pass, attention closed and open."""
    text = subject.text(TOKENS)
    inputs = subject.pipe.tokenizer(text, return_tensors="pt")
    state = ExplorerState(subject.model, text)
    state.want(surprisal=True)

    # Without inference_mode the bare pass would also keep what gradients need, and be slower.
    @torch.inference_mode()
    def bare() -> None:
        subject.bare(**inputs)

    measures = []
    for attention in (False, True):
        state.want(attention=attention)
        sides = alternate(_click(state), bare, rounds)
        what = f"one click / model(**inputs), attention {'open' if attention else 'closed'}"
        measures.append(_ratio(what, subject, sides.ratio, 1.3, sides.ours, sides.theirs, at_most=True))
    return measures


def _click(state: ExplorerState) -> Work:
    assert state.sentence is not None
    positions = cycle(state.sentence.maskable)

    def click() -> None:
        position, before = next(positions), state.model.calls
        state.set_masked([position])
        assert state.model.calls == before + 1, "one click is one pass"

    return click


def page_click(subject: Subject, rounds: int) -> Measure:
    """One click with all panels of the page drawn, attention open; what plotly and the widgets cost is in it."""
    click = _click(open_page(subject.text(TOKENS), subject.model).state)
    click()
    cost = statistics.median(cpu_ms(click) for _ in range(rounds))
    return Measure("one click, every panel drawn", subject.name, cost, "CPU ms")


def one_prediction(subject: Subject, rounds: int) -> Measure:
    """One sentence and its five best words, which is what the pipeline gives."""
    text, model, pipe = subject.text(TOKENS, blank=True), subject.model, subject.pipe
    sides = alternate(lambda: mlm_viz.predict(text, model).top(5), lambda: pipe(text), rounds)
    what = "pipeline / predict, one sentence"
    return _ratio(what, subject, 1 / sides.ratio, 1.0, sides.ours, sides.theirs)


def many_predictions(subject: Subject, rounds: int, count: int) -> Measure:
    """Sentences of 8 to 40 tokens as one list."""
    texts, model, pipe = subject.texts(count, 8, 40), subject.model, subject.pipe
    sides = alternate(lambda: mlm_viz.predict(texts, model), lambda: pipe(texts), rounds)
    what = f"pipeline(list) / predict(list), {count} sentences"
    return _ratio(what, subject, 1 / sides.ratio, 3.0, sides.ours, sides.theirs)


def sweeps(subject: Subject, rounds: int) -> Measure:
    """Every token masked in turn."""
    text, model, pipe = subject.text(TOKENS), subject.model, subject.pipe
    words = text.split()  # a token each

    def one_by_one() -> None:
        for place in range(len(words)):
            pipe(" ".join([*words[:place], pipe.tokenizer.mask_token, *words[place + 1 :]]))

    sides = alternate(lambda: mlm_viz.sweep(text, model, progress=False), one_by_one, rounds)
    what = f"pipeline, token by token / sweep, {TOKENS} tokens"
    return _ratio(what, subject, 1 / sides.ratio, 5.0, sides.ours, sides.theirs)


def import_time(rounds: int) -> Measure:
    """`import mlm_viz` in a new process."""
    seconds = [
        float(subprocess.run([sys.executable, "-c", _IMPORT], check=True, capture_output=True, text=True).stdout)
        for _ in range(rounds)
    ]
    return Measure("import mlm_viz", "", statistics.median(seconds), "CPU s", 0.3)


def _ratio(
    what: str, subject: Subject, ratio: float, bar: float, ours: float, theirs: float, *, at_most: bool = False
) -> Measure:
    return Measure(what, subject.name, ratio, "x", bar, "at most" if at_most else "at least", ours, theirs)
