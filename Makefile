# Trama: `make run` builds and serves the quickstart, `make test` tests all.
GO      ?= go
WAZERO  := github.com/tetratelabs/wazero
PLUGINS := http xml jwt soap whatsapp telegram google_sheets hubspot rdstation
WASM    := $(PLUGINS:%=build/plugins/%.wasm) build/plugins/javascript.wasm
# The race detector watches everything but wazero's compiler, which works in one
# goroutine and would be ten times as slow. (Of packages that synchronize, none may
# be left out: a generic function is linked once, and what it orders is lost then.)
WAZEVO  := $(WAZERO)/internal/engine/wazevo
UNRACED := $(foreach package,ssa frontend backend/...,-gcflags=$(WAZEVO)/$(package)=-race=false)
RACE    := $(shell command -v $${CC:-cc} >/dev/null 2>&1 && echo '-race $(UNRACED)')
SOURCES  = $(shell find host cmd pdk -type f -not -name "*_test.go") go.mod go.sum
BUNDLED  = $(shell sha256sum $(WASM) | cut -d' ' -f1 | paste -sd,)

.PHONY: help build plugins run demo test test-peers crash seeds check defences bench fuzz clean
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

build: build/trama ## build the binary and the plugins into build/
plugins: $(WASM) ## build the plugins into build/plugins/

build/trama: $(WASM) $(SOURCES)
	$(GO) build -trimpath -ldflags "-s -w -X main.bundled=$(BUNDLED)" -o $@ ./cmd/trama

# A plugin is built again when its own sources, or those it shares, change.
.SECONDEXPANSION:
$(PLUGINS:%=build/plugins/%.wasm): build/plugins/%.wasm: $$(shell find plugins/$$* plugins/internal pdk/go pdk/abi -type f -not -name '*_test.go') go.mod
	@mkdir -p $(@D)
	GOOS=wasip1 GOARCH=wasm $(GO) build -buildmode=c-shared -trimpath -ldflags '-s -w' -o $@ ./plugins/$*

build/plugins/javascript.wasm: plugins/javascript/javascript.wasm
	@mkdir -p $(@D)
	cp $< $@

run: build ## serve the quickstart with the systems that it talks to
	$(GO) run ./examples/quickstart/cmd/quickstart run

demo: build ## send the quickstart real input and check the answers
	$(GO) run ./examples/quickstart/cmd/quickstart demo

# Go gives a test binary no module information: without these its wazero calls
# itself "dev" and compiles again, under the race detector and for minutes, what
# build/trama has compiled. A replaced wazero has no version to go by.
test test-peers crash: VERSION = $(shell $(GO) list -m -f '{{if not .Replace}}{{.Version}}{{end}}' $(WAZERO))
test test-peers crash: LINKED  = -X $(WAZERO)/internal/version.version=$(VERSION) -X github.com/trama-run/trama/host/sandbox/compile.linked=$(VERSION)
test: build ## run all tests (with -race where a C compiler exists)
	$(GO) run ./.ci/tests $(RACE) -ldflags "$(LINKED)" -shuffle=on -timeout 25m ./...

test-peers: build ## test against servers and clients of others, from npm and Debian
	@$(GO) run ./.ci/peers -ldflags "$(LINKED)"

crash: build ## kill the host KILLS times (1000) under load; then the same on stores that break a promise
	KILLS=$(or $(KILLS),1000) $(GO) test -ldflags "$(LINKED)" -run '^TestCrash(es|Mutants)$$' -count=1 -timeout 3h -v ./host

seeds: ## play SEEDS (10000) worlds of crashes and faults on a virtual clock
	$(GO) test -run '^TestPromises$$' -count=1 -timeout 30m -v ./host/simulation -seeds $(or $(SEEDS),10000)

check: build ## formatting, vet, staticcheck, go.mod, bundled plugins, who imports whom; changes nothing
	@sh .ci/check

defences: ## take out each defence against hostile plugins; its test must fail
	$(GO) run ./.ci/defences

bench: build ## measure the figures; table on screen and in build/bench.json
	$(GO) run ./cmd/bench

fuzz: ## fuzz each parser for a short while
	@sh .ci/fuzz

clean: ## remove what was built
	rm -rf build
