# The two commands of the README are `make demo` and `make test`; both set up what they need first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
COMPILE = $(BIN)/uv pip compile -q --upgrade --universal --generate-hashes --python-version 3.11 \
          --no-header --no-annotate

.DEFAULT_GOAL := help
.PHONY: help setup dev demo test test-clients lint lock prove prove-model mutants prove-score prove-scale \
        bench-score fuzz-pull bench-sandbox bench-pull bench-scale clean

help:            ## show what can be made
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup:           ## locked dependencies into .venv, the command at .venv/bin/mqlsync
	@$(PYTHON) .ci/bootstrap.py

demo: setup      ## the whole loop on two simulated CRMs, and what happened
	@$(BIN)/mqlsync demo

dev:             ## the same with what the tests need besides
	@$(PYTHON) .ci/bootstrap.py --dev

test: lint       ## linters, types and the whole test suite
	$(BIN)/pytest -n auto

test-clients: setup  ## jsforce and HubSpot's Node.js client on the two simulated CRMs (needs Node.js)
	@$(BIN)/python -m tests.clients

lint: dev        ## ruff and mypy alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: dev        ## renew the locks of run time, tests and set-up
	$(COMPILE) --extra scale pyproject.toml -o requirements.lock
	$(COMPILE) --extra scale --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock
	printf 'pip\nuv\nsetuptools\n' | $(COMPILE) - -o .ci/setup.lock

prove: dev       ## play 10,000 seeded interleavings on each CRM, renew docs/guarantees.md
	@$(BIN)/python -m benchmarks.prove_writes --write

prove-model: dev ## the small model of write-back with any two events, and a long walk of its state machine
	MODEL_DEPTH=2 MACHINE_EXAMPLES=500 $(BIN)/pytest -n auto tests/proof/test_model.py tests/proof/test_machine.py

mutants: dev     ## make known mistakes in a copy of the source, one at a time; tests must find each
	@$(BIN)/python -m tests.mutants

prove-score: dev ## SQL on SQLite and PostgreSQL against the Python oracle, on many more drawn models
	SCORE_EXAMPLES=500 $(BIN)/pytest -n auto tests/scoring/test_agreement.py tests/pipeline/test_score_incremental.py \
	  tests/pipeline/test_unshown.py

prove-scale: dev ## three workers, twelve accounts, a minute of kills (about five minutes)
	WORKERS=3 WORKER_ACCOUNTS=12 WORKER_SECONDS=60 WORKER_RESCUE_AFTER=40 $(BIN)/pytest tests/workers

bench-score: dev ## what scoring costs, as ratios
	@$(BIN)/python -m benchmarks.bench_score --people 200000

fuzz-pull: dev   ## pull from CRMs that talk nonsense, 200 seeds each (about ten minutes)
	@$(BIN)/python -m tests.pipeline.nonsense 0 200

bench-sandbox: setup ## how fast the simulated CRMs answer a bare client
	@$(BIN)/python -m benchmarks.bench_sandbox

bench-pull: setup ## what pulling from both CRMs costs, as ratios (about ten minutes)
	@$(BIN)/python -m benchmarks.bench_pull

bench-scale: dev ## PostgreSQL against SQLite: scoring, and moving a mirror from one to the other
	@$(BIN)/python -m benchmarks.bench_scale

clean:           ## remove everything that was made
	rm -rf $(VENV) build *.egg-info demo-data .mypy_cache .ruff_cache .pytest_cache .hypothesis
