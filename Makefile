# AiKore's commands. `make help` lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
WORKERS ?= 2
# The image is built beside other tests, at low priority; its own tests wait for it.
BUILD_IMAGE := nice $(BIN)/python -m tests.helpers.podman build
IMAGE_TEST := $(PYTEST) tests/image -n $(WORKERS) --dist loadfile -q

# What failed beside other tests is run once more by itself: a machine that stalls for seconds fails tests that wait for
# processes. What fails again fails; both runs are printed.
ALONE := $(PYTEST) --last-failed --last-failed-no-failures none -q

# The container: docker or podman, and what computes in it.
ENGINE ?= $(shell if docker version >/dev/null 2>&1 || ! command -v podman >/dev/null; then echo docker; else echo podman; fi)
PROFILE ?= $(if $(wildcard /dev/nvidiactl),nvidia,$(if $(wildcard /dev/kfd),amd,cpu))
COMPOSE = $(ENGINE) compose --profile $(PROFILE)
IMAGE ?= aikore
BUNDLE := aikore/static/dist/sources.json
export BUILDAH_FORMAT := docker
export DOCKER_BUILDKIT := 1

.PHONY: help run test quick check types bench soak lock clean build up down start stop logs shell layers image-test

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: $(VENV)/.run ## start AiKore and print its address (AIKORE_* variables are its settings)
	@exec $(BIN)/aikore serve

test: $(VENV)/.test $(BUNDLE) node_modules/.done ## install what the tests need and run all of them
	@$(BUILD_IMAGE) </dev/null >/dev/null 2>&1 &
	$(PYTEST) tests/unit tests/test_layers.py -n $(WORKERS) -q
	$(PYTEST) tests/integration tests/e2e -n $(WORKERS) --dist worksteal -q || $(ALONE) tests/integration tests/e2e
	$(IMAGE_TEST) || $(ALONE) tests/image

quick: $(VENV)/.test $(BUNDLE) ## the unit tests and those of what was changed (BASE=revision: since when)
	@touched="$$($(BIN)/python tools/touched.py "$(BASE)")"; set -x; \
	$(PYTEST) tests/unit tests/test_layers.py $$touched -n $(WORKERS) --dist worksteal -q

check: $(VENV)/.test node_modules/.done ## lint, types, shell rules, front-end types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/unit/test_shell_rules.py tests/unit/test_docs.py tests/unit/test_payload_types.py tests/test_layers.py -q
	npx tsc -p . && npx eslint aikore/static tools/vendor tests/js

types: $(VENV)/.test node_modules/.done ## write the dashboard's types of payloads anew, from the OpenAPI document
	$(BIN)/python tools/types/payloads.py

soak: $(VENV)/.test ## the long forms of the tests (hundreds of kills and reloads)
	$(PYTEST) tests -m soak -q --timeout 3600

bench: $(VENV)/.test $(BUNDLE) ## measure against references in the same run
	@for script in bench/*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

lock: ## renew requirements.lock from pyproject.toml
	$(BIN)/uv pip compile -q --all-extras --no-annotate --no-header -o requirements.lock pyproject.toml

build: ## build the container image (DESKTOP= leaves the desktops out, BASE_IMAGE= is another base)
	$(ENGINE) build -t $(IMAGE) $(foreach name,BASE_IMAGE DESKTOP,$(if $(filter-out undefined,$(origin $(name))),--build-arg $(name)="$($(name))")) \
		--build-arg VERSION="$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)" \
		--build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null || echo unknown)" --build-arg CREATED="$$(date -u +%FT%TZ)" .
	@$(ENGINE) image prune -f --filter label=org.opencontainers.image.title=AiKore >/dev/null # the ones it replaced

up: ## make the container from the image and start it (PROFILE=cpu, nvidia or amd; found by itself)
	$(COMPOSE) up -d

down: ## stop the container and remove it; its data stays
	$(COMPOSE) down

start: ## start the stopped container
	$(COMPOSE) start

stop: ## stop the container; all instances end gracefully
	$(COMPOSE) stop

logs: ## follow the container's log; it holds the link by which you log in first
	$(COMPOSE) logs -f

shell: ## open a shell in the container, as the user AiKore runs as
	$(ENGINE) exec -it aikore as-aikore bash -l

layers: ## print the size of each layer of the image
	@$(ENGINE) history --no-trunc --format '{{.Size}}\t{{.CreatedBy}}' $(IMAGE) | \
		sed -E '/^0 ?B/d; s/\t(\|.*)?\/bin\/sh -c (#\(nop\) +)?/\t/; s/ +/ /g' | cut -c-110 | expand -t 10

image-test: $(VENV)/.test ## build the image and run it in every way the documentation promises (podman)
	$(IMAGE_TEST)

clean: ## remove what was installed here, and the images and containers that the tests made
	[ ! -x $(BIN)/python ] || $(BIN)/python -m tests.helpers.podman clear
	rm -rf $(VENV) node_modules aikore/static/vendor aikore/static/dist

$(VENV)/.run: pyproject.toml requirements.lock tools/install package-lock.json $(wildcard tools/vendor/*)
	tools/install run $(PYTHON) $(VENV)
	@touch $@

$(VENV)/.test: pyproject.toml requirements.lock tools/install package-lock.json $(wildcard tools/vendor/*)
	tools/install test $(PYTHON) $(VENV)
	@touch $@ $(VENV)/.run

$(BUNDLE): aikore/static/index.html $(shell find aikore/static/css aikore/static/js -type f) | $(VENV)/.test
	$(BIN)/python tools/vendor/bundle.py
	@touch $@

node_modules/.done: package-lock.json
	if command -v npm >/dev/null; then npm ci --silent; else echo "npm is missing: what needs it is not checked"; fi
	@mkdir -p node_modules && touch $@
