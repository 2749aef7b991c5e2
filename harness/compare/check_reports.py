"""The reports of `harness check`: Markdown for a CI step summary, JUnit XML for test views, JSON for scripts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from harness.compare.regression import CellCheck, Check
from harness.results.ledger import KINDS, NAMES, lines_of
from harness.results.targets import holds_json, read_start
from harness.runs.failures import failure_lines

HEADLINES = {
    "pass": "✅ Pass: no cell dropped",
    "regressed": "❌ Regressed",
    "too few": "⚠️ Too few episodes to tell",
}
LINES_SHOWN = 40


def markdown(check: Check) -> str:
    """A summary that fits a CI step summary."""
    allowed = f"allowed drop {check.max_drop:g}" if check.max_drop else f"tolerance {check.tolerance:g}"
    lines = [
        f"## {HEADLINES[check.verdict]}",
        "",
        f"`{_safe(check.candidate)}` against baseline `{_safe(check.baseline)}`: {check.metric}, as a share of the "
        f"metric's range; {allowed}.",
        "",
        "| cell | baseline | candidate | difference | interval | visible drop | pairs | missing | verdict |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for cell in check.cells:
        result, d = cell.result, cell.result.difference
        lines.append(
            f"| {_safe(cell.cell)} | {_number(cell.baseline)} | {_number(cell.candidate)} | {_number(d.mean, True)} | "
            f"{_number(d.low, True)} … {_number(d.high, True)} ({100 * cell.confidence:.3g} %) | "
            f"{_number(result.visible_drop)} | {d.n} | {result.missing} | **{cell.verdict}** |"
        )
    told = [cell for cell in check.cells if cell.verdict != "pass"]
    lines += [""] + [f"- **{_safe(cell.cell)}**: {cell.reason}" for cell in told]
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
            shown = [f"- {_safe(item)}" for item in items[:LINES_SHOWN]]
            rest = [f"- … and {len(items) - LINES_SHOWN} more"] if len(items) > LINES_SHOWN else []
            lines += ["", f"<details><summary>{title} ({len(items)})</summary>", "", *shown, *rest, "", "</details>"]
    return "\n".join(lines).rstrip() + "\n"


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
    """One test case per cell: a regression is a failure, too few episodes an error, as the check could not be made."""
    kinds = [cell.verdict for cell in check.cells]
    suite = ElementTree.Element(
        "testsuite",
        name="harness check",
        tests=str(len(kinds)),
        failures=str(kinds.count("regressed")),
        errors=str(kinds.count("too few")),
    )
    for cell in check.cells:
        case = ElementTree.SubElement(suite, "testcase", classname="harness.check", name=_xml(cell.cell))
        tag = {"regressed": "failure", "too few": "error"}.get(cell.verdict)
        if tag:
            ElementTree.SubElement(case, tag, type=cell.verdict, message=_xml(cell.reason))
        said = [cell.reason, *cell.warnings, *(", ".join(_named(row)) for row in interface_rows(cell))]
        ElementTree.SubElement(case, "system-out").text = _xml("\n".join(said))
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


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
        "metric": check.metric,
        "max_drop": check.max_drop,
        "tolerance": check.tolerance,
        "baseline": check.baseline,
        "candidate": check.candidate,
        "cells": [
            {
                "cell": cell.cell,
                "verdict": cell.verdict,
                "reason": cell.reason,
                "baseline": _finite(cell.baseline),
                "candidate": _finite(cell.candidate),
                "difference": _finite(cell.result.difference.mean),
                "low": _finite(cell.result.difference.low),
                "high": _finite(cell.result.difference.high),
                "confidence": cell.confidence,
                "visible_drop": _finite(cell.result.visible_drop),
                "episodes_needed": cell.result.episodes_needed,
                "pairs": cell.result.episodes,
                "groups": cell.result.difference.clusters,
                "missing": cell.result.missing,
                "interface": {
                    side: None if ledger is None else dict(ledger.counts)
                    for side, ledger in zip(SIDES, cell.interface, strict=True)
                },
                "warnings": list(cell.warnings),
            }
            for cell in check.cells
        ],
        "failures": [asdict(group) for group in check.failures],
        "reported_differences": list(check.reported),
        "without_baseline": list(check.added),
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
