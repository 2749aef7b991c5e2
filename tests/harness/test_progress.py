"""What a person is told of waiting."""

from __future__ import annotations

import io

from rich.console import Console

from harness.runs.progress import Progress


def told(*ticks: list[tuple[str, float]]) -> list[str]:
    """What is said on no terminal, where these endpoints are waited for, tick after tick."""
    out = io.StringIO()
    progress = Progress(Console(file=out))
    for waits in ticks:
        progress.waits(waits)
    return out.getvalue().splitlines()


def test_a_pause_is_told_when_it_begins_and_not_with_every_tick() -> None:
    assert told([("m", 34.2)], [("m", 33.7)], [("m", 33.2)]) == ["waiting for m's quota, 34 s"]


def test_another_endpoints_pause_is_told_as_well_and_nothing_is_said_of_none() -> None:
    assert told([], [("m", 9.0)], [("m", 8.0), ("judge", 30.0)], []) == [
        "waiting for m's quota, 9 s",
        "waiting for m's quota, 8 s; waiting for judge's quota, 30 s",
    ]
    assert told([]) == []
