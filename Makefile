# Every target sets up .venv by itself and then runs. `make PYTHON=python3.12 test` chooses another Python, and
# `make test ARGS="-n 2"` hands arguments to pytest. (On two cores one process was the quicker: 55 s against 59.)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH := $(shell grep '^torch==' constraints.txt)
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(TORCH) --editable

# What needs neither a network nor a model: figures, statistics, files, the page.
QUICK_TESTS := tests/augment tests/data tests/evaluate tests/report tests/transfer tests/test_docs.py \
	src/handful/core src/handful/data src/handful/evaluate src/handful/report

# One after the other: they measure time. A script without its data says so and ends well.
BENCHMARKS := speed augment kshot texts unfamiliar coverage honesty shallow map autoencoder gan pretrain unlabelled

.DEFAULT_GOAL := help
.PHONY: help demo test check lint bench format clean

help:
	@echo "make demo     install, then the main job end to end on handwritten digits, into demo/"
	@echo "make test     install, then everything: lint, types, layers, all tests and doctests"
	@echo "make check    the fast half of it"
	@echo "make bench    speed and accuracy; folders of data from HANDFUL_DATA and HANDFUL_WEIGHTS"
	@echo "make format   lay the code out as ruff does"
	@echo "make clean    remove .venv, caches and demo/"

demo: $(VENV)/.core
	$(BIN)/handful demo --out demo

test: lint
	$(BIN)/pytest $(ARGS)

check: lint
	$(BIN)/pytest $(QUICK_TESTS) $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.bench
	@for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python benchmarks/$$name.py $(ARGS) || exit 1; done

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) demo dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests benchmarks examples -name __pycache__ -prune -exec rm -rf {} +

# One stamp for each set of packages: done again when a version or a dependency changes.
$(VENV)/.core: extras :=
$(VENV)/.dev: extras := [dev]
$(VENV)/.bench: extras := [dev,bench]
$(VENV)/.core $(VENV)/.dev $(VENV)/.bench: $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	@echo "Installing handful$(extras) into $(VENV); the first time takes a few minutes"
	$(PIP_INSTALL) '.$(extras)'
	@touch $@

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: handful needs Python 3.11 or newer; $$(command -v $(PYTHON) || echo $(PYTHON)) is" \
			"$$($(PYTHON) --version 2>&1); run make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
		echo "error: this Python cannot make virtual environments; $(PYTHON); on Debian: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
