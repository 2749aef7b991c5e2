"""Statistics of a prepared data set: the spread of its returns and of the weights its strategies have in the loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.results.store import scan
from harness.training.data.dataset import DATASET, Row

BINS = 20


def returns_of(data: Path) -> dict[str, Any]:
    """`returns` (discounted, not normalised: mean, lowest, highest, share of zeros) and `weights` (a histogram of what the
    strategies' log-probabilities are multiplied with) of a data set; None where it holds no strategy."""
    rows = [Row.model_validate_json(line) for _, line in scan(data / DATASET)]
    spans = [span for row in rows for span in row.spans]
    if not spans:
        return {"returns": None, "weights": None}
    values, weights = np.array([span.value for span in spans]), np.array([span.weight for span in spans])
    counts, edges = np.histogram(weights, bins=BINS, range=(min(weights.min(), 0.0), max(weights.max(), 1.0)))
    return {
        "returns": {
            "mean": float(values.mean()),
            "low": float(values.min()),
            "high": float(values.max()),
            "zero_share": float((values == 0).mean()),
        },
        "weights": {"edges": [round(float(edge), 6) for edge in edges], "counts": [int(count) for count in counts]},
    }
