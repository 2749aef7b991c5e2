"""Stated power, and what then happens: "about N episodes would do" of `harness compare`, and a dry run's smallest difference.

    python -m benchmarks.planning [needed|stated] [--experiments 400] [--only "14 x 4"] [--minutes 15]

`needed`: a small experiment without a difference says how many episodes would show one of 5 % of the range; so many are
played with just that difference, and the question is asked again. `stated`: experiments with the difference that
is stated for so many groups. Both go through `harness.compare`; decided is what `compare` says "higher" of, at the level of all
questions. Seeds were fixed before any figure was looked at.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulated_arms import simulated_arm
from harness.compare.comparison import SHARE, Comparison, compare_arms
from harness.compare.conclusions import finding
from harness.compare.planned import assumed_noise, smallest_found

Floats = NDArray[np.float64]
SEED = 20_260_417
KINDS = ("score", "success", "spikes", "unequal")


@dataclass(frozen=True, slots=True)
class Design:
    """A kind of outcomes, and how many."""

    kind: str
    """`score`: whole 0..10; `success`: 0/1; `spikes`: rewards 0..1, most 0 and some 1; `unequal`: scores, groups of one to twice
    the pairs."""
    groups: int
    pairs: int
    """Pairs of a group."""
    questions: int = 1

    @property
    def high(self) -> float:
        """Upper bound of the metric; the lower one is 0."""
        return 10.0 if self.kind in ("score", "unequal") else 1.0

    def __str__(self) -> str:
        return f"{self.kind}, {self.groups} x {self.pairs} x {self.questions}"


def played(design: Design, gain: float, rng: np.random.Generator) -> Comparison:
    """One simulated experiment with a true difference, compared as one of so many questions (Holm, at its strictest)."""
    sizes = rng.integers(1, 2 * design.pairs, design.groups) if design.kind == "unequal" else design.pairs
    groups = np.repeat(np.arange(design.groups), sizes)
    a, b = _outcomes(design, groups, gain, rng)
    one, other = (simulated_arm(name, groups, goals, 0.0, design.high) for name, goals in (("vanilla", a), ("epo", b)))
    row = compare_arms(one, other, "goal")
    return replace(row, family=design.questions, p_holm=min(1.0, design.questions * row.result.p))


def _outcomes(design: Design, groups: NDArray[np.intp], gain: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    if design.kind in ("score", "unequal"):
        level = 5.0 + 1.2 * rng.standard_normal(design.groups)
        own = gain + 0.6 * rng.standard_normal(design.groups)
        noise = 1.8 * rng.standard_normal((2, groups.size))
        means = level[groups], (level + own)[groups]
        a, b = (np.clip(np.rint(mean + each), 0, 10) for mean, each in zip(means, noise, strict=True))
        return np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if design.kind == "success":
        rate = (0.9 * rng.random(design.groups))[groups]
        a, b = rng.random(groups.size) < rate, rng.random(groups.size) < rate + gain
        return a.astype(np.float64), b.astype(np.float64)
    rate = (0.3 * rng.random(design.groups))[groups]
    small = 0.1 * rng.random((2, groups.size)) * (rng.random((2, groups.size)) < 0.2)
    chance = rng.random((2, groups.size))
    return np.where(chance[0] < rate, 1.0, small[0]), np.where(chance[1] < rate + gain, 1.0, small[1])


NEEDED = (
    *(Design(kind, 14, 4) for kind in KINDS),
    Design("score", 8, 10),
    *(Design(kind, groups, 1) for groups in (30, 40) for kind in ("score", "success")),
    Design("score", 14, 4, 4),
    *(Design(kind, 30, 2, 3) for kind in ("score", "success")),
)


def needed(design: Design, experiments: int, minutes: float = math.inf) -> tuple[float, float, int]:
    """The mean number of episodes asked for, how often so many decide, and the number of experiments, which is lower where
    the minutes of CPU are over before."""
    rng = np.random.default_rng([SEED, *repr(design).encode()])
    asked: list[int] = []
    decided: list[bool] = []
    end = time.process_time() + 60 * minutes
    while len(asked) < experiments and (not asked or time.process_time() < end):
        said = played(design, 0.0, rng).needed
        if said is None:
            continue
        larger = replace(design, groups=max(2, int(np.ceil(said / design.pairs))))
        asked.append(said)
        decided.append(finding(played(larger, SHARE * design.high, rng)) == "higher")
    return float(np.mean(asked)), float(np.mean(decided)), len(asked)


STATED = tuple(
    Design("normal", groups, pairs, questions)
    for pairs in (2, 20)
    for groups in (8, 10, 14, 20, 40)
    for questions in (1, 4)
)


def stated(design: Design, experiments: int) -> tuple[float, float, float]:
    """The difference that a dry run states where nothing is known, how often it is found, and how often by the test alone."""
    rng = np.random.default_rng([SEED, *repr(design).encode()])
    noise = assumed_noise(design.groups, design.groups * design.pairs, (0.0, 10.0))
    smallest = smallest_found(noise, design.groups, 10.0, 0.025 / design.questions)
    groups = np.repeat(np.arange(design.groups), design.pairs)
    found, alone = [], []
    for _ in range(experiments if np.isfinite(smallest) else 0):
        goals = [_scattered(mean, groups.size, rng) for mean in (0.5 - smallest / 20, 0.5 + smallest / 20)]
        a, b = (simulated_arm(str(n), groups, each, 0.0, 10.0) for n, each in enumerate(goals))
        row = compare_arms(a, b, "goal")
        row = replace(row, family=design.questions, p_holm=min(1.0, design.questions * row.result.p))
        found.append(finding(row) == "higher")
        alone.append(row.p_holm < 0.05)
    return smallest, float(np.mean(found)), float(np.mean(alone))


def _scattered(mean: float, count: int, rng: np.random.Generator) -> Floats:
    """Goals 0..10 of this mean (a share of 10), with the standard deviation that a dry run assumes: 2.5."""
    size = mean * (1 - mean) / 0.25**2 - 1
    return np.asarray(10 * rng.beta(mean * size, (1 - mean) * size, count))


def _print_needed(experiments: int, only: str, minutes: float) -> None:
    print("| kind | groups x pairs | questions | experiments | asked for, on average | then decided |")
    print("|---|---|--:|--:|--:|--:|")
    for design in NEEDED:
        if only in str(design):
            asked, decided, made = needed(design, experiments, minutes)
            shape = f"{design.groups} x {design.pairs}"
            print(
                f"| {design.kind} | {shape} | {design.questions} | {made} | {asked:.0f} | {decided:.1%} |", flush=True
            )


def _print_stated(experiments: int, only: str, _minutes: float) -> None:
    print("| groups x pairs | questions | stated | found | by the test alone |\n|---|--:|--:|--:|--:|")
    for design in STATED:
        if only in str(design):
            smallest, found, alone = stated(design, experiments)
            shape = f"{design.groups} x {design.pairs}"
            print(f"| {shape} | {design.questions} | {smallest:.2f} | {found:.1%} | {alone:.1%} |", flush=True)


PARTS = {"needed": _print_needed, "stated": _print_stated}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=[*PARTS, "all"], default="all")
    parser.add_argument("--experiments", type=int, default=400)
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose name, as '14 x 4 x 1', has this in it")
    parser.add_argument("--minutes", type=float, default=math.inf, help="of CPU for each row of `needed`, at most")
    given = parser.parse_args()
    for name, part in PARTS.items():
        if given.part in (name, "all"):
            print(f"\n{name}: {given.experiments} experiments a row\n")
            part(given.experiments, given.only, given.minutes)


if __name__ == "__main__":
    main()
