# Pinned tools; CI runs these versions too.
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.1.4
VULNDB := https://vuln.go.dev

# Programs and tests are static, like the binary of a release. The race detector needs cgo.
export CGO_ENABLED := 0

# The tag, where there is one, else the commit.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null)

# What `make bench` measures for each benchmark.
BENCHTIME ?= 3s

.DEFAULT_GOAL := help

.PHONY: help
help: ## show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## install Postgres and Redis if they are missing
	@sh deploy/deps.sh

.PHONY: test-deps
test-deps: ## install Postgres, Redis and Node (for one test) if they are missing
	@sh deploy/deps.sh node

.PHONY: dev
dev: deps build ## run Ping with everything it needs, on 127.0.0.1:8080
	@exec bin/ping dev

.PHONY: build
build: ## build bin/ping
	go build -ldflags '-X main.release=$(VERSION)' -o bin/ping ./cmd/ping

# Four packages at a time: they mostly wait for engines and timers.
.PHONY: test
test: test-deps ## run all tests, on real engines
	go test -p 4 ./...

# The packages with goroutines of their own.
RACE := ./internal/transport ./internal/eventlog ./internal/ephemeral ./internal/erasure ./internal/limits ./internal/checkpoint \
	./internal/auth ./internal/identity ./internal/node ./internal/load/... ./realtime/... ./projections ./commands

.PHONY: test-race
test-race: test-deps ## run the tests of packages with goroutines with the race detector
	CGO_ENABLED=1 go test -race $(RACE)

.PHONY: bench
bench: deps ## run the benchmarks (BENCHTIME=3s each)
	go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...

.PHONY: lint
lint: ## check formatting and run the linters of .golangci.yaml
	@files=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$files" ]; then echo "not formatted, run make fmt:"; echo "$$files"; exit 1; fi
	go run $(GOLANGCI) run ./...

.PHONY: vulncheck
vulncheck: ## check for known vulnerabilities, if their database can be reached
	@if curl -sSf -m 10 -o /dev/null $(VULNDB)/index/db.json; then go run $(GOVULNCHECK) -db $(VULNDB) ./...; \
	else echo "$(VULNDB) cannot be reached: vulnerabilities are not checked"; fi

.PHONY: fmt
fmt: ## format all Go code
	gofmt -w $$(git ls-files --cached --others --exclude-standard '*.go')

.PHONY: check
check: lint test test-race ## everything that CI checks
