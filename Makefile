# What people, hooks and CI call. `make help` lists it all.

VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= 2
# Python 3.11 under any of its usual names; override with `make PYTHON=/path/to/python3.11 …`
PYTHON ?= $(shell for p in python3.11 python3 python; do \
	if $$p -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' >/dev/null 2>&1; then echo $$p; break; fi; done)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help env demo domains up test check docs bench lock audit clean

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

env: $(VENV)/.installed ## Make the environment in .venv (once; a few minutes)

demo: env ## Run the whole loop on the sample and show recommendations (ONCE=1: then stop)
	@$(BIN)/kinoloop demo

domains: env ## Run the loop on camera clips, on sounds and on texts, by settings alone
	@$(BIN)/python -m examples.domains

up: env ## Start Prefect server and worker, MLflow and the service; Ctrl-C stops them
	@$(BIN)/kinoloop up

test: env ## Run the tests (WORKERS=2)
	@$(BIN)/python -m pytest -n $(WORKERS) -m "not gpu"

check: env ## Format, lint, types and import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

docs: env ## Build the documentation into build/site; a warning is an error
	@PYTHONWARNINGS=ignore NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --clean

bench: env ## Run the benchmarks in benchmarks/ that need no data (hours), say what others need
	@$(BIN)/python -m benchmarks

lock: env ## Write requirements.lock and its hashes from the environment
	@$(BIN)/python tools/lock.py

audit: env ## Bill of materials (build/sbom.cdx.json) and known vulnerabilities of what is locked
	@$(BIN)/python tools/audit.py

clean: ## Remove the environment (data, landing zone and state stay)
	rm -rf $(VENV)

$(VENV)/.installed: requirements.lock requirements-cuda.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 found; install it, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "error: $(PYTHON) is not Python 3.11; name one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Making the environment in $(VENV): some 370 packages, a few minutes, once."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes --no-deps --requirement requirements.lock
	@if $(BIN)/python -c 'import importlib.metadata as m; raise SystemExit("+cpu" in m.version("torch"))'; then \
		$(BIN)/python -m pip install --quiet --require-hashes --no-deps --requirement requirements-cuda.lock; fi
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python tools/consistent.py
	@touch $@
