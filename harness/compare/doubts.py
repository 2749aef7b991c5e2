"""Reasons why an interval may be too narrow, in words: few groups hold most outcomes, or what crosses the groups is not known.

What can be counted is counted (`harness.statistics.crossed`); what cannot gets a mark beside the interval and a note here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.base.counts import counted
from harness.base.frame import coded
from harness.compare.arms import Arm, clusters_in
from harness.compare.comparison import Comparison
from harness.statistics import Estimate, Pairs, clustered_mean, fewest_groups
from harness.statistics.crossed import DOUBT, UNTOLD, Crossing
from harness.statistics.means import EVEN, worth

__all__ = [
    "DOUBT",
    "as_crossed",
    "clusters_note",
    "crossed_words",
    "difference_note",
    "interval_note",
    "interval_sentences",
]


def interval_note(arm: Arm) -> str | None:
    """Say why the interval of an arm's mean may be too narrow: few groups hold most outcomes, or what crosses them is not known,
    or too few. None where there is no such reason. Every surface puts `DOUBT` beside an interval that has such a note."""
    known = np.flatnonzero(~np.isnan(arm.outcomes["goal"]))
    if not len(known):
        return None
    groups = coded([str(group) for group in arm.outcomes["group"][known]])[1]
    clusters = clusters_in(arm)
    mean = clustered_mean(arm.outcomes["goal"][known], groups, crossed=None if clusters is None else clusters[known])
    why = [_few_hold_most(groups, "its", "outcomes"), clusters_note([arm], mean.crossed, mean.clusters, "its")]
    found = "; ".join(filter(None, why))
    return f"{found}: its intervals may be too narrow" if found else None


def interval_sentences(row: Comparison) -> list[str]:
    """Say why the interval of a comparison may be too narrow, for the same reasons; none where there is no such reason."""
    if row.result.estimate.clusters < fewest_groups():
        return []
    found = difference_note((row.a, row.b), row.pairs, row.result.estimate, row.anytime or bool(row.trainings))
    return [f"{found[0].upper()}{found[1:]}: the interval of the difference may be too narrow."] if found else []


def difference_note(arms: Sequence[Arm], pairs: Pairs, estimate: Estimate, uncounted: bool) -> str:
    """The reasons why the interval of a paired difference may be too narrow; empty where there are none. `uncounted`: its test
    counts no clusters that cross the groups."""
    groups = coded([str(group) for group in pairs.tasks[pairs.complete]])[1]
    if not len(groups):
        return ""
    why = [
        _few_hold_most(groups, "the", "pairs"),
        clusters_note(arms, estimate.crossed, estimate.clusters, "the", uncounted),
    ]
    return "; ".join(filter(None, why))


def _few_hold_most(groups: NDArray[np.intp], whose: str, what: str) -> str:
    sizes = np.bincount(groups).astype(float)
    if worth(sizes) >= EVEN * sizes.size:
        return ""
    return (
        f"few of {whose} {sizes.size} groups of tasks hold most {what} (they are worth {worth(sizes):.1f} equal ones)"
    )


def clusters_note(
    arms: Sequence[Arm], crossed: Crossing | None, groups: int, whose: str, uncounted: bool = False
) -> str:
    """The note on what crosses the groups: where two meet in an episode, and the records do not say who; where so few do that
    their part cannot be told; where the test at hand does not count them (`uncounted`). Empty where there is nothing to say.
    `crossed`: what the interval over so many `groups` counts."""
    if crossed is not None and crossed.few:
        return f"so few clusters cross {whose} groups ({crossed.clusters}) that their part cannot be told"
    several = groups > 1 and all(int(arm.facts["protocol"].get("seats", 1)) > 1 for arm in arms)
    if several and all(clusters_in(arm) is None for arm in arms):
        return f"{whose} {UNTOLD}"
    if uncounted and any(clusters_in(arm) is not None for arm in arms):
        return f"what crosses {whose} groups (characters that come again in several) is not counted by this test"
    return ""


def crossed_words(crossed: Crossing | None) -> list[str]:
    """The number of clusters that cross the groups, in words; nothing where there are none."""
    return [] if crossed is None else [f"crossed by {counted(crossed.clusters, 'other cluster')}"]


def as_crossed(crossed: Crossing | None) -> str:
    """The condition under which so many episodes would do, after such a sentence: nothing where no clusters cross the groups."""
    return "" if crossed is None else ", if further groups bring in further clusters as these do"
