# Two commands for a newcomer: `make demo` and `make test`. Both set up .venv once (stamp file: .venv/.ready).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test bench base lint format lava clean
.DELETE_ON_ERROR:

demo: $(READY)
	@$(BIN)/python examples/demo.py demo

test: $(READY)
	@$(BIN)/python -m pytest

# Ratios, printed; recorded in docs/.
bench: $(READY)
	@$(BIN)/python tests/benchmarks/bench_video.py

# Slow checks; what they printed is recorded in docs/.
base: $(READY)
	@$(BIN)/python tests/slow/base_bundle.py

lint: $(READY)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: $(READY)
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

clean:
	rm -rf $(VENV) demo build dist *.egg-info

lava: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "set-up: $(PYTHON) is older than 3.11; run: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "set-up: $(PYTHON) cannot make a virtual environment; install its venv module (Debian: apt install python3-venv)" >&2; exit 1; }
	@echo "set-up: installing into $(VENV) (a few minutes, about 6 GB; once)"
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[train,export,lava,report,dev]" || \
	  { echo "set-up: pip failed; check the network and disk space (6 GB), then run make again" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --no-deps --ignore-requires-python -c constraints.txt lava-nc lava-dl || \
	  { echo "set-up: the Lava wheels failed to install; check the network, then run make again" >&2; exit 1; }
	@touch $@
