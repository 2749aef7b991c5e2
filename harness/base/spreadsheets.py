"""CSV for spreadsheets: they take a cell that begins with `=`, `+`, `-` or `@` for a formula, and a run's names may be
somebody else's. A leaf module."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = frozenset("=+-@＝＋－＠")
_N = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_FIGURE = rf"{_N}(?: … {_N})?(?: \({_N} … {_N}\)(?:, p (?:< )?{_N})?)?(?: †)?"
"""A number, an interval, or both with a p-value, as the viewer's tables write them; † marks one that may be too narrow."""
RAW_HELP = "csv: names as they are, also those that a spreadsheet would take for a formula (`=…` gets a ' before it)"
"""Help of the option `--raw`."""


def harmless(value: Any) -> Any:
    """A cell that no spreadsheet reads as a formula: a text that begins like one, or with a control character, has an
    apostrophe before it. Figures written as text stay."""
    if not isinstance(value, str) or not value:
        return value
    first = value[0]
    dangerous = first in _FORMULA or unicodedata.category(first) in ("Cc", "Cf")
    return f"'{value}" if dangerous and not re.fullmatch(_FIGURE, value) else value


def harmless_table(table: pd.DataFrame) -> pd.DataFrame:
    """The table with such cells and headings; its other columns as they are."""
    texts = [name for name in table.columns if table[name].dtype.kind not in "biufcmM"]
    changed = table.assign(**{str(name): table[name].map(harmless, na_action="ignore") for name in texts})
    return changed.rename(columns=harmless)
