"""The scales of the built-in judges, which readers of a run need to know without importing a judge, and the rounding that a
number is allowed. A leaf module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SLACK = 1e-9
"""Share of its range by which rounding may take a number beyond it."""
Scale = Sequence[tuple[str, float, float]]
"""(name, lowest, highest) of each score."""
SOTOPIA: tuple[tuple[str, int, int], ...] = (
    ("believability", 0, 10),
    ("relationship", -5, 5),
    ("knowledge", 0, 10),
    ("secret", -10, 0),
    ("social_rules", -10, 0),
    ("financial_and_material_benefits", -5, 5),
    ("goal", 0, 10),
)
OVERALL = (-30 / 7, 40 / 7)
"""Range of the plain mean of the seven."""
SCALES: Mapping[str, Scale] = {
    "sotopia": (*((name, float(low), float(high)) for name, low, high in SOTOPIA), ("overall", *OVERALL)),
}
"""By the judge's kind."""
