#!/usr/bin/env bash
# `make learn`: every figure of README.md here, from nothing. Each line may be repeated: what is done is passed over, so a killed
# run goes on where it was. Two jobs of one thread each are a third faster on two cores than one of two.
set -euo pipefail
cd "$(dirname "$0")/../.."
harness=${HARNESS:-.venv/bin/harness}
python=${PYTHON:-.venv/bin/python}
here=recipes/cpu
export OMP_NUM_THREADS=1

model=$("$harness" models convert smollm2-135m-instruct | head -1)
train="$harness train $here/learn.yaml"
rows="$harness run $here/rows.yaml"

# The warm start: imitate what helped a strategist that names any command. Measured apart from self-play.
"$harness" run $here/explore.yaml --name cpu-explore
test -d results/cpu-warm/model || {
    "$harness" train prepare results/cpu-explore --tokenizer "$model" --out results/cpu-warm-data \
        --option layout=per-turn --option gamma=0 --option normalize=none --option keep=positive
    OMP_NUM_THREADS=$(nproc) "$harness" train fit results/cpu-warm-data --model "$model" --out results/cpu-warm \
        --option learning_rate=1e-4 --option epochs=1 --option batch=4 --option accumulation=4 \
        --option schedule=constant --option warmup=0.0 --option track_kl=false --option tensorboard=false
}

# Self-play from the untrained model, three seeds; the first goes one iteration further. Beside it the rows it is held against.
parallel() { xargs -P 2 -I{} bash -c '{}'; }
parallel <<END
$rows --name cpu-rows
$train --name cpu-learn-1 --set seed=1 --set fit.seed=1 --set iterations=3
$train --name cpu-learn-2 --set seed=2 --set fit.seed=2 --set held_out.every=2
$train --name cpu-learn-3 --set seed=3 --set fit.seed=3 --set held_out.every=2
$rows --name cpu-again --set seed=100 --set include=[{strategist:\ epo}]
END
