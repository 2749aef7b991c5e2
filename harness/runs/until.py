"""Playing until every question of a run is decided: which group is played next, and whether enough is known.

The run is looked at before each group of tasks, by tests that hold at every look (harness.statistics.anytime). Groups are played
one after the other, all their tasks and repeats together, since a group counts once it is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.strategists import REFERENCE, kind_of
from harness.base.errors import BadInput, nearest
from harness.runs.jobs import Job
from harness.runs.plan import Plan, Unit

Look = Callable[[Path, tuple[str, ...], float | None], list[str]]
"""Looks at a run's folder for `Until.questions` and `Until.smallest`: each question's answer in a few words, or nothing while one
is open."""
DECIDED = "every question is decided"
"""Begins the reason of a run that ended so."""


@dataclass(frozen=True, slots=True)
class Until:
    """Questions that have to be decided before a run ends."""

    look: Look
    """Tells whether they are (`harness.compare.decided:answers`)."""
    questions: tuple[str, ...] = ()
    """Strategists whose difference to the reference is asked about; all of them where none is named."""
    smallest: float | None = None
    """A difference that is shown to be smaller than this, in the goal's own points, is decided, too."""

    def check(self, plan: Plan) -> None:
        """Raise `BadInput` for a difference that is not above 0, a strategist that is no question of the experiment, and an
        experiment without a question."""
        if self.smallest is not None and not self.smallest > 0:
            raise BadInput(f"--smallest-difference {self.smallest:g}: expected a difference above 0")
        specs = plan.experiment.strategists
        named = plan.experiment.questions
        asked = [spec.label for spec in specs if not kind_of(spec.kind).role and (not named or spec.label in named)]
        if not asked or not any(kind_of(spec.kind).reference for spec in specs):
            raise BadInput(f"--until-decided needs a question: add a strategist beside `{REFERENCE}` to the experiment")
        for name in self.questions:
            if name not in asked:
                raise BadInput(
                    f"--question {name}: no question of this experiment; it has: {', '.join(asked)}.{nearest(name, asked)}"
                )


class Looks:
    """The looks at one run while it is played."""

    def __init__(self, plan: Plan, folder: Path, until: Until) -> None:
        self._plan, self._folder, self._until = plan, folder, until
        self._last: tuple[str, str] | None = None

    def in_order(self, jobs: Iterable[Job]) -> list[Job]:
        """The jobs group by group; the environments take turns."""
        ranks: dict[str, dict[str, int]] = {}
        for unit in self._plan.units:
            world, group = self._group(unit)
            here = ranks.setdefault(world, {})
            here.setdefault(group, len(here))
        worlds = list(ranks)

        def place(job: Job) -> tuple[int, int, int]:
            world, group = self._group(job.unit)
            return ranks[world][group], worlds.index(world), job.unit.block

        return sorted(jobs, key=place)

    def as_json(self) -> dict[str, Any]:
        """The manifest's entry of a run that is looked at: the questions, and the planned tasks of each group."""
        tasks: dict[str, dict[str, set[str]]] = {}
        for unit in self._plan.units:
            world, group = self._group(unit)
            tasks.setdefault(world, {}).setdefault(group, set()).add(unit.task_id)
        groups = {world: {group: len(ids) for group, ids in here.items()} for world, here in tasks.items()}
        return {"questions": list(self._until.questions), "smallest": self._until.smallest, "groups": groups}

    def decided(self, unit: Unit) -> str | None:
        """Look before the first job of a group: the reason why nothing more has to be played; None while something is open."""
        group = self._group(unit)
        if group == self._last:
            return None
        self._last = group
        answers = self._until.look(self._folder, self._until.questions, self._until.smallest)
        return f"{DECIDED} ({'; '.join(answers)})" if answers else None

    def _group(self, unit: Unit) -> tuple[str, str]:
        """Environment and split, and the group of a unit's task."""
        cell = self._plan.cells[unit.cell]
        world = f"{cell.environment.shown} | {cell.environment.split}"
        return world, self._plan.world(cell).by_id[unit.task_id].group
