# Two commands do all the set-up: `make demo` and `make test`.
#
# On a GPU: make demo CONSTRAINTS=            (takes the registry's CUDA build of torch)
# CPU build from PyTorch's own index where the registry has only CUDA builds:
#           make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
PYTHON      ?= python3
CONSTRAINTS ?= constraints.txt
TORCH_INDEX ?=
WORKERS     ?= 2

VENV    := .venv
BIN     := $(VENV)/bin
PIP     := $(BIN)/python -m pip install --disable-pip-version-check --quiet
PIN     := $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS))
INDEX   := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.PHONY: demo test test-slow lint calibrate clean

demo: $(VENV)/.installed
	$(BIN)/python examples/demo.py --workers $(WORKERS)

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n $(WORKERS) --maxschedchunk 4 -m "not slow" tests

test-slow: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m slow tests

# Every strategy on every mini task (hours on two cores); stopped, it goes on. Then card and leaderboard.
calibrate: $(VENV)/.installed-test
	$(BIN)/stabbench mini search --workers $(WORKERS)
	$(BIN)/stabbench mini calibrate --workers $(WORKERS)
	$(BIN)/stabbench mini card
	$(BIN)/stabbench leaderboard --archive baselines/mini.runs.jsonl.gz

lint: $(VENV)/.installed-test
	$(BIN)/python -m pytest tests/code

$(VENV)/.installed: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(PIP) $(PIN) $(INDEX) --editable .
	touch $@

$(VENV)/.installed-test: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(PIP) $(PIN) $(INDEX) --editable ".[test]"
	touch $(VENV)/.installed $@

clean:
	rm -rf $(VENV) build dist *.egg-info
