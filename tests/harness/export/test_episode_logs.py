"""sotopia's EpisodeLog JSON becomes a run: the same words, the same scores, judged and shown like any other."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.exchange.dialogue_forms import read_action
from harness.results.records import EpisodeRecord
from harness.results.store import EPISODES, JUDGEMENTS, read_manifest
from leaderboard.board import leaderboard, open_board
from leaderboard.episodes import conversation
from tests.harness.gate_runs import play
from tests.shared_data import shared_data

DIMENSIONS = {"believability": 9.0, "relationship": 3.0, "knowledge": 5.0, "secret": -1.0, "social_rules": 0.0,
              "financial_and_material_benefits": 2.0, "goal": 7.0}  # fmt: skip


@pytest.fixture(autouse=True)
def no_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path / "home"))


def as_log(
    record: EpisodeRecord, models: list[str], goals: tuple[float, float] = (7.0, 4.0), **changes: Any
) -> dict[str, Any]:
    """A dialogue that was played here as sotopia would have logged it: every turn tells both agents what was seen, and
    the one that was not asked does nothing."""
    names = [seat.name for seat in record.seats]
    messages = [[["Environment", name, seat.background] for name, seat in zip(names, record.seats, strict=True)]]
    for turn in record.turns:
        if turn.index:
            seen = f"Turn #{turn.index - 1}: {names[record.turns[turn.index - 1].seat]} {record.turns[turn.index - 1].rendered}\n"
            messages.append([["Environment", name, seen] for name in names])
        acts = dict.fromkeys(names, "did nothing") | {names[turn.seat]: turn.rendered}
        messages[-1] += [[name, "Environment", text] for name, text in acts.items()]
    rewards = [[goal / 7, {**DIMENSIONS, "goal": goal, "overall_score": goal / 7}] for goal in goals]
    return {
        "pk": f"pk-{record.episode_id}",
        "environment": "env-1",
        "agents": ["agent-a", "agent-b"],
        "tag": "a benchmark",
        "models": models,
        "messages": messages,
        "reasoning": "Agent 1 comments:\nGoal: nearly\nAgent 2 comments:\nGoal: no\n",
        "rewards": rewards,
        "rewards_prompt": "",
    } | changes


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> list[EpisodeRecord]:
    options = {"max_turns": 4}
    run = play(
        tmp_path_factory.mktemp("logs") / "run",
        environments=[{"name": "sotopia", "split": "builtin-test", "tasks": 4, "options": options}],
        models={"m": {"provider": "scripted", "function": "tests.harness.builders:play_or_judge"}},
    )
    return [EpisodeRecord.model_validate_json(line) for line in (run / EPISODES).read_text().splitlines()]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def bring(tmp_path: Path, logs: Any, name: str = "logs.json") -> int:
    (tmp_path / name).write_text(json.dumps(logs))
    return main(["import-episodes", str(tmp_path / name), "--results", str(tmp_path / "results")])


def test_words_turns_and_what_the_judge_is_told_are_those_of_the_dialogue(
    tmp_path: Path, played: list[EpisodeRecord]
) -> None:
    assert bring(tmp_path, [as_log(record, ["gpt-4", "gpt-4o", "gpt-4o"]) for record in played]) == 0
    got = [EpisodeRecord.model_validate(line) for line in lines(tmp_path / "results/imported" / EPISODES)]
    for ours, theirs in zip(got, played, strict=True):
        parts = ("index", "seat", "action_kind", "action", "rendered")
        assert [[getattr(turn, part) for part in parts] for turn in ours.turns] == [
            [getattr(turn, part) for part in parts] for turn in theirs.turns
        ]
        assert ours.turns[1].observation == [f"Turn #0: {theirs.seats[0].name} {theirs.turns[0].rendered}\n"]
        assert ours.judge_background == theirs.judge_background
        assert [seat.background for seat in ours.seats] == [seat.background for seat in theirs.seats]


def test_the_logs_own_scores_stand_under_the_judge_they_came_from(tmp_path: Path, played: list[EpisodeRecord]) -> None:
    bring(tmp_path, [as_log(record, ["gpt-4", "gpt-4o", "gpt-4o"]) for record in played])
    board = open_board([tmp_path / "results"])
    row = leaderboard(board).iloc[0]
    assert (row["actor"], row["pairing"], row["goal"], row["planned"]) == ("gpt-4o", "self-play", 5.5, 4)
    assert board.judges == ("sotopia/gpt-4/episode-log",)
    shown = conversation(board, "imported", board.episodes["episode_id"][0])
    assert [seat.scores["goal"] for seat in shown.judgements[0].seats] == [7.0, 4.0]
    assert shown.judgements[0].seats[0].scores["overall"] == pytest.approx(sum(DIMENSIONS.values()) / 7)
    assert "nearly" in shown.judgements[0].seats[0].reasons["overall"]


def test_two_different_models_make_a_cell_in_which_the_first_is_scored(
    tmp_path: Path, played: list[EpisodeRecord]
) -> None:
    bring(tmp_path, [as_log(played[0], ["gpt-4", "gpt-4o", "llama"])])
    row = leaderboard(open_board([tmp_path / "results"])).iloc[0]
    assert (row["actor"], row["pairing"], row["goal"], row["partner"]) == (
        "gpt-4o",
        "vs llama, in seat 1",
        7.0,
        "llama + vanilla",
    )


def test_a_failed_judge_is_unscored_and_no_zero(
    tmp_path: Path, played: list[EpisodeRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    bring(tmp_path, [as_log(played[0], ["j", "a", "a"], rewards=[0.0, 0.0]), as_log(played[1], ["j", "a", "a"])])
    assert "unscored" in capsys.readouterr().out
    row = leaderboard(open_board([tmp_path / "results"])).iloc[0]
    assert (row["unscored"], row["goal"]) == (1, 5.5)


def test_a_score_out_of_its_range_is_not_taken(tmp_path: Path, played: list[EpisodeRecord]) -> None:
    bring(tmp_path, [as_log(played[0], ["j", "a", "a"], goals=(11.0, 3.0))])
    assert {row["status"] for row in lines(tmp_path / "results/imported" / JUDGEMENTS)} == {"unscored"}


def test_imported_dialogues_can_be_judged(tmp_path: Path, played: list[EpisodeRecord]) -> None:
    bring(tmp_path, [as_log(record, ["gpt-4", "a", "a"], rewards=[]) for record in played])
    config = tmp_path / "models.yaml"
    config.write_text("models: {m: {provider: scripted, function: 'tests.harness.builders:play_or_judge'}}")
    run = tmp_path / "results/imported"
    assert main(["judge", str(run), "--judge", "m", "--model-config", str(config)]) == 0
    label = lines(run / JUDGEMENTS)[0]["judge"]
    assert leaderboard(open_board([run], label)).iloc[0]["goal"] == 5.0
    assert main(["show", str(run), lines(run / EPISODES)[0]["episode_id"]]) == 0


def test_the_same_logs_again_add_nothing_and_more_logs_add_themselves(
    tmp_path: Path, played: list[EpisodeRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    first = [as_log(record, ["j", "a", "a"]) for record in played[:2]]
    bring(tmp_path, first)
    bring(tmp_path, first)
    assert "0 dialogues, 0 with their own scores; 2 were there already" in capsys.readouterr().out
    bring(tmp_path, [as_log(record, ["j", "a", "a"]) for record in played], "more.json")
    run = tmp_path / "results/imported"
    assert len(lines(run / EPISODES)) == len(lines(run / JUDGEMENTS)) == 4
    assert [entry["planned"] for entry in read_manifest(run)["cells"].values()] == [4]


def test_a_kill_half_way_is_made_good_by_the_same_command(tmp_path: Path, played: list[EpisodeRecord]) -> None:
    logs = [as_log(record, ["j", "a", "a"]) for record in played]
    bring(tmp_path, logs)
    run = tmp_path / "results/imported"
    for name, kept in ((EPISODES, 2), (JUDGEMENTS, 1)):
        whole = (run / name).read_text().splitlines(keepends=True)
        (run / name).write_text("".join(whole[:kept]) + whole[kept][:40])
    bring(tmp_path, logs)
    assert len(lines(run / EPISODES)) == len(lines(run / JUDGEMENTS)) == 4


def test_json_lines_and_folders_are_read(tmp_path: Path, played: list[EpisodeRecord]) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps(as_log(played[0], ["j", "a", "a"])))
    (folder / "b.jsonl").write_text(
        "".join(json.dumps(as_log(record, ["j", "a", "a"])) + "\n" for record in played[1:])
    )
    assert main(["import-episodes", str(folder), "--results", str(tmp_path / "results")]) == 0
    assert len(lines(tmp_path / "results/imported" / EPISODES)) == 4


@pytest.mark.parametrize(
    ("logs", "said"),
    [
        ([{"environment": "e"}], "item 1: agents"),
        ([{"environment": "e", "agents": ["a", "b"], "messages": [], "rewards": [0.0, 0.0]}], "expected two agents"),
        ("nothing", "expected a dialogue (sotopia's EpisodeLog"),
    ],
)
def test_what_is_no_episode_log_is_named_and_nothing_is_written(
    logs: Any, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bring(tmp_path, logs) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_a_run_that_was_played_here_is_not_added_to(tmp_path: Path, played: list[EpisodeRecord]) -> None:
    play(tmp_path / "results" / "mine")
    (tmp_path / "x.json").write_text(json.dumps(as_log(played[0], ["j", "a", "a"])))
    flags = ["--results", str(tmp_path / "results"), "--name", "mine"]
    assert main(["import-episodes", str(tmp_path / "x.json"), *flags]) == 2


def test_actions_of_the_real_sotopia_are_read_back() -> None:
    with gzip.open(shared_data("sotopia") / "recordings" / "episodes.jsonl.gz", "rt", encoding="utf-8") as file:
        steps = [step for line in file for step in json.loads(line)["steps"]]
    assert len(steps) > 1000
    for step in steps:
        kind, text = step["action"]["action_type"], step["action"]["argument"]
        wanted = (kind, "" if kind in ("none", "leave") else text)
        assert read_action(step["rendered"]) in (wanted, (kind, text.strip())), step
