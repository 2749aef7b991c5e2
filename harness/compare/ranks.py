"""Ranks that carry their uncertainty: which places an arm could have, and with which arms it is tied.

Arms are ranked among those that played the same tasks of the same data under the same protocol, pairing and judge. An
arm with fewer outcomes than a set share of its plan gets no rank, and so does one that nobody can be ranked with; missing
outcomes of the others widen their ranks by the worst and the best they could have been. Scripted agents are reference rows
and take no place.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.base.counts import counted
from harness.base.errors import BadInput
from harness.base.frame import Frame, ranks_of
from harness.compare.arms import Arm, Arms, arms_of, clusters_in, keys_of, refuse_copies, same_keys
from harness.compare.comparison import Comparison, Family
from harness.compare.conclusions import UPLIFT_LOOKED_AT, cell_text, finding, is_asked, missing_note, recipe_note
from harness.compare.doubts import interval_note, interval_sentences
from harness.compare.questions import questions
from harness.compare.trained import training_note
from harness.results.soundness import DAMAGED, damaged
from harness.results.store import read_manifest
from harness.results.tables import Row, cells_of, episode_table, sorted_cells
from harness.statistics import rank_arms

if TYPE_CHECKING:
    import pandas as pd

MIN_COVERAGE = 0.8
RANKS = ("rank", "rank_low", "rank_high", "ranked")
FIGURES = ("uplift", "uplift_low", "uplift_high", "uplift_p", "uplift_p_holm", "corrected_for")
UPLIFT = (*FIGURES, "finding", "verdict", "looks_note", "uplift_note")
"""Columns with the answer to an arm's question: its difference to the reference of its place, what that shows, and why its
interval may be too narrow."""
TEXTS = (
    "part",
    "tied_with",
    "unranked",
    "missing_note",
    "training_note",
    "interval_note",
    "finding",
    "verdict",
    "looks_note",
    "uplift_note",
)
Values = tuple[NDArray[Any], NDArray[np.float64], NDArray[Any]]
"""Per episode its task (cluster), its value (a missing one is NaN), and what it shares with others beyond its task."""


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
    texts = {name: pd.Series([row[name] for row in rows], dtype=object) for name in TEXTS}
    figures = {name: pd.Series([row[name] for row in rows], dtype=float) for name in FIGURES}
    return whole.assign(**ranks, **texts, **figures)


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


def asked_of(loaded: Sequence[Loaded]) -> Family:
    """The questions of runs that were read."""
    return questions([list(run.arms.arms.values()) for run in loaded])


def ranked_rows(loaded: Sequence[Loaded], min_coverage: float = MIN_COVERAGE, asked: Family | None = None) -> list[Row]:
    """The rows of `harness.results.tables.cell_rows` with `arm` (the arm's number, counted run after run), `coverage` (the share
    of the plan that has an outcome), `rank`, the best and worst rank that an arm could have, how many arms are `ranked`
    together, `tied_with`, `unranked` (why there is no rank), `missing_note` (how far missing outcomes could move the mean),
    `training_note` (what of it is one training), `metric` (what the environment calls the goal), `interval_note` (why the
    interval of the mean may be too narrow), and the columns of `UPLIFT`. None where there is nothing to say. `asked`: the runs'
    questions, where they are answered already."""
    if not 0 <= min_coverage <= 1:
        raise BadInput(f"--min-coverage {min_coverage}: expected a share from 0 to 1, such as {MIN_COVERAGE}")
    arms = [arm for run in loaded for arm in run.arms.arms.values()]
    names = arm_names(arms, several=len(loaded) > 1)
    asked = asked_of(loaded) if asked is None else asked
    places: dict[int, Place] = {}
    for family in _families(arms, min_coverage):
        places |= _places(family, arms, names, _settled(family, arms, asked))
    parts = _parts(arms)
    recipes = {id(each.b): recipe_note(row) for row in asked.rows for each in row.trainings}
    answers = {id(row.b): _answer(row, asked.beside.get(number, ())) for number, row in enumerate(asked.rows)}
    cells = [row for run in loaded for row in run.cells]
    rows = [{**row, "arm": number} for number, row in enumerate(cells)]
    numbered = [(row.pop("arm"), row) for row in sorted_cells(rows)]
    # references stand below those that take a place
    numbered.sort(key=lambda each: (each[1]["environment"], each[1]["split"], arms[each[0]].stands_apart))
    return [
        {
            **row,
            "arm": number,
            "part": parts[number],
            **_placed(arms[number], places.get(number), min_coverage),
            "training_note": recipes.get(id(arms[number])) or training_note(arms[number]),
            **answers.get(id(arms[number]), dict.fromkeys(UPLIFT)),
        }
        for number, row in numbered
    ]


def _answer(row: Comparison, beside: Sequence[Comparison]) -> Row:
    estimate = row.result.estimate
    questions_of_run = row.family if is_asked(row) else math.nan  # a control's row is no question
    figures = (estimate.mean, estimate.low, estimate.high, row.result.p, row.p_holm, questions_of_run)
    known = [None if figure != figure else figure for figure in figures]
    looks = UPLIFT_LOOKED_AT if row.anytime else None
    doubt = " ".join(interval_sentences(row)) or None
    return dict(zip(UPLIFT, (*known, finding(row), cell_text(row, beside), looks, doubt), strict=True))


def _settled(numbers: Sequence[int], arms: Sequence[Arm], asked: Family) -> dict[tuple[str, str], bool]:
    """Pairs of these arms that a question of their run is about, with whether the first is shown to be better: a ranking says
    of them what the comparison says."""
    labels = {id(arms[number]): str(number) for number in numbers}
    settled: dict[tuple[str, str], bool] = {}
    for row in (*asked.rows, *(each for controls in asked.beside.values() for each in controls)):
        if id(row.a) in labels and id(row.b) in labels:
            a, b, found = labels[id(row.a)], labels[id(row.b)], finding(row)
            settled |= {(b, a): found == "higher", (a, b): found == "lower"}
    return settled


def _placed(arm: Arm, place: Place | None, min_coverage: float) -> Row:
    return {
        "scripted": arm.scripted,
        "reference": arm.stands_apart,
        "coverage": coverage(arm),
        "unranked": None if place else _why_unranked(arm, min_coverage),
        "metric": str(arm.metric["name"]),
        "missing_note": missing_note(arm),
        "interval_note": interval_note(arm),
        "rank": place.rank if place else None,
        "rank_low": place.low if place else None,
        "rank_high": place.high if place else None,
        "ranked": place.of if place else None,
        "tied_with": ", ".join(place.tied_with) if place else None,
    }


def _why_unranked(arm: Arm, min_coverage: float) -> str:
    known = int((~np.isnan(arm.outcomes["goal"])).sum())
    if arm.scripted:
        return "a scripted reference is not ranked"
    if arm.stands_apart:
        return "a rule in the strategist's place is a reference and is not ranked"
    if not known:
        return "no outcome yet"
    if coverage(arm) < min_coverage:
        return f"{known} of {counted(arm.planned, 'planned outcome')}, below the {min_coverage:.0%} that a rank needs"
    return "no other arm has the same tasks, data, protocol and judge"


def coverage(arm: Arm) -> float:
    """The share of the planned episodes that have an outcome."""
    return float((~np.isnan(arm.outcomes["goal"])).sum()) / arm.planned if arm.planned else 0.0


def arm_names(arms: Sequence[Arm], several: bool) -> list[str]:
    """Name each arm beside the others: its strategist, its actor where there are several, its run likewise."""
    actors = {arm.axes["actor"] for arm in arms if not arm.scripted}
    names = []
    for arm in arms:
        parts = ([arm.axes["actor"]] if len(actors) > 1 else []) + [arm.axes["strategist"]]
        names.append(" + ".join(parts) + (f" ({arm.source})" if several else ""))
    return names


def _parts(arms: Sequence[Arm]) -> list[str | None]:
    """Name for each arm the part of its place that it can be compared within; None where the whole place can.

    Arms of one environment, split and pairing differ where runs had other judges, protocols, tasks or data.
    """
    places: dict[tuple[str, ...], list[int]] = {}
    for number, arm in enumerate(arms):
        places.setdefault(tuple(arm.axes[axis] for axis in ("environment", "split", "pairing")), []).append(number)
    found: list[str | None] = [None] * len(arms)
    for numbers in places.values():
        words = [""] * len(numbers)
        for each in (_judge_words, _protocol_words, _data_words, _task_words):
            told = each([arms[number] for number in numbers])
            if len({text for text in told if text}) > 1:
                words = [", ".join(filter(None, both)) for both in zip(words, told, strict=True)]
        for number, text in zip(numbers, words, strict=True):
            found[number] = text or None
    return found


def _judge_words(arms: Sequence[Arm]) -> list[str]:
    """Name each arm's judge; empty where none was asked yet."""
    return [f"judged by {arm.facts['judge']['label']}" if arm.facts["judge"] else "" for arm in arms]


