"""Numbers that carry their uncertainty: pure functions over arrays, no files, no records, no runner.

Episodes of one task are alike, so every interval counts tasks (clusters), not episodes. What each number
means, with the simulations that chose the methods, is in docs/statistics.md.
"""

from harness.statistics.anytime import Anytime, anytime_mean
from harness.statistics.gate import GateResult, Verdict, gate
from harness.statistics.gate_anytime import completed
from harness.statistics.gate_cells import GatedCell, pooled_cell
from harness.statistics.gate_family import FamilyResult, gate_family
from harness.statistics.guard import Guard
from harness.statistics.luck import Luck, luck_of
from harness.statistics.means import Estimate, clustered_mean
from harness.statistics.missing import Bounds, bounded_mean
from harness.statistics.multiple import holm
from harness.statistics.outcomes import Outcomes, Pairs, pair
from harness.statistics.paired import McNemar, PairedDifference, difference_test, mcnemar, paired_difference
from harness.statistics.passk import pass_at_k, pass_hat_k
from harness.statistics.power import (
    Noise,
    chance_to_see,
    episodes_needed,
    episodes_to_claim,
    noise_of,
    smallest_claimed,
    smallest_visible_drop,
    tasks_needed,
)
from harness.statistics.ranking import Rank, rank_arms
from harness.statistics.signflips import SignFlips, fewest_groups, sign_flips
from harness.statistics.trainings import TrainedDifference, trained_difference, trained_pairs
from harness.statistics.variance import Component, split_with_intervals, variance_split

VERSION = 5
"""Written beside figures that are kept. 1: a paired difference's interval by pseudo-tasks, its p by sign flips; 2: both by sign
flips, with a guard; 3: stated power counts the sign-flip test itself, and the skew of large differences; 4: clusters that cross
the groups widen both, and the interval of a mean; 5: the gate gives four fifths of its level to all cells together."""

__all__ = [
    "Anytime",
    "Bounds",
    "Component",
    "Estimate",
    "FamilyResult",
    "GateResult",
    "GatedCell",
    "Guard",
    "Luck",
    "McNemar",
    "Noise",
    "Outcomes",
    "PairedDifference",
    "Pairs",
    "Rank",
    "SignFlips",
    "TrainedDifference",
    "Verdict",
    "anytime_mean",
    "bounded_mean",
    "chance_to_see",
    "clustered_mean",
    "completed",
    "difference_test",
    "episodes_needed",
    "episodes_to_claim",
    "fewest_groups",
    "gate",
    "gate_family",
    "holm",
    "luck_of",
    "mcnemar",
    "noise_of",
    "pair",
    "paired_difference",
    "pass_at_k",
    "pass_hat_k",
    "pooled_cell",
    "rank_arms",
    "sign_flips",
    "smallest_claimed",
    "smallest_visible_drop",
    "split_with_intervals",
    "tasks_needed",
    "trained_difference",
    "trained_pairs",
    "variance_split",
]
