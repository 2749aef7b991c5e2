"""The engine against recordings of the original (alfworld 0.4.2 on textworld 1.7.0): every word of every step."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.parity.alfworld import Comparison, main, replay_file
from tests.shared_data import shared_data

STEPS = {
    "generated6": 1761,
    "gym_contract": 122,
    "valid_seen.0": 12605,
    "valid_seen.50": 17428,
    "valid_seen.100": 12145,
    "valid_seen.oldstyle": 4118,
    "valid_seen.states": 5080,
    "valid_train.0": 7221,
    "valid_train.30": 7760,
    "valid_train.mix": 6224,
    "valid_train.states": 791,
}


def games_of(name: str) -> Path:
    return shared_data("alfworld", "games_oldstyle" if "oldstyle" in name else "games")


def recording(name: str) -> Path:
    return shared_data("alfworld", "recordings", f"{name}.jsonl.gz")


@pytest.mark.parametrize("name", STEPS)
def test_recorded_steps_are_repeated_without_a_mismatch(name: str) -> None:
    comparison = Comparison()
    replay_file(recording(name), [games_of(name)], comparison)
    assert comparison.shown == []
    assert (comparison.steps, comparison.mismatches) == (STEPS[name], 0)


def _first_record(name: str) -> dict[str, Any]:
    with gzip.open(recording(name), "rt", encoding="utf-8") as lines:
        return json.loads(next(lines))


@pytest.mark.parametrize(
    ("part", "value"),
    [("obs", "You arrive somewhere."), ("adm", ["look"]), ("won", True), ("reward", 1), ("done", True)],
)
def test_a_changed_recording_is_a_mismatch(
    part: str, value: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = _first_record("valid_seen.0")
    steps = sum(len(run["steps"]) for run in record["runs"])
    record["runs"][1]["steps"][3][part] = value
    changed = tmp_path / "changed.jsonl"
    changed.write_text(json.dumps(record) + "\n", encoding="utf-8")
    assert main([str(changed), "--games", str(games_of("valid_seen.0"))]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[-1] == f"{steps} steps, 1 mismatches"
    assert "run 1 (random), step 3" in out[0]


def test_a_changed_name_is_a_mismatch_and_ten_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = _first_record("valid_seen.0")
    record["names"] = dict.fromkeys(record["names"], "thing 1")
    changed = tmp_path / "changed.jsonl.gz"
    with gzip.open(changed, "wt", encoding="utf-8") as out:
        out.write(json.dumps(record) + "\n")
    assert main([str(changed), "--games", str(games_of("valid_seen.0"))]) == 1
    shown = capsys.readouterr().out
    assert shown.count("display name of") == 10
    assert shown.splitlines()[-1].endswith(f"{len(record['names'])} mismatches")


def test_the_command_ends_with_the_counts_and_zero(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(recording("gym_contract")), "--games", str(games_of("gym_contract"))]) == 0
    assert capsys.readouterr().out == "122 steps, 0 mismatches\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{not json", "line 1"),
        ('{"runs": []}', "'game'"),
        ('{"game": "valid_seen/none/none", "runs": []}', "--games"),
        ('{"game": "../../etc/passwd", "runs": []}', "--games"),
    ],
)
def test_a_file_that_is_no_recording_is_refused(
    line: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text(line + "\n", encoding="utf-8")
    assert main([str(broken), "--games", str(tmp_path)]) == 2
    assert expected in capsys.readouterr().err
