"""Many games at once for gymnasium: all in this process, or shared out over several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from harness.base.errors import BadInput
from harness.bridges.gym.env import task_in
from harness.bridges.gym.episodes import Info, Order, Reward, Source, Stepped
from harness.bridges.gym.places import Begun, Places, PlaceSettings
from harness.bridges.gym.processes import RemotePlaces
from harness.bridges.gym.spaces import ACTION_LENGTH, OBSERVATION_LENGTH, AnyText

Seeds = int | Sequence[int | None] | None
Step = tuple[tuple[str, ...], np.ndarray, np.ndarray, np.ndarray, Info]


class TextVectorEnv(VectorEnv[tuple[str, ...], Sequence[str], np.ndarray]):
    """N games of one of our environments. Observations are tuples of N texts, actions sequences of N commands; infos are as
    gymnasium's own vector environments give them (arrays by name, with masks). With the same seed it plays what
    `SyncVectorEnv` of N single environments plays, in any number of processes."""

    def __init__(
        self,
        num_envs: int = 1,
        environment: str = "alfworld",
        split: str = "builtin-test",
        options: Mapping[str, Any] | None = None,
        reward: Reward = "outcome",
        order: Order = "random",
        progress: bool = True,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        processes: int = 0,
        max_episode_steps: int | None = None,
    ) -> None:
        """`processes`: 0 plays in this process; n shares the games out over n processes. `max_episode_steps` is the
        environment's option `max_steps`. The others as in `TextEnv`; with `order="listed"` place i plays the tasks i, i + N, …
        of the split. Raises `BadInput`."""
        super().__init__()
        if num_envs < 1 or not 0 <= processes <= num_envs:
            raise BadInput(
                f"num_envs={num_envs}, processes={processes}: expected one game or more, and at most one process a game"
            )
        mode = AutoresetMode(autoreset_mode)
        chosen = dict(options or {}) | ({"max_steps": max_episode_steps} if max_episode_steps else {})
        source = Source(environment, split, chosen, reward, order, progress)
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": mode, "render_modes": []}
        self.single_observation_space = AnyText(OBSERVATION_LENGTH)
        self.single_action_space = AnyText(ACTION_LENGTH)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._shares = _shares(num_envs, max(1, processes))
        settings = [PlaceSettings(source, mode.value, share.start, len(share), num_envs) for share in self._shares]
        self._local = Places(settings[0]) if processes == 0 else None
        self._remote: list[RemotePlaces] = []
        if processes:
            self._start(settings)
        self._observations: list[str] = [""] * num_envs
        self._ended = np.zeros(num_envs, dtype=np.bool_)
        self._begun = False

    def _start(self, settings: Iterable[PlaceSettings]) -> None:
        self._remote = [RemotePlaces(one) for one in settings]
        try:
            for group in self._remote:
                group.receive()
        except Exception:
            self.close_extras()
            raise

    def reset(self, *, seed: Seeds = None, options: dict[str, Any] | None = None) -> tuple[tuple[str, ...], Info]:  # type: ignore[override]
        """Begin all games, or those of `options={"reset_mask": array of N bools}`. `seed`: place i gets seed + i; or one seed a
        place. `options={"task": …}`: the game of every place, or a list of one a place. Raises `BadInput`."""
        chosen = dict(options or {})
        mask = _mask(chosen.pop("reset_mask", None), self.num_envs)
        task = chosen.pop("task", None)
        tasks = list(task) if isinstance(task, list | tuple) else [task] * self.num_envs
        if len(tasks) != self.num_envs:
            raise BadInput(f"options['task']: {len(tasks)} tasks for {self.num_envs} games")
        for one in tasks:
            task_in({**chosen, "task": one})
        begun: list[Begun | None] = self._ask("reset", _seeds(seed, self.num_envs), tasks, mask)
        for place, start in enumerate(begun):
            if start is not None:
                self._observations[place] = start[0]
        self._ended &= ~np.asarray(mask)
        self._begun = True
        return tuple(self._observations), gathered([start and start[1] for start in begun])

    def step(self, actions: Sequence[str]) -> Step:
        """Do one command in each game. Raises `ResetNeeded` before the first reset and, with autoreset off, for a game that has
        ended; `ValueError` for another number of commands."""
        if len(actions) != self.num_envs:
            raise ValueError(f"expected {self.num_envs} actions, one a game; got {len(actions)}")
        disabled = self.metadata["autoreset_mode"] == AutoresetMode.DISABLED
        if not self._begun or (disabled and self._ended.any()):
            where = np.flatnonzero(self._ended).tolist() if self._begun else "all"
            raise ResetNeeded(f"games that are not running: {where}; call reset(), for single ones with a reset_mask")
        stepped: list[Stepped] = self._ask("step", list(actions))
        self._observations = [one[0] for one in stepped]
        rewards = np.array([one[1] for one in stepped], dtype=np.float64)
        terminations = np.array([one[2] for one in stepped], dtype=np.bool_)
        truncations = np.array([one[3] for one in stepped], dtype=np.bool_)
        self._ended = terminations | truncations
        return tuple(self._observations), rewards, terminations, truncations, gathered([one[4] for one in stepped])

    def _ask(self, method: str, *arguments: Sequence[Any]) -> list[Any]:
        """The method's value over all places; each argument has one entry a place."""
        if self._local is not None:
            return list(getattr(self._local, method)(*arguments))
        for group, share in zip(self._remote, self._shares, strict=True):
            group.send(method, *(argument[share.start : share.stop] for argument in arguments))
        answers = [_caught(group) for group in self._remote]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return [one for answer in answers for one in answer]

    def close_extras(self, **kwargs: Any) -> None:
        """End the processes, if there are any."""
        for group in self._remote:
            group.close()
        self._remote = []


