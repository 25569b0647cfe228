# coagent: build, test and release. `make help` lists the targets.

# Shipped binaries are static; tests with -race alone turn cgo on, which that needs.
export CGO_ENABLED := 0
# The version comes from git describe, so go need not read the repository, which
# fails where the checkout belongs to another user.
# With one set of flags for everything, tests and the binary share what is compiled.
export GOFLAGS := $(GOFLAGS) -buildvcs=false -trimpath

VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# What make release builds: the newest version that CHANGELOG.md names, such as v0.1.0.
RELEASE  := $(or $(shell sed -n 's/^\#\# \(v[0-9][^ ]*\).*/\1/p' CHANGELOG.md | head -n 1),$(VERSION))
# What the binary may weigh, in bytes: 53 MiB. Each commit that raises it says what for.
SIZE     := 55574528
BUILD    := go build -ldflags "-s -w -X main.version=$(VERSION)"
GOLANGCI := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
# Starts a command anew when a file changes.
REFLEX   := go run github.com/cespare/reflex@v0.3.1
OASDIFF  := go run github.com/oasdiff/oasdiff@v1.38.0
# A registry may lack a package that only Windows would load, which `npm ci` takes for a fault.
NPMFLAGS := --ignore-scripts --no-audit --no-fund
# Starts a throw-away Postgres for one command.
WITHPG   := go run ./store/storetest/withpg --
TARGETS  := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.DEFAULT_GOAL := help
.PHONY: help run dev build size test try prove fuzz bench chaos lint client ui e2e shots fmt migration release clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## Build, seed the demo course and serve it; ARGS="--addr 0.0.0.0:8000" goes to serve
	./bin/coagent seed-demo
	./bin/coagent serve $(ARGS)

dev: ## Serve from source with debug logs, and the studio from its sources at the address that Vite names; both reload; needs Node
	@[ -d web/ui/node_modules ] || npm --prefix web/ui install --no-save $(NPMFLAGS)
	@npm --prefix web/ui run -s dev & trap "kill $$!" EXIT; COAGENT_LOG_LEVEL=debug $(REFLEX) -s -r '\.go$$' -R node_modules -- go run . serve $(ARGS)

build: ## Build ./bin/coagent, static
	@echo "building bin/coagent ($(VERSION)); the first time takes some minutes, its packages are named as they are compiled"
	@$(BUILD) -v -o bin/coagent .

size: build ## Check that the binary is no heavier than it may be
	@size=$$(wc -c < bin/coagent); echo "bin/coagent: $$size bytes of $(SIZE)"; [ $$size -le $(SIZE) ]

# Where several things run at once in one process, the race detector watches:
# rooms and turns (app), streams of models, live feeds, telemetry, jobs,
# transactions, requests and sockets. It slows SQLite, which is plain Go, ten to
# fifty times, so these packages run on SQLite without it and on Postgres with
# it. The others compute, or start the program as processes of its own. In each
# list, what takes longest comes first.
RACE  := ./web ./app ./app/turn ./store ./jobs ./app/llm ./app/realtime ./app/telemetry ./app/limit
FIRST := ./web/chaos ./migrations
# The limit is for a package that hangs; no busy machine makes one reach it.
TESTFLAGS = -shuffle=on -timeout 45m $(ARGS)
test: ## Test everything on SQLite and on a throw-away Postgres, with -race where things run at once; ARGS="-run TestX", PKG=./store
	@echo "building the tests; the first time takes minutes"
	@$(WITHPG) go run ./store/storetest/suite -race "$(RACE)" -first "$(FIRST)" -packages "$(or $(PKG),./...)" -- $(TESTFLAGS)

try: ## Run one test at once, on SQLite alone and without -race: make try TEST=TestAgentAnswers PKG=./app
	COAGENT_TEST_DATABASE=sqlite COAGENT_POSTGRES_BIN=none go test -count=1 -timeout 10m -run '$(TEST)' $(ARGS) $(or $(PKG),./...)

