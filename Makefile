# `make run` needs Python 3.11 or newer and nothing else: it makes its own .venv.
#   make run                    the digits experiment, every stage, under two minutes
#   make paper                  the paper's experiment on CIFAR-10
#   make test / lint / test-slow
#   make test-base              the fast tests that need no extra, in .venv-base: the base install alone
#   make test-newest            the fast tests with the newest version of everything, in .venv-newest
#   make torture                kill, fill up, feed rubbish to and run twice everything; 20 minutes on 2 cores
#   make versions               the tests with the lowest and highest versions of what confemb needs, on every
#                               Python it names that is here; an hour on 2 cores
#   make explorer               the explorer's bundle from its TypeScript sources; needs Node
#   make bench                  the benchmarks on the CPU, six minutes on two quiet cores; into reports/benchmarks
#   make bench-accelerator      those for a GPU (not run on one yet); needs JAX and PyTorch for it in .venv
#   make run PYTHON=python3.12  with a Python of your choice

# The first that really runs (a shim may be there and fail), is new enough and can make environments.
ifndef PYTHON
PYTHON := $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
endif

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# The newest Python that runs, pyenv's included: the newest JAX needs it.
PYTHON_NEWEST := $(shell for python in python3.13 ~/.pyenv/versions/3.13*/bin/python python3.12 \
	~/.pyenv/versions/3.12*/bin/python $(PYTHON); do \
	$$python -c 'import ensurepip, venv' 2>/dev/null && echo $$python && break; done)

.PHONY: run paper test test-slow test-base test-newest torture versions lint bench bench-accelerator explorer clean

run: .venv/installed
	$(BIN)/confemb run digits

paper: .venv/installed
	$(BIN)/confemb run paper_cifar10

test: .venv/installed-dev
	$(BIN)/python -m pytest -q -n auto --dist loadfile

test-slow: .venv/installed-dev
	$(BIN)/python -m pytest -q -m slow || [ $$? -eq 5 ] # 5: there is none

test-base: .venv-base/installed
	.venv-base/bin/python -m pytest -q -n auto --dist loadfile

test-newest: .venv-newest/installed
	@.venv-newest/bin/python -c 'import platform; from importlib.metadata import version as v; \
		print("Python", platform.python_version(), "with JAX", v("jax"), "and NumPy", v("numpy"))'
	.venv-newest/bin/python -m pytest -q -n auto --dist loadfile

torture: .venv/installed-bench
	@$(INSTALL) -e '.[fuzz]' 2>/dev/null || echo "Atheris does not install here: fuzzing is not guided by coverage."
	$(BIN)/python -m tests.torture --out reports/reliability

versions: .venv/installed-dev
	$(INSTALL) uv
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python experiments/versions.py --out reports/reliability/versions.csv

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Each writes its table into reports/benchmarks; the last puts them together.
BENCHMARKS := startup counting_pairs skipgram embed_imagenet many_classes cost_curves training inference \
	resnet50_inference report

bench: .venv/installed-bench
	@for name in $(BENCHMARKS); do $(BIN)/python experiments/benchmarks/$$name.py || exit 1; done

bench-accelerator: .venv/installed
	$(BIN)/python experiments/benchmarks/accelerator.py
	$(BIN)/python experiments/benchmarks/report.py

# No lock file: it would name a registry. The two tools' versions are exact, and they need nothing else.
explorer:
	cd confemb/reporting/explorer && npm install --no-package-lock --no-audit --no-fund && npm run check && npm run build

clean:
	rm -rf .venv .venv-base .venv-newest build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The stamps are written last, so a broken installation is made again.
.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer was found: install one, or give its path, make PYTHON=/path/to/python3." >&2; exit 2; }
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e '.[train]'
	@touch $@

# With PyTorch and ONNX Runtime, the peers of the networks, and what else foreign files need.
.venv/installed-bench: .venv/installed-dev
	$(INSTALL) -e '.[dev,test-adapters]'
	@touch $@

.venv/installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e '.[dev]'
	@touch .venv/installed $@

.venv-base/installed: pyproject.toml constraints.txt
	rm -rf .venv-base
	$(PYTHON) -m venv .venv-base
	.venv-base/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

.venv-newest/installed: pyproject.toml
	rm -rf .venv-newest
	$(PYTHON_NEWEST) -m venv .venv-newest
	.venv-newest/bin/python -m pip install --quiet --disable-pip-version-check -e '.[train,test]'
	@touch $@
