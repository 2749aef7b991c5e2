"""Runs played by worker processes: the same records as in one process, whatever becomes of the workers; one rate limit, one
budget, one record of replies for all of them; and no process left behind."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

import harness.runs.executors.worker_pool as workers_module
from agents.models import make_model
from agents.models.base import ChatRequest
from agents.models.cache import CallLog
from agents.models.local.vllm_server import process_start
from harness.base.errors import BadInput
from harness.experiment.experiment import Experiment
from harness.results.index import latest_episodes
from harness.runs.budget import Budget
from harness.runs.executors import Workforce
from harness.runs.executors.remote import RunServices
from harness.runs.metering import Meter
from harness.runs.progress import Progress
from harness.runs.run import Run, RunSummary, execute
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
from tests.e2e.runs import dialogues, endpoint_config
from tests.e2e.speaking_server import serving
from tests.harness import builders
from tests.servers.openai_server import OpenAIServer
from tests.servers.vllm_stand_in import stand_in, starts
from tests.servers.wire import FaultPlan


@dataclass
class Told:
    summary: RunSummary
    text: str


def play(folder: Path, raw: dict[str, Any], workers: int = 2, recycle: int = 1000, **options: Any) -> Told:
    """A run in this process with workers of its own."""
    out = io.StringIO()
    force = Workforce(workers=workers, recycle=recycle)
    with Run(Experiment.model_validate(raw), folder, workforce=force, **options) as run:
        summary = execute(run, Progress(Console(file=out, width=300)))
    assert children() == [], "a worker was left behind"
    return Told(summary, out.getvalue())


def children(parent: int | None = None, running: bytes = b"harness.runs.executors.worker") -> list[int]:
    """Ids of a process's children whose command line holds `running` (default: workers), by /proc."""
    wanted, found = str(parent or os.getpid()), []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text().rpartition(")")[2].split()
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if stat[1] == wanted and stat[0] != "Z" and running in command:
                found.append(int(folder.name))
    return sorted(found)


def soon(reached: Callable[[], bool], seconds: float = LONGEST_S) -> None:
    until = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


def while_playing(what: Callable[[], None]) -> threading.Thread:
    """Do something beside the run."""
    thread = threading.Thread(target=what, daemon=True)
    thread.start()
    return thread


def local(function: str, **changes: Any) -> dict[str, Any]:
    """An experiment whose model is a function of this file."""
    models = {"m": {"provider": "scripted", "function": f"tests.e2e.test_workers:{function}"}}
    tiny = [{"name": "sotopia", "split": "builtin-test", "tasks": 10, "options": {"max_turns": 4}}]
    base: dict[str, Any] = {"environments": tiny, "models": models, "strategists": ["vanilla", "null"]}
    return builders.config(**(base | changes))


def test_the_records_are_the_same_whoever_played(tmp_path: Path) -> None:
    with serving("--fault-rate", "0.1", "--seed", "3", "--hang", "0.2") as server:
        raw = dialogues(endpoint_config(server.url), 40, judge="m")
        told = {count: play(tmp_path / str(count), raw, count, recycle=15, check=False) for count in (0, 2)}
    assert {count: each.summary.complete for count, each in told.items()} == {0: True, 2: True}
    assert told[2].summary.played_now == told[2].summary.judged_now == 40
    assert finished_episodes(tmp_path / "2") == finished_episodes(tmp_path / "0")
    assert scores(tmp_path / "2") == scores(tmp_path / "0")
    calls = [CallLog(tmp_path / name / "calls.jsonl", read_only=True) for name in ("0", "2")]
    assert len(calls[0]) == len(calls[1]) == 200
    assert calls[0].tokens == calls[1].tokens


