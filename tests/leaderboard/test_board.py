"""The board: one reading of the runs, and every table that is drawn from it."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.base.errors import BadInput
from harness.compare.arms import align
from harness.compare.questions import uplift
from harness.results.records import EpisodeRecord
from harness.results.store import EPISODES, JUDGEMENTS, PROCESS_REWARDS
from harness.results.training_curve import CURVE, TRAINING, CurveRow, write_curve
from leaderboard import board as board_module
from leaderboard import training
from leaderboard.board import Board, Filters, choices, leaderboard, open_board, plain_rows, stamp
from leaderboard.costs import cost_table
from leaderboard.duel import distribution, divergence, duel, extremes
from leaderboard.episodes import conversation, episode_list
from leaderboard.judges import agreement_matrix, cards, read_report
from leaderboard.matrix import FIGURE_4, figure_4, matrix, references
from tests.harness import gate_runs
from tests.harness.gate_runs import LEVERS, play, play_a_role
from tests.shared_data import missing

WORD = "something good"
EPO = {"kind": "epo", "model": "m"}
RL = {"kind": "epo-rl", "model": "m"}


def critic_too(request: Any) -> str:
    """Every role of the gate's runs, and a critic that finds the first strategy critical."""
    if request.identity.role == "critical":
        return json.dumps({"critical": [{"reason": "it opened the talk", "strategy": 1}]})
    return play_a_role(request)


@pytest.fixture(scope="module", autouse=True)
def levers() -> Iterator[None]:
    gate_runs.reset()
    LEVERS.update(noise=1, bonus={WORD: 2})
    yield
    gate_runs.reset()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs: strategists beside vanilla with process rewards, and Figure 4's pairings."""
    results = tmp_path_factory.mktemp("results")
    models = {
        name: {"provider": "scripted", "function": "tests.leaderboard.test_board:critic_too"} for name in ("m", "other")
    }
    play(
        results / "arms",
        strategists=["vanilla", "null", EPO],
        models=models,
        process=[{"method": "critical", "model": "m"}],
    )
    vs = [{"name": f"vs {kind}", "actor": "same", "strategist": kind, "orders": "both"} for kind in ("react", "epo")]
    play(results / "meets", strategists=["react", EPO, RL], pairings=["self-play", *vs], models=models)
    return results


@pytest.fixture
def board(folder: Path) -> Board:
    return open_board([folder])


def row_of(table: pd.DataFrame, **axes: str) -> dict[Any, Any]:
    for name, value in axes.items():
        table = table[table[name] == value]
    assert len(table) == 1, table
    return dict(table.iloc[0])


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# the ranking


def test_the_uplift_is_that_of_the_paired_comparison(board: Board, folder: Path) -> None:
    expected = uplift(str(folder / "arms")).rows
    for comparison in expected:
        row = row_of(leaderboard(board), run="arms", strategist=comparison.b.axes["strategist"])
        assert row["uplift"] == pytest.approx(comparison.result.estimate.mean)
        assert (row["uplift_low"], row["uplift_high"]) == pytest.approx(
            (comparison.result.estimate.low, comparison.result.estimate.high)
        )
        assert row["uplift_p"] == pytest.approx(comparison.result.p)
    assert np.isnan(row_of(leaderboard(board), run="arms", strategist="vanilla")["uplift"])


def test_a_run_without_vanilla_is_held_against_another_run_that_differs_in_nothing_that_counts(board: Board) -> None:
    row = row_of(leaderboard(board), run="meets", strategist="epo", pairing="self-play")
    assert row["uplift"] == pytest.approx(row_of(leaderboard(board), run="arms", strategist="epo")["uplift"])
    assert np.isnan(row_of(leaderboard(board), run="meets", strategist="epo", pairing="vs react")["uplift"])


def test_dimensions_are_means_of_the_judges_scores(board: Board, folder: Path) -> None:
    assert board.dimensions == tuple(
        f"score {name}"
        for name in (
            "believability",
            "relationship",
            "knowledge",
            "secret",
            "social_rules",
            "financial_and_material_benefits",
            "goal",
        )
        if name != "goal"
    )
    played = {row["episode_id"]: row["strategist"] for row in lines(folder / "arms" / EPISODES)}
    judged = [row["scores"] for row in lines(folder / "arms" / JUDGEMENTS) if played[row["episode_id"]] == "epo"]
    row = row_of(leaderboard(board), run="arms", strategist="epo")
    for name in board.dimensions:
        assert row[name] == pytest.approx(
            np.mean([seat[name.removeprefix("score ")] for seats in judged for seat in seats])
        )


