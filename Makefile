# The front door. `make demo` and `make test` are all a newcomer needs; both install what they miss.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
PRESET ?= dev
# The development build carries ASan and UBSan.
export ASAN_OPTIONS ?= detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS ?= print_stacktrace=1

.PHONY: help deps build dev test demo bench lint format generate install uninstall clean

help: ## Show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

deps: ## Install Debian packages that are missing (sudo when not root)
	@tools/deps

build: deps ## Build the release programs into build/release/bin
	@cmake --preset release >/dev/null
	@cmake --build build/release -j$(JOBS) --target conduitctl conduit-agent conduit-sim

dev: deps
	@cmake --preset $(PRESET) >/dev/null
	@cmake --build build/$(PRESET) -j$(JOBS)

test: dev ## Build everything and run every test
	@tests/integration/openai/install
	@tests/integration/s3/install
	@ctest --test-dir build/$(PRESET) --output-on-failure -j$(JOBS) -LE '^cluster$$'
	@tests/cluster/test build/$(PRESET)

demo: build ## Route real speech, break a provider, move the traffic, prove it, take it back
	@tests/demo/demo

bench: build ## Compare CPU and latency with HAProxy and nginx, start-up with kubectl when it is there
	@tests/bench/bench

lint: deps ## Format, layers, generated files, clang-tidy
	@tools/lint

format: ## Rewrite the sources in our format
	@git ls-files '*.cpp' '*.hpp' | xargs -r clang-format-19 -i

generate: build ## Refresh completions, man pages and the command reference from the registry
	@build/release/bin/conduitctl docs generate --to .

install: build ## Install below PREFIX (DESTDIR is obeyed)
	@DESTDIR="$(DESTDIR)" cmake --install build/release --prefix "$(PREFIX)"

uninstall: ## Remove what install put below PREFIX (DESTDIR is obeyed)
	@tools/uninstall "$(DESTDIR)$(PREFIX)"

clean: ## Remove every build folder
	@rm -rf build
