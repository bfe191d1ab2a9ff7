# make run | make test: both set everything up first (see README.md).
SHELL := /bin/bash
PYTHON := .venv/bin/python
# TensorFlow and an OpenGL canvas crash in one process, and importing the tests of the network loads TensorFlow.
# So the suite is parts, each a process of its own. JOBS of them run at once, each with one thread for
# arithmetic, and a part prints when it is done. What a part of a kind names, the last part of that kind leaves
# out and runs the rest: no test file is forgotten.
JOBS := 2
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1
PYTEST := $(ONE_THREAD) $(PYTHON) -m pytest -q --durations=5
SCREEN := xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX"
PLAIN = $(PYTEST) -p no:pytest-qt -m "not window"
NETWORK = $(PYTEST) -p no:pytest-qt
WINDOW = $(SCREEN) env $(PYTEST) -m window
AT_ONCE = bundles=$$(mktemp -d); trap 'rm -rf "$$bundles"' EXIT; \
  ATTUNET_TINY_BUNDLES=$$bundles $(MAKE) --no-print-directory --keep-going --jobs=$(JOBS) --output-sync=target

COMMANDS := tests/cli tests/privacy
FILES := tests/io tests/export tests/fuzzing
BESIDE := tests/gui tests/app tests/benchmarks tests/workers tests/training
LEARNING := $(patsubst %,tests/network/test_%.py,ablation import_to_adoption finetuning)
ONE_CASE := $(patsubst %,tests/gui/test_%.py,window unintended_changes killed_window window_identifiers)
leave_out = $(foreach path,$(1),--ignore=$(path))

# The longest ones first, so that none is left alone at the end.
PLAIN_PARTS := plain-commands plain-files plain-beside plain-rest
NETWORK_PARTS := network-rest network-learning
WINDOW_PARTS := window-one-case window-rest
PARTS := window-one-case plain-commands network-rest window-rest network-learning plain-beside plain-files plain-rest

.PHONY: help run test setup check test-plain test-network test-window $(PARTS) explore coverage lock clean
.PHONY: package package-check deb deb-check wheelhouse start-up

help:
	@echo "make run     set up, then open the window on a demo CT (on a virtual display if there is none)"
	@echo "make test    set up, then check the code and run every test, the window's included"
	@echo "make setup   only set up: system libraries and the locked packages in .venv"

setup:
	@packaging/setup.sh

run: setup
	@.venv/bin/attunet demo

test: setup
	@$(AT_ONCE) check $(PARTS)

check:
	@echo "==> lint, types, layers, plugin manifest"
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check -q .
	@$(PYTHON) -m mypy
	@$(PYTHON) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
	@$(PYTHON) -m npe2 validate attunet-gui --imports

test-plain:
	@$(AT_ONCE) $(PLAIN_PARTS)

test-network:
	@$(AT_ONCE) $(NETWORK_PARTS)

test-window:
	@$(AT_ONCE) $(WINDOW_PARTS)

plain-commands:
	@echo "==> tests without TensorFlow and without a window: the command line"
	@$(PLAIN) $(COMMANDS)

plain-files:
	@echo "==> tests without TensorFlow and without a window: files"
	@$(PLAIN) $(FILES)

plain-beside:
	@echo "==> tests without TensorFlow and without a window: the window's controllers, and what runs beside it"
	@$(PLAIN) $(BESIDE)

plain-rest:
	@echo "==> tests without TensorFlow and without a window: all others"
	@$(PLAIN) $(call leave_out,tests/network $(COMMANDS) $(FILES) $(BESIDE)) tests

network-learning:
	@echo "==> tests of the network: fine-tuning and comparisons"
	@$(NETWORK) $(LEARNING)

network-rest:
	@echo "==> tests of the network: all others"
	@$(NETWORK) $(call leave_out,$(LEARNING)) tests/network

window-one-case:
	@echo "==> tests of the window, on a virtual display: one case"
	@$(WINDOW) $(ONE_CASE)

window-rest:
	@echo "==> tests of the window, on a virtual display: all others"
	@$(WINDOW) $(call leave_out,$(ONE_CASE)) tests/gui

# The properties once more, on examples nobody has tried: what it finds becomes a test of its own.
explore:
	@$(PLAIN) --hypothesis-profile=explore $$(grep -rl "^from hypothesis" --include="test_*.py" tests)

coverage:
	@rm -f .coverage .coverage.*
	@$(MAKE) --no-print-directory JOBS=1 PYTEST="$(PYTEST) --cov --cov-append --cov-report=" test-plain test-network test-window
	@$(PYTHON) -m coverage report

lock:
	@.venv/bin/uv pip compile pyproject.toml --extra app --extra cpu --extra fast --extra train --extra package --extra dev --universal \
	  --python-version 3.11 --generate-hashes --no-header -q -o requirements.lock

# Packages; docs/packaging.md says what is in them. PACKAGES is where they go.
PACKAGES := out/package
FOLDER = $(patsubst %.tar.xz,%,$(firstword $(wildcard $(PACKAGES)/attunet-*.tar.xz)))

package: setup
	@packaging/package.sh $(PACKAGES)

package-check:
	@packaging/package-check.sh $(FOLDER).tar.xz

deb:
	@packaging/deb.sh $(FOLDER)

deb-check:
	@packaging/deb-check.sh $(PACKAGES)/attunet_*_amd64.deb

wheelhouse: setup
	@packaging/wheelhouse.sh

start-up:
	@$(SCREEN) $(PYTHON) packaging/start_up.py $(FOLDER)/attunet .venv/bin/attunet

clean:
	rm -rf out .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
