"""`harness check`: the CI gate, and making its baseline. Exit codes: 0 pass, 1 regressed, 2 bad input, 3 too few."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from harness.base.counts import counted
from harness.base.errors import BadInput
from harness.commands.printing import Grid, Look, print_grids, say
from harness.compare.arms import load_run, refuse_copies
from harness.compare.baseline import baseline_text, is_baseline, make_baseline
from harness.compare.check_reports import (
    INTERFACE,
    as_json,
    interface_rows,
    is_json,
    is_junit,
    is_markdown,
    junit,
    markdown,
)
from harness.compare.check_words import SHOWN_CELLS, cell_sentence, explaining, verdict_lines
from harness.compare.comparability import check_categories
from harness.compare.regression import CellCheck, Check, check
from harness.compare.sources import load
from harness.compare.trust import distrust
from harness.results.index import verify_indexes
from harness.results.kin import kin_sentences
from harness.results.ledger import LINE_HEADINGS
from harness.results.store import read_manifest
from harness.results.tables import flag_lines
from harness.results.targets import Mine, Target, append_to, file_target, refuse_twice
from harness.runs.failures import failure_lines
from harness.statistics.gate import MAX_DROP

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


def check_run(arguments: argparse.Namespace) -> int:
    """Print and write how the candidate stands beside the baseline; the result's exit code."""
    if arguments.baseline is None or arguments.candidate is None:
        raise BadInput("give --baseline FILE and --candidate RUN (or --make-baseline RUN --out FILE)")
    outputs = _outputs(arguments)
    max_drop, note = _allowed_drop(arguments.max_drop, arguments.tolerance)
    result = check(
        load(_there(arguments.baseline), arguments.judge),
        load_run(_there(arguments.candidate), arguments.judge),
        arguments.metric,
        max_drop,
        check_categories(arguments.allow),
        arguments.anytime,
    )
    manifest = read_manifest(arguments.candidate)
    config, against = manifest["config"], distrust(arguments.candidate, arguments.judge or manifest["judge"])
    flagged = flag_lines([arguments.candidate], arguments.judge)
    result = replace(result, cautions=(*flagged, *kin_sentences(config, arguments.judge), *against))
    # where a report is standard output, the table for people is not
    console = Console(stderr=any(target.descriptor == 1 for target, _ in outputs))
    _print(result, note, console)
    for line in result.cautions:
        say(console, f"candidate: {line}")
    for target, text in outputs:
        target.write(text(result))
    if os.environ.get(STEP_SUMMARY):
        append_to(Path(os.environ[STEP_SUMMARY]), STEP_SUMMARY, markdown(result))
    return result.exit_code


def _allowed_drop(max_drop: float | None, tolerance: float | None) -> tuple[float, list[str]]:
    """The allowed drop, and a line on `--tolerance`, its old name, where that was given."""
    if tolerance is None:
        return MAX_DROP if max_drop is None else max_drop, []
    if max_drop:
        return max_drop, [f"--tolerance is the old name of --max-drop: {max_drop:g} counts, {tolerance:g} does not."]
    return tolerance, [
        f"--tolerance {tolerance:g} is the old name of --max-drop {tolerance:g} and now means the allowed drop: the interval has "
        "to lie above it to pass, below it to regress. Before, every drop that showed was called regressed; --max-drop 0 "
        "does that."
    ]


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
        raise BadInput("--make-baseline RUN … needs --out FILE")
    out = file_target(arguments.out, "--out", is_baseline)
    refuse_copies([_there(run) for run in arguments.make_baseline])
    baseline = make_baseline(*(load_run(run, arguments.judge) for run in arguments.make_baseline))
    out.write(baseline_text(baseline))
    rows = sum(len(each) for cell in baseline.cells for each in (cell.rows, *cell.more))
    runs = len(baseline.more_runs) + 1
    print(
        f"{out.path}: {counted(rows, 'outcome')} of {counted(len(baseline.cells), 'cell')} in {counted(runs, 'run')}",
        file=out.notes,
    )
    return 0


def _there(path: Path) -> Path:
    """The path, with the indexes of a run compared with its records line by line: nothing may hide behind them."""
    if not path.exists():
        raise BadInput(f"{path} does not exist; expected a run's folder, or a file that --make-baseline made")
    verify_indexes(path)
    return path


def _print(result: Check, notes: list[str], console: Console) -> None:
    """Print the pooled verdict, and where it is not *pass* the cells that explain it and what else differs."""
    for line in [*verdict_lines(result), *notes]:
        say(console, line)
    shown = explaining(result)
    if shown:
        names = ("cell", "baseline", "candidate", "difference", "verdict")
        rows = [_texts(cell) for cell in shown[:SHOWN_CELLS]]
        print_grids(console, [Grid("", names, rows)], Look(words=("cell", "verdict")))
    _print_interface(console, [cell for cell in result.cells if cell in shown or cell.warnings])
    for line in _further(result, shown):
        say(console, line)


def _further(result: Check, shown: list[CellCheck]) -> list[str]:
    lines = [f"{cell.cell}: {line}" for cell in result.cells for line in cell.warnings]
    lines += [f"{cell.cell}: {cell_sentence(cell)}" for cell in shown[:SHOWN_CELLS]] if len(result.cells) > 1 else []
    left = len(shown) - SHOWN_CELLS
    lines += [f"… and {counted(left, 'more cell')}: in --json -"] if left > 0 else []
    if result.verdict == "pass":
        count = len(result.reported)
        lines += [f"{counted(count, 'difference')} in strategists, prompts and code: see --markdown -"] if count else []
    else:
        lines += [f"differs, as it may: {line}" for line in result.reported]
        lines += ["what failed in the candidate:", *failure_lines(result.failures)] if result.failures else []
    return [*lines, *(f"without a baseline: {cell}" for cell in result.added)]


def _print_interface(console: Console, cells: list[CellCheck]) -> None:
    """Print how the replies of both sides were read."""
    heads = ("side", *(LINE_HEADINGS.get(name, name) for name in INTERFACE))
    grids = [Grid(f"{cell.cell}: how answers were read", heads, interface_rows(cell)) for cell in cells]
    look = Look(
        words=("side", "role"), spared=("answer in reasoning", "asked again", "mended"), elsewhere="`--json FILE`"
    )
    print_grids(console, [grid for grid in grids if grid.rows], look)


def _texts(cell: CellCheck) -> list[str]:
    difference = cell.result.difference.mean
    return [cell.cell, f"{cell.baseline:.3f}", f"{cell.candidate:.3f}", f"{difference:+.3f}", cell.verdict]
