# Two commands for a newcomer: `make demo` and `make test`. Both set up .venv once (stamp file: .venv/.ready).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Stock lava-dl runs on Python 3.10 alone, and gets a venv to itself.
STOCK := .venv310
PYTHON310 ?= $(shell for each in python3.10 $$HOME/.pyenv/versions/3.10.*/bin/python3.10; do \
  "$$each" -c "" 2>/dev/null && echo "$$each" && break; done)

NEUROBENCH := .neurobench
SANAFE := .sanafe
PEOPLE := .people

.PHONY: demo test bench bench-engine bench-lava base sizes shipped-model generalisation real-people benchmark-baselines pilotnet neurobench sanafe ablations stock-lava lint format lava clean
.DELETE_ON_ERROR:

demo: $(READY)
	@$(BIN)/python examples/demo.py demo

test: $(READY)
	@$(BIN)/python -m pytest

# Ratios, printed; recorded in docs/.
bench: $(READY)
	@$(BIN)/python tests/benchmarks/bench_video.py
	@$(BIN)/python tests/benchmarks/bench_training.py

bench-engine: $(READY)
	@$(BIN)/python tests/benchmarks/bench_engine.py

bench-lava: $(READY)
	@$(BIN)/python tests/benchmarks/bench_lava.py

# Slow checks; what they printed is recorded in docs/.
base: $(READY)
	@$(BIN)/python tests/slow/base_bundle.py

sizes: $(READY)
	@$(BIN)/python tests/slow/variant_sizes.py

# Trains what is in examples/tiny and measures it on the whole test split: two hours on two cores with the making of clips.
shipped-model: $(READY)
	@$(BIN)/hybridnet prepare rendered-mocap -o mocap --train 600
	@$(BIN)/hybridnet train examples/train_tiny_first.toml
	@$(BIN)/hybridnet train examples/train_tiny_second.toml --init runs/tiny-first/model.safetensors
	@$(BIN)/hybridnet train examples/train_tiny.toml --init runs/tiny-second/model.safetensors
	@cp runs/tiny/model.safetensors runs/tiny/model.json runs/tiny/log.csv runs/tiny/curves.png examples/tiny
	@for each in first second; do cp runs/tiny-$$each/log.csv examples/tiny/log_$$each.csv; done
	@$(BIN)/hybridnet evaluate examples/tiny/model.safetensors examples/train_tiny.toml -o runs/tiny/test --json > runs/tiny/test.json
	@$(BIN)/python tests/slow/shipped_model.py runs/tiny/test.json --write docs/benchmark.md

# Where the shipped model's accuracy is lost: unseen clips, scenes or cameras; after shipped-model, some minutes.
generalisation: $(READY)
	@$(BIN)/python tests/slow/generalisation.py examples/tiny/model.safetensors mocap --write docs/benchmark.md

# The shipped model on filmed people, whose clips are in two wheels of others.
real-people: $(READY) $(PEOPLE)/.ready
	@$(BIN)/python tests/slow/real_people.py $(PEOPLE) --write docs/benchmark.md

$(PEOPLE)/.ready:
	@$(BIN)/python -m pip download --quiet --no-deps --dest $(PEOPLE) pose2sim==0.10.49 sports2d==0.8.34 || \
	  { echo "set-up: pip failed; check the network, then run make real-people again" >&2; exit 1; }
	@touch $@

# Makes rendered mocap in mocap/ and writes the baselines' table into the document.
benchmark-baselines: $(READY)
	@$(BIN)/hybridnet prepare rendered-mocap -o mocap
	@$(BIN)/python tests/slow/benchmark_baselines.py mocap --write docs/benchmark.md

# Trains what docs/ablations.csv does not have yet, hours of it; stop it and go on as you like.
ablations: $(READY)
	@$(BIN)/hybridnet prepare rendered-mocap -o mocap --train 300
	@$(BIN)/python tests/slow/ablations.py --write docs/benchmark.md

# Predicted energy beside a measurement; writes the document's tables.
pilotnet: $(READY)
	@$(BIN)/python tests/slow/pilotnet_energy.py --write docs/pilotnet_energy.md

# NeuroBench's own counts beside ours. Without what it depends on, most of which this never imports.
neurobench: $(READY) $(NEUROBENCH)/.ready
	@PYTHONPATH=$(NEUROBENCH) $(BIN)/python tests/slow/neurobench_counts.py

$(NEUROBENCH)/.ready:
	@$(BIN)/python -m pip install --quiet --no-deps --target $(NEUROBENCH) neurobench==2.3.0 snntorch==1.0.0 || \
	  { echo "set-up: pip failed; check the network, then run make neurobench again" >&2; exit 1; }
	@touch $@

# SANA-FE's counts beside ours, in an environment of its own: its licence is the GPL.
sanafe: $(READY) $(SANAFE)/.ready
	@$(BIN)/python tests/slow/sanafe_counts.py $(SANAFE)/bin/python

$(SANAFE)/.ready:
	@$(PYTHON) -m venv $(SANAFE) && $(SANAFE)/bin/python -m pip install --quiet sanafe==2.2.9 || \
	  { echo "set-up: pip failed; check the network, then run make sanafe again" >&2; exit 1; }
	@touch $@

# The demo's bundle in the hands of a stock Lava user.
stock-lava: $(READY) $(STOCK)/.ready
	@test -d demo/tiny.bundle || { mkdir -p demo && \
	  $(BIN)/python examples/1_checkpoint.py tiny demo/tiny.safetensors && \
	  $(BIN)/hybridnet export demo/tiny.safetensors -o demo/tiny.bundle; }
	@for stream in motion residual; do $(STOCK)/bin/python examples/5_stock_lava.py demo/tiny.bundle $$stream || exit 1; done

$(STOCK)/.ready:
	@test -n "$(PYTHON310)" || \
	  { echo "stock-lava: no Python 3.10 found, and stock lava-dl needs it; run: make PYTHON310=... stock-lava" >&2; exit 1; }
	@echo "set-up: installing lava-dl 0.6.0 into $(STOCK) (a few minutes, about 6 GB; once)"
	@$(PYTHON310) -m venv $(STOCK) && $(STOCK)/bin/python -m pip install --quiet lava-dl==0.6.0 || \
	  { echo "set-up: pip failed; check the network and disk space (6 GB), then run make stock-lava again" >&2; exit 1; }
	@touch $@

lint: $(READY)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: $(READY)
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(STOCK) $(NEUROBENCH) $(SANAFE) $(PEOPLE) demo mocap build dist *.egg-info

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
