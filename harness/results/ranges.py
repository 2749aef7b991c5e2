"""Checks what environments, judges and process methods hand over, before it is written: a number that no reader could use
is a failure with a reason, never a record."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from environments.base import Metric, Outcome
from harness.results.records import EpisodeRecord, StrategyReward
from harness.results.scales import SLACK

Scale = Mapping[str, tuple[float, float]]
"""Name of a dimension -> its lowest and highest score."""


def is_number(value: object) -> bool:
    """True if a value is a finite real number; a truth value is none, numpy's numbers are."""
    if isinstance(value, bool | str | bytes) or not hasattr(value, "__float__"):
        return False
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


def within_range(value: Any, low: float, high: float) -> bool:
    """True if a number lies in a range, but for rounding."""
    slack = SLACK * max(1.0, high - low)
    return low - slack <= float(value) <= high + slack


def checked_outcome(outcome: Outcome | None, metric: Metric) -> Outcome | None:
    """The outcome with plain values. Raises `ValueError` for a score outside the metric's range, and for a wrong type."""
    if outcome is None:
        return None
    score, success = outcome.score, outcome.success
    if not is_number(score) or not within_range(score, metric.low, metric.high):
        raise ValueError(
            f"its outcome's score is {score!r:.100}; expected a number from {metric.low:g} to {metric.high:g} ({metric.name})"
        )
    if success not in (True, False):
        raise ValueError(f"its outcome's success is {success!r:.100}; expected true or false")
    details = json.loads(json.dumps(dict(outcome.details), allow_nan=False))
    return Outcome(min(max(float(score), metric.low), metric.high), bool(success), details)


def score_problem(scores: Any, episode: EpisodeRecord, scale: Scale, metric: str | None) -> str | None:
    """Problem with a judge's scores, if they cannot be used: not one set per seat, a number that is none or lies outside its
    scale, or no score of the `metric`; None where they can be used. Dimensions that the scale does not know only have to be
    numbers."""
    seats = len(episode.seats)
    if (
        not isinstance(scores, Sequence)
        or len(scores) != seats
        or not all(isinstance(each, Mapping) for each in scores)
    ):
        return f"expected scores for {seats} seats"
    for number, seat in enumerate(scores):
        if metric is not None and metric not in seat:
            return f"seat {number} has no score for {metric!r}"
        for name, value in seat.items():
            if not is_number(value):
                return f"seat {number}'s score for {name!r} is {value!r:.100}; expected a number"
            if name in scale and not within_range(value, *scale[name]):
                low, high = scale[name]
                return f"seat {number}'s score for {name!r} is {value!r:.100}; expected {low:g} to {high:g}"
    return None


def reward_problem(rewards: Any, episode: EpisodeRecord) -> str | None:
    """Problem with a method's rewards, if they cannot be used: a number that is none, or a reward of a turn that has no
    strategy; None where they can be used."""
    if not isinstance(rewards, Iterable) or not all(isinstance(each, StrategyReward) for each in rewards):
        return "expected a list of StrategyReward"
    strategies = {(turn.index, turn.seat) for turn in episode.turns if (turn.strategy or "").strip()}
    for each in rewards:
        if (each.turn, each.seat) not in strategies:
            return f"turn {each.turn!r} of seat {each.seat!r} has no strategy to be rewarded"
        for name, value in {"reward": each.reward, "credit": each.credit, **each.details}.items():
            if not is_number(value):
                return f"the {name} of turn {each.turn} is {value!r:.100}; expected a number"
    return None
