#!/usr/bin/env bash
# `make learn`: the frozen actor, the strategist's warm start, and their rows (README.md here). Every line may be repeated: what is
# done is passed over, and a killed fit goes on from its last state.
source "$(dirname "$0")/common.sh"

# The actor: 1,760 turns of a rule that does what advice says, once.
"$harness" run $here/teach.yaml --name two-teach
prepare two-teach two-actor --role actor --option examples=1760
imitate two-actor two-actor-data 8

# The strategist's warm start, and two further trainings of it.
warm_data
imitate two-warm two-warm-data 2
further_trainings

"$harness" run $here/rows.yaml --name two-rows

# The warm start, taught which phrasings the actor obeys; games that the actor learnt from serve here too, as nothing is ranked on them.
"$harness" run $here/obeyed.yaml --name two-obeyed-play --allow-leak
prepare two-obeyed-play two-obeyed --option gamma=0 --option normalize=none --option keep=positive
fit two-obeyed two-obeyed-data 2 results/two-warm/model 5e-4
"$harness" run $here/rows.yaml --name two-obeyed-rows --set environments.0.tasks=80 \
    --set 'models.warm={provider: transformers, model: results/two-obeyed/model, args: {batch_size: 16, context: 512}}' \
    --set 'strategists=[{kind: epo-rl, name: obeyed, model: warm, temperature: 0.7, max_tokens: 16, history: 0}]'

# Self-play on that, three seeds, each ranked on the same games.
"$harness" train $here/learn.yaml --seeds 3
