#!/usr/bin/env bash
# `make learn-words`: every figure of README.md here, from nothing. Each line may be repeated: what is done is passed over, so a killed
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
two_at_a_time() { xargs -P 2 -d '\n' -n 1 bash -c; }
two_at_a_time <<END
$rows --name cpu-rows
$train --name cpu-learn-1 --set seed=1 --set fit.seed=1 --set iterations=3
$train --name cpu-learn-2 --set seed=2 --set fit.seed=2 --set held_out.every=2
$train --name cpu-learn-3 --set seed=3 --set fit.seed=3 --set held_out.every=2
$train --name cpu-learn-warm --set models.start.model=results/cpu-warm/model --set seed=1 --set fit.seed=1 --set iterations=1
$rows --name cpu-again --set seed=100 --set 'include=[{strategist: epo}]'
$rows --name cpu-random --set 'actors=["script:random"]' --set 'strategists=[vanilla]'
END

# Ablations: what one iteration makes of the same episodes, those of the first seed's first iteration.
test -d results/cpu-play-1 || cp -r results/cpu-learn-1/play/iteration-1/alfworld results/cpu-play-1
"$harness" judge results/cpu-play-1 --process outcome
ablation() { # NAME PROCESS OPTION...
    local name=$1 process=$2 options=()
    shift 2
    for option; do options+=(--option "$option"); done
    test -d "results/cpu-$name/model" || {
        "$harness" train prepare results/cpu-play-1 --tokenizer "$model" --out "results/cpu-$name-data" \
            --option layout=per-turn --option rewards="$process" "${options[@]}"
        "$harness" train fit "results/cpu-$name-data" --model "$model" --out "results/cpu-$name" \
            --option learning_rate=1e-4 --option epochs=2 --option batch=4 --option accumulation=2 --option seed=1 \
            --option schedule=constant --option warmup=0.0 --option track_kl=false --option tensorboard=false
    }
    $rows --name "cpu-rows-$name" --set "models.warm.model=results/cpu-$name/model" --set 'include=[{strategist: epo-warm}]'
}
export -f ablation
export harness model rows
two_at_a_time <<END
ablation outcome outcome gamma=0 normalize=epo keep=weighted
ablation gamma progress gamma=0.99 normalize=epo keep=weighted
ablation baseline progress gamma=0 normalize=epo baseline=mean keep=all
ablation batch progress gamma=0 normalize=batch keep=all
END

# GRPO from where the first seed stood after one iteration, for there groups have winners: 20 tasks, 4 episodes of each, 5 steps.
# And the trained strategist elsewhere.
two_at_a_time <<END
$train --name cpu-grpo --set models.start.model=results/cpu-learn-1/fit/iteration-1/model --set seed=1 --set fit.seed=1 --set method=grpo --set iterations=1 --set play.repeats=4 \
    --set play.tasks_per_iteration=20 --set fit.batch=4 --set fit.accumulation=4 --set fit.epochs=1
$harness run $here/transfer.yaml --name cpu-transfer
END

"$python" -m tools.learnt
