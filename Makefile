# Each target is a script that does what it needs first; CI calls the same ones.
.PHONY: help install serve test pythons package check format docs backends bench soak attack lock audit clean
.DEFAULT_GOAL := help

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

install:  ## Install the gateway and its development tools into .venv
	@scripts/install dev

serve:  ## Install and run the gateway with the built-in simulator (no API key)
	@scripts/install run
	@exec .venv/bin/python -m proxy serve --config config.yaml

test: install  ## Install and run all tests
	@scripts/test

pythons: install  ## Run all tests on Python 3.12 and 3.13 too, where this machine has them
	@scripts/pythons

package: install  ## Build the wheel, install it into an empty environment and run the gateway from it
	@scripts/package

check: install  ## Format, lint and type checks
	@scripts/check

format: install  ## Rewrite the code in the project's format
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

docs: install  ## Write the parts of docs/ that are made from the code
	@.venv/bin/python -m scripts.generate

backends: install  ## Trace and measure through a real Phoenix and a real Prometheus (installs both)
	@scripts/observability

bench: install  ## Measure the gateway beside nginx and LiteLLM's proxy (installs both, nginx only as root)
	@scripts/bench gateway

soak: install  ## Half an hour of 200 streams, many of them failing: nothing may hang, mix or grow
	@scripts/soak

attack: install  ## Hostile requests of up to 20 MB: none may stop the gateway (about half an hour)
	@scripts/attack

lock: install  ## Pin the dependencies' current versions with their hashes
	@scripts/lock

audit:  ## Look up the locked dependencies in PyPI's list of known vulnerabilities (needs pypi.org)
	@scripts/audit

clean:  ## Remove what the other targets made
	@rm -rf .venv .bench .cache build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/end_to_end/node/node_modules
