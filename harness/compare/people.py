"""A run's judge beside people's labels: how far they agree, what the judge gives too much to which arm, and means, differences
and ranks by both together (`harness.statistics.prediction_powered`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from harness.base.errors import BadInput
from harness.compare.arms import EPISODE, Arm, clusters_in, load_run
from harness.compare.doubts import clusters_note
from harness.experiment.manifest_form import SEPARATOR
from harness.judging.cards.agreement import krippendorff_alpha
from harness.results.frames import judged_frame
from harness.results.judge_kinds import judge_kind
from harness.results.labels import Label, Sample, read_labels, read_sample
from harness.results.store import read_manifest
from harness.statistics import Outcomes, pair, paired_difference
from harness.statistics.prediction_powered import Powered, prediction_powered

Goals = Mapping[str, float]
"""Episode id -> its goal by people."""
Seat = tuple[str, int]
"""(episode id, seat)."""


def goals_by_people(run: Path) -> Goals:
    """The goal of every episode that people scored whole: the mean over annotators, then over its tested seats. Raises `BadInput`
    for a run without labels."""
    sample, labels = _labelled(run)
    values = _by_seat(labels, judge_kind(sample.kind).metric)
    found = {}
    for item in sample.items:
        seats = [values.get((item.episode_id, seat)) for seat in item.seats]
        known = [float(np.mean(list(each.values()))) for each in seats if each]
        if seats and len(known) == len(seats):
            found[item.episode_id] = float(np.mean(known))
    if not found:
        raise BadInput(
            f"{run} has labels, but of no episode whose goal is scored for every character that is asked about"
        )
    return found


def _labelled(run: Path) -> tuple[Sample, list[Label]]:
    sample, labels = read_sample(run, "outcome"), read_labels(run)
    labels = [label for label in labels if label.turn is None]
    if sample is None or not labels:
        raise BadInput(f"{run} has no labels by people; draw episodes for them: harness labels sample {run}")
    return sample, labels


def _by_seat(labels: Iterable[Label], dimension: str) -> dict[Seat, dict[str, float]]:
    """(episode, seat) -> annotator -> value."""
    found: dict[Seat, dict[str, float]] = {}
    for label in labels:
        if label.dimension == dimension:
            found.setdefault((label.episode_id, label.seat), {})[label.annotator] = label.value
    return found


# --- the judge against people


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement in one dimension of the judge; None where an alpha is not defined."""

    dimension: str
    judge: float | None
    """Alpha of the judge with the mean of the people."""
    people: float | None
    """Alpha of the people among themselves: no judge can be expected to do better."""
    n: int
    """Seats that both scored."""


@dataclass(frozen=True, slots=True)
class Bias:
    """The points a judge gives an arm beyond what people do."""

    arm: str
    mean: float
    low: float
    high: float
    n: int
    groups: int
    note: str = ""
    """Reason why its interval may be too narrow."""


@dataclass(frozen=True, slots=True)
class PeopleReport:
    judge: str
    agreement: tuple[Agreement, ...]
    bias: tuple[Bias, ...]
    annotators: tuple[str, ...]


def people_report(run: Path, judge: str | None = None, arms: Iterable[Arm] | None = None) -> PeopleReport:
    """The report on one judge of a run. `arms`: the run's, where they are loaded already. Raises `BadInput` without labels."""
    sample, labels = _labelled(run)
    label = judge or read_manifest(run)["judge"]
    scores = _scores(run, label)
    annotators = tuple(sorted({each.annotator for each in labels}))
    names = [name for name, _, _ in judge_kind(sample.kind).dimensions if name != "overall"]
    agreement = tuple(_agreement(name, _by_seat(labels, name), scores, annotators) for name in names)
    people = goals_by_people(run)
    biases = [_bias(arm, people) for arm in (load_run(run, judge).arms.values() if arms is None else arms)]
    return PeopleReport(str(label), agreement, tuple(each for each in biases if each), annotators)


def _scores(run: Path, judge: str | None) -> Mapping[str, Mapping[Seat, float]]:
    """Dimension -> (episode, seat) -> the judge's score."""
    table = judged_frame(run, judge)
    ids = table.objects("episode_id")
    found: dict[str, dict[Seat, float]] = {}
    for column in table.columns:
        if column[:1].isdigit() and column[1:2] == " ":
            values = table.floats(column).tolist()
            named = {(str(name), int(column[0])): value for name, value in zip(ids, values, strict=True)}
            found.setdefault(column[2:], {}).update({key: value for key, value in named.items() if value == value})
    return found


def _agreement(
    name: str,
    people: Mapping[Seat, Mapping[str, float]],
    scores: Mapping[str, Mapping[Seat, float]],
    who: Sequence[str],
) -> Agreement:
    both = sorted(set(people) & set(scores.get(name, {})))
    judge = [scores[name][seat] for seat in both]
    means = [float(np.mean(list(people[seat].values()))) for seat in both]
    among = [[people[seat].get(annotator) for seat in sorted(people)] for annotator in who]
    return Agreement(
        name,
        krippendorff_alpha([judge, means]) if both else None,
        krippendorff_alpha(among) if len(who) > 1 else None,
        len(both),
    )


