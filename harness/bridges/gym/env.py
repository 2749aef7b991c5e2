"""One environment for gymnasium: text in, text out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
from gymnasium.error import ResetNeeded

from harness.base.errors import BadInput
from harness.bridges.gym.episodes import Episodes, Order, Reward, Source
from harness.bridges.gym.spaces import ACTION_LENGTH, OBSERVATION_LENGTH, AnyText

RESET_OPTIONS = ("task",)


def task_in(options: Mapping[str, Any] | None) -> str | int | None:
    """The task that the options of a reset name: an id, or a place in the split. Raises `BadInput` for an unknown option."""
    if unknown := [name for name in options or {} if name not in RESET_OPTIONS]:
        raise BadInput(f"reset(options=…): unknown {', '.join(map(repr, unknown))}; known: {', '.join(RESET_OPTIONS)}")
    task: str | int | None = (options or {}).get("task")
    return task


class TextEnv(gymnasium.Env[str, str]):
    """A game of one of our environments. The observation is what the player sees next, the action a command.

    `info`: `task` (id), `available` (commands possible now), `progress` (0 to 1), `remaining` (actions of a shortest way to the
    goal, -1 unknown), `cost` (actions spent), `left` (actions left), `score` and `won` (the outcome so far), `no_effect` (the
    action did nothing), `end` (reason of the end, "" while it runs).
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 1}

    def __init__(
        self,
        environment: str = "alfworld",
        split: str = "builtin-test",
        options: Mapping[str, Any] | None = None,
        reward: Reward = "outcome",
        order: Order = "random",
        progress: bool = True,
        render_mode: str | None = None,
    ) -> None:
        """`environment` by its name, `split` and `options` as in an experiment's file; `reward`, `order` and `progress` as in
        `episodes.Source`. Raises `BadInput`."""
        if render_mode not in (None, "ansi"):
            raise BadInput(f"render_mode: {render_mode!r}; expected 'ansi' or None")
        self.episodes = Episodes(Source(environment, split, dict(options or {}), reward, order, progress))
        self.observation_space = AnyText(OBSERVATION_LENGTH)
        self.action_space = AnyText(ACTION_LENGTH)
        self.render_mode = render_mode
        self._shown = ""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Begin a game: the one that `options={"task": …}` names by its id or its place in the split, else the next one, which
        the seed decides. Raises `BadInput` for a task or option that is not there."""
        super().reset(seed=seed)
        observation, info = self.episodes.reset(self.np_random, task_in(options), again=seed is not None)
        self._shown = observation
        return observation, info

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Do a command. `terminated` at the goal (or a purchase), `truncated` at the step limit. Raises `ResetNeeded` where no
        game is running."""
        if self.episodes.done:
            raise ResetNeeded("no game is running: call reset()")
        stepped = self.episodes.step(action)
        self._shown = f"> {action}\n{stepped[0]}"
        return stepped

    def render(self) -> str | None:
        """The last command and what the player sees, with `render_mode="ansi"`."""
        return self._shown if self.render_mode == "ansi" else None
