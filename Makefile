# Everything runs from the project's own environment in .venv, made from pyproject.toml on first use.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test quick lint format bench gpu docs clean

## the losses compared on an embedded data set: a table, and a page to open
demo: .venv/installed
	torchghm data scenes demo/scenes --images 1200 --image-size 96 128 --seed 0 --overwrite
	torchghm compare --data demo/scenes --recipe demo --eval test --out demo/comparison --overwrite \
	    --pairs ce+smooth_l1,focal+smooth_l1,ghmc+ghmr --seeds 1

## every test; needs no GPU and no network
# Hosts change Pillow and the printing of arrays for their whole process: their tests have one of their own.
HOSTS := tests/integrations tests/examples src/torchghm/integrations
# A process a core, and no more than memory holds; the tests of a file share what they have trained.
PARALLEL := -n auto --maxprocesses 4 --dist loadfile
test: .venv/installed
	pytest $(PARALLEL) $(HOSTS:%=--ignore=%)
	pytest $(PARALLEL) $(HOSTS)

## the tests that neither train nor start processes, at most 3 minutes: a developer's loop
quick: .venv/installed
	pytest $(PARALLEL) $(HOSTS:%=--ignore=%) -m "not slow"

## formatting, lint and types
lint: .venv/installed
	ruff format --check .
	ruff check .
	mypy

format: .venv/installed
	ruff format .
	ruff check --fix .

## the losses' speed and memory beside their peers', into benchmarks/results/
bench: .venv/installed
	python -m benchmarks

## what needs an NVIDIA card, at most 8 minutes, into benchmarks/results/; DRY=1 tries the script on a CPU
gpu: .venv/installed
	python -m benchmarks.gpu $(if $(DRY),--dry --out build/gpu)

## the documentation site, into build/site; a warning is an error
docs: .venv/installed
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

# mmdetection's own losses are what the reference mode is tested against; its wheel is only read, so that
# none of its dependencies is wanted.
.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	pip install --quiet --upgrade pip
	pip install --quiet --editable '.[train,test,docs,hosts]'
	pip install --quiet --no-deps mmdet==3.3.0
	touch $@

clean:
	rm -rf .venv demo runs dist
