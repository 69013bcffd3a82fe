"""Finding a model, loading it without running any of its code, and saying plainly what is wrong with it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM, AutoTokenizer
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED

from mlm_viz.errors import ModelError
from mlm_viz.families import FAMILIES
from mlm_viz.model import Model
from mlm_viz.paths import models_dir
from mlm_viz.strings import say

log = logging.getLogger(__name__)

DEFAULT = "default"
_SHOWN = 8  # names of tensors in one message
_UNLIMITED = 1_000_000  # tokenizers that know no limit say 1e30
# Tensors that some checkpoints lack and no prediction needs.
_NOT_NEEDED = ("pooler", "position_ids", "contact_head", "seq_relationship", "sop_classifier")

Kind = Literal["masked", "causal", "span"]
_CLASSES = {"masked": AutoModelForMaskedLM, "causal": AutoModelForCausalLM, "span": AutoModelForSeq2SeqLM}


@dataclass(frozen=True, eq=False)
class Network:
    """A model of any kind as transformers has it, for what is not asked through `Model`.

    Attributes:
        name: what it is called.
        kind: "masked" (fills in masks), "causal" (from left to right) or "span" (an encoder-decoder).
        network: of transformers, with its head, on the CPU, in 32-bit floats, switched to use.
        tokenizer: of transformers.
        limit: the longest text it takes, in tokens; None if nothing is said of one.
    """

    name: str
    kind: Kind
    network: Any
    tokenizer: Any
    limit: int | None


def load(source: str | Path | Model | None = None) -> Model:
    """A masked language model.

    Args:
        source: None for the bundled model; the name of another bundled one; a local directory; or the name of a model
            on the hub, which needs the network unless it has been downloaded before. A `Model` is returned as it is.

    Returns:
        The model, on the CPU, in 32-bit floats. One without a head for masked tokens is loaded too: its attention can
        be read, and `Model.refusal` says why it cannot predict.

    Raises:
        ModelError: if there is no such model, its files are damaged, or it is not a masked language model.
    """
    if isinstance(source, Model):
        return source
    if source is None:
        return _load_default()
    place = find(source)
    return _load(place, _name(place))


def load_network(source: str | Path) -> Network:
    """A language model of any kind; the kind is told by its config.

    Args:
        source: a name or a directory, as for `load`.

    Raises:
        ModelError: if there is no such model, or its files are damaged.
    """
    place = find(source)
    name, config = _name(place), _read_config(place)
    kind = _kind(config)
    tokenizer = _read_tokenizer(place, name)
    network, missing = _read_weights(place, name, config, kind)
    if missing:
        raise ModelError(say("error.missing_body", name=name, tensors=_some(sorted(missing))))
    return Network(name, kind, network.eval(), tokenizer, _least_limit(network, tokenizer))


def kind_of(source: str | Path) -> Kind:
    """Whether a model fills in masks, goes from left to right, or is an encoder-decoder.

    Args:
        source: a name or a directory, as for `load`.

    Raises:
        ModelError: if there is no such model, or its config cannot be read.
    """
    return _kind(_read_config(find(source)))


def available() -> list[str]:
    """Names that `load` takes without the network: the bundled masked models, then those downloaded before."""
    return [name for name in _bundled() if _is_masked(models_dir() / name)] + _downloaded()


def find(source: str | Path) -> Path | str:
    """The directory that `source` means, or `source` itself if it can only be a name on the hub.

    Raises:
        ModelError: if it is written like a path and there is no such directory.
    """
    text = str(source)
    if text in _bundled():
        return models_dir() / text
    is_path = isinstance(source, Path) or not text.strip() or text.startswith((".", "/", "~")) or text.count("/") > 1
    try:
        place = Path(source).expanduser()
        if text.strip() and place.is_dir():
            return place.resolve()
    except (OSError, RuntimeError):  # too long to be a name, not to be looked into, or the home of nobody
        is_path = True
    if is_path:
        raise ModelError(say("error.no_directory", source=text, known=", ".join(available())))
    return text


@cache
def _load_default() -> Model:
    return _load(models_dir() / DEFAULT, DEFAULT)


def _bundled() -> list[str]:
    return sorted(path.parent.name for path in models_dir().glob("*/config.json"))


def _is_masked(folder: Path) -> bool:
    """Whether `load` takes a model, as far as its config tells."""
    try:
        config = _read_config(folder)
    except ModelError:
        return False
    return config.model_type in FAMILIES and _kind(config) == "masked"


def _name(place: Path | str) -> str:
    return place.name if isinstance(place, Path) else place


def _downloaded() -> list[str]:
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return []
    models = [repository for repository in repositories if repository.repo_type == "model"]
    return sorted(one.repo_id for one in models if any(_is_masked(found.snapshot_path) for found in one.revisions))


def _load(place: Path | str, name: str) -> Model:
    config = _read_config(place)
    family = _family_of(config, name)
    tokenizer = _read_tokenizer(place, name)
    network, missing = _read_weights(place, name, config, "masked")
    prefix = network.base_model_prefix + "."
    body = sorted(key for key in missing if key.startswith(prefix))
    if body:
        raise ModelError(say("error.missing_body", name=name, tensors=_some(body)))
    head = sorted(set(missing) - set(body))
    refusal = None
    if head:
        refusal = say("error.missing_head", name=name, tensors=_some(head))
    elif tokenizer.mask_token_id is None:
        refusal = say("error.tokenizer_without_mask", name=name)
    limit = _least_limit(network, tokenizer)
    assert limit is not None  # noqa: S101 (all these families have a table of positions, or say how long they may be)
    return Model(name, network, tokenizer, FAMILIES[family], limit=limit, refusal=refusal)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown}, … ({len(names)})"


def _read_config(place: Path | str) -> Any:
    try:
        with _quiet():
            return AutoConfig.from_pretrained(place, trust_remote_code=False)
    except Exception as problem:
        log.debug("no config at %s", place, exc_info=True)
        if "custom code" in str(problem):
            raise ModelError(say("error.custom_code", name=Path(place).name)) from problem
        if isinstance(place, Path):
            raise ModelError(say("error.config", name=place.name, why=_first_line(problem))) from problem
        raise ModelError(say("error.unknown_model", name=place, known=", ".join(available()))) from problem


def _kind(config: Any) -> Kind:
    if getattr(config, "is_encoder_decoder", False):
        return "span"
    # The class of a checkpoint does not tell: without `is_decoder` RobertaForCausalLM looks both ways.
    family = config.model_type
    causal = getattr(config, "is_decoder", False) or (family in CAUSAL and family not in MASKED)
    return "causal" if causal else "masked"


def _family_of(config: Any, name: str) -> str:
    family, kind = config.model_type, _kind(config)
    if kind == "causal":
        raise ModelError(say("error.causal", name=name, kind=family))
    if kind == "span":
        raise ModelError(say("error.span", name=name, kind=family, known=", ".join(FAMILIES)))
    if family not in FAMILIES:
        raise ModelError(say("error.family", name=name, kind=family, known=", ".join(FAMILIES)))
    return str(family)


def _read_tokenizer(place: Path | str, name: str) -> Any:
    try:
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    except Exception as problem:
        raise ModelError(say("error.tokenizer", name=name, why=_first_line(problem))) from problem
    # Without its files transformers makes one that knows special tokens only, and reads every word as unknown.
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
        raise ModelError(say("error.no_vocabulary", name=name))
    return tokenizer


def _read_weights(place: Path | str, name: str, config: Any, kind: Kind) -> tuple[Any, list[str]]:
    """The network and the names of the tensors its files lack; files are read as tensors only, never as code."""
    try:
        with _quiet():
            network, report = _CLASSES[kind].from_pretrained(
                place,
                config=config,
                trust_remote_code=False,
                weights_only=True,
                ignore_mismatched_sizes=True,  # they are named below
                dtype="float32",
                output_loading_info=True,
            )
    except Exception as problem:
        if type(problem).__name__ == "UnpicklingError":  # torch's advice would be to run it
            raise ModelError(say("error.weights_with_code", name=name)) from problem
        raise ModelError(say("error.weights", name=name, why=_first_line(problem))) from problem
    if (
        config.model_type == "deberta-v2"
        and config.legacy
        and any("lm_predictions" in k for k in report["unexpected_keys"])
    ):
        # DeBERTa-v3's checkpoints have the new head, but their config does not say so.
        config.legacy = False
        return _read_weights(place, name, config, kind)
    mismatched = sorted(key for key, *_ in report["mismatched_keys"])
    if mismatched:
        raise ModelError(say("error.mismatched", name=name, tensors=_some(mismatched)))
    missing = [key for key in report["missing_keys"] if not any(part in key for part in _NOT_NEEDED)]
    return network, missing


def _least_limit(network: Any, tokenizer: Any) -> int | None:
    """What the positions and the tokenizer have room for; None if neither says."""
    positions = getattr(network.config, "max_position_embeddings", None)
    limits = [] if positions is None else [int(positions) - _passed_over(network)]
    if tokenizer.model_max_length < _UNLIMITED:
        limits.append(int(tokenizer.model_max_length))
    return min(limits, default=None)


def _passed_over(network: Any) -> int:
    """How many of the first positions are not for tokens: RoBERTa and its kin count from the padding id + 1."""
    counting = [module for module in network.modules() if hasattr(module, "position_ids")]
    padding = [getattr(module, "padding_idx", None) for module in counting]
    return max((index + 1 for index in padding if index is not None), default=0)


def _first_line(problem: BaseException) -> str:
    lines = str(problem).strip().splitlines()
    return lines[0] if lines else type(problem).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' progress bars and load reports off the page: what matters in them becomes one sentence."""
    from transformers.utils import logging as chatter

    level, bars = chatter.get_verbosity(), chatter.is_progress_bar_enabled()
    chatter.set_verbosity(logging.CRITICAL)
    chatter.disable_progress_bar()
    try:
        yield
    finally:
        chatter.set_verbosity(level)
        if bars:
            chatter.enable_progress_bar()
