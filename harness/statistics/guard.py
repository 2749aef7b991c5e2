"""A guard beside the sign-flip test, against the few groups that a sample of groups may lack.

The test is exact for "no difference in distribution". Where the mean difference is 0 because nine groups in ten gain a little
and the tenth loses it all, a sample that lacks the tenth looks like a gain, and no test can tell. Two questions are asked of a
difference with p below its level; the constants, and what they cost, are chosen by simulation (docs/statistics.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.statistics.signflips import sign_flips

Floats = NDArray[np.float64]

MOST_FALSE = 0.15
"""The most false claims that are put up with where one group in ten carries the loss."""
LOST = 0.1
"""Share of groups that may carry the loss."""
NEGLIGIBLE = 0.01
"""Groups agree if those that go against the difference make up no more than this share of all that is gained and lost."""
BOUND = 0.125
"""A gain up to this share of the range could be the nine groups' in a world whose tenth lies at the metric's bound: 1 / 9, and
a little for chance."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The group that would undo a difference that the test finds."""

    kind: Literal["unseen", "one more"]
    """`unseen`: the groups agree, and are so few that one group in ten that goes against the difference could have stayed
    unseen; at the metric's bound it would undo the difference. `one more`: one more group of the usual size with the mean of
    `group` would."""
    group: str
    """The group whose mean goes against the difference most, or goes along least."""
    value: float
    """Its mean difference."""
    chance: float
    """`unseen`: the chance that this many groups hold none of such a tenth. `one more`: p with one more group like it."""


def guard(labels: Sequence[str], sums: Floats, sizes: Floats, span: float) -> Guard | None:
    """Find what would undo the difference over these groups; None if nothing would. `span`: width of the metric's range, inf
    without bounds."""
    sign = 1.0 if sums.sum() > 0 else -1.0
    along, means = sign * sums, sign * sums / sizes
    worst = int(np.argmin(means))
    named, usual = (labels[worst], float(sign * means[worst])), float(sizes.mean())
    unseen = (1 - LOST) ** sums.size
    agreed = float(np.maximum(-along, 0).sum()) <= NEGLIGIBLE * float(np.abs(along).sum())
    if agreed and unseen > MOST_FALSE and along.sum() / sizes.sum() <= BOUND * span and np.isfinite(span):
        return Guard("unseen", *named, unseen)
    p = sign_flips(np.append(sums, named[1] * usual), np.append(sizes, usual)).p
    return Guard("one more", *named, p) if p > MOST_FALSE else None
