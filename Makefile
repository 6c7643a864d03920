# Two commands matter: `make run` (set-up and the main job) and `make test` (set-up and all checks).
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
export BOTHWAYS_TEST_JOBS ?= 2

.PHONY: run test soak lint bench docs lock clean help

help:            ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

run: $(VENV)/.run-ready   ## set up, then study the JPL garage; the report is in out/
	$(BIN)/bothways study examples/workplace-jpl/scenario.toml --out out/workplace-jpl
	@echo
	@echo "next: $(BIN)/bothways serve --demo    (twenty virtual charging stations, live)"

test: $(VENV)/.dev-ready  ## set up, then every check
	bash scripts/checks

soak: $(VENV)/.dev-ready  ## the long versions of the kill, fuzz and replay tests
	bash scripts/soak

lint: $(VENV)/.dev-ready  ## format and quick static checks
	$(BIN)/ruff format src tests benchmarks
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev-ready ## benchmarks, printed as tables with ratios
	$(BIN)/python benchmarks/run.py

docs: $(VENV)/.dev-ready  ## run the commands of README and docs
	$(BIN)/pytest -q tests/e2e/test_docs.py

lock:                     ## renew requirements/*.txt
	bash scripts/lock

clean:
	rm -rf $(VENV) out dist build

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "bothways needs Python 3.11 or newer: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run-ready: requirements/run.txt pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes --no-deps -r requirements/run.txt
	$(PIP) install --no-build-isolation --no-deps --editable .
	touch $@

$(VENV)/.dev-ready: requirements/dev.txt pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes --no-deps -r requirements/dev.txt
	$(PIP) install --no-build-isolation --no-deps --editable .
	touch $@ $(VENV)/.run-ready
