"""`harness compare`: prints a family of comparisons and what can be concluded from it."""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.base.errors import BadInput
from harness.base.money import UNKNOWN, usd_text
from harness.base.spreadsheets import harmless
from harness.commands.printing import Grid, Look, print_grids, say
from harness.compare.comparison import Comparison, Family, compare
from harness.compare.conclusions import conclusions, finding, interface_sentences, names
from harness.compare.doubts import interval_sentences
from harness.compare.pooled import compare_trainings
from harness.compare.questions import uplift
from harness.experiment.manifest_form import AXES
from harness.results.labels import unread_labels
from harness.statistics import VERSION


def compare_runs(arguments: argparse.Namespace) -> int:
    """Compare as `harness compare`'s arguments say, and print the comparisons. Raises `BadInput`."""
    if arguments.trainings:
        family = _trainings(arguments)
    elif arguments.second is None:
        if arguments.allow:
            raise BadInput("--allow is for two runs; within one run nothing that has to be the same differs")
        family = uplift(arguments.first, arguments.metric, arguments.judge, arguments.anytime)
    else:
        both = arguments.first, arguments.second
        family = compare(*both, arguments.metric, arguments.judge, arguments.allow, arguments.anytime)
    labelled = _labelled(arguments, family)
    if arguments.format == "json":
        print(json.dumps(as_json(family) | labelled, indent=2, ensure_ascii=False, allow_nan=False))
    elif arguments.format == "csv":
        rows = [flat(row, role) for role, row in every_row(family)]
        if not arguments.raw:
            rows = [{name: harmless(value) for name, value in row.items()} for row in rows]
        writer = csv.DictWriter(sys.stdout, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    else:
        console = Console()
        print_family(family, console, arguments.format == "markdown")
        for line in labelled.get("sentences", ()):
            say(console, line)
        if not arguments.labels:
            for line in unread_labels(
                Path(each.partition("#")[0]) for each in (arguments.first, arguments.second) if each
            ):
                say(console, line)
    return 0


def _trainings(arguments: argparse.Namespace) -> Family:
    """B and the runs of `--trainings` as one arm against A. Raises `BadInput`."""
    if arguments.second is None or arguments.anytime or arguments.labels:
        raise BadInput(
            "--trainings is for A and B, without --anytime or --labels: harness compare A B --trainings B2 B3"
        )
    seconds = [arguments.second, *arguments.trainings]
    return compare_trainings(arguments.first, seconds, arguments.metric, arguments.judge, arguments.allow)


def _labelled(arguments: argparse.Namespace, family: Family) -> dict[str, Any]:
    """The comparisons with people's labels: `with_labels` and `sentences`; empty where they are not asked for. Raises
    `BadInput`."""
    if not arguments.labels:
        return {}
    if arguments.metric != "goal" or arguments.format == "csv":
        raise BadInput("--labels is for --metric goal, as table, markdown or json")
    if arguments.anytime:
        raise BadInput(
            "--labels and --anytime: intervals with people's labels are made to be looked at once; give one of them"
        )
    from harness.commands.labelled import labelled_differences, labelled_json
    from harness.compare.people_words import difference_sentence

    found = labelled_differences(family, arguments.first, arguments.second)
    return {"with_labels": labelled_json(found), "sentences": [difference_sentence(each) for each in found]}


def every_row(family: Family) -> list[tuple[str, Comparison]]:
    """Rows in print order with their role; controls stand under the arm they are beside."""
    found: list[tuple[str, Comparison]] = []
    for number, row in enumerate(family.rows):
        found.append(("", row))
        found += [("control", each) for each in family.beside.get(number, ())]
    return found


def as_json(family: Family) -> dict[str, Any]:
    """Everything, with null for what is not known."""
    return {
        "comparisons": [flat(row, role) for role, row in every_row(family)],
        "family": max(row.family for row in family.rows),
        "reported_differences": list(family.reported),
        "without_counterpart": list(family.unmatched),
        "conclusions": conclusions(family),
        "statistics": VERSION,
    }


def flat(row: Comparison, role: str) -> dict[str, Any]:
    """One comparison as plain values; None for what is not known or not finite."""
    d, success = row.result.estimate, row.success
    bounds = row.result.bounds
    values = {
        "role": role,
        "metric": row.metric,
        "run_a": row.a.source,
        "run_b": row.b.source,
        **{f"{axis}_{side}": arm.axes[axis] for axis in AXES for side, arm in (("a", row.a), ("b", row.b))},
        "mean_a": row.mean_a,
        "mean_b": row.mean_b,
        "difference": d.mean,
        "low": d.low,
        "high": d.high,
        "p": row.result.p,
        "p_holm": row.p_holm,
        "corrected_for": row.family,
        "p_exact": row.result.exact,
        "anytime": row.anytime,
        "finding": finding(row),
        "undone_by": row.result.guard.group if row.result.guard else None,
        "pairs": d.n,
        "groups": d.clusters,
        "missing": row.result.missing,
        "worst_low": bounds.low if bounds else None,
        "best_high": bounds.high if bounds else None,
        "wins": row.result.wins,
        "ties": row.result.ties,
        "losses": row.result.losses,
        "success_difference": success.estimate.mean,
        "only_a_succeeds": success.mcnemar.only_a if success.mcnemar else None,
        "only_b_succeeds": success.mcnemar.only_b if success.mcnemar else None,
        "mcnemar_p": success.mcnemar.p if success.mcnemar else None,
        "visible_difference": row.visible,
        "episodes_needed": row.needed,
        "more_tokens": row.tokens,
        "more_usd": row.usd,
        "tokens_per_point": row.per_point(row.tokens),
        "usd_per_point": row.per_point(row.usd),
        **{
            f"share_without_effect_{side}": arm.ledger and arm.ledger.no_effect
            for side, arm in (("a", row.a), ("b", row.b))
        },
        "interface": " ".join(interface_sentences(row.a, row.b)),
        "crossed_by": d.crossed.clusters if d.crossed else None,
        "interval_note": " ".join(interval_sentences(row)),
    }
    return {key: _known(value) for key, value in values.items()}


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


HEADINGS = ("A", "B", "mean A", "mean B", "B − A", "95 %", "p", "p Holm", "win/tie/loss (groups)", "missing", "only A/B succeeds",
            "McNemar p", "tokens/ep.", "tokens/point", "USD/point")  # fmt: skip


ELSEWHERE = "`harness compare … --format csv`"


def print_family(family: Family, console: Console, markdown: bool = False, elsewhere: str = ELSEWHERE) -> None:
    """Print the comparisons and what may be concluded. `elsewhere`: where a reader finds the columns that a narrow terminal
    has no room for."""
    places: dict[str, list[list[str]]] = {}
    for role, row in every_row(family):
        shared = [axis for axis in AXES[:4] if row.a.axes[axis] == row.b.axes[axis]]
        head = ", ".join(f"{axis} {row.a.axes[axis]}" for axis in shared)
        places.setdefault(head, []).append(_texts(row, role))
    if markdown:
        for head, rows in places.items():
            _markdown(head, rows)
    else:
        print_grids(console, [_grid(head, rows) for head, rows in places.items()], replace(LOOK, elsewhere=elsewhere))
    console.print()
    mark = "- " if markdown else ""
    for line in conclusions(family):
        say(console, mark + line)
    for title, lines in (("Differs, as it may:", family.reported), ("Without a counterpart:", family.unmatched)):
        if lines:
            say(console, f"\n{title}")
            for line in lines:
                say(console, f"{mark or '  '}{line}")


def _texts(row: Comparison, role: str) -> list[str]:
    d, mcnemar = row.result.estimate, row.success.mcnemar
    a, b = names(row)
    return [
        f"{a} ({role})" if role else a,
        b,
        _number(row.mean_a),
        _number(row.mean_b),
        _number(d.mean, True),
        f"{_number(d.low, True)} … {_number(d.high, True)}",
        _small(row.result.p),
        _small(row.p_holm),
        f"{row.result.wins}/{row.result.ties}/{row.result.losses}",
        str(row.result.missing),
        f"{mcnemar.only_a}/{mcnemar.only_b}" if mcnemar else "–",
        _small(mcnemar.p) if mcnemar else "–",
        _tokens(row.tokens),
        _per_point(row, row.tokens, _tokens),
        _per_point(row, row.usd, _usd),
    ]


def _number(value: float, signed: bool = False) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:+.3f}" if signed else f"{value:.3f}"


