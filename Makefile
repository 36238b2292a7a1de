# What one does with this repository. `make` lists it. The settings of .env are honoured,
# except by the tests.

CARGO ?= cargo
COMPOSE ?= docker compose
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

# For `make concurrency` and `make load`; where BASE is empty, HOST and PORT say where the server is.
BASE ?=
CAPACITY ?= 5
REQUESTS ?= 50
CONCURRENCY ?= 50

# For `make load`: bookings a second, and for how long. CHECK=postgres://… compares in the end.
RATE ?= 50
LOAD_SECONDS ?= 60
CHECK ?=

# For `make kill-embedded`.
ROUNDS ?= 100

# For `make faults`: how often PostgreSQL and the program are killed; how many calls there are in a
# round, in relation to the short ones; when no other round begins; SEED makes the same schedule
# again, ONLY plays some scenarios (names, separated by commas), SHORT=1 what the tests play.
KILLS ?= 200
SIZE ?= 4
MINUTES ?=
SEED ?=
ONLY ?=
SHORT ?=

# For `make fuzz-api`: how long in all; FUZZ_SEED makes the same requests again, empty other ones.
FUZZ_SECONDS ?= 60
FUZZ_SEED ?=

# For `make simulate`: the first seed, empty for any; ONLY shows the history of SEED step by
# step, with these actions alone, or with all of them.
HISTORIES ?= 1000000
SEED ?=
ONLY ?=

# For `make coverage`: the least share of lines, in per cent, of each crate.
LINES_MIN ?= 85

# For `make compose-up`: empty, or three, monitoring, or both, with a blank between.
PROFILES ?=

# For `make bench`: empty, or quick for five minutes instead of an hour; and what else to tell
# it, as in BENCH_FLAGS='--only D,R --rounds 3'. Only a run of everything goes into the docs.
BENCH ?=
BENCH_FLAGS ?= --report docs/benchmarks.md

.DEFAULT_GOAL := help
.PHONY: help build run run-postgres cluster cluster-test test upgrade-test faults kill-embedded fuzz-api simulate scaling mutants coverage bench lint fmt concurrency load docs migration compose-up compose-down clean-services

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: ## Build everything, for debugging
	$(CARGO) build --workspace

run: ## Serve on 127.0.0.1:8000 with demo data; needs nothing else, data in ./utsavam-data
	$(CARGO) build --release --bin utsavam
	deploy/with-env.sh deploy/run-dev.sh $(TARGET_DIR)/release/utsavam

run-postgres: ## The same on a PostgreSQL and a Redis that it brings along
	$(CARGO) build --release --bin utsavam
	deploy/services.sh with dev -- deploy/run-dev.sh $(TARGET_DIR)/release/utsavam

cluster: ## Three processes behind HAProxy on PORT, PostgreSQL with a standby, Redis; until Ctrl-C
	@deploy/with-env.sh deploy/cluster.sh --check
	$(CARGO) build --release --bin utsavam
	deploy/with-env.sh deploy/services.sh with cluster -- deploy/cluster.sh $(TARGET_DIR)/release/utsavam

cluster-test: ## Run the tests of the HTTP interface and of kills through such a cluster
	$(CARGO) build --workspace --bins
	deploy/services.sh with cluster -- deploy/cluster-test.sh $(TARGET_DIR) $(CARGO)

test: ## Run every test, with a PostgreSQL and a Redis of its own
	$(CARGO) build --workspace --bins
	deploy/services.sh with test -- deploy/run-tests.sh $(CARGO)

upgrade-test: ## Build the release before this one, and try it on the tables of this one and beside it
	$(CARGO) build --workspace --bins
	deploy/services.sh with test -- deploy/upgrade-test.sh $(TARGET_DIR) $(CARGO)

faults: ## Kill everything KILLS=200 times while clients buy, look for losses, print a table
	$(CARGO) build --release -p api-actix -p utsavam-tests --bin utsavam --bin bench --bin faults
	deploy/services.sh with test -- $(TARGET_DIR)/release/faults --kills $(KILLS) --size $(SIZE) \
		$(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) \
		$(if $(ONLY),--only $(ONLY)) $(if $(SHORT),--short)

kill-embedded: ## Kill the embedded server ROUNDS=100 times in a burst, and look for losses
	$(CARGO) build --bin utsavam
	UTSAVAM_KILL_ROUNDS=$(ROUNDS) $(CARGO) test -p utsavam-tests --test system embedded_kill -- --nocapture

fuzz-api: ## Make requests that nobody thought of for FUZZ_SECONDS=60, both with and without open mode
	$(CARGO) build --bin utsavam
	FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_SEED=$(FUZZ_SEED) deploy/fuzz-api.sh $(TARGET_DIR)

