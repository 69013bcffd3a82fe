"""How many tokens are trained on in a second of CPU time, beside transformers' Trainer and its collator for masks."""

from __future__ import annotations

import random
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import (
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    PrinterCallback,
    Trainer,
    TrainingArguments,
    set_seed,
)

from benchmarks.measuring import Measure
from benchmarks.subjects import SEED
from mlm_viz.training import Callback, Settings, train
from mlm_viz.training.objectives import OBJECTIVES

_RATE = 0.15
_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]


@dataclass(frozen=True)
class Sizes:
    """Of the network, of the text, and of a round.

    Attributes:
        layers, width, heads, vocab: of the network.
        limit: longest input in tokens.
        words, lines: of the text, which is made up; the words are as unevenly frequent as those of a language.
        batch_tokens: in a batch: on our side about so many with padding, on theirs so many on average without it.
        steps: in a round.
    """

    layers: int
    width: int
    heads: int
    vocab: int
    limit: int
    words: int
    lines: int
    batch_tokens: int
    steps: int

    @property
    def settings(self) -> dict[str, Any]:
        """What both sides are trained with; AdamW, for this is what Trainer has."""
        network = {"layers": self.layers, "width": self.width, "heads": self.heads, "vocab": self.vocab}
        masks = {"mask_from": _RATE, "mask_to": _RATE}
        place = {"device": "cpu", "precision": "fp32", "optimizer": "adamw", "long_from": 0.0, "held_out": 0.01}
        return {**network, **masks, **place, "limit": self.limit, "short": self.limit, "seed": SEED}


LARGE = Sizes(4, 256, 4, 8000, 64, 6000, 8000, 2048, 12)
QUICK = Sizes(1, 32, 2, 200, 32, 60, 300, 256, 2)


def beside_trainer(folder: Path, sizes: Sizes, rounds: int) -> Measure:
    """Tokens per second of CPU time as a ratio; in each round both sides train a fresh network for as many steps."""
    text = folder / "text.txt"
    text.write_text("\n".join(_lines(sizes)), encoding="utf-8")
    train(text, folder / "first", steps=1, progress=False, batch_tokens=sizes.batch_tokens, **sizes.settings)
    theirs = _Theirs(folder, text, sizes)
    pairs = []
    for number in range(rounds + 1):
        here = folder / f"round-{number}"
        if number % 2:
            second = theirs.speed()
            pairs.append((_our_speed(text, here, sizes), second))
        else:
            pairs.append((_our_speed(text, here, sizes), theirs.speed()))
    mine, others = zip(*pairs[1:], strict=True)  # the first round is there to warm up
    ratio = statistics.median(a / b for a, b in pairs[1:])
    what, name = "tokens trained on per CPU second / Trainer", f"ModernBERT {sizes.layers} x {sizes.width}"
    sides = (statistics.median(mine), statistics.median(others))
    return Measure(what, name, ratio, "x", 1.5, "at least", *sides, side_unit="tokens/s")


def _lines(sizes: Sizes) -> list[str]:
    """Sentences of 3 to 40 words, most of them short."""
    draw = random.Random(SEED)
    words = ["".join(draw.choices(_SYLLABLES, k=draw.randint(1, 4))) for _ in range(sizes.words)]
    weights = [1 / rank for rank in range(1, sizes.words + 1)]  # Zipf's law
    lengths = (min(40, 3 + int(draw.expovariate(1 / 9))) for _ in range(sizes.lines))
    return [" ".join(draw.choices(words, weights, k=length)) + "." for length in lengths]


class _Clock(Callback):
    """The CPU time from the first step to the last; vocabulary and reading are not in it, as they are not in theirs."""

    def begin(self, run: Any) -> None:  # noqa: ARG002 (what a callback is called with)
        self._start = time.process_time()

    def end(self, run: Any) -> None:
        self.speed = float(run.tokens / (time.process_time() - self._start))


def _our_speed(text: Path, out: Path, sizes: Sizes) -> float:
    clock = _Clock()
    train(
        text,
        out,
        steps=sizes.steps,
        progress=False,
        callbacks=[clock],
        batch_tokens=sizes.batch_tokens,
        **sizes.settings,
    )
    return clock.speed


class _Theirs:
    """Trainer on the same lines as the same tokens, in batches of as many tokens on average, in 32-bit floats."""

    def __init__(self, folder: Path, text: Path, sizes: Sizes) -> None:
        self._folder, self._sizes = folder, sizes
        self._settings = Settings(**sizes.settings)
        self._tokenizer = AutoTokenizer.from_pretrained(folder / "first")
        lines = text.read_text(encoding="utf-8").splitlines()
        encoded = self._tokenizer(lines, truncation=True, max_length=sizes.limit)["input_ids"]
        self._data = [{"input_ids": ids} for ids in encoded]
        self._rows = max(1, round(sizes.batch_tokens / statistics.mean(map(len, encoded))))

    def speed(self) -> float:
        """Tokens per second of CPU time, padding not counted."""
        set_seed(SEED)
        network = OBJECTIVES["masked"](self._settings).new_model(self._settings, len(self._tokenizer))
        counter = _Counting(self._tokenizer, mlm_probability=_RATE)
        trainer = Trainer(network, self._arguments(), data_collator=counter, train_dataset=self._data)
        trainer.remove_callback(PrinterCallback)
        start = time.process_time()
        trainer.train()
        return float(counter.tokens / (time.process_time() - start))

    def _arguments(self) -> TrainingArguments:
        return TrainingArguments(
            output_dir=str(self._folder / "theirs"),
            max_steps=self._sizes.steps,
            per_device_train_batch_size=self._rows,
            learning_rate=self._settings.rate,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            seed=SEED,
        )


class _Counting(DataCollatorForLanguageModeling):
    """The collator, counting the tokens that it is given."""

    tokens = 0

    def torch_call(self, examples: list[Any]) -> dict[str, Any]:
        self.tokens += sum(len(example["input_ids"]) for example in examples)
        batch: dict[str, Any] = super().torch_call(examples)
        return batch