def test_an_arms_costs_are_of_playing_and_those_of_judging_and_process_rewards_stand_apart(
    board: Board, folder: Path
) -> None:
    row = row_of(leaderboard(board), run="arms", strategist="epo")
    mine = [line for line in lines(folder / "arms" / EPISODES) if line["strategist"] == "epo"]
    ids = {line["episode_id"] for line in mine}
    files = {"": mine} | {
        f"{who}_": [line for line in lines(folder / "arms" / name) if line["episode_id"] in ids]
        for who, name in (("judge", JUDGEMENTS), ("process", PROCESS_REWARDS))
    }
    for who, records in files.items():
        calls = [call for record in records for call in record["calls"]]
        assert row[f"{who}calls"] == len(calls) > 0, who
        assert row[f"{who}tokens"] == sum(call["prompt_tokens"] + call["completion_tokens"] for call in calls)
    assert row["total_usd"] == row["usd"] + row["judge_usd"] + row["process_usd"]
    vanilla = row_of(leaderboard(board), run="arms", strategist="vanilla")
    assert vanilla["process_calls"] == 0


def test_filters_hide_rows_and_change_no_rank(board: Board) -> None:
    whole = leaderboard(board)
    kept = leaderboard(board, Filters(strategist=("null",)))
    assert list(kept["strategist"]) == ["null"]
    assert kept["rank"][0] == row_of(whole, strategist="null")["rank"] > 1
    assert set(leaderboard(board, Filters(run=("meets",), pairing=("vs epo",)))["strategist"]) == {
        "react",
        "epo",
        "epo-rl",
    }
    assert leaderboard(board, Filters(partner=("m + react",)))["pairing"].unique().tolist() == ["vs react"]
    assert leaderboard(board, Filters(environment=("webshop",))).empty


def test_choices_are_what_the_tables_hold(board: Board) -> None:
    found = choices(board)
    assert found["strategist"] == ["epo", "epo-rl", "null", "react", "vanilla"]
    assert found["run"] == ["arms", "meets"]
    assert found["judge"] == list(board.judges)
    assert len(found["judge"]) == 1


def test_a_board_is_read_again_when_a_file_has_changed_and_not_before(tmp_path: Path, folder: Path) -> None:
    shutil.copytree(folder / "arms", tmp_path / "arms")
    first = open_board([tmp_path])
    mark = stamp([tmp_path])
    assert open_board([tmp_path]) is first
    path = tmp_path / "arms" / EPISODES
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert stamp([tmp_path]) != mark
    assert open_board([tmp_path]).table["finished"].sum() == first.table["finished"].sum() - 1


def test_runs_of_one_name_are_told_apart(tmp_path: Path, folder: Path) -> None:
    for place in ("monday", "tuesday"):
        shutil.copytree(folder / "arms", tmp_path / place / "arms")
    manifest = tmp_path / "tuesday" / "arms" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("created_at", "created_at", 1) + "\n")
    found = open_board([tmp_path / "monday", tmp_path / "tuesday"])
    assert sorted(found.names) == ["monday/arms", "tuesday/arms"]
    assert sorted(found.episodes["run"].unique()) == ["monday/arms", "tuesday/arms"]
    episode = str(found.episodes["episode_id"][0])
    assert conversation(found, "tuesday/arms", episode).run == "tuesday/arms"


def test_a_folder_without_runs_says_which_command_makes_one(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="harness run"):
        open_board([tmp_path])


def test_rows_for_json_have_null_where_something_is_missing(board: Board) -> None:
    rows = plain_rows(leaderboard(board, Filters(strategist=("vanilla",))))
    assert rows[0]["uplift"] is None
    assert json.dumps(rows[0]["goal"])


# the matrix


def test_the_matrix_holds_every_arm_against_the_reference_of_its_place(board: Board) -> None:
    table = matrix(board, "vanilla")
    assert references(board)[0] == "vanilla"
    epo = row_of(table, run="arms", strategist="epo")
    assert (epo["finding"], epo["reference_arm"]) == ("higher", row_of(table, run="arms", strategist="vanilla")["arm"])
    assert epo["difference"] == pytest.approx(epo["mean"] - epo["reference_mean"])
    assert epo["low"] < epo["difference"] < epo["high"]
    assert epo["p_holm"] >= epo["p"]
    own = row_of(table, run="arms", strategist="vanilla")
    assert own["is_reference"]
    assert np.isnan(own["difference"])
    lonely = row_of(table, run="meets", strategist="react", pairing="vs react")
    assert np.isnan(lonely["difference"])
    assert not lonely["is_reference"]


