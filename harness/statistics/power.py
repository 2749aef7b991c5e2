"""The power of a paired comparison: the smallest drop it would find, and the episodes a given drop needs. The power of
Student's test on task differences is that of the noncentral t distribution (Cohen 1988). A drop also adds noise of its own:
episodes that newly fail differ from their partners. Near-equal arms (temperature 0) have almost no noise before the drop, so
leaving this out would promise far too much."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from harness.statistics.claims import FREE, UNSEEN, chance_to_claim
from harness.statistics.distributions import normal_below, shifted_student_tail, student_below
from harness.statistics.guard import BOUND
from harness.statistics.means import Estimate, summarise, task_sums
from harness.statistics.outcomes import Pairs
from harness.statistics.paired import crossing_of_groups, difference_interval
from harness.statistics.roots import crossing

Floats = NDArray[np.float64]

POWER = 0.8
"""The chance of being found that a stated smallest visible drop has."""
PLANNED = 0.84
"""Chance that is planned for, so that 80 % remain: a sign-flip test moves in steps, noise is only estimated, and skewed
differences scatter more than a small sample says (docs/statistics.md has what was seen)."""
MOST_SHIFT = 1e9
"""Stands for an infinite shift where a crossing is looked for."""
MOST_TASKS = 10_000_000
"""Largest number of tasks the search tries."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Scatter of an experiment's paired differences, and the scatter they would have if the candidate got worse."""

    spread: float
    """Standard deviation of a task's mean difference, in points of the metric."""
    loss: float
    """Amount that a drop adds to the squared difference of an episode, per point of drop (see `_loss`)."""
    repeats: float
    """Pairs per task that count as independent: 1 when a task's pairs all move together."""
    tasks: float
    """Tasks, for the standard error; below their number when they have unequally many pairs."""
    pairs_per_task: float
    """Pairs for each of `tasks`."""
    caution: float
    """Factor by which the interval of these differences is wider than Student's, times the number of tasks."""
    estimated: bool = True
    """True if all this was estimated from one pair of runs (see `_wanted`)."""

    def student(self, level: float) -> float:
        """Distance of an end of Student's interval from the mean, erring at `level`."""
        return student_below(1 - level, self.tasks - 1) * self.spread / self.tasks**0.5

    def standard_error(self, drop: float, tasks: float) -> float:
        """Standard error of the mean difference over `tasks` tasks if the true mean difference were -drop."""
        newly_lost = max(self.loss * drop - drop**2, 0.0) / self.repeats
        return float(np.sqrt((self.spread**2 + newly_lost) / tasks))


def noise_of(
    pairs: Pairs, low: float | None, high: float | None, confidence: float = 0.9, both_ways: bool = False
) -> Noise:
    """The noise of the complete pairs, to be judged by their interval at `confidence`; without bounds a drop is
    taken to add none. `both_ways`: the true difference may be a gain, which adds noise as episodes rise to the highest value.
    Clusters that cross the groups count: further groups are taken to bring in further clusters as these did.

    Raises ValueError for fewer than 2 tasks.
    """
    whole = pairs.complete
    a, b, tasks = pairs.a[whole], pairs.b[whole], pairs.tasks[whole]
    crossed = None if pairs.crossed is None else pairs.crossed[whole]
    d = b - a
    sums, sizes = task_sums(d, tasks)
    if sums.size < 2:
        raise ValueError("the noise of paired differences needs 2 tasks or more")
    data = summarise(sums, sizes)
    effective = data.df + 1
    size = d.size / effective
    of_groups, across = float(np.sqrt(data.variance * effective)), crossing_of_groups(d, tasks, crossed, confidence)
    spread = of_groups * (1.0 if across is None else across.stretch)
    if low is None or high is None:
        return Noise(spread, 0.0, 1.0, effective, size, 0.0)
    caution = 0.0
    if spread > 0:
        interval = difference_interval(d, tasks, low, high, confidence, crossed)
        student = student_below((1 + confidence) / 2, data.df) * spread / effective**0.5
        caution = max(interval.high - interval.mean - student, 0.0) * effective
    loss = _loss(a - low, b - low, high - low)
    if both_ways:
        loss = max(loss, _loss(high - a, high - b, high - low))
    return Noise(spread, loss, _independent(d, of_groups, float(sizes.mean())), effective, size, caution)


def noise_in_groups(noise: Noise, pairs: Pairs, low: float | None, high: float | None) -> Noise:
    """The noise (`noise_of` the pairs) if a drop takes whole tasks (groups) to the lowest value, not single episodes: all
    pairs of a task fall together, so that repeats do not help and few tasks carry the drop."""
    if low is None or high is None:
        return noise
    whole = pairs.complete
    sums_a, sizes = task_sums(pairs.a[whole] - low, pairs.tasks[whole])
    if sizes.max() == 1:
        return noise  # single episodes are the groups
    sums_b = task_sums(pairs.b[whole] - low, pairs.tasks[whole])[0]
    loss = _loss(sums_a / sizes.mean(), sums_b / sizes.mean(), high - low)
    return replace(noise, loss=loss * noise.tasks / sizes.size, repeats=1.0)


