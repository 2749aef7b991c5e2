"""Live logging: what the rows say goes to the log while a run is at work, and a log that fails stops nothing."""

from __future__ import annotations

import importlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.base.errors import BadInput
from harness.cli import main
from harness.exchange.livelog import EVERY_S, FOLDER, LoggedProgress, so_far
from harness.experiment.experiment import Experiment
from harness.results.store import EPISODES
from harness.results.tables import cell_table
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from tests.extras import required
from tests.harness.builders import config
from tests.harness.gate_runs import play, small
from tests.shared_data import missing


def needs(name: str) -> Any:
    """The optional package, or a skip."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return missing(f"{name} is not installed (extra `log`)")


class Kept:
    """A log that keeps what it was given."""

    def __init__(self) -> None:
        self.written: list[tuple[dict[str, float], int]] = []
        self.closed = 0

    def write(self, values: dict[str, float], step: int) -> None:
        self.written.append((values, step))

    def close(self) -> None:
        self.closed += 1


class Broken(Kept):
    def write(self, values: dict[str, float], step: int) -> None:
        self.written.append((values, step))
        raise RuntimeError("no space")


def run_with(folder: Path, log: Kept, seconds: float) -> str:
    """Play a run whose clock goes on by so many seconds with every episode; what was said."""

    def clock() -> float:
        return seconds * (folder / EPISODES).read_bytes().count(b"\n")

    said = io.StringIO()
    with Run(small(limits={"episodes_at_once": 1}), folder) as run:
        execute(run, LoggedProgress(Progress(Console(file=said)), folder, log, clock))
    return said.getvalue()


def test_what_is_logged_at_the_end_is_what_the_table_says(tmp_path: Path) -> None:
    log = Kept()
    run_with(tmp_path / "run", log, 0.0)
    row = cell_table([tmp_path / "run"]).iloc[0]
    [(values, step)] = log.written
    assert step == values["episodes/finished"] == row["finished"] == 30
    assert values[f"goal/{row['cell']}"] == pytest.approx(row["goal"])
    assert values["cost/calls"] == row["calls"] + row["judge_calls"] + row["process_calls"], "the run's, not the arm's"
    assert values["cost/usd"] == 0, "a scripted model costs nothing"
    assert log.closed == 1


def test_it_logs_while_the_run_is_at_work_and_not_at_every_episode(tmp_path: Path) -> None:
    log = Kept()
    run_with(tmp_path / "run", log, EVERY_S / 4)
    steps = [step for _, step in log.written]
    assert 3 < len(steps) < 30
    assert steps == sorted(steps)


def test_a_log_that_fails_is_switched_off_and_the_run_goes_on(tmp_path: Path) -> None:
    log = Broken()
    said = run_with(tmp_path / "run", log, EVERY_S)
    assert len(log.written) == 3
    assert said.count("no space") == 3
    assert said.count("switched off") == 1
    assert so_far(tmp_path / "run")["episodes/finished"] == 30


def test_the_log_is_no_part_of_a_runs_identity() -> None:
    assert Experiment.model_validate(config(log="wandb")).identity == Experiment.model_validate(config()).identity


def test_an_unknown_log_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(json.dumps(config(log="notebook")))
    assert main(["run", str(file), "--results", str(tmp_path)]) == 2
    assert "`log`" in capsys.readouterr().err


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    needs("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    file = tmp_path / "my.yaml"
    file.write_text(json.dumps(config(log="tensorboard", judge="m")))
    assert main(["run", str(file), "--results", str(tmp_path), "--name", "run"]) == 0
    events = EventAccumulator(str(tmp_path / "run" / FOLDER))
    events.Reload()
    tag = "goal/sotopia | builtin-test | self-play | m | vanilla"
    assert tag in events.Tags()["tensors"]
    assert events.Tensors("episodes/finished")[-1].step == 2


def test_wandb_is_logged_to_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    required("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    file = tmp_path / "my.yaml"
    file.write_text(json.dumps(config(log="wandb", judge="m")))
    assert main(["run", str(file), "--results", str(tmp_path), "--name", "run"]) == 0
    assert list((tmp_path / "run" / FOLDER).rglob("*.wandb"))


def test_a_log_whose_package_is_missing_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorboard.summary", None)
    from harness.exchange.livelog import logged

    with pytest.raises(BadInput, match="pip install"):
        logged(Progress(Console(file=io.StringIO())), "tensorboard", tmp_path)


def test_a_run_without_episodes_is_logged_as_such(tmp_path: Path) -> None:
    with Run(small(), tmp_path / "run"):
        pass
    assert so_far(tmp_path / "run") == {"episodes/finished": 0.0, "episodes/failed": 0.0}
    assert play(tmp_path / "played").exists()
