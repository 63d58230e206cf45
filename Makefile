# Every command a developer or CI needs. `make demo` and `make test` work in a fresh clone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Notebooks and servers that the targets start must not phone home.
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1
# Where this is set, every process that a test starts compiles what was edited since the setup.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test test-fast test-notebooks check lab ui bench soak pictures docs docs-serve clean programs package licences
help:
	@echo "make demo      set up, then compare prompts on the built-in model, record, batch, report"
	@echo "make lab       JupyterLab on this project      make ui       MLflow's pages"
	@echo "make test      set up, then all tests          make check    lint, types, rooms, doctests"
	@echo "make test-fast without browser, model, nights  make test-notebooks   notebooks and code of the docs"
	@echo "make bench     the figures in docs/            make soak     the long tests"
	@echo "make docs      the handbook, in site/          make docs-serve   the same while you write it"
	@echo "make package   wheel and sdist in dist/, tried outside the checkout"
	@echo "make licences  the licences of all that is installed"
	@echo "make pictures  the screenshots in docs/        make clean    remove what was made"

demo: $(VENV)/.demo
	@$(BIN)/python -m pex.cli demo

lab: $(VENV)/.demo
	@$(BIN)/python -m pex.cli lab

ui: $(VENV)/.demo
	@$(BIN)/python -m pex.cli ui

# Whoever is free takes the next test; what several tests need is made once for each worker.
PYTEST := $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist worksteal $(PYTEST_OPTIONS)
FAST := not (browser or model or night or postgres or slow or notebooks or soak)

test: $(VENV)/.dev programs
	$(PYTEST)

test-fast: $(VENV)/.dev
	$(PYTEST) -m "$(FAST)"

test-notebooks: $(VENV)/.dev
	$(BIN)/python -m pytest -m notebooks --durations=0 $(PYTEST_OPTIONS)

check: $(VENV)/.dev
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -p no:cacheprovider --doctest-modules pex tests/test_notebooks_clean.py \
		tests/test_contributing.py tests/test_plain_english.py

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/all.py $(BENCH_OPTIONS)

soak: $(VENV)/.dev programs
	@# Only root can run a cron of its own; without it that test says why it is skipped.
	@[ "$$(id -u)" != 0 ] || sh .ci/programs cron || true
	$(BIN)/python -m pytest -m soak
	$(BIN)/python -m tests.again 20

package: $(VENV)/.dev
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	PEX_DIST=dist $(BIN)/python -m pytest -m soak tests/test_release.py

licences: $(VENV)/.dev
	$(BIN)/python -m pytest -m soak tests/test_licences.py

pictures: $(VENV)/.dev programs
	$(BIN)/python docs/make_pictures.py

# The theme advertises its successor on every start.
export NO_MKDOCS_2_WARNING := true
docs: $(VENV)/.dev
	$(BIN)/python -m mkdocs build --strict

docs-serve: $(VENV)/.dev
	$(BIN)/python -m mkdocs serve

clean:
	-@$(BIN)/python -m pex.cli model stop 2>/dev/null
	rm -rf $(VENV) .pex outputs dist build site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.demo: pyproject.toml
	@PYTHON="$(PYTHON)" sh .ci/setup "lab,local"
	@touch $(VENV)/.demo

$(VENV)/.dev: pyproject.toml
	@PYTHON="$(PYTHON)" sh .ci/setup "lab,local,dev"
	@touch $(VENV)/.demo $(VENV)/.dev

programs:
	@sh .ci/programs
