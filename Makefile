# Every command that builds uses the release profile, so that the demo and the tests share what was compiled.
CARGO ?= cargo
export CARGO
# Where rustup puts cargo, for shells that have not read its settings.
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: help demo demo-queue test test-pages test-upgrade faults scale limits queue up down build fmt lint bench bench-connections bench-soak bench-growth bench-check load panels tools

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; do printf 'make %-17s %s\n' "$$target" "$$text"; done

demo: ## sell out a flash sale through the real pipeline and check the result
	@scripts/demo

test: lint ## format, lints and all tests, against a stack of their own
	@scripts/test

test-pages: ## test the pages in a headless Chromium; installs it, Node.js and nginx
	@scripts/test-pages

faults: ## inject one fault after the other while a sale runs; continues where it was interrupted
	@scripts/faults

scale: ## scale workers and API instances under load, kill some, and poll a queue behind nginx; for example ARGS="--only workers"
	@NEEDS=nginx scripts/on-stack scale $(ARGS)

limits: ## check that the limits of a sale hold over four instances under load; for example ARGS="--only rate"
	@scripts/on-stack limits $(ARGS)

demo-queue: ## let 20,000 people queue for 1,000 units, and show the page of the sale
	@scripts/on-stack queue --early 10000 --late 10000 --units 1000 --admit-per-second 50 --join-seconds 40 --watch

queue: ## let a crowd through the queue of a sale on four instances and check order, pace and stock; for example ARGS="--early 5000"
	@scripts/on-stack queue $(ARGS)

test-upgrade: ## upgrade a running sale from another commit to this one and check every order; FROM=<commit>
	@scripts/test-upgrade "$(FROM)"

up: build ## start the stack, one API and two workers, and keep them running; for example API_PORT=8080 INSTANCES=2
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

bench: ## measure against the ceilings; for example ARGS="--rounds 1" or ARGS="--against DIR"
	@scripts/on-stack bench $(ARGS)

bench-connections: ## hold many connections under load; for example ARGS="--sizes 9000"
	@scripts/on-stack bench --rounds 1 --only connections $(ARGS)

bench-soak: ## send orders for ten minutes and measure memory; for example ARGS="--seconds 60"
	@scripts/on-stack bench --rounds 1 --only soak $(ARGS)

bench-growth: ## measure cost with more products, rows, partitions and workers; for example ARGS="--rounds 2"
	@scripts/on-stack bench --only growth $(if $(findstring --rounds,$(ARGS)),,--rounds 2) $(ARGS)

bench-check: build ## compare instructions with the last known good, and ratios to the ceilings with their floors
	@bench/check
	@scripts/on-stack bench --rounds 3 --seconds 3 --only bare,accept,sold-out,replay,replay-once,status-once,mixed,drain,copy --floors

load: ## run k6 against a running API: SCENARIO=smoke, load, stress, soak, spike, flash-sale, checkout, queue, refresh-storm, reconnect-churn, late-surge, scalpers or check; for example RATE=2000
	@scripts/load $(SCENARIO)

panels: ## check that every query of dashboards and alerts returns data, with a real Prometheus and a sale
	@scripts/panels

tools:
	@scripts/stack install
