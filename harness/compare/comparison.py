"""Comparisons of arms of two runs or of parts of runs; a run's own questions are in `harness.compare.questions`.

Everything is paired by task, seat order and seed, clustered by the environment's groups, and corrected for the whole
family of comparisons that was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

import numpy as np

from harness.base.errors import BadInput, nearest
from harness.compare.anytime import anytime_difference, looked_at
from harness.compare.arms import METRICS, Arm, Arms, align, arm_differences, leaves_out
from harness.compare.comparability import check_categories, differences, reader_note, refuse_differences
from harness.compare.sources import load, select
from harness.experiment.manifest_form import AXES
from harness.statistics import (
    PairedDifference,
    Pairs,
    episodes_to_claim,
    holm,
    noise_of,
    paired_difference,
    smallest_claimed,
    trained_pairs,
)

CONTROL, REFERENCE = "control", "reference"
"""Roles of arms (`Arm.role`)."""
ALPHA = 0.025
"""On each side of a two-sided test at 5 %."""
SHARE = 0.05
"""The difference, as a share of the metric's range, for which the needed episodes are told."""


@dataclass(frozen=True)
class Comparison:
    """Arm b compared with arm a."""

    a: Arm
    b: Arm
    metric: str
    pairs: Pairs
    result: PairedDifference
    mean_a: float
    """Over the pairs that both have."""
    mean_b: float
    p_holm: float
    """p value of the difference, corrected for the family."""
    family: int
    """Number of comparisons that `p_holm` is corrected for."""
    behind: bool
    """True for a control's comparison that is asked about only where its question is answered."""
    common: bool
    """True where what only one arm has was left out."""
    tokens: float
    """Tokens that b uses more per episode than a, judges left out; NaN when not known."""
    usd: float
    """Money that b uses more per episode than a, judges left out; NaN when not known."""
    trainings: tuple[Comparison, ...] = ()
    """The comparison of each training, where b is several of one recipe (`harness.compare.pooled`)."""
    single: bool = False
    """True where b is one of several trainings that are asked about together."""
    anytime: bool = False
    """True where interval and p hold at every look at a growing run; only complete groups count then."""

    @property
    def metric_name(self) -> str:
        """The metric in the environment's own word: an episode's goal is a success, a reward or a goal."""
        return str(self.a.metric["name"]) if self.metric == "goal" else self.metric

    @property
    def span(self) -> float | None:
        """Width of the metric's range."""
        low, high = self.a.bounds(self.metric)
        return None if low is None or high is None else high - low

    @property
    def visible(self) -> float:
        """The true difference from which on this many episodes show it with a chance of 80 %, at the level of the family and
        with the guard; inf when none."""
        return self._power[0]

    @property
    def needed(self) -> int | None:
        """Episodes per arm that would show `SHARE` of the range with a chance of 80 %; None when not known."""
        return self._power[1]

    @cached_property
    def success(self) -> PairedDifference:
        """Difference in success (0/1)."""
        if self.trainings:
            each = [align(row.a, row.b, "success", self.common) for row in self.trainings]
            return trained_pairs(each, 0.0, 1.0)
        if self.anytime:
            return anytime_difference(self.a, self.b, "success", self.common)[1]
        return paired_difference(align(self.a, self.b, "success", self.common), 0.0, 1.0)

    @cached_property
    def _power(self) -> tuple[float, int | None]:
        """`visible` and `needed`, computed when first asked for: a page of many comparisons says few of them."""
        if self.anytime or self.trainings or len(set(self.pairs.tasks[self.pairs.complete].tolist())) < 2:
            return math.inf, None
        alpha = ALPHA / self.family
        noise = noise_of(self.pairs, *self.a.bounds(self.metric), 1 - 2 * alpha, both_ways=True)
        needed = episodes_to_claim(SHARE * self.span, noise, alpha, self.span) if self.span else None
        return smallest_claimed(noise, alpha, self.span), needed

    def per_point(self, cost: float) -> float:
        """Cost per point gained; NaN when nothing was gained."""
        gain = self.result.estimate.mean
        return cost / gain if gain > 1e-12 else math.nan


@dataclass(frozen=True, slots=True)
class Family:
    """Comparisons that were made together. Each says how many its p value is corrected for."""

    rows: tuple[Comparison, ...]
    beside: Mapping[int, tuple[Comparison, ...]]
    """Number of a row -> its second arm against the controls of the same run."""
    reported: tuple[str, ...]
    """Differences that are no obstacle: prompts, code, and what the user allowed."""
    unmatched: tuple[str, ...]
    """Labels of arms without a counterpart."""


