# What people and CI run. Each target installs what it needs; see tests/install.sh.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test check bench

CARGO ?= cargo

# $(call step,NAME,COMMAND): runs a command, prints its name before and its duration after.
define step
@printf '== %s\n' '$(1)'; begun=$$SECONDS; { $(2); }; status=$$?; \
printf '== %s: %s, %d s\n' '$(1)' "$$([ $$status = 0 ] && echo ok || echo FAILED)" $$((SECONDS - begun)); \
exit $$status
endef

help: ## Shows this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Shows a made-up ERP's orders and stock flow into JetStream (DEMO_SECONDS=20 ends by itself)
	@tests/install.sh demo
	$(CARGO) build --release --package erpbridge --package erpbridge-demo
	@target/release/erpbridge-demo

check: ## Checks formatting and lints, nothing else
	$(call step,format,$(CARGO) fmt --all --check)
	$(call step,lint,$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings)

test: ## Runs everything that must be true before a merge, against real servers
	$(call step,install,tests/install.sh test)
	@$(MAKE) --no-print-directory check
	$(call step,documentation,RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --all-features --no-deps --document-private-items)
	$(call step,test,$(CARGO) test --workspace --all-features --no-fail-fast)
	$(call step,dependencies,tests/dependencies.sh)
	$(call step,alerts,promtool check rules deploy/prometheus/rules.yml && promtool test rules deploy/prometheus/*_test.yml)
	$(call step,scripts,tests/scripts.sh)

bench: ## Measures the bridge against its source and its sink on this machine
	@tests/install.sh demo
	ERPBRIDGE_BENCH_STORES=$${ERPBRIDGE_BENCH_STORES:-row-store} $(CARGO) bench --package erpbridge --bench '*'
