"""`harness leaderboard --published`: what others have published, as a table of its own below the ranking."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from harness.base.errors import BadInput
from harness.commands.printing import Grid, Look, print_grids, say
from harness.compare.ranks import ranked_table
from leaderboard.board import plain_rows
from leaderboard.published import NOTICE, published, read_published

SHOWN = ("model", "environment", "split", "setting", "partner", "judge", "goal", "overall", "other", "source")
OTHERS = ("success", "score", "relationship", "believability", "knowledge", "secret", "social_rules",
          "financial_and_material_benefits")  # fmt: skip


def published_json(runs: Sequence[Path], judge: str | None, min_coverage: float) -> str:
    """Both tables as JSON, apart."""
    measured = plain_rows(ranked_table(runs, judge, min_coverage)) if runs else []
    whole = {"measured": measured, "published": {"notice": NOTICE, "rows": plain_rows(published())}}
    return json.dumps(whole, indent=2, ensure_ascii=False, default=_number)


def _number(value: Any) -> Any:
    """numpy's numbers as Python's."""
    return value.item()


def print_published(form: str, measured: bool) -> None:
    """The published rows as a text table, Markdown or, where nothing else is printed, csv. Raises `BadInput` for a csv
    of both."""
    table = published()
    if form == "csv":
        if measured:
            raise BadInput("--published --format csv: one csv holds one table; use --format json, or give no PATH")
        table.to_csv(sys.stdout, index=False)
        return
    rows = [_texts(row) for row in table.to_dict("records")]
    caveats = [f"{each.name}: {each.citation}. Caveat: {each.caveat}." for each in read_published().sources.values()]
    if form == "markdown":
        print(f"\n**{NOTICE}**\n\n| {' | '.join(SHOWN)} |\n{'|---' * len(SHOWN)}|")
        for row in rows:
            print("| " + " | ".join(text.replace("|", "\\|") for text in row) + " |")
        print("\n" + "\n".join(f"- {line}" for line in caveats))
        return
    console = Console()
    look = Look(words=[name for name in SHOWN if name not in ("goal", "overall")])
    print_grids(console, [Grid(f"\n{NOTICE}", SHOWN, rows)], look)
    for line in caveats:
        say(console, line)


def _texts(row: dict[Any, Any]) -> list[str]:
    row["other"] = ", ".join(f"{name} {row[name]:g}" for name in OTHERS if not pd.isna(row[name]))
    if not pd.isna(row["margin"]):
        row["goal"] = f"{row['goal']:g} ± {row['margin']:g}"
    return ["–" if row[name] is None or row[name] != row[name] or row[name] == "" else str(row[name]) for name in SHOWN]
