"""A run that version 0.1 began (`tests/data/run-0.1`, killed half-way): opened, gone on with by its own readers, compared,
judged and replayed. Its endpoint writes as reasoning models do, so that the readers can be told apart."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.experiment.experiment import load_experiment
from harness.results.store import CALLS, EPISODES
from tests.harness.earlier_run import CONFIG, DATA, endpoint
from tests.servers.openai_server import OpenAIServer

NAME = "earlier-6a6c84e6"
KEPT = "This run was begun with the earlier readers and keeps them; --name NEW plays it with today's."


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """At another port than the run's, which has not been there for long."""
    with endpoint() as served:
        monkeypatch.setenv("OPENAI_BASE_URL", served.url)
        yield served


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(DATA / NAME, tmp_path / "results" / NAME)
    return tmp_path / "results"


def rows(folder: Path, name: str = EPISODES) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def played(row: dict[str, Any]) -> list[Any]:
    """What the readers made of an episode's answers."""
    return [(turn["action_kind"], turn["action"], turn["strategy"], turn["parse"]) for turn in row["turns"]]


def run(*arguments: str | Path) -> int:
    return main(["run", str(CONFIG), "--results", "results", *map(str, arguments)])


def test_the_same_command_goes_on_with_the_run_by_its_own_readers(
    results: Path, server: OpenAIServer, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = results / NAME
    before, manifest = rows(folder), json.loads((folder / "manifest.json").read_text())
    there = {row["episode_id"] for row in before}
    paid = sum(call["parts"]["episode"] not in there for call in rows(folder, CALLS))
    assert run() == 0
    assert KEPT in capfd.readouterr().err
    assert [path.name for path in results.iterdir() if path.is_dir()] == [NAME]
    after = rows(folder)
    now = json.loads((folder / "manifest.json").read_text())
    assert now.pop("interface", {}).keys().isdisjoint({"readers"}), "so that the next command knows it, too"
    assert now == manifest
    assert after[: len(before)] == before and len(after) == 12
    example = {row["cell"]: played(row) for row in before}
    for row in after[len(before) :]:
        assert played(row) == example[row["cell"]]
        assert row["status"] == "finished"
    calls = [call for row in after[len(before) :] for call in row["calls"]]
    hits = sum(call["obtained"]["cache_hit"] for call in calls)
    assert hits == paid > 0, "what was paid for before the kill is not asked again, whatever port it came from"
    assert any("<think>" in (call["text"] or "") for call in calls)


def test_a_copy_of_its_folder_goes_on_under_any_name(
    results: Path, server: OpenAIServer, capfd: pytest.CaptureFixture[str]
) -> None:
    (results / NAME).rename(results / "mine")
    assert run("--name", "mine", "--set", f"models.actor.base_url={server.url}") == 0
    assert KEPT in capfd.readouterr().err
    assert len(rows(results / "mine")) == 12
    assert run("--name", "mine", "--set", "actors.0={model: actor, temperature: 0.1}") == 2
    assert "temperature: 0.7 -> 0.1" in capfd.readouterr().err


def test_workers_go_on_with_it_by_its_own_readers(results: Path, server: OpenAIServer) -> None:
    before = rows(results / NAME)
    assert run("--workers", "1") == 0
    example = {row["cell"]: played(row) for row in before}
    assert all(played(row) == example[row["cell"]] for row in rows(results / NAME)[len(before) :])


def test_another_name_plays_it_with_todays_readers(
    results: Path, server: OpenAIServer, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("--name", "new") == 0
    assert KEPT not in capfd.readouterr().err
    experiment = load_experiment(CONFIG, CONFIG.read_text(), [])
    assert json.loads((results / "new" / "manifest.json").read_text())["interface"]["readers"] == 2
    assert experiment.run_name != NAME
    turns = [turn for row in rows(results / "new") for turn in row["turns"]]
    assert {turn["strategy"] for turn in turns if turn["strategy_source"] == "strategist"} == {
        "Be fair, part 0.",
        "Be fair, part 1.",
        "Be fair, part 2.",
        "Be fair, part 3.",
    }
    assert {turn["action"] for turn in turns} >= {"click[back to search]"}, "nothing invented behind it"


def test_beside_a_run_of_today_it_is_said_that_the_readers_differ(
    results: Path, server: OpenAIServer, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("--name", "new") == 0
    capfd.readouterr()
    axes = "environment=sotopia,strategist=vanilla"
    assert main(["compare", f"results/{NAME}#{axes}", f"results/new#{axes}"]) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert f"read by the same reader: {NAME} by that of version 0.1, reasoning in the texts included; new by" in said
    assert main(["leaderboard", "results"]) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert f"{NAME} by that of version 0.1" in said
    assert main(["leaderboard", f"results/{NAME}"]) == 0
    assert "read by the same reader" not in capfd.readouterr().out


def test_a_replay_of_its_record_reads_it_with_todays_readers(results: Path, server: OpenAIServer) -> None:
    only = "[{name: sotopia, split: builtin-test, tasks: 1, options: {max_turns: 4}}]"
    arguments = ("--set", f"environments={only}", "--set", "strategists=[vanilla]", "--replay", f"results/{NAME}")
    assert run("--name", "again", *arguments) == 0
    assert len(server.requests) == 0
    (row,) = rows(results / "again")
    actors = [call for call in row["calls"] if call["role"] == "actor"]
    assert [call["reasoning"] for call in actors] == ["I could lie."] * 4
    assert all(call["text"].startswith("{") for call in actors)
    assert [turn["action"] for turn in row["turns"]] == ["line 0", "line 0", "line 1", "line 1"]


def test_it_is_opened_ranked_judged_and_checked_like_any_other(
    results: Path, server: OpenAIServer, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = results / NAME
    assert main(["leaderboard", str(folder)]) == 0
    assert main(["show", str(folder)]) == 0
    assert main(["show", str(folder), rows(folder)[1]["episode_id"]]) == 0
    assert main(["compare", f"{folder}#strategist=vanilla", f"{folder}#strategist=epo"]) == 0
    assert main(["judge", str(folder), "--judge", "judge", "--again", "1"]) == 0
    out = capfd.readouterr()
    assert "Traceback" not in out.out + out.err