simulate: ## Try HISTORIES=1000000 simulated histories from SEED= on; ONLY=all shows one
	$(CARGO) build -q --profile simulate -p utsavam-simulation
	$(TARGET_DIR)/simulate/simulate $(if $(SEED),--seed $(SEED)) \
		$(if $(ONLY),--show $(if $(filter-out all,$(ONLY)),--only $(ONLY)),--histories $(HISTORIES))

scaling: ## Model a night of 1, 10, 100 and 1,000 times as much; prints a table of docs/scaling.md
	@$(CARGO) run -q -p utsavam-tests --bin scaling

mutants: ## Change the rules and the queue in hundreds of places, count what the tests notice
	deploy/mutants.sh $(CARGO)

coverage: ## Count the lines of rules, queue and adapters that the tests run, at least LINES_MIN=85%
	LINES_MIN=$(LINES_MIN) deploy/services.sh with test -- deploy/coverage.sh $(CARGO)

bench: ## Measure the server, BENCH=quick in 5 minutes; writes docs/benchmarks.md
	$(CARGO) build --release -p api-actix -p utsavam-tests --bin utsavam --bin bench
	deploy/services.sh with bench -- $(TARGET_DIR)/release/bench $(if $(filter quick,$(BENCH)),--quick) $(BENCH_FLAGS)

lint: ## Check the format, clippy's and shellcheck's warnings, and what other programs read
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings
	@if command -v shellcheck >/dev/null; then \
		echo 'shellcheck -a deploy/*.sh .ci/run'; shellcheck -a deploy/*.sh .ci/run; \
	else \
		echo 'shellcheck is not installed: the shell scripts were not checked'; \
	fi
	deploy/check-deployment.sh $(TARGET_DIR)

fmt: ## Format the code
	$(CARGO) fmt --all

concurrency: ## Fire REQUESTS=50 bookings at CAPACITY=5 seats of the server at BASE
	@$(CARGO) build --release -p utsavam-tests --bin concurrency
	@CAPACITY=$(CAPACITY) REQUESTS=$(REQUESTS) CONCURRENCY=$(CONCURRENCY) deploy/with-env.sh sh -c \
		'export BASE="$${0:-http://$${HOST:-127.0.0.1}:$${PORT:-8000}}"; exec "$$@"' '$(BASE)' \
		$(TARGET_DIR)/release/concurrency

load_script = RATE='$(RATE)' LOAD_SECONDS='$(LOAD_SECONDS)' CHECK='$(CHECK)' deploy/with-env.sh sh -c \
	'export BASE="$${0:-http://$${HOST:-127.0.0.1}:$${PORT:-8000}}"; exec "$$@"' '$(BASE)' deploy/load.sh

load: ## Buy RATE=50 seats a second for LOAD_SECONDS=60 of the server at BASE, whatever happens to it
	@$(load_script) --check
	@$(CARGO) build --release -p utsavam-tests --bin bench
	@$(load_script) $(TARGET_DIR)/release/bench

docs: ## Generate docs/openapi.yaml and docs/schema.sql
	$(CARGO) build --bin utsavam
	$(TARGET_DIR)/debug/utsavam openapi --format yaml >docs/openapi.yaml.new
	mv docs/openapi.yaml.new docs/openapi.yaml
	deploy/services.sh with test -- sh -c '"$$1" migrate >&2 && exec deploy/dump-schema.sh' - \
		$(TARGET_DIR)/debug/utsavam >docs/schema.sql.new
	mv docs/schema.sql.new docs/schema.sql

migration: ## Make an empty migration: make migration NAME=add_ticket_types
	@deploy/new-migration.sh '$(NAME)'

# compose looks for .env beside its file, ours is at the top.
compose = $(COMPOSE) $(if $(wildcard .env),--env-file .env) -f deploy/compose.yaml
# With three processes there is no need of a fourth one without a balancer: what is named starts.
named = $(if $(filter three,$(PROFILES)),balancer $(if $(filter monitoring,$(PROFILES)),grafana))

compose-up: ## Build the image, start it with PostgreSQL and Redis; PROFILES='three monitoring'
	@deploy/need-compose.sh $(COMPOSE)
	$(compose) $(addprefix --profile ,$(PROFILES)) up --build --detach --wait $(named)

compose-down: ## Stop these containers; their data stay
	@deploy/need-compose.sh $(COMPOSE)
	$(compose) --profile '*' down

clean-services: ## Remove the private PostgreSQL and Redis, data included; name what other checkouts left
	deploy/services.sh clean dev
	deploy/services.sh clean test
	deploy/services.sh clean bench
	deploy/services.sh clean cluster
	deploy/services.sh others
