"""The power of a plan before anything is paid: the smallest difference each question would find, and what half of it takes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from agents.strategists import kind_of
from environments.base import Task
from harness.base.errors import BadInput
from harness.experiment.experiment import Cell
from harness.results.store import MANIFEST
from harness.runs.forecast import arm_identity, identities_of
from harness.runs.plan import Plan
from harness.statistics import Noise, Pairs, episodes_to_claim, fewest_groups, noise_of, smallest_claimed

ALPHA = 0.025
"""On each side of a two-sided test at 5 %, shared among the plan's questions."""
FEWEST = fewest_groups(1 - 2 * ALPHA)
"""Groups of tasks below which no claim is possible."""
SUCCESS_SCATTER, SCORE_SCATTER = 0.5, 0.25
"""Assumed standard deviation of an episode as a share of the range, where no pairs are known: of a success, of a score."""


@dataclass(frozen=True, slots=True)
class Detectable:
    """Power of a plan in one of its questions."""

    cell: Cell
    reference: Cell
    groups: int
    episodes: int
    """Episodes that each arm plays."""
    smallest: float
    """True difference that is found in 80 %, in points of the goal; inf where none is."""
    span: float
    half: int | None
    """Episodes per arm that find half of it in 80 %; None where that is not known."""
    pairs: int
    """Number of known pairs that the scatter comes from; 0 where it is assumed."""
    run: str
    """Run that has them."""
    counted: bool
    """True where clusters cross the plan's groups, and the scatter counts them."""
    uncounted: bool
    """True where clusters cross the plan's groups, and the scatter does not count them."""

    @property
    def assumed(self) -> bool:
        """True where no pairs of the two arms are known."""
        return not self.pairs


def detectable(plan: Plan, results: Path) -> list[Detectable]:
    """Tell for each question of a plan (each strategist against the reference of its place) what it would find.

    The scatter of the pairs is taken from the run under `results` that has most pairs of the same two arms (a probe of this
    plan, too), else it is assumed (`SUCCESS_SCATTER`, `SCORE_SCATTER`, arms independent of each other).
    """
    questions = list(_questions(plan))
    past = _past_pairs(plan, questions, results) if questions else {}
    played: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for unit in plan.units:
        played[unit.cell][unit.task_id] += 1
    alpha = ALPHA / max(1, len(questions))
    return [_detectable(plan, played, *question, alpha, past.get(question[1].id)) for question in questions]


def _questions(plan: Plan) -> Iterator[tuple[Cell, Cell]]:
    """(reference, arm) of each question, in the plan's order."""
    places: dict[tuple[str, ...], list[Cell]] = {}
    for cell in plan.cells.values():
        place = (cell.environment.shown, cell.environment.split, cell.pairing, cell.actor.label)
        places.setdefault(place, []).append(cell)
    for here in places.values():
        references = [cell for cell in here if kind_of(cell.strategist.kind).reference]
        if len(references) == 1:
            named = plan.experiment.questions
            others = [cell for cell in here if not kind_of(cell.strategist.kind).role]
            yield from ((references[0], cell) for cell in others if not named or cell.strategist.label in named)


def _detectable(
    plan: Plan,
    played: Mapping[str, Counter[str]],
    reference: Cell,
    cell: Cell,
    alpha: float,
    past: tuple[str, Pairs] | None,
) -> Detectable:
    """`played`: how often each cell plays each task."""
    tasks = played[cell.id]
    world = plan.world(cell)
    groups, episodes = len({world.by_id[task].group for task in tasks}), tasks.total()
    metric = world.environment.metric
    span = metric.high - metric.low
    bounds = metric.low, metric.high
    noise = _known_noise(past, groups, episodes, bounds, alpha)
    run, pairs = (past[0], int(past[1].complete.sum())) if past is not None and noise is not None else ("", 0)
    noise = noise or assumed_noise(groups, episodes, bounds)
    smallest = smallest_found(noise, groups, span, alpha)
    half = episodes_to_claim(smallest / 2, noise, alpha, span) if np.isfinite(smallest) else None
    crossed = _cross(world.by_id[task] for task in tasks)
    counted = bool(pairs) and past is not None and past[1].crossed is not None
    both = crossed and counted, crossed and not counted
    return Detectable(cell, reference, groups, episodes, smallest, span, half, pairs, run, *both)


def _cross(tasks: Iterable[Task]) -> bool:
    """True if a cluster of these tasks (a character) comes again in several groups."""
    met: dict[str, str] = {}
    return any(met.setdefault(mark, task.group) != task.group for task in tasks for mark in task.clusters or ())


def smallest_found(noise: Noise, groups: int, span: float, alpha: float) -> float:
    """The smallest true difference that so many groups find in 80 %, the guard counted; inf where there is none."""
    return float(np.inf if groups < FEWEST else smallest_claimed(noise, alpha, span))


def _known_noise(
    past: tuple[str, Pairs] | None, groups: int, episodes: int, bounds: tuple[float, float], alpha: float
) -> Noise | None:
    """Scatter of known pairs, over the plan's groups; None where there are none, or all differences are alike."""
    if past is None:
        return None
    noise = noise_of(past[1], *bounds, 1 - 2 * alpha, both_ways=True)
    return replace(noise, tasks=float(groups), pairs_per_task=episodes / groups) if noise.spread > 0 else None


def assumed_noise(groups: int, episodes: int, bounds: tuple[float, float]) -> Noise:
    """Scatter of the difference of two independent arms."""
    low, high = bounds
    each = episodes / groups
    share = SUCCESS_SCATTER if bounds == (0.0, 1.0) else SCORE_SCATTER
    return Noise(share * (high - low) * float(np.sqrt(2 / each)), 0.0, each, float(groups), each, 0.0, estimated=False)


def _past_pairs(plan: Plan, questions: list[tuple[Cell, Cell]], results: Path) -> dict[str, tuple[str, Pairs]]:
    """Arm -> the run with most pairs of it and its reference, and the pairs."""
    runs = sorted(run for run in results.iterdir() if (run / MANIFEST).exists()) if results.is_dir() else []
    if not runs:
        return {}
    from harness.compare.arms import align, load_run

    wanted = {
        cell.id: (before.id, {each.id: arm_identity(plan.experiment, each) for each in (before, cell)})
        for before, cell in questions
    }
    found: dict[str, tuple[str, Pairs]] = {}
    for run in runs:
        here = identities_of(run).items()
        shared = {cell: before for cell, (before, identities) in wanted.items() if identities.items() <= here}
        if not shared:
            continue
        try:
            arms = load_run(run).arms
        except BadInput:
            continue
        for cell, before in shared.items():
            if cell not in arms or before not in arms:
                continue
            pairs = align(arms[before], arms[cell])
            count = int(pairs.complete.sum())
            enough = len(set(pairs.tasks[pairs.complete].tolist())) >= 2
            if enough and (cell not in found or count > int(found[cell][1].complete.sum())):
                found[cell] = run.name, pairs
    return found