def test_p_is_corrected_for_the_rows_that_are_shown(board: Board) -> None:
    few, many = matrix(board, "vanilla", filters=Filters(run=("arms",))), matrix(board, "vanilla")
    assert row_of(few, run="arms", strategist="epo")["p_holm"] <= row_of(many, run="arms", strategist="epo")["p_holm"]
    assert len(many) == 12


def test_figure_4_has_its_four_configurations_against_react_on_both_sides(board: Board) -> None:
    table = figure_4(board)
    assert list(table["configuration"]) == [each.name for each in FIGURE_4]
    first = table.iloc[0]
    assert np.isnan(first["difference"])
    for _, row in table.iloc[1:].iterrows():
        assert row["difference"] == pytest.approx(row["mean"] - first["mean"])
        assert row["pairs"] == 30  # a task's two orders are one
    assert figure_4(board, filters=Filters(run=("arms",))).empty


# two arms


def numbers_of(board: Board, first: str, second: str) -> tuple[int, int]:
    one, other = (int(row_of(board.table, run="arms", strategist=name)["arm"]) for name in (first, second))
    return one, other


def test_a_duels_tasks_are_the_scores_of_both_episodes(board: Board, folder: Path) -> None:
    a, b = numbers_of(board, "vanilla", "epo")
    found = duel(board, a, b)
    scores = {
        row["episode_id"]: np.mean([seat["goal"] for seat in row["scores"]])
        for row in lines(folder / "arms" / JUDGEMENTS)
    }
    played = {row["episode_id"]: row for row in lines(folder / "arms" / EPISODES)}
    assert len(found.tasks) == 30
    for row in found.tasks.itertuples():
        assert played[row.episode_a]["task_id"] == played[row.episode_b]["task_id"] == row.task_id
        assert (played[row.episode_a]["strategist"], played[row.episode_b]["strategist"]) == ("vanilla", "epo")
        assert (row.a, row.b) == (scores[row.episode_a], scores[row.episode_b])
    assert found.tasks["difference"].is_monotonic_decreasing
    assert found.figures["difference"] == pytest.approx(found.tasks["difference"].mean())
    assert "scores higher than" in found.sentence


def test_the_distribution_is_symmetric_and_counts_every_task(board: Board) -> None:
    tasks = duel(board, *numbers_of(board, "vanilla", "epo")).tasks
    bins = distribution(tasks, 7)
    assert bins["pairs"].sum() == 30
    assert bins["low"].iloc[0] == pytest.approx(-bins["high"].iloc[-1])
    assert bins["low"].iloc[3] < 0 < bins["high"].iloc[3]
    same = distribution(pd.DataFrame({"difference": [0.0, 0.0]}), 7)
    assert same["pairs"].tolist() == [0, 0, 0, 2, 0, 0, 0]


def test_wins_and_losses_are_real_ones_and_the_biggest_first() -> None:
    tasks = pd.DataFrame({"difference": [3.0, 1.0, 0.0, -1.0, -4.0, np.nan]})
    wins, losses = extremes(tasks, 2)
    assert wins["difference"].tolist() == [3.0, 1.0]
    assert losses["difference"].tolist() == [-4.0, -1.0]


def test_a_missing_outcome_is_a_task_without_a_difference_that_says_why(tmp_path: Path, folder: Path) -> None:
    shutil.copytree(folder / "arms", tmp_path / "arms")
    path = tmp_path / "arms" / EPISODES
    records = lines(path)
    gone = next(record for record in records if record["strategist"] == "epo")
    path.write_text("".join(json.dumps(record) + "\n" for record in records if record is not gone))
    board = open_board([tmp_path])
    last = duel(board, *numbers_of(board, "vanilla", "epo")).tasks.iloc[-1]
    assert (last["task_id"], last["missing"]) == (gone["task_id"], "B: not played")
    assert np.isnan(last["difference"])


def test_arms_that_can_not_be_compared_are_refused_unless_it_is_allowed(board: Board) -> None:
    a = int(row_of(board.table, run="meets", strategist="epo", pairing="vs react")["arm"])
    b = int(row_of(board.table, run="arms", strategist="epo")["arm"])
    with pytest.raises(BadInput, match="cannot be compared"):
        duel(board, a, b)


def test_an_episode_that_counts_twice_in_both_arms_is_refused(board: Board) -> None:
    first, second = (
        replace(arm, outcomes={name: np.r_[each, each[:1]] for name, each in arm.outcomes.items()})
        for arm in (board.arms[number] for number in numbers_of(board, "vanilla", "epo"))
    )
    with pytest.raises(BadInput, match="more than once"):
        align(first, second)


