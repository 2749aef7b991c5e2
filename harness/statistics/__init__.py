"""Numbers that carry their uncertainty: pure functions over arrays, no files, no records, no runner.

Episodes of one task are alike, so every interval counts tasks (clusters), not episodes. What each number
means, with the simulations that chose the methods, is in docs/statistics.md.

Names are loaded when they are first used: a command that reads takes no longer for what it does not compute.
`gate` and `gate_family` are in the modules of the same names.
"""

# ruff: noqa: F401
from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names for editors and type checkers
    from harness.statistics.anytime import Anytime, anytime_mean
    from harness.statistics.gate import GateResult, Verdict
    from harness.statistics.gate_anytime import completed
    from harness.statistics.gate_cells import GatedCell, pooled_cell
    from harness.statistics.gate_family import FamilyResult
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

VERSION = 6
"""Written beside figures that are kept. 1: a paired difference's interval by pseudo-tasks, its p by sign flips; 2: both by sign
flips, with a guard; 3: stated power counts the sign-flip test itself, and the skew of large differences; 4: clusters that cross
the groups widen both, and the interval of a mean; 5: the gate gives four fifths of its level to all cells together; 6: clusters
that cross the groups count in ranks, with people's labels, in the judges' card, in the gate, and in stated power."""

_PLACES = {
    "anytime": "Anytime anytime_mean",
    "gate": "GateResult Verdict",
    "gate_anytime": "completed",
    "gate_cells": "GatedCell pooled_cell",
    "gate_family": "FamilyResult",
    "guard": "Guard",
    "luck": "Luck luck_of",
    "means": "Estimate clustered_mean",
    "missing": "Bounds bounded_mean",
    "multiple": "holm",
    "outcomes": "Outcomes Pairs pair",
    "paired": "McNemar PairedDifference difference_test mcnemar paired_difference",
    "passk": "pass_at_k pass_hat_k",
    "power": "Noise chance_to_see episodes_needed episodes_to_claim noise_of smallest_claimed smallest_visible_drop tasks_needed",
    "ranking": "Rank rank_arms",
    "signflips": "SignFlips fewest_groups sign_flips",
    "trainings": "TrainedDifference trained_difference trained_pairs",
    "variance": "Component split_with_intervals variance_split",
}
"""Module -> the names that it gives to this one."""
_MODULES = {name: module for module, names in _PLACES.items() for name in names.split()}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'harness.statistics' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = globals()[name] = getattr(import_module(f"harness.statistics.{_MODULES[name]}"), name)
    return value
