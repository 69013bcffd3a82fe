"""Models whose weights are written by hand, so that what each head does is known."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
import transformers as hf

from mlm_viz.families import FAMILIES
from mlm_viz.model import Model

WORDS = "red green blue sun moon star tree".split()
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
# Each state has three thirds, and each head is as wide as a third: the token, its position, and what was copied.
WIDTH = len(PIECES)
TOKEN, PLACE, COPY = slice(0, WIDTH), slice(WIDTH, 2 * WIDTH), slice(2 * WIDTH, 3 * WIDTH)


def copying_bert(heads: Collection[tuple[int, int]] = ((1, 2),), offset: int = 1) -> Model:
    """A BERT of 2 layers with 3 heads that guesses the token `offset` places on, because `heads` copy it.

    Every other head hands on zeros. Several copying heads copy the same, so that any one of them suffices.
    """
    config = hf.BertConfig(
        vocab_size=WIDTH,
        hidden_size=3 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=4,
        max_position_embeddings=WIDTH,
        hidden_act="relu",
        tie_word_embeddings=False,
        attn_implementation="eager",
    )
    network = hf.BertForMaskedLM(config).eval()
    one = torch.eye(WIDTH)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.fill_(1.0 if name.endswith("LayerNorm.weight") else 0.0)
        network.bert.embeddings.word_embeddings.weight[:, TOKEN] = one
        network.bert.embeddings.position_embeddings.weight[:, PLACE] = one
        for layer, head in heads:
            _copy(network.bert.encoder.layer[layer].attention, head, offset)
        network.cls.predictions.transform.dense.weight.copy_(torch.eye(3 * WIDTH))
        network.cls.predictions.decoder.weight[:, COPY] = 3 * one
    tokenizer = hf.BertTokenizer(vocab={piece: index for index, piece in enumerate(PIECES)})
    return Model("copying", network, tokenizer, FAMILIES["bert"], limit=WIDTH)


def _copy(attention: Any, head: int, offset: int) -> None:
    """The query asks for the place `offset` on, the key tells its own, the value is the token."""
    own = slice(head * WIDTH, (head + 1) * WIDTH)
    attention.self.query.weight[own, PLACE] = 10 * torch.diag(torch.ones(WIDTH - abs(offset)), -offset)
    attention.self.key.weight[own, PLACE] = torch.eye(WIDTH)
    attention.self.value.weight[own, TOKEN] = torch.eye(WIDTH)
    attention.output.dense.weight[COPY, own] = torch.eye(WIDTH)
