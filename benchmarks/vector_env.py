"""Games at once through gymnasium: our vector environment beside gymnasium's own of the same single environments.

    python -m benchmarks.vector_env [--games N] [--steps N]

Each figure is steps per CPU second, a random possible command in each game, texts, possible commands and infos included, with
autoreset. `without progress`: the infos leave progress out, so that no plan is made at each step.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import gymnasium
from gymnasium.vector import SyncVectorEnv

NAMES = {"alfworld": "builtin-test-medium", "webshop": "builtin-train"}


def steps_per_second(env: Any, steps: int) -> float:
    """Steps of single games in a CPU second."""
    random = Random(0)
    _, infos = env.reset(seed=0)
    began = time.process_time()
    for _ in range(steps):
        actions = [random.choice(possible) if possible else "look" for possible in infos["available"]]
        *_, infos = env.step(tuple(actions))
    spent = time.process_time() - began
    env.close()
    return steps * env.num_envs / spent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vector_env", description=__doc__.splitlines()[0])
    parser.add_argument("--games", type=int, default=64)
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()
    for name, split in NAMES.items():
        place = f"harness.bridges.gym:harness/{name}-v0"

        def own(place: str = place, split: str = split) -> Any:
            return SyncVectorEnv([lambda: gymnasium.make(place, split=split)] * options.games)

        def ours(place: str = place, split: str = split, progress: bool = True) -> Any:
            return gymnasium.make_vec(place, num_envs=options.games, split=split, progress=progress)

        sides: dict[str, Callable[[], Any]] = {
            "gymnasium's SyncVectorEnv": own,
            "ours": ours,
            "ours without progress": partial(ours, progress=False),
        }
        found = {what: steps_per_second(make(), options.steps) for what, make in sides.items()}
        for what, value in found.items():
            ratio = value / found["gymnasium's SyncVectorEnv"]
            print(f"{name}, {options.games} games, {what}: {value:,.0f} steps a CPU second, {ratio:.2f} times")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
