# The commands for users, developers and CI. `make` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
ARGS   ?=

# Of deployments. TAG: a tag or digest in the registry; empty keeps the images that run.
ENV      ?= dev
SERVICE  ?=
TAG      ?=
PLATFORM ?= linux/arm64

.DEFAULT_GOAL := help

.PHONY: help
help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(STAMP) ## Run the whole system locally and play every scenario (ARGS="--orders 200")
	@$(BIN)/workers demo $(ARGS)

.PHONY: chaos
chaos: $(STAMP) ## Inject faults while 300 orders go through the system (ARGS="--seed 3")
	@$(BIN)/workers chaos run $(ARGS)

.PHONY: chaos-long
chaos-long: $(STAMP) ## Run chaos with 10,000 orders, 300 kills and 20 deploys (24 min)
	@$(BIN)/workers chaos run --orders 10000 $(ARGS)

.PHONY: local
local: $(STAMP) ## Start the whole system locally and keep it running
	@$(BIN)/workers local $(ARGS)

.PHONY: test
test: $(STAMP) ## Run all tests (ARGS="-k leases")
	@$(BIN)/pytest -n 4 $(ARGS)

.PHONY: infra
infra: $(STAMP) ## Test terraform/: apply it to the embedded AWS, run the services, destroy it
	@INFRA=required $(BIN)/pytest -n 2 tests/infra $(ARGS)

.PHONY: rehearsal
rehearsal: $(STAMP) ## Follow terraform/README.md from an empty account, in the embedded AWS (8 min)
	@$(BIN)/python -m local.rehearsal $(ARGS)

.PHONY: test-containers
test-containers: $(STAMP) ## Test the image and the composed system (needs Docker)
	@$(BIN)/pytest tests/containers $(ARGS)

.PHONY: test-localstack
test-localstack: $(STAMP) ## Test the adapters against LocalStack in a container (needs Docker)
	@LOCALSTACK=composed $(BIN)/pytest tests/integration tests/contract/ports $(ARGS)

sudo = $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: prometheus
prometheus: ## Install Prometheus and promtool, unless they are installed (Debian and Ubuntu)
	@command -v promtool >/dev/null || { $(sudo) apt-get update -qq && \
	  $(sudo) env RUNLEVEL=1 apt-get install -y -qq --no-install-recommends prometheus >/dev/null; } # RUNLEVEL: no daemon

.PHONY: alerts
alerts: $(STAMP) ## Make every alert fire against the running system, and end (needs Prometheus; 4 min)
	@$(BIN)/pytest tests/alerts $(ARGS)

.PHONY: bootstrap
bootstrap: ## Create the state bucket, the registry and the roles of workflows in an AWS account
	@terraform -chdir=terraform/bootstrap init -input=false
	@terraform -chdir=terraform/bootstrap apply $(ARGS)

REPOSITORY := order-pipeline
describe    = aws ecr describe-images --repository-name $(REPOSITORY) --image-ids imageTag=$(commit) --query 'imageDetails[0].imageDigest' --output text
commit      = $(or $(TAG),$(shell git rev-parse --short=12 HEAD))

.PHONY: image
image: ## Build the image of this commit and push it, unless the registry has it (TAG=... PLATFORM=...)
	@mkdir -p .workers
	@url=$$(aws ecr describe-repositories --repository-names $(REPOSITORY) --query 'repositories[0].repositoryUri' --output text) && \
	  aws ecr get-login-password | docker login --username AWS --password-stdin "$${url%%/*}" >&2 && \
	  { $(describe) >/dev/null 2>&1 || \
	    docker buildx build --platform $(PLATFORM) --provenance=false --build-arg REVISION=$$(git rev-parse HEAD) --tag "$$url:$(commit)" --push .; } && \
	  digest=$$($(describe)) && \
	  printf 'digest=%s\nreference=%s\n' "$$digest" "$$url@$$digest" | tee -a $${GITHUB_OUTPUT:-/dev/null}