GROWTH = 1.25
"""Factor between differences at which the chance of a claim is counted."""


@lru_cache(64)
def groups_to_lose(level: float, power: float = POWER) -> float:
    """Groups that have to be lost on average, where nothing else differs, before a sign-flip test at `level` sees it with chance
    `power`: so many that at least log2(1 / level) of them, the fewest that can reject, are lost (Poisson)."""
    fewest = math.ceil(math.log2(1 / level) - 1e-9)

    def lacking(mean: float) -> float:
        missed = sum(math.exp(-mean) * mean**lost / math.factorial(lost) for lost in range(fewest))
        return 1 - missed - power

    return crossing(lacking, 1e-6, 4.0 * fewest + 20, xtol=1e-6)


def noise_of_passing(noise: Noise, interval: Estimate, level: float) -> Noise:
    """The noise if nothing dropped, for the chance that the interval's lower end stays above a drop: no episode is newly
    lost, and `caution` is that of the lower end of the pairs' `interval`, which errs at `level`."""
    away = interval.mean - interval.low
    if not noise.spread:  # only the number of tasks keeps it away: exp(-caution / tasks) of the tasks may be unseen
        reach = away / (1 - level ** (1 / noise.tasks))
        return replace(noise, loss=0.0, caution=-math.log(level) * reach)
    return replace(noise, loss=0.0, caution=max(away - noise.student(level), 0.0) * noise.tasks)


def _loss(a: Floats, b: Floats, span: float) -> float:
    """Added squared difference per point of drop, if the drop comes from episodes that fall to the lowest value.

    Such an episode's difference turns from b - a into -a, its square from (b - a)**2 into a**2, so a point of drop
    adds sum(b * (2 a - b)) / sum(b): the whole range when the arms succeed on the same episodes, nothing when a
    success of one says little about the other.
    """
    return max(float((b * (2 * a - b)).sum() / b.sum()), 0.0) if b.any() else span


def _independent(d: Floats, spread: float, size: float) -> float:
    """Pairs per task that count as independent: the variance of single pairs over that of a task's mean.

    Between 1 and the pairs per task; 1 when nothing differs, as at temperature 0, where repeats are copies.
    """
    return float(np.clip(d.var() / spread**2, 1.0, size)) if spread > 0 else 1.0


def chance_to_see(
    drop: float, noise: Noise, alpha: float = 0.05, tasks: float | None = None, allowed: float = 0.0
) -> float:
    """Power of the one-sided test at level `alpha` against a true drop, of which `allowed` is forgiven."""
    count = noise.tasks if tasks is None else tasks
    shift = _shift(drop, noise, count, allowed)
    if math.isinf(shift):
        return 1.0 if shift > 0 else 0.0
    df = count - 1
    return shifted_student_tail(student_below(1 - alpha, df), df, shift)


def _shift(drop: float, noise: Noise, tasks: float, allowed: float) -> float:
    """Number of standard errors by which a true drop lies beyond what is forgiven; infinite where nothing scatters (seen for
    certain) or there are too few tasks (never seen)."""
    error = noise.standard_error(drop, tasks)
    excess = drop - allowed - noise.caution / tasks
    if error <= 0 or tasks <= 1:
        return math.inf if excess > 0 and tasks > 1 else -math.inf
    return excess / error


@lru_cache(64)
def _shift_wanted(df: float, alpha: float, power: float) -> float:
    """The shift at which the test with so many degrees of freedom has the power; infinite where there are too few."""
    if df <= 0:
        return math.inf
    least = student_below(1 - alpha, df)
    top = 1.0
    while shifted_student_tail(least, df, top) < power:
        top *= 2
    return crossing(lambda shift: shifted_student_tail(least, df, shift) - power, 0.0, top, xtol=1e-8)


def _wanted(power: float, noise: Noise, tasks: float) -> float:
    """The power to plan for, so that `power` remains when the noise is only estimated.

    New runs scatter differently than the ones the noise came from, and power loses more where the noise was
    underestimated than it gains elsewhere: about 2 points and 1 / df in simulations (docs/statistics.md).
    """
    return min(power + 0.02 + 1 / max(tasks - 1, 1.0), max(power, 0.95)) if noise.estimated else power


def smallest_visible_drop(
    noise: Noise, alpha: float = 0.05, power: float = POWER, span: float | None = None, allowed: float = 0.0
) -> float:
    """The smallest true drop that is found with chance `power`, `allowed` of it being forgiven; inf when even the
    whole range `span` (None: unbounded) would not be."""

    wanted = _shift_wanted(noise.tasks - 1, alpha, _wanted(power, noise, noise.tasks))

    def lacking(drop: float) -> float:
        return max(min(_shift(drop, noise, noise.tasks, allowed), MOST_SHIFT), -MOST_SHIFT) - wanted

    top = float(span) if span is not None else allowed + 100.0 * max(noise.spread, 1e-12)
    # near the whole range a drop's own noise shrinks again, so the first crossing is looked for from below
    grid = allowed + (top - allowed) * np.linspace(0, 1, 33)
    found = next((i for i in range(1, grid.size) if lacking(float(grid[i])) >= 0), None)
    if found is None:
        return float("inf")
    if lacking(float(grid[found - 1])) >= 0:
        return float(grid[found])
    return crossing(lacking, float(grid[found - 1]), float(grid[found]), xtol=1e-6 * top)


