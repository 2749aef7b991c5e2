"""Ranks that carry their uncertainty: which places an arm could have, and with which arms it is tied.

Arms are ranked among those that played the same tasks of the same data under the same protocol, pairing and judge. An
arm with fewer outcomes than a set share of its plan gets no rank, and so does one that nobody can be ranked with; missing
outcomes of the others widen their ranks by the worst and the best they could have been. Scripted agents are reference rows
and take no place.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.base.errors import BadInput
from harness.base.frame import Frame, ranks_of
from harness.compare.arms import Arm, Arms, arms_of, keys_of, refuse_copies, same_keys
from harness.results.soundness import DAMAGED, damaged
from harness.results.store import read_manifest
from harness.results.tables import Row, cells_of, episode_table, sorted_cells
from harness.statistics import rank_arms

if TYPE_CHECKING:
    import pandas as pd

MIN_COVERAGE = 0.8
RANKS = ("rank", "rank_low", "rank_high", "ranked")
Values = tuple[NDArray[Any], NDArray[np.float64]]
"""Per episode its task (cluster) and its value; a missing one is NaN."""


@dataclass(frozen=True, slots=True)
class Place:
    """An arm's place in its family."""

    rank: int
    low: int
    """Best rank it could have."""
    high: int
    """Worst rank it could have."""
    of: int
    """Number of arms ranked together."""
    tied_with: tuple[str, ...]
    """Labels of the arms that cannot be told apart from it."""


def ranked_table(runs: Sequence[Path], judge: str | None = None, min_coverage: float = MIN_COVERAGE) -> pd.DataFrame:
    """`ranked_rows` in pandas.

    `scripted`: no model plays; `arm`: the arm's number. Raises `BadInput` for a run that is given twice, as a copy,
    too, and for a coverage outside 0..1.
    """
    return as_table(ranked_rows(load_runs(runs, judge), min_coverage))


def as_table(rows: Sequence[Row]) -> pd.DataFrame:
    """Ranked rows in pandas, for the viewer, exports and notebooks."""
    import pandas as pd

    whole = pd.DataFrame(list(rows))
    ranks = {name: pd.array([row[name] for row in rows], dtype="Int64") for name in RANKS}
    tied = pd.Series([row["tied_with"] for row in rows], dtype=object)
    return whole.assign(**ranks, tied_with=tied)


@dataclass(frozen=True, slots=True)
class Loaded:
    """One run that was read: its arms, cells and episodes."""

    arms: Arms
    cells: Sequence[Mapping[str, Any]]
    """One row per arm, in their order (`harness.results.tables.cells_of`)."""
    episodes: Frame
    """Rows of `harness.results.tables.episode_table`."""


def load_runs(runs: Sequence[Path], judge: str | None = None) -> list[Loaded]:
    """The runs' arms and cells. Raises `BadInput` for a run that is given twice, as a copy, too."""
    refuse_copies(list(runs))
    names = _run_names(runs)
    found = []
    for run in runs:
        try:
            table = episode_table(run, judge, names[run])
            found.append(Loaded(arms_of(run, table, judge, names[run]), cells_of(run, table, names[run]), table))
        except DAMAGED as error:
            raise damaged(run, error) from error
    return found


def _run_names(runs: Sequence[Path]) -> dict[Path, str]:
    """A name for each run: its own, with the folder it lies in where two have the same."""
    own = {run: str(read_manifest(run)["run"]) for run in runs}
    names = list(own.values())
    found = {
        run: name if names.count(name) == 1 else f"{run.absolute().parent.name}/{name}" for run, name in own.items()
    }
    taken = list(found.values())
    return {run: name if taken.count(name) == 1 else str(run) for run, name in found.items()}


def ranked_rows(loaded: Sequence[Loaded], min_coverage: float = MIN_COVERAGE) -> list[Row]:
    """The rows of `harness.results.tables.cell_rows` with `arm` (the arm's number, counted run after run), `coverage` (the share
    of the plan that has an outcome), `rank`, the best and worst rank that an arm could have, how many arms are `ranked`
    together, and `tied_with`. No rank: None."""
    if not 0 <= min_coverage <= 1:
        raise BadInput(f"--min-coverage {min_coverage}: expected a share from 0 to 1, such as {MIN_COVERAGE}")
    arms = [arm for run in loaded for arm in run.arms.arms.values()]
    names = _names(arms, several=len(loaded) > 1)
    places: dict[int, Place] = {}
    for family in _families(arms, min_coverage):
        places |= _places(family, arms, names)
    cells = [row for run in loaded for row in run.cells]
    rows = [{**row, "arm": number} for number, row in enumerate(cells)]
    numbered = [(row.pop("arm"), row) for row in sorted_cells(rows)]
    return [{**row, "arm": number, **_placed(arms[number], places.get(number))} for number, row in numbered]


