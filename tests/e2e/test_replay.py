"""The record of replies: a replayed run gives the same records but for times, a miss names what differs, and a killed run's
calls are not asked again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cli import main
from harness.results.records import VOLATILE
from tests.e2e.processes import LONGEST_S
from tests.e2e.runs import became, dialogues, endpoint_config, harness, lines
from tests.e2e.speaking_server import Served, serving, speak
from tests.servers.openai_server import OpenAIServer


@pytest.fixture
def server() -> Iterator[Served]:
    with serving("--unreadable", "0.1") as served:
        yield served


def experiment(url: str, **changes: Any) -> dict[str, Any]:
    """Every role asks a model: actor, strategist, judge; some answers are re-asked."""
    base: dict[str, Any] = {
        "strategists": ["vanilla", {"kind": "epo", "model": "m"}, "react"],
        "judge": "m",
        "environments": [{"name": "sotopia", "split": "builtin-test", "tasks": 6, "options": {"max_turns": 4}}],
        "repeats": 1,
    }
    return dialogues(endpoint_config(url), 12, **(base | changes))


def lasting(value: Any) -> Any:
    """A record without the fields that may differ between a run and its replay, at any depth."""
    if isinstance(value, dict):
        return {key: lasting(part) for key, part in value.items() if key not in VOLATILE}
    return [lasting(part) for part in value] if isinstance(value, list) else value


def kept(folder: Path, name: str, key: str) -> dict[str, Any]:
    """Id -> the record's bytes without what may differ. The order of lines is that in which episodes ended."""
    return {record[key]: json.dumps(lasting(record)) for record in lines(folder, name)}


def test_a_replayed_run_gives_the_same_records_and_asks_nobody(tmp_path: Path, server: Served) -> None:
    config = experiment(server.url)
    first = harness(config, tmp_path / "results", "--name", "first")
    assert first.returncode in (0, 4), first.stderr
    asked = server.counts()["requests"]
    recorded = tmp_path / "results" / "first"
    assert became(lines(recorded))["finished"] >= 10
    assert any(turn["parse"] == "reasked" for record in lines(recorded) for turn in record["turns"])

    again = harness(config, tmp_path / "results", "--name", "again", "--replay", str(recorded))
    assert again.returncode == first.returncode, again.stderr
    assert server.counts()["requests"] == asked
    replayed = tmp_path / "results" / "again"
    assert not (replayed / "calls.jsonl").exists()
    for name, key in (("episodes.jsonl", "episode_id"), ("judgements.jsonl", "judgement_id")):
        assert kept(recorded, name, key) == kept(replayed, name, key)
        assert kept(recorded, name, key)
    calls = [call for record in lines(replayed) for call in record["calls"]]
    assert all(call["obtained"]["cache_hit"] for call in calls)


CHANGES = {
    "a temperature": ({"actors": [{"model": "m", "temperature": 0.25}]}, "temperature: asked 0.25, recorded 0.7"),
    "a limit of tokens": ({"actors": [{"model": "m", "max_tokens": 77}]}, "max_tokens: asked 77, recorded "),
    "a seed": ({"seed": 5}, "seed: asked "),
    "a revision": ({"revision": "v2"}, "revision: asked 'v2', recorded None"),
    "a body option": ({"extra_body": {"top_k": 3}}, "options: another content"),
}


