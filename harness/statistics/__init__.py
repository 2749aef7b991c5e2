"""Numbers that carry their uncertainty: pure functions over arrays, no files, no records, no runner.

Episodes of one task are alike, so every interval counts tasks (clusters), not episodes. What each number
means, with the simulations that chose the methods, is in docs/statistics.md.
"""

from harness.statistics.means import Estimate, clustered_mean

__all__ = ["Estimate", "clustered_mean"]
