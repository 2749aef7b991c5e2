"""A run against an endpoint at which a fifth of all requests goes wrong: every episode is accounted for, and nothing hangs.

The server is a process of its own and speaks real HTTP; a run that hangs fails by its timeout, showing its watchdog's
words. The full form (2,000 episodes) is marked slow.
"""

from __future__ import annotations

import asyncio
import io
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import harness.base.loops
import harness.runs.executors.local
from agents.models.base import ChatRequest
from environments.sotopia.play import SotopiaPlay
from harness.experiment.experiment import Experiment
from harness.play.watchdog import Activity, Watchdog
from harness.runs.progress import Progress
from harness.runs.run import Run, RunSummary, execute
from tests.e2e.runs import became, dialogues, endpoint_config, lines, only_run
from tests.e2e.runs import harness as harness_run
from tests.e2e.speaking_server import serving
from tests.harness import builders
from tests.servers.wire import FAULT_KINDS


@pytest.mark.parametrize(
    "episodes", [60, pytest.param(2000, marks=pytest.mark.slow)], ids=["short form", "2,000 episodes"]
)
def test_at_20_percent_faults_every_episode_is_accounted_for(tmp_path: Path, episodes: int) -> None:
    flags = ("--fault-rate", "0.2", "--seed", "7", "--hang", "5", "--unreadable", "0.12")
    with serving(*flags) as server:
        # Two retries only, so that some calls do fail for good.
        config = dialogues(endpoint_config(server.url, retries=2), episodes)
        first = harness_run(config, tmp_path / "results", "--no-check", timeout=900)
        folder = only_run(tmp_path / "results")
        records, counts = lines(folder), server.counts()
        _report(episodes, records, counts)
        assert first.returncode == 4, first.stderr
        ids = [record["episode_id"] for record in records]
        assert len(ids) == len(set(ids)) == episodes, "an episode was lost or doubled"
        assert set(became(records)) <= {"finished", "infrastructure", "model"}
        assert min(became(records)[kind] for kind in ("infrastructure", "model")) > 0, "nothing failed: no test"
        assert set(counts["faults"]) == set(FAULT_KINDS)
        # An attempt may break before its request is out (a deadline passes while the machine is busy), never the reverse.
        attempts = _attempts(records)
        assert counts["requests"] <= attempts <= 1.05 * counts["requests"], "a request is in no record, or in two"
        for record in records:
            _check(record)

        finished = {record["episode_id"]: record for record in records if record["status"] == "finished"}
        second = harness_run(config, tmp_path / "results", "--no-check", timeout=900)
        assert second.returncode == 4
    _check_resumed(records, lines(folder), finished)


def _report(episodes: int, records: list[dict[str, Any]], counts: dict[str, Any]) -> None:
    """Shown by `pytest -s`: the row of docs/reliability.md."""
    reasked = sum(turn["parse"] == "reasked" for record in records for turn in record["turns"])
    print(
        f"\n{episodes} episodes, {counts['requests']} requests, {sum(counts['faults'].values())} faults "
        f"{counts['faults']}; {dict(became(records))}, {reasked} answers re-asked"
    )


def _attempts(records: list[dict[str, Any]]) -> int:
    """Requests sent, as the records tell: attempts of answered calls, and those of calls that were given up."""
    total = 0
    for call in (call for record in records for call in record["calls"]):
        if call["obtained"]:
            total += call["obtained"]["attempts"]
        else:
            found = re.search(r"gave up after (\d+) attempts", call["error"])
            assert found, call["error"]
            total += int(found[1])
    return total


def _check(record: dict[str, Any]) -> None:
    """The record says what became of the episode, and its parts agree."""
    if record["status"] == "finished":
        assert len(record["turns"]) == 4
        assert all(call["text"] is not None for call in record["calls"])
        return
    assert record["error"]["message"]
    last = record["calls"][-1]
    if record["error"]["kind"] == "infrastructure":
        assert last["text"] is None
        assert last["error"] == record["error"]["message"]
    else:
        assert "could not be read" in record["error"]["message"]


def _check_resumed(first: list[dict[str, Any]], both: list[dict[str, Any]], finished: dict[str, Any]) -> None:
    """The second command played exactly what the endpoint had failed, and changed nothing that was there."""
    assert both[: len(first)] == first
    owed = {record["episode_id"] for record in first if (record["error"] or {}).get("kind") == "infrastructure"}
    again = Counter(record["episode_id"] for record in both[len(first) :])
    assert again == Counter(owed)
    assert not again.keys() & finished.keys()
    assert {record["attempt"] for record in both[len(first) :]} == {2}


# What hangs: an environment, a model, an episode that does not let itself be ended.
BEHAVIOUR: dict[str, Any] = {}


def behave(request: ChatRequest) -> Any:
    return BEHAVIOUR.get("model", builders.play_or_judge)(request)


@pytest.fixture(autouse=True)
def good_behaviour() -> Iterator[None]:
    BEHAVIOUR.clear()
    yield
    BEHAVIOUR.clear()


