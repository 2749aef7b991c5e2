"""SOTOPIA against the recordings of the real sotopia 0.1.4: every text, every rule."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from environments.sotopia.profiles import World, load_world
from tests.parity.sotopia import Tally, main, replay_files
from tests.shared_data import shared_data


@pytest.fixture(scope="module")
def world() -> World:
    return load_world(shared_data("sotopia"))


def rows(name: str) -> list[dict[str, Any]]:
    path = shared_data("sotopia", "recordings", f"{name}.jsonl.gz")
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]


def write(path: Path, *contents: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in contents), encoding="utf-8")
    return path


def test_every_recording_is_reproduced(world: World) -> None:
    tally = Tally()
    aside = replay_files([shared_data("sotopia", "recordings")], world, tally)
    assert [str(mismatch) for mismatch in tally.shown] == []
    assert tally.summary() == "225 backgrounds, 0 mismatches; 1407 steps, 0 mismatches, 178 not compared"
    assert (tally.episodes, tally.histories, tally.own_starts) == (100, 100, 2)
    assert aside == ["agent_prompts.jsonl.gz", "judge_parsing.jsonl.gz"]


def test_the_command_ends_with_the_counts(capsys: pytest.CaptureFixture[str]) -> None:
    data = shared_data("sotopia")
    assert main([str(data / "recordings"), "--data", str(data)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == "225 backgrounds, 0 mismatches; 1407 steps, 0 mismatches, 178 not compared"
    assert "left aside: judge_parsing.jsonl.gz" in printed


def change_text(row: dict[str, Any]) -> None:
    row["steps"][0]["obs"][1]["text"] += " "


def change_offer(row: dict[str, Any]) -> None:
    row["steps"][0]["obs"][0]["available_actions"] = ["none", "speak"]


def change_reason(row: dict[str, Any]) -> None:
    row["steps"][-1]["reason"] = "The conversation is too long;"


def change_rendering(row: dict[str, Any]) -> None:
    row["steps"][0]["rendered"] = "did something"


def change_turn_number(row: dict[str, Any]) -> None:
    row["steps"][0]["obs"][0]["turn_number"] = 7


def end_too_early(row: dict[str, Any]) -> None:
    row["steps"][2]["terminated"] = True


def cut_steps(row: dict[str, Any]) -> None:
    row["steps"].pop()


def add_a_step(row: dict[str, Any]) -> None:
    row["steps"].append({**row["steps"][-1], "turn": 21})


def change_history(row: dict[str, Any]) -> None:
    row["judge_history"] = row["judge_history"].replace("Turn #2\n", "Turn #2\n\n")


def change_kind(row: dict[str, Any]) -> None:
    row["steps"][0]["action"]["action_type"] = "shout"


def break_off_before_the_end(row: dict[str, Any]) -> None:
    row["unplayed"] = [{"action_type": "speak", "argument": "x"}]
    row["steps"] = row["steps"][:4]
    row["n_turns"] = 4
    row["final_reason"] = ""


@pytest.mark.parametrize(
    "damage",
    [
        change_text,
        change_offer,
        change_reason,
        change_rendering,
        change_turn_number,
        end_too_early,
        cut_steps,
        add_a_step,
        change_history,
        change_kind,
        break_off_before_the_end,
    ],
)
def test_a_changed_episode_is_noticed(damage: Callable[[dict[str, Any]], None], world: World, tmp_path: Path) -> None:
    row = next(row for row in rows("episodes") if row["n_turns"] == 20 and all(map(all, _verbatim(row))))
    damage(row)
    tally = Tally()
    replay_files([write(tmp_path / "episodes.jsonl", row)], world, tally)
    assert tally.step_mismatches > 0


def _verbatim(row: dict[str, Any]) -> list[list[bool]]:
    return [step["verbatim"] for step in row["steps"]]


@pytest.mark.parametrize("key", ["seat1", "seat2", "judge"])
def test_a_changed_background_is_noticed_and_shown(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = rows("backgrounds")[3]
    row[key] = row[key].replace("goal", "aim", 1)
    path = write(tmp_path / "odd.jsonl", row)
    assert main([str(path), "--data", str(shared_data("sotopia"))]) == 1
    printed = capsys.readouterr().out
    assert f"combo {row['index']}, {key}\n" in printed
    assert printed.splitlines()[-1] == "1 backgrounds, 1 mismatches; 0 steps, 0 mismatches, 0 not compared"


def test_only_the_first_ten_mismatches_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = [{**row, "judge": "x"} for row in rows("backgrounds")[:14]]
    path = write(tmp_path / "backgrounds.jsonl", *damaged)
    assert main([str(path), "--data", str(shared_data("sotopia"))]) == 1
    printed = capsys.readouterr().out
    assert printed.count("recorded: 'x'") == 10
    assert "14 backgrounds, 14 mismatches" in printed


def test_the_relationship_override_decides_the_start(world: World, tmp_path: Path) -> None:
    row = next(row for row in rows("episodes") if "relationship_override" in row)
    for relationship, mismatches in ((row["relationship_override"], 0), (0, 2)):
        tally = Tally()
        changed = {**row, "relationship_override": relationship}
        replay_files([write(tmp_path / "episodes.jsonl", changed)], world, tally)
        assert tally.background_mismatches == mismatches


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{not json\n", "line 1: not JSON"),
        ('{"index": 0}\n', "neither a background"),
        ('{"seat1": "x", "index": 0}\n', "Field required"),
    ],
)
def test_a_broken_recording_is_bad_input(
    text: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "backgrounds.jsonl"
    path.write_text(text, encoding="utf-8")
    assert main([str(path), "--data", str(shared_data("sotopia"))]) == 2
    assert expected in capsys.readouterr().err


def test_a_missing_recording_or_data_folder_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(shared_data("sotopia"))
    assert main([str(tmp_path / "nowhere"), "--data", data]) == 2
    assert "no recording here" in capsys.readouterr().err
    assert main([str(shared_data("sotopia", "recordings")), "--data", str(tmp_path)]) == 2
    assert "lacks agents.jsonl" in capsys.readouterr().err