def _bias(arm: Arm, people: Goals) -> Bias | None:
    """None for an arm of which nothing was labelled."""
    names = [str(name) for name in arm.outcomes[EPISODE]]
    rows = [n for n, name in enumerate(names) if name in people and not math.isnan(arm.outcomes["goal"][n])]
    if not rows:
        return None
    groups, ids = [arm.outcomes["group"][n] for n in rows], [names[n] for n in rows]
    marks = clusters_in(arm)
    crossed = None if marks is None else marks[rows]
    told = Outcomes.of(groups, ids, [people[names[n]] for n in rows], crossed)
    judged = Outcomes.of(groups, ids, [float(arm.outcomes["goal"][n]) for n in rows], crossed)
    found = paired_difference(pair(told, judged), *arm.bounds("goal")).estimate
    note = clusters_note([arm], found.crossed, found.clusters, "its")
    return Bias(arm_name(arm), found.mean, found.low, found.high, len(rows), found.clusters, note)


def arm_name(arm: Arm) -> str:
    """`strategist + actor`."""
    axes = arm.axes
    return f"{axes['strategist']} + {axes['actor']}"


# --- both together


def powered_mean(arm: Arm, people: Goals, confidence: float = 0.95) -> Powered:
    """The arm's mean goal by its judge and people together."""
    judged = arm.outcomes["goal"]
    rows = np.flatnonzero(~np.isnan(judged))
    labels = [people.get(str(arm.outcomes[EPISODE][n])) for n in rows]
    low, high = arm.bounds("goal")
    ends, told = (_or(low, -np.inf), _or(high, np.inf)), clusters_in(arm)
    crossed = None if told is None else told[rows]
    return prediction_powered(labels, judged[rows], arm.outcomes["group"][rows], *ends, confidence, crossed)


def powered_difference(a: Arm, b: Arm, of_a: Goals, of_b: Goals, confidence: float = 0.95) -> Powered:
    """The difference b - a by judge and people together, over the tasks, orders and repeats that both played."""
    left, right = _by_key(a), _by_key(b)
    both = [key for key in left if key in right]
    places = [(left[key], right[key]) for key in both]
    labels = []
    for one, other in places:
        first, second = of_a.get(str(a.outcomes[EPISODE][one])), of_b.get(str(b.outcomes[EPISODE][other]))
        labels.append(None if first is None or second is None else second - first)
    scores = [float(b.outcomes["goal"][other] - a.outcomes["goal"][one]) for one, other in places]
    low, high = a.bounds("goal")
    span = np.inf if low is None or high is None else high - low
    groups = [a.outcomes["group"][one] for one, _ in places]
    sides = [(clusters_in(arm), [place[side] for place in places]) for side, arm in enumerate((a, b))]
    crossed = next((told[rows] for told, rows in sides if told is not None), None)
    return prediction_powered(labels, scores, groups, -span, span, confidence, crossed)


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def _by_key(arm: Arm) -> dict[tuple[str, int, int], int]:
    """(task, order, repeat) -> place, of the episodes with an outcome."""
    keys = zip(arm.outcomes["task_id"], arm.outcomes["order"], arm.outcomes["repeat"], strict=True)
    return {
        (str(task), int(order), int(repeat)): n
        for n, (task, order, repeat) in enumerate(keys)
        if not math.isnan(arm.outcomes["goal"][n])
    }


@dataclass(frozen=True, slots=True)
class Placed:
    """One arm of a ranking by judge and people together."""

    arm: Arm
    powered: Powered
    rank: int
    rank_low: int
    """The best and the worst place it could have."""
    rank_high: int


def ranked_with_labels(arms: Iterable[Arm], people: Goals) -> list[Placed]:
    """The arms of a run that were labelled, best first within their place. The places an arm could have follow from the
    differences of every two arms, with intervals that hold together (Bonferroni)."""
    places: dict[str, list[Arm]] = {}
    for arm in arms:
        if EPISODE in arm.outcomes and any(str(name) in people for name in arm.outcomes[EPISODE]):
            places.setdefault(SEPARATOR.join(arm.cell.split(SEPARATOR)[:3]), []).append(arm)
    return [placed for here in places.values() for placed in _ranked(here, people)]


def _ranked(arms: Sequence[Arm], people: Goals) -> list[Placed]:
    each = {arm.cell: powered_mean(arm, people) for arm in arms}
    pairs = list(combinations(arms, 2))
    confidence = 1 - 0.05 / max(1, len(pairs))
    better = dict.fromkeys(each, 0)
    worse = dict.fromkeys(each, 0)
    for a, b in pairs:
        found = powered_difference(a, b, people, people, confidence)
        if found.low > 0 or found.high < 0:
            top, bottom = (b, a) if found.low > 0 else (a, b)
            worse[top.cell] += 1
            better[bottom.cell] += 1
    ordered = sorted(arms, key=lambda arm: -each[arm.cell].mean)
    return [
        Placed(arm, each[arm.cell], n, min(n, 1 + better[arm.cell]), max(n, len(arms) - worse[arm.cell]))
        for n, arm in enumerate(ordered, start=1)
    ]