# Tags are immutable: what a first run of the workflow has pushed cannot be pushed again.
unless_pushed = aws ecr describe-images --repository-name $(REPOSITORY) --image-ids imageTag=$(subst :,-,$(lastword $(subst @, ,$(IMAGE)))).$(1) >/dev/null 2>&1 ||

.PHONY: sign
sign: ## Sign an image and its list of contents with the identity of the workflow (IMAGE=...; needs cosign)
	@$(call unless_pushed,att) cosign attest --yes --type spdxjson --predicate .workers/sbom.spdx.json "$(IMAGE)"
	@$(call unless_pushed,sig) cosign sign --yes "$(IMAGE)"

# One service of SERVICE, or all.
image_variables = $(if $(TAG),$(if $(SERVICE),-var='image_tags={"$(SERVICE)"="$(TAG)"}',-var=image_tag=$(TAG)))
terraform       = terraform -chdir=terraform
variables       = -var-file=environments/$(ENV).tfvars $(image_variables) $(ARGS)
plan            = $(terraform) plan -input=false -no-color -lock=false $(variables)

.PHONY: state
state: ## Select the state of an environment for commands of Terraform (ENV=dev)
	@$(terraform) init -input=false -reconfigure -backend-config=environments/$(ENV).s3.tfbackend

.PHONY: plan
plan: state ## Show what a deployment would change (ENV=dev TAG=... SERVICE=...)
	@mkdir -p .workers && rm -f .workers/plan.txt
	@$(plan) -out=plan >/dev/null && $(terraform) show -no-color plan >.workers/plan.txt; code=$$?; rm -f terraform/plan; \
	  [ $$code -eq 0 ] && tee -a $${GITHUB_STEP_SUMMARY:-/dev/null} <.workers/plan.txt

.PHONY: apply
apply: state ## Deploy an environment, or one service of it (ENV=dev TAG=... SERVICE=...)
	@$(terraform) apply -input=false -auto-approve $(variables)

.PHONY: destroy
destroy: state ## Remove an environment with all its data, after a question (ENV=dev TAG=...)
	@$(terraform) destroy $(variables)

.PHONY: drift
drift: state ## Fail if an environment differs from its configuration (ENV=dev)
	@$(plan) -detailed-exitcode

.PHONY: up
up: ## Build the image and start the whole system in containers
	@REVISION=$$(git rev-parse HEAD) docker compose up --build -d --wait

.PHONY: down
down: ## Stop the containers and delete their data
	@docker compose down -v

.PHONY: smoke
smoke: ## Place one order of each scenario in the containers and check the results
	@docker compose exec -T order-api workers smoke

# Of the events. A shallow checkout has no tags: contracts/ has what was released.
# BASE: a commit to compare with as well, such as origin/main.
BASE ?=
last_release = $(shell git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null)

.PHONY: release-contract
release-contract: $(STAMP) ## Record the events of this version in contracts/, unless they break what was released
	@$(BIN)/workers schema record contracts

.PHONY: check
check: $(STAMP) ## Check format, lint, types, imports, events, wheel, Dockerfile, alert rules, compose file and workflows
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@report=$$($(BIN)/lint-imports --no-cache) || { echo "$$report"; exit 1; }; echo "$$report" | tail -n 1
	@for released in contracts $(last_release) $(BASE); do $(BIN)/workers schema diff --against "$$released" || exit; done
	@$(BIN)/pytest -q --tb=short tests/house
	@$(BIN)/hadolint Dockerfile
	@$(BIN)/check-jsonschema -q --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema -q --builtin-schema vendor.renovate .github/renovate.json
	@$(BIN)/zizmor --offline --quiet .github
	@if command -v promtool >/dev/null; then promtool check rules docker/prometheus/alerts.yml >/dev/null; \
	  else echo "NOT CHECKED: docker/prometheus/alerts.yml (promtool is not installed)" >&2; [ "$$PROMTOOL" != required ]; fi
	@if docker compose version >/dev/null 2>&1; then docker compose --profile grafana config --quiet; \
	  else echo "NOT CHECKED: docker-compose.yml (docker compose is not installed)" >&2; fi

