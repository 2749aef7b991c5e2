"""A manager of many games in the style of verl-agent and RAGEN: batched texts in and out, `<think>…</think><action>…</action>`.

    python -m examples.bridges.manager --games 4

It shows how little it takes over our games. Neither library is imported, and no compatibility with one is claimed.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from random import Random
from typing import Any

from harness.bridges.games import Game, world

ANSWER = re.compile(r"<think>.*?</think>\s*<action>(?P<command>.*?)</action>", re.DOTALL)
PROMPT = """{text}

Possible commands: {available}

Think inside <think> </think>, then give one command inside <action> </action>."""


class Manager:
    """Games that go on together. `reset` begins `group` games of each task; `step` takes one answer for each game."""

    def __init__(self, environment: str, split: str, group: int = 1, credit: bool = True) -> None:
        """`credit`: a turn's reward is its progress; else the environment's own."""
        self._world, self._group, self._credit = world(environment, split), group, credit
        self.games: list[Game] = []

    def reset(self, tasks: Sequence[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Prompts (`text`), bare observations (`anchor`), and infos."""
        self.games = [self._world.begin(task) for task in tasks for _ in range(self._group)]
        return self._observations(), [self._info(game, True) for game in self.games]

    def step(self, answers: Sequence[str]) -> tuple[dict[str, Any], list[float], list[bool], list[dict[str, Any]]]:
        """Observations, rewards, dones and infos; a finished game stays as it is."""
        rewards, infos = [], []
        for game, answer in zip(self.games, answers, strict=True):
            found = ANSWER.search(answer)
            if game.done:
                rewards.append(0.0)
                infos.append(self._info(game, True))
                continue
            turn = game.act(found["command"].strip()) if found else game.answer("")
            rewards.append(turn.credit if self._credit else turn.reward)
            infos.append(self._info(game, found is not None and not turn.info.get("malformed")))
        return self._observations(), rewards, [game.done for game in self.games], infos

    def _observations(self) -> dict[str, Any]:
        texts = [PROMPT.format(text=game.observation, available=", ".join(game.available)) for game in self.games]
        return {"text": texts, "image": None, "anchor": [game.observation for game in self.games]}

    def _info(self, game: Game, valid: bool) -> dict[str, Any]:
        return {"won": game.won, "is_action_valid": valid, "admissible_commands": list(game.available)}


def main(argv: list[str] | None = None) -> None:
    """Play at random, and print what was won."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--games", type=int, default=4)
    given = parser.parse_args(argv)
    split, random = "builtin-train-mini", Random(0)
    manager = Manager("alfworld", split, group=2)
    _, infos = manager.reset([task.id for task in world("alfworld", split).tasks[: given.games]])
    totals, dones = [0.0] * len(infos), [False] * len(infos)
    while not all(dones):
        picked = [random.choice(info["admissible_commands"] or [""]) for info in infos]
        _, rewards, dones, infos = manager.step([f"<think>?</think><action>{each}</action>" for each in picked])
        totals = [total + reward for total, reward in zip(totals, rewards, strict=True)]
    print(f"won {sum(info['won'] for info in infos)} of {len(infos)}; progress {[round(total, 2) for total in totals]}")


if __name__ == "__main__":
    main()
