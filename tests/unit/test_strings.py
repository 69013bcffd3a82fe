"""The strings people read: each that is asked for exists, each that exists is asked for, with the values it needs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from mlm_viz import strings
from mlm_viz.strings import LANGUAGES, say, section

PACKAGE = Path(strings.__file__).parent
ENGLISH = LANGUAGES["en"]
# Handed to the page as a whole; the scripts ask for them by what follows the first dot.
WIDGETS = PACKAGE / "widgets"
SCRIPTS = {"strip": WIDGETS / "strip.js", "heads": WIDGETS / "heads.js", "player": WIDGETS / "film_controls.js"}
OPEN = "[^.]+"  # any part of a key between two dots
Asked = tuple[str, str, set[str] | None]  # where, pattern of the key, names of the values (None: not known)


def calls() -> Iterator[Asked]:
    """Every `say(...)` of the package: the key as a pattern, `OPEN` where it is put together while running."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
                values = {keyword.arg for keyword in node.keywords}
                known = None if None in values else {name for name in values if name is not None}
                yield f"{path.name}:{node.lineno}", pattern_of(node.args[0]), known


def pattern_of(key: ast.expr) -> str:
    match key:
        case ast.Constant(value=str(text)):
            return re.escape(text)
        case ast.JoinedStr(values=parts):
            return "".join(pattern_of(part) for part in parts)
        case ast.IfExp(body=body, orelse=other):
            return f"(?:{pattern_of(body)}|{pattern_of(other)})"
        case ast.FormattedValue():
            return OPEN
        case _:
            return ".+"


def literals() -> set[str]:
    """Every string written in the package outside `strings.py`."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        if path.name != "strings.py":
            nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            found |= {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    return found


def fields(text: str) -> set[str]:
    return {name.split(".")[0].split("[")[0] for _, name, _, _ in Formatter().parse(text) if name}


# Where the whole key is a variable, nothing can be said.
CALLS = [call for call in calls() if call[1] != ".+"]


def test_there_is_something_to_check() -> None:
    assert len(CALLS) > 100
    assert len(ENGLISH) > 150


@pytest.mark.parametrize(("place", "pattern", "values"), CALLS, ids=[place for place, _, _ in CALLS])
def test_what_is_asked_for_exists_and_gets_its_values(place: str, pattern: str, values: set[str] | None) -> None:
    keys = [key for key in ENGLISH if re.fullmatch(pattern, key)]
    assert keys, f"{place} asks for {pattern}"
    if values is None:
        return
    served = [key for key in keys if fields(ENGLISH[key]) <= values]
    assert served == keys or (OPEN in pattern and served), f"{place}: {keys} need more than {values}"
    unused = values - set().union(*(fields(ENGLISH[key]) for key in keys))
    assert not unused, f"{place}: {keys} do not use {unused}"


def test_every_string_is_asked_for() -> None:
    patterns = [re.compile(pattern) for _, pattern, _ in CALLS if not pattern.startswith(OPEN)]
    written = literals()
    asked = {key for key in ENGLISH if any(pattern.fullmatch(key) for pattern in patterns)}
    # Handed on before it is asked for: as a whole, or as a menu's name and one of its values.
    asked |= {key for key in ENGLISH if key in written or set(key.rsplit(".", 1)) <= written}
    for prefix, script in SCRIPTS.items():
        source = script.read_text(encoding="utf-8")
        for key in section(prefix):
            ends = key.rsplit(".", 1)[0]
            if f'"{key}"' in source or f"`{ends}.${{" in source or re.search(rf"\.{re.escape(key)}\b", source):
                asked.add(f"{prefix}.{key}")
    assert sorted(set(ENGLISH) - asked) == []


@pytest.mark.parametrize("code", sorted(set(LANGUAGES) - {"en"}))
def test_languages_have_the_same_keys_and_values(code: str) -> None:
    other = LANGUAGES[code]
    assert other.keys() == ENGLISH.keys()
    assert {key: fields(text) for key, text in other.items()} == {key: fields(text) for key, text in ENGLISH.items()}


def test_values_are_not_formatted_again() -> None:
    assert "{0} {name} %s" in say("error.no_such_word", word="{0} {name} %s")


def test_a_language_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="en"):
        strings.set_language("tlh")
    strings.set_language("en")
    assert strings.language() == "en"
