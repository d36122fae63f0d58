# `make` alone shows what there is.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
export PYTHON

python := .venv/bin/python
uv := uv==0.13.9
sources = $(wildcard conftest.py harness suites tests benchmarks)

##@ Use

.PHONY: qualify
qualify: setup ## Judge every variant on this machine: on a GB10 the hardware, anywhere else the CPU bench. ARGS="-m gpt_oss"
	$(python) -m pytest suites/ $(ARGS)

.PHONY: stop
stop: setup ## Stop whatever the CPU bench left running; nothing running is fine
	$(python) -m harness bench --stop

.PHONY: setup
setup: ## Make .venv with the locked packages; nothing to do the second time. PYTHON=/path/to/python3.12 chooses the interpreter
	@.ci/setup

##@ Develop

.PHONY: test
test: setup ## The harness's own tests: seconds; those that need a Docker engine skip without one. ARGS="-k flags"
	$(python) -m pytest tests/ $(ARGS)

.PHONY: check
check: setup ## Lint, format, types, who imports whom, and a wheel for every locked package on ARM64
	@failed=() && step() { echo "check: $$*" && { "$$@" || failed+=("$$*"); }; } && \
	step $(python) -m ruff check --quiet $(sources) && \
	step $(python) -m ruff format --quiet --check $(sources) && \
	step $(python) -m mypy $(sources) && \
	step $(python) -m pytest -q tests/test_imports.py tests/test_project.py && \
	step .ci/wheels && \
	if [ "$${#failed[@]}" != 0 ]; then printf 'check: FAILED: %s\n' "$${failed[@]}" && exit 1; fi

.PHONY: format
format: setup ## Put the sources into the form that `make check` asks for
	$(python) -m ruff check --fix-only --quiet $(sources)
	$(python) -m ruff format $(sources)

.PHONY: miniatures
miniatures: setup ## Train the CPU bench's miniatures again: minutes
	$(python) -m harness.cpu_bench.miniatures

.PHONY: capture-logs
capture-logs: setup ## Provoke the known failures and keep their logs in tests/logs/: minutes
	@reports=$$(mktemp -d) && trap 'rm -rf "$$reports"' EXIT && \
	$(python) -m pytest suites/ -m failure -k diagnosed -p tests.capture_only --reports "$$reports" $(ARGS) && \
	$(python) -m tests.capture_logs "$$reports"

.PHONY: examples
examples: setup ## Run an accepted, a rejected and a blocked attempt on the CPU bench into reports/examples/: minutes. ARGS=blocked
	$(python) -m tests.examples $(ARGS)

.PHONY: bench
bench: setup ## How fast the harness itself is, beside its peers: some fifty minutes. ARGS="detect --small"
	$(python) -m benchmarks $(ARGS)

.PHONY: controls
controls: setup ## Show on the CPU bench which fault is caught by which test, and write docs/controls.md. ARGS=--sample takes minutes
	$(python) -m tests.saboteurs $(ARGS)

.PHONY: schema
schema: setup ## Write reports/record.schema.json from the code
	$(python) -m harness schema > reports/record.schema.json

.PHONY: lock
lock: setup ## Write requirements.lock from pyproject.toml, keeping what is pinned. ARGS=--upgrade takes the newest
	@tool=$$(mktemp -d) && trap 'rm -rf "$$tool"' EXIT && \
	$(python) -m pip install -qq --disable-pip-version-check --target "$$tool" $(uv) && \
	"$$tool/bin/uv" pip compile --no-config --universal --python-version 3.11 --generate-hashes --group dev \
	    --no-emit-index-url --custom-compile-command 'make lock' --quiet $(ARGS) pyproject.toml --output-file requirements.lock

.PHONY: clean
clean: ## Remove what the targets above made, reports and running containers apart
	rm -rf .venv .venv.lock .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find $(sources) -type d -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} \
	    /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	    /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
