"""Promise 1 on real processes: kill -9 at any instant, then the same command; nothing is lost, nothing is played twice.

Also: a second process on the folder, Ctrl-C, a full disk, a folder that cannot be written, a changed config.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from harness.results.store import EPISODES, JUDGEMENTS
from tests.e2e.processes import (
    LONGEST_S,
    Harness,
    endpoint,
    finished_episodes,
    interrupt_twice,
    lines,
    scores,
    wait_until,
    write_config,
)
from tests.servers.openai_server import OpenAIServer, default_handler
from tests.servers.wire import FaultPlan


@dataclass
class Tally:
    """What the kills of one test did."""

    kills: int = 0
    torn: int = 0
    """Kills that left a line without its end (each was set aside in `torn/`)."""
    starting: int = 0
    """Kills before the process had written anything of its own."""

    def report(self) -> str:
        return f"{self.kills} kills, {self.torn} inside a write, {self.starting} before the process wrote anything"


def has_torn_tail(folder: Path) -> bool:
    files = [folder / name for name in (EPISODES, JUDGEMENTS) if (folder / name).exists()]
    return any(data and not data.endswith(b"\n") for data in (path.read_bytes() for path in files))


def kill_once(harness: Harness, random: Random, tally: Tally) -> bool:
    """Start the run and kill it: while it starts up, or some moments after it has written its next record. False when it
    got to its end before."""
    size = harness.size()
    process = harness.start()
    try:
        if random.random() < 0.15:
            time.sleep(random.uniform(0.0, 1.5))
        elif wait_until(lambda: harness.size() > size, process):
            time.sleep(random.uniform(0.0, 0.25))
        if process.poll() is not None:
            return False
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()
    tally.kills += 1
    tally.starting += harness.size() == size
    return True


def finish(harness: Harness, torn: bool) -> None:
    """Give the same command until everything is done; a torn tail has to be reported by the first."""
    for attempt in range(6):
        ended = harness.run()
        if torn and attempt == 0:
            assert "torn by a killed process" in ended.stderr
        if ended.returncode == 0:
            return
        assert ended.returncode == 4, ended.stderr
    raise AssertionError(f"not finished after 6 commands: {ended.stdout}")


TASKS = 12
KILLS = {
    "15 kills": (15, 3, 1, []),
    "40 kills with faults": (40, 10, 2, ["--fault-rate", "0.1", "--seed", "7", "--hang", "0.3"]),
}


@pytest.mark.parametrize(
    ("kills", "torn", "seed", "faults"),
    [pytest.param(*row, id=name, marks=pytest.mark.slow if row[0] > 15 else ()) for name, row in KILLS.items()],
)
def test_after_kills_at_random_instants_the_same_command_gives_what_an_uninterrupted_run_gives(
    tmp_path: Path, kills: int, torn: int, seed: int, faults: list[str], record_property: Callable[[str, object], None]
) -> None:
    random, tally = Random(seed), Tally()
    with endpoint("--latency", "0.03", *faults) as url:
        config = write_config(tmp_path / "e2e.yaml", url, TASKS)
        whole = Harness(config, "whole")
        finish(whole, torn=False)
        number = 0
        while tally.kills < kills or tally.torn < torn:
            number += 1
            assert number <= 12, f"too few kills hit anything: {tally.report()}"
            # Every second run has the slow disk, so that some kills land inside a write.
            harness = Harness(config, f"killed-{number}", slow_s=0.1 if number % 2 else None)
            for _ in range(5):
                if not kill_once(harness, random, tally):
                    break
            finish(harness, has_torn_tail(harness.folder))
            tally.torn += len(list((harness.folder / "torn").glob("*")))
            assert finished_episodes(harness.folder) == finished_episodes(whole.folder)
            assert scores(harness.folder) == scores(whole.folder)
            assert len(finished_episodes(harness.folder)) == 2 * TASKS
    record_property("kills", tally.report())
    print(tally.report())


def test_a_second_process_on_the_run_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    asked, answers = threading.Event(), threading.Event()

    def once_the_second_has_ended(body: dict[str, Any]) -> Any:
        asked.set()
        answers.wait(LONGEST_S)
        return default_handler(body)

    with OpenAIServer(once_the_second_has_ended) as server:
        config = write_config(tmp_path / "e2e.yaml", server.url, tasks=6)
        harness = Harness(config, "run", options=("--no-check", "--set", "models.m.deadlines.call=600"))
        first = harness.start()
        try:
            assert wait_until(asked.is_set, first)
            second = harness.run()
        finally:
            answers.set()
        assert second.returncode == 2
        assert f"is being written by another process (pid {first.pid} " in second.stderr
        assert "--name" in second.stderr
        _out, err = first.communicate(timeout=LONGEST_S)
        assert first.returncode == 0, err
    assert len(finished_episodes(harness.folder)) == 12


def test_ctrl_c_lets_running_episodes_end_says_what_is_left_and_the_same_command_goes_on(tmp_path: Path) -> None:
    with endpoint("--latency", "0.1") as url:
        harness = Harness(write_config(tmp_path / "e2e.yaml", url, tasks=10), "run")
        process = harness.start()
        assert wait_until(lambda: harness.size() > 0, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LONGEST_S)
        assert process.returncode == 130, err
        done = len(finished_episodes(harness.folder))
        assert 0 < done < 20
        assert "letting the running episodes end" in err
        assert f"{done} of 20 planned episodes finished, failed: 0, not played: {20 - done}, unscored: 0." in out
        assert "Run the same command again" in out
        assert harness.run().returncode == 0
    assert len(finished_episodes(harness.folder)) == 20


def test_a_second_ctrl_c_ends_running_episodes_at_once(tmp_path: Path) -> None:
    with OpenAIServer(faults=FaultPlan(rate=1, kinds=("hang",), hang_s=600)) as server:
        config = write_config(tmp_path / "e2e.yaml", server.url, tasks=2)
        harness = Harness(config, "run", options=("--no-check", "--set", "models.m.deadlines.call=600"))
        code, out, err = interrupt_twice(harness, lambda _: len(server.requests) == 4, tmp_path)
    assert code == 130
    assert "Traceback" not in err
    assert "0 of 4 planned episodes finished, failed: 0, not played: 4" in out
    assert lines(harness.folder / EPISODES) == []


def limit_file_size(limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def test_a_full_disk_is_a_clear_error_that_harms_nothing(tmp_path: Path) -> None:
    with endpoint() as url:
        config = write_config(tmp_path / "e2e.yaml", url, tasks=8)
        whole, harness = Harness(config, "whole"), Harness(config, "run")
        assert whole.run().returncode == 0
        full = harness.run(preexec_fn=lambda: limit_file_size(60_000))
        assert full.returncode == 4
        assert "cannot write to" in full.stderr
        assert "File too large" in full.stderr
        assert "Every line before is whole" in full.stderr
        kept = finished_episodes(harness.folder)
        assert 0 < len(kept) < 16
        ended = harness.run()
        assert ended.returncode == 0
        assert "torn" not in ended.stderr
        assert finished_episodes(harness.folder) == finished_episodes(whole.folder)
        assert kept.items() <= finished_episodes(harness.folder).items()
        assert scores(harness.folder) == scores(whole.folder)


def give_up_overriding_permissions() -> None:
    """Root may write anywhere; without CAP_DAC_OVERRIDE (1) it is held to a folder's permissions like everybody."""
    if os.geteuid() == 0 and ctypes.CDLL(None, use_errno=True).prctl(24, 1, 0, 0, 0) != 0:  # PR_CAPBSET_DROP
        raise OSError(ctypes.get_errno(), "cannot drop CAP_DAC_OVERRIDE")


