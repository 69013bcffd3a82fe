"""Sentences to begin with, in both languages: what the explorer's menu offers. Written for this project."""

from __future__ import annotations

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
    folder = data_dir() / "sentences"
    known = sorted(path.stem for path in folder.glob("*.txt"))
    if language not in known:
        raise TextError(say("sentences.language", language=language, known=", ".join(known)))
    return (folder / f"{language}.txt").read_text(encoding="utf-8").splitlines()
