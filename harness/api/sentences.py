"""Lines that say where a run stands."""

from __future__ import annotations

from pathlib import Path

from harness.base.counts import counted
from harness.commands.run_experiment import after_lines, stopped_lines
from harness.results.tables import cell_rows
from harness.runs.summary import RunSummary


def standing(folder: Path, judge: str | None) -> str:
    """Say how many episodes of a run were planned, and what became of them."""
    rows = cell_rows([folder], judge)
    sums = {name: sum(row[name] for row in rows) for name in ("planned", "finished", "failed", "unscored")}
    return (
        f"{folder}: {sums['finished']:,} of {counted(sums['planned'], 'planned episode')} finished, {sums['failed']:,} failed, "
        f"{sums['unscored']:,} unscored, in {counted(len(rows), 'arm')}"
    )


def told(summary: RunSummary) -> list[str]:
    """Say why a play stopped early and what failed, as `harness run` says it at its end."""
    return [*stopped_lines(summary), *after_lines(summary)]
