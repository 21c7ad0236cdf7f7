# The pinned linter; CI runs it with this version too.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

# What `make bench` measures for each benchmark.
BENCHTIME ?= 3s

.DEFAULT_GOAL := help

.PHONY: help
help: ## show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## install Postgres and Redis where they are missing
	@sh deploy/deps.sh

.PHONY: test-deps
test-deps: ## install Postgres, Redis and Node (for one test) where they are missing
	@sh deploy/deps.sh node

.PHONY: dev
dev: deps build ## run Ping with all that it needs, on 127.0.0.1:8080
	@exec bin/ping dev

.PHONY: build
build: ## build bin/ping
	go build -o bin/ping ./cmd/ping

.PHONY: test
test: test-deps ## run all tests, on real parts
	go test ./...

.PHONY: test-race
test-race: test-deps ## run all tests with the race detector
	go test -race ./...

.PHONY: bench
bench: deps ## run the benchmarks (BENCHTIME=3s each)
	go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...

.PHONY: lint
lint: ## check formatting, go vet and staticcheck
	@files=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$files" ]; then echo "not formatted, run make fmt:"; echo "$$files"; exit 1; fi
	go vet ./...
	go run $(STATICCHECK) ./...

.PHONY: fmt
fmt: ## format all Go code
	gofmt -w $$(git ls-files --cached --others --exclude-standard '*.go')

.PHONY: check
check: lint test ## all that CI checks