def test_trajectories_part_where_the_first_action_differs(board: Board, folder: Path) -> None:
    whole = EpisodeRecord.model_validate(lines(folder / "arms" / EPISODES)[0])
    other = whole.model_copy(deep=True)
    same = divergence(whole, other)
    assert (same.first, same.first_strategy) == (None, None)
    other.turns[1].action = "something else"
    other.turns[0].strategy = "a plan"
    found = divergence(whole, other)
    assert (found.first, found.first_strategy) == (1, 0)
    assert found.steps[0].differs == ("strategy",)
    del other.turns[1]
    cut = divergence(whole, other)
    assert (cut.first, cut.steps[1].b, cut.steps[1].differs) == (1, None, ("length",))


# episodes


def test_words_beside_doing_nothing_are_no_difference(folder: Path) -> None:
    whole = EpisodeRecord.model_validate(lines(folder / "arms" / EPISODES)[0])
    whole.turns[0].action_kind, whole.turns[0].rendered = "none", "did nothing"
    other = whole.model_copy(deep=True)
    other.turns[0].action = "words that nobody hears"
    assert divergence(whole, other).first is None


def test_episodes_are_found_by_any_of_their_words_and_filtered(board: Board) -> None:
    everything, total = episode_list(board)
    assert len(everything) == total == 3 * 30 + 3 * (30 + 60 + 60)
    task = str(everything["task_id"][0])
    found, count = episode_list(board, search=f"{task.split(':')[1].upper()} EPO-RL")
    assert 0 < count == len(found)
    assert set(found["strategist"]) == {"epo-rl"}
    assert set(found["group"]) == {task.split(":")[1]}
    exact, one = episode_list(board, search=str(everything["episode_id"][7]))
    assert one == 1
    assert exact["episode_id"][0] == everything["episode_id"][7]
    low, few = episode_list(board, Filters(run=("arms",)), goal=(0, 5))
    assert 0 < few < 90
    assert low["goal"].max() <= 5
    assert episode_list(board, search="no such word")[1] == 0
    assert episode_list(board, status=("model",))[1] == 0
    assert episode_list(board, status=("finished", "model"))[1] == total


def test_episodes_are_sorted_and_paged(board: Board) -> None:
    first, total = episode_list(board, sort="goal", descending=True, limit=10)
    second, _ = episode_list(board, sort="goal", descending=True, limit=10, offset=10)
    both, _ = episode_list(board, sort="goal", descending=True, limit=20)
    assert [*first["episode_id"], *second["episode_id"]] == list(both["episode_id"])
    assert both["goal"].is_monotonic_decreasing
    assert total > 20
    with pytest.raises(BadInput, match="cannot be sorted"):
        episode_list(board, sort="; drop table")


def test_a_conversation_is_the_record_with_its_rewards_judgements_and_calls(board: Board, folder: Path) -> None:
    record = next(line for line in lines(folder / "arms" / EPISODES) if line["strategist"] == "epo")
    shown = conversation(board, "arms", record["episode_id"][:14])
    assert json.loads(shown.raw) == record
    assert [turn.strategy for turn in shown.turns] == [turn["strategy"] for turn in record["turns"]]
    assert [turn.rendered for turn in shown.turns] == [turn["rendered"] for turn in record["turns"]]
    first = shown.turns[0]
    [reward] = first.rewards
    assert (reward.reward, reward.reason) == (1.0, "it opened the talk")
    assert {call.role for call in first.calls} == {"strategist", "actor"}
    assert sum(len(turn.calls) for turn in shown.turns) + len(shown.loose_calls) == len(record["calls"])
    [judgement] = shown.judgements
    assert judgement.seats[0].reasons["goal"] == "because of goal"
    assert shown.head["prompt_tokens"] == sum(call["prompt_tokens"] for call in record["calls"])


def test_an_unknown_run_or_episode_is_named(board: Board) -> None:
    with pytest.raises(BadInput, match="no run 'x'"):
        conversation(board, "x", "0")
    with pytest.raises(BadInput, match="0 episodes"):
        conversation(board, "arms", "../../etc/passwd")
    with pytest.raises(BadInput, match="0 episodes"):
        conversation(board, "arms", "")


# cost, judges, training


