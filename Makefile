# The two commands of the README are `make demo` and `make test`; both set up what they need first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint lock clean

help:            ## show what can be made
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup:           ## locked dependencies into .venv, the command at .venv/bin/mqlsync
	@$(PYTHON) .ci/bootstrap.py

demo: setup      ## the whole loop on two simulated CRMs, and what happened
	@$(BIN)/mqlsync demo

test: setup lint ## linters, types and the whole test suite
	$(BIN)/pytest -n auto

lint: setup      ## ruff and mypy alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: setup      ## renew requirements.lock and .ci/setup.lock
	$(BIN)/uv pip compile -q --upgrade --universal --generate-hashes --python-version 3.11 --no-header --no-annotate \
	  --group dev pyproject.toml -o requirements.lock
	printf 'pip\nuv\n' | $(BIN)/uv pip compile -q --upgrade --universal --generate-hashes --python-version 3.11 \
	  --no-header --no-annotate - -o .ci/setup.lock

clean:           ## remove everything that was made
	rm -rf $(VENV) build *.egg-info demo-data .mypy_cache .ruff_cache .pytest_cache .hypothesis
