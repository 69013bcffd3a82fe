"""The commands `mlm-viz train` and `mlm-viz evaluate`: what they take, and what they print."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlm_viz.strings import say

if TYPE_CHECKING:
    from mlm_viz.training.scores import Evaluation, Score

# Settings that are flags of `train`, by kind.
_WHOLE = ("layers", "width", "heads", "vocab", "steps", "batch_tokens", "limit", "short", "seed", "checkpoint_steps")
_FRACTIONS = (
    "minutes", "rate", "warmup", "weight_decay", "dropout", "mask_from", "mask_to", "replaced", "kept",
    "span_rate", "span_length", "long_from", "held_out", "checkpoint_minutes",
)  # fmt: skip
_NAMES = ("objective", "family", "optimizer", "decay", "device", "precision", "dtype")
_SWITCHES = ("whole_words", "keep")
_COLUMNS = (
    "source", "lines", "unknown", "masked", "accuracy", "top5", "bits_token", "bits_character", "calibration",
)  # fmt: skip
_ANSWERS = ("texts", "out", "recipe", "resume", "quiet", "film", "command", "run")


def _path(text: str) -> Path:
    """Of an argument such as --out=~/m, in which the shell leaves the ~ standing."""
    return Path(text).expanduser()


def add_train(parser: argparse.ArgumentParser) -> None:
    """The arguments of `train`; a setting that is not given is not in the namespace."""
    parser.add_argument("texts", nargs="*", metavar="TEXT", help=say("train.help.texts"))
    parser.add_argument("--out", type=_path, required=True, help=say("train.help.out"))
    parser.add_argument("--recipe", type=_path, help=say("train.help.recipe"))
    parser.add_argument("--resume", action="store_true", help=say("train.help.resume"))
    parser.add_argument("--quiet", action="store_true", help=say("train.help.quiet"))
    parser.add_argument("--film", type=_path, metavar="SENTENCES", help=say("train.help.film"))
    kinds: list[tuple[tuple[str, ...], dict[str, Any]]] = [
        (_WHOLE, {"type": int, "metavar": "N"}),
        (_FRACTIONS, {"type": float, "metavar": "X"}),
        (_NAMES, {"metavar": "NAME"}),
        (_SWITCHES, {"action": "store_true"}),
    ]
    for names, options in kinds:
        for name in names:
            flag = "--" + name.replace("_", "-")
            parser.add_argument(flag, default=argparse.SUPPRESS, help=say(f"train.help.{name}"), **options)


def run_train(arguments: argparse.Namespace) -> int:
    """Train, and say what was made."""
    from mlm_viz.film import scenes_in
    from mlm_viz.training.film import FilmRecorder
    from mlm_viz.training.recipe import as_texts, read_recipe
    from mlm_viz.training.start import train

    texts: list[Any] = list(arguments.texts)
    settings: dict[str, Any] = {}
    if arguments.recipe:
        named, settings = read_recipe(arguments.recipe)
        texts += named
    settings |= {name: value for name, value in vars(arguments).items() if name not in _ANSWERS}
    listed = [] if arguments.resume else as_texts(texts)
    film = [FilmRecorder(arguments.out / "film.json", scenes_in(arguments.film))] if arguments.film else []
    trained = train(
        listed, arguments.out, resume=arguments.resume, progress=not arguments.quiet, callbacks=film, **settings
    )
    values = {
        "folder": trained.folder,
        "steps": trained.steps,
        "tokens": trained.tokens,
        "minutes": trained.seconds / 60,
    }
    print(say("train.finished" if trained.finished else "train.stopped", **values))
    return 0


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """The arguments of `evaluate`."""
    parser.add_argument("model", metavar="MODEL", help=say("evaluate.help.model"))
    parser.add_argument("texts", nargs="+", metavar="TEXT", help=say("evaluate.help.texts"))
    parser.add_argument("--all", action="store_true", help=say("evaluate.help.all"))
    parser.add_argument("--lines", type=int, metavar="N", help=say("evaluate.help.lines"))
    parser.add_argument("--rate", type=float, default=0.15, metavar="X", help=say("evaluate.help.rate"))
    parser.add_argument("--seed", type=int, default=0, metavar="N", help=say("evaluate.help.seed"))
    parser.add_argument("--json", action="store_true", help=say("evaluate.help.json"))
    parser.add_argument("--quiet", action="store_true", help=say("train.help.quiet"))


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Evaluate, and print a table or JSON."""
    from mlm_viz.training.evaluation import evaluate

    evaluation = evaluate(
        arguments.model,
        arguments.texts,
        every_line=arguments.all,
        most_lines=arguments.lines,
        rate=arguments.rate,
        seed=arguments.seed,
        progress=not arguments.quiet,
    )
    print(json.dumps(evaluation.to_dict(), indent=2, ensure_ascii=False) if arguments.json else table(evaluation))
    return 0


def table(evaluation: Evaluation) -> str:
    """The scores by source, and under them the calibration over all and what the numbers mean."""
    rows = [tuple(say(f"evaluate.column.{name}") for name in _COLUMNS), *map(_row, evaluation.scores)]
    bins = [tuple(say(f"evaluate.bin.{name}") for name in ("range", "count", "confidence", "accuracy"))]
    for part in evaluation.scores[-1].bins:
        means = ("-" if mean is None else f"{mean:.1%}" for mean in (part.confidence, part.accuracy))
        bins.append((f"{part.low:.0%} - {part.high:.0%}", f"{part.count:,}", *means))
    share = "" if evaluation.held_out is None else say("evaluate.held_out", share=evaluation.held_out)
    title = say("evaluate.title", model=evaluation.model, rate=evaluation.rate, seed=evaluation.seed, share=share)
    return "\n\n".join((title, _aligned(rows), _aligned(bins), say("evaluate.note")))


def _row(score: Score) -> tuple[str, ...]:
    return (
        score.name,
        f"{score.lines:,}",
        f"{score.unknown / score.tokens:.2%}",
        f"{score.masked:,}",
        f"{score.accuracy:.1%}",
        f"{score.top5:.1%}",
        f"{score.bits_per_token:.3f}",
        f"{score.bits_per_character:.3f}",
        f"{score.calibration_error:.3f}",
    )


def _aligned(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
