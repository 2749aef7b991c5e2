#!/usr/bin/env bash
# `make demo`: trains the strategist twice more than the package has it, plays the demonstration run, and puts its records under
# results/demo. Everything may be repeated: what is done is passed over, so a killed run goes on where it was; to play it anew, remove
# build/demo.
source "$(dirname "$0")/../recipes/two-models/common.sh"

warm_data
further_trainings
"$harness" run experiments/demo.yaml --name demo --results build || test $? -eq 4    # 4: some episode failed; the records say so
mkdir -p results/demo
cp build/demo/{manifest.json,episodes.jsonl} results/demo/