@pytest.mark.parametrize("existing", [False, True], ids=["a new run", "an existing run"])
def test_a_folder_that_can_not_be_written_is_a_clear_error(tmp_path: Path, existing: bool) -> None:
    with endpoint() as url:
        config = write_config(tmp_path / "e2e.yaml", url, tasks=1)
        harness = Harness(config, "run")
        if existing:
            assert harness.run().returncode == 0
            places = [*harness.folder.iterdir(), harness.folder]
        else:
            harness.results.mkdir()
            places = [harness.results]
        for place in places:
            place.chmod(0o555 if place.is_dir() else 0o444)
        try:
            ended = harness.run(preexec_fn=give_up_overriding_permissions)
        finally:
            for place in reversed(places):
                place.chmod(0o755 if place.is_dir() else 0o644)
        assert ended.returncode == 2, ended.stderr
        assert "Permission denied" in ended.stderr
        assert str(harness.folder) in ended.stderr
        assert harness.run().returncode == 0


def test_a_changed_config_is_refused_with_the_difference_and_the_records_stay(tmp_path: Path) -> None:
    with endpoint() as url:
        config = write_config(tmp_path / "e2e.yaml", url, tasks=1)
        harness = Harness(config, "run")
        assert harness.run().returncode == 0
        before = (harness.folder / EPISODES).read_bytes()
        write_config(config, url, tasks=2)
        ended = harness.run()
        assert ended.returncode == 2
        assert "environments.0.tasks: 1 -> 2" in ended.stderr
        assert "--name" in ended.stderr
        assert (harness.folder / EPISODES).read_bytes() == before
