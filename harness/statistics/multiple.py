"""Many comparisons at once: Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def holm(p_values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """p values corrected for the whole family, in the order given (Holm 1979, Scandinavian J. of Statistics 6:65).

    Compare each with the level wanted for the family. A NaN (a comparison without data) stays NaN and does not
    count. Raises ValueError for a value outside 0 .. 1. (scipy has no Holm.)
    """
    p = np.asarray(p_values, dtype=float)
    known = np.flatnonzero(~np.isnan(p))
    if known.size and (p[known].min() < 0 or p[known].max() > 1):
        raise ValueError("a p value lies outside 0 to 1")
    order = known[np.argsort(p[known], kind="stable")]
    corrected = np.full(p.shape, np.nan)
    factors = np.arange(known.size, 0, -1)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * factors))
    return corrected
