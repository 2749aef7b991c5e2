# Read by learn.sh and learn-all.sh: where things are, and how an adapter is trained by imitation.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
harness=${HARNESS:-.venv/bin/harness}
here=recipes/two-models
model=$("$harness" models convert smollm2-135m-instruct | head -1)

# Adapters on the upper 12 of 30 layers: 1.95 million numbers, 3.9 MB in 16 bits.
modules=$(for layer in $(seq 18 29); do for part in self_attn.{q,k,v,o}_proj mlp.{gate,up,down}_proj; do
    printf 'layers.%s.%s, ' "$layer" "$part"; done; done)
adapter=(--option "lora={r: 16, alpha: 32, target_modules: [${modules%, }]}" --option bf16=false --option track_kl=false
    --option tensorboard=false --option accumulation=1)

# prepare RUN NAME OPTION...: training data of a run, as results/NAME-data.
prepare() {
    test -f "results/$2-data/manifest.json" ||
        "$harness" train prepare "results/$1" --tokenizer "$model" --out "results/$2-data" --option layout=per-turn \
            --held-out $here/rows.yaml "${@:3}"
}

# fit NAME DATA BATCH START RATE [OPTION...]: an adapter on the weights START that learns from results/DATA, once.
fit() {
    "$harness" train fit "results/$2" --out "results/$1" --model "$4" "${adapter[@]}" --option schedule=linear --option warmup=0.03 \
        --option "learning_rate=$5" --option epochs=1 --option "batch=$3" --option save_steps=25 "${@:6}"
}

# imitate NAME DATA BATCH [OPTION...]: the same on the base model, and for llama.cpp as results/NAME.gguf.
imitate() {
    fit "$1" "$2" "$3" "$model" 1e-3 "${@:4}"
    test -f "results/$1.gguf" ||
        "$harness" models convert "results/$1/model/adapter" --base smollm2-135m-instruct --dtype float16 --out "results/$1.gguf"
}

# What the strategist's warm start learns from, as results/two-warm-data: 2,852 pieces of advice of a rule that knows only what was
# seen, in 600 games.
warm_data() {
    "$harness" run $here/seen.yaml --name two-seen
    prepare two-seen two-warm --option gamma=1 --option normalize=none
}

# The warm start with other seeds, for its first weights and the order of its games.
further_trainings() {
    for seed in 1 2; do
        imitate two-warm-$seed two-warm-data 2 --option seed=$seed
    done
}
