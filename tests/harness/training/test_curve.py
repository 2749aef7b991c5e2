"""The curve is whole or as it was, and a training's held-out runs are found in their order."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.errors import BadInput
from harness.results.tables import find_runs
from harness.results.training_curve import CURVE, CurveRow, find_trainings, held_out_runs, read_curve, write_curve


def row(iteration: int) -> CurveRow:
    return CurveRow(training="t", iteration=iteration, strategist="epo", seconds={f"play-{iteration}": 1.5})


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert read_curve(tmp_path) == []
    rows = [row(0), row(1)]
    write_curve(tmp_path, rows)
    assert read_curve(tmp_path) == rows
    write_curve(tmp_path, rows[:1])
    assert read_curve(tmp_path) == rows[:1]


def test_a_line_that_does_not_fit_is_named(tmp_path: Path) -> None:
    write_curve(tmp_path, [row(0)])
    with open(tmp_path / CURVE, "a") as file:
        file.write('{"iteration": "one"}\n')
    with pytest.raises(BadInput, match=r"training\.jsonl, line 2 .*training: Field required"):
        read_curve(tmp_path)


def test_held_out_runs_are_found_from_the_training_and_from_the_folder_it_lies_in(tmp_path: Path) -> None:
    training = tmp_path / "results" / "t"
    names = [f"t@{k}" for k in (0, 1, 2, 9, 10)]
    for name in [*reversed(names), "not-a-run"]:
        (training / "held-out" / name).mkdir(parents=True)
    for name in names:
        (training / "held-out" / name / "manifest.json").write_text("{}")
    (training / "training.json").write_text("{}")
    assert [path.name for path in held_out_runs(training)] == names
    assert find_trainings(training) == find_trainings(tmp_path / "results") == [training]
    assert [path.name for path in find_runs([training])] == names
    assert [path.name for path in find_runs([tmp_path / "results"])] == names
