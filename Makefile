# `make setup` once, then `make check` before every commit.
PYTHON ?= python3
BIN = .venv/bin

.DEFAULT_GOAL := help

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup:  ## a virtual environment with everything a developer needs
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -e '.[dev]'

check: lint types layers fast  ## what to run before a commit

lint:  ## format and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format:  ## rewrite files in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types:  ## mypy, strict
	$(BIN)/mypy

layers:  ## imports point one way
	$(BIN)/lint-imports

fast:  ## tests without the slow ones
	$(BIN)/pytest -q -m "not slow"

test:  ## all tests
	$(BIN)/pytest -q

long:  ## thousands of random tries against twins and laws (hours)
	$(BIN)/pytest -q -m long

docs:  ## the site, into site/; warnings are errors
	$(BIN)/pip install -q -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

ci:  ## everything, in a fresh environment
	./.ci/run

.PHONY: help setup check lint format types layers fast test long docs ci
