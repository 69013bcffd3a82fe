"""What all tests share: no hub, repeatable properties, and the tiny models, each built once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

if TYPE_CHECKING:
    from mlm_viz.model import Model

# Repeatable, and never red because the machine was busy.
settings.register_profile(
    "mlm_viz",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("mlm_viz")


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Torch has one thread: networks this small are not worth sharing out, and their sums come out alike."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_dir(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The directory of a tiny model, built when first asked for."""
    import torch

    from tests import tiny

    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("tiny")
    return cache(lambda name: tiny.build(name, root / name))


@pytest.fixture(scope="session")
def tiny_model(tiny_dir: Callable[[str], Path]) -> Callable[[str], Model]:
    """A tiny model, loaded as a user loads one."""
    import mlm_viz

    return cache(lambda name: mlm_viz.load(tiny_dir(name)))


@pytest.fixture(scope="session")
def bundled() -> Model:
    """The bundled model."""
    import mlm_viz

    return mlm_viz.load()
