# Two commands are enough: `make up` runs the whole loop on this machine, `make test` proves it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# What the tests talk to, by Debian's package names.
TEST_PACKAGES := mosquitto mosquitto-clients influxdb influxdb-client victoria-metrics collectd-core \
	prometheus-node-exporter faketime openssl
# … and what the drivers' tests talk to.
DEVICE_PACKAGES := ipmitool openipmi libopenipmi-dev nut-server libnss3-tools snmp snmpd

# What the sensor node's firmware is built, proven and emulated with.
FIRMWARE_PACKAGES := gcc-arm-none-eabi libnewlib-arm-none-eabi gcc libc6-dev libcmocka-dev cppcheck clang \
	libclang-rt-14-dev
RIG_PACKAGES := qemu-system-arm mbpoll libmodbus-dev pkg-config

# Where the rig's tests run; ENV=hil/env-board.yaml runs them on a board on the bench.
ENV ?= hil/env-qemu-ast1030.yaml hil/env-qemu-mps2.yaml

# Of the rig's tests, those that tell one board's drivers from another's.
PORT_TESTS := sensing outputs survival oracles

.DEFAULT_GOAL := help
.PHONY: help install up test lint unit docs firmware rig bench soak packages clean

help: ## show this
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

install: $(STAMP) ## make the development environment in .venv

$(STAMP): pyproject.toml packaging/make-venv
	@packaging/make-venv $(PYTHON) $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

up: install ## run the whole loop on this machine; BROKER=mqtt://… and INFLUX_URL=… for real servers
	@exec $(BIN)/edgeagent up

test: install packages lint firmware ## install what the tests need, and pass them all
	@mkdir -p build
	@# Three files at a time: most tests wait, for a broker, a timeout or a clock.
	$(BIN)/python -m pytest tests -n 3 --dist loadfile --junitxml build/tests.xml
	@# The main board whole; of the second, what its own drivers could change. `make rig` runs all on both.
	$(BIN)/python -m pytest hil/tests -n 2 --dist loadfile --lg-env hil/env-qemu-ast1030.yaml
	$(BIN)/python -m pytest $(PORT_TESTS:%=hil/tests/test_%.py) -n 2 --dist loadfile --lg-env hil/env-qemu-mps2.yaml

unit: install ## the quick tests only: no services
	$(BIN)/python -m pytest tests/unit

lint: install ## types, style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: install ## build the pages and the SDK's reference, into build/docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "build/docs/index.html"

firmware: install packages ## build and prove the sensor node's firmware; KEY=… signs its images
	@$(MAKE) --no-print-directory -C firmware all check fuzz $(if $(KEY),KEY=$(abspath $(KEY)))

rig: firmware ## the same tests on emulated boards, or with ENV=hil/env-board.yaml on a real one
	@for env in $(ENV); do \
		$(BIN)/python -m pytest hil/tests -n 2 --dist loadfile --lg-env $$env || exit 1; \
	done

bench: install packages firmware ## measure, beside the best peers; writes build/bench.json
	$(BIN)/python -m tests.bench $(ROWS)

soak: install packages ## faults in random order; SOAK_S=900, SEED=… to repeat a run
	$(BIN)/python -m tests.faults.soak

packages:
	@packaging/install-packages $(TEST_PACKAGES) $(DEVICE_PACKAGES) $(FIRMWARE_PACKAGES) $(RIG_PACKAGES)

clean: ## remove .venv and everything built
	rm -rf $(VENV) build dist firmware/build .mypy_cache .ruff_cache .pytest_cache .hypothesis
