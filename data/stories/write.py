"""Write en.txt and zh.txt, the story world: everyday sentences of one small village, told in two languages.

`python data/stories/write.py` makes both files anew from words.txt and frames.txt, always the same ones. Line n of the
one says what line n of the other says, and no line stands twice. What people are, have and do stands in words.txt
alone, so that a fact is the same wherever it is told, and a small model can learn it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from itertools import combinations, permutations, product
from pathlib import Path

HERE = Path(__file__).resolve().parent
SEED = 1

Pair = tuple[str, str]  # English, Chinese
Row = dict[str, Pair]  # a slot and what stands in it
World = dict[str, list[Row]]  # the tables of words.txt

_FORMS = ("do", "does", "doing", "did")
_SHE = {"she": ("she", "her", "her"), "he": ("he", "his", "him")}
_MEALS = {"morning": ("breakfast", "早饭"), "afternoon": ("lunch", "午饭"), "evening": ("dinner", "晚饭")}
_WRONG_A = re.compile(r"\ba (?=[aeio])")  # "a orange": what stands before a vowel is mended at the end


# --- words ----------------------------------------------------------------------------------------


def read_world() -> World:
    """The tables of words.txt, with the slots that follow from others."""
    world = {head: list(_rows(lines)) for head, lines in _sections("words.txt")}
    people = {row["name"][0]: row for row in world["people"]}
    world["acts"] = [act | people[act["name"][0]] | {"meal": _MEALS[act["time"][0]]} for act in world["acts"]]
    world["relations"] = [row | _pronouns(people[row["whose"][0]]) for row in world["relations"]]
    return world


def _sections(name: str) -> Iterator[tuple[str, list[str]]]:
    for part in (HERE / name).read_text(encoding="utf-8").split("== ")[1:]:
        head, *lines = part.strip().split("\n")
        yield head, lines


def _rows(lines: list[str]) -> Iterator[Row]:
    names = lines[0].split(" | ")
    for line in lines[1:]:
        yield _filled(dict(zip(names, map(_pair, line.split(" | ")), strict=True)))


def _pair(cell: str) -> Pair:
    english, stroke, chinese = cell.partition("/")
    return (english, chinese) if stroke else (cell, cell)


def _filled(row: Row) -> Row:
    """A row with the slots that follow from its own: forms of verbs, pronouns, singular and plural."""
    if "do" in row:
        forms, chinese = row["do"]
        said = (chinese, chinese, chinese, chinese + "了")
        row |= dict(zip(_FORMS, zip(forms.split(), said, strict=True), strict=True))
    if "she" in row:
        row |= _pronouns(row)
    if "many" in row:
        many = row["many"][0] == "many"
        row["is"], row["it"] = (("are", ""), ("they", "")) if many else (("is", ""), ("it", ""))
        row["belong"] = ("belong", "") if many else ("belongs", "")
    return row


def _pronouns(row: Row) -> Row:
    she, her, him = _SHE[row["she"][0]]
    chinese = "她" if she == "she" else "他"
    return {"she": (she, chinese), "her": (her, chinese), "him": (him, chinese)}


# --- scenes: what a sentence may be about ---------------------------------------------------------


def scenes(world: World) -> dict[str, list[Row]]:
    """For every section of frames.txt the rows its slots are filled from."""
    work = [day for day in world["days"] if day["kind"][0] == "work"]
    rest = [day for day in world["days"] if day["kind"][0] == "rest"]
    things = [_counted(row) for row in _joined(world["people"], world["things"])]
    gifts = [one | _other(two) for one, two in permutations(world["people"], 2)]
    pairs = [one | _other(two) for one, two in combinations(world["people"], 2)]
    outside = [act for act in world["acts"] if act["sky"][0] == "out"]
    inside = [act for act in world["acts"] if act["sky"][0] == "in"]
    return {
        "people": world["people"],
        "people times": _joined(world["people"], world["times"]),
        "meals": _joined(world["people"], world["meals"]),
        "acts": world["acts"],
        "acts days": _joined(world["acts"], world["days"], lambda row: row["days"][0] in {"all", row["kind"][0]}),
        "acts outside": _joined(outside, world["good weather"]),
        "acts inside": _joined(inside, world["bad weather"]),
        "acts spoiled": _joined(outside, world["bad weather"]),
        "things": things,
        "things places": [thing | {"place": place} for thing in things for place in _places(thing)],
        "clothes": _joined(things, world["bad weather"], lambda row: row["clothes"][0] == row["thing"][0]),
        "gifts": gifts,
        "gifts days": _joined(gifts, world["days"]),
        "meetings": _joined(_joined(pairs, world["meetings"]), rest),
        "travel": _joined(world["people"], work),
        "seasons": _joined(world["people"], world["seasons"]),
        "pets": _joined(_joined(world["pets"], world["times"]), world["good weather"]),
        "herds": _joined(_joined(world["herds"], world["times"]), world["good weather"]),
        "relations": _joined(world["relations"], world["times"]),
        "places": _joined(world["places"], world["times"]),
        "calendar": world["days"],
        "nature": [{}],
    }


def _joined(ones: list[Row], others: list[Row], keep: Callable[[Row], bool] = lambda _: True) -> list[Row]:
    """Every row of the one beside every row of the other, as far as they go together."""
    return [row for one, other in product(ones, others) if keep(row := one | other)]


def _other(person: Row) -> Row:
    """A second person beside the first: a name and how one speaks of them as an object."""
    return {"other": person["name"], "other_him": person["him"]}


def _counted(row: Row) -> Row:
    colour = row["colour"]
    return row | {"a_colour": colour if row["many"][0] == "many" else ("a " + colour[0], colour[1])}


def _places(row: Row) -> list[Pair]:
    english, chinese = (side.split("; ") for side in row["places"])
    return list(zip(english, chinese, strict=True))


# --- sentences ------------------------------------------------------------------------------------


def stories() -> list[Pair]:
    """All sentences in the order of the files, English and Chinese."""
    rows, rng = scenes(read_world()), random.Random(SEED)  # noqa: S311 (no secret is made of it)
    told: list[Pair] = []
    for head, frames in _sections("frames.txt"):
        name, most = head.rsplit(" ", 1)
        said = [_say(frame, row) for frame in frames for row in rows[name]]
        told += _shuffled(_once(said), rng)[: int(most)]
    return _shuffled(_once(told), rng)


def _say(frame: str, row: Row) -> Pair:
    english, chinese = frame.split(" = ")
    slots = row | {slot.capitalize(): (pair[0][:1].upper() + pair[0][1:], pair[1]) for slot, pair in row.items()}
    said = english.format_map({slot: pair[0] for slot, pair in slots.items()})
    said = _WRONG_A.sub("an ", said)
    return said[0].upper() + said[1:], chinese.format_map({slot: pair[1] for slot, pair in slots.items()})


def _once(pairs: list[Pair]) -> list[Pair]:
    """Without those of which one side was there before."""
    # Turned round, because of equal keys the last one stays.
    by_english = dict(reversed(pairs))
    by_chinese = {chinese: english for english, chinese in reversed(by_english.items())}
    return [(english, chinese) for chinese, english in by_chinese.items()]


def _shuffled(pairs: list[Pair], rng: random.Random) -> list[Pair]:
    """In random order, the same with every version of Python, which `shuffle` does not promise."""
    return [pair for _, pair in sorted((rng.random(), pair) for pair in pairs)]


def write(folder: Path = HERE) -> None:
    """Make both files in a folder."""
    for language, lines in zip(("en", "zh"), zip(*stories(), strict=True), strict=True):
        (folder / f"{language}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write()
