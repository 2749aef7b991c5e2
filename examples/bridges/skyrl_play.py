"""A random player in skyrl-gym: `python -m examples.bridges.skyrl_play --games 3` (extra `skyrl`)."""

from __future__ import annotations

import argparse
from random import Random

import skyrl_gym

import harness.bridges.skyrl  # noqa: F401  (registers the games)
from harness.bridges.games import world

SPLIT = "builtin-train-mini"


def main(argv: list[str] | None = None) -> None:
    """Play some games, and print what each turn was worth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", type=int, default=3)
    given = parser.parse_args(argv)
    random = Random(0)
    for task in world("alfworld", SPLIT).tasks[: given.games]:
        game = skyrl_gym.make("harness/alfworld", env_config={"split": SPLIT}, extras={"task": task.id})
        messages, _ = game.init([])
        rewards, done = [], False
        while not done:
            listed = messages[-1]["content"].rpartition("Possible commands: ")[2].split(", ")
            stepped = game.step(f"ACTION: {random.choice(listed)}")
            messages, done = stepped["observations"], stepped["done"]
            rewards.append(stepped["reward"])
        print(f"{task.id}: {game.get_metrics()}, turns worth something: {[round(each, 2) for each in rewards if each]}")


if __name__ == "__main__":
    main()
