# Back-propagation, unchained.  `make lab` opens the course, `make test` tests it; each sets up what it needs in .venv.
# Options:  PYTHON=python3.12            the Python that makes .venv (3.11 or later)
#           TORCH_INDEX=<address>        take torch from this index (see README: the CPU build on Linux)
#           LAB_ARGS="--no-browser"      more options for JupyterLab
#           TESTS="tests/training"       what `make test` runs; everything that needs no browser unless told
#           WORKERS=1                    processes of `make test` and `make browser`; as many as cores, at most 4 and 2
#           JOBS=2                       runs at a time of `make experiments`; one on each core unless told
#           DASK=tcp://host:8786         let them run on a Dask cluster

PYTHON ?= python3
WORKERS ?= auto
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
RUNS := $(if $(JOBS),--jobs $(JOBS)) $(if $(DASK),--dask $(DASK))
EXPERIMENTS := $(filter-out experiments/runs.py,$(wildcard experiments/*.py))
ROOT := $(shell [ "$$(id -u)" = 0 ] && echo --allow-root)

# Dozens of processes share what the first of them compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help lab test browser check bench live experiments picture clean
.DEFAULT_GOAL := help

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 22

lab: .venv/course.done ## Set everything up and open the course in JupyterLab
	$(BIN)/jupyter lab $(ROOT) $(LAB_ARGS) notebooks/00_start_here.ipynb

# Processes share the cores: a second thread in each would only spin.
test browser: export OMP_NUM_THREADS := 1
test: .venv/test.done ## Set everything up and run all tests that need no browser: unit tests, doctests, every notebook
	$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses=4 --maxschedchunk=1 --ignore=tests/browser $(TESTS)

browser: .venv/test.done ## Run the tests in JupyterLab and Chromium, which must be on PATH
	$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses=2 --dist=loadgroup tests/browser

check: .venv/dev.done ## Lint, format check and strict types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/test.done ## Measure speed, memory and accuracy against the peers: one table
	$(BIN)/python benchmarks/local_propagation.py
	$(BIN)/python benchmarks/differentiation.py
	$(BIN)/python benchmarks/arrays.py
	$(BIN)/python benchmarks/three_modes.py
	$(BIN)/python benchmarks/ensembles.py

live: .venv/test.done ## Measure the live panels in JupyterLab and Chromium: one table
	$(BIN)/python benchmarks/live.py

experiments: .venv/test.done ## Run again the experiments whose results the notebooks read (resumable)
	@for script in $(EXPERIMENTS); do $(BIN)/python $$script $(RUNS) || exit 1; done

picture: .venv/course.done ## Draw the pictures of the README again, from real training
	$(BIN)/python pictures/boundaries.py
	$(BIN)/python pictures/training.py

clean: ## Remove .venv and caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info

# One stamp a set of extras; a stamp is renewed when the versions change.
.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo 'The course needs Python 3.11 or later: install it, then say `make ... PYTHON=python3.11`.'; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo 'This Python has no venv module: install it (Debian and Ubuntu: apt install python3-venv), then try again.'; exit 1; }
	@echo 'Making .venv and fetching the packages: a few minutes, once.'
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/torch.done: .venv/made constraints.txt
	@$(if $(TORCH_INDEX),$(PIP) torch -c constraints.txt --index-url $(TORCH_INDEX))
	@touch $@

.venv/%.done: .venv/torch.done pyproject.toml constraints.txt
	@$(PIP) -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

.venv/course.done: EXTRAS = course
.venv/test.done: EXTRAS = course,test
.venv/dev.done: EXTRAS = course,test,dev