def _protocol_words(arms: Sequence[Arm]) -> list[str]:
    names = [f"protocol {arm.facts['protocol']['name']}" for arm in arms]
    return _told_apart(arms, [arm.facts["protocol"] for arm in arms], names)


def _data_words(arms: Sequence[Arm]) -> list[str]:
    return _told_apart(arms, [arm.facts["data"] for arm in arms], ["data"] * len(arms))


def _task_words(arms: Sequence[Arm]) -> list[str]:
    tasks = [sorted(arm.facts["tasks"] or set(map(str, arm.outcomes["task_id"]))) for arm in arms]
    return _told_apart(arms, tasks, [counted(len(each), "task") for each in tasks])


def _told_apart(arms: Sequence[Arm], facts: Sequence[Any], names: Sequence[str]) -> list[str]:
    """A name for each arm's fact, the same for equal facts; with the run that has it where the name alone does not tell."""
    keys = [json.dumps(fact, sort_keys=True) for fact in facts]
    first = {key: arm.source for key, arm in reversed(list(zip(keys, arms, strict=True)))}
    several = {name for name in names if len({key for key, own in zip(keys, names, strict=True) if own == name}) > 1}
    return [f"{name} of {first[key]}" if name in several else name for key, name in zip(keys, names, strict=True)]


