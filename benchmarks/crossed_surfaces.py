"""False claims and coverage of ranks, people's labels, judges' cards, the gate and stated power where characters cross
scenarios, without and with the characters counted.

    python -m benchmarks.crossed_surfaces [experiments] [--only ranks]

Worlds are those of `benchmarks.crossed`; 40 characters cross 90 scenarios. Without: the same data, whose records do not
say who met. `ranks`: four arms that are alike but for their liking of scenarios and characters; a claim anywhere is false.
`labels`: two such arms of which 60 tasks are labelled, with a judge that is 0.5 points lenient and right to 90 %; a claim of a
difference is false. `card`: what a judge gives for asking it, which differs by scenario and character and is 0.5 on average, the
most that is allowed: BAD is false. `gate`: a candidate of the same mean, all cells together and each of two; an alarm is false.
`planning`: a pilot states the smallest difference that is found in 80 %, and an experiment with just that is played. `needed`: a
pilot of 30 scenarios says how many episodes would show 0.5 of 10, and so many are played, with as many more characters.
Seeds were fixed before any figure was looked at.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.crossed import EPISODE, LIKING, SCENARIO, Cast, World, cast, claimed
from benchmarks.simulated_arms import simulated_arm
from harness.compare.arms import Arm
from harness.compare.comparison import compare_arms
from harness.compare.people import powered_difference
from harness.compare.planned import smallest_found
from harness.judging.cards.biases import Measuring, biases
from harness.judging.cards.evidence import Evidence, OutcomeEvidence, Unit
from harness.statistics import GatedCell, Pairs, noise_of, paired_difference, rank_arms
from harness.statistics.gate_family import gate_family

Floats = NDArray[np.float64]
SEED = 71_123
CENTRE = 6.0
Marks = NDArray[np.object_] | None
Both = tuple[bool, bool]
"""(false claim without, false claim with the characters counted), or what was planned for is missed."""


def _scores(level: Floats, liking: Floats, rng: np.random.Generator) -> Floats:
    return np.clip(np.rint(level + liking + EPISODE * rng.standard_normal(level.size)), 0, 10)


def _arms(who: Cast, count: int, share: float, rng: np.random.Generator) -> list[Floats]:
    """Scores of arms with equal true means."""
    level = CENTRE + who.effects(SCENARIO, 0.0, rng)
    return [_scores(level, who.effects(LIKING, share, rng), rng) for _ in range(count)]


def ranks(world: World, rng: np.random.Generator) -> Both:
    """Rank four equal arms; true where any two are told apart."""
    who = cast(world, rng)
    values = np.concatenate(_arms(who, 4, world.share, rng)) / 10
    arms, groups = np.repeat(list("abcd"), len(who.scenarios)), np.tile(who.scenarios, 4)

    def told(marks: Marks) -> bool:
        found = rank_arms(arms, groups, values, draws=500, crossed=marks)
        return any(len(each.tied_with) < 3 for each in found)

    return told(None), told(np.tile(who.marks, 4))


def labels(world: World, rng: np.random.Generator) -> Both:
    """Compare two equal arms by a judge and people's labels of 60 tasks; true where they are told apart."""
    who = cast(world, rng)
    drawn = rng.choice(len(who.scenarios), 60, replace=False)
    goals = _arms(who, 2, world.share, rng)
    judged = [0.9 * each + 0.1 * rng.normal(5, 2, each.size) + 0.5 for each in goals]

    def told(marks: Marks) -> bool:
        arms: list[Arm] = []
        people: dict[str, float] = {}
        for name, goal, scores in zip("ab", goals, judged, strict=True):
            ids = [f"{name}{place}" for place in range(goal.size)]
            people |= {ids[place]: float(goal[place]) for place in drawn}
            arms.append(simulated_arm(name, who.scenarios, scores, 0.0, 12.0, ids, marks))
        found = powered_difference(arms[0], arms[1], people, people)
        return found.low > 0 or found.high < 0

    return told(None), told(who.marks)


def card(world: World, rng: np.random.Generator) -> Both:
    """Make the card of a judge that gives half a point for asking, on average; true where it is called BAD."""
    who = cast(world, rng)
    given = 0.5 + who.effects(LIKING, world.share, rng) + 0.5 * rng.standard_normal(len(who.scenarios))

    def told(marks: Marks) -> bool:
        evidence, judge = Evidence(), OutcomeEvidence("j", 0.0, 10.0, 7.0)
        asked: dict[Unit, list[float]] = {}
        for place, (group, more) in enumerate(zip(who.scenarios, given, strict=True)):
            unit = ("run", str(place))
            evidence.episodes[unit] = {"environment": "w", "group": str(group)}
            evidence.episodes[unit]["clusters"] = None if marks is None else list(marks[place])
            judge.scores[unit], asked[unit] = [5.0, 5.0], [float(5 + more), 5.0]
        judge.copies["pleading-0"] = asked
        found = {each.name: each for each in biases(Measuring(evidence, judge))}
        return found["obeys pleas"].verdict == "BAD"

    return told(None), told(who.marks)


