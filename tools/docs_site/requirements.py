"""Print the packages of the extra `docs`, for an environment that has nothing else."""

from __future__ import annotations

import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def requirements() -> list[str]:
    """The extra's requirements as pip takes them, without spaces."""
    extras = tomllib.loads(PROJECT.read_text("utf-8"))["project"]["optional-dependencies"]
    return [each.replace(" ", "") for each in extras["docs"]]


if __name__ == "__main__":
    print("\n".join(requirements()))
