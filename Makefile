# The first two lines to type on a fresh clone: `make bench` and `make test`.
# Each makes .venv and installs what it needs; `make help` lists the rest.
#
#   PYTHON   the interpreter that .venv is made from (3.11 or newer; found by itself)
#   JOBS     processes of a sweep (default: the cores of this machine, at most 16)

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

AT_LEAST_311 := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c '$(AT_LEAST_311)' 2>/dev/null && { echo $$p; break; }; done)
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
JOBS ?= $(shell echo $$(( $(CORES) < 16 ? $(CORES) : 16 )))

VENV := .venv
READY := $(VENV)/.ready
PY := $(VENV)/bin/python
BENCH := $(VENV)/bin/bilevel-bench

## set-up

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: setup
setup: $(READY)  ## make .venv and install everything (the other targets do it by themselves)

# torch first and alone: the largest download fails before anything else is done, and a machine
# that offers a CPU build of the same version keeps it.
$(READY): pyproject.toml constraints.txt
	@$(or $(PYTHON),false) -c '$(AT_LEAST_311)' 2>/dev/null || { \
		echo "bilevel-bench needs Python 3.11 or newer; found none$(if $(PYTHON), at '$(PYTHON)'): install it, or name it with make PYTHON=/path/to/python3.11"; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet -c constraints.txt torch hatchling editables
	$(PY) -m pip install --quiet -c constraints.txt --no-build-isolation -e '.[dev,data,cluster,history]'
	@touch $@

## the product

# $(call measure,SPECIFICATION,DIRECTORY): sweep (resumes by itself), then tables and figures
define measure
$(BENCH) sweep $(1) --out $(2) --jobs $(JOBS)
$(call report,$(2))
endef

define report
mkdir -p $(1)/tables
$(BENCH) table $(1) --format md --output $(1)/tables/table.md
$(BENCH) table $(1) --format latex --output $(1)/tables/table.tex
$(BENCH) table $(1) --format csv --output $(1)/tables/table.csv
$(BENCH) plot $(1)
$(BENCH) report $(1)
endef

.PHONY: bench
bench: $(READY)  ## measure the paper's two tables (quick profile, at most 20 minutes)
	$(call measure,benchmarks/sweeps/quick.toml,results/quick)
	$(call measure,benchmarks/sweeps/quick_stochastic.toml,results/quick_stochastic)
	@echo; cat results/quick/tables/table.md results/quick_stochastic/tables/table.md

.PHONY: bench-full
bench-full: $(READY)  ## the same on wider ranges and more instances, and tuned; says its time first
	$(call measure,benchmarks/sweeps/full.toml,results/full)
	$(call measure,benchmarks/sweeps/full_stochastic.toml,results/full_stochastic)
	$(call measure,benchmarks/sweeps/full_tuned.toml,results/full_tuned)

.PHONY: tuned
tuned: $(READY)  ## both tables under tuned parameters (about 20 minutes)
	$(call measure,benchmarks/sweeps/quick_tuned.toml,results/quick_tuned)

.PHONY: eps-exponents
eps-exponents: $(READY)  ## exponents of 1/eps at a fixed kappa (about 5 minutes)
	$(call measure,benchmarks/sweeps/eps_exponents.toml,results/eps_exponents)

.PHONY: ablations
ablations: $(READY)  ## what warm starts, D, N and independent batches buy (about 2 minutes)
	$(call measure,benchmarks/sweeps/ablations.toml,results/ablations)

.PHONY: known-exponents
known-exponents: $(READY)  ## read back the exponents that are known (about 5 minutes)
	$(call measure,benchmarks/sweeps/known_exponents.toml,results/known_exponents)

# $(call train,PROFILE): every experiment on real data; what is done already is not done again
define train
@for name in hypercleaning newsgroups fewshot; do \
	$(BENCH) experiment $$name --profile $(1) --jobs $(JOBS) \
		--out results/experiments/$$name$(2) $(if $(DATA),--data-home '$(DATA)'); \
done
endef

.PHONY: experiments
experiments: $(READY)  ## train on real data, quick profile (at most 25 minutes on 2 cores; DATA=folder)
	$(call train,quick,)

.PHONY: conditioning
conditioning: $(READY)  ## condition numbers of the real tasks, on the measured curves (10 minutes; DATA=folder)
	@$(if $(DATA),BILEVEL_DATA='$(DATA)') $(PY) -m benchmarks.conditioning results/experiments/conditioning

.PHONY: experiments-full
experiments-full: $(READY)  ## the same at full size and on more seeds (hours)
	$(call train,full,-full)

REFERENCES := known_exponents quick quick_stochastic quick_tuned eps_exponents ablations

.PHONY: reference
reference: $(READY)  ## measure again what results/ and the README show (about an hour)
	@for name in $(REFERENCES); do \
		$(BENCH) sweep benchmarks/sweeps/$$name.toml --out results/reference/$$name --jobs $(JOBS); \
		$(MAKE) --no-print-directory report-of STORE=results/reference/$$name; \
	done
	OMP_NUM_THREADS=1 $(PY) benchmarks/speed.py results/reference/speed.json
	$(PY) benchmarks/readme.py
	$(PY) benchmarks/results_page.py

## speed

PEERS := $(VENV)/.peers

# JAX is measured against and never run by the product: an extra of its own.
$(PEERS): $(READY)
	$(PY) -m pip install --quiet -c constraints.txt --no-build-isolation -e '.[peers]'
	@touch $@

.PHONY: peers
peers: $(PEERS)  ## speed beside JAX and NumPy: results/peers.md (about 20 minutes, on an idle machine)
	$(PY) -m benchmarks.peers results

.PHONY: growth
growth: $(READY)  ## how our own cost grows: results/growth/ (about 10 minutes)
	OMP_NUM_THREADS=1 $(PY) benchmarks/growth.py results/growth

.PHONY: scaling
scaling: $(READY)  ## what workers gain, and predicted over measured time: results/scaling.md
	$(PY) benchmarks/scaling.py results/scaling.json

.PHONY: calibrate
calibrate: $(READY)  ## measure the speeds that predicted times rest on (on an idle machine)
	OMP_NUM_THREADS=1 $(PY) benchmarks/calibrate.py

.PHONY: gpu
gpu: $(READY)  ## throughput and exponents on a CUDA device: results/gpu/ (refuses without one)
	$(PY) benchmarks/gpu.py results/gpu

.PHONY: test-perf
test-perf: $(READY)  ## micro-benchmarks of the hot paths
	OMP_NUM_THREADS=1 $(PY) -m pytest tests/perf --benchmark-only -n 0

## history

MACHINE ?= $(shell hostname)
PORT ?= 8000
HISTORY := $(PY) -m benchmarks.asv_history

.PHONY: history
history: $(READY)  ## measure this commit, or RANGE=a..b, and publish the history (about 5 minutes a commit)
	@$(HISTORY) record $(RANGE) --machine '$(MACHINE)'

.PHONY: history-check
history-check: $(READY)  ## fail if an exact count changed between the last two commits measured
	@$(HISTORY) check --machine '$(MACHINE)'

.PHONY: view
view: $(READY)  ## the history in a browser: http://127.0.0.1:8000 (PORT=n for another)
	@test -f results/asv/html/index.html || { echo "no pages yet: make history"; exit 2; }
	@echo "http://127.0.0.1:$(PORT) (Ctrl-C ends it)"
	@$(PY) -m http.server --bind 127.0.0.1 --directory results/asv/html $(PORT)

.PHONY: smoke
smoke: $(READY)  ## the smallest sweep, under 30 seconds, to try the commands
	$(call measure,benchmarks/sweeps/smoke.toml,results/smoke)

.PHONY: plots
plots: $(READY)  ## tables and figures again, for every store under results/ that has runs
	@for store in results/*/ results/reference/*/; do \
		store=$${store%/}; \
		ls $$store/runs 2>/dev/null | grep -q . || continue; \
		echo "$$store"; \
		$(MAKE) --no-print-directory report-of STORE=$$store; \
	done

.PHONY: gallery
gallery: $(READY)  ## docs/gallery.md again: what each command gives (about a minute)
	$(PY) benchmarks/gallery.py

.PHONY: report-of
report-of:
	$(call report,$(STORE))

## quality

.PHONY: test
test: $(READY) browser tex  ## the test-suite, on two processes
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2

# Pages are looked at in a real browser; without one those tests are skipped.
.PHONY: browser
browser:
	@command -v chromedriver >/dev/null && command -v chromium >/dev/null || { \
		command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] \
			&& { apt-get update; apt-get install -y chromium chromium-driver; } >/dev/null 2>&1; \
	} || echo "no chromium and chromedriver: tests that look at pages are skipped"

