# make eval STRATEGY=gif_mcts [MODEL=openai:NAME] [PROTOCOL=quick] [SUITE=varied] [ENVS=A,B|all] [JOBS=N] [SEEDS=K]
#   [BUDGET=CALLS] [OUT=DIR]
# make leaderboard [EPISODES=STEPS]: the leaderboard as a static site, in site/
STRATEGY ?= gif_mcts
MODEL    ?= simulated
PROTOCOL ?= quick
SUITE    ?= cwmb18
ENVS     ?= all
JOBS     ?= $(shell nproc)
PYTHON   ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3))
CWMB      = .venv/bin/cwmb
comma    := ,
NAMED     = $(filter-out all,$(subst $(comma), ,$(ENVS)))

.PHONY: eval tables trajectories baselines bench growth sweep programs planners forging leaderboard verify test torture draws
.PHONY: docs test-wheel
.DEFAULT_GOAL := eval

eval: .venv/installed
	@$(CWMB) eval --strategy $(STRATEGY) --model $(MODEL) --protocol $(PROTOCOL) --suite $(SUITE) --envs $(ENVS) \
	  --jobs $(JOBS) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(BUDGET),--budget $(BUDGET)) $(if $(OUT),--out $(OUT)) $(OPTIONS)

tables: .venv/installed
	@$(CWMB) tables $(if $(OUT),$(OUT),runs/*/)

trajectories: .venv/installed
	@$(CWMB) collect $(NAMED)

baselines: .venv/installed
	@$(CWMB) baselines --protocol $(PROTOCOL) --suite $(SUITE) $(NAMED)

# The leaderboard as a static site in site/, with an episode of each program where EPISODES says of how many steps.
leaderboard: .venv/installed-site
	@$(CWMB) leaderboard $(if $(EPISODES),--episodes $(EPISODES)) $(OPTIONS)

# The entries of results/leaderboard/: those that differ from BASE, three cells of each, or all, one of each.
verify: .venv/installed
	@.venv/bin/python -m cwmb.submission $(if $(BASE),--base $(BASE))

test: .venv/installed-dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/pytest -n auto

# What takes minutes: every attack, every fault, many kills. About a quarter of an hour on two cores.
torture: .venv/installed-dev
	.venv/bin/pytest -n auto -m torture -rP

# Whether references are at the ceiling of fresh draws of all worlds, seeds 0 to 4: hours, most of them for the robots.
draws: .venv/installed-dev
	.venv/bin/pytest -n auto -m draws

# How fast everything is against a bare loop, and what got slower than results/bench.json (STORE=1 replaces that).
# PAPER=DIR: a checkout of the paper's repository, whose check is measured beside; BASE=REV: what differs from a commit.
bench: .venv/installed
	@.venv/bin/python -m cwmb.bench $(if $(STORE),--store) $(if $(ONLY),--only '$(ONLY)') $(if $(PAPER),--paper '$(PAPER)') \
	  $(if $(BASE),--base $(BASE))

# Search strategies on simulated models into results/sweep/: hours, of which nothing is lost.
sweep: .venv/installed-dev
	@nice .venv/bin/python -m cwmb.studies sweep --jobs $(JOBS)

# Reference programs and faulty ones into results/programs/ and docs/reference.md.
programs: .venv/installed
	@nice .venv/bin/python -m cwmb.studies programs

# Planners of continuous actions on the true environments into results/planners/: hours, of which nothing is lost.
planners: .venv/installed
	@nice .venv/bin/python -m cwmb.studies planners $(NAMED)

# The best scores of programs that know nothing of the environment, into results/forging.csv and docs/sandbox.md.
forging: .venv/installed
	@nice .venv/bin/python -m cwmb.studies forging $(NAMED)

# How cost grows with size: results/bench-growth.json and .svg.
growth: .venv/installed-dev
	@.venv/bin/python -m cwmb.bench.growth

# The site of docs/ into build/site, strictly: no link leads nowhere, and a page that is viewed asks no network.
docs: .venv/installed-docs
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --quiet --strict --config-file .mkdocs.yml
	! grep -rE --include='*.html' '<(script|link|img)[^>]+(src|href)="https?:' build/site
	@echo "build/site/index.html"

test-wheel: .venv/installed-dev
	tests/wheel.sh

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/installed-site: .venv/installed
	.venv/bin/pip install --quiet --disable-pip-version-check --editable '.[site]'
	@touch $@

.venv/installed-dev: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch .venv/installed .venv/installed-site $@

.venv/installed-docs: .venv/installed
	.venv/bin/pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@
