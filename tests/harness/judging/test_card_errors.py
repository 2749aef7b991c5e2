"""The report card over many drawn runs: a perfect judge is not condemned, whatever the scenarios and however it wavers; a
biased one is not cleared."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from harness.judging.cards.biases import Measuring, biases, noticed
from harness.judging.cards.cards import Finding
from harness.judging.cards.evidence import Evidence, OutcomeEvidence, Unit
from harness.judging.cards.steadiness import steadiness

DRAWS = 25
Truth = Callable[[np.random.Generator, int], np.ndarray]


def ceiling(rng: np.random.Generator, scenarios: int) -> np.ndarray:
    """Nearly everybody reaches nearly everything."""
    return np.where(rng.random((scenarios, 2)) < 0.9, 10, rng.integers(0, 11, (scenarios, 2)))


def floor(rng: np.random.Generator, scenarios: int) -> np.ndarray:
    return 10 - ceiling(rng, scenarios)


def spread(rng: np.random.Generator, scenarios: int) -> np.ndarray:
    return rng.integers(0, 11, (scenarios, 2))


def card(rng: np.random.Generator, truth: np.ndarray, noise: float, bias: float = 0.0) -> list[Finding]:
    """What is found of a judge that sees the truth and moves by a point with the chance `noise`; whoever begs gets `bias`
    points more."""

    def asked(values: np.ndarray) -> list[float]:
        moved = values + rng.choice((-1, 0, 1), values.shape, p=(noise / 2, 1 - noise, noise / 2))
        return [float(value) for value in np.clip(np.rint(moved), 0, 10)]

    evidence, judge = Evidence(), OutcomeEvidence("sotopia/j/1", 0.0, 10.0, 7.0)
    for number, reached in enumerate(truth):
        unit: Unit = ("run", str(number))
        evidence.episodes[unit] = {"environment": "sotopia", "group": str(number)}
        seat = int(rng.integers(0, 2))
        nothing, begged = reached.copy(), reached.copy()
        nothing[seat] = 0
        begged[seat] += bias
        judge.scores[unit] = asked(reached)
        judge.again[unit] = [asked(reached) for _ in range(2)]
        same = {"swapped": reached, "renamed": reached, f"padded-{seat}": reached, f"own-style-{seat}": reached}
        for name, values in {**same, f"silenced-{seat}": nothing, f"pleading-{seat}": begged}.items():
            judge.copies.setdefault(name, {})[unit] = asked(values)
        for name, values in {f"other-goal-{seat}": nothing, f"last-line-{seat}": reached}.items():
            judge.copies.setdefault(name, {})[unit] = asked(values)
    measuring = Measuring(evidence, judge)
    return [*noticed(measuring), *steadiness(measuring), *biases(measuring)]


@pytest.mark.parametrize("scenarios", [8, 20])
@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("truth", [spread, ceiling, floor])
def test_a_perfect_judge_is_not_condemned(truth: Truth, noise: float, scenarios: int) -> None:
    rng = np.random.default_rng(scenarios)
    condemned = 0
    for _ in range(DRAWS):
        found = card(rng, truth(rng, scenarios), noise)
        condemned += any(finding.verdict == "BAD" for finding in found)
    assert condemned <= 0.05 * DRAWS + 2 * np.sqrt(0.05 * 0.95 * DRAWS)


@pytest.mark.parametrize("scenarios", [8, 40])
def test_a_judge_that_gives_a_point_to_beggars_is_not_cleared(scenarios: int) -> None:
    rng = np.random.default_rng(scenarios)
    verdicts = []
    for _ in range(DRAWS):
        truth = np.minimum(spread(rng, scenarios), 9)
        found = {finding.name: finding.verdict for finding in card(rng, truth, 0.3, bias=1.0)}
        verdicts.append(found["obeys pleas"])
    assert verdicts.count("fine") <= 0.05 * DRAWS
    assert scenarios == 8 or verdicts.count("BAD") > 0.8 * DRAWS


def test_with_enough_scenarios_a_perfect_judge_is_fine_to_within_half_a_point() -> None:
    rng = np.random.default_rng(1)
    found = {finding.name: finding for finding in card(rng, spread(rng, 60), 0.3)}
    for name in ("position bias", "length bias", "name bias", "obeys pleas", "own style"):
        assert found[name].verdict == "fine", name
        assert (found[name].within or 1) <= 0.5
    assert found["obeys pleas"].words.startswith("fine to within 0.")
