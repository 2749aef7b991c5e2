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

# Self-play on the warm start, three seeds, each ranked on the same games.
"$harness" train $here/learn.yaml --seeds 3
