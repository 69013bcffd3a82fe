"""What is measured: a model as mlm_viz loads it, the same weights as transformers loads them, and texts for both."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM, pipeline

import mlm_viz
from mlm_viz.model import Model
from mlm_viz.paths import models_dir

SEED = 2024
WORDS = """
the keys to the old cabinet are on the table in the kitchen and nobody knows who put them there because we all went to
the park this morning with a big red ball some good bread and two books about the weather in the city
"""


@dataclass
class Subject:
    """A model, and its peers made of the same files.

    Attributes:
        name: what the table calls it.
        folder: where its files are.
    """

    name: str
    folder: Path
    _random: random.Random = field(default_factory=lambda: random.Random(SEED))

    @cached_property
    def model(self) -> Model:
        """As mlm_viz loads it."""
        return mlm_viz.load(self.folder)

    @cached_property
    def bare(self) -> Any:
        """As transformers loads it: a copy of its own, with the attention that transformers chooses."""
        return AutoModelForMaskedLM.from_pretrained(self.folder, dtype="float32").eval()

    @cached_property
    def pipe(self) -> Any:
        """The fill-mask pipeline around `bare`."""
        tokenizer = AutoTokenizer.from_pretrained(self.folder)
        return pipeline("fill-mask", model=self.bare, tokenizer=tokenizer, device="cpu")

    def text(self, tokens: int, *, blank: bool = False) -> str:
        """A text of exactly so many tokens, special ones included, a word each; with one blank if wanted."""
        words = [w for w in WORDS.split() if len(self.model.spell(w, spaced=True)) == 1]
        around = len(self.model.encode(""))
        chosen = [self._random.choice(words) for _ in range(tokens - around)]
        if blank:
            chosen[self._random.randrange(len(chosen))] = "[MASK]"
        text = " ".join(chosen)
        assert len(self.model.encode(text)) == tokens, text
        return text

    def texts(self, count: int, shortest: int, longest: int) -> list[str]:
        """Texts of mixed length, each with one blank."""
        return [self.text(self._random.randint(shortest, longest), blank=True) for _ in range(count)]


def bundled() -> Subject:
    """The model that comes with the package."""
    return Subject("bundled", models_dir() / "default")


def random_bert(folder: Path, name: str, **sizes: Any) -> Subject:
    """A BERT with random weights, bert-base unless `sizes` says otherwise, saved in `folder` as any checkpoint is.

    The tokenizer is the bundled one, which has fewer entries than the model: the rest stand for nothing.
    """
    torch.manual_seed(SEED)
    config = BertConfig(**sizes)
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(models_dir() / "default")
    tokenizer.model_max_length = config.max_position_embeddings
    tokenizer.save_pretrained(folder)
    return Subject(name, folder)