# What is short comes first. All of it runs, since it takes hours, and the end
# names every part that failed.
prove: ## Run what takes longer than CI may: the scripts of web/prove, every fuzz target, kills and cuts whole, everything three times; hours
	@failed=; part() { echo "== $$*"; "$$@" || failed="$$failed; $$*"; }; \
	for script in web/prove/*.sh; do if [ -x "$$script" ]; then part "$$script"; fi; done; \
	part go test ./app/ledger -timeout 2h -run TestInterleavings -v -args -interleavings 1000000; \
	part $(WITHPG) go test ./app -timeout 2h -run TestSearchLeaks -v -args -searches 10000; part $(MAKE) fuzz; part $(MAKE) chaos; \
	part $(WITHPG) env COAGENT_CHAOS=1 go test ./web/movein -timeout 3h -v; \
	part $(WITHPG) go test ./app -timeout 3h -run 'TestMove$$' -v -args -school 10000,500000; part $(MAKE) test ARGS="-count=3 -timeout 3h"; \
	if [ -n "$$failed" ]; then echo "failed:$${failed#;}"; exit 1; fi; echo "all parts passed"

chaos: ## Break real processes in every way, each command 50 times, and print a table; ARGS="-run TestKill"
	$(WITHPG) env COAGENT_CHAOS=1 go test -count=1 -timeout 90m -v $(ARGS) ./web/chaos/

FUZZTIME ?= 60s
fuzz: ## Fuzz every Fuzz target for FUZZTIME=60s each; PKG=./web, FUZZ=Cursor pick some
	@set -e; dirs=$$(go list -f '{{.Dir}}' $(or $(PKG),./...)); \
	for pkg in $$(echo "$$dirs" | xargs grep -ls --include='*_test.go' -r '^func Fuzz' | xargs -n1 dirname | sort -u); do \
		listed=$$(go test -list '^Fuzz.*$(FUZZ)' $$pkg); \
		for target in $$(echo "$$listed" | grep '^Fuzz'); do \
			echo "$$target in $$pkg"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s $$pkg || \
				{ echo "failed: $$target in $$pkg"; exit 1; }; done; done

bench: ## Measure against the floor of the machine, in about twenty minutes; ARGS="-only class -size small"
	go run ./web/bench $(ARGS)

lint: ## Check format, vet and the linters of .golangci.yml
	@unformatted=$$(go list -f '{{.Dir}}' ./... | xargs gofmt -l | sort -u); \
	if [ -n "$$unformatted" ]; then echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	$(GOLANGCI) run ./...

ui: ## Check the studio's sources, web/ui, and build them into what the program embeds; needs Node; ARGS=--check compares with what is there
	npm --prefix web/ui install --no-save $(NPMFLAGS)
	cd web/ui && npm run -s api && npm run -s check && npm run -s lint && npm run -s test && npm run -s build
	node web/ui/scripts/pack.mjs $(ARGS)

e2e: build ## Use the studio as people do, in Chromium and against the real program; a lesson and an outage on Postgres too; needs Node, after make ui
	node --test --test-concurrency=1 web/ui/e2e/*.e2e.mjs
	$(WITHPG) env COAGENT_E2E_DATABASE=postgres node --test --test-concurrency=1 $(addprefix web/ui/e2e/,class-hour.e2e.mjs outage.e2e.mjs)

shots: build ## Take a picture of every page and state of the studio, at three sizes and in both themes, into bin/shots; ARGS="--only room --sizes 390 --stay"; needs Node
	node web/ui/e2e/shots.mjs $(ARGS)

client: ## Check that /openapi.json is a source of clients: types, a program against them, a lint, and nothing that the last release had is gone; needs Node
	npm --prefix web/client ci --ignore-scripts --no-audit --no-fund
	node web/client/check.mjs
	$(OASDIFF) breaking --flatten-allof --flatten-params --fail-on ERR --err-ignore web/client/narrowed.txt web/client/build/released.json web/client/build/now.json

fmt: ## Format the source
	go fmt ./...

migration: ## Start the next migration: make migration NAME=add_polls
	@case "$(NAME)" in ''|*[!a-z0-9_]*) echo "usage: make migration NAME=lower_case_words" >&2; exit 2;; esac; \
	last=$$(ls migrations | sed -n 's/^\([0-9][0-9][0-9][0-9]\)_.*/\1/p' | sort | tail -n 1); \
	file=migrations/$$(printf '%04d' $$(expr 0$$last + 1))_$(NAME).tx.up.sql; \
	echo "-- $(NAME): what changes, and why." > $$file; echo $$file

release: VERSION := $(RELEASE)
release: ## Build static binaries of all platforms and SHA256SUMS into dist/, of the newest version in CHANGELOG.md
	@rm -rf dist && mkdir -p dist
	@for target in $(TARGETS); do \
		os=$${target%/*}; arch=$${target#*/}; ext=; [ $$os = windows ] && ext=.exe; \
		out=dist/coagent_$(VERSION)_$${os}_$$arch$$ext; echo $$out; \
		GOOS=$$os GOARCH=$$arch $(BUILD) -o $$out . || exit 1; \
	done
	@cd dist && if command -v sha256sum >/dev/null; then sha256sum coagent_*; else shasum -a 256 coagent_*; fi > SHA256SUMS
	@cat dist/SHA256SUMS

clean: ## Remove what build and release made
	rm -rf bin dist
