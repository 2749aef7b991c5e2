"""Many ALFWorld games at once in gymnasium, with what each turn was worth as its reward.

    python -m examples.bridges.gymnasium_credit --games 16 --episodes 400

A policy is learnt that needs no model: what is a command worth, by its verb and by whether the task names the things in it? It is
the mean reward that such commands got, and the second half mostly does the best one. With the outcome alone as reward
(`--reward outcome`) only a command that wins gets any.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from functools import partial
from random import Random

import gymnasium


class Worth:
    """The mean reward of commands that are alike."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, ...], float] = defaultdict(float)
        self._counts: dict[tuple[str, ...], int] = defaultdict(int)

    def learn(self, command: str, task: str, reward: float) -> None:
        """Count a command's reward."""
        kind = kind_of(command, task)
        self._sums[kind] += reward
        self._counts[kind] += 1

    def of(self, command: str, task: str) -> float:
        """Mean reward of such commands; 0 for a kind that was never seen."""
        kind = kind_of(command, task)
        return self._sums[kind] / self._counts[kind] if self._counts[kind] else 0.0


def kind_of(command: str, task: str) -> tuple[str, ...]:
    """The verb, and for each other word whether the task names it: ("take", "named", "from", "other")."""
    verb, *words = (word for word in command.split() if not word.isdigit())
    small = ("to", "from", "with")
    return (verb, *(word if word in small else "named" if word in task.split() else "other" for word in words))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--games", type=int, default=16, help="at once")
    parser.add_argument("--episodes", type=int, default=400)
    parser.add_argument("--reward", choices=("outcome", "progress", "replay"), default="progress")
    options = parser.parse_args()
    envs = gymnasium.make_vec(
        "harness.bridges.gym:harness/alfworld-v0",
        num_envs=options.games,
        split="builtin-train-mini",
        reward=options.reward,
        autoreset_mode="SameStep",
        max_episode_steps=20,
    )
    worth, random, finished, wins, tasks = Worth(), Random(0), 0, [0, 0], [""] * options.games
    observations, infos = envs.reset(seed=0)
    while finished < options.episodes:
        half = int(finished >= options.episodes // 2)
        for place, text in enumerate(observations):
            if "Your task is to: " in text:  # the place begins a game
                tasks[place] = text.rsplit("Your task is to: ", 1)[1].rstrip(".")
        actions = []
        for possible, task in zip(infos["available"], tasks, strict=True):
            shuffled = random.sample(possible, len(possible))
            best = max(shuffled, key=partial(worth.of, task=task))
            actions.append(best if half and random.random() > 0.3 else shuffled[0])
        observations, rewards, terminations, truncations, infos = envs.step(tuple(actions))
        for command, task, reward in zip(actions, tasks, rewards, strict=True):
            worth.learn(command, task, float(reward))
        finished += int((terminations | truncations).sum())
        wins[half] += int(terminations.sum())
    envs.close()
    print(f"won: {wins[0]} of the first {options.episodes // 2} games, {wins[1]} of about as many after them")


if __name__ == "__main__":
    main()
