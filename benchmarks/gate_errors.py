"""Error rates of `harness check` by simulation, through the function that judges (`harness.statistics.gate_family`).

    python -m benchmarks.gate_errors [pooled|eight|baselines|groups|episodes] [--replicates 1000]

`pooled`: equal candidates that alarm, and candidates that lost just the allowed drop and pass or alarm. `eight`: a loss of
0.35 of 10 points in eight of eight cells. `baselines`: false alarms of one baseline after the other, each drawn once and
held against many equal candidates. `groups`: visible drops that are seen, spread over the episodes and in whole groups.
`episodes`: the number asked for is played, and the question asked again. Seeds are fixed; docs/statistics.md has the tables.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.statistics import FamilyResult, GatedCell, Pairs, pooled_cell
from harness.statistics.distributions import normal_below, normal_tail
from harness.statistics.gate import LEVEL, gate
from harness.statistics.gate_family import POOLED_SHARE, gate_family

Floats = NDArray[np.float64]
SEED = 60_023


@dataclass(frozen=True, slots=True)
class Design:
    """An experiment: cells that share groups of tasks, with some episodes of every group in each cell."""

    kind: str
    """`score`: whole 0..10, as SOTOPIA's; `success`: 0/1; `spiked`: rewards of which a third are exactly 1."""
    cells: int
    groups: int
    episodes: int
    """Number per group of tasks in one cell."""
    rate: float = 0.65

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.cells, self.groups, self.episodes

    def __str__(self) -> str:
        return f"{self.kind}, {self.cells} x {self.groups} x {self.episodes}"


def rates(design: Design, rng: np.random.Generator) -> Floats:
    """Chances per cell and group: groups differ, and cells differ somewhat on each."""
    group = rng.beta(6 * design.rate, 6 * (1 - design.rate), (1, design.groups, 1))
    own = np.clip(group + rng.normal(0, 0.08, (design.cells, design.groups, 1)), 0.02, 0.98)
    return np.broadcast_to(own, design.shape)


def play(design: Design, chances: Floats, rng: np.random.Generator, lost: float = 0.0) -> Floats:
    """Values within 0..1 (cells x groups x episodes); `lost`: share of every episode's expected value that is lost."""
    true = chances * (1 - lost)
    if design.kind == "success":
        return (rng.random(true.shape) < true).astype(float)
    if design.kind == "score":  # spread of about 2 of 10, as judges give
        share = rng.beta(6 * true + 1e-9, 6 * (1 - true) + 1e-9)
        return rng.binomial(10, share) / 10
    if design.kind == "spiked":
        spike = rng.random(true.shape) < 0.35
        return np.where(spike, (rng.random(true.shape) < true).astype(float), true)
    raise ValueError(design.kind)


def judged(baseline: Floats, candidate: Floats, max_drop: float, power: bool = False) -> FamilyResult:
    """The verdict; `baseline`: cells x groups x episodes, or runs x that."""
    return gate_family(cells_of(baseline, candidate), max_drop, power)


def cells_of(baseline: Floats, candidate: Floats) -> list[GatedCell]:
    """The cells that are judged."""
    runs = baseline if baseline.ndim == 4 else None
    mean = baseline.mean(axis=0) if runs is not None else baseline
    groups = np.repeat(np.arange(mean.shape[1]), mean.shape[2])
    cells = []
    for number in range(mean.shape[0]):
        pairs = Pairs(groups, np.arange(groups.size), mean[number].ravel(), candidate[number].ravel())
        each = None if runs is None else runs[:, number].reshape(runs.shape[0], -1)
        cells.append(GatedCell(pairs, "tasks", each))
    return cells


POOLED = [
    Design(kind, cells, groups, episodes)
    for kind in ("score", "success", "spiked")
    for cells, groups, episodes in ((8, 8, 1), (8, 14, 5), (5, 30, 1), (2, 90, 1), (1, 14, 5))
]