def test_a_killed_worker_costs_only_its_episodes_and_no_call_that_was_answered(tmp_path: Path) -> None:
    killed: list[int] = []

    def kill() -> None:
        for _ in range(3):
            # By what was played, never by time: both workers are there and more episodes have ended since the last kill.
            before = len(lines_now(tmp_path / "run"))
            soon(lambda before=before: len(lines_now(tmp_path / "run")) >= before + 5 and len(children()) == 2)  # type: ignore[misc]
            killed.append(children()[0])
            os.kill(killed[-1], signal.SIGKILL)
            soon(lambda: killed[-1] not in children())

    with serving("--latency", "0.1") as server:
        raw = dialogues(endpoint_config(server.url), 100, limits={"episodes_at_once": 8})
        killer = while_playing(kill)
        told = play(tmp_path / "run", raw)
        killer.join(LONGEST_S)
        asked = server.counts()["requests"]
        whole = play(tmp_path / "whole", raw, 0)
    assert len(killed) == 3
    assert whole.summary.complete and told.summary.complete
    said = r"worker \d+ died \(killed by SIGKILL\)(: its \d+ episodes? (?:is|are) played again| before it could play)"
    assert len(re.findall(said, told.text)) == 3
    assert finished_episodes(tmp_path / "run") == finished_episodes(tmp_path / "whole")
    # Four calls an episode; only those under way at a kill (at most four per worker) were asked again.
    assert 400 <= asked <= 400 + 3 * 4
    assert {row["attempt"] for row in latest_episodes(tmp_path / "run").values()} == {1}


def test_a_worker_that_hangs_is_killed_and_its_episodes_are_played_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_module, "HUNG_S", 2.0)
    monkeypatch.setenv(MARK, str(tmp_path / "stood still"))
    limits = {"episodes_at_once": 4, "turn_seconds": 5}
    told = play(tmp_path / "run", local("stands_still_once", limits=limits))
    assert (tmp_path / "stood still").exists()
    assert told.summary.complete
    silent = re.search(r"worker \d+ gave no sign of life for (\d+) s and is killed", told.text)
    assert silent and int(silent[1]) >= 7
    assert "died (it hung and was killed)" in told.text


MARK = "TEST_STOOD_STILL"
"""Names the file that the first worker to stand still leaves behind."""


def stands_still_once(request: ChatRequest) -> str:
    """The first worker to play is stopped in the middle of an episode, as by a debugger; it never goes on."""
    with suppress(FileExistsError):
        Path(os.environ[MARK]).touch(exist_ok=False)
        os.kill(os.getpid(), signal.SIGSTOP)
    return builders.speak(request)


def lines_now(folder: Path) -> list[bytes]:
    path = folder / "episodes.jsonl"
    return path.read_bytes().splitlines() if path.exists() else []


async def slowly(request: ChatRequest) -> str:
    import asyncio

    await asyncio.sleep(0.05)
    return builders.speak(request)


def deadly(request: ChatRequest) -> str:
    """Two of the episodes kill whoever plays them, in their second turn."""
    who = request.identity
    if int(who.episode, 16) % 10 == 3 and who.ordinal == 1:
        os.kill(os.getpid(), signal.SIGSEGV)
    return builders.speak(request)


def test_an_episode_that_kills_worker_after_worker_is_recorded_as_such_and_the_others_are_played(
    tmp_path: Path,
) -> None:
    raw = local("deadly", limits={"episodes_at_once": 8})
    told = play(tmp_path, raw)
    records = lines(tmp_path / "episodes.jsonl")
    deadly_ones = {record["episode_id"] for record in records if int(record["episode_id"], 16) % 10 == 3}
    failed = {record["episode_id"]: record["error"] for record in records if record["error"]}
    assert 0 < len(deadly_ones) < 10
    assert failed.keys() == deadly_ones, "a neighbour was blamed, or a deadly one was not"
    assert {error["kind"] for error in failed.values()} == {"worker"}
    assert all("SIGSEGV" in error["message"] for error in failed.values())
    assert told.summary.failed == {"worker": len(deadly_ones)}
    assert told.summary.finished == 20 - len(deadly_ones)
    again = play(tmp_path, raw)
    assert again.summary.played_now == 0, "it is a result: only --retry-failed plays it again"


def judge_kills(request: ChatRequest) -> str:
    if request.identity.role == "judge" and int(request.identity.episode, 16) % 10 == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return builders.play_or_judge(request)


def test_where_judging_kills_the_worker_the_episode_is_kept_and_its_score_is_owed(tmp_path: Path) -> None:
    told = play(tmp_path, local("judge_kills", judge="m"))
    deadly_ones = {
        row["episode_id"] for row in latest_episodes(tmp_path).values() if int(row["episode_id"], 16) % 10 == 3
    }
    assert (told.summary.finished, told.summary.unscored) == (20, len(deadly_ones))
    assert len(lines(tmp_path / "episodes.jsonl")) == 20, "an episode that was there was played again"
    unscored = [line for line in lines(tmp_path / "judgements.jsonl") if line["status"] == "unscored"]
    assert {line["episode_id"] for line in unscored} == deadly_ones
    assert {line["error"]["kind"] for line in unscored} == {"worker"}


