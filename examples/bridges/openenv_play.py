"""A random player over OpenEnv's client. Start the server first, in an environment with the extra `openenv`:

harness env serve alfworld --split builtin-train-mini --port 8000
python -m examples.bridges.openenv_play http://127.0.0.1:8000 --games 5
"""

from __future__ import annotations

import argparse
import os
from random import Random

from harness.bridges.openenv import GameAction, GameClient


def main(argv: list[str] | None = None) -> None:
    """Play some games, and say what each turn was worth."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("address")
    parser.add_argument("--games", type=int, default=5)
    given = parser.parse_args(argv)
    token = os.environ.get("HARNESS_ENV_TOKEN")
    random = Random(0)
    with GameClient(given.address, headers={"Authorization": f"Bearer {token}"} if token else None).sync() as client:
        for index in range(given.games):
            seen = client.reset(index=index)
            rewards = []
            while not seen.done:
                command = random.choice(seen.observation.available).replace("<words>", "red shoes")
                seen = client.step(GameAction(command=command))
                rewards.append(seen.reward or 0.0)
            steps = " ".join(f"{reward:+.2f}" for reward in rewards if reward)
            print(
                f"{seen.observation.task}: score {seen.observation.score:.2f}, {len(rewards)} turns, worth {steps or 0}"
            )


if __name__ == "__main__":
    main()