def compare(
    first: str,
    second: str,
    metric: str = "goal",
    judge: str | None = None,
    allow: Iterable[str] = (),
    anytime: bool = False,
) -> Family:
    """Second against first; each is `RUN` or `RUN#axis=glob,…`. Arms meet when they agree on every axis that neither
    names. `anytime`: by tests that hold at every look. Raises `BadInput` when they cannot be compared."""
    return compare_all([(first, second)], metric, judge, allow, anytime)


def compare_all(
    both: Iterable[tuple[str, str]],
    metric: str = "goal",
    judge: str | None = None,
    allow: Iterable[str] = (),
    anytime: bool = False,
) -> Family:
    """Compare as `compare` does, several pairs of arms or runs in one family."""
    check_metric(metric)
    allowed = check_categories(allow)
    families = [_compared(first, second, metric, judge, allowed, anytime) for first, second in both]
    rows = [row for family in families for row in family.rows]
    places = accumulate((len(family.rows) for family in families), initial=0)
    beside = {
        start + number: controls
        for start, family in zip(places, families, strict=False)
        for number, controls in family.beside.items()
    }
    check_values(rows)
    rows, beside = corrected(rows, beside)
    reported = dict.fromkeys(line for family in families for line in family.reported)
    unmatched = tuple(line for family in families for line in family.unmatched)
    return Family(tuple(rows), beside, tuple(reported), unmatched)


def _compared(
    first: str, second: str, metric: str, judge: str | None, allowed: Collection[str], anytime: bool
) -> Family:
    """Second against first, not yet corrected."""
    (a, named_a), (b, named_b) = select(first, judge), select(second, judge)
    free = named_a | named_b
    couples, unmatched = _couples(a, b, [axis for axis in AXES if axis not in free])
    if not couples:
        raise BadInput(
            f"no arm of {first} has a counterpart in {second}. Name the axes in which they may differ, for example "
            f"{_named_apart(a, b)}. Arms:\n  " + "\n  ".join([*a.arms, *b.arms])
        )
    if a.fingerprint == b.fingerprint and all(left.cell == right.cell for left, right in couples):
        raise BadInput(f"{second} is the same as {first}: a run compared with itself (or its copy) shows nothing")
    rows = [_checked(left, right, metric, allowed, anytime) for left, right in couples]
    beside = {number: _beside(row, b, judge) for number, row in enumerate(rows)}
    return Family(tuple(rows), beside, tuple(_reported(couples, allowed)), tuple(unmatched))


def _named_apart(a: Arms, b: Arms) -> str:
    """The first arm of each, named by the axes in which they differ."""
    one, other = (next(iter(arms.arms.values())).axes for arms in (a, b))
    apart = [axis for axis in AXES if one[axis] != other[axis]]
    return " ".join(
        f"'{arms.path}#{','.join(f'{axis}={axes[axis]}' for axis in apart)}'" for arms, axes in ((a, one), (b, other))
    )


def _beside(row: Comparison, b: Arms, judge: str | None) -> tuple[Comparison, ...]:
    """The second arm against the controls of its own run on the same place, where it is not a control itself."""
    if row.b.role or row.a.kind == row.b.kind:
        return ()
    group = next(
        group for group in by_place(load(b.path, judge).arms.values()) if any(arm.cell == row.b.cell for arm in group)
    )
    controls = [arm for arm in group if arm.role == CONTROL and arm.cell != row.a.cell]
    return tuple(compare_arms(control, row.b, row.metric, anytime=row.anytime) for control in controls)


def check_metric(metric: str) -> None:
    """Check a metric's name. Raises `BadInput` for an unknown one."""
    if metric not in METRICS:
        raise BadInput(f"--metric {metric!r}: known are {', '.join(METRICS)}.{nearest(metric, METRICS)}")


def by_place(arms: Iterable[Arm]) -> list[list[Arm]]:
    """Arms that differ by strategist only."""
    found: dict[tuple[str, ...], list[Arm]] = {}
    for arm in arms:
        found.setdefault(tuple(list(arm.axes.values())[:4]), []).append(arm)
    return list(found.values())


def _couples(a: Arms, b: Arms, shared: Sequence[str]) -> tuple[list[tuple[Arm, Arm]], list[str]]:
    """Arms that agree on the shared axes. Raises `BadInput` where one has several counterparts."""
    couples = []
    met: set[str] = set()
    for left in a.arms.values():
        fits = [right for right in b.arms.values() if all(left.axes[axis] == right.axes[axis] for axis in shared)]
        if len(fits) > 1:
            names = "\n  ".join(right.cell for right in fits)
            raise BadInput(f"{left.cell} has several counterparts; name one of them with #axis=…:\n  {names}")
        if fits and fits[0].cell in met:
            raise BadInput(f"{fits[0].cell} has several counterparts; narrow the first arm with #axis=…")
        if fits:
            couples.append((left, fits[0]))
            met.add(fits[0].cell)
    matched = {left.cell for left, _ in couples}
    unmatched = [f"{a.path}: {cell}" for cell in a.arms if cell not in matched]
    return couples, unmatched + [f"{b.path}: {cell}" for cell in b.arms if cell not in met]


