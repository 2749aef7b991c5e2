"""Our games as a verifiers 0.4 taskset and environment, `strategist_games` there.

A rollout is a chat: the first text, the player's answers, what comes of them. The reward is the outcome, one number a trace, as
verifiers has it; what each turn was worth stands in `trace.info["turns"]`, and sums of it in the metrics, for a trainer that
reads them (`MessageNode.advantages` is the trainer's own to fill). The runtime is this machine's and the harness the bare chat.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

import verifiers.v1 as vf
from pydantic import Field, SerializeAsAny

from harness.bridges.credit import CreditName, credit_by
from harness.bridges.games import Game, Turn, world

__all__ = ["GameEnv", "GameTaskset"]
NAME = "strategist_games"
"""verifiers finds a taskset by the name of a module without dots; importing this one gives it that name too."""
sys.modules.setdefault(NAME, sys.modules[__name__])


class GameTasksetConfig(vf.TasksetConfig):
    """Which games are played, under `--env.taskset.*`."""

    id: vf.ID = NAME
    environment: str = "alfworld"
    split: str = "builtin-train"
    options: dict[str, Any] = Field(default_factory=dict)
    """The environment's options, as in an experiment's file."""
    count: int | None = None
    """The first so many tasks of the split; all where it is left out."""


class GameData(vf.TaskData):
    """One game."""

    game: dict[str, Any]
    """Environment, split, options and task: what begins it again."""


class GameTask(vf.Task[GameData, vf.State, vf.TaskConfig]):
    """A game to be played; the environment scores it."""


class GameTaskset(vf.Taskset[GameTask, GameTasksetConfig]):
    """The games of a split."""

    def load(self) -> Iterator[GameTask]:
        """One task for each game. Raises `BadInput` for an unknown environment, split or option."""
        config = self.config
        place = world(config.environment, config.split, config.options)
        for task in islice(place.tasks, config.count):
            game = place.begin(task.id)
            about = {
                "environment": config.environment,
                "split": config.split,
                "options": config.options,
                "task": task.id,
            }
            yield GameTask(
                GameData(name=task.id, prompt=game.prompt, system_prompt=game.instructions, game=about), config.task
            )


class GameEnvConfig(vf.EnvConfig):
    """The one seat, and how turns are credited."""

    taskset: SerializeAsAny[vf.TasksetConfig] = GameTasksetConfig()
    player: vf.AgentConfig = vf.AgentConfig(harness={"id": "null"}, runtime=vf.SubprocessConfig())
    credit: CreditName = "progress"


class GameEnv(vf.Env[GameEnvConfig]):
    """Plays a game with the agent `player`."""

    async def run(self, task: GameTask, agents: vf.Agents) -> None:
        """One game, answer by answer, to its end or the agent's."""
        game = self._begin(task.data.game)
        async with agents.player.interaction(task) as interaction:
            segment = await interaction.turn()
            while not segment.terminated:
                game.answer(segment.last_reply)
                if game.done:
                    break
                segment = await interaction.turn(game.prompt)
        record(interaction.trace, game)

    def _begin(self, about: dict[str, Any]) -> Game:
        place = world(about["environment"], about["split"], about["options"])
        return place.begin(about["task"], credit=credit_by(self.config.credit, place.environment))


def record(trace: vf.Trace, game: Game) -> None:
    """Write a game into a trace: the outcome as the reward, sums as metrics, and what each turn was worth."""
    trace.record_reward("outcome", game.score, 1.0)
    trace.record_metrics(
        {
            "progress": game.progress,
            "won": float(game.won),
            "turns": float(len(game.turns)),
            "without_effect": float(sum(bool(turn.info.get("no_effect")) for turn in game.turns)),
        }
    )
    trace.info["turns"] = [shown(turn) for turn in game.turns]
    trace.info["end"] = game.end_reason


def shown(turn: Turn) -> dict[str, Any]:
    """A turn as JSON."""
    return {"command": turn.command, "credit": turn.credit, "reward": turn.reward, "info": dict(turn.info)}