# LaTeX tables are compiled: 45 MB to load, 140 MB on disk; without them those tests are skipped.
.PHONY: tex
tex:
	@command -v pdflatex >/dev/null || { \
		command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] \
			&& { apt-get update; apt-get install -y --no-install-recommends \
				texlive-latex-base texlive-latex-recommended; } >/dev/null 2>&1; \
	} || echo "no pdflatex: tests that compile tables are skipped"

.PHONY: lint
lint: $(READY)  ## style, format and types, changing nothing
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

.PHONY: format
format: $(READY)  ## repair what can be repaired by itself
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

# The newest versions that pyproject.toml allows, as one consistent set, tried in an environment of
# its own. torch is held at the version that results are compared on; a build's local suffix
# (as in +cpu) is cut, so that the file fits every machine.
TORCH := 2.13.0
LOCK := .venv-lock

.PHONY: constraints
constraints:  ## write constraints.txt anew
	rm -rf $(LOCK)
	$(PYTHON) -m venv $(LOCK)
	$(LOCK)/bin/python -m pip install --quiet torch==$(TORCH) hatchling editables
	$(LOCK)/bin/python -m pip install --quiet --no-build-isolation -e '.[dev,data,history,cluster,peers]'
	{ sed -n '/^#/p' constraints.txt; \
	  $(LOCK)/bin/python -m pip freeze --exclude-editable | sed -E 's/\+[^ ]+$$//'; } > $(LOCK)/new
	mv $(LOCK)/new constraints.txt
	rm -rf $(LOCK)

.PHONY: clean
clean:  ## remove .venv and caches; results stay
	rm -rf $(VENV) $(LOCK) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find bilevel_core problems tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