def exits(request: ChatRequest) -> str:
    return builders.speak(request)


def test_workers_that_can_not_start_end_the_run_with_what_they_lack(tmp_path: Path, monkeypatch: Any) -> None:
    module = type(sys)("only_in_the_parent")
    module.speak = builders.speak  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "only_in_the_parent", module)
    raw = local("exits", models={"m": {"provider": "scripted", "function": "only_in_the_parent:speak"}})
    with pytest.raises(BadInput, match=r"a worker process: model 'm': function 'only_in_the_parent:speak' cannot be"):
        play(tmp_path, raw)
    assert children() == []


def test_a_model_in_the_runs_own_memory_is_asked_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a local engine without a server is: workers could not make it again, and send their calls to the run."""
    module = type(sys)("only_in_the_parent")
    module.speak = builders.play_or_judge  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "only_in_the_parent", module)
    monkeypatch.setattr("agents.models.providers.scripted.ScriptedModel.relayed", True, raising=False)
    raw = local("exits", models={"m": {"provider": "scripted", "function": "only_in_the_parent:speak"}}, judge="m")
    for workers in (0, 2):
        assert play(tmp_path / str(workers), raw, workers).summary.complete
    assert finished_episodes(tmp_path / "2") == finished_episodes(tmp_path / "0")
    assert scores(tmp_path / "2") == scores(tmp_path / "0")


def test_workers_that_die_while_they_start_end_the_run(tmp_path: Path, monkeypatch: Any) -> None:
    lines_of_code = ("import os", "if 'executors.worker' in open('/proc/self/cmdline').read():", "    os._exit(7)")
    (tmp_path / "sitecustomize.py").write_text("\n".join(lines_of_code))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(
        Exception, match="3 worker processes in a row ended before they could play: it ended with code 7"
    ):
        play(tmp_path / "run", local("exits"))


def test_workers_that_are_killed_while_they_start_are_started_again(tmp_path: Path) -> None:
    """On a busy machine a start takes long, and somebody may kill many: that says nothing about the next one."""
    killed: list[int] = []

    def kill() -> None:
        while len(killed) < 6:
            for worker in set(children()) - set(killed):
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                    killed.append(worker)

    killer = while_playing(kill)
    told = play(tmp_path / "run", local("exits"))
    killer.join(LONGEST_S)
    assert told.summary.complete
    assert told.text.count("died (killed by SIGKILL)") >= 6


def test_workers_do_not_multiply_an_endpoints_limit(tmp_path: Path) -> None:
    """Peak concurrency as the server counts it; a fourth of the episodes may call at once."""
    for workers in (0, 3):
        with serving("--latency", "0.05") as server:
            raw = dialogues(endpoint_config(server.url, concurrency=5), 60, limits={"episodes_at_once": 24})
            told = play(tmp_path / str(workers), raw, workers)
            assert told.summary.complete
            assert server.counts()["peak"] == 5


@pytest.mark.slow
def test_permits_of_a_dead_worker_are_handed_out_again(tmp_path: Path) -> None:
    """Killed while it holds all permits: were they lost, the run would stand still."""

    def kill() -> None:
        soon(lambda: len(lines_now(tmp_path / "run")) > 4)
        for pid in children():
            os.kill(pid, signal.SIGKILL)

    with serving("--latency", "0.2") as server:
        raw = dialogues(
            endpoint_config(server.url, concurrency=4, deadlines={"call": 60}), 40, limits={"episodes_at_once": 16}
        )
        killer = while_playing(kill)
        told = play(tmp_path / "run", raw)
        killer.join(LONGEST_S)
        assert told.text.count("died (killed by SIGKILL)") == 2
        assert told.summary.complete
        # The server may still be answering those that the dead had asked.
        assert server.counts()["peak"] <= 8


@pytest.mark.slow
def test_a_rate_limit_met_by_one_worker_slows_all(tmp_path: Path) -> None:
    """Every 429 takes a slot from the one limit: the record's attempts are those of one process, not of three."""
    with serving("--fault-rate", "0.3", "--kinds", "429", "--seed", "5") as server:
        raw = dialogues(endpoint_config(server.url, concurrency=8, retries=12), 40, limits={"episodes_at_once": 24})
        told = play(tmp_path, raw, 3)
        counts = server.counts()
    assert told.summary.complete
    assert counts["faults"]["429"] > 20
    assert counts["peak"] <= 8


