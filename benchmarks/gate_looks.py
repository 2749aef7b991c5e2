"""`harness check --anytime` by simulation: a growing candidate is looked at ten times, through the function that judges.

    python -m benchmarks.gate_looks [replicates]

Groups of tasks are played one after the other in all cells; the check is asked after each tenth of them, and counts as an alarm
(or a pass) where any look says so. Beside it the fixed gate, for one cell, asked as often and once at the end. Seeds were fixed
before any figure was looked at.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from benchmarks.gate_errors import Design, play, rates
from harness.statistics import GatedCell, Pairs, Verdict
from harness.statistics.gate_family import gate_family

Floats = NDArray[np.float64]
SEED = 60_041
LOOKS = 10
DESIGNS = (
    Design("score", 1, 90, 1),
    Design("score", 5, 90, 1),
    Design("score", 1, 40, 5),
    Design("success", 1, 200, 1),
    Design("success", 4, 100, 1),
    Design("spiked", 1, 90, 1),
)


def looked(
    baseline: Floats, candidate: Floats, max_drop: float, anytime: bool, looks: int = LOOKS
) -> list[tuple[int, Verdict]]:
    """The verdict at every look (number of groups, verdict); anytime up to the first that decides. Values: cells x groups x
    episodes."""
    cells, groups, episodes = baseline.shape
    found: list[tuple[int, Verdict]] = []
    for played in np.unique(np.linspace(groups / looks, groups, looks).astype(int)).tolist():
        names = np.repeat(np.arange(groups if anytime else played), episodes)
        ended = np.where(names < played, names, np.nan)
        gated = []
        for number in range(cells):
            a, b = (values[number, : names[-1] + 1].ravel() for values in (baseline, candidate))
            pairs = Pairs(names, np.arange(names.size), a, np.where(names < played, b, np.nan))
            gated.append(GatedCell(pairs, "tasks", None, ended if anytime else None))
        verdict = gate_family(gated, max_drop, power=False, anytime=anytime).verdict
        found.append((played, verdict))
        if verdict != "too few" and anytime:
            break
    return found


def shares(design: Design, replicates: int, growing: bool = True) -> dict[str, float]:
    """Error rates; where it is `growing`, also those of the fixed gate, and what an equal candidate takes to pass."""
    rng = np.random.default_rng([SEED, *repr(design).encode()])
    counts: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        counts.setdefault(name, []).append(value)

    for _ in range(replicates):
        chances = rates(design, rng)
        base, equal = play(design, chances, rng), play(design, chances, rng)
        lost = play(design, chances, rng, 0.05 / float(chances.mean()))
        # what was refuted at any group stays so: the last look says whether one of all looks alarmed
        note("anytime alarms", looked(base, equal, 0.0, True, 1)[-1][1] == "regressed")
        note("anytime wrong passes", looked(base, lost, 0.05, True, 1)[-1][1] == "pass")
        if growing and design.cells == 1:
            fixed = looked(base, equal, 0.0, False)
            note("fixed alarms", "regressed" in verdicts(fixed))
            note("once alarms", fixed[-1][1] == "regressed")
            note("fixed wrong passes", "pass" in verdicts(looked(base, lost, 0.05, False)))
        if not growing:
            continue
        passing = looked(base, equal, 0.1, True)
        note("passes", passing[-1][1] == "pass")
        note("played", passing[-1][0] / design.groups)
    return {name: float(np.mean(values)) for name, values in counts.items()}


def verdicts(looks: list[tuple[int, Verdict]]) -> list[Verdict]:
    """The verdicts of all looks."""
    return [verdict for _, verdict in looks]


def main() -> None:
    replicates = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    print(f"{replicates} replicates a row, {LOOKS} looks")
    print("| design | alarms, nothing lost: once | fixed, ten looks | anytime | lost X = 0.05, passes: fixed | anytime |"
          " equal, X = 0.1: passes | played |")  # fmt: skip
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    names = (
        "once alarms",
        "fixed alarms",
        "anytime alarms",
        "fixed wrong passes",
        "anytime wrong passes",
        "passes",
        "played",
    )
    for design in DESIGNS:
        found = shares(design, replicates)
        texts = [f"{found[name]:.1%}" if name in found else "–" for name in names]
        print(f"| {design} | {' | '.join(texts)} |", flush=True)


if __name__ == "__main__":
    main()
