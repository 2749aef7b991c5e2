#!/usr/bin/env bash
# `make demo`: trains a strategist on games of the training side, plays the demonstration run with it, and puts its records under
# results/demo. Everything may be repeated: what is done is passed over, so a killed run goes on where it was; to play it anew,
# remove build/demo (and results/demo-training).
set -euo pipefail
cd "$(dirname "$0")/.."
harness=${HARNESS:-.venv/bin/harness}
export VLLM_CPU_NUM_OF_RESERVED_CPU=${VLLM_CPU_NUM_OF_RESERVED_CPU:-0}    # vLLM keeps a core for itself otherwise

"$harness" models convert smollm2-135m-instruct
"$harness" train recipes/cpu/learn.yaml --name demo-training --set held_out.every=2
play() {
    "$harness" run experiments/demo.yaml --name demo --results build || test $? -eq 4    # 4: some episode failed; the records say so
}
play
play    # once more, for what the busy judge did not get done within its deadline
mkdir -p results/demo
cp build/demo/{manifest.json,episodes.jsonl,judgements.jsonl,process_rewards.jsonl} results/demo/
