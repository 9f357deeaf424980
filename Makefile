# make demo   installs what it needs, then runs the main job live: an eIM-triggered profile download over CoAP/DTLS on a virtual vehicle
# make test   installs what it needs, then the whole suite; ends with "N passed, N failed, N skipped"
# The long ones: make matrix faults fuzz audit soak bench
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test build lint types packages matrix faults fuzz audit soak bench clean

help:
	@sed -n '1,4s/^# //p' Makefile

node_modules/.installed: package.json package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

build: node_modules/.installed
	node build.mjs

demo: build
	@FAIL=$(FAIL) node dist/demo.mjs

# Outside peers of the tests, from Debian; needs root, and says what is left out without it.
packages:
	@bash test/packages.sh

test: node_modules/.installed packages
	node test/run.mjs

lint: node_modules/.installed
	npx biome check .

types: node_modules/.installed
	npx tsc --noEmit

fuzz: node_modules/.installed
	FUZZ_RUNS=100000 npx vitest run --config vitest.long.config.ts test/fuzz

# Power cuts and kills at every step; with root, of daemon and helper while packets flow.
faults: build
	npx vitest run --config vitest.long.config.ts test/long/faults test/long/switches test/long/usage test/long/firewall test/long/data-path

matrix: build
	npx vitest run --config vitest.long.config.ts test/long/matrix test/long/dtls

audit: node_modules/.installed
	npx vitest run --config vitest.long.config.ts test/long/audit test/long/roaming

soak: build
	npx vitest run --config vitest.long.config.ts test/long/soak

bench: node_modules/.installed
	node test/bench/run.mjs

clean:
	rm -rf dist node_modules