def _caught(group: RemotePlaces) -> Any:
    """A group's answer, or what it raised: every group is heard before anything is raised, so that none lags behind."""
    try:
        return group.receive()
    except Exception as error:
        return error


def _shares(count: int, groups: int) -> list[range]:
    """The places of each group, in order and as equal in number as they can be."""
    ends = [count * group // groups for group in range(groups + 1)]
    return [range(start, stop) for start, stop in pairwise(ends)]


def _seeds(seed: Seeds, count: int) -> list[int | None]:
    if seed is None or isinstance(seed, int):
        return [None if seed is None else seed + place for place in range(count)]
    if len(seed) != count:
        raise BadInput(f"{len(seed)} seeds for {count} games")
    return list(seed)


def _mask(mask: Any, count: int) -> list[bool]:
    if mask is None:
        return [True] * count
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (count,) or not mask.any():
        raise BadInput(f"options['reset_mask']: expected a numpy array of {count} bools, one or more of them True")
    return [bool(one) for one in mask]


def gathered(infos: Sequence[Info | None]) -> Info:
    """Infos of single games as a vector's: for each name an array over all places, and a mask `_name` of those that have it;
    dicts inside are gathered likewise."""
    names = list(dict.fromkeys(name for info in infos if info is not None for name in info))
    result: Info = {}
    for name in names:
        has = [info is not None and name in info for info in infos]
        values = [info[name] if info is not None and there else None for info, there in zip(infos, has, strict=True)]
        result[name] = _column(name, values, has)
        result[f"_{name}"] = np.array(has, dtype=np.bool_)
    return result


def _column(name: str, values: list[Any], has: list[bool]) -> Any:
    kind = next(type(value) for value, there in zip(values, has, strict=True) if there)
    if kind is dict:
        return gathered(values)
    if kind in (int, float, bool):
        return np.array([value if there else 0 for value, there in zip(values, has, strict=True)], dtype=kind)
    column = np.full(len(values), None, dtype=object)
    column[:] = [None] * len(values)
    for place, value in enumerate(values):
        column[place] = value
    return column
