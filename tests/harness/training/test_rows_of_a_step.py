"""A step has the rows its training was begun with, whatever the processes, none of which outlives its launcher, and learns."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.base.errors import BadInput
from harness.training.fit import fit as fitting
from harness.training.fit.launch import processes_of, with_same_rows
from harness.training.fit.options import TrainOptions
from tests.extras import required
from tests.shared_data import ROOT

required("torch")
required("trl")

from tests.harness.training import tiny  # noqa: E402
from tests.harness.training.test_fit import furthest, prepared, trained  # noqa: E402


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("start"))


def test_what_is_launched_says_how_many_processes_it_is(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("num_processes: 8\n")
    assert processes_of(None) == 1
    assert processes_of(("--config_file", str(config))) == 8
    assert processes_of(("--config_file", str(config), "--num-processes=4")) == 4
    assert processes_of(("--multi_gpu",)) is None
    with pytest.raises(BadInput, match=r"`launch`: the config file .*none\.yaml cannot be read"):
        processes_of(("--config_file", str(tmp_path / "none.yaml")))
    with pytest.raises(BadInput, match="does not say how many processes"):
        fitting.fit(tmp_path, tmp_path, TrainOptions(launch=("--multi_gpu",)), tmp_path / "out")


@pytest.mark.parametrize(("processes", "accumulation"), [(1, 16), (2, 8), (4, 4)])
def test_another_number_of_processes_gets_the_accumulation_that_makes_the_same_rows(
    processes: int, accumulation: int
) -> None:
    begun = {"rows_per_step": 16, "options": {"batch": 1, "accumulation": 8}}
    options, rows = with_same_rows(TrainOptions(accumulation=8), processes, begun, Path("out"))
    assert (options.accumulation, rows) == (accumulation, 16)


def test_a_number_of_processes_that_cannot_make_the_rows_is_refused() -> None:
    begun = {"rows_per_step": 16, "options": {"batch": 1, "accumulation": 8}}
    with pytest.raises(
        BadInput, match=r"out was begun with 16 rows per optimizer step; 3 processes with batch 1 cannot"
    ):
        with_same_rows(TrainOptions(accumulation=8), 3, begun, Path("out"))


def test_a_training_goes_on_with_the_rows_it_was_begun_with(tmp_path: Path, start: Path) -> None:
    """Begun by two processes, it goes on in this one."""
    prepared(tmp_path / "data", count=8)
    one = trained(tmp_path, start, "one", accumulation=4, max_steps=2)
    identity = json.loads((tmp_path / "one" / "fit.json").read_text())
    assert identity["rows_per_step"] == one.rows_per_step == 4
    begun = tmp_path / "two"
    begun.mkdir()
    (begun / "fit.json").write_text(json.dumps(identity | {"options": identity["options"] | {"accumulation": 2}}))
    two = trained(tmp_path, start, "two", accumulation=2, max_steps=2)
    assert [line["rows"] for line in two.curve] == [4, 4] and two.rows_per_step == 4
    assert furthest(one.checkpoint, two.checkpoint) == 0.0
    assert trained(tmp_path, start, "two", batch=2, accumulation=2, max_steps=2) == two, (
        "another split of the same rows"
    )
    with pytest.raises(BadInput, match="rows per optimizer step: 4 there, 8 now"):
        trained(tmp_path, start, "two", accumulation=8, max_steps=2)


def test_a_training_of_one_step_learns_at_its_learning_rate(tmp_path: Path, start: Path) -> None:
    """A warm-up of a share of one step would be that step, at 0."""
    prepared(tmp_path / "data", count=4)
    made = trained(tmp_path, start, accumulation=4, max_steps=1, warmup=0.03, schedule="cosine", save_dtype="float32")
    assert made.curve[0]["learning_rate"] == pytest.approx(3e-3)
    assert furthest(made.checkpoint, start) > 1e-3


WORKER = """
import os, sys, time
from harness.training.fit import launch
launch.EVERY_S = 0.02
launch.end_with_launcher()
with open(sys.argv[1], "w") as file:
    file.write(str(os.getpid()))
time.sleep(60)
"""
LAUNCHES = """
import sys
from pathlib import Path
from harness.training.fit import launch
from harness.training.fit.options import TrainOptions
sys.executable = sys.argv[1]
launch.launch(Path("data"), Path("model"), TrainOptions(launch=()), Path(sys.argv[2]))
"""


def wait_for(condition: Any, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_killing_the_launcher_ends_what_it_launched(tmp_path: Path) -> None:
    """Between the two stands a process (accelerate) that nobody tells anything."""
    between, worker, said = tmp_path / "accelerate", tmp_path / "worker.py", tmp_path / "pid"
    worker.write_text(WORKER)
    between.write_text(f'#!/bin/sh\n"{sys.executable}" "{worker}" "{said}"\n')
    between.chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    launcher = subprocess.Popen([sys.executable, "-c", LAUNCHES, str(between), str(tmp_path)], env=environment)
    try:
        wait_for(lambda: said.exists() and said.read_text())
        pid = int(said.read_text())
        assert is_alive(pid)
        launcher.send_signal(signal.SIGKILL)
        wait_for(lambda: not is_alive(pid))
    finally:
        launcher.kill()
        launcher.wait()
