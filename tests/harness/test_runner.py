"""Many episodes at once: order and bound of the work, and that a run's folder says what is left to do."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import harness.runs.executors.local
import harness.runs.run
from agents.models.base import ChatRequest
from harness.base.errors import BadInput, EpisodeError
from harness.experiment.experiment import Experiment
from harness.results.index import latest_episodes, latest_judgements, read_index
from harness.results.records import EpisodeRecord
from harness.results.store import EPISODES, StoreFull
from harness.runs.progress import Progress
from harness.runs.run import Run, RunSummary, execute
from harness.runs.runner import Stop, run_jobs
from tests.harness import builders
from tests.harness.builders import experiment


def test_jobs_are_taken_in_order_and_never_more_at_once_than_allowed() -> None:
    begun: list[int] = []
    running = most = 0

    async def do(job: int) -> None:
        nonlocal running, most
        begun.append(job)
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001 * (job % 3))
        running -= 1

    asyncio.run(run_jobs(range(40), 7, do, Stop()))
    assert begun == list(range(40))
    assert most == 7


def test_draining_ends_what_runs_and_begins_nothing_new() -> None:
    stop, done = Stop(), []

    async def do(job: int) -> None:
        if job == 5:
            stop.drain("enough")
        await asyncio.sleep(0.01)
        done.append(job)

    asyncio.run(run_jobs(range(100), 3, do, stop))
    assert {5} <= set(done) <= set(range(9))
    assert len(done) < 9
    assert stop.reason == "enough"


def test_cancelling_ends_what_runs_at_once() -> None:
    stop, done = Stop(), []

    async def go() -> None:
        async def do(job: int) -> None:
            await asyncio.sleep(3600)
            done.append(job)

        work = asyncio.create_task(run_jobs(range(10), 3, do, stop))
        await asyncio.sleep(0.01)
        stop.cancel("interrupted")
        await work

    asyncio.run(asyncio.wait_for(go(), 120))
    assert done == []
    assert stop.reason == "interrupted"


def test_an_exception_in_one_job_lets_the_others_end_and_is_raised_then() -> None:
    done: list[int] = []

    async def do(job: int) -> None:
        await asyncio.sleep(0.001)
        if job == 1:
            raise StoreFull("no room")
        await asyncio.sleep(0.02)
        done.append(job)

    with pytest.raises(StoreFull, match="no room"):
        asyncio.run(run_jobs(range(50), 4, do, Stop()))
    assert {0, 2, 3} <= set(done)
    assert len(done) < 8


def test_an_exception_while_jobs_are_handed_out_is_not_swallowed() -> None:
    def jobs() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError("in the plan")

    async def do(job: int) -> None:
        await asyncio.sleep(0)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(run_jobs(jobs(), 2, do, Stop()))


# A run of real parts in a folder. The scripted model's behaviour is set per test in `BEHAVIOUR`.
BEHAVIOUR: dict[str, Any] = {}


def behave(request: ChatRequest) -> Any:
    """The model of these runs: whatever the test asks for."""
    return BEHAVIOUR.get(request.identity.role, builders.play_or_judge)(request)


@pytest.fixture(autouse=True)
def good_behaviour() -> Iterator[None]:
    BEHAVIOUR.clear()
    yield
    BEHAVIOUR.clear()


def small(**changes: Any) -> Experiment:
    models = {"m": {"provider": "scripted", "function": "tests.harness.test_runner:behave"}}
    base: dict[str, Any] = {"models": models, "strategists": ["vanilla", "null"], "judge": "m"}
    return experiment(**(base | changes))


def run(folder: Path, config: Experiment | None = None, **options: Any) -> RunSummary:
    with Run(config or small(), folder, **options) as opened:
        return execute(opened, Progress(Console(file=io.StringIO())))


def rows(folder: Path) -> list[tuple[str, int, str | None]]:
    """(episode id, attempt, error kind) of every line, in file order."""
    return [(row["episode_id"], row["attempt"], row["error"]) for row in read_index(folder / EPISODES)]


def test_a_run_plays_every_unit_once_and_the_same_command_plays_nothing(tmp_path: Path) -> None:
    first = run(tmp_path)
    assert (first.planned, first.finished, first.played_now, first.judged_now, first.complete) == (4, 4, 4, 4, True)
    before = (tmp_path / EPISODES).read_bytes()
    second = run(tmp_path)
    assert (second.finished, second.played_now, second.judged_now, second.complete) == (4, 0, 0, True)
    assert (tmp_path / EPISODES).read_bytes() == before


def test_what_the_endpoint_failed_is_owed_and_played_again(tmp_path: Path) -> None:
    def down(request: ChatRequest) -> str:
        raise EpisodeError("infrastructure", "HTTP 503")

    BEHAVIOUR["actor"] = down
    first = run(tmp_path)
    assert (first.finished, first.failed, first.complete) == (0, {"infrastructure": 4}, False)
    BEHAVIOUR.clear()
    second = run(tmp_path)
    assert (second.finished, second.failed, second.played_now) == (4, {}, 4)
    assert [attempt for _, attempt, _ in rows(tmp_path)] == [1] * 4 + [2] * 4
    assert {row["attempt"] for row in latest_episodes(tmp_path).values()} == {2}


def test_what_the_model_failed_is_a_result_and_stays(tmp_path: Path) -> None:
    BEHAVIOUR["actor"] = lambda request: "no action in here"
    first = run(tmp_path)
    assert (first.failed, first.complete) == ({"model": 4}, False)
    BEHAVIOUR.clear()
    again = run(tmp_path)
    assert (again.played_now, again.failed) == (0, {"model": 4})
    forced = run(tmp_path, retry_failed=True)
    assert (forced.played_now, forced.failed, forced.complete) == (4, {}, True)


def test_an_error_of_ours_is_not_met_again_unless_it_is_asked_for(tmp_path: Path) -> None:
    def broken(request: ChatRequest) -> str:
        raise IndexError("list index out of range")

    BEHAVIOUR["actor"] = broken
    assert run(tmp_path).failed == {"bug": 4}
    BEHAVIOUR.clear()
    assert run(tmp_path).played_now == 0
    assert run(tmp_path, retry_failed=True).complete


def test_an_unreadable_judgement_is_owed_and_only_it_is_made_again(tmp_path: Path) -> None:
    BEHAVIOUR["judge"] = lambda request: "eleven out of ten"
    first = run(tmp_path)
    assert (first.finished, first.unscored, first.complete) == (4, 4, False)
    assert {row["status"] for row in latest_judgements(tmp_path).values()} == {"unscored"}
    BEHAVIOUR.clear()
    second = run(tmp_path)
    assert (second.played_now, second.judged_now, second.unscored, second.complete) == (0, 4, 0, True)


def test_a_judge_that_crashes_leaves_its_episodes_unscored_and_the_run_goes_on(tmp_path: Path) -> None:
    def crash(request: ChatRequest) -> str:
        raise ZeroDivisionError("in the judge")

    BEHAVIOUR["judge"] = crash
    summary = run(tmp_path)
    assert (summary.finished, summary.unscored) == (4, 4)
    BEHAVIOUR.clear()
    again = run(tmp_path)
    assert (again.judged_now, again.unscored) == (0, 4), "an error of ours is not met again by itself"
    assert run(tmp_path, retry_failed=True).unscored == 0


def test_episodes_that_a_stop_left_out_are_played_by_the_next_command(tmp_path: Path) -> None:
    stop = Stop()

    def once(request: ChatRequest) -> str:
        stop.drain("interrupted")
        return builders.speak(request)

    BEHAVIOUR["actor"] = once
    one_at_a_time = small(limits={"episodes_at_once": 1})

    async def go() -> RunSummary:
        with Run(one_at_a_time, tmp_path) as opened:
            played, judged = await opened.play(Progress(Console(file=io.StringIO())), stop)
            return opened.summary(played, judged, stop.reason)

    first = asyncio.run(go())
    assert (first.finished, first.missing, first.stopped) == (1, 3, "interrupted")
    second = run(tmp_path, one_at_a_time)
    assert (second.finished, second.played_now, second.missing) == (4, 3, 0)
    ids = [episode for episode, _, _ in rows(tmp_path)]
    assert len(ids) == len(set(ids)) == 4


def test_a_resumed_run_holds_what_an_uninterrupted_one_holds(tmp_path: Path) -> None:
    run(tmp_path / "whole")
    run(tmp_path / "resumed", blocks=1)
    assert len(rows(tmp_path / "resumed")) == 2
    run(tmp_path / "resumed")

    def texts(folder: Path) -> dict[str, list[str]]:
        lines = [json.loads(line) for line in (folder / EPISODES).read_text().splitlines()]
        return {line["episode_id"]: [turn["action"] for turn in line["turns"]] for line in lines}

    assert texts(tmp_path / "whole") == texts(tmp_path / "resumed")


CHANGES = {
    "a seed": ({"seed": 3}, ["seed: 0 -> 3"]),
    "a temperature": ({"actors": [{"model": "m", "temperature": 0.1}]}, ["actors.0.temperature: 0.7 -> 0.1"]),
    "a strategist more": ({"strategists": ["vanilla", "null", "react"]}, ["strategists: ["]),
    "a model behind a name": (
        {"models": {"m": {"provider": "scripted", "function": "builtins:str"}}},
        ["models.m.function"],
    ),
}


@pytest.mark.parametrize(("changes", "said"), CHANGES.values(), ids=CHANGES)
def test_a_changed_experiment_is_refused_with_the_difference_shown(
    tmp_path: Path, changes: dict[str, Any], said: list[str]
) -> None:
    run(tmp_path)
    before = {
        path.name: path.read_bytes()
        for path in tmp_path.iterdir()
        if path.is_file() and path.suffix != ".index" and path.name != ".lock"
    }
    with pytest.raises(BadInput) as caught:
        run(tmp_path, small(**changes))
    for words in [*said, "--name"]:
        assert words in str(caught.value)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name in before}


def test_a_changed_prompt_is_refused_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path)
    real = harness.runs.run.build_manifest

    def other(*arguments: Any) -> dict[str, Any]:
        manifest = real(*arguments)
        return manifest | {"prompts": manifest["prompts"] | {"environments.sotopia/actor": "0" * 12}}

    monkeypatch.setattr(harness.runs.run, "build_manifest", other)
    with pytest.raises(BadInput, match=r"prompt environments\.sotopia/actor"):
        run(tmp_path)


def test_other_limits_are_no_change(tmp_path: Path) -> None:
    run(tmp_path)
    assert run(tmp_path, small(limits={"episodes_at_once": 1}, description="other words")).complete


def test_a_refused_run_gives_the_folder_free_again(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(BadInput):
        run(tmp_path, small(seed=9))
    assert run(tmp_path).complete


def test_an_episode_leaves_memory_once_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: weakref.WeakSet[EpisodeRecord] = weakref.WeakSet()
    most = 0
    real = harness.runs.executors.local.play_episode

    async def watched(*arguments: Any) -> EpisodeRecord:
        nonlocal most
        record = await real(*arguments)
        alive.add(record)
        gc.collect()
        most = max(most, len(alive))
        return record

    monkeypatch.setattr(EpisodeRecord, "__hash__", object.__hash__, raising=False)
    monkeypatch.setattr(harness.runs.executors.local, "play_episode", watched)
    tiny = [{"name": "sotopia", "split": "builtin-test", "tasks": 10, "options": {"max_turns": 1}}]
    gc.collect()
    gc.freeze()  # what the other tests have left need not be looked through after every episode
    try:
        run(tmp_path, small(environments=tiny, limits={"episodes_at_once": 2}))
    finally:
        gc.unfreeze()
    assert most <= 2 * 2, f"{most} records were alive with 2 episodes at once"
