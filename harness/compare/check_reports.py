"""The reports of `harness check`: Markdown for a CI step summary, JUnit XML for test views, JSON for scripts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from harness.compare.check_words import SHOWN_CELLS, cell_sentence, doubt_lines, explaining, verdict_lines
from harness.compare.doubts import DOUBT
from harness.compare.regression import CellCheck, Check
from harness.results.ledger import KINDS, NAMES, lines_of
from harness.results.targets import holds_json, read_start
from harness.runs.failures import failure_lines
from harness.statistics import VERSION

HEADLINES = {"pass": "✅ Pass", "regressed": "❌ Regressed", "too few": "⚠️ Too few episodes to tell"}
LINES_SHOWN = 40


def markdown(check: Check) -> str:
    """A summary that fits a CI step summary: the pooled verdict, the cells that explain it, and all cells folded."""
    first, *others = verdict_lines(check)
    shown = explaining(check)[:SHOWN_CELLS]
    lines = [
        f"## {HEADLINES[check.verdict]}",
        "",
        f"`{_safe(check.candidate)}` against baseline `{_safe(check.baseline)}`: {check.metric}, as a share of the "
        f"metric's range; allowed drop {check.max_drop:g}.",
        "",
        *(f"- {_safe(line)}" for line in (first, *others)),
    ]
    if shown:
        lines += ["", *_table(shown), "", *(f"- **{_safe(cell.cell)}**: {cell_sentence(cell)}" for cell in shown)]
    if len(shown) < len(check.cells):
        title = f"All cells ({len(check.cells)})" if shown else f"Cells ({len(check.cells)})"
        rest = _table([cell for cell in check.cells if cell not in shown])
        lines += ["", f"<details><summary>{title}</summary>", "", *rest, "", "</details>"]
    lines += [f"- candidate: {_safe(line)}" for line in check.cautions]
    lines += _interface_lines(check)
    if check.failures:
        lines += [
            "",
            "What failed in the candidate:",
            "",
            *(f"- {_safe(line)}" for line in failure_lines(check.failures)),
        ]
    for title, items in (("Differs, as it may", check.reported), ("New, without a baseline", check.added)):
        if items:
            told = [f"- {_safe(item)}" for item in items[:LINES_SHOWN]]
            more = [f"- … and {len(items) - LINES_SHOWN} more"] if len(items) > LINES_SHOWN else []
            lines += ["", f"<details><summary>{title} ({len(items)})</summary>", "", *told, *more, "", "</details>"]
    return "\n".join(lines).rstrip() + "\n"


def _table(cells: Sequence[CellCheck]) -> list[str]:
    lines = [
        "| cell | baseline | candidate | difference | interval | visible drop | pairs | missing | verdict |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for cell in cells:
        result, d = cell.result, cell.result.difference
        lines.append(
            f"| {_safe(cell.cell)} | {_number(cell.baseline)} | {_number(cell.candidate)} | {_number(d.mean, True)} | "
            f"{_number(d.low, True)} … {_number(d.high, True)} ({100 * result.confidence:.3g} %)"
            f"{f' {DOUBT}' * bool(cell.doubt)} | "
            f"{_number(result.visible_drop)} (groups {_number(result.visible_in_groups)}) | {d.n} | {result.missing} | "
            f"**{cell.verdict}** |"
        )
    return lines


INTERFACE = ("role", "replies", *KINDS, "turns", "without effect")


def interface_rows(cell: CellCheck) -> list[list[str]]:
    """The ledger of the interface of one cell: side, then what `INTERFACE` names, a row per side and role; one row of
    question marks where a baseline does not say."""
    rows = []
    for side, ledger in zip(SIDES, cell.interface, strict=True):
        if ledger is None:
            rows.append([side, *("?" for _ in INTERFACE)])
            continue
        for line in lines_of(ledger):
            rows.append([side, line.role, *line.counts.values(), line.turns, line.no_effect])
    return rows


SIDES = ("baseline", "candidate")


def _interface_lines(check: Check) -> list[str]:
    """The warnings about the verdicts, and the ledger of the interface. Names the cells where there are several."""
    several = len(check.cells) > 1
    lines = [
        f"- **{_safe(cell.cell)}**: {_safe(line)}" if several else f"- {_safe(line)}"
        for cell in check.cells
        for line in cell.warnings
    ]
    rows = [[*([_safe(cell.cell)] if several else []), *row] for cell in check.cells for row in interface_rows(cell)]
    heads = [*(["cell"] if several else []), "side", *(NAMES.get(name, name) for name in INTERFACE)]
    table = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *(f"| {' | '.join(row)} |" for row in rows)]
    folded = ["", "<details><summary>How answers were read</summary>", "", *table, "", "</details>"]
    return lines + (folded if rows else [])


def junit(check: Check) -> str:
    """Write JUnit: a test case for all cells together and one per cell.

    A regression is a failure; too few episodes are an error of the whole, as the check could not be made, and leave out a single
    cell, which cannot tell much alone.
    """
    suite = ElementTree.Element("testsuite", name="harness check")
    counts = dict.fromkeys(("failure", "error", "skipped"), 0)
    whole = [] if len(check.cells) == 1 else [check.pooled]
    for cell in [*whole, *check.cells]:
        case = ElementTree.SubElement(suite, "testcase", classname="harness.check", name=_xml(cell.cell))
        said = cell_sentence(cell) if cell is not check.pooled or not whole else "\n".join(verdict_lines(check))
        tag = _outcome(check, cell)
        if tag:
            counts[tag] += 1
            kind = check.verdict if cell is check.pooled else cell.verdict
            ElementTree.SubElement(case, tag, type=kind, message=_xml(said))
        told = [said, *cell.warnings, *(", ".join(_named(row)) for row in interface_rows(cell))]
        if case is suite[0]:
            told += [*check.cautions, *([] if whole else doubt_lines(check))]
        ElementTree.SubElement(case, "system-out").text = _xml("\n".join(told))
    totals = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    suite.attrib.update(tests=str(len(suite)), **{name: str(counts[tag]) for name, tag in totals.items()})
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


def _outcome(check: Check, cell: CellCheck) -> str | None:
    """JUnit's element for the verdict on all cells or on one."""
    if cell is check.pooled:
        return {"regressed": "failure", "too few": "error"}.get(check.verdict)
    if cell.verdict == "too few" and check.verdict == "too few" and cell.result.doubtful:
        return "error"
    return {"regressed": "failure", "too few": "skipped"}.get(cell.verdict)


