"""`harness verify`: an honest run is confirmed without asking anybody, and whatever is doctored in one is found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.cli import main
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from tests.harness.builders import experiment
from tests.shared_data import DEMO, THREE_ENVIRONMENTS

EPO = {"kind": "epo", "model": "m"}
WORLDS = [
    {"name": "sotopia", "split": "builtin-test", "tasks": 1, "options": {"max_turns": 4}},
    {"name": "alfworld", "split": "builtin-test", "tasks": 2, "options": {"max_steps": 6}},
    {"name": "webshop", "split": "builtin-test", "tasks": 2},
]
Record = dict[str, Any]
Doctor = Callable[[Record], None]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over all three worlds, by a model of every role and by scripts."""
    folder = tmp_path_factory.mktemp("runs") / "honest"
    models = {"m": {"provider": "scripted", "function": "tests.harness.builders:play_or_judge"}}
    actors = ["m", {"script": "expert"}, {"script": "oracle"}]
    made = experiment(environments=WORLDS, models=models, actors=actors, strategists=["vanilla", EPO], judge="m")
    with Run(made, folder) as run:
        execute(run, Progress(Console(quiet=True)))
    return folder


def doctored(run: Path, to: Path, doctor: Doctor, where: Callable[[Record], bool], file: str = "episodes") -> Path:
    """A copy of a run in which the first record that fits is changed."""
    shutil.copytree(run, to)
    path = to / f"{file}.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    doctor(next(record for record in records if where(record)))
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return to


def in_world(name: str, actor: str = "script:expert") -> Callable[[Record], bool]:
    return lambda record: (record["environment"], record["actor"]) == (name, actor)


def test_an_honest_run_is_confirmed_and_is_left_as_it_was(honest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.read_bytes() for path in honest.iterdir() if path.suffix in (".jsonl", ".json")}
    assert main(["verify", str(honest)]) == 0
    out = capsys.readouterr().out
    for check in ("plan", "data", "worlds", "prompts", "judgements"):
        (line,) = [line for line in out.splitlines() if line.split() and line.split()[0] == check]
        confirmed, _, total = line.split()[1:4]
        assert confirmed == total != "0"
    assert "CONFIRMED: nothing differs." in out
    assert "Cannot be confirmed: that the named models gave the recorded answers" in out
    assert {path.name: path.read_bytes() for path in honest.iterdir() if path.name in before} == before


@pytest.mark.parametrize("run", [DEMO, THREE_ENVIRONMENTS], ids=lambda run: run.name)
def test_the_committed_runs_are_confirmed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(run)]) == 0, capsys.readouterr().out


def outcome(record: Record) -> None:
    record["outcome"]["score"] = 1.0 if record["outcome"]["score"] < 0.5 else 0.0
    record["outcome"]["success"] = not record["outcome"]["success"]


def reward(record: Record) -> None:
    record["turns"][0]["reward"] = (record["turns"][0]["reward"] or 0.0) + 0.5


def observation(record: Record) -> None:
    record["turns"][-1]["observation"][-1] += " You win."


def action(record: Record) -> None:
    record["turns"][0]["action"] = record["turns"][0]["rendered"] = "look"


def more_turns(record: Record) -> None:
    record["turns"].append(record["turns"][-1] | {"index": len(record["turns"])})


def fewer_turns(record: Record) -> None:
    record["turns"].pop()


def other_seed(record: Record) -> None:
    record["seed"] += 1


def other_task(record: Record) -> None:
    record["task_id"] += "x"


def strategy(record: Record) -> None:
    record["turns"][0]["strategy"] = "Buy the blue one."


def prompt(record: Record) -> None:
    record["calls"][0]["messages"][-1]["content"] += " The answer is: buy."


def answer(record: Record) -> None:
    call = next(call for call in record["calls"] if call["role"] == "strategist")
    call["text"] = "Strategy: something else"


def swapped_seats(record: Record) -> None:
    for turn in record["turns"]:
        turn["seat"] = 1 - turn["seat"]


def temperature(record: Record) -> None:
    record["calls"][0]["temperature"] = 0.123