def _small(p: float) -> str:
    return "–" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _tokens(value: float) -> str:
    return UNKNOWN if math.isnan(value) else f"{value:+.0f}"


def _usd(value: float) -> str:
    return UNKNOWN if math.isnan(value) else usd_text(value, signed=True)


def _per_point(row: Comparison, cost: float, text: Callable[[float], str]) -> str:
    """`no gain` where the cost is known and nothing was gained."""
    if math.isnan(row.result.estimate.mean):
        return "–"
    value = row.per_point(cost)
    return "no gain" if math.isnan(value) and not math.isnan(cost) else text(value)


def _grid(head: str, rows: list[list[str]]) -> Grid:
    """Lay out the rows below their heads; a column without a value in any row is left out."""
    shown = [number for number in range(len(HEADINGS)) if any(row[number] != "–" for row in rows)]
    return Grid(
        head, [_broken(HEADINGS[number]) for number in shown], [[row[number] for number in shown] for row in rows]
    )


def _broken(heading: str) -> str:
    return heading.replace(" (", "\n(")


LOOK = Look(
    words=("A", "B"),
    spared=("USD/point", "tokens/point", "tokens/ep.", "McNemar p", "only A/B succeeds", "missing", "mean A", "mean B"),
)


def _markdown(head: str, rows: list[list[str]]) -> None:
    print(f"\n**{head}**\n")
    print("| " + " | ".join(HEADINGS) + " |")
    print("|" + "---|" * len(HEADINGS))
    for row in rows:
        print("| " + " | ".join(value.replace("|", "\\|") for value in row) + " |")
