"""`harness check`: the CI gate, and making its baseline. Exit codes: 0 pass, 1 regressed, 2 bad input, 3 too few."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from harness.base.errors import BadInput
from harness.commands.printing import Grid, Look, print_grids, say
from harness.compare.arms import load_run
from harness.compare.baseline import baseline_text, is_baseline, make_baseline
from harness.compare.check_reports import (
    HEADLINES,
    INTERFACE,
    as_json,
    interface_rows,
    is_json,
    is_junit,
    is_markdown,
    junit,
    markdown,
)
from harness.compare.comparability import check_categories
from harness.compare.regression import CellCheck, Check, check
from harness.compare.sources import load
from harness.results.index import verify_indexes
from harness.results.ledger import LINE_HEADINGS
from harness.results.tables import flag_lines
from harness.results.targets import Mine, Target, append_to, file_target, refuse_twice
from harness.runs.failures import failure_lines

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


def check_run(arguments: argparse.Namespace) -> int:
    """Print and write how the candidate stands beside the baseline; the result's exit code."""
    if arguments.baseline is None or arguments.candidate is None:
        raise BadInput("give --baseline FILE and --candidate RUN (or --make-baseline RUN --out FILE)")
    outputs = _outputs(arguments)
    result = check(
        load(_there(arguments.baseline), arguments.judge),
        load_run(_there(arguments.candidate), arguments.judge),
        arguments.metric,
        arguments.max_drop,
        arguments.tolerance,
        check_categories(arguments.allow),
    )
    # where a report is standard output, the table for people is not
    console = Console(stderr=any(target.descriptor == 1 for target, _ in outputs))
    _print(result, console)
    for line in flag_lines([arguments.candidate], arguments.judge):
        say(console, f"candidate: {line}")
    for target, text in outputs:
        target.write(text(result))
    if os.environ.get(STEP_SUMMARY):
        append_to(Path(os.environ[STEP_SUMMARY]), STEP_SUMMARY, markdown(result))
    return result.exit_code


Report = Callable[[Check], str]


def _outputs(arguments: argparse.Namespace) -> list[tuple[Target, Report]]:
    """The reports that are asked for, each with its checked place."""
    reports: dict[str, tuple[Mine, Report]] = {
        "markdown": (is_markdown, markdown),
        "junit": (is_junit, junit),
        "json": (is_json, _json),
    }
    found = [
        (file_target(path, f"--{name}", mine), report)
        for name, (mine, report) in reports.items()
        if (path := getattr(arguments, name)) is not None
    ]
    refuse_twice([target for target, _ in found])
    return found


def _json(result: Check) -> str:
    return json.dumps(as_json(result), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_baseline(arguments: argparse.Namespace) -> int:
    """Write the baseline that --make-baseline asks for."""
    if arguments.out is None:
        raise BadInput("--make-baseline RUN needs --out FILE")
    out = file_target(arguments.out, "--out", is_baseline)
    baseline = make_baseline(load_run(_there(arguments.make_baseline), arguments.judge))
    out.write(baseline_text(baseline))
    rows = sum(len(cell.rows) for cell in baseline.cells)
    print(f"{out.path}: {rows} outcomes of {len(baseline.cells)} cells", file=out.notes)
    return 0


def _there(path: Path) -> Path:
    """The path, with the indexes of a run compared with its records line by line: nothing may hide behind them."""
    if not path.exists():
        raise BadInput(f"{path} does not exist; expected a run's folder, or a file that --make-baseline made")
    verify_indexes(path)
    return path


def _print(result: Check, console: Console) -> None:
    names = ("cell", "baseline", "candidate", "difference", "verdict")
    print_grids(console, [Grid("", names, [_texts(cell) for cell in result.cells])], Look(words=("cell", "verdict")))
    _print_interface(console, result)
    lines = [f"{cell.cell}: {line}" for cell in result.cells for line in cell.warnings]
    lines += [f"{cell.cell}: {cell.reason}" for cell in result.cells]
    lines += [f"differs, as it may: {line}" for line in result.reported]
    lines += [f"without a baseline: {cell}" for cell in result.added]
    if result.failures:
        lines += ["what failed in the candidate:", *failure_lines(result.failures)]
    for line in [*lines, HEADLINES[result.verdict]]:
        say(console, line)


def _print_interface(console: Console, result: Check) -> None:
    """Print how the replies of both sides were read."""
    heads = ("side", *(LINE_HEADINGS.get(name, name) for name in INTERFACE))
    grids = [Grid(f"{cell.cell}: how answers were read", heads, interface_rows(cell)) for cell in result.cells]
    look = Look(
        words=("side", "role"), spared=("answer in reasoning", "asked again", "mended"), elsewhere="`--json FILE`"
    )
    print_grids(console, [grid for grid in grids if grid.rows], look)


def _texts(cell: CellCheck) -> list[str]:
    difference = cell.result.difference.mean
    return [cell.cell, f"{cell.baseline:.3f}", f"{cell.candidate:.3f}", f"{difference:+.3f}", cell.verdict]