def _families(arms: Sequence[Arm], min_coverage: float) -> list[list[int]]:
    """Numbers of the arms that may be ranked together; an arm alone has nobody to be ranked with."""
    found: dict[str, list[int]] = {}
    for number, arm in enumerate(arms):
        if arm.stands_apart or coverage(arm) < max(min_coverage, 1e-9):
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


def _places(
    numbers: Sequence[int], arms: Sequence[Arm], names: Sequence[str], settled: Mapping[tuple[str, str], bool]
) -> dict[int, Place]:
    """The place of every arm of a family. Missing outcomes could be anything: an arm's best rank counts those that are
    better than it with their own at their worst and its own at their best, its worst rank the other way round."""
    family, labels = [arms[number] for number in numbers], [str(number) for number in numbers]
    low, high = family[0].bounds("goal")
    assert low is not None
    assert high is not None
    filled = _filled(family)
    labels_of = np.repeat(labels, [len(values) for _, values, _ in filled])
    tasks, values, clusters = (np.concatenate(columns) for columns in zip(*filled, strict=True))
    scaled = (values - low) / (high - low)
    return {
        int(each.arm): Place(
            each.rank, each.low, each.high, len(family), tuple(names[int(other)] for other in each.tied_with)
        )
        for each in rank_arms(labels_of, tasks, scaled, settled=settled, crossed=clusters)
    }


def _filled(family: Sequence[Arm]) -> list[Values]:
    """Per arm its outcomes, with a missing one for every (task, order, repeat) that another arm of the family has and
    it does not, and for what no arm has."""
    if all(same_keys(family[0], arm) for arm in family):
        codes = ranks_of([str(group) for group in family[0].outcomes["group"]])
        clusters = next((told for told in map(clusters_in, family) if told is not None), _untold(len(codes)))
        return [(codes, arm.outcomes["goal"], clusters) for arm in family]
    keyed = [dict(zip(keys_of(arm), arm.outcomes["goal"].tolist(), strict=True)) for arm in family]
    groups: dict[Any, str] = {}
    met: dict[Any, Any] = {}
    for arm in family:
        groups |= dict(zip(keys_of(arm), map(str, arm.outcomes["group"]), strict=True))
        told = clusters_in(arm)
        met |= {} if told is None else dict(zip(keys_of(arm), told, strict=True))
    found = []
    for arm, goals in zip(family, keyed, strict=True):
        # an arm that was planned with fewer repeats lacks nothing
        repeats = int(arm.facts["seeds"]["repeats"])
        wanted = [key for key in groups if key[2] < repeats]
        tasks = [groups[key] for key in wanted]
        unknown = max(0, arm.planned - len(wanted))
        spread = [tasks[number % len(tasks)] for number in range(unknown)]
        values = np.array([*(goals.get(key, np.nan) for key in wanted), *[np.nan] * unknown])
        clusters = np.fromiter((met.get(key) for key in wanted), dtype=object, count=len(wanted))
        found.append((np.array([*tasks, *spread]), values, np.concatenate([clusters, _untold(unknown)])))
    return found


def _untold(count: int) -> NDArray[Any]:
    """The clusters of episodes whose records do not say any."""
    return np.full(count, None, dtype=object)
