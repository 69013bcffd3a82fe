"""How a vocabulary writes its pieces, and what they look like to people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from mlm_viz.tokens import visible

Style = Literal["wordpiece", "byte-level", "metaspace", "plain"]

_MARKS: dict[Style, str] = {"wordpiece": "##", "byte-level": "Ġ", "metaspace": "▁"}
# Byte-level vocabularies mark almost every other piece, so a share this small tells a convention from a coincidence.
_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class Spelling:
    """The convention by which pieces are written.

    Attributes:
        style: "wordpiece" (`##` continues a word), "byte-level" (`Ġ` is a space, bytes are written as letters),
            "metaspace" (`▁` is a space) or "plain" (a piece is its text: proteins, SMILES).
    """

    style: Style

    @classmethod
    def of(cls, pieces: Iterable[str]) -> Spelling:
        """The convention that `pieces` follow, told from their marks."""
        listed = list(pieces)
        total = max(len(listed), 1)
        shares = {style: sum(piece.startswith(mark) for piece in listed) / total for style, mark in _MARKS.items()}
        style = max(shares, key=lambda s: shares[s])
        return cls(style if shares[style] >= _LEAST_SHARE else "plain")

    def is_marked(self, text: str) -> bool:
        """Whether `text` is written as a piece (`##ing`, `Ġthe`, `▁the`) rather than as a word."""
        return self.style != "plain" and text.startswith(_MARKS[self.style])

    def label(self, piece: str) -> str:
        """`piece` as people read it."""
        if self.style == "byte-level":
            return _byte_label(piece)
        if self.style == "metaspace":
            return visible(piece.replace("▁", " "))
        return visible(piece)


@cache
def _byte_of() -> dict[str, int]:
    """Letter to byte: printable bytes of Latin-1 stand for themselves, the others for the letters from U+0100 on."""
    own = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    letters = {chr(byte): byte for byte in own}
    others = [byte for byte in range(256) if byte not in set(own)]
    letters.update({chr(256 + index): byte for index, byte in enumerate(others)})
    return letters


def _byte_label(piece: str) -> str:
    table = _byte_of()
    if not all(char in table for char in piece):
        return visible(piece)
    raw = bytes(table[char] for char in piece)
    try:
        return visible(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return "⟨" + raw.hex(" ").upper() + "⟩"