def tasks_needed(
    drop: float, noise: Noise, alpha: float = 0.05, power: float = POWER, allowance: float = 0.0
) -> int | None:
    """The fewest tasks, with as many repeats as now, on which a true drop is found with chance `power`; None if more than
    ten million. `allowance`: amount by which the interval is widened now; it shrinks with the root of the tasks."""
    if drop <= 0:
        raise ValueError(f"the drop to find is {drop}, expected more than 0")

    def shift(tasks: int) -> float:
        return _shift(drop, noise, tasks, allowance * (noise.tasks / tasks) ** 0.5)

    def roughly(tasks: int) -> bool:
        return shift(tasks) >= normal_below(1 - alpha) + normal_below(_wanted(power, noise, tasks))

    def enough(tasks: int) -> bool:
        allowed = allowance * (noise.tasks / tasks) ** 0.5
        return chance_to_see(drop, noise, alpha, tasks, allowed) >= _wanted(power, noise, tasks)

    near = _fewest(roughly, 2)
    few = math.ceil(
        normal_below(1 - alpha) ** 2 / 2
    )  # Student's test takes so many more than the normal one (Guenther 1981)
    return None if near is None else _fewest(enough, near + few)


def _fewest(enough: Callable[[int], bool], near: int) -> int | None:
    """The fewest tasks, two or more, that are enough, looked for from `near` on by growing steps; None beyond ten million."""
    step = 2
    if enough(near):
        low, high = near - 1, near
        while low > 1 and enough(low):
            low, high, step = max(low - step, 1), low, step * 2
    else:
        low, high = near, near + 1
        while not enough(high):
            low, high, step = high, high + step, step * 2
            if high > MOST_TASKS:
                return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def episodes_needed(
    drop: float, noise: Noise, alpha: float = 0.05, power: float = POWER, allowance: float = 0.0
) -> int | None:
    """Episodes per arm that go with `tasks_needed`."""
    tasks = tasks_needed(drop, noise, alpha, power, allowance)
    return None if tasks is None else int(np.ceil(tasks * noise.pairs_per_task))


@lru_cache(256)
def smallest_claimed(noise: Noise, alpha: float = 0.05, span: float | None = None) -> float:
    """The true difference from which on every larger one is claimed with the chance `POWER`, the guard beside the test counted;
    inf where there is none. Never below `smallest_visible_drop`."""
    least = smallest_visible_drop(noise, alpha, PLANNED, span)
    if span is None or noise.tasks > FREE or not math.isfinite(least):
        return least
    wanted = _wanted(PLANNED, noise, noise.tasks)

    def lacking(value: float) -> float:
        return _claimed(value, noise, alpha, noise.tasks, span) - wanted

    last, above = None, math.inf
    for value in _tried(least, span):
        if lacking(value) < 0:
            last, above = value, math.inf
        else:
            above = min(above, value)
            if noise.tasks > UNSEEN or value >= 2 * BOUND * span:
                break
    if last is None:
        return least
    return crossing(lacking, last, above, xtol=1e-3 * span) if math.isfinite(above) else math.inf


def _tried(least: float, span: float) -> list[float]:
    """Differences from `least` to `span` at which the chance of a claim is counted. Below the guard's bound, groups that all
    agree are not believed, so a larger difference can be claimed less often there: the bound is one of them."""
    found, value = {max(least, BOUND * span), span}, least
    while 0 < value < span:
        found.add(value)
        value *= GROWTH
    return sorted(found)


def _claimed(drop: float, noise: Noise, alpha: float, tasks: float, span: float) -> float:
    """The chance that a true difference is claimed on so many tasks."""
    spread = noise.standard_error(drop, 1.0)
    groups = math.floor(tasks + 1e-9)
    if groups < 2:
        return 0.0
    return chance_to_claim(drop, spread, groups, span, alpha) if spread > 0 else 1.0


@lru_cache(256)
def episodes_to_claim(difference: float, noise: Noise, alpha: float, span: float) -> int | None:
    """Episodes per arm on which a true difference is claimed with the chance `POWER`, the guard beside the test counted; None
    where more than ten million tasks would not do."""
    tasks = tasks_needed(difference, noise, alpha, PLANNED)
    if tasks is None:
        return None

    def enough(count: int) -> bool:
        claimed = count > FREE or _claimed(difference, noise, alpha, count, span) >= _wanted(PLANNED, noise, count)
        return count >= tasks and claimed

    found = _fewest(enough, tasks)
    return None if found is None else int(np.ceil(found * noise.pairs_per_task))
