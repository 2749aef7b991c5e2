#!/usr/bin/env bash
# `make learn-all`: block 2, on what `make learn` made: self-play with other learning rates, credits and methods. Every line may be
# repeated: a training goes on where it stopped.
set -euo pipefail
cd "$(dirname "$0")/../.."
harness=${HARNESS:-.venv/bin/harness}
train="$harness train recipes/two-models/learn.yaml"

$train --name two-gentle --seeds 2 --set fit.learning_rate=5e-5
$train --name two-progress --seeds 2 --set 'process=[progress]'
$train --name two-outcome --seeds 2 --set 'process=[outcome]' --set data.gamma=0.99
$train --name two-grpo --seeds 2 --set method=grpo --set play.repeats=4 --set play.tasks_per_iteration=20 --set fit.accumulation=8 --set fit.lora=null --set fit.learning_rate=1e-5
$train --name two-untrained --set models.start.model=smollm2-135m-instruct --set held_out.beside='[vanilla, react, "null", epo]'
