# Every target sets up .venv first; a second run is quick until pyproject.toml or constraints.txt changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TORCH := $(shell grep "^torch==" constraints.txt)

.PHONY: help install demo test check coverage results stages

help:
	@echo "make install   .venv with everything that the other targets need"
	@echo "make demo      train, evaluate and report on the embedded model, in minutes"
	@echo "make test      tests; options go into ARGS, as in make test ARGS='-k zoom'"
	@echo "make check     format, lint, types and tests"
	@echo "make coverage  lines of protocol, imaging and grading that their tests run"
	@echo "make results   the figures of the README, from the shipped weights"
	@echo "make stages    stage II against stage I; needs the weights of stage I in runs/tiny/sft/final"

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

# What docs/results hold of the shipped weights, and from it the tables of the documentation: a quarter of an hour of two cores.
ITEMS := 1000
CONDITIONS := single_pass,think_twice,oracle_box,random_box,wrong_region,unmarked,blank_image,text_only
EVAL := $(BIN)/vitar eval --data phantoms:test --max-new-tokens 120 --batch-size 64
# keep,RUN grades a run of runs/results once more, and copies what it has measured.
define keep
	$(BIN)/vitar regrade runs/results/$(1) > runs/results/$(1).txt
	cp runs/results/$(1).txt docs/results/$(1).txt
	cp runs/results/$(1)/metrics.json docs/results/$(1).metrics.json
	cp runs/results/$(1)/run.json docs/results/$(1).run.json
endef
results: $(INSTALLED)
	$(EVAL) --count $(ITEMS) --model tiny-base --conditions single_pass,think_twice --out runs/results/base
	$(EVAL) --count $(ITEMS) --model tiny --conditions $(CONDITIONS) --out runs/results/tiny
	$(EVAL) --count 400 --model tiny --conditions single_pass,think_twice,majority_k,shuffled_image --out runs/results/majority
	$(BIN)/vitar attention runs/results/tiny --limit 300
	$(BIN)/vitar report runs/results/base runs/results/tiny --out runs/results/report.html
	$(call keep,base)
	$(call keep,tiny)
	$(call keep,majority)
	cp runs/results/tiny/attention.json docs/results/tiny.attention.json
	cp runs/results/tiny/regions.json docs/results/tiny.regions.json
	$(BIN)/python benchmarks/documented.py

# Stage II against stage I, which does not ship: after make results and vitar train sft --config recipes/tiny/sft.yaml.
stages: $(INSTALLED)
	$(EVAL) --count $(ITEMS) --model runs/tiny/sft/final --conditions single_pass,think_twice --out runs/results/sft
	$(BIN)/vitar report runs/results/sft runs/results/tiny --out runs/results/stages.html
	$(call keep,sft)
	cp runs/results/stages-models.csv docs/results/stages.csv
	$(BIN)/python benchmarks/documented.py
