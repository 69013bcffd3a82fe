# Two commands matter: `make lab` opens the notebooks, `make test` checks everything.
# Everything is installed into .venv, at the versions of constraints.txt.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Handed to `mlm-viz lab`, as in: make lab ARGS="--port 9000 --no-browser"
ARGS ?=
# How many processes share the tests, as in: make test WORKERS=4
WORKERS ?= 2
# One thread each: the tests' networks are too small to be shared out.
PYTEST := env HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest
# What Python has compiled it may keep: dozens of its processes follow each other here.
unexport PYTHONDONTWRITEBYTECODE
# The tests of a file stay together, so that what they share is built once; files are taken in their order, the longest
# (the notebooks) among the first, so that no worker is left with one at the end.
SHARED_OUT := --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help lab test lint units journeys browser bench screenshots constraints clean install-lab install-test

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

lab: install-lab ## Open JupyterLab on the notebooks (installs on the first call)
	@exec $(BIN)/mlm-viz lab $(ARGS)

test: install-test browser ## Install what the tests need and run everything
	@echo "== lint and units side by side, each shown when it has ended; then the journeys, with the machine to themselves"
	@status=0; \
	$(MAKE) --no-print-directory -k -j 2 $(if $(filter output-sync,$(.FEATURES)),-O) lint units || status=1; \
	$(MAKE) --no-print-directory journeys || status=1; \
	exit $$status

units: install-test ## The tests without JupyterLab, shared out among workers
	@echo "== units" && $(PYTEST) -m "not browser" -n $(WORKERS) $(SHARED_OUT)

journeys: install-test browser ## JupyterLab in a browser
	@echo "== journeys" && $(PYTEST) -m browser tests/browser

lint: install-test ## The checks that run nothing: ruff, mypy, import-linter
	@echo "== ruff check" && $(BIN)/ruff check .
	@echo "== ruff format" && $(BIN)/ruff format --check .
	@echo "== mypy" && $(BIN)/mypy
	@echo "== import-linter" && $(BIN)/lint-imports

browser: install-test ## Chromium and Chinese glyphs for the browser tests
	@echo "== browser" && .ci/browser $(BIN)/python

bench: install-test ## Measure speed beside the pipeline and bertviz
	@$(BIN)/python -m benchmarks

screenshots: install-test browser ## Take the README's pictures from the real page
	@$(BIN)/python tests/browser/screenshots.py

constraints: ## Write constraints.txt anew: the newest versions pyproject.toml allows
	@.ci/constraints $(PYTHON)

clean: ## Remove .venv and everything that was built
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find mlm_viz tests benchmarks notebooks -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf

install-lab:
	@.ci/install $(PYTHON) .

install-test:
	@.ci/install $(PYTHON) '.[test]'
