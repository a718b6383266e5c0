# make run | test | ui | check | clean. The environment is built once, from the lock.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help run test ui check lock clean
help: ## list the targets
	@grep -E '^[a-z]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 10

run: $(READY) ## run the main job through MLflow
	mlflow run . --env-manager local

test: $(READY) ## run the tests
	pytest -q

ui: $(READY) ## open the MLflow UI on 127.0.0.1:5000
	mlflow ui --host 127.0.0.1 --port 5000 --backend-store-uri $${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}

check: $(READY) ## lint, types, format
	ruff check .
	ruff format --check .
	mypy

lock: $(READY) ## write requirements.lock anew from pyproject.toml
	uv pip compile pyproject.toml --extra tfio --extra dev --universal --python-version 3.10 \
	  --generate-hashes --no-emit-index-url --no-header --prerelease if-necessary-or-explicit \
	  --quiet --output-file requirements.lock

clean: ## remove the environment and everything made by runs
	rm -rf .venv .susystream mlruns mlflow.db experiments/runs

# python 3.10 to 3.12; the hashes of the lock are checked
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; ok = (3, 10) <= sys.version_info[:2] <= (3, 12); sys.exit(0 if ok else "expected Python 3.10 to 3.12, received %d.%d; cure: make PYTHON=python3.11" % sys.version_info[:2])'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)