def test_a_budget_holds_over_all_workers(tmp_path: Path) -> None:
    raw = local("slowly", limits={"episodes_at_once": 4})
    play(tmp_path / "unlimited", raw, 0)
    rows = latest_episodes(tmp_path / "unlimited").values()
    tokens = sum(row["prompt_tokens"] + row["completion_tokens"] for row in rows)
    cut = play(tmp_path / "cut", raw, budget=Budget(tokens=int(tokens * 0.4)))
    assert cut.summary.stopped is not None and "tokens are used" in cut.summary.stopped
    assert (cut.summary.failed, cut.summary.missing) == ({}, 20 - cut.summary.finished)
    arms = Counter(
        row["strategist"] for row in latest_episodes(tmp_path / "cut").values() if row["status"] == "finished"
    )
    assert max(arms.values()) - min(arms.values()) <= 1
    spent = sum(row["prompt_tokens"] + row["completion_tokens"] for row in latest_episodes(tmp_path / "cut").values())
    assert 0.4 * tokens <= spent < 0.7 * tokens
    again = play(tmp_path / "cut", raw)
    assert again.summary.complete
    assert finished_episodes(tmp_path / "cut") == finished_episodes(tmp_path / "unlimited")


def test_a_replay_by_workers_gives_the_same_and_asks_nobody(tmp_path: Path) -> None:
    with serving() as server:
        raw = dialogues(endpoint_config(server.url), 20, judge="m")
        play(tmp_path / "first", raw, 0)
        asked = server.counts()["requests"]
        again = play(tmp_path / "again", raw, replay=tmp_path / "first")
        assert server.counts()["requests"] == asked
    assert again.summary.complete
    assert finished_episodes(tmp_path / "again") == finished_episodes(tmp_path / "first")
    assert scores(tmp_path / "again") == scores(tmp_path / "first")


def test_a_miss_in_a_replay_is_told_as_in_one_process(tmp_path: Path) -> None:
    with serving() as server:
        raw = dialogues(endpoint_config(server.url), 2)
        play(tmp_path / "first", raw, 0)
        other = raw | {"actors": [{"model": "m", "temperature": 0.1}]}
        for workers in (0, 1):
            play(tmp_path / str(workers), other, workers, replay=tmp_path / "first")
    said = [sorted(line["error"]["message"] for line in lines(tmp_path / str(n) / "episodes.jsonl")) for n in (0, 1)]
    assert "the nearest differs in temperature: asked 0.1, recorded 0.7" in said[0][0]
    assert said[0] == said[1]


def refuse_temperature(body: dict[str, Any]) -> Any:
    from tests.e2e.speaking_server import speak
    from tests.servers.openai_server import error

    return error(400, "Unsupported parameter: 'temperature'") if "temperature" in body else speak(body)


def test_what_one_worker_was_refused_later_workers_do_not_ask_again(tmp_path: Path) -> None:
    with OpenAIServer(refuse_temperature) as server:
        raw = dialogues(endpoint_config(server.url), 20, limits={"episodes_at_once": 1})
        told = play(tmp_path, raw, 1, recycle=4)
        refused = sum("temperature" in body for body in server.requests)
    assert told.summary.complete
    assert refused == 1, "each of five workers asked for itself"
    assert all(
        call["dropped"] == ["temperature"] for line in lines(tmp_path / "episodes.jsonl") for call in line["calls"]
    )


def test_keys_reach_workers_by_the_environment_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-planted-0123456789abcdef"
    monkeypatch.setenv("PLANTED_KEY", key)
    sent: list[bytes] = []
    real = workers_module.Peer._send

    def watched(self: Any, message: Any) -> None:
        sent.append(json.dumps(message).encode())
        real(self, message)

    monkeypatch.setattr(workers_module.Peer, "_send", watched)
    with serving("--api-key", key) as server:
        raw = dialogues(endpoint_config(server.url, api_key_env="PLANTED_KEY"), 4)
        assert play(tmp_path / "run", raw).summary.complete
    assert any(b'"experiment"' in message for message in sent)
    assert not any(key.encode() in message for message in sent)
    assert all(key.encode() not in path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())


