"""What a prepared data set will teach: the spread of its returns and of the weights its strategies have in the loss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

BINS = 20


def returns_of(data: Path) -> dict[str, Any]:
    """`returns` (mean, lowest, highest, share of zeros) and `weights` (a histogram) of a data set's strategies."""
    values = np.array([weight for line in open(data / "dataset.jsonl") for weight in json.loads(line)["weights"]])
    if not values.size:
        return {"returns": None, "weights": None}
    low, high = float(values.min()), float(values.max())
    counts, edges = np.histogram(values, bins=BINS, range=(min(low, 0.0), max(high, 1.0)))
    return {
        "returns": {"mean": float(values.mean()), "low": low, "high": high, "zero_share": float((values == 0).mean())},
        "weights": {"edges": [round(float(edge), 6) for edge in edges], "counts": [int(count) for count in counts]},
    }