def _placed(arm: Arm, place: Place | None) -> Row:
    return {
        "scripted": arm.scripted,
        "coverage": coverage(arm),
        "rank": place.rank if place else None,
        "rank_low": place.low if place else None,
        "rank_high": place.high if place else None,
        "ranked": place.of if place else None,
        "tied_with": ", ".join(place.tied_with) if place else None,
    }


def coverage(arm: Arm) -> float:
    """The share of the planned episodes that have an outcome."""
    return float((~np.isnan(arm.outcomes["goal"])).sum()) / arm.planned if arm.planned else 0.0


def _names(arms: Sequence[Arm], several: bool) -> list[str]:
    """Name each arm beside the others: its strategist, its actor where there are several, its run likewise."""
    actors = {arm.axes["actor"] for arm in arms if not arm.scripted}
    names = []
    for arm in arms:
        parts = ([arm.axes["actor"]] if len(actors) > 1 else []) + [arm.axes["strategist"]]
        names.append(" + ".join(parts) + (f" ({arm.source})" if several else ""))
    return names


def _families(arms: Sequence[Arm], min_coverage: float) -> list[list[int]]:
    """Numbers of the arms that may be ranked together; an arm alone has nobody to be ranked with."""
    found: dict[str, list[int]] = {}
    for number, arm in enumerate(arms):
        if arm.scripted or coverage(arm) < max(min_coverage, 1e-9):
            continue
        facts = {key: arm.facts[key] for key in ("data", "judge", "protocol")}
        tasks = sorted(arm.facts["tasks"]) if arm.facts["tasks"] else sorted(set(arm.outcomes["task_id"]))
        axes = [arm.axes[axis] for axis in ("environment", "split", "pairing")]
        found.setdefault(json.dumps([axes, facts, tasks], sort_keys=True), []).append(number)
    parts = [part for family in found.values() for part in _by_reader(family, arms)]
    return [part for part in parts if len(part) > 1]


def _by_reader(family: Sequence[int], arms: Sequence[Arm]) -> list[list[int]]:
    """The family, parted where answers were read by different readers; arms whose answers nobody had to read (scripted actors
    that follow strategies) stay with the most."""
    readers = Counter(arms[number].facts["reader"] for number in family if arms[number].facts["reader"] is not None)
    if len(readers) < 2:
        return [list(family)]
    most = readers.most_common(1)[0][0]
    return [[number for number in family if (arms[number].facts["reader"] or most) == reader] for reader in readers]


def _places(numbers: Sequence[int], arms: Sequence[Arm], names: Sequence[str]) -> dict[int, Place]:
    """The place of every arm of a family. Missing outcomes could be anything: an arm's best rank counts those that are
    better than it with their own at their worst and its own at their best, its worst rank the other way round."""
    family, labels = [arms[number] for number in numbers], [str(number) for number in numbers]
    low, high = family[0].bounds("goal")
    assert low is not None
    assert high is not None
    filled = _filled(family)
    labels_of = np.repeat(labels, [len(values) for _, values in filled])
    tasks = np.concatenate([tasks for tasks, _ in filled])
    scaled = (np.concatenate([values for _, values in filled]) - low) / (high - low)
    return {
        int(each.arm): Place(
            each.rank, each.low, each.high, len(family), tuple(names[int(other)] for other in each.tied_with)
        )
        for each in rank_arms(labels_of, tasks, scaled)
    }


def _filled(family: Sequence[Arm]) -> list[Values]:
    """Per arm its outcomes, with a missing one for every (task, order, repeat) that another arm of the family has and
    it does not, and for what no arm has."""
    if all(same_keys(family[0], arm) for arm in family):
        codes = ranks_of([str(group) for group in family[0].outcomes["group"]])
        return [(codes, arm.outcomes["goal"]) for arm in family]
    keyed = [dict(zip(keys_of(arm), arm.outcomes["goal"].tolist(), strict=True)) for arm in family]
    groups: dict[Any, str] = {}
    for arm in family:
        groups |= dict(zip(keys_of(arm), map(str, arm.outcomes["group"]), strict=True))
    found = []
    for arm, goals in zip(family, keyed, strict=True):
        # an arm that was planned with fewer repeats lacks nothing
        repeats = int(arm.facts["seeds"]["repeats"])
        wanted = [key for key in groups if key[2] < repeats]
        tasks = [groups[key] for key in wanted]
        unknown = max(0, arm.planned - len(wanted))
        spread = [tasks[number % len(tasks)] for number in range(unknown)]
        values = np.array([*(goals.get(key, np.nan) for key in wanted), *[np.nan] * unknown])
        found.append((np.array([*tasks, *spread]), values))
    return found
