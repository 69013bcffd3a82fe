"""Sentences to begin with, in both languages: what the explorer's menu offers, and more to count over or to train on.

All of it was written for this project.
"""

from __future__ import annotations

from pathlib import Path

from mlm_viz.errors import TextError
from mlm_viz.paths import data_dir
from mlm_viz.strings import say

EXAMPLES: dict[str, tuple[str, ...]] = {
    "English": (
        "The weather is so ____ today.",
        "What [MASK] is it now?",
        "I would like a cup of [MASK], please.",
        "She opened the [MASK] and walked in.",
        "He deposited the money in the [MASK].",
        "The keys to the cabinet [MASK] on the table.",
        "[MASK] [MASK] city is very big.",
    ),
    "中文": (
        "今天天气很____，我们决定去公园野餐。",
        "我[MASK]天要去书店买书。",
        "我[MASK]自然[MASK]处理",
        "我很[MASK]欢吃苹果。",
        "他昨天没有来[MASK]校。",
        "你叫什么名[MASK]？",
    ),
}


def sentences(language: str) -> list[str]:
    """Everyday sentences to count and average over, two hundred in each language.

    Args:
        language: "en" or "zh".

    Raises:
        TextError: for any other language; names those there are.
    """
    return _file("sentences", language).read_text(encoding="utf-8").splitlines()


def stories(*languages: str) -> list[Path]:
    """Files of the story world, to train a very small model on: the life of six people in one village.

    Some three thousand lines in each language; line n says the same in both. What people are, have and do is the same
    wherever it is told: Mia bakes bread, Tom's things are blue, in winter it is cold.

    Args:
        *languages: "en", "zh"; all there are by default.

    Raises:
        TextError: for any other language; names those there are.
    """
    return [_file("stories", language) for language in languages or _languages("stories")]


def passages(language: str) -> tuple[tuple[str, ...], ...]:
    """Short passages of connected prose, each its sentences in order; no sentence stands there twice.

    Args:
        language: "en" or "zh".

    Raises:
        TextError: for any other language; names those there are.
    """
    text = _file("passages", language).read_text(encoding="utf-8")
    return tuple(tuple(passage.splitlines()) for passage in text.strip().split("\n\n"))


def _file(folder: str, language: str) -> Path:
    known = _languages(folder)
    if language not in known:
        raise TextError(say("sentences.language", language=language, known=", ".join(known)))
    return data_dir() / folder / f"{language}.txt"


def _languages(folder: str) -> list[str]:
    return sorted(path.stem for path in (data_dir() / folder).glob("??.txt"))