def _checked(a: Arm, b: Arm, metric: str, allowed: Collection[str], anytime: bool) -> Comparison:
    refuse_differences(arm_differences(a, b), allowed, f"{a.source}: {a.cell}\nand {b.source}: {b.cell}\n")
    return compare_arms(a, b, metric, leaves_out(a, b, allowed), anytime)


def _reported(couples: Sequence[tuple[Arm, Arm]], allowed: Collection[str]) -> list[str]:
    """Differences that are no obstacle, each line once."""
    lines: dict[str, None] = {}
    for a, b in couples:
        note = reader_note(a.facts, b.facts, (_said(a, b), _said(b, a)))
        lines.update({note: None} if note else {})
        for category, found in arm_differences(a, b).items():
            if category in allowed:
                lines.update(dict.fromkeys(found[:5]))
        for what in ("strategist", "prompts", "code"):
            lines.update(dict.fromkeys(differences(a.tested[what], b.tested[what], what)))
    return list(lines)


def _said(arm: Arm, other: Arm) -> str:
    return arm.source if arm.source != other.source else arm.cell


def compare_arms(a: Arm, b: Arm, metric: str, common: bool = False, anytime: bool = False) -> Comparison:
    """Arm b against arm a, not yet corrected for a family."""
    anytime = anytime or looked_at(a, b, metric)
    if anytime:
        pairs, result = anytime_difference(a, b, metric, common)
    else:
        pairs = align(a, b, metric, common)
        result = paired_difference(pairs, *a.bounds(metric))
    whole = pairs.complete
    return Comparison(
        a=a,
        b=b,
        metric=metric,
        pairs=pairs,
        result=result,
        common=common,
        mean_a=float(pairs.a[whole].mean()) if whole.any() else math.nan,
        mean_b=float(pairs.b[whole].mean()) if whole.any() else math.nan,
        p_holm=result.p,
        family=1,
        behind=False,
        tokens=_mean_of(b, "tokens") - _mean_of(a, "tokens"),
        usd=_mean_of(b, "usd") - _mean_of(a, "usd"),
        anytime=anytime,
    )


def _mean_of(arm: Arm, column: str) -> float:
    """Mean of a column over finished episodes; NaN when one is not known."""
    values = arm.outcomes[column][arm.finished]
    return float(values.mean()) if len(values) else math.nan  # NaN where one value is


def corrected(
    rows: Sequence[Comparison], beside: Mapping[int, tuple[Comparison, ...]]
) -> tuple[list[Comparison], dict[int, tuple[Comparison, ...]]]:
    """Correct a family: the rows by Holm's method, and behind each row its controls.

    A control is asked about only where its row's difference is shown (gatekeeping), so it takes nothing from the rows' level:
    its p value is the larger of both (an intersection-union test), by Holm's method over the rows that have this control.
    """
    found = [
        replace(row, p_holm=float(p), family=len(rows))
        for row, p in zip(rows, holm([row.result.p for row in rows]), strict=True)
    ]
    controls: dict[int, list[Comparison]] = {number: [] for number in beside}
    for name in dict.fromkeys(each.a.axes["strategist"] for each_row in beside.values() for each in each_row):
        here = [(number, each) for number in beside for each in beside[number] if each.a.axes["strategist"] == name]
        both = holm([max_known(rows[number].result.p, each.result.p) for number, each in here])
        for (number, each), p in zip(here, both, strict=True):
            behind = max_known(found[number].p_holm, float(p))
            controls[number].append(replace(each, p_holm=behind, family=len(rows), behind=True))
    return found, {number: tuple(each) for number, each in controls.items()}


def max_known(one: float, other: float) -> float:
    """The larger of two p values; NaN where one is not known."""
    return math.nan if math.isnan(one) or math.isnan(other) else max(one, other)


def check_values(rows: Sequence[Comparison]) -> None:
    """Raise `BadInput` for a metric that none of the arms has."""
    if not any((~np.isnan(arm.outcomes[row.metric])).any() for row in rows for arm in (row.a, row.b)):
        raise BadInput(
            f"none of these arms has a value of {rows[0].metric!r}. `overall` comes from judges of several dimensions; "
            "goal and success need a finished and scored episode"
        )