def gate(world: World, rng: np.random.Generator) -> Both:
    """Check a candidate of the same true mean in two cells; true where it is called regressed."""
    who = cast(world, rng)
    rows = np.arange(len(who.scenarios))
    cells = [_arms(who, 2, world.share, rng) for _ in range(2)]

    def told(marks: Marks) -> bool:
        gated = [GatedCell(Pairs(who.scenarios, rows, a / 10, b / 10, marks), "tasks") for a, b in cells]
        return gate_family(gated, 0.0, power=False).verdict == "regressed"

    return told(None), told(who.marks)


def planning(world: World, rng: np.random.Generator) -> Both:
    """Play an experiment with the difference that a pilot says is found in 80 %; true where it is missed."""
    pilot = cast(world, rng)
    one, other = _arms(pilot, 2, world.share, rng)
    missed = []
    for counted in (False, True):
        pairs = Pairs(pilot.scenarios, np.arange(one.size), one, other, pilot.marks if counted else None)
        smallest = smallest_found(noise_of(pairs, 0, 10, 0.95, both_ways=True), world.scenarios, 10.0, 0.025)
        who = cast(world, rng)
        level = CENTRE - smallest / 2 + who.effects(SCENARIO, 0.0, rng)
        a, b = (
            _scores(level, np.zeros(level.size), rng),
            _scores(level + smallest, who.effects(LIKING, world.share, rng), rng),
        )
        found = paired_difference(Pairs(who.scenarios, np.arange(a.size), a, b, who.marks), 0, 10)
        missed.append(not (found.p < 0.05 and found.guard is None and found.estimate.mean > 0))
    return missed[0], missed[1]


def needed(world: World, rng: np.random.Generator) -> Both:
    """Play as many episodes as a pilot of a third of the scenarios asks for to show 5 % of the range; true where that is missed.
    Characters grow with the scenarios."""
    small = World(world.scenarios // 3, world.pairs, world.characters, world.share)
    pilot = cast(small, rng)
    goals = _arms(pilot, 2, world.share, rng)
    missed = []
    for marks in (None, pilot.marks):
        one, other = (
            simulated_arm(name, pilot.scenarios, goal, 0.0, 10.0, clusters=marks)
            for name, goal in zip("ab", goals, strict=True)
        )
        asked = compare_arms(one, other, "goal").needed or 0
        scenarios = max(2, -(-asked // world.pairs))
        who = cast(
            World(scenarios, world.pairs, max(3, world.characters * scenarios // small.scenarios), world.share), rng
        )
        level = CENTRE - 0.25 + who.effects(SCENARIO, 0.0, rng)
        a, b = (
            _scores(level, np.zeros(level.size), rng),
            _scores(level + 0.5, who.effects(LIKING, world.share, rng), rng),
        )
        found = paired_difference(Pairs(who.scenarios, np.arange(a.size), a, b, who.marks), 0, 10)
        missed.append(not (claimed(found) and found.estimate.mean > 0))
    return missed[0], missed[1]


SURFACES: dict[str, Callable[[World, np.random.Generator], Both]] = {
    "ranks": ranks,
    "labels": labels,
    "card": card,
    "gate": gate,
    "planning": planning,
    "needed": needed,
}


def main() -> None:
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiments", nargs="?", type=int, default=300)
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="rows whose name, as 'ranks, 90 x 5', has this in it"
    )
    given = parser.parse_args()
    print(
        f"{given.experiments} experiments a row\n\n| surface | scenarios x pairs | unlike | without | with characters |"
    )
    print("|---|---|--:|--:|--:|")
    for name in SURFACES:
        for pairs in (each for each in (1, 5) if given.only in f"{name}, 90 x {each}"):
            for share in (0.0, 0.5, 1.0):
                rng = np.random.default_rng([SEED, *name.encode(), pairs, round(2 * share)])
                both = [SURFACES[name](World(90, pairs, 40, share), rng) for _ in range(given.experiments)]
                without, counted = 100 * np.mean(both, axis=0)
                print(f"| {name} | 90 x {pairs} | {share:g} | {without:.1f} | {counted:.1f} |", flush=True)


if __name__ == "__main__":
    main()
