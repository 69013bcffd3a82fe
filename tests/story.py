"""A text to train tiny models on: simple enough that the loss falls in a few steps, with lines that differ."""

from __future__ import annotations

import numpy as np


def story_lines() -> list[str]:
    """400 lines of English and 300 of Chinese, always the same ones."""
    rng = np.random.default_rng(0)
    who, did, where = ("cat dog king fox".split(), "sat ran slept sang".split(), "mat hill boat tree".split())
    lines = [f"the {rng.choice(who)} {rng.choice(did)} on the {rng.choice(where)} {n}." for n in range(400)]
    return lines + ["".join(rng.choice(list("今天我们去公园看花"), 8)) + "。" for _ in range(300)]