def _named(row: Sequence[str]) -> Iterator[str]:
    """`candidate actor`, then what is not nothing: `replies 40`, `unreadable 3 (8 %)`, …"""
    side, role, *values = row
    yield f"{side} {role}"
    yield from (f"{NAMES.get(n, n)} {v}" for n, v in zip(INTERFACE[1:], values, strict=True) if v not in ("", "0"))


def as_json(check: Check) -> dict[str, Any]:
    """Plain values; None for what is not known or not finite."""
    return {
        "verdict": check.verdict,
        "exit_code": check.exit_code,
        "summary": verdict_lines(check),
        "statistics": VERSION,
        "metric": check.metric,
        "max_drop": check.max_drop,
        "baseline": check.baseline,
        "baseline_runs": check.baseline_runs,
        "candidate": check.candidate,
        "pooled": _judged(check.pooled),
        "explained_by": [cell.cell for cell in explaining(check)],
        "cells": [
            {
                **_judged(cell),
                "interface": {
                    side: None if ledger is None else dict(ledger.counts)
                    for side, ledger in zip(SIDES, cell.interface, strict=True)
                },
                "warnings": list(cell.warnings),
            }
            for cell in check.cells
        ],
        "cautions": list(check.cautions),
        "failures": [asdict(group) for group in check.failures],
        "reported_differences": list(check.reported),
        "without_baseline": list(check.added),
    }


def _judged(cell: CellCheck) -> dict[str, Any]:
    """A verdict as plain values, with the numbers it rests on."""
    result = cell.result
    return {
        "cell": cell.cell,
        "verdict": cell.verdict,
        "reason": cell_sentence(cell),
        "baseline": _finite(cell.baseline),
        "candidate": _finite(cell.candidate),
        "difference": _finite(result.difference.mean),
        "low": _finite(result.difference.low),
        "high": _finite(result.difference.high),
        "confidence": result.confidence,
        "visible_drop": _finite(result.visible_drop),
        "visible_drop_in_groups": _finite(result.visible_in_groups),
        "episodes_needed": result.episodes_needed,
        "anytime": result.anytime,
        "luck_allowance": result.allowance,
        "pairs": result.episodes,
        "groups": result.difference.clusters,
        "crossed_by": result.difference.crossed.clusters if result.difference.crossed else None,
        "interval_note": cell.doubt,
        "missing": result.missing,
    }


def is_markdown(path: Path) -> bool:
    """True if `markdown` wrote a file."""
    text = read_start(path)
    return (
        text.startswith(tuple(f"## {headline}" for headline in HEADLINES.values())) and "` against baseline `" in text
    )


def is_junit(path: Path) -> bool:
    """True if `junit` wrote a file."""
    return '<testsuite name="harness check"' in read_start(path)


def is_json(path: Path) -> bool:
    """True if a file was written from `as_json`."""
    return holds_json(path, lambda value: {"verdict", "exit_code", "baseline", "candidate", "cells"} <= value.keys())


def _number(value: float, signed: bool = False) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value:+.3f}" if signed else f"{value:.3f}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _safe(text: str) -> str:
    """Names come from configs: in a table nothing in them is markup."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    escaped = printable.replace("&", "&amp;").replace("<", "&lt;").replace("`", "'")
    return escaped.replace("|", "\\|").replace("[", "\\[")


def _xml(text: str) -> str:
    """XML 1.0 has no place for control characters and lone surrogates."""
    return "".join(char if char.isprintable() or char in "\n\t" else "?" for char in text)
