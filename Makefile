# Every command that builds uses the release profile, so that the demo and the tests share what was compiled.
CARGO ?= cargo
export CARGO
# Where rustup puts cargo, for shells that have not read its settings.
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: help demo test test-upgrade faults scale up down build fmt lint bench bench-connections bench-soak bench-growth bench-check load panels tools

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; do printf 'make %-17s %s\n' "$$target" "$$text"; done

demo: ## sell out a flash sale through the real pipeline and check the result
	@scripts/demo

test: lint ## format, lints and all tests, against a stack of their own
	@scripts/test

faults: ## break one thing after the other while a sale runs; goes on where it was interrupted
	@scripts/faults

scale: ## scale workers and API copies while orders come in, kill some; ARGS="--only workers" and such
	@NEEDS=nginx scripts/on-stack scale $(ARGS)

test-upgrade: ## upgrade a running sale from another commit to this one and check every order; FROM=<commit>
	@scripts/test-upgrade "$(FROM)"

up: build ## start the stack, one API and two workers, and keep them running
	@scripts/services up

down: ## stop what `make up` started and remove its data
	@scripts/services down

build: tools ## build everything
	$(CARGO) build --release --locked

fmt: ## format the code
	$(CARGO) fmt --all

lint: tools ## check format and lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings

bench: build ## measure throughput, latency and CPU against the ceilings; ARGS="--rounds 1" and such
	@"$${CARGO_TARGET_DIR:-target}/release/bench" $(ARGS)

bench-connections: build ## hold many connections while orders come; ARGS="--connections 9000" and such
	@"$${CARGO_TARGET_DIR:-target}/release/connections" $(ARGS)

bench-soak: build ## let orders come for ten minutes, watch everybody's memory; ARGS="--seconds 60" and such
	@"$${CARGO_TARGET_DIR:-target}/release/soak" $(ARGS)

bench-growth: build ## cost with more products, rows and partitions; ARGS="--only rows" and such
	@"$${CARGO_TARGET_DIR:-target}/release/growth" $(ARGS)

bench-check: build ## instructions against the last known good, and ratios to the ceilings against bench/floors
	@bench/check
	@"$${CARGO_TARGET_DIR:-target}/release/bench" --rounds 3 --seconds 3 --only bare,accept,sold-out,replay,drain,sql --floors bench/floors

load: ## k6 against a running API: SCENARIO=smoke, load, stress, soak, spike, flash-sale, check; RATE=2000 and such
	@scripts/load $(SCENARIO)

panels: ## check that every query of dashboards and alerts returns data, with a real Prometheus and a sale
	@scripts/panels

tools:
	@scripts/stack install
