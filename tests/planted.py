"""Models of which it is known why they say what they say: one trained on planted cues, one built by hand to copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers as hf

from tests.tiny import wordpiece

CUES = ("red", "green", "blue", "black", "white", "pink")
ANSWERS = ("rose", "leaf", "sky", "night", "snow", "flesh")
NOISE = tuple(f"{a}{b}" for a in ("ka", "lo", "mi", "nu") for b in ("be", "do", "fi", "gu", "sa"))
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = {word: index for index, word in enumerate((*SPECIALS, *CUES, *ANSWERS, *NOISE))}
CLS, SEP, MASK = (VOCABULARY[name] for name in ("[CLS]", "[SEP]", "[MASK]"))


def planted_rows(rng: np.random.Generator, count: int, words: int) -> tuple[np.ndarray, ...]:
    """Sentences of noise with a cue and its answer, each anywhere.

    Returns:
        (count, words + 2) ids with special tokens; (count,) positions of the cues, of the answers, and the number of
        cue and answer.
    """
    noise = np.array([VOCABULARY[word] for word in NOISE])
    ids = rng.choice(noise, size=(count, words + 2))
    ids[:, 0], ids[:, -1] = CLS, SEP
    places = 1 + rng.permuted(np.tile(np.arange(words), (count, 1)), axis=1)[:, :2]
    number, row = rng.integers(len(CUES), size=count), np.arange(count)
    ids[row, places[:, 0]] = np.array([VOCABULARY[word] for word in CUES])[number]
    ids[row, places[:, 1]] = np.array([VOCABULARY[word] for word in ANSWERS])[number]
    return ids, places[:, 0], places[:, 1], number


def planted_sentences(count: int, seed: int) -> list[tuple[str, int, int]]:
    """Sentences the model was not trained on: the text, the position of the cue, and of the answer."""
    rng = np.random.default_rng(seed)
    found = []
    names = list(VOCABULARY)
    for _ in range(count):
        ids, cue, answer, _ = planted_rows(rng, 1, int(rng.integers(5, 11)))
        found.append((" ".join(names[i] for i in ids[0, 1:-1]), int(cue[0]), int(answer[0])))
    return found


def train_planted(folder: Path, steps: int = 200) -> Path:
    """Train a tiny model to guess the answer, and save it; some seconds of CPU.

    In some sentences the cue is masked, or noise stands in its place: there any answer is as good as another. Without
    them the model would never have learned what to say when a cue is taken away.
    """
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    config = hf.BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96,
        max_position_embeddings=20, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    network = hf.BertForMaskedLM(config).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(steps):
        ids, answers = _training_batch(rng, 64)
        logits = network(input_ids=torch.tensor(ids)).logits
        chosen = torch.tensor(answers >= 0)
        loss = torch.nn.functional.cross_entropy(logits[chosen], torch.tensor(answers)[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return _save(network.eval(), hf.BertTokenizer(vocab=VOCABULARY), folder)


def _training_batch(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids with masks, and the answers where they belong, -1 elsewhere."""
    ids, cue, answer, _ = planted_rows(rng, count, int(rng.integers(4, 11)))
    row = np.arange(count)
    answers = np.full_like(ids, -1)
    answers[row, answer] = ids[row, answer]
    ids[row, answer] = MASK
    masked = (rng.random(ids.shape) < 0.08) & (ids >= len(SPECIALS))
    ids[masked] = MASK
    without = rng.random(count) < 0.15
    ids[row[without], cue[without]] = rng.choice([VOCABULARY[word] for word in NOISE], size=int(without.sum()))
    return ids, answers


@torch.no_grad()
def build_copying(folder: Path, offset: int = 1) -> Path:
    """A model with one head, which looks at the token `offset` places on and copies it; nothing else matters to it.

    A token is a one in the first part of its vector, its place a one in the second. Queries are places moved by the
    offset, keys are places, values are tokens; the vector is read out as it stands.
    """
    tokenizer = wordpiece(folder)
    tokens, places = len(tokenizer), 24
    width = tokens + places
    config = hf.BertConfig(
        vocab_size=tokens, hidden_size=width, num_hidden_layers=1, num_attention_heads=1, intermediate_size=2,
        max_position_embeddings=places, hidden_act="relu", pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    network = hf.BertForMaskedLM(config).eval()
    for name, weight in network.named_parameters():
        weight.fill_(1.0 if name.endswith("LayerNorm.weight") else 0.0)
    body, head = network.bert, network.cls.predictions
    token, place = torch.eye(width)[:, :tokens], torch.eye(width)[:, tokens:]
    body.embeddings.word_embeddings.weight.copy_(token.T)
    body.embeddings.position_embeddings.weight.copy_(place.T)
    attention = body.encoder.layer[0].attention
    moved = torch.diag(torch.ones(places - abs(offset)), -offset)  # place p becomes place p + offset
    attention.self.query.weight.copy_(4 * place @ moved @ place.T)
    attention.self.key.weight.copy_(place @ place.T)
    attention.self.value.weight.copy_(token @ token.T)
    attention.output.dense.weight.copy_(10 * torch.eye(width))
    head.transform.dense.weight.copy_(torch.eye(width))
    return _save(network, tokenizer, folder)


def _save(network: Any, tokenizer: Any, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    network.save_pretrained(folder)
    return folder
