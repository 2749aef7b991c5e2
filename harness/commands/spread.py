"""`harness spread`: bounds for missing outcomes, pass^k and pass@k, and where the variance comes from."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.base.counts import counted

if TYPE_CHECKING:
    from harness.compare.spread import Reliability, Split
    from harness.statistics import Estimate


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    spread = commands.add_parser(
        "spread",
        help="what missing outcomes could change, pass^k and pass@k, where the variance comes from",
        description="For each arm: its mean, its interval if all missing outcomes were the worst or the best, and how "
        "reliably it succeeds when tried again. For each environment: the variance of the goal by actor, strategist, "
        "partner, judge and scenario, over all runs given and all judges whose scores are stored.",
    )
    spread.add_argument("runs", nargs="+", type=Path, metavar="PATH", help="run folders, or a folder of runs")
    spread.add_argument("--judge", help="use this judge's scores (its label) in the table of arms")
    spread.add_argument("--format", choices=["table", "json"], default="table")
    spread.set_defaults(do=spread_command, reads=True)


def spread_command(arguments: argparse.Namespace) -> int:
    from harness.commands.containing import without_damaged
    from harness.compare.spread import reliabilities, splits
    from harness.results.tables import check_judge, find_runs

    runs, code = without_damaged(find_runs(arguments.runs))
    if arguments.judge is not None:
        check_judge(runs, arguments.judge)
    arms, parts = reliabilities(runs, arguments.judge), splits(runs)
    if arguments.format == "json":
        print(json.dumps(as_json(arms, parts), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _print(arms, parts)
    return code


def as_json(arms: list[Reliability], parts: list[Split]) -> dict[str, Any]:
    """Everything, with null for what is not known."""
    return {
        "arms": [
            {
                "run": arm.run,
                "cell": arm.cell,
                "planned": arm.planned,
                "missing": arm.bounds.missing if arm.bounds else arm.planned,
                "worst": _estimate(arm.bounds.worst) if arm.bounds else None,
                "best": _estimate(arm.bounds.best) if arm.bounds else None,
                "again": [
                    {"k": k, "pass_hat_k": _estimate(every), "pass_at_k": _estimate(any_)}
                    for k, every, any_ in arm.again
                ],
                "note": arm.note,
                "interval_note": arm.doubt,
            }
            for arm in arms
        ],
        "variance": [
            {
                "environment": split.environment,
                "scores": split.scores,
                "parts": {
                    name: {
                        "variance": part.variance,
                        "low": _known(part.low),
                        "high": _known(part.high),
                        "share": _known(part.share),
                        "levels": part.levels,
                    }
                    for name, part in split.parts.items()
                },
                "constant": list(split.constant),
                "note": split.note,
            }
            for split in parts
        ],
    }


def _estimate(estimate: Estimate) -> dict[str, float | None]:
    return {"mean": _known(estimate.mean), "low": _known(estimate.low), "high": _known(estimate.high)}


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _print(arms: list[Reliability], parts: list[Split]) -> None:
    from rich.console import Console

    from harness.commands.printing import Grid, Look, by_place, print_grids, say
    from harness.compare.doubts import DOUBT

    console = Console()
    names = ("actor | strategist", "planned", "missing", "mean if missing =\nworst … best", "95 %\nwhatever they were",
             "all of k,\nany of k")  # fmt: skip
    several = len({arm.run for arm in arms}) > 1
    places = by_place([f"{arm.run}: {arm.cell}" if several else arm.cell for arm in arms])
    grids = [
        Grid(place, names, [[name, str(arms[n].planned), *_bounds(arms[n]), _again(arms[n])] for n, name in rows])
        for place, rows in places.items()
    ]
    print_grids(console, grids, Look(words=(names[0], names[-1])))
    for note in dict.fromkeys(arm.note for arm in arms if not arm.again):
        say(console, f"\nall of k, any of k: – where {note}")
    for doubt in dict.fromkeys(arm.doubt for arm in arms if arm.doubt):
        say(console, f"\n{DOUBT} {doubt}")
    for split in parts:
        say(console, f"\nvariance of the goal in {split.environment} ({counted(split.scores, 'score')})")
        for name, part in split.parts.items():
            few = " (2 or 3 levels: hardly an estimate)" if name != "residual" and part.levels < 4 else ""
            levels = "" if name == "residual" else f", {counted(part.levels, 'level')}{few}"
            share = "–" if math.isnan(part.share) else f"{part.share:.0%}"
            ends = "" if math.isnan(part.low) else f" ({part.low:.4g} … {part.high:.4g})"
            say(console, f"  {name:<15}{share:>5}  {part.variance:.4g}{ends}{levels}")
        if split.note:
            say(console, f"  {split.note}")
        if split.constant:
            say(console, f"  of one level only, so nothing is known of them: {', '.join(split.constant)}")


def _bounds(arm: Reliability) -> tuple[str, str, str]:
    from harness.compare.doubts import DOUBT

    if arm.bounds is None:
        return str(arm.planned), "–", "–"
    worst, best = arm.bounds.worst, arm.bounds.best
    means = f"{worst.mean:.3f}" if not arm.bounds.missing else f"{worst.mean:.3f} … {best.mean:.3f}"
    return (
        str(arm.bounds.missing),
        means,
        f"{arm.bounds.low:.3f} … {arm.bounds.high:.3f}{f' {DOUBT}' * bool(arm.doubt)}",
    )


def _again(arm: Reliability) -> str:
    if not arm.again:
        return "–"
    return "; ".join(f"k={k}: {every.mean:.2f}, {any_.mean:.2f}" for k, every, any_ in arm.again)