@dataclass
class Told:
    """A run's summary and all that it said."""

    summary: RunSummary
    text: str


def run(folder: Path, **limits: Any) -> Told:
    """A run of four episodes with short limits in this process."""
    config = builders.config(
        models={"m": {"provider": "scripted", "function": "tests.e2e.test_faults:behave"}},
        strategists=["vanilla", "null"],
        limits={"episodes_at_once": 2, **limits},
    )
    out = io.StringIO()
    with Run(Experiment.model_validate(config), folder) as opened:
        summary = execute(opened, Progress(Console(file=out, width=200)))
    return Told(summary, out.getvalue())


def first_episode_only(wait: Any) -> Any:
    """A model that waits in the first episode that asks it, and behaves in all others."""
    chosen: list[str] = []

    async def answer(request: ChatRequest) -> str:
        chosen.append(request.identity.episode)
        if request.identity.episode == chosen[0]:
            await wait()
        return builders.speak(request)

    return answer


def test_a_model_that_never_answers_is_named_and_ends_its_own_episode_only(tmp_path: Path) -> None:
    BEHAVIOUR["model"] = first_episode_only(lambda: asyncio.sleep(3600))
    told = run(tmp_path, stuck_seconds=0.2, turn_seconds=1.0)
    assert re.search(r"waiting long: episode [0-9a-f]{16}: turn 0, actor of seat 0 asks m, for \d+ s", told.text)
    assert (told.summary.finished, told.summary.failed) == (3, {"infrastructure": 1})
    (failed,) = (record for record in lines(tmp_path) if record["error"])
    assert "deadline passed: the turn took longer than 1 s" in failed["error"]["message"]


def test_an_episode_that_swallows_its_cancellation_is_abandoned_and_the_run_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness.runs.executors.local, "GRACE_S", 0.3)
    monkeypatch.setattr(harness.base.loops, "LAST_GRACE_S", 0.3)

    gave_up: list[bool] = []

    async def stubborn() -> None:
        ends = time.monotonic() + 120
        while time.monotonic() < ends:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue
        gave_up.append(True)

    BEHAVIOUR["model"] = first_episode_only(stubborn)
    told = run(tmp_path, episode_seconds=0.5, turn_seconds=0.5)
    assert not gave_up, "the run waited for an episode that does not end"
    assert (told.summary.finished, told.summary.failed) == (3, {"infrastructure": 1})
    (failed,) = (record for record in lines(tmp_path) if record["error"])
    assert "abandoned" in failed["error"]["message"]


def test_an_environment_that_does_not_return_is_named_and_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = SotopiaPlay.step, []
    returned: list[int] = []

    def step(self: SotopiaPlay, seat: int, action: Any) -> Any:
        calls.append(seat)
        if len(calls) == 3:
            time.sleep(60)
            returned.append(seat)
        return real(self, seat, action)

    monkeypatch.setattr(SotopiaPlay, "step", step)
    told = run(tmp_path, stuck_seconds=0.3, turn_seconds=1.0)
    assert "the event loop has been blocked for over 0.3 s, at:" in told.text
    assert "time.sleep(60)" in told.text
    assert not returned, "the run waited for it"
    assert (told.summary.finished, told.summary.failed) == (3, {"environment": 1})
    (failed,) = (record for record in lines(tmp_path) if record["error"])
    assert "did not return within 1 s" in failed["error"]["message"]
    assert "step" in failed["error"]["message"]


def test_what_is_not_the_environments_code_is_never_broken_off(tmp_path: Path) -> None:
    """A slow function of our own (here: a model's) delays the run; it may not be hit by what breaks off a world."""

    def slow(request: ChatRequest) -> str:
        if not BEHAVIOUR.get("slept"):
            BEHAVIOUR["slept"] = True
            time.sleep(1.5)
        return builders.speak(request)

    BEHAVIOUR["model"] = slow
    told = run(tmp_path, stuck_seconds=0.2, turn_seconds=0.5)
    assert "the event loop has been blocked" in told.text
    assert "environment" not in told.summary.failed


def test_the_watchdog_names_the_longest_waits_first_and_forgets_what_ended() -> None:
    now = [0.0]
    activity = Activity(clock=lambda: now[0])
    activity.note("a", "turn 1, actor of seat 0 asks m")
    now[0] = 30.0
    activity.note("b", "turn 0, strategist of seat 1 asks s")
    activity.note("c", "turn 0, actor of seat 0 asks m")
    now[0] = 70.0
    activity.end("c")
    assert activity.stuck(60.0) == ["episode a: turn 1, actor of seat 0 asks m, for 70 s"]
    assert [line[:9] for line in activity.stuck(10.0)] == ["episode a", "episode b"]
    activity.note("a", "turn 2, actor of seat 1 asks m")
    assert activity.stuck(60.0) == []


def test_a_quiet_run_makes_the_watchdog_say_nothing() -> None:
    said: list[str] = []

    async def go() -> None:
        async with Watchdog(Activity(), said.append, 5.0):
            await asyncio.sleep(0.05)

    asyncio.run(go())
    assert said == []
