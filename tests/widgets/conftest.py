"""What the tests of the page's Python half share: odd models, and a way to wait for a state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import transformers as hf

import mlm_viz
from mlm_viz.model import Model
from mlm_viz.state import ExplorerState
from tests import tiny

TEXT = "the capital of france is paris, a good day."


class Calls:
    """Counts the forward passes of a model since it was last asked."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.seen = model.calls

    def __call__(self) -> int:
        before, self.seen = self.seen, self.model.calls
        return self.seen - before


async def until_settled(state: ExplorerState) -> None:
    """Give the loop its turns until nothing is under way, as a kernel does between two messages."""
    while state.scheduler._timer is not None:
        await asyncio.sleep(0)


@pytest.fixture
def tiny_bert(tiny_model: Callable[[str], Model]) -> Model:
    return tiny_model("bert")


@pytest.fixture
def calls(tiny_bert: Model) -> Calls:
    return Calls(tiny_bert)


@pytest.fixture(scope="session")
def headless(tiny_dir: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A sentence encoder: no head for masked tokens."""
    folder = tmp_path_factory.mktemp("headless")
    hf.AutoTokenizer.from_pretrained(tiny_dir("bert")).save_pretrained(folder)
    hf.BertModel(hf.AutoConfig.from_pretrained(tiny_dir("bert"))).eval().save_pretrained(folder)
    return mlm_viz.load(folder)


@pytest.fixture(scope="session")
def maskless(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model whose tokenizer has no mask token."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("maskless")
    vocabulary = {piece: index for index, piece in enumerate(["[UNK]", "[PAD]", *tiny.WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    named = hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]")
    named.save_pretrained(folder)
    config = hf.BertConfig(**tiny.SIZES, vocab_size=len(vocabulary), pad_token_id=1)
    tiny.stir(hf.BertForMaskedLM(config)).save_pretrained(folder)
    return mlm_viz.load(folder)


@pytest.fixture(scope="session")
def long_reader(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A tiny model that reads 512 tokens."""
    folder = tmp_path_factory.mktemp("long")
    tokenizer = tiny.wordpiece(folder)
    tokenizer.save_pretrained(folder)
    tiny._network("BertConfig", "BertForMaskedLM", max_position_embeddings=512)(tokenizer).save_pretrained(folder)
    return mlm_viz.load(folder)
