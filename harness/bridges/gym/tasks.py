"""An environment and the tasks of one of its splits, shared in a process by all who ask for the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from environments import make, tasks_of
from environments.base import Environment, Task
from harness.base.errors import BadInput, nearest


class Tasks:
    """A source of games for one player."""

    def __init__(self, name: str, split: str, options: Mapping[str, Any]) -> None:
        """Raises `BadInput` for an environment of several seats, an unknown split or option, and missing data."""
        self.environment: Environment = make(name, options)
        if self.environment.seats != 1:
            raise BadInput(f"{name} has {self.environment.seats} seats; gymnasium plays one: alfworld, webshop")
        self.split = split
        self.tasks = tasks_of(self.environment, split)
        if not len(self.tasks):
            raise BadInput(f"{name}: the split {split!r} has no tasks here")
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.tasks)

    def find(self, task: str | int) -> Task:
        """The task of an id, or at a place of the split. Raises `BadInput`."""
        if isinstance(task, str):
            if not self._places:
                self._places = {known.id: place for place, known in enumerate(self.tasks)}
            if task not in self._places:
                hint = nearest(task, list(self._places)[:10_000])
                raise BadInput(f"{self.split!r} has no task {task!r}; the first is {self.tasks[0].id!r}.{hint}")
            return self.tasks[self._places[task]]
        if not 0 <= task < len(self):
            raise BadInput(f"task {task}: {self.split!r} has the places 0 to {len(self) - 1}")
        return self.tasks[task]


def tasks_in(name: str, split: str, options: Mapping[str, Any]) -> Tasks:
    """The tasks of a split of an environment with these options. Raises `BadInput`."""
    return _tasks(name, split, json.dumps(dict(options), sort_keys=True))


@lru_cache(maxsize=16)
def _tasks(name: str, split: str, options: str) -> Tasks:
    return Tasks(name, split, json.loads(options))
