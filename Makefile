# Every target sets up .venv first; a second run is quick until pyproject.toml or constraints.txt changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TORCH := $(shell grep "^torch==" constraints.txt)

.PHONY: help install demo test check coverage results

help:
	@echo "make install   .venv with everything that the other targets need"
	@echo "make demo      train, evaluate and report on the embedded model, in minutes"
	@echo "make test      tests; options go into ARGS, as in make test ARGS='-k zoom'"
	@echo "make check     format, lint, types and tests"
	@echo "make coverage  lines of protocol, imaging and grading that their tests run"
	@echo "make results   the figures of the README, from the shipped weights"

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { \
		echo "vitar needs Python 3.11 or newer; $(PYTHON) is older or missing." >&2; \
		echo "Name another one, as in: make PYTHON=python3.12 install" >&2; \
		exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || { \
		echo "Cannot make a virtual environment; on Debian and Ubuntu install python3-venv." >&2; \
		exit 1; }
	$(BIN)/pip install $(TORCH)
	$(BIN)/pip install -c constraints.txt -e '.[train,dev]'
	@touch $@

demo: $(INSTALLED)
	$(BIN)/vitar demo

test: $(INSTALLED)
	$(BIN)/python -m pytest $(ARGS)

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

coverage: $(INSTALLED)
	$(BIN)/python -m pytest tests/protocol tests/imaging tests/grading --cov=vitar.protocol --cov=vitar.imaging \
		--cov=vitar.grading --cov-report=term --cov-fail-under=90

# The figures of the README: a quarter of an hour on two CPU cores. Their saved output is in docs/results.
ITEMS := 1000
results: $(INSTALLED)
	$(BIN)/vitar eval --model tiny-base --data phantoms:test --count $(ITEMS) --conditions single_pass,think_twice \
		--max-new-tokens 120 --batch-size 32 --out runs/results/base
	$(BIN)/vitar eval --model tiny --data phantoms:test --count $(ITEMS) \
		--max-new-tokens 120 --batch-size 32 --out runs/results/tiny
	$(BIN)/vitar report runs/results/base runs/results/tiny --out runs/results/report.html
	mkdir -p docs/results
	for run in base tiny; do $(BIN)/vitar regrade runs/results/$$run > docs/results/$$run.txt; \
		cp runs/results/$$run/metrics.json docs/results/$$run.metrics.json; \
		cp runs/results/$$run/run.json docs/results/$$run.run.json; done
