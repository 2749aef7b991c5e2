"""Tables over runs: the denominator is the plan, and a mean never hides what is missing."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from agents.models.base import ChatReply, ChatRequest
from harness.base.errors import BadInput, EpisodeError
from harness.cli import main
from harness.experiment.experiment import Experiment
from harness.results.store import EPISODES, JUDGEMENTS
from harness.results.tables import cell_table, check_judge, dimension_names, episodes, find_runs, render_plain
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from harness.statistics import clustered_mean
from leaderboard.cells import money
from tests.harness.builders import evaluation, experiment, play_or_judge

BEHAVIOUR: dict[str, Any] = {}


def behave(request: ChatRequest) -> Any:
    return BEHAVIOUR.get(request.identity.role, play_or_judge)(request)


@pytest.fixture(autouse=True)
def good_behaviour() -> Iterator[None]:
    BEHAVIOUR.clear()
    yield
    BEHAVIOUR.clear()


def small(**changes: Any) -> Experiment:
    models = {"m": {"provider": "scripted", "function": "tests.leaderboard.test_tables:behave"}}
    return experiment(**({"models": models, "strategists": ["vanilla", "null"], "judge": "m"} | changes))


def play(folder: Path, **changes: Any) -> Path:
    with Run(small(**changes), folder) as run:
        execute(run, Progress(Console(file=io.StringIO())))
    return folder


def uneven_judge(request: ChatRequest) -> str:
    """Goals that differ between seats and tasks: the first seat gets the number of words of the material, mod 11."""
    goal = len(request.messages[0].content.split()) % 11
    answer = evaluation(goal=goal)
    answer["agent_2"]["goal"]["score"] = 10 - goal
    return json.dumps(answer)


def test_the_goal_is_the_mean_over_tested_seats_with_an_interval_clustered_by_scenario(tmp_path: Path) -> None:
    BEHAVIOUR["judge"] = uneven_judge
    first = [{"name": "first", "actor": "same", "orders": "first"}]
    ten = [{"name": "sotopia", "split": "builtin-test", "tasks": 10, "options": {"max_turns": 2}}]
    run = play(tmp_path / "a", pairings=first, environments=ten)
    judged = {
        line["episode_id"]: line["scores"][0]["goal"]
        for line in map(json.loads, (run / JUDGEMENTS).read_text().splitlines())
    }
    played = [json.loads(line) for line in (run / EPISODES).read_text().splitlines()]
    for _, row in cell_table([run]).iterrows():
        here = [line for line in played if line["strategist"] == row["strategist"]]
        goals = [judged[line["episode_id"]] for line in here]
        met = np.empty(len(here), dtype=object)
        met[:] = [tuple(line["clusters"]) for line in here]
        expected = clustered_mean(goals, [line["group"] for line in here], 0.0, 10.0, crossed=met)
        assert len(goals) == 10
        assert len(set(goals)) > 2
        assert row["goal"] == pytest.approx(sum(goals) / 10)
        assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))
        assert row["groups"] == len({line["group"] for line in here})
        assert row["assisted"] == ("one" if row["strategist"] == "null" else "none")


def test_self_play_counts_both_seats(tmp_path: Path) -> None:
    BEHAVIOUR["judge"] = uneven_judge
    table = cell_table([play(tmp_path / "a")])
    assert set(table["goal"]) == {5.0}


def test_what_failed_and_what_is_unscored_stays_in_the_denominator_and_is_no_zero(tmp_path: Path) -> None:
    four = [{"name": "sotopia", "split": "builtin-test", "tasks": 4, "options": {"max_turns": 2}}]
    seen: list[str] = []

    def nth(request: ChatRequest) -> int:
        if request.identity.episode not in seen:
            seen.append(request.identity.episode)
        return seen.index(request.identity.episode)

    def actor(request: ChatRequest) -> str:
        if nth(request) == 0:
            raise EpisodeError("infrastructure", "HTTP 503")
        return "nothing readable" if nth(request) == 1 else play_or_judge(request)

    def judge(request: ChatRequest) -> str:
        return "unreadable" if nth(request) == 2 else json.dumps(evaluation(goal=8))

    BEHAVIOUR.update(actor=actor, judge=judge)
    run = play(tmp_path / "a", environments=four, strategists=["vanilla"], limits={"episodes_at_once": 1})
    row = cell_table([run]).iloc[0]
    assert (row["planned"], row["finished"], row["failed"], row["unscored"]) == (4, 2, 2, 1)
    assert row["goal"] == 8.0
    assert row["tasks"] == 1
    table = episodes(run)
    assert sorted(table["missing"].dropna()) == ["infrastructure", "model", "unscored"]
    assert table["goal"].isna().sum() == 3


def test_cells_that_were_not_played_are_rows_with_nothing_in_them(tmp_path: Path) -> None:
    with Run(small(), tmp_path / "a"):
        pass
    table = cell_table([tmp_path / "a"])
    assert list(table["planned"]) == [2, 2]
    assert list(table["finished"]) == [0, 0]
    assert all(math.isnan(goal) for goal in table["goal"])


def test_another_judges_scores_are_used_on_request_and_never_mixed(tmp_path: Path) -> None:
    run = play(tmp_path / "a")
    own = cell_table([run])
    other = cell_table([run], judge="sotopia/other/000000000000")
    assert set(own["goal"]) == {5.0}
    assert set(own["unscored"]) == {0}
    assert list(other["unscored"]) == [2, 2]
    assert all(math.isnan(goal) for goal in other["goal"])


def test_calls_tokens_and_money_are_of_playing_and_the_judges_stand_apart(tmp_path: Path) -> None:
    def priced(request: ChatRequest) -> ChatReply:
        return ChatReply(play_or_judge(request), "x", "stop", 100, 10, usd=0.5)

    BEHAVIOUR.update(dict.fromkeys(("actor", "judge"), priced))
    row = cell_table([play(tmp_path / "a", strategists=["vanilla"])]).iloc[0]
    for who, calls in (("", 2 * 4), ("judge_", 2)):
        figures = (row[f"{who}calls"], row[f"{who}tokens"], row[f"{who}usd"])
        assert figures == (calls, 110 * calls, 0.5 * calls)
    assert row["total_usd"] == 0.5 * 10


def test_one_unknown_price_makes_the_sum_unknown_and_not_smaller(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def half_priced(request: ChatRequest) -> ChatReply:
        usd = None if request.identity.ordinal else 0.5
        return ChatReply(play_or_judge(request), "x", "stop", 100, 10, usd=usd)

    BEHAVIOUR["actor"] = half_priced
    row = cell_table([play(tmp_path / "a", strategists=["vanilla"])]).iloc[0]
    assert row["usd"] is None or math.isnan(row["usd"])
    assert row["usd_known"] > 0
    assert row["usd_unknown_calls"] > 0
    calls = f"{row['usd_unknown_calls']:.0f} calls without a price"
    by_name = {str(name): value for name, value in row.items()}
    assert money(by_name) == f"≥ {row['usd_known']:.2f} + {calls}", "the page and the viewer say both"
    assert main(["leaderboard", str(tmp_path / "a"), "--format", "markdown"]) == 0
    assert calls in capsys.readouterr().out


def test_the_best_arm_stands_first(tmp_path: Path) -> None:
    def judge(request: ChatRequest) -> str:
        return json.dumps(evaluation(goal=9 if "react" in request.messages[0].content else 2))

    def actor(request: ChatRequest) -> str:
        thinks = request.schema is not None and "thought" in request.schema["required"]
        return json.dumps({"action_type": "speak", "argument": "react" if thinks else "plain"})

    BEHAVIOUR.update(actor=actor, judge=judge)
    table = cell_table([play(tmp_path / "a", strategists=["vanilla", "react"])])
    assert list(table["strategist"]) == ["react", "vanilla"]
    assert list(table["goal"]) == [9.0, 2.0]


def test_runs_are_found_by_name_and_inside_a_folder(tmp_path: Path) -> None:
    one, two = play(tmp_path / "one"), play(tmp_path / "two", seed=1)
    (tmp_path / "no-run").mkdir()
    assert find_runs([tmp_path]) == [one, two]
    assert find_runs([two, tmp_path]) == [two, one]
    assert len(cell_table([one, two])) == 4
    for path, said in (
        (tmp_path / "absent", "does not exist"),
        (Path(__file__), "is a file"),
        (tmp_path / "no-run", "no run in"),
    ):
        with pytest.raises(BadInput, match=said):
            find_runs([path])


def test_a_retried_episode_counts_once_as_what_it_became(tmp_path: Path) -> None:
    def down(request: ChatRequest) -> str:
        raise EpisodeError("infrastructure", "HTTP 503")

    BEHAVIOUR["actor"] = down
    play(tmp_path / "a")
    BEHAVIOUR.clear()
    table = cell_table([play(tmp_path / "a")])
    assert list(table["finished"]) == [2, 2]
    assert list(table["failed"]) == [0, 0]


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (float("nan"), "–"), (1.236, "1.24"), (3, "3"), ("[red]x[/red]", "[red]x[/red]")]
)
def test_a_missing_value_is_a_dash_and_text_stays_text(value: Any, text: str) -> None:
    assert render_plain(value) == text


def test_dimension_names_are_the_judges() -> None:
    assert dimension_names("sotopia")[-2:] == ["goal", "overall"]


def test_a_judge_that_scored_nothing_is_refused_with_the_names_of_those_that_did(tmp_path: Path) -> None:
    run = play(tmp_path / "a")
    check_judge([run], json.loads((run / "manifest.json").read_text())["judge"])
    with pytest.raises(BadInput, match=r"no judgement of 'sotopia/other'.*they have: sotopia/"):
        check_judge([run], "sotopia/other")
