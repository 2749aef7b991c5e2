"""Budgets and forecasts of whole runs: what is cut is marked, arms stay balanced, going on completes the run, and a forecast
is held against what then happened."""

from __future__ import annotations

import asyncio
import csv
import importlib
import io
import itertools
import json
import os
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import yaml
from rich.console import Console

import harness.runs.run
from agents.models.base import ChatRequest
from agents.models.cache import CallLog
from harness.cli import main
from harness.experiment.experiment import Experiment
from harness.play.episode import unplayed
from harness.results.appender import encode
from harness.results.index import latest_episodes
from harness.results.records import ErrorInfo
from harness.results.store import FORECAST
from harness.runs.budget import Budget, BudgetWatch
from harness.runs.forecast import past_episodes, predicted_total
from harness.runs.forecast_check import check_forecast
from harness.runs.plan import Plan
from harness.runs.progress import Progress
from harness.runs.run import Run, RunSummary, execute
from harness.runs.runner import Stop
from tests.e2e.runs import became, lines
from tests.harness import builders
from tests.servers.openai_server import OpenAIServer, completion
from tests.servers.wire import Response

NOW = [0.0]
"""The clock of budgets in hours, in seconds."""
SECONDS_PER_CALL = [0.0]


@pytest.fixture(autouse=True)
def fresh() -> None:
    NOW[0], SECONDS_PER_CALL[0] = 0.0, 0.0


async def speak(request: ChatRequest) -> str:
    """A line; time passes while it is thought of."""
    NOW[0] += SECONDS_PER_CALL[0]
    await asyncio.sleep(0)
    return builders.speak(request)


def leave_sometime(request: ChatRequest) -> str:
    """Talks for a random number of turns and words, by the call's seed: episodes whose cost varies."""
    random = Random(request.seed)
    if random.random() < 0.25:
        return builders.act("leave")
    return builders.act("speak", "word " * random.randint(1, 40))


def config(function: str = "speak", **changes: Any) -> dict[str, Any]:
    model = {"provider": "scripted", "function": f"tests.e2e.test_budgets:{function}"}
    price = {"prompt": 1.0, "completion": 2.0}
    base: dict[str, Any] = {
        "environments": [{"name": "sotopia", "split": "builtin-test", "tasks": 10, "options": {"max_turns": 4}}],
        "models": {"m": model | {"price": price}},
        "strategists": ["vanilla", "null", "react"],
        "limits": {"episodes_at_once": 4},
    }
    return builders.config(**(base | changes))


def play(folder: Path, budget: Budget, raw: dict[str, Any] | None = None, **options: Any) -> RunSummary:
    with Run(Experiment.model_validate(raw or config()), folder, budget=budget, **options) as run:
        return execute(run, Progress(Console(file=io.StringIO())))


def cost_of_all(tmp_path: Path) -> tuple[float, int]:
    """(USD, tokens) of the whole experiment without a budget."""
    folder = tmp_path / "unlimited"
    assert play(folder, Budget()).finished == 30
    rows = latest_episodes(folder).values()
    return sum(row["usd"] for row in rows), sum(row["prompt_tokens"] + row["completion_tokens"] for row in rows)


def finished_per_arm(folder: Path) -> Counter[str]:
    counts = Counter(row["strategist"] for row in latest_episodes(folder).values() if row["status"] == "finished")
    return counts


def check_cut(folder: Path, summary: RunSummary, words: str) -> None:
    """The run was cut in the middle: the rest was not played and has no row, the arms are balanced."""
    assert 0 < summary.finished < 30
    assert (summary.planned, summary.failed, summary.missing) == (30, {}, 30 - summary.finished)
    assert len(lines(folder)) == summary.finished
    assert summary.stopped is not None
    assert words in summary.stopped
    assert not summary.complete
    counts = finished_per_arm(folder)
    assert max(counts.values()) - min(counts.values()) <= 1, counts