.PHONY: audit
audit: $(STAMP) ## Check pins, vulnerabilities, licences and secrets; list the image's contents (AUDIT=required: no gaps)
	@$(BIN)/python -m local.audit

.PHONY: audit-base
audit-base: ## Fail unless the Dockerfile names its base image by digest, as a release must
	@grep -Eq '^ARG PYTHON_IMAGE=[^@ ]+@sha256:[0-9a-f]{64}$$' Dockerfile || \
	  { echo "The base image of the Dockerfile has no digest. Run 'make base' and commit the result." >&2; exit 1; }

.PHONY: base
base: ## Pin the base image to the digest that its tag has now (needs Docker with buildx)
	@old=$$(sed -n 's/^ARG PYTHON_IMAGE=//p' Dockerfile) && tag=$${old%%@*} && \
	  digest=$$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$$tag") && \
	  for file in Dockerfile docker-compose.yml .env.example; do \
	    pinned=$$(sed "s|$$old|$$tag@$$digest|" $$file) && printf '%s\n' "$$pinned" >$$file || exit 1; done && \
	  grep '^ARG PYTHON_IMAGE=' Dockerfile

.PHONY: wheel
wheel: $(STAMP) ## Build the wheel of this commit into dist/; the same commit gives the same bytes
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m hatchling build -t wheel -d dist >/dev/null
	@cd dist && sha256sum *.whl

.PHONY: hot-item
hot-item: $(STAMP) ## Print reservations per second of one item by its number of buckets
	@PYTHONPATH=tests $(BIN)/python -m support.hot_item $(ARGS)

.PHONY: bench
bench: $(STAMP) ## Compare the receive loop with its peers (ARGS="--help" lists scenarios)
	@$(BIN)/python -m bench $(ARGS)

.PHONY: soak
soak: $(STAMP) ## Run 200,000 messages through the receive loop; fail if its memory grows (3 min)
	@$(BIN)/python -m bench.soak $(ARGS)

.PHONY: capacity
capacity: $(STAMP) ## Write the figures and plots of docs/CAPACITY.md again
	@$(BIN)/python -m local.capacity

.PHONY: capacity-check
capacity-check: $(STAMP) ## Compare the simulation of capacity with 1, 2 and 4 real workers (1 min)
	@$(BIN)/python -m bench.capacity $(ARGS)

.PHONY: outage
outage: $(STAMP) ## Let DynamoDB or SNS answer 500 for ten minutes (ARGS="--service sns --minutes 2")
	@PYTHONPATH=tests $(BIN)/python -m trials.outage $(ARGS)

.PHONY: stops
stops: $(STAMP) ## Stop workers under load at 200 moments (ARGS="--trials 20 --seed 7")
	@PYTHONPATH=tests $(BIN)/python -m trials.stops $(ARGS)

.PHONY: format
format: $(STAMP) ## Format the code and apply the linter's fixes
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: lock
lock: ## Update the pinned dependencies (needs uv)
	uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --extra tracing -o requirements/runtime.txt pyproject.toml
	uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --extra tracing --extra local --extra ops --extra dev \
	  -c requirements/runtime.txt -o requirements/dev.txt pyproject.toml
	echo hatchling | uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --no-emit-index-url --no-emit-find-links -c requirements/dev.txt \
	  -o requirements/build.txt -

.PHONY: clean
clean: ## Remove the virtual environment and all caches
	rm -rf $(VENV) .workers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is required: make PYTHON=python3.12 ..." >&2; exit 2; }
	@echo "Installing into $(VENV) (about a minute) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
