"""Our games as skyrl-gym's text environment: `skyrl_gym.make("harness/alfworld", …)` after importing this module, which registers
them. A turn's reward is its credit, so that the trainer gets it turn by turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import skyrl_gym
from skyrl_gym.envs.base_text_env import BaseTextEnv, BaseTextEnvStepOutput

from harness.base.errors import BadInput
from harness.bridges.credit import credit_by
from harness.bridges.games import Game, world

SETTINGS = ("split", "options", "credit", "max_turns")


class GameEnv(BaseTextEnv):
    """A game. `env_config` has `split` and, where wanted, `options`, `credit` and `max_turns`; `extras` (a row of the data
    set) has `task`, and `seed`."""

    def __init__(
        self, environment: str, env_config: Mapping[str, Any], extras: Mapping[str, Any] | None = None
    ) -> None:
        """Raises `BadInput` for a setting, split or option that is not known, and for extras without a task."""
        super().__init__()
        settings, row = dict(env_config), dict(extras or {})
        if unknown := sorted(set(settings) - set(SETTINGS)):
            raise BadInput(f"env_config: unknown {', '.join(unknown)}; known: {', '.join(SETTINGS)}")
        if "task" not in row:
            raise BadInput("extras: a row needs a column `task` with a task's id")
        self._world = world(environment, str(settings.get("split", "builtin-train")), settings.get("options"))
        credit = credit_by(str(settings.get("credit", "progress")), self._world.environment)
        self.game: Game = self._world.begin(str(row["task"]), int(row.get("seed", 0)), credit)
        self.max_turns = int(settings.get("max_turns", 1_000))

    def init(self, prompt: list[dict[str, str]]) -> tuple[list[dict[str, str]], dict[str, Any]]:
        """The row's messages, then how to answer and the game's first text."""
        first = f"{self.game.instructions}\n\n{self.game.prompt}"
        return [*prompt, {"role": "user", "content": first}], self.game.state()

    def step(self, action: str) -> BaseTextEnvStepOutput:
        """Give what the model wrote. Raises `ValueError` after the end."""
        self.turns += 1
        turn = self.game.answer(action)
        done = turn.done or self.turns >= self.max_turns
        seen = [] if done else [{"role": "user", "content": self.game.prompt}]
        return BaseTextEnvStepOutput(
            observations=seen,
            reward=turn.credit,
            done=done,
            metadata=dict(turn.info),
            postprocessed_action=turn.command,
        )

    def get_metrics(self) -> dict[str, Any]:
        """The outcome, progress, and the number of turns."""
        game = self.game
        return {"score": game.score, "won": float(game.won), "progress": game.progress, "turns": len(game.turns)}


for _name in ("alfworld", "webshop"):
    skyrl_gym.register(
        id=f"harness/{_name}", entry_point="harness.bridges.skyrl:GameEnv", kwargs={"environment": _name}
    )
