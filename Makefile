# make demo    render a shipped sample to out/, no sound card needed
# make test    all tests, with the servers that they need
# make check   style, types, import order
# make bench   speed, beside other engines where they are installed

PYTHON ?= python3
VENV ?= .venv
export OPENBLAS_NUM_THREADS ?= 1
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test check bench clean

demo: $(INSTALLED)
	mkdir -p out
	$(BIN)/sonify render samples/incident.jsonl.gz -o out/incident.wav --timings
	$(BIN)/python samples/make_picture.py samples/incident.jsonl.gz out/incident.png
	@echo "listen to out/incident.wav; what you hear is drawn in out/incident.png"

test: $(INSTALLED)
	sh tests/install_servers.sh
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pytest

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(INSTALLED)
	sh tests/install_servers.sh bench
	$(BIN)/python -m bench.run

clean:
	rm -rf $(VENV) out .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(INSTALLED): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("sonify needs Python 3.11 or newer; set PYTHON=python3.x" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,check,picture]'
	touch $@
