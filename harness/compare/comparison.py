"""Comparisons of arms: two runs or parts of runs, or every strategist of a run against vanilla (uplift).

Everything is paired by task, seat order and seed, clustered by the environment's groups, and corrected for the whole
family of comparisons that is printed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from agents.strategists import REFERENCE as REFERENCE_KIND
from harness.base.errors import BadInput, nearest
from harness.compare.arms import METRICS, Arm, Arms, align, arm_differences
from harness.compare.comparability import check_categories, differences, reader_note, refuse_differences
from harness.compare.sources import load, select
from harness.experiment.manifest_form import AXES
from harness.statistics import (
    PairedDifference,
    Pairs,
    episodes_needed,
    holm,
    noise_of,
    paired_difference,
    smallest_visible_drop,
)

CONTROL, REFERENCE = "control", "reference"
"""Roles of arms (`Arm.role`)."""
ALPHA = 0.025
"""On each side of a two-sided test at 5 %."""
SHARE = 0.05
"""The difference, as a share of the metric's range, for which the needed episodes are told."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Arm b compared with arm a."""

    a: Arm
    b: Arm
    metric: str
    pairs: Pairs
    result: PairedDifference
    success: PairedDifference
    """Difference in success (0/1)."""
    mean_a: float
    """Over the pairs that both have."""
    mean_b: float
    p_holm: float
    """p value of the difference, corrected for the family."""
    visible: float
    """The smallest true difference this many episodes show with a chance of 80 %; inf when none."""
    needed: int | None
    """Episodes per arm that would show `SHARE` of the range with a chance of 80 %; None when not known."""
    tokens: float
    """Tokens that b uses more per episode than a, judges left out; NaN when not known."""
    usd: float
    """Money that b uses more per episode than a, judges left out; NaN when not known."""

    @property
    def span(self) -> float | None:
        """Width of the metric's range."""
        low, high = self.a.bounds(self.metric)
        return None if low is None or high is None else high - low

    def per_point(self, cost: float) -> float:
        """Cost per point gained; NaN when nothing was gained."""
        gain = self.result.estimate.mean
        return cost / gain if gain > 1e-12 else math.nan


@dataclass(frozen=True, slots=True)
class Family:
    """Comparisons that were made together; p values are corrected for `size` of them."""

    rows: tuple[Comparison, ...]
    beside: Mapping[int, tuple[Comparison, ...]]
    """Number of a row -> its second arm against the controls of the same run."""
    size: int
    reported: tuple[str, ...]
    """Differences that are no obstacle: prompts, code, and what the user allowed."""
    unmatched: tuple[str, ...]
    """Labels of arms without a counterpart."""


def compare(
    first: str, second: str, metric: str = "goal", judge: str | None = None, allow: Iterable[str] = ()
) -> Family:
    """Second against first; each is `RUN` or `RUN#axis=glob,…`. Arms meet when they agree on every axis that neither
    names. Raises `BadInput` when they cannot be compared."""
    return compare_all([(first, second)], metric, judge, allow)


def compare_all(
    both: Iterable[tuple[str, str]], metric: str = "goal", judge: str | None = None, allow: Iterable[str] = ()
) -> Family:
    """Compare as `compare` does, several pairs of arms or runs in one family."""
    check_metric(metric)
    allowed = check_categories(allow)
    return _together([_compared(first, second, metric, judge, allowed) for first, second in both])


def _compared(first: str, second: str, metric: str, judge: str | None, allowed: Collection[str]) -> Family:
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
    rows = [_checked(left, right, metric, allowed) for left, right in couples]
    beside = {number: _beside(row, b, judge) for number, row in enumerate(rows)}
    return Family(tuple(rows), beside, len(rows), tuple(_reported(couples, allowed)), tuple(unmatched))


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
    group = next(group for group in _by_place(load(b.path, judge)) if any(arm.cell == row.b.cell for arm in group))
    controls = [arm for arm in group if arm.role == CONTROL and arm.cell != row.a.cell]
    return tuple(compare_arms(control, row.b, row.metric) for control in controls)


def check_metric(metric: str) -> None:
    """Check a metric's name. Raises `BadInput` for an unknown one."""
    if metric not in METRICS:
        raise BadInput(f"--metric {metric!r}: known are {', '.join(METRICS)}.{nearest(metric, METRICS)}")


def uplift(text: str, metric: str = "goal", judge: str | None = None) -> Family:
    """Every strategist of a run against vanilla on the same environment, split, pairing and actor, the controls beside.
    Raises `BadInput` when there is no vanilla, or nothing beside it."""
    return uplift_all([text], metric, judge)


def uplift_all(texts: Iterable[str], metric: str = "goal", judge: str | None = None) -> Family:
    """Compare as `uplift` does, several runs in one family."""
    check_metric(metric)
    return _together([_uplifted(text, metric, judge) for text in texts])


