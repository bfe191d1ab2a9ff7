# make run | make test: both set everything up first (see README.md).
SHELL := /bin/bash
PYTHON := .venv/bin/python
# TensorFlow and an OpenGL canvas crash in one process, so the suite runs as three of them. Importing the
# tests of the network loads TensorFlow, so the other two leave their folder out.
PYTEST := $(PYTHON) -m pytest -q --durations=5
PLAIN = $(PYTEST) -p no:pytest-qt -m "not window"
BESIDE := tests/cli tests/fuzzing tests/privacy tests/review tests/editing
NETWORK = $(PYTEST) -p no:pytest-qt
LEARNING := $(patsubst %,tests/network/test_%.py,ablation import_to_adoption finetuning)
SCREEN := xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX"

# For two cores; what the first one printed follows when the second is done.
define in_two_processes
	@printed=$$(mktemp); \
	$(1) > $$printed 2>&1 & beside=$$!; \
	$(2); failed=$$?; \
	wait $$beside || failed=1; cat $$printed; rm -f $$printed; exit $$failed
endef

.NOTPARALLEL:
.PHONY: help run test setup check test-plain test-network test-window explore coverage lock clean
.PHONY: package package-check deb deb-check wheelhouse start-up

help:
	@echo "make run     set up, then open the window on a demo CT (on a virtual display if there is none)"
	@echo "make test    set up, then check the code and run every test, the window's included"
	@echo "make setup   only set up: system libraries and the locked packages in .venv"

setup:
	@packaging/setup.sh

run: setup
	@.venv/bin/attunet demo

test: setup check test-plain test-network test-window

check:
	@echo "==> lint, types, layers, plugin manifest"
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check -q .
	@$(PYTHON) -m mypy
	@$(PYTHON) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
	@$(PYTHON) -m npe2 validate attunet-gui --imports

test-plain:
	@echo "==> tests without TensorFlow and without a window"
	$(call in_two_processes,$(PLAIN) $(BESIDE),\
	  $(PLAIN) $(foreach folder,network $(notdir $(BESIDE)),--ignore=tests/$(folder)) tests)

test-network:
	@echo "==> tests of the network"
	$(call in_two_processes,$(NETWORK) $(LEARNING),\
	  $(NETWORK) $(foreach file,$(LEARNING),--ignore=$(file)) tests/network)

test-window:
	@echo "==> tests of the window, on a virtual display"
	@$(SCREEN) $(PYTEST) -m window tests/gui

# The properties once more, on examples nobody has tried: what it finds becomes a test of its own.
explore:
	@$(PLAIN) --hypothesis-profile=explore $$(grep -rl "^from hypothesis" --include="test_*.py" tests)

coverage:
	@rm -f .coverage .coverage.*
	@$(MAKE) --no-print-directory PYTEST="$(PYTEST) --cov --cov-append --cov-report=" test-plain test-network test-window
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