@pytest.mark.parametrize("kind", ["usd", "tokens", "hours"])
def test_a_budget_cuts_the_run_with_balanced_arms_and_the_next_command_completes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    usd, tokens = cost_of_all(tmp_path)
    folder = tmp_path / "cut"
    if kind == "hours":
        real = BudgetWatch
        monkeypatch.setattr(harness.runs.run, "BudgetWatch", partial(real, clock=lambda: NOW[0]))
        SECONDS_PER_CALL[0] = 60.0
    budget = {
        "usd": Budget(usd=usd * 0.4),
        "tokens": Budget(tokens=int(tokens * 0.4)),
        "hours": Budget(hours=120 * 0.4 / 60),
    }[kind]
    check_cut(
        folder, play(folder, budget), {"usd": "$", "tokens": "tokens are used", "hours": "hours have passed"}[kind]
    )
    assert _spent(folder, kind) < {"usd": usd, "tokens": tokens, "hours": 2.0}[kind] * 0.75

    again = play(folder, Budget())
    assert (again.finished, again.failed) == (30, {})
    attempts = Counter(record["episode_id"] for record in lines(folder) if record["status"] == "finished")
    assert set(attempts.values()) == {1}, "an episode was played twice"


def _spent(folder: Path, kind: str) -> float:
    rows = latest_episodes(folder).values()
    if kind == "hours":
        return NOW[0] / 3600
    if kind == "usd":
        return sum(row["usd"] for row in rows)
    return sum(row["prompt_tokens"] + row["completion_tokens"] for row in rows)


def test_the_same_budget_again_plays_nothing_and_writes_nothing(tmp_path: Path) -> None:
    usd, _ = cost_of_all(tmp_path)
    folder = tmp_path / "cut"
    first = play(folder, Budget(usd=usd * 0.4))
    before = (folder / "episodes.jsonl").read_bytes()
    second = play(folder, Budget(usd=usd * 0.4))
    assert (second.played_now, second.finished, second.missing) == (0, first.finished, first.missing)
    assert (folder / "episodes.jsonl").read_bytes() == before


def test_a_cut_run_says_in_one_line_how_much_was_not_played_and_why_and_counts_against_its_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--results", str(tmp_path / "results"), "--max-tokens", "400"]
    assert main(["run", write(tmp_path, config()), *flags]) == 4
    said = capsys.readouterr().out
    (folder,) = (tmp_path / "results").iterdir()
    played = len(lines(folder))
    assert 0 < played < 30
    (line,) = [line for line in said.splitlines() if line.startswith("Stopped early: budget: ")]
    assert line.endswith(f"of 400 tokens are used; {30 - played} of 30 episodes were not played.")
    assert f"failed: 0, not played: {30 - played}, unscored" in said
    assert "What to do: Raise --max-tokens." in said
    assert "Run the same command again" not in said, "within the same budget it would play nothing"
    assert main(["leaderboard", str(folder), "--format", "csv"]) == 0
    arms = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert sum(int(arm["planned"]) for arm in arms) == 30
    assert sum(int(arm["finished"]) for arm in arms) == played
    assert sum(int(arm["failed"]) for arm in arms) == 0


def mark_the_rest(folder: Path, raw: dict[str, Any]) -> int:
    """The rows that version 0.1 wrote for what a budget left unplayed; how many there were."""
    plan = Plan(Experiment.model_validate(raw))
    plan.open_models()
    there = {record["episode_id"] for record in lines(folder)}
    error = ErrorInfo(kind="budget", message="budget: 400 of 400 tokens are used")
    rest = [unit for unit in plan.units if unit.episode_id not in there]
    with open(folder / "episodes.jsonl", "ab") as file:
        for unit in rest:
            file.write(encode(unplayed(plan.episode(unit), 1, error)))
    return len(rest)


