"""Texts as token ids on disk, cut into pieces: made once, then read from any place in constant memory.

Of every text there are three files: the ids of all its lines one after another, the offset at which each piece starts,
and for each piece whether it goes on with the line of the piece before.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer
from tqdm.auto import tqdm

from mlm_viz.strings import say
from mlm_viz.tokens import Ids
from mlm_viz.training.checkpoints import write_atomically
from mlm_viz.training.corpus import Record, Surveyed, is_held_out, joined, line_hash, records
from mlm_viz.training.errors import TrainingError, writing

_LINES_AT_ONCE = 2000
_CHARACTERS_AT_ONCE = 1_000_000  # about: a line can be long
_WATCHED = 64  # held-out lines of each text whose loss is watched while training
_WATCHED_CHARACTERS = 1000  # of each of them
_LISTING = "texts.json"
_ENDS = frozenset(".!?;。！？；…")


@dataclass(frozen=True)
class Encoded:
    """A text on disk.

    Attributes:
        name: of the text.
        repeat: how often its tokens count.
        stem: path of its files without their endings.
        pieces, tokens: how many it has; the start and end tokens of inputs are not among them.
        longest: tokens in the longest line.
        dtype: of the ids on disk.
        watched: some held-out lines.
    """

    name: str
    repeat: float
    stem: str
    pieces: int
    tokens: int
    longest: int
    dtype: str
    watched: tuple[str, ...]

    def gather(self, starts: Ids, longest: int) -> tuple[Ids, Ids]:
        """Where the inputs that begin with the pieces `starts` begin and end among the ids.

        An input goes on with the following pieces of its line as long as it has at most `longest` tokens.
        """
        # Opened anew for each reading: what was read before does not stay in memory.
        offsets = np.memmap(f"{self.stem}.starts", dtype=np.uint64, mode="r")
        goes_on = np.memmap(f"{self.stem}.joins", dtype=np.bool_, mode="r")
        begin = offsets[starts].astype(np.int64)
        last = starts + 1
        grows = np.arange(len(starts))
        while len(grows):
            following = last[grows]
            fits = offsets[np.minimum(following + 1, self.pieces)].astype(np.int64) - begin[grows] <= longest
            # `joins` has one entry more than there are pieces, which is False.
            grows = grows[fits & goes_on[following]]
            last[grows] += 1
        return begin, np.minimum(offsets[last].astype(np.int64), begin + longest)

    def read(self, flat: Ids) -> npt.NDArray[np.integer]:
        """The ids at the places `flat`."""
        ids = np.memmap(f"{self.stem}.ids", dtype=self.dtype, mode="r")
        return np.asarray(ids[flat])


def encode(
    surveyed: Sequence[Surveyed], tokenizer: Tokenizer, folder: Path, *, short: int, held_out: float, progress: bool
) -> list[Encoded]:
    """Write all texts as ids into `folder`; if they are all there from an interrupted run, they are used as they are.

    Args:
        surveyed: the texts.
        tokenizer: makes the ids.
        folder: for the files.
        short: tokens of the longest piece a line is cut into, start and end tokens included.
        held_out: fraction of the lines left out.
        progress: show a bar.

    Raises:
        TrainingError: if the disk is full, or all lines are held out.
    """
    listing = folder / _LISTING
    if not listing.exists():
        folder.mkdir(parents=True, exist_ok=True)
        cutter = Cutter(tokenizer, short - 2)
        with tqdm(total=sum(s.lines for s in surveyed), desc=say("train.encoding"), disable=not progress) as bar:
            encoded = [
                _encode(one, tokenizer, cutter, folder / str(number), held_out, bar)
                for number, one in enumerate(surveyed)
            ]
        if not sum(text.tokens for text in encoded):
            raise TrainingError(say("train.error.nothing_left"))
        write_atomically(listing, json.dumps([asdict(text) for text in encoded]).encode())
    entries = json.loads(listing.read_text(encoding="utf-8"))
    # The folder may have been moved since, to another machine too.
    # How often a text counts is said by the plan: one who changes it there and goes on with a training means it.
    repeats = {one.text.name: one.text.repeat for one in surveyed}
    moved = [
        {**entry, "stem": str(folder / Path(entry["stem"]).name), "repeat": repeats[entry["name"]]} for entry in entries
    ]
    texts = [Encoded(**{**entry, "watched": tuple(entry["watched"])}) for entry in moved]
    return [text for text in texts if text.tokens]


def _encode(
    one: Surveyed, tokenizer: Tokenizer, cutter: Cutter, stem: Path, held_out: float, bar: tqdm[Any]
) -> Encoded:
    dtype = "uint16" if tokenizer.get_vocab_size() <= 2**16 else "uint32"
    watch = _Watch()
    with writing(stem), ExitStack() as stack:
        files = [stack.enter_context(Path(f"{stem}.{ending}").open("wb")) for ending in ("ids", "starts", "joins")]
        pieces = tokens = longest = 0
        for batch in _batches(records(one.text)):
            lines = [joined(record) for record in batch if not watch.takes(record, held_out)]
            encodings = tokenizer.encode_batch_fast(lines, add_special_tokens=False)
            for ids in (np.array(encoding.ids, dtype=np.int64) for encoding in encodings):
                starts = cutter.cut(ids)
                longest = max(longest, len(ids))
                files[0].write(ids.astype(dtype).tobytes())
                files[1].write((starts + tokens).astype(np.uint64).tobytes())
                files[2].write((starts > 0).tobytes())
                pieces, tokens = pieces + len(starts), tokens + len(ids)
            bar.update(len(batch))
        files[1].write(np.uint64(tokens).tobytes())
        files[2].write(np.False_.tobytes())
    return Encoded(one.text.name, one.text.repeat, str(stem), pieces, tokens, longest, dtype, watch.lines())


def _batches(lines: Iterable[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    characters = 0
    for record in lines:
        batch.append(record)
        characters += sum(map(len, record))
        if len(batch) >= _LINES_AT_ONCE or characters >= _CHARACTERS_AT_ONCE:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


class _Watch:
    """Tells held-out lines and remembers a few, chosen by their letters so that all parts of a text are among them."""

    def __init__(self) -> None:
        self._kept: list[tuple[float, str]] = []  # a heap, the one to go next on top

    def takes(self, record: Record, held_out: float) -> bool:
        if not is_held_out(record, held_out):
            return False
        line = joined(record)[:_WATCHED_CHARACTERS]
        if (-line_hash("watched " + line), line) not in self._kept:
            heapq.heappush(self._kept, (-line_hash("watched " + line), line))
        if len(self._kept) > _WATCHED:
            heapq.heappop(self._kept)
        return True

    def lines(self) -> tuple[str, ...]:
        return tuple(line for _, line in sorted(self._kept, reverse=True))


class Cutter:
    """Cuts long lines into pieces: behind the last sentence that fits, or else before a word.

    Args:
        tokenizer: whose ids are cut.
        longest: tokens of a piece at most.
    """

    def __init__(self, tokenizer: Tokenizer, longest: int) -> None:
        vocabulary = tokenizer.get_vocab()
        size = tokenizer.get_vocab_size()
        self._longest = longest
        self._ends = np.isin(np.arange(size), [vocabulary[mark] for mark in _ENDS & vocabulary.keys()])
        self._begins = ~np.isin(np.arange(size), [i for piece, i in vocabulary.items() if piece.startswith("##")])

    def cut(self, ids: Ids) -> Ids:
        """The places at which the pieces of a line start; empty for an empty line."""
        starts = [0] if len(ids) else []
        while len(ids) - (starts or [len(ids)])[-1] > self._longest:
            starts.append(self._next(ids, starts[-1]))
        return np.array(starts, dtype=np.int64)

    def _next(self, ids: Ids, start: int) -> int:
        half, furthest = start + self._longest // 2, start + self._longest
        for places in (self._ends[ids[half - 1 : furthest]], self._begins[ids[half : furthest + 1]]):
            if places.any():
                return int(half + np.flatnonzero(places)[-1])
        return furthest
