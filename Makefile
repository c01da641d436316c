# Works with GNU make 3.81, which macOS ships. `make help` lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS := 2
PINNED := $(VENV)/pinned
READY := $(VENV)/ready
WINDOW := $(VENV)/window
COMPILE := UV_CUSTOM_COMPILE_COMMAND="make lock" uv pip compile --quiet --universal \
	--generate-hashes --python-version 3.11 \
	--no-emit-package whiteout --no-emit-package whiteout-pipeline

# Tests start hundreds of processes: each would compile all of its modules again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test lint format docs docs-serve bench dist lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(READY) ## the pipeline on this machine, with a small shop tracking into it
	$(BIN)/whiteout demo

test: $(READY) $(WINDOW) ## all tests; make test ARGS="tests/tracker -x" for some
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(READY) ## style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m docs.block_types

format: $(READY) ## mend what can be mended of the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY) ## the documentation as a site in build/site; a broken link fails
	$(BIN)/python -m docs.generate
	$(BIN)/python -m docs.screenshots
	$(BIN)/zensical build --strict

docs-serve: $(READY) ## the site on http://localhost:8000, built anew when a page changes
	$(BIN)/python -m docs.generate
	$(BIN)/zensical serve

bench: $(READY) ## the figures: every program of benchmarks/, one after the other
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--no-build-isolation --editable '.[bench]'
	@command -v npm >/dev/null && (cd benchmarks && npm install --no-package-lock --silent) || \
		echo "npm is not here: no figures of the JavaScript peer"
	@for program in $$(grep -l '^    python benchmarks/' benchmarks/*.py); do \
		echo; echo "== $$program"; \
		$(BIN)/python $$program || echo "$$program: no figures, for the reason above"; \
	done

dist: $(READY) ## the wheels of what is committed, as an index takes them, into build/dist
	rm -rf build/dist build/release && mkdir -p build/release
	git archive HEAD | tar -x -C build/release
	version=$$($(BIN)/python -c 'import whiteout; print(whiteout.__version__)') && \
		sed "s| @ {root:uri}/pipeline|==$$version|" pyproject.toml > build/release/pyproject.toml
	for project in build/release build/release/pipeline; do \
		$(BIN)/python -m build --wheel --no-isolation --outdir build/dist $$project || exit 1; \
	done

lock: ## pin the newest versions of all dependencies; needs uv
	echo "whiteout[dev] @ file://$$PWD" | $(COMPILE) --upgrade -o requirements-dev.txt -
	echo "whiteout[window] @ file://$$PWD" | \
		$(COMPILE) --constraints requirements-dev.txt -o requirements-window.txt -

clean: ## remove what make and the tools made, the environment too
	rm -rf $(VENV) build dist docs/reference .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The project itself, by reference: what is changed in src/ needs no new installation.
$(READY): $(PINNED) pyproject.toml pipeline/pyproject.toml
	for project in . ./pipeline; do \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
			--no-build-isolation --editable $$project || exit 1; \
	done
	@touch $(READY)

# Half a gigabyte for one test: not for the demo, and where Qt draws windows without a screen.
$(WINDOW): requirements-window.txt $(PINNED) | $(READY)
	@test "$$(uname)" != Linux || $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--no-compile --require-hashes -r requirements-window.txt
	@touch $(WINDOW)

# What it needs. Made anew whenever the pinned set changes, so that it holds that and no more.
$(PINNED): requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Whiteout needs Python 3.11 or newer, and $(PYTHON) is none." \
			"Try: make run PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments." \
			"On Debian and Ubuntu: sudo apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile \
		--require-hashes -r requirements-dev.txt
	@touch $(PINNED)
