"""What a machine can run out of, and what may get out: room on the disk, a folder that cannot be written, a clock that
jumps, memory, and keys.

Tests often run as root, whom permissions do not stop. So a folder that cannot be written is made in ways that hold for
root as well: a file stands where a folder should be, or a folder where a file should be.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from agents.models.base import ChatRequest
from agents.models.limits import AdaptiveLimit
from harness.cli import main
from harness.experiment.experiment import Experiment
from harness.results.index import latest_episodes
from harness.runs.budget import Budget
from harness.runs.progress import Progress
from harness.runs.run import Run, RunSummary, execute
from tests.e2e.runs import became, dialogues, endpoint_config, harness, lines
from tests.e2e.speaking_server import serving
from tests.harness import builders


def tiny(tasks: int = 10, repeats: int = 1, turns: int = 1, **changes: Any) -> dict[str, Any]:
    """Many small episodes of a scripted model."""
    base: dict[str, Any] = {
        "environments": [{"name": "sotopia", "split": "builtin-test", "tasks": tasks, "options": {"max_turns": turns}}],
        "repeats": repeats,
    }
    return builders.config(**(base | changes))


def play(folder: Path, raw: dict[str, Any], **options: Any) -> RunSummary:
    with Run(Experiment.model_validate(raw), folder, **options) as run:
        return execute(run, Progress(Console(file=io.StringIO())))


# A disk that is full.
LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from harness.cli import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("recorded", [True, False], ids=["with the call log", "without it"])
def test_a_full_disk_ends_the_run_with_one_message_and_whole_lines_and_room_completes_it(
    tmp_path: Path, recorded: bool
) -> None:
    """No file can grow beyond 60 kB (RLIMIT_FSIZE), as on a full disk: a write stops in the middle of a line."""
    config = tmp_path / "run.yaml"
    config.write_text(yaml.safe_dump(tiny(tasks=30, turns=4, limits={"episodes_at_once": 4})))
    flags = ["run", str(config), "--results", str(tmp_path / "results"), "--name", "run"]
    flags += [] if recorded else ["--no-cache"]
    command = [sys.executable, "-c", LIMITED, "60000", *flags]
    full = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    folder = tmp_path / "results" / "run"
    assert full.returncode == 4, full.stderr
    assert "Traceback" not in full.stderr
    assert "cannot write" in full.stderr or "cannot be written" in (folder / "episodes.jsonl").read_text()
    assert (folder / "episodes.jsonl").read_bytes().endswith(b"\n")
    kept = lines(folder)
    finished = {record["episode_id"] for record in kept if record["status"] == "finished"}
    assert len(finished) < 30

    play(folder, tiny(tasks=30, turns=4), record_calls=recorded)
    after = lines(folder)
    assert after[: len(kept)] == kept
    count = Counter(record["episode_id"] for record in after if record["status"] == "finished")
    assert len(count) == 30
    assert set(count.values()) == {1}


# Folders that cannot be written.
def run_cli(tmp_path: Path, results: Path, *flags: str) -> int:
    config = tmp_path / "run.yaml"
    config.write_text(yaml.safe_dump(tiny()))
    return main(["run", str(config), "--results", str(results), "--name", "run", *flags])


def test_a_results_folder_that_can_not_be_made_is_named(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "results").write_text("a file is in the way")
    assert run_cli(tmp_path, tmp_path / "results") == 2
    assert f"cannot make the run folder {tmp_path / 'results' / 'run'}" in capsys.readouterr().err


@pytest.mark.parametrize("name", [".lock", "episodes.jsonl", "judgements.jsonl", "calls.jsonl", "manifest.json"])
def test_a_file_that_can_not_be_written_is_named_before_anything_is_played(
    tmp_path: Path, capsys: Any, name: str
) -> None:
    folder = tmp_path / "results" / "run"
    (folder / name).mkdir(parents=True)
    code = run_cli(tmp_path, tmp_path / "results")
    said = capsys.readouterr().err
    assert code in (2, 4)
    assert "cannot" in said
    assert str(folder) in said
    assert "0/10 episodes" not in said
    (folder / name).rmdir()
    assert run_cli(tmp_path, tmp_path / "results") == 0, "the refusal left something behind"
    assert became(lines(folder)) == {"finished": 10}


def test_an_index_that_can_not_be_written_is_no_error(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "run"
    (folder / "episodes.index").mkdir(parents=True)
    assert run_cli(tmp_path, tmp_path / "results") == 0
    assert became(lines(folder)) == {"finished": 10}


# A clock that jumps.
JUMPS = [0.0]


def jumping(request: ChatRequest) -> str:
    """Every call, the wall clock leaps: a day ahead, two days back, ..."""
    JUMPS[0] = -2 * JUMPS[0] - 86400 if JUMPS[0] >= 0 else -JUMPS[0]
    return builders.speak(request)


def test_a_wall_clock_that_jumps_breaks_neither_records_nor_budgets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`time.time` leaps by days, ahead and back. Durations, deadlines and budgets in hours come from the monotonic clock,
    so nothing is cut and no duration is negative."""
    JUMPS[0] = 0.0
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + JUMPS[0])
    model = {"provider": "scripted", "function": "tests.e2e.test_limits:jumping"}
    limits = {"turn_seconds": 60, "episode_seconds": 120, "episodes_at_once": 2}
    raw = tiny(turns=4, models={"m": model}, limits=limits)
    summary = play(tmp_path / "run", raw, budget=Budget(hours=1.0))
    assert (summary.finished, summary.failed, summary.stopped) == (10, {}, None)
    for record in lines(tmp_path / "run"):
        assert 0 <= record["duration_s"] < 60
        assert all(0 <= call["obtained"]["latency_s"] < 60 for call in record["calls"])
    assert play(tmp_path / "run", raw).played_now == 0