def pooled(replicates: int) -> None:
    """Print the errors at no loss, and at a loss of just the allowed drop."""
    print("| design | alarms, nothing lost | lost X = 0.05: alarms | lost X: passes | equal, X = 0.05: passes |")
    print("|---|---|---|---|---|")
    for design in POOLED:
        rng = np.random.default_rng([SEED, *f"pooled {design}".encode()])
        counts = np.zeros(4)
        for _ in range(replicates):
            chances = rates(design, rng)
            equal = play(design, chances, rng), play(design, chances, rng)
            lost = play(design, chances, rng, 0.05 / float(chances.mean()))
            at_limit = judged(equal[0], lost, 0.05).verdict
            counts += [
                judged(*equal, 0.0).verdict == "regressed",
                at_limit == "regressed",
                at_limit == "pass",
                judged(*equal, 0.05).verdict == "pass",
            ]
        print(f"| {design} | " + " | ".join(f"{100 * share:.1f} %" for share in counts / replicates) + " |", flush=True)


EIGHT = [Design("score", 8, groups, episodes) for groups, episodes in ((14, 1), (14, 5), (30, 1), (60, 1), (90, 1))]


SHARES = (0.5, POOLED_SHARE)
"""Shares of the level for all cells together: as it was, and as it is."""


def eight(replicates: int) -> None:
    """Print how often a loss of 0.35 of 10 points in all of eight cells is called, in all of them together, and how often any
    test at 5 % could call it that knew the scatter of the mean; and how often one cell is called that lost 2 points."""
    names = [
        f"{what}, {100 * share:.0f} % of the level" for what in ("together", "a cell that lost 2") for share in SHARES
    ]
    print(
        f"| design | {' | '.join(names[:2])} | most there could be | {' | '.join(names[2:])} |\n|---|---|---|---|---|---|"
    )
    for design in EIGHT:
        rng = np.random.default_rng([SEED, *f"eight {design}".encode()])
        counts, means = np.zeros(4), []
        for _ in range(replicates):
            chances = rates(design, rng)
            base, mean = play(design, chances, rng), float(chances.mean())
            lost = cells_of(base, play(design, chances, rng, 0.035 / mean))
            broken = cells_of(base[:1], play(design, chances, rng, 0.2 / mean)[:1])[0]
            together = pooled_cell(lost)
            means.append(float((together.pairs.b - together.pairs.a).mean()))
            counts += [_called(together, LEVEL * share) for share in SHARES] + [
                _called(broken, LEVEL * (1 - share) / design.cells) for share in SHARES
            ]
        most = normal_tail(normal_below(0.95) + float(np.mean(means) / np.std(means)))
        found = counts / replicates
        shown = " | ".join(f"{100 * share:.1f} %" for share in (*found[:2], most, *found[2:]))
        print(f"| {design} | {shown} |", flush=True)


def _called(cell: GatedCell, level: float) -> bool:
    return gate(cell.pairs, 0.0, level=level, power=False).verdict == "regressed"


BASELINES = [
    Design("score", 1, 14, 5),
    Design("score", 8, 14, 1),
    Design("success", 1, 90, 1),
    Design("success", 4, 30, 3),
]


def alarms_per_baseline(design: Design, runs: int, baselines: int, candidates: int, max_drop: float = 0.0) -> Floats:
    """The share of equal candidates that each of many baselines calls regressed."""
    rng = np.random.default_rng([SEED, runs, *f"baselines {design}".encode()])
    found = []
    for _ in range(baselines):
        chances = rates(design, rng)
        stored = np.stack([play(design, chances, rng) for _ in range(runs)])
        stored = stored if runs > 1 else stored[0]
        alarms = [
            judged(stored, play(design, chances, rng), max_drop).verdict == "regressed" for _ in range(candidates)
        ]
        found.append(np.mean(alarms))
    return np.array(found)