def _uplifted(text: str, metric: str, judge: str | None) -> Family:
    """Every strategist against vanilla, not yet corrected."""
    arms, _ = select(text, judge)
    rows: list[Comparison] = []
    beside: dict[int, tuple[Comparison, ...]] = {}
    unmatched = []
    for group in _by_place(arms):
        plain = [arm for arm in group if arm.role == REFERENCE]
        others = [arm for arm in group if arm.role != REFERENCE]
        if len(plain) != 1 or not others:
            unmatched += [arm.cell for arm in group if not arm.scripted]
            continue
        controls = [arm for arm in others if arm.role == CONTROL]
        for arm in others:
            rows.append(compare_arms(plain[0], arm, metric))
            if arm.role != CONTROL:
                beside[len(rows) - 1] = tuple(compare_arms(control, arm, metric) for control in controls)
    if not rows:
        wanted = f"a strategist beside exactly one `{REFERENCE_KIND}` on the same tasks and actor"
        raise BadInput(f"{text} has no uplift to show; expected {wanted}")
    return Family(tuple(rows), beside, len(rows), (), tuple(unmatched))


def _together(families: Sequence[Family]) -> Family:
    """Join families into one, and correct it as a whole."""
    rows: list[Comparison] = []
    beside: dict[int, tuple[Comparison, ...]] = {}
    for family in families:
        beside |= {len(rows) + number: controls for number, controls in family.beside.items()}
        rows += family.rows
    reported = dict.fromkeys(line for family in families for line in family.reported)
    return _corrected(rows, beside, tuple(reported), tuple(line for family in families for line in family.unmatched))


def _by_place(arms: Arms) -> list[list[Arm]]:
    """Arms that differ by strategist only."""
    found: dict[tuple[str, ...], list[Arm]] = {}
    for arm in arms.arms.values():
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


def _checked(a: Arm, b: Arm, metric: str, allowed: Collection[str]) -> Comparison:
    refuse_differences(arm_differences(a, b), allowed, f"{a.source}: {a.cell}\nand {b.source}: {b.cell}\n")
    return compare_arms(a, b, metric, common=bool({"tasks", "seeds"} & set(allowed)))


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


def compare_arms(a: Arm, b: Arm, metric: str, common: bool = False) -> Comparison:
    """Arm b against arm a, not yet corrected for a family."""
    low, high = a.bounds(metric)
    pairs = align(a, b, metric, common)
    whole = pairs.complete
    result = paired_difference(pairs, low, high)
    visible, needed = _power(pairs, low, high)
    return Comparison(
        a=a,
        b=b,
        metric=metric,
        pairs=pairs,
        result=result,
        success=paired_difference(align(a, b, "success", common), 0.0, 1.0),
        mean_a=float(pairs.a[whole].mean()) if whole.any() else math.nan,
        mean_b=float(pairs.b[whole].mean()) if whole.any() else math.nan,
        p_holm=result.p,
        visible=visible,
        needed=needed,
        tokens=_more(a, b, "tokens"),
        usd=_more(a, b, "usd"),
    )


def difference_of(a: Arm, b: Arm, metric: str) -> PairedDifference:
    """Arm b against arm a in one metric alone: less than `compare_arms` tells, and quicker."""
    return paired_difference(align(a, b, metric), *a.bounds(metric))


def _power(pairs: Pairs, low: float | None, high: float | None) -> tuple[float, int | None]:
    """The smallest visible difference, and the episodes needed to see `SHARE` of the range."""
    if np.unique(pairs.tasks[pairs.complete]).size < 2:
        return math.inf, None
    noise = noise_of(pairs, low, high, 1 - 2 * ALPHA)
    span = None if low is None or high is None else high - low
    return smallest_visible_drop(noise, ALPHA, span=span), episodes_needed(SHARE * span, noise, ALPHA) if span else None


def _more(a: Arm, b: Arm, column: str) -> float:
    """Mean of b less mean of a over finished episodes; NaN when one is not known."""
    means = []
    for arm in (a, b):
        values = arm.outcomes[column][arm.finished]
        means.append(float(values.mean()) if len(values) else math.nan)  # NaN where one value is
    return means[1] - means[0]


def _corrected(
    rows: Sequence[Comparison],
    beside: Mapping[int, tuple[Comparison, ...]],
    reported: tuple[str, ...],
    unmatched: tuple[str, ...],
) -> Family:
    """Holm's correction over all p values that are shown, those against the controls included. Raises `BadInput` for a
    metric that none of the arms has."""
    if not any((~np.isnan(arm.outcomes[row.metric])).any() for row in rows for arm in (row.a, row.b)):
        raise BadInput(
            f"none of these arms has a value of {rows[0].metric!r}. `overall` comes from judges of several dimensions; "
            "goal and success need a finished and scored episode"
        )
    every = [*rows, *(each for number in sorted(beside) for each in beside[number])]
    corrected = [
        replace(each, p_holm=float(p)) for each, p in zip(every, holm([each.result.p for each in every]), strict=True)
    ]
    rest = iter(corrected[len(rows) :])
    again = {number: tuple(next(rest) for _ in beside[number]) for number in sorted(beside)}
    return Family(tuple(corrected[: len(rows)]), again, len(every), reported, unmatched)
