# What a developer types. `make` alone lists it; `make test` is what the pipeline runs.
# Needed: Rust and a C compiler; Node 20.19+ for the dashboard; Node and Python 3.9+ for `make test`.
SHELL := /usr/bin/env bash
TARGET := $(or $(CARGO_TARGET_DIR),target)
DATA ?= data

.PHONY: help build build-cluster dashboard run test test-cluster test-bucket lint bench openapi reference docs-check fuzz clean-data
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

build: dashboard ## the release binary with the dashboard, target/release/exhibit
	cargo build --release --locked -p exhibit-cli

build-cluster: dashboard ## the same with the store on PostgreSQL and ClickHouse
	cargo build --release --locked -p exhibit-cli --features cluster

run: build ## builds what is missing and starts the server on ./data (DATA=dir for another)
	@exec $(TARGET)/release/exhibit serve --data-dir $(DATA) $(ARGS)

dashboard: ## builds the dashboard into web/dist; without Node 20.19+ says so and goes on
	@web/build.sh

test: ## every check and test, with a summary at the end (ONLY="fmt e2e-python" for a part)
	@tests/run.sh

test-cluster: ## the cluster store on real engines (installs PostgreSQL, nginx and chdb where it may)
	@tests/cluster/run.sh

test-bucket: ## the cold archive in a bucket, against an S3 that checks signatures and locks (moto)
	@tests/bucket/run.sh

lint: ## formatting and Clippy
	@ONLY="fmt clippy" tests/run.sh

bench: ## the benchmark report as Markdown on standard output (FULL=1 for a million spans)
	bench/run.sh

openapi: ## writes crates/server/openapi.json anew from the code
	EXHIBIT_BLESS=1 cargo test --locked -q -p exhibit-server --test it the_committed_description

reference: ## writes docs/reference/{cli,config}.md anew from the code
	cargo run --locked -q -p exhibit-cli -- reference cli > docs/reference/cli.md
	cargo run --locked -q -p exhibit-cli -- reference config > docs/reference/config.md

docs-check: ## links, the mission's table and the code's own documentation
	cargo test --locked -q -p exhibit-house documents
	RUSTDOCFLAGS="-D rustdoc::broken_intra_doc_links" cargo doc --locked -q --no-deps --workspace

fuzz: ## every fuzz target for 30 s, or SECONDS_EACH (needs a nightly toolchain and cargo-fuzz)
	@fuzz/run.sh $(or $(SECONDS_EACH),30)

clean-data: ## removes the data directory of `make run`
	rm -rf -- $(DATA)
