# `make demo` and `make test` need Python 3.11, git and make; they set up .venv themselves, with every extra.
# `make test PYTHON=python3.13` (3.11 to 3.13) works in a .venv-python3.13 of its own.
PYTHON ?= python3.11
NAMED := $(filter command,$(origin PYTHON))
VENV := .venv$(if $(NAMED),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
STAMP := $(VENV)/installed

.PHONY: demo test check lint slow format clean

demo: $(STAMP)
	$(BIN)/routerset demo --out out/demo

test: $(STAMP) lint
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

check: test

ROOMS := schemas embed expectations release etl
TYPED := build/typed/routerset

lint: $(STAMP)
	mkdir -p $(TYPED)
	for room in $(ROOMS); do ln -sfn ../../../$$room $(TYPED)/$$room; done
	ln -sf ../../../routerset/__init__.py $(TYPED)/__init__.py
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

slow: $(STAMP)
	$(BIN)/python -m pytest -m slow

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# torch comes first and alone: any other order lets pip pick a build that brings gigabytes of CUDA packages
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) $(if $(NAMED),,|| python3 -m venv $(VENV))
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[all,dev]"
	touch $(STAMP)

clean:
	rm -rf .venv* out build *.egg-info
