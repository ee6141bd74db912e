# run: serve the lab. test: everything that must pass. check: its linters. bench: measure. docs: write generated pages.
.PHONY: run test check bench docs chromium postgresql

BIN := .venv/bin
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$python && break; done)

run: .venv/run.stamp
	$(BIN)/streamlit run app.py

test: check chromium postgresql
	$(BIN)/pytest --numprocesses auto --dist loadgroup --no-loadscope-reorder -m "not alone"
	$(BIN)/pytest -m alone

check: .venv/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/run.stamp
	$(BIN)/python -m bench

docs: .venv/run.stamp
	$(BIN)/python -m docs.generate

chromium: .venv/dev.stamp
	@.ci/chromium

postgresql:
	@.ci/postgresql

.venv/run.stamp: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --requirement $<
	@touch $@

.venv/dev.stamp: requirements-dev.txt .venv/run.stamp
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --requirement $<
	@touch $@

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "The lab needs Python 3.11, 3.12 or 3.13: install one, or name it with 'make PYTHON=/path/to/python3.11'." >&2; exit 1; }
	@$(PYTHON) -c "import ensurepip, venv" 2>/dev/null || { echo "$(PYTHON) has no venv module: install it with 'sudo apt-get install python3-venv' and run make again." >&2; exit 1; }
	$(PYTHON) -m venv .venv
