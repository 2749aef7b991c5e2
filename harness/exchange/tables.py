"""csv: one row per episode, with its scores, cost and place. No text that an agent wrote is in it: a spreadsheet would take
`=…` for a formula."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from harness.base.spreadsheets import harmless_table
from harness.results.tables import episodes
from harness.results.targets import Target, read_start

LEFT_OUT = ("offset", "length", "needs_judge")
HEAD = "run,episode_id,cell,environment,split,protocol,pairing,actor,strategist,task_id,group,"
"""Begins every such file, of earlier versions, too."""
AT_ONCE = 20_000
"""Rows that are text at a time."""


def is_episodes_csv(path: Path) -> bool:
    """True if `write_csv` wrote a file."""
    return read_start(path).startswith(HEAD)


def write_csv(run: Path, out: Target, judge: str | None = None, raw: bool = False) -> int:
    """Write the run's episodes to the file `out`, whole or not at all; returns how many. Numbers keep full precision.
    `raw`: names that a spreadsheet would take for formulas stay as they are."""
    table = csv_table(run, judge)
    table = table if raw else harmless_table(table)
    out.write(_parts(table))
    return len(table)


def _parts(table: pd.DataFrame) -> Iterator[str]:
    for start in range(0, max(len(table), 1), AT_ONCE):
        yield table[start : start + AT_ONCE].to_csv(index=False, header=start == 0)


def csv_table(run: Path, judge: str | None = None) -> pd.DataFrame:
    """The rows of `write_csv`: `harness.results.tables.episodes` without places in files."""
    table = episodes(run, judge)
    return table.drop(columns=[name for name in LEFT_OUT if name in table])
