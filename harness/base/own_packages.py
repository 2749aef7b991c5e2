"""A check that the top-level packages this project is made of are its own, and not another distribution's of the same name."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from harness.base.errors import BadInput

PACKAGES = ("agents", "environments", "leaderboard")
MARK = "of the strategist harness"
"""Words in the first docstring of each of them."""


def check_packages() -> None:
    """Find each package without importing it. Raises `BadInput` if Python would import another one of that name."""
    for name in PACKAGES:
        spec = find_spec(name)
        place = None if spec is None else spec.origin
        if place is None or not _is_ours(Path(place)):
            raise BadInput(_advice(name, place))


def _is_ours(file: Path) -> bool:
    try:
        with file.open(encoding="utf-8", errors="replace") as text:
            return MARK in text.read(1000)
    except OSError:
        return False


def _advice(name: str, place: str | None) -> str:
    where = "is missing" if place is None else f"is not the harness's own: Python finds {place}"
    return (
        f"the package {name!r} {where}. Another package of that name stands before it or has replaced it (openai-agents brings "
        "an `agents`, for example), and each breaks the other. Install the harness in an environment of its own: "
        "`python -m venv .venv`, then `.venv/bin/pip install strategist-harness`; or take that folder off PYTHONPATH."
    )
