"""All sentences of a film at one frame: the best guess in its place, and what became of the true word."""

from __future__ import annotations

from collections.abc import Sequence

from mlm_viz.escape import escape
from mlm_viz.figures.labels import percent, short
from mlm_viz.film import Film
from mlm_viz.strings import say

_COLUMNS = ("sentence", "truth", "rank", "probability")
_WORD_EMS = 9.0


def languages(film: Film) -> list[str]:
    """Of the sentences, in the order in which they come."""
    return list(dict.fromkeys(scene.language for scene in film.scenes))


def board(film: Film, frame: int, language: str, selected: int = -1) -> str:
    """The sentences of a language as a table; the one selected stands out."""
    rows = [number for number, scene in enumerate(film.scenes) if scene.language == language]
    right = sum(_is_right(film, frame, scene) for scene in rows)
    caption = say(f"film.board.{language}", right=right, count=len(rows))
    titles = "".join(f'<th scope="col">{escape(say(f"film.board.{name}"))}</th>' for name in _COLUMNS)
    body = "".join(_row(film, frame, scene, is_selected=scene == selected) for scene in rows)
    return (
        f'<table class="mlmviz-table mlmviz-board"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"
    )


def _row(film: Film, frame: int, scene: int, *, is_selected: bool) -> str:
    rank, share = int(film.truth_ranks[frame, scene]), _share(film, frame, scene)
    cells: Sequence[tuple[str, str]] = (
        ("", _filled(film, frame, scene)),
        ("", escape(film.scenes[scene].truth)),
        ("", escape(f"✓ {rank}" if rank == 1 else f"{rank:,}")),
        (f' class="mlmviz-board-share" style="--share: {100 * share:.1f}%"', f"<span>{escape(percent(share))}</span>"),
    )
    current = ' class="mlmviz-board-selected" aria-current="true"' if is_selected else ""
    return f"<tr{current}>" + "".join(f"<td{more}>{cell}</td>" for more, cell in cells) + "</tr>"


def sentence(film: Film, frame: int, scene: int, *, is_playing: bool = False) -> str:
    """The sentence with the best guess in its place, and whether it is right; said aloud unless the film runs."""
    said = "" if is_playing else ' role="status"'
    return f'<p class="mlmviz-film-sentence"{said}>{_filled(film, frame, scene)}{_verdict(film, frame, scene)}</p>'


def _verdict(film: Film, frame: int, scene: int) -> str:
    value, truth = percent(_share(film, frame, scene)), film.scenes[scene].truth
    if _is_right(film, frame, scene):
        text = say("film.right", value=value)
    else:
        text = say("film.wrong", truth=truth, value=value, rank=int(film.truth_ranks[frame, scene]))
    return f' <span class="mlmviz-film-verdict">{escape(text)}</span>'


def _filled(film: Film, frame: int, scene: int) -> str:
    """A sentence with the best guess marked in its place."""
    before, after = film.scenes[scene].parts
    guess = escape(short(film.guesses[frame][scene][0].lstrip("␣"), _WORD_EMS))
    kind = "right" if _is_right(film, frame, scene) else "wrong"
    return f'{escape(before)}<b class="mlmviz-film-{kind}">{guess}</b>{escape(after)}'


def _is_right(film: Film, frame: int, scene: int) -> bool:
    return bool(film.truth_ranks[frame, scene] == 1)


def _share(film: Film, frame: int, scene: int) -> float:
    """Probability of the true word."""
    return float(2.0 ** film.truth_log2_probs[frame, scene])