def test_rows_of_version_0_1_for_what_was_not_played_count_as_not_played(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw, folder = config(), tmp_path / "cut"
    cut = play(folder, Budget(tokens=400))
    assert mark_the_rest(folder, raw) == cut.missing > 0
    assert main(["leaderboard", str(folder), "--format", "csv"]) == 0
    arms = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [sum(int(arm[key]) for arm in arms) for key in ("planned", "finished", "failed")] == [30, cut.finished, 0]
    assert main(["show", str(folder)]) == 0
    assert "Why things failed" not in capsys.readouterr().out
    again = play(folder, Budget(tokens=400))
    assert (again.played_now, again.finished, again.failed, again.missing) == (0, cut.finished, {}, cut.missing)
    whole = play(folder, Budget())
    assert (whole.finished, whole.failed, whole.missing) == (30, {}, 0)
    kept = Counter((record["episode_id"], record["attempt"]) for record in lines(folder))
    assert set(kept.values()) == {1}, "an attempt's number came twice"


def test_an_episode_that_a_budget_broke_off_is_a_failed_one(tmp_path: Path) -> None:
    raw, folder = config(), tmp_path / "cut"
    play(folder, Budget(tokens=400))
    first, *rest = (folder / "episodes.jsonl").read_text().splitlines(keepends=True)
    error = {"kind": "budget", "message": "the budget is used up"}
    broken = json.dumps(json.loads(first) | {"status": "failed", "error": error, "outcome": None})
    (folder / "episodes.jsonl").write_text("".join([broken + "\n", *rest]))
    (folder / "episodes.index").unlink()
    again = play(folder, Budget(tokens=1), raw)
    assert again.failed == {"budget": 1}
    assert again.missing == 30 - len(lines(folder))


def test_more_episodes_than_a_run_can_hold_are_refused_with_their_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--results", str(tmp_path / "results"), "--set", "repeats=1000000000000"]
    for more in ([], ["--dry-run"]):
        assert main(["run", write(tmp_path, config()), *flags, *more]) == 2
        assert "would be 30,000,000,000,000 episodes" in capsys.readouterr().err
    assert not list(tmp_path.glob("results/*"))


def test_a_budget_counts_what_the_run_spent_before_and_a_recorded_reply_only_once(tmp_path: Path) -> None:
    """Cut twice: both pieces together stay within the budget of the second command. Replies of a killed command that are
    in the record but in no row count as well."""
    usd, _ = cost_of_all(tmp_path)
    folder = tmp_path / "cut"
    play(folder, Budget(usd=usd * 0.3))
    second = play(folder, Budget(usd=usd * 0.6))
    assert _spent(folder, "usd") < usd * 0.75
    assert second.finished < 30
    with CallLog(folder / "calls.jsonl", read_only=True) as log:
        assert log.usd == pytest.approx(_spent(folder, "usd"))
    (folder / "episodes.jsonl").unlink()
    (folder / "episodes.index").unlink()
    third = play(folder, Budget(usd=usd * 0.3))
    assert third.played_now == 0, "what the killed command paid for was forgotten"
    fourth = play(folder, Budget(usd=usd * 1.05))
    assert fourth.finished == 30, "a reply from the record was counted as if it were paid for again"
    with CallLog(folder / "calls.jsonl", read_only=True) as log:
        assert log.usd == pytest.approx(usd), "a recorded reply was paid for again"


def write(tmp_path: Path, raw: dict[str, Any]) -> str:
    path = tmp_path / f"{raw['name']}.yaml"
    path.write_text(yaml.safe_dump(raw))
    return str(path)


def at(url: str, **model: Any) -> dict[str, Any]:
    """A small experiment with a model at an address."""
    environment = {"name": "sotopia", "split": "builtin-test", "tasks": 1, "options": {"max_turns": 2}}
    models = {"m": {"provider": "openai", "model": "gpt-4o", "base_url": url} | model}
    return config(environments=[environment], models=models, strategists=["vanilla"])


def test_a_money_budget_with_an_unknown_price_is_refused_saying_where_to_add_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model's name says nothing of its price at an address that is not its vendor's."""
    flags = ["--results", str(tmp_path / "results"), "--max-usd", "5"]
    with OpenAIServer(lambda body: builders.act("speak", "hi")) as server:
        assert main(["run", write(tmp_path, at(server.url)), *flags]) == 2
        said = capsys.readouterr().err
        for words in ("--max-usd", "the price of model 'm'", "price: {prompt:", "per million tokens"):
            assert words in said
        assert not list((tmp_path / "results").glob("*"))
        assert main(["run", write(tmp_path, at(server.url, price={"prompt": 0, "completion": 0})), *flags]) in (0, 4)


def answered(usage: dict[str, Any] | None) -> Callable[[dict[str, Any]], Any]:
    """An endpoint that counts like this."""
    return lambda body: Response(completion(body, builders.act("speak", "hi"), usage=usage))


def test_a_price_that_the_endpoint_tells_is_enough_for_a_budget_of_money(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "cost": 0.5}
    raw = at("") | {"strategists": ["vanilla", "null"]}
    flags = ["--results", str(tmp_path / "results"), "--max-usd", "1.2"]
    with OpenAIServer(answered(usage)) as server:
        raw["models"]["m"]["base_url"] = server.url
        raw["limits"] = {"episodes_at_once": 1}
        assert main(["run", write(tmp_path, raw), *flags]) == 4
    said, progress = capsys.readouterr()
    assert "budget: $1.5000 of $1.2 are spent" in said, "the check's call and the two of an episode"
    assert "Spent: USD 1.00; 240 tokens." in said
    assert "can pass it by USD" in progress
    with OpenAIServer(answered(usage)) as server:
        raw["models"]["m"]["base_url"] = server.url
        assert main(["run", write(tmp_path, raw), *flags, "--no-check", "--set", "seed=5"]) == 2
    assert "the price of model 'm'" in capsys.readouterr().err


def test_calls_without_a_count_are_said_once_and_counted_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--results", str(tmp_path / "results"), "--max-tokens", "100000", "--no-check"]
    with OpenAIServer(answered(None)) as server:
        raw = at(server.url) | {"strategists": ["vanilla", "null", "react"], "limits": {"episodes_at_once": 1}}
        assert main(["run", write(tmp_path, raw), *flags]) == 0
    said, progress = capsys.readouterr()
    assert progress.count("calls without a count") == 1
    assert "6 calls without a count: the budget could not see them." in said
    assert "Spent: USD unknown; ≥ 0 tokens." in said


@pytest.mark.parametrize("workers", [0, 1])
def test_a_call_that_a_limit_broke_off_costs_an_unknown_sum_never_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """The first turn is answered, the second hangs until the turn's limit."""
    # The first turn's limit is not for loading the client, in whichever process.
    importlib.import_module("openai")
    (tmp_path / "sitecustomize.py").write_text("import openai\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    usage = {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}
    calls, over = itertools.count(), threading.Event()

    def hang(body: dict[str, Any]) -> Any:
        if next(calls):
            over.wait(300)
        return answered(usage)(body)

    with OpenAIServer(hang) as server:
        raw = at(server.url, price={"prompt": 500, "completion": 500}) | {"limits": {"turn_seconds": 4.0}}
        flags = ["--results", str(tmp_path / "results"), "--no-check", "--workers", str(workers)]
        try:
            assert main(["run", write(tmp_path, raw), *flags]) == 4
        finally:
            over.set()
    said = capsys.readouterr().out
    assert "Spent: USD ≥ 1.00 + 1 call without a price; 2,000 tokens." in said
    assert "1 call broken off: its cost is not known." in said
    assert "raise limits.turn_seconds" in said
    (folder,) = (tmp_path / "results").iterdir()
    (row,) = latest_episodes(folder).values()
    assert (row["usd"], row["usd_known"], row["usd_unknown_calls"], row["broken_off"]) == (None, 1.0, 1, 1)
    assert main(["show", str(folder)]) == 0
    assert "USD ≥ 1.00 + 1 call without a price" in capsys.readouterr().out
    assert main(["leaderboard", str(folder), "--format", "csv"]) == 0
    (arm,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (arm["usd"], float(arm["usd_known"]), float(arm["usd_unknown_calls"])) == ("", 1.0, 1.0)


def test_a_scripted_model_costs_nothing_and_needs_no_price(tmp_path: Path) -> None:
    raw = config()
    del raw["models"]["m"]["price"]
    assert main(["run", write(tmp_path, raw), "--results", str(tmp_path / "results"), "--max-usd", "5"]) == 0
    (folder,) = (tmp_path / "results").iterdir()
    assert {row["usd"] for row in latest_episodes(folder).values()} == {0}


@pytest.mark.parametrize("flag", ["--max-usd", "--max-tokens", "--max-hours"])
def test_a_budget_that_is_not_above_0_is_refused(tmp_path: Path, capsys: Any, flag: str) -> None:
    assert main(["run", write(tmp_path, config()), "--results", str(tmp_path / "r"), flag, "0"]) == 2
    assert f"{flag} 0: a budget has to be above 0" in capsys.readouterr().err


def stochastic(name: str, seed: int, tasks: int = 20) -> dict[str, Any]:
    environment = {"name": "sotopia", "split": "builtin-test", "tasks": tasks, "options": {"max_turns": 12}}
    return config("leave_sometime", name=name, seed=seed, environments=[environment], strategists=["vanilla", "null"])


def test_the_interval_holds_what_then_happened_as_often_as_it_says(tmp_path: Path) -> None:
    """Coverage of the 95 % interval on really played episodes of a model with random lengths: 2,000 pairs of a past of 12
    and a run of 20 episodes, drawn without overlap from one large run."""
    raw = stochastic("many", 1, tasks=60) | {"repeats": 3, "strategists": ["vanilla"]}
    play(tmp_path / "many", Budget(), raw)
    ((_, rows),) = past_episodes(tmp_path).items()
    assert len(rows) == 180
    random = np.random.default_rng(5)
    for name in ("calls", "tokens", "usd"):
        values = np.array([row[name] for row in rows], dtype=float)
        assert values.std() > 0.1 * values.mean(), "the episodes are too much alike for a test"
        inside = 0
        for _ in range(2000):
            drawn = random.permutation(values)[:32]
            amount = predicted_total(drawn[:12], 20)
            assert amount.high is not None
            inside += amount.low <= drawn[12:].sum() <= amount.high
        # Draws without replacement from 180 scatter a little less than independent ones.
        assert 0.90 <= inside / 2000 <= 0.99, f"{name}: {inside / 2000:.3f}"


def run(tmp_path: Path, raw: dict[str, Any], *flags: str) -> None:
    code = main(["run", write(tmp_path, raw), "--results", str(tmp_path / "results"), *flags])
    assert code in (0, 4)


def test_a_run_prints_the_forecast_that_stood_before_it_beside_what_it_took(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, stochastic("first", 1))
    assert "Forecast made before" not in capsys.readouterr().out, "there was nothing to make one from"
    assert not list((tmp_path / "results").glob(f"first-*/{FORECAST}"))

    run(tmp_path, stochastic("second", 2))
    said = capsys.readouterr().out
    assert "Forecast made before, for these 40 finished episodes" in said
    (folder,) = (tmp_path / "results").glob("second-*")
    rows = latest_episodes(folder).values()
    calls = sum(row["n_calls"] for row in rows)
    assert f"took {calls:,}" in said
    checked = check_forecast(Plan(Experiment.model_validate(stochastic("second", 2))), folder)
    assert checked is not None
    for name in ("calls", "tokens", "usd"):
        amount, took = checked[1][name]
        assert amount.low < took < (amount.high or 0.0)
        assert f"  {name}: " in said
    assert "calls" in said.split("inside")[0]


def test_a_run_unlike_its_past_is_said_to_lie_outside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, stochastic("first", 1))
    monkeypatch.setattr("tests.e2e.test_budgets.leave_sometime", builders.speak)
    capsys.readouterr()
    run(tmp_path, stochastic("second", 2))
    calls = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("  calls:"))
    assert calls.endswith("took 480: OUTSIDE the interval")


def test_a_probe_gives_a_forecast_of_the_rest_which_is_then_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = stochastic("probed", 1)
    run(tmp_path, raw, "--dry-run")
    assert "≤" in capsys.readouterr().out
    run(tmp_path, raw, "--probe", "5")
    said, progress = capsys.readouterr()
    assert "10/10 episodes (0 were there)" in progress, "what the probe leaves out is neither there nor to be played"
    assert "5 past episodes" in said
    assert "≤" not in said
    (folder,) = (tmp_path / "results").glob("probed-*")
    assert json.loads((folder / FORECAST).read_text())["blocks"] == 5
    assert len(lines(folder)) == 10
    run(tmp_path, raw)
    assert "for these 30 finished episodes" in capsys.readouterr().out
    assert became(lines(folder)) == {"finished": 40}


def test_a_damaged_forecast_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, stochastic("first", 1))
    (folder,) = (tmp_path / "results").glob("first-*")
    (folder / FORECAST).write_text("{")
    assert main(["run", write(tmp_path, stochastic("first", 1)), "--results", str(tmp_path / "results")]) == 2
    assert f"{folder / FORECAST} cannot be read" in capsys.readouterr().err


def test_stop_asked_by_a_budget_is_not_an_interruption() -> None:
    stop = Stop()
    stop.drain("budget: $1 of $1 are spent")
    stop.drain("interrupted")
    assert stop.reason == "budget: $1 of $1 are spent"
