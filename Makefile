# make lab    JupyterLab on the example notebook, in this checkout's own virtual environment
# make test   every check and test; ARGS="-n 0 -k words" runs those in one process
# Others: bench, lint, doctor, clean. Only Python 3.10 or newer is needed; PYTHON=... names another one.

VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$p && break; done)
ARGS ?=
# How many tests run side by side.
WORKERS ?= 2
# JupyterLab asks root to say so.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
# A browser that JupyterLab opens shows the notebook; this is for the addresses that it prints where there is none.
AT_NOTEBOOK := --LabApp.default_url=/lab/tree/welcome.ipynb

.DEFAULT_GOAL := help
.PHONY: help lab dashboard test lint lowest doctor bench clean frontend chromium

help:
	@sed -n '1,3s/^# //p' Makefile

lab: $(VENV)/.lab
	@$(BIN)/python -m hopx_kernel doctor || true
	$(BIN)/jupyter lab $(AS_ROOT) examples/welcome.ipynb $(AT_NOTEBOOK) $(ARGS)

dashboard: $(VENV)/.voila
	$(BIN)/voila examples/dashboard.ipynb $(ARGS)

# Of some tests alone, the lowest versions are not tried.
test: $(VENV)/.test lint chromium $(if $(ARGS),,lowest)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --durations 20 $(ARGS)

lint: $(VENV)/.test frontend
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Today's code beside the lowest versions that pyproject.toml names.
lowest: $(VENV)/.test
	$(BIN)/python scripts/lowest_versions.py $(VENV)-lowest --numprocesses $(WORKERS) --dist loadfile

# The front end's types, by TypeScript's checker.
frontend: $(VENV)/.test
	$(BIN)/python scripts/check_frontend.py

chromium: $(VENV)/.test
	@$(BIN)/python scripts/bring_chromium.py

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks $(ARGS)

doctor: $(VENV)/.lab
	$(BIN)/python -m hopx_kernel doctor

clean:
	rm -rf $(VENV) $(VENV)-lowest build dist test-output .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp a set of extras: the second time, nothing is installed. An editable install, so that edits count at once.
$(VENV)/.%: $(VENV)/.venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	$(BIN)/python -m hopx_kernel install --sys-prefix
	@touch $@

$(VENV)/.lab $(VENV)/.voila $(VENV)/.test $(VENV)/.bench: pyproject.toml $(wildcard kernelspec/*)

.PRECIOUS: $(VENV)/.venv
$(VENV)/.venv:
	@test -n "$(PYTHON)" || { echo "Python 3.10 or newer is needed and was not found. Name one: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	echo "$(PYTHON) cannot make virtual environments: its venv module is missing. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@
