"""A bilingual uncased WordPiece vocabulary: characters, the most common words whole, and pieces for the others.

Source: M. Schuster and K. Nakajima, "Japanese and Korean Voice Search" (2012), WordPiece; R. Sennrich et al., "Neural
Machine Translation of Rare Words with Subword Units" (2016), how the pieces of rare words are found.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from mlm_viz.strings import say
from mlm_viz.tokens import is_cjk
from mlm_viz.training.checkpoints import save_tokenizer_files
from mlm_viz.training.corpus import Surveyed, is_held_out, records
from mlm_viz.training.errors import TrainingError

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNKNOWN, START, END, MASK = range(5)
# Stand for spans that were cut out; they come behind all pieces, so that these have the same ids with and without them.
SENTINEL = "<extra_id_{}>"  # as T5 calls them
# Characters of text that are counted; more would tell the same words.
SAMPLE = 40_000_000
_MOST_WORDS = 1_000_000  # distinct ones kept while counting
_RAREST = 2
_COVERED = 0.9998  # of the characters of the text have a piece of their own
_CHARACTERS = 0.6  # of the vocabulary at most
_WHOLE = 0.7  # of what is left are whole words, the others pieces
_LONGEST = 20  # characters of a word kept whole
_WORD = re.compile(r"[^\W_]+|[^\w\s]|_")


def count_words(surveyed: Sequence[Surveyed], held_out: float, sample: int = SAMPLE) -> Counter[str]:
    """How often each word, Chinese character and mark occurs in about `sample` characters of the texts.

    Texts count as often as they are repeated. Memory is bounded: the rarest words are forgotten on the way.
    """
    normalize = normalizers.BertNormalizer().normalize_str
    thinning = min(1.0, sample / sum(s.characters * s.text.repeat for s in surveyed))
    counts: Counter[str] = Counter()
    for one in surveyed:
        for line, times in _thinned(one, one.text.repeat * thinning, held_out):
            for word in _WORD.findall(normalize(line)):
                counts[word] += times
            if len(counts) > _MOST_WORDS:
                counts = Counter(dict(counts.most_common(_MOST_WORDS // 2)))
    return counts


def _thinned(one: Surveyed, times: float, held_out: float) -> Iterator[tuple[str, int]]:
    """Lines with how often each counts, so that all together count `times` on average."""
    due = 0.0
    for record in records(one.text):
        if is_held_out(record, held_out):
            continue
        due += times
        if due >= 1:
            yield " ".join(record), math.floor(due)
            due -= math.floor(due)


def choose_pieces(counts: Counter[str], size: int) -> list[str]:
    """The pieces of a vocabulary of at most `size`, special tokens first; the same counts give the same pieces.

    Raises:
        TrainingError: if there is nothing to choose from.
    """
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    characters = _choose_characters(ranked, int(size * _CHARACTERS))
    if not characters:
        raise TrainingError(say("train.error.no_words"))
    inner = sorted({char for word, _ in ranked if len(word) > 1 for char in word if char in characters})
    pieces = dict.fromkeys([*SPECIAL, *sorted(characters), *(f"##{char}" for char in inner)])
    spellable = [(w, n) for w, n in ranked if len(w) > 1 and n >= _RAREST and characters.issuperset(w)]
    free = max(0, size - len(pieces))
    whole = [word for word, _ in spellable if len(word) <= _LONGEST][: int(free * _WHOLE)]
    pieces |= dict.fromkeys(whole)
    rest = [(word, n) for word, n in spellable if word not in pieces]
    pieces |= dict.fromkeys(_train_pieces(rest, list(pieces), size))
    pieces |= dict.fromkeys([word for word, _ in rest if len(word) <= _LONGEST][: max(0, size - len(pieces))])
    return list(pieces)[:size]


def _choose_characters(ranked: Sequence[tuple[str, int]], most: int) -> set[str]:
    """The characters that make up nearly all of the text; those of words count for two places, start and middle."""
    counts: Counter[str] = Counter()
    for word, times in ranked:
        for char in word:
            counts[char] += times
    total, seen, places = sum(counts.values()), 0, 0
    chosen: set[str] = set()
    for char, times in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        places += 1 if is_cjk(char) else 2
        if seen >= _COVERED * total or (chosen and places > most):
            break
        chosen.add(char)
        seen += times
    return chosen


def _train_pieces(words: Sequence[tuple[str, int]], known: list[str], size: int) -> list[str]:
    """Pieces for the words that have none of their own, by the merges of the `tokenizers` trainer."""
    if not words or size <= len(known):
        return []
    # Every character is handed over as a special token, which fixes its number: without that, equally frequent merges
    # would be taken in another order in each process.
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, min_frequency=_RAREST, special_tokens=known, show_progress=False
    )
    trained = Tokenizer(models.WordPiece(unk_token=SPECIAL[UNKNOWN]))
    trained.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trained.train_from_iterator(_repeated(words), trainer)
    vocabulary = trained.get_vocab()
    return sorted(set(vocabulary) - set(known), key=lambda piece: vocabulary[piece])


def _repeated(words: Iterable[tuple[str, int]]) -> Iterator[str]:
    for word, times in words:
        yield " ".join([word] * times)


def save_tokenizer(pieces: Sequence[str], folder: Path, limit: int, *, sentinels: int = 0) -> None:
    """Write the vocabulary as a tokenizer that `AutoTokenizer.from_pretrained(folder)` loads; sentinels come last.

    Raises:
        TrainingError: if there is no room; the folder has no `tokenizer.json` then.
    """
    from transformers import BertTokenizer

    more: dict[str, Any] = {}
    if sentinels:
        more["extra_special_tokens"] = [SENTINEL.format(number) for number in range(sentinels)]
    ready: Any = BertTokenizer(
        vocab={piece: index for index, piece in enumerate(pieces)},
        model_max_length=limit,
        model_input_names=["input_ids", "attention_mask"],  # there is one segment; ModernBERT takes no others
        **more,
    )
    save_tokenizer_files(ready, folder)


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer in `folder`, for encoding many lines; names of special tokens in a text are read as text."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    return tokenizer
