"""The results of `RunView.ranking` and `RunView.compare`: they print as the commands do, and become tables with `to_frame`."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from harness.commands.compare_runs import every_row, flat, print_family
from harness.commands.ranking import print_ranking
from harness.compare.comparison import Family
from harness.compare.conclusions import conclusions
from harness.compare.ranks import as_table
from harness.results.tables import Row

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 120
"""Columns where the terminal's width is not known, as in a notebook."""
ELSEWHERE = "`.to_frame()`"


class Ranking:
    """Arms in their order, with the places that each could have."""

    def __init__(self, rows: Sequence[Row], runs: Sequence[Path]) -> None:
        self._rows, self._runs = rows, runs

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return printed(lambda console: print_ranking(self._rows, self._runs, "table", console, ELSEWHERE))

    def to_frame(self) -> pd.DataFrame:
        """One row per arm, in the ranking's order. Columns and units: docs/api.md, "Ranking"."""
        return as_table(self._rows)


class Comparisons:
    """Comparisons that were made together: one row per environment, split, pairing and actor, p values corrected for all."""

    def __init__(self, family: Family) -> None:
        self.family = family

    def __len__(self) -> int:
        return len(self.family.rows)

    def __repr__(self) -> str:
        return printed(lambda console: print_family(self.family, console, elsewhere=ELSEWHERE))

    @property
    def verdict(self) -> str:
        """Sentences on what may be concluded and what may not, one a line, as `harness compare` says it."""
        return "\n".join(conclusions(self.family))

    def to_frame(self, controls: bool = False) -> pd.DataFrame:
        """One row per comparison; with `controls`, below it a row for each control in the other's place (`role` is
        "control"). Columns and units: docs/api.md, "Comparisons"."""
        import pandas as pd

        return pd.DataFrame([flat(row, role) for role, row in every_row(self.family) if controls or not role])


def printed(show: Callable[[Console], None]) -> str:
    """The text that is shown on a terminal of this width, without colours."""
    width = shutil.get_terminal_size((WIDTH, 24)).columns
    text = io.StringIO()
    show(Console(file=text, width=width, force_terminal=True, force_jupyter=False, color_system=None))
    return text.getvalue().strip("\n")