def baselines(replicates: int) -> None:
    """Print how false alarms are spread over baselines: `replicates` / 10 baselines, 100 candidates each."""
    print("| design | runs | mean | 95 % of baselines below | worst | baselines above 5 % |")
    print("|---|---|---|---|---|---|")
    for design in BASELINES:
        for runs in (1, 3, 5):
            found = alarms_per_baseline(design, runs, max(replicates // 10, 1), 100)
            shares = (found.mean(), np.quantile(found, 0.95), found.max(), (found > 0.05).mean())
            print(f"| {design} | {runs} | " + " | ".join(f"{100 * s:.1f} %" for s in shares) + " |", flush=True)


GROUPS = [
    Design("success", 1, 14, 5),
    Design("success", 1, 30, 3),
    Design("success", 8, 14, 1),
    Design("score", 1, 14, 5),
    Design("score", 8, 30, 1),
    Design("success", 1, 90, 1),
]


def seen_drops(
    design: Design, replicates: int, same: bool = False, max_drop: float = 0.0
) -> tuple[float, float, float, float]:
    """Mean stated drops (spread, in groups), and how often a new pair with just that drop is called regressed by the pooled
    result. `same`: the candidate repeats the baseline but for the drop, as at temperature 0."""
    rng = np.random.default_rng([SEED, same, *f"groups {design}".encode()])
    stated: list[tuple[float, float]] = []
    seen: list[tuple[bool, bool]] = []
    for _ in range(replicates):
        chances = rates(design, rng)
        first = play(design, chances, rng)
        equal = judged(first, first if same else play(design, chances, rng), max_drop, True).pooled
        if equal.visible_in_groups > 0.95 * float(chances.mean()):
            continue
        stated.append((equal.visible_drop, equal.visible_in_groups))
        verdicts = []
        for drop, whole in ((equal.visible_drop, False), (equal.visible_in_groups, True)):
            base = play(design, chances, rng)
            again = base if same else play(design, chances, rng)
            killed = rng.random((1, design.groups, 1) if whole else design.shape) < drop / float(chances.mean())
            verdicts.append(judged(base, np.where(killed, 0.0, again), max_drop).pooled.verdict == "regressed")
        seen.append((verdicts[0], verdicts[1]))
    if not seen:
        return float("nan"), float("nan"), float("nan"), float("nan")
    return (*np.mean(stated, axis=0), *np.mean(seen, axis=0))


def groups(replicates: int) -> None:
    """Print the stated drops and how often they are seen."""
    print("| design | runs | stated: spread | seen | stated: whole groups | seen |")
    print("|---|---|---|---|---|---|")
    for design in GROUPS:
        for same in (False, True):
            spread, whole, seen, seen_whole = seen_drops(design, replicates, same)
            kind = "equal but for the drop" if same else "independent"
            print(
                f"| {design} | {kind} | {spread:.3f} | {100 * seen:.1f} % | {whole:.3f} | {100 * seen_whole:.1f} % |",
                flush=True,
            )


EPISODES = [
    Design("score", 1, 14, 1),
    Design("success", 1, 40, 1),
    Design("success", 1, 20, 3),
    Design("score", 1, 30, 3),
]


def decided(design: Design, replicates: int, max_drop: float = 0.1) -> tuple[float, float]:
    """The mean number of episodes asked for, and how often an equal candidate passes on so many."""
    rng = np.random.default_rng([SEED, *f"episodes {design}".encode()])
    asked, passed = [], []
    for _ in range(replicates):
        chances = rates(design, rng)
        first = judged(play(design, chances, rng), play(design, chances, rng), max_drop, True).pooled
        if first.verdict != "too few" or first.episodes_needed is None:
            continue
        groups_needed = int(np.ceil(first.episodes_needed / design.episodes))
        larger = Design(design.kind, 1, groups_needed, design.episodes, design.rate)
        chances = rates(larger, rng)
        again = judged(play(larger, chances, rng), play(larger, chances, rng), max_drop)
        asked.append(first.episodes_needed)
        passed.append(again.verdict == "pass")
    return float(np.mean(asked)), float(np.mean(passed))


def episodes(replicates: int) -> None:
    """Print how often the number of episodes that was asked for decides."""
    print("| design | asked for, on average | an equal candidate then passes |")
    print("|---|---|---|")
    for design in EPISODES:
        asked, passed = decided(design, replicates)
        print(f"| {design} | {asked:.0f} | {100 * passed:.1f} % |", flush=True)


PARTS: dict[str, Callable[[int], None]] = {
    "pooled": pooled,
    "eight": eight,
    "baselines": baselines,
    "groups": groups,
    "episodes": episodes,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=[*PARTS, "all"], default="all")
    parser.add_argument("--replicates", type=int, default=1000)
    given = parser.parse_args(arguments)
    for name, part in PARTS.items():
        if given.part in (name, "all"):
            print(f"\n{name}: {given.replicates} replicates a row\n")
            part(given.replicates)
    return 0


if __name__ == "__main__":
    sys.exit(main())
