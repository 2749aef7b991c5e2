"""csv: one row per episode, with its scores, cost and place. No text that an agent wrote is in it: a spreadsheet would take
`=…` for a formula."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from leaderboard.tables import episodes

LEFT_OUT = ("offset", "length", "needs_judge")


def write_csv(run: Path, out: Path, judge: str | None = None) -> int:
    """Write the run's episodes to the file `out`, whole or not at all; returns how many. Numbers keep full precision."""
    table = csv_table(run, judge)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.tmp")
    table.to_csv(temporary, index=False)
    os.replace(temporary, out)
    return len(table)


def csv_table(run: Path, judge: str | None = None) -> pd.DataFrame:
    """The rows of `write_csv`: `leaderboard.tables.episodes` without places in files."""
    table = episodes(run, judge)
    return table.drop(columns=[name for name in LEFT_OUT if name in table])
