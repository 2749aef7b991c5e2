"""The command line this process was started with, so that printed advice works as it stands. A leaf module."""

from __future__ import annotations

import os
import re
import shutil
import sys
from functools import cache
from pathlib import Path

NAME = "harness"
COMMAND = r"(?m:(?P<before>^\s*|[`(:.] *)harness(?= +[a-z-]))"
"""A command in a text of ours: at the beginning of a line, in backticks, or after a colon, a dot or a bracket."""


@cache
def called_as() -> str:
    """The text that runs this program again from the reader's folder: `harness` where that is on the PATH, else the path by
    which it was called (`.venv/bin/harness`)."""
    own = Path(sys.argv[0])
    if own.name != NAME or not own.is_file():
        return NAME
    found = shutil.which(NAME)
    if found is not None and os.path.samefile(found, own):
        return NAME
    return from_here(own.absolute())


def as_called(text: str) -> str:
    """A text of ours with its `harness …` commands as they work here."""
    name = called_as()
    return text if name == NAME else re.sub(COMMAND, lambda found: found["before"] + name, text)


def installs(extra: str) -> str:
    """The command that installs one of our extras into the environment of this program: from the checkout where it runs
    from one."""
    root = Path(__file__).resolve().parents[2]
    checkout = (root / "pyproject.toml").is_file()
    what = f"-e '{from_here(root)}[{extra}]'" if checkout else f"'strategist-harness[{extra}]'"
    own, found = Path(sys.executable), shutil.which("python")
    python = "python" if found is not None and Path(found).parent == own.parent else from_here(own)
    return f"{python} -m pip install {what}"


def from_here(path: Path) -> str:
    """The path from where the reader stands, if it lies below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
