"""`harness judge report`: the judges' report card as a table, Markdown or JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from harness.base.errors import BadInput
from harness.base.invocation import as_called
from harness.commands.containing import without_damaged
from harness.commands.printing import Grid, Look, print_grids, say
from harness.judging.cards.cards import Card, Finding
from harness.judging.cards.report import Report, judge_report
from harness.judging.cards.sentences import agreement_lines, ends, summary
from harness.results.tables import find_runs

COLUMNS = ("figure", "value", "95 %", "p", "n", "groups", "verdict", "what it is")


def print_report(paths: Sequence[Path], form: str) -> int:
    runs, code = without_damaged(find_runs(paths))
    report = judge_report(runs)
    if not report.outcome and not report.process:
        raise BadInput(f"no judgement in {', '.join(map(str, runs))}; `harness judge RUN --judge MODEL` makes some")
    if form == "json":
        print(json.dumps(_plain(asdict(report)), indent=2, ensure_ascii=False))
    elif form == "markdown":
        print(markdown(report))
    else:
        _print(report)
    return code


def cells(card: Card, finding: Finding) -> tuple[str, ...]:
    """A figure of a card as a row of `COLUMNS`."""
    value = "–" if finding.value is None else f"{finding.value:.4g}"
    p = "" if finding.p is None else f"{finding.p:.3f}"
    counts = (str(finding.n or ""), str(finding.groups or ""))
    return (finding.name, value, ends(card, finding), p, *counts, finding.words, as_called(finding.note))


def markdown(report: Report) -> str:
    lines = ["# Judges' report card", ""]
    for card in (*report.outcome, *report.process):
        lines += [f"## `{card.judge}`", "", f"{summary(card)}.", "", f"| {' | '.join(COLUMNS)} |"]
        lines.append("|" + "---|" * len(COLUMNS))
        for finding in card.findings:
            lines.append("| " + " | ".join(text.replace("|", "\\|") for text in cells(card, finding)) + " |")
        lines.append("")
    if report.pairs:
        lines += ["## Agreement", "", *(f"- {line}" for line in agreement_lines(report)), ""]
        if len(report.pairs) > 1:
            head, rows = matrix(report)
            lines += [
                f"| {' | '.join(head)} |",
                "|" + "---|" * len(head),
                *(f"| {' | '.join(row)} |" for row in rows),
                "",
            ]
    return "\n".join(lines)


def _print(report: Report) -> None:
    console = Console()
    look = Look(words=("figure", "verdict"), lists=("what it is",))
    for card in (*report.outcome, *report.process):
        rows = [cells(card, finding) for finding in card.findings]
        print_grids(console, [Grid(f"\njudge {card.judge}: {summary(card)}", COLUMNS, rows)], look)
    if len(report.pairs) > 1:
        print_grids(
            console, [Grid("\nagreement (Krippendorff's ordinal alpha)", *matrix(report))], Look(words=("judge",))
        )
    for line in agreement_lines(report):
        say(console, line)


def matrix(report: Report) -> tuple[list[str], list[list[str]]]:
    """Heading and rows of the alphas of every two judges, which are numbered."""
    judges = [judge for camp in report.camps for judge in camp.judges]
    alphas = {frozenset((pair.one, pair.other)): pair.alpha for pair in report.pairs}
    rows = []
    for number, one in enumerate(judges, start=1):
        values = (1.0 if one == other else alphas.get(frozenset((one, other))) for other in judges)
        rows.append([f"{number} {one}", *("–" if value is None else f"{value:.2f}" for value in values)])
    return ["judge", *(str(number) for number in range(1, len(judges) + 1))], rows


def _plain(value: object) -> object:
    """JSON has no NaN and no infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
