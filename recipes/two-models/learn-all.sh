#!/usr/bin/env bash
# `make learn-all`: what else was tried, on what `make learn` made. Every line may be repeated: a training goes on where it stopped.
source "$(dirname "$0")/common.sh"

# The actor alone, tuned on as many turns without advice.
prepare two-seen two-solo --role actor --option examples=1760 --option strategies=hidden
imitate two-solo two-solo-data 8
"$harness" run $here/rows.yaml --name two-solo-rows --set environments.0.tasks=80 --set models.actor.adapter=results/two-solo.gguf \
    --set 'strategists=[vanilla]'

# A warm start in many phrasings: 1,912 pieces of advice.
"$harness" run $here/seen.yaml --name two-phrases --set environments.0.tasks=400 \
    --set models.seen.function=environments.alfworld.advice:seen
prepare two-phrases two-phrased --option gamma=1 --option normalize=none
imitate two-phrased two-phrased-data 2
"$harness" run $here/rows.yaml --name two-phrased-rows --set environments.0.tasks=80 --set models.warm.adapter=results/two-phrased.gguf \
    --set 'strategists=[{kind: epo-rl, name: phrased, model: warm, temperature: 0.7, max_tokens: 16, history: 0}]'

# Self-play with other starts, signs, learning rates, credits and methods.
train="$harness train $here/learn.yaml --set iterations=1"
helped="--set data.normalize=none --set data.keep=positive --set fit.clip=null --set fit.learning_rate=3e-4 --set fit.epochs=1"
$train --name two-helped $helped --set models.start.model=results/two-warm/model
$train --name two-phrased-play $helped --set models.start.model=results/two-phrased/model
$train --name two-both-signs --set models.start.model=results/two-warm/model --set fit.clip=0.2 --set fit.learning_rate=1e-4 --set fit.epochs=1
$train --name two-gentle --seeds 2 --set fit.learning_rate=5e-5
$train --name two-progress --seeds 2 --set 'process=[progress]'
$train --name two-outcome --seeds 2 --set 'process=[outcome]' --set data.gamma=0.99
$train --name two-grpo --seeds 2 --set method=grpo --set play.repeats=4 --set play.tasks_per_iteration=20 --set fit.accumulation=8 --set fit.lora=null --set fit.learning_rate=1e-5
$train --name two-untrained --set models.start.model=smollm2-135m-instruct --set held_out.beside='[vanilla, react, "null", epo]'
