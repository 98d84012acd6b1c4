# `make demo` and `make test` are all the set-up there is: they need Rust and Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
DEV := .venv-dev
PIP := -m pip install --quiet --disable-pip-version-check
CARGO_TEST := $(shell cargo nextest --version >/dev/null 2>&1 && echo nextest run || echo test)

.PHONY: demo test dev lint docs bench clean tools

demo: tools ## install into a fresh virtual environment and run the demo
	$(PYTHON) -m venv --clear $(VENV)
	@echo "Building and installing sondage into $(VENV); the first time takes a minute or two."
	$(VENV)/bin/python $(PIP) '.[demo]'
	$(VENV)/bin/sondage demo

test: dev ## install what the tests need and run them
	cargo $(CARGO_TEST) --workspace
	cargo test --workspace --doc
	$(DEV)/bin/python -m pytest
	$(DEV)/bin/python -m pytest --doctest-modules python/sondage

dev: tools ## install the tree, editable, with everything for development
	test -x $(DEV)/bin/python || $(PYTHON) -m venv $(DEV)
	@echo "Building and installing sondage into $(DEV); the first time takes a minute or two."
	$(DEV)/bin/python $(PIP) --editable '.[dev]'

lint: ## format, lints and types; needs `make dev`
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --workspace --all-targets --features mutants -- -D warnings
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/mypy
	$(DEV)/bin/python -m mypy.stubtest sondage._core

docs: ## build the documentation into site/; needs `make dev`
	$(DEV)/bin/python $(PIP) --editable '.[dev,docs]'
	NO_MKDOCS_2_WARNING=1 $(DEV)/bin/mkdocs build --strict --quiet

bench: dev ## run the benchmarks
	cargo bench
	$(DEV)/bin/sondage bench

clean:
	rm -rf target dist site $(VENV) $(DEV) .venv-wheel
	rm -f python/sondage/_core*.so

tools:
	@command -v cargo >/dev/null || { echo "sondage needs Rust: https://rustup.rs" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sondage needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