SMALL: dict[str, Any] = {
    "strategists": ["vanilla"],
    "judge": None,
    "environments": [{"name": "sotopia", "split": "builtin-test", "tasks": 1, "options": {"max_turns": 2}}],
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A recorded run and the address that its server, which is gone, had."""
    results = tmp_path_factory.mktemp("recorded") / "results"
    with serving() as server:
        assert harness(experiment(server.url, **SMALL), results, "--name", "first").returncode == 0
    return results / "first", server.url


def replay(tmp_path: Path, config: dict[str, Any], run: Path) -> tuple[int, Path]:
    """Replay in this process. Returns the exit code and the new run's folder."""
    path = tmp_path / "again.yaml"
    path.write_text(yaml.safe_dump(config))
    code = main(["run", str(path), "--results", str(tmp_path / "results"), "--name", "again", "--replay", str(run)])
    return code, tmp_path / "results" / "again"


@pytest.mark.parametrize("moved", [False, True], ids=["same address", "another port"])
def test_a_replay_needs_no_endpoint(tmp_path: Path, recorded: tuple[Path, str], moved: bool) -> None:
    run, url = recorded
    code, again = replay(tmp_path, experiment("http://127.0.0.1:9/v1/" if moved else url, **SMALL), run)
    assert code == 0
    assert kept(run, "episodes.jsonl", "episode_id") == kept(again, "episodes.jsonl", "episode_id")


@pytest.mark.parametrize(("changes", "said"), CHANGES.values(), ids=CHANGES)
def test_a_miss_is_an_error_that_names_what_differs(
    tmp_path: Path, recorded: tuple[Path, str], changes: dict[str, Any], said: str
) -> None:
    run, url = recorded
    changes = dict(changes)
    model = endpoint_config(changes.pop("url", url))
    model |= {key: changes.pop(key) for key in ("revision", "extra_body") if key in changes}
    config = experiment(url, **(SMALL | changes)) | {"models": {"m": model}}
    code, again = replay(tmp_path, config, run)
    assert code == 4
    (record,) = lines(again)
    assert record["error"]["kind"] == "infrastructure"
    assert "replay: actor call 0 of seat 0" in record["error"]["message"]
    assert said in record["error"]["message"]


def test_replaying_a_run_that_recorded_nothing_is_refused(
    tmp_path: Path, recorded: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, url = recorded
    (tmp_path / "silent").mkdir()
    code, again = replay(tmp_path, experiment(url, **SMALL), tmp_path / "silent")
    assert code == 2
    assert "has no calls.jsonl" in capsys.readouterr().err
    assert not (again / "episodes.jsonl").exists() or lines(again) == []


def test_a_killed_runs_answered_calls_are_not_asked_again(tmp_path: Path) -> None:
    """SIGKILL in the middle: together, both commands ask for what an unbroken run asks for, but for the calls that were
    under way at the kill (at most one per running episode)."""
    at_once = 4
    config = dialogues({}, 24, limits={"episodes_at_once": at_once})
    needed, asked = 24 * 4, 0
    running: list[subprocess.Popen[bytes]] = []

    def answer(body: dict[str, Any]) -> str:
        nonlocal asked
        asked += 1
        if asked == needed + 40:
            running[0].kill()
        return speak(body)

    with OpenAIServer(answer, latency=0.02) as server:
        config["models"]["m"] = endpoint_config(server.url, deadlines={"call": 60.0})
        whole = harness(config, tmp_path / "whole", "--name", "run", "--no-check")
        assert whole.returncode == 0, whole.stderr
        assert asked == needed

        running.append(_start(config, tmp_path / "killed"))
        assert running[0].wait(LONGEST_S) == -signal.SIGKILL
        there = len(lines(tmp_path / "killed" / "run"))
        assert 0 < there < 24, "the kill came too early or too late for a test"
        assert harness(config, tmp_path / "killed", "--name", "run", "--no-check").returncode == 0
    asked -= needed
    assert needed <= asked <= needed + at_once
    assert became(lines(tmp_path / "killed" / "run")) == {"finished": 24}
    unbroken, broken = (kept(tmp_path / name / "run", "episodes.jsonl", "episode_id") for name in ("whole", "killed"))
    assert unbroken == broken


def _start(config: dict[str, Any], results: Path) -> subprocess.Popen[bytes]:
    results.mkdir()
    path = results.parent / "killed.yaml"
    path.write_text(yaml.safe_dump(config))
    command = [
        sys.executable,
        "-m",
        "harness.cli",
        "run",
        str(path),
        "--results",
        str(results),
        "--name",
        "run",
        "--no-check",
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ))
