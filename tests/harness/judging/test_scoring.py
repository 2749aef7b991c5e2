"""Process rewards and panels through the same config and commands a person uses: given as soon as an episode is scored,
owed when they could not be, given once, shown turn by turn and in the ranking."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from agents.models.base import ChatRequest
from harness.base.errors import BadInput, EpisodeError
from harness.cli import main
from harness.commands.judge_run import judge_spec
from harness.experiment.experiment import Experiment
from harness.results.index import latest_judgements, latest_process_rewards
from harness.results.store import PROCESS_REWARDS
from harness.results.tables import cell_table
from harness.runs.progress import Progress
from harness.runs.run import Run, RunSummary, execute
from tests.harness.builders import config, evaluation, experiment, play_or_judge

GOALS = {"m": 4, "k": 6, "l": 8}
DOWN: set[str] = set()
"""Roles whose endpoint does not answer now."""
ASKED: list[str] = []


def behave(request: ChatRequest) -> str:
    role = request.identity.role
    ASKED.append(role)
    if role in DOWN:
        raise EpisodeError("infrastructure", "HTTP 503")
    if role == "critical":
        return json.dumps({"critical": [{"reason": "it broke the ice", "strategy": 1}]})
    if role == "utterance":
        text = request.messages[0].content
        names = re.findall(r"^- (\w+):", text, re.MULTILINE)
        count = int(re.findall(r"numbered from 1 to (\d+)", text)[0])
        entries = [{"strategy": n, "reason": "", **dict.fromkeys(names, 3)} for n in range(1, count + 1)]
        return json.dumps({"strategies": entries})
    return play_or_judge(request)


def judge_k(request: ChatRequest) -> str:
    if "judge_k" in DOWN:
        raise EpisodeError("infrastructure", "HTTP 503")
    return json.dumps(evaluation(goal=GOALS["k"]))


def judge_l(request: ChatRequest) -> str:
    return json.dumps(evaluation(goal=GOALS["l"]))


@pytest.fixture(autouse=True)
def up() -> Iterator[None]:
    DOWN.clear()
    ASKED.clear()
    yield
    DOWN.clear()


def scripted(name: str) -> dict[str, str]:
    return {"provider": "scripted", "function": f"tests.harness.judging.test_scoring:{name}"}


MODELS = {"m": scripted("behave"), "k": scripted("judge_k"), "l": scripted("judge_l")}
REWARDED: dict[str, Any] = {
    "models": MODELS,
    "strategists": ["vanilla", {"kind": "epo", "model": "m"}],
    "judge": "m",
    "process": [{"method": "critical", "model": "m"}],
}


def play(folder: Path, **changes: Any) -> RunSummary:
    with Run(experiment(**(REWARDED | changes)), folder) as run:
        return execute(run, Progress(Console(quiet=True)))


def test_a_run_gives_rewards_as_soon_as_an_episode_is_scored(tmp_path: Path) -> None:
    assert play(tmp_path).complete
    rows = list(latest_process_rewards(tmp_path).values())
    assert [row["status"] for row in rows] == ["scored"] * 2
    assert all(row["outcomes"] == [0.5, 0.5] for row in rows)
    for row in rows:
        assert [reward for _, _, reward, _ in row["rewards"]] == [1.0, 1.0, 0.5, 0.5]


def test_vanilla_has_no_strategies_and_owes_nothing(tmp_path: Path) -> None:
    summary = play(tmp_path, strategists=["vanilla", "null"])
    assert summary.complete
    assert "critical" not in ASKED
    assert not (tmp_path / PROCESS_REWARDS).exists()


def test_rewards_that_could_not_be_given_are_owed_and_given_by_the_same_command(tmp_path: Path) -> None:
    DOWN.add("critical")
    first = play(tmp_path)
    assert (first.finished, first.unscored, first.unrewarded, first.complete) == (4, 0, 2, False)
    DOWN.clear()
    ASKED.clear()
    second = play(tmp_path)
    assert second.complete
    assert second.played_now == 0
    assert set(ASKED) == {"critical"}
    assert ASKED.count("critical") == 4
    ASKED.clear()
    assert play(tmp_path).complete
    assert ASKED == []


def test_of_two_methods_only_the_one_that_failed_is_asked_again(tmp_path: Path) -> None:
    both = [{"method": "critical", "model": "m"}, {"method": "utterance", "model": "m"}]
    DOWN.add("utterance")
    assert play(tmp_path, process=both).unrewarded == 2
    DOWN.clear()
    ASKED.clear()
    assert play(tmp_path, process=both).complete
    assert set(ASKED) == {"utterance"}
    assert len((tmp_path / PROCESS_REWARDS).read_text().splitlines()) == 6


def test_rewards_wait_for_the_outcome_and_come_with_it(tmp_path: Path) -> None:
    DOWN.add("judge")
    first = play(tmp_path)
    assert (first.unscored, first.unrewarded) == (4, 2)
    assert "critical" not in ASKED
    DOWN.clear()
    assert play(tmp_path).complete
    assert {row["status"] for row in latest_process_rewards(tmp_path).values()} == {"scored"}


def test_process_is_part_of_the_identity_and_its_absence_is_not() -> None:
    plain = {"models": MODELS, "judge": "m"}
    assert experiment(**plain).identity == experiment(**plain, process=[]).identity
    assert experiment(**plain).identity != experiment(**plain, process=["progress"]).identity
    assert experiment(**plain).identity == experiment(**plain, judge_aggregate="mean").identity


@pytest.mark.parametrize(
    ("process", "said"),
    [
        ([{"method": "critcal", "model": "m"}], "Did you mean 'critical'"),
        ([{"method": "critical"}], "needs a `model`"),
        ([{"method": "progress", "model": "m"}], "leave `model` out"),
        (["progress"], "does not measure progress"),
        ([{"method": "critical", "model": "m", "environments": ["sotopa"]}], "Did you mean 'sotopia'"),
        ([{"method": "critical", "model": "m", "options": {"n": 1}}], "unknown option 'n'"),
    ],
)
def test_a_process_that_can_not_be_is_refused_before_anything_is_played(
    tmp_path: Path, process: list[Any], said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        play(tmp_path / "run", process=process)
    assert ASKED == []


def test_a_panel_s_judges_each_have_their_record_and_the_score_is_put_together(tmp_path: Path) -> None:
    for how, goal in (("mean", 7.0), ("median", 7.0)):
        folder = tmp_path / how
        summary = play(folder, judge=["k", "l"], judge_aggregate=how)
        assert summary.complete
        assert len(latest_judgements(folder)) == 8
        table = cell_table([folder])
        assert list(table["goal"]) == [goal, goal]
        assert table["unscored"].sum() == 0
    rows = latest_process_rewards(tmp_path / "mean").values()
    assert all(row["outcomes"] == [0.7, 0.7] for row in rows)


def test_three_judges_differ_by_mean_and_median(tmp_path: Path) -> None:
    play(tmp_path / "a", judge=["k", "l", "m"], judge_aggregate="mean")
    play(tmp_path / "b", judge=["k", "l", "m"], judge_aggregate="median")
    assert list(cell_table([tmp_path / "a"])["goal"]) == pytest.approx([19 / 3] * 2)
    assert list(cell_table([tmp_path / "b"])["goal"]) == [6.0, 6.0]


def test_an_episode_that_one_of_a_panel_did_not_score_is_unscored_and_only_that_judge_is_asked_again(
    tmp_path: Path,
) -> None:
    DOWN.add("judge_k")
    first = play(tmp_path, judge=["k", "m"])
    assert first.unscored == 4
    assert cell_table([tmp_path])["unscored"].sum() == 4
    DOWN.clear()
    ASKED.clear()
    second = play(tmp_path, judge=["k", "m"])
    assert second.complete
    assert "judge" not in ASKED


def test_a_panel_does_not_hold_one_judge_twice() -> None:
    with pytest.raises(ValueError, match="twice"):
        Experiment.model_validate(config(models=MODELS, judge=["m", {"model": "m", "temperature": 1}]))


def shell(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    try:
        code = main(list(arguments))
    except SystemExit as ended:
        code = int(ended.code or 0)
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


def test_rewards_are_given_to_a_finished_run_once_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    play(run, process=[])
    code, out, _ = shell(capsys, "judge", str(run), "--process", "critical", "--judge", "m")
    assert code == 0
    assert "2 episodes rewarded now, 0 unscored, 2 passed over (no strategies)" in out
    _, out, _ = shell(capsys, "judge", str(run), "--process", "critical", "--judge", "m")
    assert "0 episodes rewarded now" in out
    episode = next(iter(latest_process_rewards(run).values()))["episode_id"]
    _, out, _ = shell(capsys, "show", str(run), episode)
    assert re.search(r"turn 0, .*\n  strategy .*\n  reward \+1\.00 \(critical/m/[0-9a-f]{12}\): it broke the ice", out)
    assert re.search(r"turn 3, .*\n  strategy .*\n  reward \+0\.50 \(critical", out)
    _, out, _ = shell(capsys, "leaderboard", str(run), "--format", "json")
    rows = {row["strategist"]: row for row in json.loads(out)}
    column = next(name for name in rows["epo"] if name.startswith("process critical/m/"))
    assert rows["epo"][column] == 0.75
    assert rows["vanilla"][column] is None
    _, out, _ = shell(capsys, "leaderboard", str(run), "--format", "markdown")
    assert "reward critical" in out


def test_replay_from_the_command_line_plays_on_and_judges_what_it_played(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    play(run, process=[])
    options = ("--option", "n=1", "--option", "turns=1", "--max-episodes", "1")
    code, out, _ = shell(capsys, "judge", str(run), "--process", "replay", *options)
    assert code == 0
    assert "1 episode rewarded now" in out
    assert "judge" in ASKED
    row = next(iter(latest_process_rewards(run).values()))
    assert [credit for _, _, credit, _ in row["rewards"]] == [0.0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--process", "critcal", "--judge", "m"], "Did you mean 'critical'"),
        (["--process", "critical"], "needs a `model`"),
        (["--process", "progress"], "does not measure progress"),
        (["--process", "replay", "--option", "n"], "expected KEY=VALUE"),
        (["--process", "replay", "--option", "n=0"], "option 'n'"),
        (["--process", "replay", "--option", "m=1"], "unknown option 'm'"),
        (["--process", "critical", "--judge", "nobody"], "unknown model 'nobody'"),
        (["--process", "critical", "--judge", "m", "--environment", "webshop"], "no environment 'webshop'"),
        (["--process", "critical", "--judge", "m", "--max-episodes", "0"], "--max-episodes 0"),
        (["--process", "critical", "--judge", "m", "--outcome", "sotopia/k/1"], "no judgement of 'sotopia/k/1'"),
        (["--judge", "m", "--again", "-1"], "--again -1"),
        (["--judge", "m", "--max-tokens", "0"], "`max_tokens`: Input should be greater than or equal to 1"),
        (["--judge", "m", "--answer-chars", "3"], "`answer_chars`: Input should be greater than or equal to 20"),
    ],
)
def test_bad_input_of_the_command_exits_2_and_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    run = tmp_path / "run"
    play(
        run,
        process=[],
        environments=[{"name": "sotopia", "split": "builtin-test", "tasks": 1, "options": {"max_turns": 2}}],
    )
    code, _, err = shell(capsys, "judge", str(run), *arguments)
    assert code == 2
    assert said in err


def test_rewards_by_the_scores_of_another_judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    play(run, process=[])
    shell(capsys, "judge", str(run), "--judge", "l")
    label = next(row["judge"] for row in latest_judgements(run).values() if "/l/" in row["judge"])
    code, _, _ = shell(capsys, "judge", str(run), "--process", "critical", "--judge", "m", "--outcome", label)
    assert code == 0
    assert all(row["outcomes"] == [0.8, 0.8] for row in latest_process_rewards(run).values())


PLANTED = {
    name: {"provider": "scripted", "function": f"examples.planted_judges:{name}"}
    for name in ("obedient", "advisor", "good_critic", "throws_dice")
}


@pytest.mark.parametrize(("method", "judge"), [("progress", None), ("critical", "good_critic")])
def test_a_run_whose_players_are_models_gets_process_rewards_afterwards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str, judge: str | None
) -> None:
    world = {"name": "alfworld", "split": "builtin-test-mini", "tasks": 2, "options": {"max_steps": 12}}
    strategists = ["vanilla", {"kind": "epo", "model": "advisor"}]
    raw = config(environments=[world], models=PLANTED, actors=["obedient"], strategists=strategists)
    file = tmp_path / "experiment.yaml"
    file.write_text(yaml.safe_dump(raw))
    run = tmp_path / "results" / "run"
    assert shell(capsys, "run", str(file), "--results", str(run.parent), "--name", "run")[0] == 0
    asked = ["--judge", judge] if judge else []
    code, out, _ = shell(capsys, "judge", str(run), "--process", method, *asked)
    assert code == 0
    assert "2 episodes rewarded now, 0 unscored, 2 passed over" in out


def test_what_is_unscored_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "experiment.yaml"
    file.write_text(yaml.safe_dump(config(models={**config()["models"], "other": PLANTED["good_critic"]})))
    run = tmp_path / "results" / "run"
    assert shell(capsys, "run", str(file), "--results", str(run.parent), "--name", "run")[0] == 0
    code, out, _ = shell(capsys, "judge", str(run), "--judge", "other")
    assert code == 4
    assert "0 scored now, 2 unscored" in out
    assert "the judge's answer could not be read, twice" in out


def test_a_stored_run_is_judged_as_its_config_asks_that_model() -> None:
    panel = [{"model": "m", "max_tokens": 111}, {"model": "k", "max_tokens": 222, "answer_chars": 30}]
    made = Experiment.model_validate(config(models=MODELS, judge=panel))

    def asked(model: str, **given: int) -> tuple[int, int | None]:
        told = Namespace(judge=model, kind="sotopia", max_tokens=None, answer_chars=None)
        spec = judge_spec(Namespace(**(vars(told) | given)), made)
        assert spec.model == model
        return spec.max_tokens, spec.answer_chars

    assert asked("k") == (222, 30)
    assert asked("l") == (111, None), "as the first judge, where the config does not ask it"
    assert asked("k", max_tokens=5) == (5, 30)
