"""The strip's Python half: what it accepts, refuses, and hands to the page. No kernel."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import traitlets

from mlm_viz.strings import section
from mlm_viz.widgets.strip import TokenStrip

SCRIPT = Path(__file__).parents[2] / "mlm_viz" / "widgets" / "strip.js"


def test_a_new_strip_is_empty() -> None:
    strip = TokenStrip()
    assert not strip.tokens
    assert not strip.marks
    assert strip.selected == -1
    assert strip.shades is None
    assert strip.strings == section("strip")


def test_the_state_is_json() -> None:
    token = {"label": "天", "title": "天 (id 7)", "word": 0, "special": False, "blank": False}
    strip = TokenStrip(tokens=[token], marks={"0": "replaced"}, replacements={"0": "气"}, shades=[0.5], selected=0)
    state = json.loads(json.dumps(strip.get_state()))
    assert state["tokens"] == [token]
    assert state["marks"] == {"0": "replaced"}
    assert state["shades"] == [0.5]


@pytest.mark.parametrize("marks", [{"0": "hidden"}, {"a": "masked"}, {"-1": "masked"}, {"²": "masked"}, {0: "masked"}])
def test_marks_that_mean_nothing_are_refused(marks: Any) -> None:
    with pytest.raises(traitlets.TraitError):
        TokenStrip(marks=marks)


@pytest.mark.parametrize("shade", [-0.1, 1.1, float("nan"), float("inf")])
def test_shades_outside_the_unit_interval_are_refused(shade: float) -> None:
    with pytest.raises(traitlets.TraitError, match=r"\[0, 1\]"):
        TokenStrip(shades=[0.0, shade])


def test_no_slot_is_minus_one_and_nothing_below() -> None:
    with pytest.raises(traitlets.TraitError):
        TokenStrip(selected=-2)


def test_marks_from_the_page_are_not_sent_back(monkeypatch: pytest.MonkeyPatch) -> None:
    strip = TokenStrip()
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(strip, "_send", lambda message, buffers=None: sent.append(message))
    seen: list[dict[str, str]] = []
    strip.observe(lambda change: seen.append(change.new), "marks")
    strip.set_state({"marks": {"3": "masked"}, "selected": 3})
    assert seen == [{"3": "masked"}]
    assert [message for message in sent if message["method"] == "update"] == []


def test_every_string_the_script_asks_for_exists() -> None:
    script = SCRIPT.read_text(encoding="utf-8")
    asked = set(re.findall(r'say\("([\w.]+)"', script)) | set(re.findall(r'"((?:said|hint|tab|name)\.\w+)"', script))
    assert len(asked) > 10
    assert asked <= set(section("strip"))
    for mark in ("masked", "replaced", "kept"):
        assert {f"legend.{mark}", f"name.{mark}", f"tab.{mark}"} <= set(section("strip"))
