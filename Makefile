# run: serve the lab. test: everything that must pass. check: its linters. bench: measure. docs: write generated pages.
# constraints: note the newest versions that fit together. audit: look for known holes in those.
# fast: what another Python could break; `make VENV=.venv-3.13 PYTHON=python3.13 check fast` tries one.
.PHONY: run test check types types-on-windows imports fast bench docs constraints audit chromium postgresql nginx

VENV := .venv
BIN := $(VENV)/bin
FAST := tests/maths tests/policies tests/learning/test_reinforce.py tests/pages/test_pages.py tests/test_config.py tests/test_cli.py
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$python && break; done)

run: $(VENV)/run.stamp
	$(BIN)/streamlit run app.py

test: check chromium postgresql nginx
	$(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder -m "not alone"
	$(BIN)/pytest -m alone $(shell grep -rl pytest.mark.alone tests --include=*.py)

check: $(VENV)/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	@$(MAKE) --no-print-directory --jobs --output-sync types types-on-windows imports

types:
	$(BIN)/mypy

types-on-windows:
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32

imports:
	$(BIN)/lint-imports

fast: $(VENV)/dev.stamp
	$(BIN)/pytest --numprocesses auto --dist loadfile -m "not slow and not alone" $(FAST)

bench: $(VENV)/run.stamp
	$(BIN)/python -m bench

docs: $(VENV)/run.stamp
	$(BIN)/python -m docs.generate

constraints: $(VENV)/dev.stamp
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate --output-file constraints.txt requirements.txt

audit: $(VENV)/dev.stamp
	$(BIN)/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip

chromium: $(VENV)/dev.stamp
	@.ci/chromium

postgresql:
	@.ci/postgresql

nginx:
	@.ci/nginx

$(VENV)/run.stamp: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --requirement $< || { $(BIN)/python -m pg_core.installation; exit 1; }
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt requirements-cluster.txt $(VENV)/run.stamp
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --requirement $<
	@touch $@

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "The lab needs Python 3.11, 3.12 or 3.13: install one, or name it with 'make PYTHON=/path/to/python3.11'." >&2; exit 1; }
	@$(PYTHON) -c "import ensurepip, venv" 2>/dev/null || { echo "$(PYTHON) has no venv module: install it with 'sudo apt-get install python3-venv' and run make again." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
