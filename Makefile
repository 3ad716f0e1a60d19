# `make demo` and `make test` install everything they need. `make help` lists all targets.
.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && break; done)
BIN := .venv/bin
FRONTEND_SOURCES := $(shell find frontend_static -path '*/node_modules' -prune -o -path '*/dist' -prune -o -type f -print 2>/dev/null)

# Tests wait for processes and browsers, so there are more workers than cores.
TEST_WORKERS ?= $(shell echo $$(( $$(nproc) * 2 )))

# command:package
TEST_PACKAGES := chromium:chromium pg_createcluster:postgresql influxd:influxdb redis-server:redis-server snmpd:snmpd curl:curl \
	nginx:nginx supervisord:supervisor systemd-analyze:systemd

.PHONY: help demo dev test test-fast test-python test-frontend coverage fuzz check bench soak wheel newcomer pages format schema client screenshots clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

demo: .venv/.runtime frontend_static/dist/index.html ## Run a simulated data centre, live in the browser (ARGS="--days 1" for less history)
	@exec $(BIN)/seduce demo $(ARGS)

dev: .venv/.dev frontend_static/node_modules/.installed ## Run the demo with reload of Python code and Vite's hot reload (ARGS="--page-port 5174")
	@exec $(BIN)/python -m scripts.dev $(ARGS)

test: .venv/.dev frontend_static/dist/index.html ## Run all tests, with real servers and a real browser
	@scripts/debian.sh $(TEST_PACKAGES)
	@$(MAKE) --no-print-directory test-frontend test-python

test-fast: .venv/.dev frontend_static/node_modules/.installed ## Run the unit tests that need no server and no browser
	@scripts/npm.sh test --silent
	@SEDUCE_TEST_FAST=1 $(BIN)/python -m pytest -q -rfE -m "not browser and not slow" -n $(TEST_WORKERS) \
		--dist loadscope --no-loadscope-reorder tests/unit $(ARGS)

coverage: .venv/.dev frontend_static/dist/index.html ## Measure the test coverage of the Python code, as text and in build/coverage (ARGS="tests/unit" for less)
	@$(BIN)/python -m pytest -q -n $(TEST_WORKERS) --dist loadscope --no-loadscope-reorder --cov \
		--cov-report=term:skip-covered --cov-report=html:build/coverage $(ARGS)

test-frontend: frontend_static/node_modules/.installed
	@scripts/npm.sh test --silent

test-python: .venv/.dev frontend_static/dist/index.html
	@$(BIN)/python -m pytest -q -n $(TEST_WORKERS) --dist loadscope --no-loadscope-reorder --durations=15 $(ARGS)

fuzz: .venv/.dev ## Fuzz decoders and endpoints with 100,000 inputs each (SEDUCE_FUZZ sets the number, SEDUCE_FUZZ_SEED the seed)
	@SEDUCE_FUZZ=$${SEDUCE_FUZZ:-100000} $(BIN)/python -m pytest -q tests/fuzz $(ARGS)

check: .venv/.dev frontend_static/node_modules/.installed ## Check style, types, wording and known vulnerabilities
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m scripts.check_words
	@git ls-files -z | xargs -0 $(BIN)/codespell
	@scripts/npm.sh run check --silent
	@scripts/audit.sh

bench: .venv/.dev ## Run the benchmarks; each prints its figures
	@for b in benchmarks/bench_*.py; do \
		name=$$(basename "$$b" .py); echo "== $$name"; $(BIN)/python -m "benchmarks.$$name" || exit 1; \
	done

soak: .venv/.dev ## Run all processes at 1,000 sensors x 1 Hz for half an hour with injected faults (ARGS="--minutes 3")
	@scripts/debian.sh $(TEST_PACKAGES)
	@$(BIN)/python -m benchmarks.soak $(ARGS)

wheel: .venv/.dev frontend_static/dist/index.html ## Build a wheel that contains the page, and a source distribution, in dist/
	@$(BIN)/python -m build --no-isolation --outdir dist .

newcomer: ## Follow the README in a fresh clone: demo, query, notebook, a device, an installation
	@scripts/newcomer.sh

pages: .venv/.dev ## Generate the documentation pages and the man page that come from the code
	@for page in settings_doc metrics_doc permissions_doc commands_doc man_page description_schema; do $(BIN)/python -m scripts.$$page; done

format: .venv/.dev ## Format the source
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

client: .venv/.dev ## Generate the blocking Python client from the asynchronous one
	@$(BIN)/python -m scripts.client_sync

schema: .venv/.dev ## Generate schema.graphql from the code
	@$(BIN)/python -m scripts.schema_export

screenshots: .venv/.dev ## Photograph every page of a running demo, into build/pictures
	@$(BIN)/python scripts/screenshots.py $(or $(ARGS),http://127.0.0.1:8081 build/pictures)

clean: ## Remove installed packages and built files; the demo's data in var/ stays
	rm -rf .venv frontend_static/node_modules frontend_static/dist .mypy_cache .ruff_cache .pytest_cache

# --- set-up: each stamp file is created once, and updated when its dependencies change ---

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed and was not found: apt-get install python3"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || CI=1 scripts/debian.sh no-such-command:python3-venv
	@echo "Creating the virtual environment in .venv"
	@$(PYTHON) -m venv .venv

.venv/.runtime: requirements/runtime.txt pyproject.toml client/pyproject.toml | .venv/bin/python
	@echo "Installing the Python packages"
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes --no-deps -r requirements/runtime.txt
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps -e . -e client
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.runtime
	@echo "Installing the packages for the tests"
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt
	@touch $@

frontend_static/node_modules/.installed: frontend_static/package-lock.json | .venv/bin/python
	@echo "Installing the npm packages"
	@scripts/npm.sh ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

frontend_static/dist/index.html: frontend_static/node_modules/.installed $(FRONTEND_SOURCES)
	@echo "Building the page"
	@scripts/npm.sh run build --silent
	@touch $@
