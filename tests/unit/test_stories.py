"""The story world: made anew it is the same, and what it tells is dependable, in both languages."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import nbformat
import pytest

from mlm_viz.errors import TextError
from mlm_viz.examples import stories
from mlm_viz.training.corpus import survey
from mlm_viz.training.recipe import as_texts
from mlm_viz.training.vocabulary import choose_pieces, count_words

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "data" / "stories"
NAMES = {"Mia": "米娅", "Tom": "汤姆", "Anna": "安娜", "Leo": "里奥", "Grandma": "奶奶", "Ben": "阿本"}
COLOURS = {
    "Mia": "red 红",
    "Tom": "blue 蓝",
    "Anna": "yellow 黄",
    "Leo": "orange 橙",
    "Grandma": "purple 紫",
    "Ben": "green 绿",
}
WOMEN = {"Mia", "Anna", "Grandma"}
THINGS = r"\b(coat|hat|scarf|shoes|gloves|umbrella|bag|cup|door|chair)\b"
ONLY = {
    r"\bba(ke|kes|king|ked) bread|烤了?面包": "Mia",
    r"football|踢了?足球": "Leo",
    r"guitar|吉他": "Tom",
    r"maths|数学": "Anna",
    r"\bwater(s|ed|ing)? the flowers|浇了?花": "Grandma",
    r"milk(s|ed|ing)? the cows|挤了?牛奶": "Ben",
}


@pytest.fixture(scope="module")
def twins() -> list[tuple[str, str]]:
    english, chinese = (path.read_text(encoding="utf-8").splitlines() for path in stories())
    return list(zip(english, chinese, strict=True))


def named(english: str) -> set[str]:
    return {name for name in NAMES if re.search(rf"\b{name}\b", english)}


def test_written_anew_it_is_the_same(tmp_path: Path) -> None:
    runpy.run_path(str(FOLDER / "write.py"))["write"](tmp_path)
    for name in ("en.txt", "zh.txt"):
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), "run data/stories/write.py"


def test_size_and_form(twins: list[tuple[str, str]]) -> None:
    assert 3000 <= len(twins) <= 6000
    assert len({english.casefold() for english, _ in twins}) == len({chinese for _, chinese in twins}) == len(twins)
    for english, chinese in twins:
        assert re.fullmatch(r"[A-Z][A-Za-z ,:'?]*[a-z][.?]", english.replace("? ", " ").replace(". ", " ")), english
        assert not re.search(r"\ba (?=[aeio])|\ban (?=[^aeiou])|  | [,.?]", english), english
        assert re.fullmatch(r"[\u4e00-\u9fff，？]+[。？]", chinese.replace("。", "", chinese.count("。") - 1)), chinese


def test_both_languages_tell_of_the_same_people(twins: list[tuple[str, str]]) -> None:
    for english, chinese in twins:
        assert {NAMES[name] for name in named(english)} == {name for name in NAMES.values() if name in chinese}, english


def test_everybody_has_one_colour(twins: list[tuple[str, str]]) -> None:
    seen = set()
    for english, chinese in twins:
        people = named(english)
        if len(people) == 1 and re.search(THINGS, english):
            name = people.pop()
            for other, colour in COLOURS.items():
                in_english, in_chinese = colour.split()
                told = re.search(rf"\b{in_english}\b", english) is not None
                assert told == (f"{in_chinese}色" in chinese), english
                assert not told or other == name, english
                seen |= {name} if told else set()
    assert seen == set(NAMES)


def test_everybody_does_what_they_do(twins: list[tuple[str, str]]) -> None:
    for pattern, name in ONLY.items():
        told = [(english, chinese) for english, chinese in twins if re.search(pattern, english)]
        assert len(told) >= 30
        for english, chinese in told:
            assert named(english) == {name}, english
            assert re.search(pattern, chinese), chinese


def test_pronouns_agree(twins: list[tuple[str, str]]) -> None:
    checked = 0
    for english, chinese in twins:
        people = named(english)
        if len(people) == 1:
            wrong = r"\b(he|his|him)\b|他" if people <= WOMEN else r"\b(she|her|hers)\b|她"
            wrong = wrong.replace("他", "他(?!们)")
            assert not re.search(wrong, f"{english} {chinese}", re.IGNORECASE), (english, chinese)
            checked += bool(re.search(r"\b(s?he|her|his)\b", english, re.IGNORECASE))
    assert checked > 300


def test_seasons_are_as_they_are(twins: list[tuple[str, str]]) -> None:
    for english, chinese in twins:
        if "snowman" in english or "skat" in english:  # when autumn is over, too
            assert re.search("winter|autumn", english, re.IGNORECASE), english
            assert re.search("冬天|秋天", chinese), chinese
        if match := re.search(r"In (\w+) it is (\w+)\.", english):
            assert match.groups() in {("spring", "warm"), ("summer", "hot"), ("autumn", "cool"), ("winter", "cold")}


def test_what_the_notebook_asks_for_is_one_token() -> None:
    book = nbformat.read(ROOT / "notebooks" / "05_how_it_learns.ipynb", as_version=nbformat.NO_CONVERT)
    source = "\n".join(cell.source for cell in book.cells if cell.cell_type == "code")
    asked = set(re.findall(r"\{([^\W_]+)\}[^\n]*[.。]\"", source))
    assert {"bread", "blue", "面"} <= asked
    pieces = choose_pieces(count_words(survey(as_texts(stories())), 0.05), 1000)
    assert asked - {"好"} <= set(pieces)  # that one is asked of a model of other sentences
    assert len(pieces) < 1000


def test_files_by_language() -> None:
    assert stories() == stories("en", "zh")
    assert [path.name for path in stories("zh")] == ["zh.txt"]
    with pytest.raises(TextError, match="en, zh"):
        stories("de")
