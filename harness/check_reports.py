"""The reports of `harness check`: Markdown for a CI step summary, JUnit XML for test views, JSON for scripts."""

from __future__ import annotations

import math
from typing import Any
from xml.etree import ElementTree

from harness.regression import Check

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
    for title, items in (("Differs, as it may", check.reported), ("New, without a baseline", check.added)):
        if items:
            shown = [f"- {_safe(item)}" for item in items[:LINES_SHOWN]]
            rest = [f"- … and {len(items) - LINES_SHOWN} more"] if len(items) > LINES_SHOWN else []
            lines += ["", f"<details><summary>{title} ({len(items)})</summary>", "", *shown, *rest, "", "</details>"]
    return "\n".join(lines).rstrip() + "\n"


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
        ElementTree.SubElement(case, "system-out").text = _xml(cell.reason)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


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
            }
            for cell in check.cells
        ],
        "reported_differences": list(check.reported),
        "without_baseline": list(check.added),
    }


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
