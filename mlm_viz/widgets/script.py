"""The scripts and the style sheets that the widgets send to the page."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def script(name: str) -> str:
    """The module called `name`, behind what all of them have in common."""
    return "\n".join((_FOLDER / f"{part}.js").read_text(encoding="utf-8") for part in ("page", name))


def styles(*names: str) -> str:
    """The style sheets called so, as markup; "strip" holds the colours of all pages."""
    return "".join(f"<style>{(_FOLDER / f'{name}.css').read_text(encoding='utf-8')}</style>" for name in names)
