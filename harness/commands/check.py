"""`harness check`: the CI gate, and making its baseline. Exit codes: 0 pass, 1 regressed, 2 bad input, 3 too few."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from rich.console import Console

from harness.arms import load, load_run
from harness.baseline import make_baseline, write_baseline
from harness.check_reports import HEADLINES, INTERFACE, as_json, interface_rows, junit, markdown
from harness.commands.printing import Grid, Look, print_grids, say
from harness.comparability import check_categories
from harness.errors import BadInput
from harness.failures import failure_lines
from harness.ledger import LINE_HEADINGS
from harness.regression import CellCheck, Check, check

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


def check_command(arguments: argparse.Namespace) -> int:
    if arguments.make_baseline is not None:
        return _make(arguments)
    if arguments.baseline is None or arguments.candidate is None:
        raise BadInput("give --baseline FILE and --candidate RUN (or --make-baseline RUN --out FILE)")
    result = check(
        load(_there(arguments.baseline), arguments.judge),
        load_run(_there(arguments.candidate), arguments.judge),
        arguments.metric,
        arguments.max_drop,
        arguments.tolerance,
        check_categories(arguments.allow),
    )
    _print(result)
    summary = markdown(result)
    _write(arguments.markdown, summary)
    _write(arguments.junit, junit(result))
    _write(arguments.json, json.dumps(as_json(result), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    if os.environ.get(STEP_SUMMARY):
        _write(Path(os.environ[STEP_SUMMARY]), summary, "a")
    return result.exit_code


def _make(arguments: argparse.Namespace) -> int:
    if arguments.out is None:
        raise BadInput("--make-baseline RUN needs --out FILE")
    baseline = make_baseline(load_run(_there(arguments.make_baseline), arguments.judge))
    try:
        write_baseline(baseline, arguments.out)
    except OSError as error:
        raise BadInput(f"can not write {arguments.out}: {error.strerror}") from error
    rows = sum(len(cell.rows) for cell in baseline.cells)
    print(f"{arguments.out}: {rows} outcomes of {len(baseline.cells)} cells")
    return 0


def _there(path: Path) -> Path:
    if not path.exists():
        raise BadInput(f"{path} does not exist; expected a run's folder, or a file that --make-baseline made")
    return path


def _write(path: Path | None, text: str, mode: str = "w") -> None:
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BadInput(f"can not write {path}: {error.strerror}") from error


def _print(result: Check) -> None:
    console = Console()
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
    """How the replies of both sides were read."""
    heads = ("side", *(LINE_HEADINGS.get(name, name) for name in INTERFACE))
    grids = [Grid(f"{cell.cell}: how answers were read", heads, interface_rows(cell)) for cell in result.cells]
    look = Look(
        words=("side", "role"), spared=("answer in reasoning", "asked again", "mended"), elsewhere="`--json FILE`"
    )
    print_grids(console, [grid for grid in grids if grid.rows], look)


def _texts(cell: CellCheck) -> list[str]:
    difference = cell.result.difference.mean
    return [cell.cell, f"{cell.baseline:.3f}", f"{cell.candidate:.3f}", f"{difference:+.3f}", cell.verdict]
