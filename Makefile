# Two commands do everything on a fresh machine with Python 3.11 and git: `make run`, `make test`.
PYTHON ?= python3
BIN := .venv/bin
# The environment is made anew only when the pins or the dependencies change.
PINS := $(shell cat constraints.txt pyproject.toml | cksum | cut -d' ' -f1)
READY := .venv/.ready-$(PINS)
# The validators of infra/ have pins that do not agree with the project's, so they live apart.
LINTERS := .venv-lint/.ready-$(shell cksum < infra/lint-requirements.txt | cut -d' ' -f1)

.PHONY: help venv run test test-integration check format bench clean

help:  ## show the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

venv: $(READY)  ## make the virtual environment in .venv

$(READY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 venv")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet uv
	UV_FIND_LINKS="$${UV_FIND_LINKS:-$${PIP_FIND_LINKS:-}}" $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python \
		--constraint constraints.txt --editable '.[pipelines,training,onnx,dev]'
	@rm -f .venv/.ready-* && touch $@

$(LINTERS): | $(READY)
	$(PYTHON) -m venv --clear .venv-lint
	$(BIN)/uv pip install --quiet --python .venv-lint/bin/python --requirements infra/lint-requirements.txt
	@touch $@

run: $(READY)  ## the whole pipeline on the small world: data, training, evaluation, promotion, audit
	$(BIN)/voco run --profile tiny

test: $(READY)  ## every test that is quick
	$(BIN)/python -m pytest -m 'not integration'

test-integration: $(READY)  ## the slower tests, on real servers where those are installed (.ci/packages)
	-@$(MAKE) --no-print-directory $(LINTERS)
	$(BIN)/python -m pytest -m integration -rs

check: $(READY)  ## format, lint, types, layer directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_layers.py

format: $(READY)  ## format and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)  ## speed and memory against the reference's way and Hugging Face Llava
	$(BIN)/python -m tests.benchmarks.run --out tests/benchmarks/results

clean:  ## remove the environment and what tools left behind
	rm -rf .venv .venv-lint build *.egg-info .mypy_cache .ruff_cache .hypothesis runs