def test_an_arm_is_on_the_frontier_when_none_is_better_for_as_little(board: Board) -> None:
    table = cost_table(board, "tokens", Filters(run=("arms",)))
    assert table["cost"].is_monotonic_increasing
    assert dict(zip(table["strategist"], table["pareto"], strict=True)) == {"vanilla": True, "null": False, "epo": True}
    row = row_of(board.table, run="arms", strategist="epo")
    assert row_of(table, strategist="epo")["tokens"] == pytest.approx(row["tokens"] / 30)
    assert (cost_table(board, "usd")["cost"].dropna() == 0).all(), "models of this process cost nothing"
    with pytest.raises(ValueError, match="unknown cost"):
        cost_table(board, "cpu")


def test_judges_have_a_card_and_an_agreement(board: Board) -> None:
    report = read_report(board.runs)
    found = {judge: table for judge, _, table in cards(report)}
    assert set(found) >= set(board.judges)
    assert "unscored" in list(next(iter(found.values()))["figure"])
    assert agreement_matrix(report).to_numpy().tolist() == [[1.0]]


def test_a_trainings_curve_is_read_by_iteration(tmp_path: Path) -> None:
    folder = tmp_path / "training"
    folder.mkdir()
    (folder / TRAINING).write_text("{}")
    result = {"environment": "sotopia", "split": "test", "pairing": "self-play", "planned": 4, "finished": 4, "failed": 0,
              "unscored": 0, "low": 1.0, "high": 9.0, "success": None}  # fmt: skip
    start = [
        result | {"strategist": name, "goal": goal, "run": "held-out/start"}
        for name, goal in (("vanilla", 4.0), ("epo", 5.0))
    ]
    trained = [result | {"strategist": "epo-rl@1", "goal": 6.0, "run": "held-out/iteration-1"}]
    data = {"sequences": 3, "strategies": 9, "tokens": 100, "returns": {"mean": 0.5, "low": 0.0, "high": 1.0, "zero_share": 0.1},
            "weights": {"edges": [0.0, 0.5, 1.0], "counts": [4, 5]}}  # fmt: skip
    rows = [
        CurveRow(training="t", iteration=0, strategist="epo", held_out=start, training_tasks=[start[1]]),
        CurveRow(training="t", iteration=1, strategist="epo-rl@1", checkpoint="fit/1", held_out=trained, data=data,
                 fit={"loss": [[1, 0.9], [2, 0.7]], "changed": 0.01}, seconds={"play": 2.0, "fit": 3.0}),
    ]  # fmt: skip
    write_curve(folder, rows)
    assert (folder / CURVE).exists()
    assert training.trainings([tmp_path]) == [folder]
    got = training.read_training(folder)
    curve = training.curve_table(got)
    mine = curve[curve["is_trained"] & (curve["tasks"] == "held-out")]
    assert list(zip(mine["iteration"], mine["goal"], strict=True)) == [(0, 5.0), (1, 6.0)]
    assert len(curve[curve["tasks"] == "training"]) == 1
    assert training.loss_table(got)["loss"].tolist() == [0.9, 0.7]
    assert training.returns_table(got).iloc[0][["return_mean", "seconds"]].tolist() == [0.5, 5.0]
    assert training.weights_table(got)["count"].tolist() == [4, 5]
    runs = training.checkpoint_runs(folder, got)
    assert list(zip(runs["strategist"], runs["exists"], strict=True)) == [("epo", False), ("epo-rl@1", False)]


def test_who_asks_for_runs_that_are_being_read_waits_and_gets_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, may_go_on, real = [], threading.Event(), board_module._read

    def slowly(*given: Any) -> Board:
        reads.append(given)
        may_go_on.wait(10)
        return real(*given)

    board_module.forget()
    monkeypatch.setattr(board_module, "_read", slowly)
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(open_board, [folder / "arms"]) for _ in range(2)]
        may_go_on.set()
        one, other = (each.result() for each in asked)
    assert one is other
    assert len(reads) == 1


def test_the_viewer_reads_its_runs_before_anybody_looks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("streamlit") is None:
        missing("the viewer's tests need streamlit: pip install -e '.[viewer]'")
    from leaderboard.app.ahead import read_ahead

    board_module.forget()
    monkeypatch.setattr("sys.argv", ["server.py", str(folder / "arms")])
    read_ahead()
    monkeypatch.setattr(board_module, "_read", None)
    assert open_board([folder / "arms"]).runs == (folder / "arms",)


def test_a_run_that_cannot_be_read_ahead_is_left_to_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("streamlit") is None:
        missing("the viewer's tests need streamlit: pip install -e '.[viewer]'")
    from leaderboard.app.ahead import read_ahead

    (tmp_path / "manifest.json").write_text("{")
    monkeypatch.setattr("sys.argv", ["server.py", str(tmp_path)])
    read_ahead()