def noisy(request: ChatRequest) -> str:
    print("a library that prints")
    os.write(1, b"\x00\x00\x00\x05nonsense")
    sys.stdin.read()
    return builders.speak(request)


def test_what_a_worker_prints_or_reads_does_not_reach_the_pipes(tmp_path: Path) -> None:
    assert play(tmp_path, local("noisy")).summary.complete


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., Harness]]:
    with endpoint("--latency", "0.1") as url:

        def make(name: str = "run", *options: str) -> Harness:
            config = write_config(tmp_path / "e2e.yaml", url, tasks=10)
            return Harness(config, name, options=("--workers", "2", *options))

        yield make


@contextmanager
def killed_at_the_end(process: subprocess.Popen[str]) -> Iterator[list[int]]:
    """Puts two workers' ids into the list, kills their parent, and sees that they end. They hold the
    parent's output open, so nobody may wait for its end before that is seen; none of them outlives the test."""
    found: list[int] = []
    try:
        yield found
        process.kill()
        process.wait(LONGEST_S)
        assert len(found) == 2
        soon(lambda: not any(map(alive, found)))
    finally:
        process.kill()
        for pid in filter(alive, found):
            os.kill(pid, signal.SIGKILL)
        process.communicate(timeout=LONGEST_S)


@pytest.mark.slow
def test_workers_end_with_a_parent_that_is_killed(command: Any) -> None:
    harness = command("run")
    process = harness.start()
    with killed_at_the_end(process) as found:
        assert wait_until(lambda: harness.size() > 0, process)
        found += children(process.pid)
    assert harness.run().returncode == 0
    assert len(finished_episodes(harness.folder)) == 20


def blocks(request: ChatRequest) -> str:
    """Blocks the event loop of whoever plays one of the episodes: nothing there hears of a closed pipe any more."""
    if int(request.identity.episode, 16) % 10 == 3:
        Path(os.environ["BLOCKED"]).touch()
        time.sleep(600)
    return builders.speak(request)


