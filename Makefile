# One file to start from: `make help`. Nothing here needs more than Python 3.11, pip and make.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
CONFIG ?= config/demo.yaml
JOBS ?= 2
BIN := .venv/bin
BASE := .venv/.base
DEV := .venv/.dev
CONFORMANCE := .venv-conformance/.installed
INSTRUCTOR := .venv-instructor/.installed
LITELLM := .venv-litellm/.installed

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

serve: $(BASE) ## install once, then serve CONFIG (config/demo.yaml, on 127.0.0.1:8000); ARGS="--port 8001" for another port
	exec $(BIN)/penstock serve --config $(CONFIG) $(ARGS)

test: $(DEV) ## install what the tests need, then run every test, in JOBS=2 processes; ARGS goes to pytest
	$(BIN)/python -m pytest -ra -n $(JOBS) --dist loadfile $(ARGS)

soak: $(DEV) ## ten minutes of streams, cancels and faults: is memory flat? ARGS="--seconds 60 --streams 200"
	PYTHONPATH=tests $(BIN)/python -m soak $(ARGS)

conformance: $(BASE) $(CONFORMANCE) ## run LangChain's chat model suite against the demo gateway, at each of its faces
	.venv-conformance/bin/python -m pytest -c conformance/pytest.ini conformance $(ARGS)

test-sdks: $(BASE) $(CONFORMANCE) $(INSTRUCTOR) $(LITELLM) ## drive the gateway with SDKs, each in front of played providers
	sdks/vercel/install.sh
	.venv-conformance/bin/python -m pytest -c sdks/pytest.ini sdks --ignore-glob='*_apart_*' $(ARGS)
	.venv-instructor/bin/python -m pytest -c sdks/pytest.ini sdks/test_apart_instructor.py $(ARGS)
	.venv-litellm/bin/python -m pytest -c sdks/pytest.ini sdks/test_apart_litellm.py $(ARGS)

check: $(DEV) ## lint, format, types, import directions, ceilings, hygiene, locks
	$(BIN)/python -m tools.check

format: $(DEV) ## let ruff fix and format what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(BASE) ## measure against nginx on this machine; ARGS="--quick" for half a minute, ARGS="--help"
	tools/need.sh nginx wrk taskset
	$(BIN)/python -m bench.run $(ARGS)

bench-peers: $(BASE) ## install LiteLLM and Portkey under .peers, then measure against them in the same run
	tools/need.sh nginx wrk taskset
	PYTHON="$(PYTHON)" bench/peers/install.sh
	$(BIN)/python -m bench.run --peers --only start --only closed --only streams $(ARGS)

wheel: $(DEV) ## build the wheel into dist/
	$(BIN)/python -m hatchling build -t wheel

lock: $(DEV) ## resolve pyproject.toml into requirements/*.txt with hashes
	PYTHON="$(PYTHON)" tools/install.sh uv
	$(BIN)/python -m tools.lock

clean: ## remove the environment, caches and build output
	rm -rf .venv .venv-conformance .venv-instructor .venv-litellm sdks/vercel/node_modules .peers dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests bench tools sdks -name __pycache__ -type d -prune -exec rm -rf {} +

$(BASE): requirements/base.txt requirements/build.txt pyproject.toml tools/install.sh
	PYTHON="$(PYTHON)" tools/install.sh base
	@touch $@

$(DEV): requirements/dev.txt $(BASE)
	PYTHON="$(PYTHON)" tools/install.sh dev
	@touch $@

.venv-%/.installed: requirements/%.txt tools/install.sh
	PYTHON="$(PYTHON)" tools/install.sh $*
	@touch $@

.PHONY: help serve test soak conformance test-sdks check format bench bench-peers wheel lock clean
