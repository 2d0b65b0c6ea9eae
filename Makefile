SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

MODEL ?= topics
ARGS ?=
VENV ?= .venv
PYTHON ?= 3.13

# pyenv's shims answer for versions that are not selected and then fail: look behind them.
PYENVS := $(wildcard $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions/3.1[123].*/bin)
empty :=
space := $(empty) $(empty)
export PATH := $(CURDIR)/$(VENV)/bin:$(CURDIR)/.uv/bin:$(subst $(space),:,$(PYENVS)$(if $(PYENVS),$(space)))$(PATH)
export UV_PYTHON_DOWNLOADS := never
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
# The store that a server here would serve is the one to use, where no other is named.
ifdef MLFLOW_BACKEND_STORE_URI
export MLFLOW_TRACKING_URI ?= $(MLFLOW_BACKEND_STORE_URI)
endif
INSTALL := uv pip install --quiet --python $(VENV)/bin/python -c requirements.txt

help: ## Show what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

main: $(VENV)/.main ## Make a model from the default corpus (MODEL=topics|sentiment|all)
	mlflow run . -e main --env-manager local -P model=$(MODEL) $(ARGS)

plan: $(VENV)/.main ## Show what main would run, and why (ARGS="-P model=all -P seed=8")
	python -m steps plan $(ARGS)

# The tests that mostly wait for processes of theirs run beside all others; with ARGS one run does.
WAITING := tests/steps
test: $(VENV)/.test ## Run the whole test suite
ifeq ($(strip $(ARGS)),)
	said=$$(mktemp); code=0; \
	pytest $(WAITING) >"$$said" 2>&1 & waiting=$$!; \
	trap 'kill $$waiting 2>/dev/null || true; rm -f "$$said"' EXIT; \
	pytest $(addprefix --ignore=,$(WAITING)) || code=$$?; \
	wait $$waiting || code=$$?; \
	cat "$$said"; exit $$code
else
	pytest $(ARGS)
endif

soak: $(VENV)/.test ## Kill the pipeline at random points until stopped (ROUNDS=10: so often)
	python -m tests.survival.soak $(ROUNDS)

bench-serve: $(VENV)/.main ## Measure what serving costs, into benchmarks/serve.md
	python -m benchmarks.serve

bench-sentiment: $(VENV)/.test ## Measure sentiment models beside peers (DATA=<folder of public sets>, ARGS=--public)
	python -m benchmarks.sentiment $(ARGS)

bench-topics: $(VENV)/.test ## Measure topic models beside peers (DATA=<folder of public sets>, ARGS=--growth)
	python -m benchmarks.topics $(ARGS)

bench-gpu: $(VENV)/.test ## Measure fine-tuning and encoding on this machine's GPU, beside the Trainer (DATA=<folder of public sets>)
	python -m benchmarks.gpu $(ARGS)

bench-ingest: $(VENV)/.main ## Measure ingest and split at up to 10 million entries, beside pandas and polars
	python -m benchmarks.ingest $(ARGS)

bench-scale: $(VENV)/.test ## Measure what more entries cost in each step, up to 10 million (ARGS="--sizes 10000,100000")
	python -m benchmarks.scale $(ARGS)

bench-postgresql: $(VENV)/.test ## Measure a first and a later ingest of a million journals from PostgreSQL
	python -m benchmarks.ingest_postgresql

bench-deidentification: $(VENV)/.main ## Measure what de-identification finds, and what it costs
	python -m benchmarks.deidentification

lint: $(VENV)/.test ## Check style, format and types
	ruff check .
	ruff format --check .
	mypy

bench-rerun: $(VENV)/.main ## Measure what a rerun costs, beside DVC and MLflow's own pattern (some 15 minutes)
	python -m benchmarks.rerun $(ARGS)

UI_PORT = $(or $(PORT),$(shell sed -nE 's/.*(--port|-p)[= ]*([0-9]+).*/\2/p' <<<'$(ARGS)'),$(MLFLOW_PORT),5000)
ui: $(VENV)/.main ## Open the tracking UI on what was run here (PORT=5000)
	@id=$$(python -c 'from src.pipeline.opening import Light; print(Light().experiment_id)'); \
	runs="http://127.0.0.1:$(UI_PORT)/#/experiments/$$id/runs"; \
	echo "The models: $$runs?viewStateShareKey=models&workflowType=machine_learning"; \
	echo "What ran:   $$runs?viewStateShareKey=runs&workflowType=machine_learning"
	mlflow ui --backend-store-uri sqlite:///mlflow.db --host 127.0.0.1 --port $(UI_PORT) $(ARGS)

pictures: $(VENV)/.test ## Make the pictures of docs/pictures anew, from a real run (some minutes)
	python -m tools.pictures

server: $(VENV)/.main ## Run a tracking server here until Ctrl-C (PORT=5000)
	python -m tools.serve $(PORT)

docs: $(VENV)/.main ## Write MLproject and the README's table from the declared steps
	python -m src.pipeline.project

lock: $(VENV)/.main ## Compile the locks anew from pyproject.toml
	uv pip compile $(LOCK) pyproject.toml --all-extras -o requirements.txt
	uv pip compile $(LOCK) --group test -c requirements.txt -o requirements-test.txt
LOCK := --quiet --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url --no-emit-find-links

clean: ## Remove the environment; runs and models stay
	rm -rf $(VENV) .uv

.uv/bin/uv:
	command -v uv >/dev/null || python3 -m pip install --quiet --disable-pip-version-check --target .uv uv

$(VENV)/bin/python: | .uv/bin/uv
	uv venv --quiet --clear --python $(PYTHON) $(VENV) 2>/dev/null \
		|| uv venv --quiet --clear --python '>=3.11,<3.14' $(VENV)

$(VENV)/.main: pyproject.toml requirements.txt | $(VENV)/bin/python
	$(INSTALL) -r pyproject.toml
	touch $@

$(VENV)/.test: $(VENV)/.main requirements-test.txt
	$(INSTALL) -r pyproject.toml --all-extras -r requirements-test.txt
	touch $@

.PHONY: help main plan test soak bench-serve bench-rerun bench-sentiment bench-topics bench-gpu bench-ingest bench-scale bench-postgresql bench-deidentification lint ui pictures server docs lock clean
