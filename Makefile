# make run | test | ui | check | clean. The environment is built once, from the lock.
PYTHON ?= python3
PORT ?= 5000
PROCESSES ?= 2
BIN := .venv/bin
READY := .venv/.ready
SPARK := .venv/.spark
export PATH := $(CURDIR)/$(BIN):$(PATH)

define FREE_PORT
import errno, socket, sys
port = sys.argv[1]
cure = "expected a free port as PORT, received %s (%s); make ui PORT=5001"
try:
    if not 1 <= int(port) <= 65535:  # 0 would be taken for any free one
        raise ValueError
    socket.create_server(("127.0.0.1", int(port))).close()
except ValueError:
    sys.exit(cure % (port, "no number from 1 to 65535"))
except OSError as error:
    if error.errno != errno.EADDRINUSE:
        sys.exit(cure % (port, error.strerror))
    other = int(port) + 1 if int(port) < 65535 else 5001
    sys.exit(f"port {port} of 127.0.0.1 is in use; make ui PORT={other}")
endef
export FREE_PORT

.PHONY: help run test test-docker ui check lock clean
help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 14

run: $(READY) ## run the main job through MLflow
	mlflow run . --env-manager local --experiment-name "$${MLFLOW_EXPERIMENT_NAME:-susystream}"
	@echo 'to type such commands yourself: export PATH="$(CURDIR)/$(BIN):$$PATH"'

test: $(SPARK) ## run the tests, PROCESSES=2 files at a time
	pytest -q --numprocesses $(PROCESSES) --dist loadfile --ignore tests/composed

test-docker: $(READY) ## build the image, run every part in its container, kill them; needs a Docker engine
	pytest -v tests/composed

ui: $(READY) ## open the MLflow UI on 127.0.0.1, PORT=5000, or say where it is
	@case "$${MLFLOW_TRACKING_URI:-}" in \
	http://*|https://*) python -c 'import os; from susystream.disclosure import public_uri; \
	  print("a server shows its own UI:", public_uri(os.environ["MLFLOW_TRACKING_URI"]))' ;; \
	*) python -c "$$FREE_PORT" '$(PORT)' || exit 1; \
	  export MLFLOW_SERVER_ENABLE_JOB_EXECUTION="$${MLFLOW_SERVER_ENABLE_JOB_EXECUTION:-false}"; \
	  mlflow ui --host 127.0.0.1 --port $(PORT) \
	  --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}" ;; \
	esac

check: $(READY) ## lint, types, format, shell scripts
	ruff check .
	ruff format --check .
	mypy
	shellcheck --external-sources --check-sourced $(SCRIPTS)

SCRIPTS := .ci/run docker/up.sh docker/java docker/standins/kafka-broker-api-versions.sh \
  experiments/continual/run.sh experiments/ensemble/run.sh
COMPILE := uv pip compile --universal --python-version 3.10 --generate-hashes --no-emit-index-url \
  --no-header --quiet
ONE_OF = sed -n '/^$(1) = \[/,/^\]/p' pyproject.toml | grep -o '"[^"]*"' | tr -d '"'

lock: $(READY) ## write all locks anew from pyproject.toml
	$(COMPILE) pyproject.toml --extra tfio --prerelease if-necessary-or-explicit \
	  --output-file requirements.lock
	$(call ONE_OF,spark) | $(COMPILE) - --constraint requirements.lock --no-annotate \
	  --output-file requirements-spark.lock
	$(call ONE_OF,notebook) | $(COMPILE) - --constraint requirements.lock --no-annotate \
	  --output-file requirements-notebook.lock
	$(call ONE_OF,dev) | $(COMPILE) - --constraint requirements.lock --no-annotate \
	  --constraint requirements-notebook.lock --output-file requirements-dev.lock
	grep -o '^tensorflow==[0-9.]*' requirements.lock | sed 's/==/-cpu==/' | $(COMPILE) - \
	  --no-deps --no-annotate --output-file requirements-cpu.lock
	echo hatchling | $(COMPILE) - --constraint requirements-dev.lock --no-annotate \
	  --output-file requirements-build.lock

clean: ## stop the servers, remove the environment and everything made by runs
	@if [ -e $(READY) ]; then susystream services down; fi
	@if [ -e $(READY) ] && susystream services status --json | grep -q '"running": true'; then \
	  echo "a command still uses these servers; wait for it, then make clean" >&2; exit 1; fi
	rm -rf .venv .susystream mlruns mlartifacts mlflow.db mlflow.db-* mlflow.db.lock
	rm -rf experiments/runs outputs multirun

# python 3.10 to 3.12; the hashes of the locks are checked, also of what builds Hydra's parser, which
# comes as source only
LOCKED = sed -n '/^$(1)==/,/[^\]$$/p' requirements.lock
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
$(READY): requirements.lock requirements-dev.lock requirements-notebook.lock pyproject.toml
	@$(PYTHON) -c 'import sys; ok = (3, 10) <= sys.version_info[:2] <= (3, 12); sys.exit(0 if ok else "expected Python 3.10 to 3.12, received %d.%d; cure: make PYTHON=python3.11" % sys.version_info[:2])'
	@echo "installing the locked packages into .venv: a minute or two, once"
	$(PYTHON) -m venv .venv
	$(call LOCKED,setuptools) | $(PIP) --require-hashes -r /dev/stdin
	$(call LOCKED,antlr4-python3-runtime) | $(PIP) --use-pep517 --no-build-isolation --require-hashes -r /dev/stdin
	$(PIP) --use-pep517 --require-hashes -r requirements.lock -r requirements-notebook.lock -r requirements-dev.lock
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $(READY)

# what only the Spark engine needs; built by the locked setuptools, for Spark comes as source
$(SPARK): $(READY) requirements-spark.lock
	@echo "installing Spark into .venv: 0.5 GB, once"
	$(PIP) --use-pep517 --no-build-isolation --require-hashes -r requirements-spark.lock
	@touch $(SPARK)