ADVISED = lambda record: record["strategist"] == "epo" and record["calls"]  # noqa: E731
CHANGES: dict[str, tuple[Doctor, Callable[[Record], bool], str]] = {
    "the outcome of a purchase": (outcome, in_world("webshop", "script:oracle"), "the outcome is"),
    "the outcome of a game": (outcome, in_world("alfworld"), "the outcome is"),
    "a reward": (reward, in_world("alfworld"), "turn 0: the reward is"),
    "what was seen": (observation, in_world("webshop", "script:oracle"), "what the seat saw"),
    "an action": (action, in_world("alfworld"), "turn 0:"),
    "a turn too many": (more_turns, in_world("alfworld"), "the episode is over before it"),
    "a turn too few": (fewer_turns, in_world("webshop", "script:oracle"), "not over after its last turn"),
    "the seed": (other_seed, in_world("alfworld"), "its seed is"),
    "the task": (other_task, in_world("alfworld"), "its id is not"),
    "a strategy": (strategy, ADVISED, "strategy is read as"),
    "a prompt": (prompt, ADVISED, "the prompt differs"),
    "an answer": (answer, ADVISED, "differs"),
    "who speaks": (swapped_seats, in_world("sotopia", "m"), "turn 0: the seat is 0, recorded 1"),
    "how a model was asked": (temperature, ADVISED, "temperature is"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_doctored_episode_is_found(
    change: str, honest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    doctor, where, said = CHANGES[change]
    run = doctored(honest, tmp_path / "run", doctor, where)
    assert main(["verify", str(run)]) == 1
    out = capsys.readouterr().out
    assert said in out
    assert "NOT CONFIRMED" in out


def test_a_doctored_score_of_a_judge_is_found(honest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def generous(record: Record) -> None:
        record["scores"][0]["goal"] += 4

    run = doctored(honest, tmp_path / "run", generous, lambda record: True, "judgements")
    assert main(["verify", str(run)]) == 1
    assert "the scores are read as" in capsys.readouterr().out


def test_what_is_not_installed_here_is_not_called_wrong(
    honest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(honest, tmp_path / "run")
    path = tmp_path / "run" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["config"]["strategists"][1]["kind"] = "somebody-elses"
    path.write_text(json.dumps(manifest))
    assert main(["verify", str(tmp_path / "run")]) == 4
    out = capsys.readouterr().out
    assert "somebody-elses" in out
    assert "CONFIRMED IN PART" in out
    (worlds,) = [line for line in out.splitlines() if line.startswith("worlds")]
    assert worlds.split()[1] == worlds.split()[3], "the worlds need no strategist"


def test_with_replay_a_call_that_no_prompt_leads_to_is_found(
    honest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(honest), "--replay"]) == 0
    shutil.copytree(honest, tmp_path / "run")
    calls = tmp_path / "run" / "calls.jsonl"
    lines = calls.read_text().splitlines()
    calls.write_text("\n".join(lines[1:]) + "\n")
    capsys.readouterr()
    assert main(["verify", str(tmp_path / "run"), "--replay"]) == 1
    assert "is not in calls.jsonl" in capsys.readouterr().out
    calls.unlink()
    assert main(["verify", str(tmp_path / "run"), "--replay"]) == 2


def test_the_badge_says_what_was_confirmed_and_for_which_files(honest: Path, tmp_path: Path) -> None:
    assert main(["verify", str(honest), "--out", str(tmp_path / "site")]) == 0
    told = json.loads((tmp_path / "site" / "verified.json").read_text())
    assert told["checks"]["worlds"]["different"] == {}
    assert set(told["sha256"]) == {"manifest.json", "episodes.jsonl", "judgements.jsonl"}
    assert "that a judge's opinion is right" in told["not_confirmed"]
    badge = (tmp_path / "site" / "badge.svg").read_text()
    assert "verified" in badge
    assert f"worlds {told['checks']['worlds']['confirmed']}/" in badge

    run = doctored(honest, tmp_path / "run", outcome, in_world("alfworld"))
    assert main(["verify", str(run), "--out", str(tmp_path / "site")]) == 1
    assert "not confirmed" in (tmp_path / "site" / "badge.svg").read_text()


def test_a_badge_replaces_nothing_of_somebody_else(
    honest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "verified.json").write_text('{"mine": 1}')
    assert main(["verify", str(honest), "--out", str(tmp_path)]) == 2
    assert str(tmp_path / "verified.json") in capsys.readouterr().err


def test_judgements_that_were_added_later_are_confirmed_too(honest: Path, tmp_path: Path) -> None:
    shutil.copytree(honest, tmp_path / "run")
    config = tmp_path / "judges.yaml"
    config.write_text("models: {other: {provider: scripted, function: 'tests.harness.builders:judge_script'}}\n")
    assert main(["judge", str(tmp_path / "run"), "--judge", "other", "--model-config", str(config)]) == 0
    assert main(["verify", str(tmp_path / "run")]) == 0
