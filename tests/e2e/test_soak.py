"""The soak in its short form. The full one is a command: `python -m benchmarks.soak` (docs/reliability.md)."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.soak import Plan, Soak, history_problems


@pytest.mark.slow
def test_after_faults_kills_a_full_disk_and_a_leaping_clock_nothing_is_lost_doubled_or_unaccounted_for(
    tmp_path: Path,
) -> None:
    soak = Soak(Plan(episodes=400, worker_kills=4, parent_kills=2), tmp_path)
    assert not soak.go(seconds=8), "the first piece was to be cut short"
    assert Soak(soak.plan, tmp_path).tally == soak.tally
    soak = Soak(soak.plan, tmp_path)
    assert soak.go(seconds=600), soak.tally
    table, wrong = soak.verdict()
    for name, value in table:
        print(f"| {name} | {value} |")
    assert wrong == []


def record(attempt: int, kind: str | None = None, turns: int = 4) -> dict[str, object]:
    error = None if kind is None else {"kind": kind, "message": "why"}
    return {"attempt": attempt, "error": error, "turns": [{}] * turns, "calls": []}


HISTORIES = {
    "finished": ([record(1)], None),
    "owed, then finished": ([record(1, "infrastructure"), record(2)], None),
    "a result": ([record(1, "model")], None),
    "finished twice": ([record(1), record(2)], "played again although it finished"),
    "the same attempt twice": ([record(1, "infrastructure"), record(1)], "attempts [1, 1]"),
    "an attempt is missing": ([record(2)], "attempts [2]"),
    "a result played again": ([record(1, "model"), record(2)], "played again although it failed for good"),
    "still unfinished": ([record(1, "infrastructure")], "still unfinished"),
    "too short": ([record(1, turns=3)], "finished without four answered turns"),
    "a kind that nothing of this can have": ([record(1, "environment")], "failed as"),
}


@pytest.mark.parametrize(("tries", "problem"), HISTORIES.values(), ids=HISTORIES)
def test_the_soak_sees_what_is_wrong_with_an_episodes_records(
    tries: list[dict[str, object]], problem: str | None
) -> None:
    found = list(history_problems(tries))
    assert (found == []) if problem is None else (problem in found[0])
