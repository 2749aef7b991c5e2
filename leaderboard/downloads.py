"""A table as CSV, Markdown and LaTeX. All three hold the texts of the table itself, row by row, and nothing else."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from harness.base.spreadsheets import harmless_table

if TYPE_CHECKING:
    import pandas as pd

MIME = {"csv": "text/csv", "md": "text/markdown", "tex": "application/x-tex"}
"""File ending -> type."""


def to_csv(table: pd.DataFrame) -> str:
    """UTF-8 text with a header line; what a spreadsheet would take for a formula has an apostrophe before it."""
    text = io.StringIO()
    harmless_table(table).to_csv(text, index=False, lineterminator="\n")
    return text.getvalue()


def to_markdown(table: pd.DataFrame) -> str:
    """A GitHub table. What Markdown or HTML would read as more than text has a backslash before it."""
    lines = [_line([str(name) for name in table.columns]), "|" + " --- |" * len(table.columns)]
    lines += [_line([str(value) for value in row]) for row in table.itertuples(index=False, name=None)]
    return "\n".join(lines) + "\n"


def _line(texts: list[str]) -> str:
    return "| " + " | ".join(escape_markdown(text) for text in texts) + " |"


def escape_markdown(text: str) -> str:
    """The text so that Markdown shows it as it is, on one line."""
    one = " ".join(text.splitlines())
    return re.sub(r"([\\`*_\[\]<>|$~&])", r"\\\1", one)


def to_latex(table: pd.DataFrame) -> str:
    """A `tabular` for the package booktabs, every special character escaped."""
    import pandas as pd

    texts = table.map(escape_latex)
    texts.columns = pd.Index([escape_latex(name) for name in table.columns])
    return texts.to_latex(index=False, escape=False, column_format="l" * len(table.columns))


LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": r"\textasciigrave{}", "\"": r"\textquotedbl{}", "…": r"\dots{}", "–": "--", "−": "$-$",
    "·": r"\textperiodcentered{}", "±": r"$\pm$",
}  # fmt: skip


def escape_latex(text: object) -> str:
    """The text so that LaTeX typesets it as it is, on one line."""
    return "".join(LATEX.get(char, char) for char in " ".join(str(text).splitlines()))
