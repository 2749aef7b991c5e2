"""Places of files that belong to no run. A leaf module."""

from __future__ import annotations

import os
from pathlib import Path


def data_home() -> Path:
    """Folder of imported and fetched data: $STRATEGIST_HARNESS_HOME or ~/.cache/strategist-harness."""
    return Path(os.environ.get("STRATEGIST_HARNESS_HOME") or Path.home() / ".cache" / "strategist-harness")
