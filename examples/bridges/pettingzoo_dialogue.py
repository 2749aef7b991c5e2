"""Two polite agents in SOTOPIA through PettingZoo: `python -m examples.bridges.pettingzoo_dialogue` (extra `pettingzoo`)."""

from __future__ import annotations

import json

from environments.base import Play
from harness.bridges.pettingzoo import SotopiaEnv

LINES = ("Nice to see you here.", "What brings you here?", "I see what you mean.", "How shall we go on?")


def politeness(play: Play) -> tuple[float, float]:
    """Stands in for a judge: lines that each seat said."""
    said = [event for event in play.view(0).events if "said" in event.text]
    return tuple(float(sum(event.author == seat for event in said)) for seat in (0, 1))  # type: ignore[return-value]


def main() -> None:
    """Play one dialogue, and print it with the rewards."""
    env = SotopiaEnv(options={"max_turns": 8}, score=politeness)
    env.reset(seed=1)
    for number, agent in enumerate(env.agent_iter()):
        observation, reward, done, _, _ = env.last()
        if done:
            print(f"{agent}: reward {reward}")
            env.step(None)
            continue
        if number == 0:
            print(observation["background"])
        line = LINES[number % len(LINES)]
        print(f"{agent}: {line}")
        env.step(json.dumps({"action_type": "speak", "argument": line}))


if __name__ == "__main__":
    main()
