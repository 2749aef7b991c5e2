"""SOTOPIA's two seats as a PettingZoo environment: the seats take turns, and each sees its own background and the dialogue.

SOTOPIA's world gives no score. `score` is asked for it when the dialogue ends (a judge of yours, or sums of process rewards). A
seat in `partners` is played by a function, for example one that asks a frozen model, so that the other agent alone is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium
from pettingzoo import AECEnv

from environments import make, tasks_of
from environments.base import Action, Environment, Play, Unreadable, View
from harness.base.errors import BadInput
from harness.bridges.gym.spaces import ACTION_LENGTH, OBSERVATION_LENGTH, AnyText

Score = Callable[[Play], Sequence[float]]
"""(the finished dialogue) -> a reward for each seat."""
Partner = Callable[[View], str]
"""(what the seat sees) -> its answer, as a model would write it."""
SILENT = Action("", "none")
"""What is done for a seat whose answer cannot be read."""


class SotopiaEnv(AECEnv[str, dict[str, str], str]):
    """A dialogue between `player_0` and `player_1`. An observation is a `Dict` of `background` and `transcript`, an action the
    text of an answer: one JSON object with `action_type` and `argument`, or what else the harness reads."""

    metadata = {"name": "sotopia_v0", "render_modes": [], "is_parallelizable": False}

    def __init__(
        self,
        split: str = "builtin-train",
        options: Mapping[str, Any] | None = None,
        score: Score | None = None,
        partners: Mapping[int, Partner] | None = None,
    ) -> None:
        """`options`: SOTOPIA's, as in an experiment's file. Raises `BadInput` for a wrong one, and where no seat is left."""
        super().__init__()
        self._partners = dict(partners or {})
        if not set(self._partners) < {0, 1}:
            raise BadInput(f"partners: expected one of the seats 0 and 1, got {sorted(self._partners)}")
        self.environment: Environment = make("sotopia", options)
        self._tasks = tasks_of(self.environment, split)
        self._score = score
        self._play: Play | None = None
        self.render_mode = None
        self.possible_agents = [f"player_{seat}" for seat in (0, 1) if seat not in self._partners]
        text = AnyText(OBSERVATION_LENGTH)
        seen: dict[str, gymnasium.Space[Any]] = {"background": text, "transcript": text}
        self.observation_spaces = {agent: gymnasium.spaces.Dict(seen) for agent in self.possible_agents}
        self.action_spaces = {agent: AnyText(ACTION_LENGTH) for agent in self.possible_agents}

    def observation_space(self, agent: str) -> gymnasium.Space[Any]:
        """Texts under `background` and `transcript`."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gymnasium.Space[Any]:
        """The text of an answer."""
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: Mapping[str, Any] | None = None) -> None:
        """Begin a dialogue: the task that `options={"task": …}` names, by id or place, else the one at `seed` modulo the split's
        size. Raises `BadInput` for a task that is not there."""
        self._play = self.environment.reset(self._task((options or {}).get("task"), seed or 0), seed or 0)
        self.agents = self.possible_agents[:]
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos: dict[str, dict[str, Any]] = {agent: {} for agent in self.agents}
        self._let_partner_act()
        self._select()

    def _task(self, named: str | int | None, seed: int) -> Any:
        if named is None:
            return self._tasks[seed % len(self._tasks)]
        if isinstance(named, int) and 0 <= named < len(self._tasks):
            return self._tasks[named]
        found = next((task for task in self._tasks if task.id == named), None)
        if found is None:
            raise BadInput(
                f"sotopia: no task {named!r}; there are {len(self._tasks)}, the first is {self._tasks[0].id!r}"
            )
        return found

    def observe(self, agent: str) -> dict[str, str]:
        """What a seat sees; nothing of the other one's goal and secret."""
        assert self._play is not None, "call reset first"
        view = self._play.view(_seat(agent))
        return {"background": view.background, "transcript": "\n".join(event.text for event in view.events)}

    def step(self, action: str | None) -> None:
        """Do what an agent answered; an answer that cannot be read is silence, and its `info` says so."""
        agent = self.agent_selection
        if self.terminations[agent]:
            self._was_dead_step(action)
            return
        assert self._play is not None, "call reset first"
        self._cumulative_rewards[agent] = 0.0
        self._clear_rewards()
        self.infos[agent] = {"unreadable": not self._answer(_seat(agent), action or "")}
        self._let_partner_act()
        if self._play.done:
            self._end(self._play)
        self._select()
        self._accumulate_rewards()

    def _answer(self, seat: int, text: str) -> bool:
        """Do an answer; False where none could be read in it."""
        assert self._play is not None
        try:
            action, read = self.environment.action_format.parse(text).action, True
        except Unreadable:
            action, read = SILENT, False
        self._play.step(seat, action)
        return read

    def _let_partner_act(self) -> None:
        play = self._play
        while play is not None and not play.done and play.current_seat in self._partners:
            self._answer(play.current_seat, self._partners[play.current_seat](play.view(play.current_seat)))

    def _end(self, play: Play) -> None:
        scores = self._score(play) if self._score is not None else (0.0, 0.0)
        for agent in self.agents:
            self.rewards[agent] = float(scores[_seat(agent)])
            self.terminations[agent] = True
            self.infos[agent] |= {"end": play.end_reason.strip()}

    def _select(self) -> None:
        """The agent whose turn it is; after the end, each once more, as PettingZoo wants it."""
        assert self._play is not None
        turn = f"player_{self._play.current_seat}"
        self.agent_selection = turn if turn in self.agents and not self._play.done else self.agents[0]


def _seat(agent: str) -> int:
    return int(agent.removeprefix("player_"))
