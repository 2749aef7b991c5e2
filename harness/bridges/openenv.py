"""Our games behind OpenEnv's server, and the client for them (`harness env serve`, docs/bridges.md). No Docker is needed.

A turn's reward is its credit, so that a trainer gets it turn by turn; the outcome stands in the observation. Every session has a
game of its own; worlds are shared and read only. OpenEnv checks neither Host nor Origin and knows no token: `guarded` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from openenv.core import EnvClient
from openenv.core.client_types import StepResult
from openenv.core.env_server.http_server import create_fastapi_app
from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import Action, Observation, State
from pydantic import Field

from harness.base.counts import counted
from harness.base.errors import BadInput
from harness.base.web_guard import App, Guard
from harness.bridges.credit import CreditName, credit_by
from harness.bridges.games import Game, Turn, World, world

LONGEST = 10_000
"""Characters of a command."""
REFUSAL = (
    "This server answers only to the addresses that `harness env serve` printed (see its --name), and with its token.\n"
)


class GameAction(Action):
    """A command of the game."""

    command: str = Field(max_length=LONGEST)


class GameObservation(Observation):
    """What a player sees, with how the game stands. `reward` is the turn's credit; `metadata` what the environment noted."""

    text: str
    task: str
    available: list[str]
    progress: float
    score: float
    won: bool
    end_reason: str


class GameState(State):
    """How the game of a session stands."""

    task: str = ""
    progress: float = 0.0
    score: float = 0.0
    won: bool = False


@dataclass(frozen=True, slots=True)
class Served:
    """What a server plays."""

    name: str
    split: str
    options: Mapping[str, Any] = field(default_factory=dict)
    credit: CreditName = "progress"

    def world(self, split: str | None = None) -> World:
        """The world of a split; the server's own where none is named. Raises `BadInput`."""
        return world(self.name, split or self.split, self.options)


class GameEnvironment(Environment[GameAction, GameObservation, GameState]):
    """One session: OpenEnv makes one for each connection."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self, served: Served) -> None:
        super().__init__()
        self._served = served
        self._game: Game | None = None
        self._episode: str | None = None

    def reset(
        self,
        seed: int | None = None,
        episode_id: str | None = None,
        task: str | None = None,
        split: str | None = None,
        index: int | None = None,
        **others: Any,
    ) -> GameObservation:
        """Begin a game: the task of that id, or the one at `index` of the split, or at `seed` modulo its size, or the first.
        Raises `ValueError` for a task or a split that is not there."""
        try:
            place = self._served.world(split)
            found = task if task is not None else place.tasks[_place(place, seed, index)].id
            self._game = place.begin(found, seed or 0, credit_by(self._served.credit, place.environment))
        except (BadInput, IndexError) as error:
            raise ValueError(str(error)) from None
        self._episode = episode_id
        return self._observed(None)

    def step(self, action: GameAction, timeout_s: float | None = None, **others: Any) -> GameObservation:
        """Give a command. Raises `ValueError` before `reset` and after the end."""
        if self._game is None or self._game.done:
            raise ValueError("no game is in progress: call reset first")
        return self._observed(self._game.act(action.command))

    def _observed(self, turn: Turn | None) -> GameObservation:
        game = self._game
        assert game is not None
        return GameObservation(
            done=game.done,
            reward=turn.credit if turn is not None else None,
            metadata=dict(turn.info) if turn is not None else {},
            text=game.observation,
            task=game.task.id,
            available=list(game.available),
            progress=game.progress,
            score=game.score,
            won=game.won,
            end_reason=game.end_reason,
        )

    @property
    def state(self) -> GameState:
        """How the game stands."""
        game = self._game
        if game is None:
            return GameState(episode_id=self._episode)
        known = {"task": game.task.id, "progress": game.progress, "score": game.score, "won": game.won}
        return GameState(episode_id=self._episode, step_count=len(game.turns), **known)

    def list_splits(self) -> list[str]:
        """The environment's splits (OpenEnv's task API)."""
        return list(self._served.world().environment.splits())

    def list_tasks(self, split: str) -> list[dict[str, Any]]:
        """All tasks of a split: id and index."""
        return self.get_task_range(split)

    def num_tasks(self, split: str) -> int:
        """The number of tasks of a split."""
        return len(self._served.world(split).tasks)

    def get_task(self, split: str, index: int) -> dict[str, Any]:
        """One task. Raises `IndexError`."""
        return {"id": self._served.world(split).tasks[index].id, "index": index}

    def get_task_range(self, split: str, start: int | None = None, stop: int | None = None) -> list[dict[str, Any]]:
        """Tasks `start` to `stop` of a split."""
        tasks = self._served.world(split).tasks
        return [{"id": tasks[index].id, "index": index} for index in range(*slice(start, stop).indices(len(tasks)))]


def _place(place: World, seed: int | None, index: int | None) -> int:
    if index is None:
        return (seed or 0) % len(place.tasks)
    if not 0 <= index < len(place.tasks):
        raise IndexError(
            f"{place.name}/{place.split} has {counted(len(place.tasks), 'task')}; there is no index {index}"
        )
    return index


def app_of(served: Served, sessions: int) -> App:
    """OpenEnv's server for what is served: `/ws`, `/reset`, `/step`, `/state`, `/schema`, `/health`, and its task API.
    `sessions`: games at the same time. Raises `BadInput` for what cannot be played."""
    served.world()
    app: App = create_fastapi_app(
        partial(GameEnvironment, served),
        GameAction,
        GameObservation,
        max_concurrent_envs=sessions,
        env_name=served.name,
        state_cls=GameState,
    )
    return app


def guarded(app: App, allowed: frozenset[str], token: str | None) -> App:
    """The server behind our guard: names and origins of its own, and the token where there is one."""
    return Guard(app, allowed, REFUSAL, token=token)


class GameClient(EnvClient[GameAction, GameObservation, GameState]):
    """The client of a served environment: `GameClient("http://127.0.0.1:8000")`, asynchronous; `.sync()` is for plain loops.
    A token is given as `headers={"Authorization": "Bearer …"}`."""

    def _step_payload(self, action: GameAction) -> dict[str, Any]:
        return action.model_dump()

    def _parse_result(self, payload: dict[str, Any]) -> StepResult[GameObservation]:
        done, reward = bool(payload.get("done")), payload.get("reward")
        told = {"metadata": payload.get("metadata") or {}, **payload["observation"], "done": done, "reward": reward}
        return StepResult(observation=GameObservation.model_validate(told), reward=reward, done=done)

    def _parse_state(self, payload: dict[str, Any]) -> GameState:
        return GameState.model_validate(payload)
