"""Reading texts line by line in constant memory, and telling the lines that are never trained on."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import json
import lzma
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from mlm_viz.strings import say
from mlm_viz.tokens import clean_text
from mlm_viz.training.errors import TrainingError
from mlm_viz.training.recipe import Text

# A file without line breaks is read in pieces of so many characters.
LONGEST_LINE = 100_000
# A line of a `.jsonl` must be read whole, up to so many characters; the text in it is cut into such pieces then.
LONGEST_JSON = 16_000_000
_HASHES = 2.0**64
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)  # that of UTF-32 LE begins like the first

Record = tuple[str, ...]  # one side, or two that say the same


@dataclass(frozen=True)
class Surveyed:
    """What a first reading of a text found.

    Attributes:
        text: which.
        lines: with something in them.
        characters: in those lines.
    """

    text: Text
    lines: int
    characters: int


def records(text: Text) -> Iterator[Record]:
    """The lines of a text that have something in them, stripped; a line of a `.tsv` is a pair.

    What is longer than `LONGEST_LINE` comes in pieces.

    Raises:
        TrainingError: if the file is missing, empty, binary, in another encoding, damaged or of another form.
    """
    number, found = 0, False
    parse = _PARSERS.get(text.kind, _parse_line)
    longest = LONGEST_JSON + 1 if text.kind == ".jsonl" else LONGEST_LINE
    try:
        with _open(text) as stream:
            while line := stream.readline(longest):
                number += 1
                if "\0" in line:
                    raise TrainingError(say("train.error.binary", path=text.path))
                if len(line) > LONGEST_JSON:
                    raise TrainingError(say("train.error.long", path=text.path, line=number, most=LONGEST_JSON))
                if not line.strip():
                    continue
                for record in parse(text, number, line.strip()):
                    found = True
                    yield record
    except UnicodeDecodeError as problem:
        raise TrainingError(say("train.error.encoding", path=text.path, line=number + 1)) from problem
    except (lzma.LZMAError, gzip.BadGzipFile, zlib.error, EOFError) as problem:
        raise TrainingError(say("train.error.packing", path=text.path, why=problem)) from problem
    except OSError as problem:
        raise TrainingError(say("train.error.read", path=text.path, why=problem.strerror or problem)) from problem
    if not found:
        raise TrainingError(say("train.error.empty", path=text.path))


def _open(text: Text) -> IO[str]:
    stream = io.BufferedReader(_unpacked(text))
    try:
        _check_start(text, stream.peek(4))  # gives as much as there is in the buffer
    except BaseException:
        stream.close()
        raise
    return io.TextIOWrapper(stream, encoding="utf-8-sig")


def _check_start(text: Text, start: bytes) -> None:
    """Say what a file is that is no UTF-8, before its first odd byte is taken for a letter of another encoding."""
    if start.startswith(_MARKS):
        raise TrainingError(say("train.error.encoding", path=text.path, line=1))
    if b"\0" in start:
        raise TrainingError(say("train.error.binary", path=text.path))


def _unpacked(text: Text) -> Any:
    if text.packing == ".xz":
        return lzma.open(text.path)
    return gzip.open(text.path) if text.packing == ".gz" else text.path.open("rb", buffering=0)


def _parse_line(_text: Text, _number: int, line: str) -> Iterable[Record]:
    yield (line,)


def _parse_pair(text: Text, number: int, line: str) -> Iterable[Record]:
    sides = tuple(side.strip() for side in line.split("\t"))
    if len(sides) < 2 or not all(sides[:2]):
        raise TrainingError(say("train.error.pair", path=text.path, line=number))
    yield sides[:2]


def _parse_json(text: Text, number: int, line: str) -> Iterable[Record]:
    try:
        written = json.loads(line)
        written = written["text"] if isinstance(written, dict) else written
    except (ValueError, KeyError, RecursionError) as problem:
        raise TrainingError(say("train.error.jsonl", path=text.path, line=number)) from problem
    if not isinstance(written, str):
        raise TrainingError(say("train.error.jsonl", path=text.path, line=number))
    cleaned = " ".join(clean_text(written.replace("\0", " ")).split())
    for start in range(0, len(cleaned), LONGEST_LINE):
        yield (cleaned[start : start + LONGEST_LINE].strip(),)


_PARSERS = {".tsv": _parse_pair, ".jsonl": _parse_json}


def line_hash(line: str) -> float:
    """A number in [0, 1) that depends on the letters of a line alone, not on its capitals or outer spaces."""
    digest = hashlib.blake2b(line.strip().casefold().encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / _HASHES


def is_held_out(record: Record, share: float) -> bool:
    """Whether a line is never trained on; one held out of one text is held out of all, and out of pairs."""
    return any(line_hash(side) < share for side in record)


def joined(record: Record) -> str:
    """A record as one input: of a pair now the one side comes first, now the other, decided by its letters."""
    return " ".join(record if line_hash("\t".join(record)) < 0.5 else record[::-1])


def survey(texts: Sequence[Text]) -> list[Surveyed]:
    """Read every text once, so that whatever is wrong with one is said before anything is written.

    Raises:
        TrainingError: see `records`.
    """
    surveyed = []
    for text in texts:
        lines = characters = 0
        for record in records(text):
            lines += 1
            characters += sum(map(len, record))
        surveyed.append(Surveyed(text, lines, characters))
    return surveyed