def test_a_worker_that_hears_nothing_ends_with_its_parent_all_the_same(tmp_path: Path) -> None:
    config = tmp_path / "e2e.yaml"
    config.write_text(yaml.safe_dump(local("blocks", limits={"episodes_at_once": 2})))
    harness = Harness(config, "run", options=("--workers", "2"))
    harness.environment["BLOCKED"] = str(tmp_path / "blocked")
    process = harness.start()
    with killed_at_the_end(process) as found:
        assert wait_until(lambda: (tmp_path / "blocked").exists() and len(children(process.pid)) == 2, process)
        found += children(process.pid)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_ctrl_c_lets_running_episodes_end_and_the_same_command_goes_on(command: Any) -> None:
    harness = command("run")
    process = harness.start(start_new_session=True)
    assert wait_until(lambda: harness.size() > 0, process)
    found = children(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    done = len(finished_episodes(harness.folder))
    assert 0 < done < 20
    assert f"{done} of 20 planned episodes finished, failed: 0, not played: {20 - done}, unscored: 0." in out
    assert not any(map(alive, found))
    assert harness.run().returncode == 0
    assert len(finished_episodes(harness.folder)) == 20


@pytest.mark.slow
def test_a_second_ctrl_c_ends_workers_at_once(tmp_path: Path) -> None:
    found: list[int] = []
    with OpenAIServer(faults=FaultPlan(rate=1, kinds=("hang",), hang_s=600)) as server:
        config = write_config(tmp_path / "e2e.yaml", server.url, tasks=2)
        harness = Harness(
            config, "run", options=("--no-check", "--workers", "2", "--set", "models.m.deadlines.call=600")
        )

        def all_asked(process: subprocess.Popen[str]) -> bool:
            found[:] = children(process.pid)
            return len(server.requests) == 4

        code, out, err = interrupt_twice(harness, all_asked, tmp_path)
    assert len(found) == 2
    assert code == 130
    assert "Traceback" not in err
    assert "0 of 4 planned episodes finished, failed: 0, not played: 4" in out
    assert not any(map(alive, found))


WRONG = {
    ("--workers", "-1"): "--workers -1: expected",
    ("--workers", "2", "--recycle", "0"): "--recycle 0: expected",
    ("--workers", "2", "--executor", "ray"): "--workers is for the local executor",
    ("--address", "x:1"): "--address is a Ray cluster's",
}


@pytest.mark.parametrize(("flags", "said"), WRONG.items(), ids=map(" ".join, WRONG))
def test_options_that_do_not_go_together_are_refused(tmp_path: Path, capsys: Any, flags: Any, said: str) -> None:
    from harness.cli import main

    assert main(["run", "--results", str(tmp_path / "r"), *flags]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


@pytest.mark.slow
def test_a_full_disk_ends_a_run_with_workers_with_one_message(tmp_path: Path, command: Any) -> None:
    import resource

    harness = command("run", "--no-cache")
    limit = (90_000, resource.RLIM_INFINITY)
    full = harness.run(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    assert full.returncode == 4, full.stderr
    assert full.stderr.count("cannot write to") == 1
    kept = finished_episodes(harness.folder)
    assert 0 < len(kept) < 20
    assert harness.run().returncode == 0
    assert kept.items() <= finished_episodes(harness.folder).items()
    assert len(finished_episodes(harness.folder)) == 20


def test_the_setup_of_a_worker_is_plain_json_and_makes_the_same_experiment() -> None:
    experiment = builders.experiment(judge="m", strategists=["vanilla", {"kind": "epo", "model": "m"}])
    setup = json.loads(json.dumps(RunServices(experiment, {}, Meter(), None, False).setup()))
    assert Experiment.model_validate(setup["experiment"]) == experiment


@pytest.mark.parametrize(("remote", "names"), [(False, ["memory"]), (True, ["gguf", "memory", "weights"])])
def test_models_that_a_player_can_not_reach_are_asked_of_the_run(remote: bool, names: list[str]) -> None:
    """On this machine those in the run's memory; on another one those that servers of this machine answer for, too."""
    configs: dict[str, dict[str, Any]] = {
        "gguf": {"provider": "llamacpp"},
        "weights": {"provider": "vllm", "model": "owner/name"},
        "memory": {"provider": "transformers", "model": "owner/name"},
        "endpoint": {"provider": "openai", "model": "x", "base_url": "http://127.0.0.1:9/v1"},
    }
    models = {name: make_model(name, config) for name, config in configs.items()}
    setup = RunServices(builders.experiment(), models, Meter(), None, False).setup(remote)
    assert sorted(each["name"] for each in setup["relayed"]) == names


def test_workers_share_one_vllm_server_and_speak_to_it_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any) -> None:
        raise AssertionError("a worker asked through the run")

    monkeypatch.setattr(RunServices, "complete", refuse)
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path / "home"))
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "config.json").write_text("{}")
    for count in (0, 2):
        place = tmp_path / f"server-{count}"
        place.mkdir()
        model = {"provider": "vllm", "model": str(weights), "args": {"python": str(stand_in(place))}}
        assert play(tmp_path / str(count), dialogues(model, 40), count).summary.complete
        (server,) = starts(place)
        assert process_start(server) is None, "the server outlived the run"
    assert finished_episodes(tmp_path / "2") == finished_episodes(tmp_path / "0")


@pytest.mark.llamacpp
@pytest.mark.slow
def test_workers_share_one_local_server(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="needs the extra `local`") if not os.environ.get("STRICT") else None
    found: set[int] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            for parent in (os.getpid(), *children()):
                found.update(children(parent, running=b"llamacpp_server"))
            time.sleep(0.1)

    watcher = while_playing(watch)
    tiny = [{"name": "sotopia", "split": "builtin-test", "tasks": 1, "options": {"max_turns": 2}}]
    raw = local("slowly", models={"m": {"provider": "llamacpp"}}, environments=tiny)
    raw["actors"] = [{"model": "m", "max_tokens": 24}]
    told = play(tmp_path, raw)
    done.set()
    watcher.join(60)
    assert told.summary.finished + sum(told.summary.failed.values()) == 2
    assert set(told.summary.failed) <= {"model"}
    assert len(found) == 1, "every worker started a server of its own"
