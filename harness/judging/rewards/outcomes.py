"""An episode's outcome as process rewards are told it: per seat, scaled to 0..1, whether the world verified it or a
judge gave it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from environments.base import Metric
from harness.results.judge_kinds import JudgeKind


@dataclass(frozen=True, slots=True)
class SeatOutcome:
    value: float
    """0..1: the metric that counts as the goal."""
    dimensions: Mapping[str, float]
    """Every score by name, each scaled to 0..1 by its own range; `goal` is `value`."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    seats: tuple[SeatOutcome, ...]
    source: str
    """"environment", or the label of the judge or panel."""


def scaled(value: float, low: float, high: float) -> float:
    """0 at `low`, 1 at `high`; SOTOPIA's goal score becomes goal / 10, as in EPO's released code."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


def verified(score: float, metric: Metric, seats: int) -> Outcomes:
    """The outcome the world gave, the same for every seat."""
    value = scaled(score, metric.low, metric.high)
    return Outcomes(tuple(SeatOutcome(value, {"goal": value}) for _ in range(seats)), "environment")


def judged_outcomes(scores: Sequence[Mapping[str, float]], kind: JudgeKind, source: str) -> Outcomes:
    """The outcome a judge (or a panel of one kind) gave: per seat, dimension -> score."""
    ranges = {name: (low, high) for name, low, high in kind.dimensions}
    seats = []
    for seat in scores:
        dimensions = {name: scaled(value, *ranges[name]) for name, value in seat.items() if name in ranges}
        seats.append(SeatOutcome(dimensions[kind.metric], {**dimensions, "goal": dimensions[kind.metric]}))
    return Outcomes(tuple(seats), source)
