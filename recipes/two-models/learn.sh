#!/usr/bin/env bash
# `make learn`: the frozen actor, the strategist's warm start, and their rows (README.md here). Every line may be repeated: what is
# done is passed over, and a killed fit goes on from its last state.
set -euo pipefail
cd "$(dirname "$0")/../.."
harness=${HARNESS:-.venv/bin/harness}
here=recipes/two-models
model=$("$harness" models convert smollm2-135m-instruct | head -1)

# Adapters on the upper 12 of 30 layers: 1.95 million numbers, 3.9 MB in 16 bits.
modules=$(for layer in $(seq 18 29); do for part in self_attn.{q,k,v,o}_proj mlp.{gate,up,down}_proj; do
    printf 'layers.%s.%s, ' "$layer" "$part"; done; done)
common=(--model "$model" --option schedule=linear --option warmup=0.03 --option learning_rate=1e-3 --option accumulation=1
    --option bf16=false --option track_kl=false --option tensorboard=false
    --option "lora={r: 16, alpha: 32, target_modules: [${modules%, }]}")

# The actor: 1,760 turns of a rule that does what advice says, once.
"$harness" run $here/teach.yaml --name two-teach
test -f results/two-actor-data/manifest.json ||
    "$harness" train prepare results/two-teach --role actor --tokenizer "$model" --out results/two-actor-data \
        --option layout=per-turn --option examples=1760 --held-out $here/rows.yaml
"$harness" train fit results/two-actor-data --out results/two-actor "${common[@]}" --option batch=8 --option epochs=1 \
    --option save_steps=20
test -f results/two-actor.gguf ||
    "$harness" models convert results/two-actor/model/adapter --base smollm2-135m-instruct --dtype float16 --out results/two-actor.gguf

# The strategist's warm start: 2,852 pieces of advice of a rule that knows only what was seen, in 600 games, once.
"$harness" run $here/seen.yaml --name two-seen
test -f results/two-warm-data/manifest.json ||
    "$harness" train prepare results/two-seen --tokenizer "$model" --out results/two-warm-data --option layout=per-turn \
        --option gamma=1 --option normalize=none --held-out $here/rows.yaml
"$harness" train fit results/two-warm-data --out results/two-warm "${common[@]}" --option batch=2 --option epochs=1 \
    --option save_steps=25
test -f results/two-warm.gguf ||
    "$harness" models convert results/two-warm/model/adapter --base smollm2-135m-instruct --dtype float16 --out results/two-warm.gguf

"$harness" run $here/rows.yaml --name two-rows

# Self-play on the warm start, three seeds, each ranked on the same games.
"$harness" train $here/learn.yaml --seeds 3