def test_a_monotonic_clock_that_stands_still_or_leaps_keeps_the_limit_of_calls_alive() -> None:
    """The one clock inside the endpoint layer is injected: a leap ahead ends a pause, none leaves callers behind."""

    async def go() -> int:
        now = [0.0]
        limit = AdaptiveLimit(4, clock=lambda: now[0])
        await limit.acquire()
        limit.release("throttled", 30.0)
        waiting = [asyncio.create_task(limit.acquire()) for _ in range(3)]
        await asyncio.sleep(0)
        assert limit.running == 0
        now[0] += 800
        limit._wake()
        await asyncio.wait_for(asyncio.gather(*waiting), 5)
        return limit.running

    assert asyncio.run(go()) == 3


# Memory.
RESIDENT: list[tuple[int, float]] = []


def counting(request: ChatRequest) -> str:
    """Notes the process's resident memory (MiB) every 500 calls."""
    count = RESIDENT[-1][0] + 1 if RESIDENT else 1
    if count % 500 == 0 or not RESIDENT:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        RESIDENT.append((count, pages * resource.getpagesize() / 2**20))
    else:
        RESIDENT[-1] = (count, RESIDENT[-1][1])
    return builders.speak(request)


@pytest.mark.slow
def test_10_000_tiny_episodes_need_no_more_memory_than_their_plan_and_index(tmp_path: Path) -> None:
    """In a process of its own. What grows by design is a job's and an index row's bookkeeping; records may not stay."""
    script = (
        "import sys, json\n"
        "from pathlib import Path\n"
        "from tests.e2e import test_limits as t\n"
        "raw = t.tiny(50, 200, models={'m': {'provider': 'scripted', 'function': 'tests.e2e.test_limits:counting'}})\n"
        "s = t.play(Path(sys.argv[1]), raw)\n"
        "print(json.dumps([s.finished, s.failed, t.RESIDENT]))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stderr
    finished, failed, seen = json.loads(done.stdout.splitlines()[-1])
    assert (finished, failed) == (10_000, {})
    counts = Counter(row["episode_id"] for row in latest_episodes(tmp_path / "run").values())
    assert len(counts) == 10_000
    early = min(mib for count, mib in seen if count >= 1500)
    last = seen[-1][1]
    per_episode = (last - early) * 1024 / 8000
    size = (tmp_path / "run" / "episodes.jsonl").stat().st_size / 10_000 / 1024
    print(
        f"\nresident: {early:.0f} MiB early, {last:.0f} MiB at the end; {per_episode:.2f} KiB per episode of {size:.1f} KiB"
    )
    assert per_episode < size / 4, "records stay in memory"


# Keys.
KEY = "planted-5tQkZ81-do-not-store-7YbLw0"
"""Not of a shape that is known as a key: only knowing it keeps it out."""


@pytest.mark.parametrize("accepted", [True, False], ids=["faults", "a key that is refused"])
def test_a_planted_key_is_in_no_file_and_no_output_of_a_run_with_failures(tmp_path: Path, accepted: bool) -> None:
    """The server demands a key and quotes back what it was sent in its refusal; debug logs of the libraries are on."""
    flags = ["--fault-rate", "0.4", "--seed", "3", "--hang", "3", "--unreadable", "0.2"]
    with serving(*flags, "--api-key", KEY if accepted else "another") as server:
        model = endpoint_config(server.url, api_key_env="PLANTED_KEY", retries=0, deadlines={"call": 1.0})
        config = dialogues(model, 20, judge="m")
        noisy = {"OPENAI_LOG": "debug", "PYTHONASYNCIODEBUG": "1"}
        done = harness(config, tmp_path / "results", "--name", "run", timeout=300, PLANTED_KEY=KEY, **noisy)
        asked = server.counts()["requests"]
    assert done.returncode == (4 if accepted else 2), done.stderr
    assert KEY not in done.stdout + done.stderr
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
    if accepted:
        assert became(lines(tmp_path / "results" / "run"))["infrastructure"] > 0
    else:
        assert asked == 0, "the run went on with a key that was refused"
        assert "401" in done.stderr


def test_a_planted_key_is_in_no_traceback_of_a_run_that_breaks(tmp_path: Path) -> None:
    """An exception that ends the process, with every frame's local values printed."""
    script = (
        "import sys, logging\n"
        "from pathlib import Path\n"
        "from rich.traceback import install\n"
        "install(show_locals=True, locals_max_string=None, locals_max_length=None, width=4000)\n"
        "logging.basicConfig(level=1)\n"
        "import agents.models.providers.openai_provider as p\n"
        "from tests.e2e import test_limits as t, runs\n"
        "def broken(*_): raise ZeroDivisionError('in the client')\n"
        "p.read_completion = broken\n"
        "from agents.models import make_model\n"
        "from agents.models.base import ChatRequest, Message\n"
        "import asyncio\n"
        "m = make_model('m', runs.endpoint_config(sys.argv[1], api_key_env='PLANTED_KEY'))\n"
        "asyncio.run(m.complete(ChatRequest((Message('user', 'hello'),))))\n"
    )
    with serving("--api-key", KEY) as server:
        done = subprocess.run(
            [sys.executable, "-c", script, server.url],
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, "PLANTED_KEY": KEY},
            check=False,
        )
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "locals" in done.stderr
    assert KEY not in done.stdout + done.stderr
