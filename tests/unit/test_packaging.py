"""What is declared, what is pinned, what a wheel holds, and what importing the package costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]


def specifiers(lines: list[str]) -> dict[str, str]:
    """Canonical name -> specifier, sorted, so that order and spacing do not matter."""
    requirements = [Requirement(line) for line in lines]
    found: dict[str, str] = {
        canonicalize_name(r.name): ",".join(sorted(str(s) for s in r.specifier)) for r in requirements
    }
    assert len(found) == len(lines), "a name is listed twice"
    return found


def pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    stated = specifiers([line for line in lines if line and not line.startswith("#")])
    assert all(pin.startswith("==") for pin in stated.values()), stated
    return {name: Version(pin.removeprefix("==")) for name, pin in stated.items()}


@pytest.mark.parametrize("group", ["runtime", "test"])
def test_every_dependency_is_pinned_within_its_range(group: str) -> None:
    lines = PROJECT["dependencies"] if group == "runtime" else PROJECT["optional-dependencies"][group]
    pinned = pins()
    for requirement in map(Requirement, lines):
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name} is not in constraints.txt; run: make constraints"
        assert requirement.specifier.contains(pinned[name]), f"{requirement} excludes the pin {pinned[name]}"


def test_torch_is_pinned_without_the_label_of_an_index() -> None:
    assert pins()["torch"].local is None


def test_the_environment_tested_is_the_one_pinned() -> None:
    from importlib.metadata import version

    names = [Requirement(line).name for line in PROJECT["dependencies"]]
    installed = {canonicalize_name(name): Version(Version(version(name)).public) for name in names}
    assert installed == {name: pins()[name] for name in installed}


def test_conda_states_the_same_dependencies() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    from_conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (from_pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert environment["name"] == PROJECT["name"]
    assert from_conda == ["python" + PROJECT["requires-python"], "pip"]
    assert {"--constraint constraints.txt", "--editable ."} == {line for line in from_pip if line.startswith("-")}
    assert specifiers([line for line in from_pip if not line.startswith("-")]) == specifiers(PROJECT["dependencies"])


def test_import_loads_nothing_heavy() -> None:
    heavy = ["torch", "transformers", "tokenizers", "pandas", "scipy", "plotly", "ipywidgets", "anywidget", "bertviz"]
    code = f"import sys, mlm_viz, mlm_viz.cli; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    run = subprocess.run([*command, "--wheel-dir", folder, ROOT], capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"the wheel was not built (is hatchling installed?):\n{run.stdout}{run.stderr}"
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_all_of_the_package_and_its_data(wheel: zipfile.ZipFile) -> None:
    inside = {f"{source}/{path}": f"{target}/{path}" for source, target, path in _shipped()}
    names = set(wheel.namelist())
    assert {source: target for source, target in inside.items() if target not in names} == {}
    assert any(name.endswith(".safetensors") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "notebooks/", "data/"))]


def _shipped() -> list[tuple[str, str, str]]:
    suffixes = {".py", ".js", ".css", ".json", ".typed", ".safetensors"}
    return [
        (source, target, str(file.relative_to(ROOT / source)))
        for source, target in (("mlm_viz", "mlm_viz"), ("data", "mlm_viz/_data"))
        for file in (ROOT / source).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and (source == "data" or file.suffix in suffixes)
    ]


def test_an_unpacked_wheel_finds_its_model(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    run = subprocess.run(
        [sys.executable, "-c", "import mlm_viz.cli as c; c.main(['models', '--paths'])"],
        env={key: value for key, value in os.environ.items() if key != "MLM_VIZ_DATA"} | {"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(tmp_path / "mlm_viz" / "_data" / "models" / "default") in run.stdout.splitlines()


def test_the_command_and_the_licence(wheel: zipfile.ZipFile) -> None:
    (entry_points,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    assert "mlm-viz = mlm_viz.cli:main" in wheel.read(entry_points).decode()
    assert "License-Expression: Apache-2.0" in wheel.read(metadata).decode()
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_every_bundled_file_is_described() -> None:
    described = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    files = [file for file in (ROOT / "data").rglob("*") if file.is_file() and file != ROOT / "data" / "README.md"]
    assert [str(file) for file in files if file.name not in described] == []


def test_every_bundled_model_is_whole_and_names_its_texts() -> None:
    for folder in (ROOT / "data" / "models").iterdir():
        names = {file.name for file in folder.iterdir()}
        assert {"config.json", "model.safetensors", "tokenizer.json", "README.md", "NOTICE"} <= names
        assert "model_type" in json.loads((folder / "config.json").read_text(encoding="utf-8"))
