# What a person types. Everything is built in one profile (release), so that nothing is built
# twice; `make help` lists the targets.

CARGO ?= cargo
STACK := deploy/local/stack

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.PHONY: build
build: ## Build the meterline command (target/release/meterline)
	$(CARGO) build --locked --release --bin meterline

.PHONY: demo
demo: ## Bring a stack up, meter and bill recorded real inputs, compare with a recount and Stripe, stop
	$(CARGO) build --locked --release --bin meterline --bin fake-stripe
	deploy/demo/run

.PHONY: test
test: build ## All tests: unit, property and end-to-end on real Kafka and ClickHouse
	$(CARGO) test --locked --release --workspace
	$(STACK) test

.PHONY: check
check: ## Format, lints, docs, purity of the core, rules of form, log texts
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --release --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --release --workspace --no-deps --quiet
	tests/checks/purity
	tests/checks/tidy
	tests/checks/log_texts
	tests/checks/supply check
	tests/checks/test_checks.py

.PHONY: check-deploy
check-deploy: build ## Image, compose, Kubernetes, settings, guide, alert rules
	tests/checks/deployment
	tests/checks/alerts

.PHONY: drill
drill: build ## Backup, loss and restore on a stack of its own, with a comparison
	deploy/drill/restore

.PHONY: sbom
sbom: ## List what the command is made of (CycloneDX 1.6): target/sbom/meterline.cdx.json
	tests/checks/supply sbom target/sbom/meterline.cdx.json

.PHONY: bench
bench: build ## Speed of the whole path beside a raw consumer, in one run
	tests/bench/run

.PHONY: bench-reconcile
bench-reconcile: ## A month's reconciliation with Stripe: own time, memory, and the time when paced
	$(CARGO) run --locked --release -p meterline-billing --example reconcile -- $(METERS) $(HOURS)

.PHONY: simulation
simulation: ## A billing cut of 2,000 tenants with everything that goes wrong, in virtual time
	$(CARGO) test --locked --release -p meterline-billing --test simulation -- --ignored --nocapture

.PHONY: stack-up
stack-up: ## Start the local Kafka and ClickHouse
	$(STACK) up

.PHONY: stack-down
stack-down: ## Stop them
	$(STACK) down
