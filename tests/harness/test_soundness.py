"""A run that cannot be read is left out and named once, the others are ranked, and the command ends with 4; nothing is
judged by it, and nothing is written to it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.base.errors import BadInput, Newer
from harness.compare.baseline import FORMAT
from harness.experiment.manifest_form import manifest_problem
from harness.judging import judgement_id
from harness.results.store import EPISODES, JUDGEMENTS, MANIFEST, read_manifest, write_manifest
from harness.results.training_curve import read_curve
from harness.training.loop.folder import read_training
from tests.harness.test_cli import Shell, shell

__all__ = ["shell"]


def rewrite(file: str, change: Callable[[dict[str, Any]], object], line: int = 1) -> Callable[[Path], None]:
    """Change one record of a run's file."""

    def damage(run: Path) -> None:
        lines = (run / file).read_text().splitlines()
        record = json.loads(lines[line])
        change(record)
        lines[line] = json.dumps(record)
        (run / file).write_text("\n".join(lines) + "\n")

    return damage


def tear(run: Path) -> None:
    text = (run / EPISODES).read_bytes()
    middle = text.index(b"\n") + 300
    (run / EPISODES).write_bytes(text[:middle] + b"\0" * 64 + text[middle + 512 :])


def fifo(run: Path) -> None:
    (run / EPISODES).unlink()
    os.mkfifo(run / EPISODES)


def manifest(**changes: Any) -> Callable[[Path], object]:
    return lambda run: (run / MANIFEST).write_text(json.dumps(json.loads((run / MANIFEST).read_text()) | changes))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a torn middle": (tear, "episodes.jsonl, line 2"),
    "a later version's record": (
        rewrite(EPISODES, lambda record: record.update(schema_version=2)),
        "was written by a newer version of strategist-harness",
    ),
    "a later version's manifest": (manifest(schema_version=7), "was written by a newer version of strategist-harness"),
    "a FIFO": (fifo, "it is a FIFO, not a file"),
    "an infinite score": (
        rewrite(JUDGEMENTS, lambda record: record["scores"][0].update(goal=float("inf"))),
        "judgements.jsonl, line 2",
    ),
    "a score outside its scale": (
        rewrite(JUDGEMENTS, lambda record: record["scores"][1].update(goal=11)),
        "a score for 'goal' lies outside 0 to 10",
    ),
    "an outcome outside its range": (
        rewrite(EPISODES, lambda record: record.update(outcome={"score": 99.0, "success": True})),
        "its outcome's score lies outside 0 to 10",
    ),
    "too many tokens": (
        rewrite(EPISODES, lambda record: record["calls"][0].update(prompt_tokens=10**400)),
        "episodes.jsonl, line 2",
    ),
    "a task that is no text": (rewrite(EPISODES, lambda record: record.update(task_id=7)), "task_id is 7"),
    "a manifest of wrong types": (manifest(cells={"a": 1}), "manifest.json cannot be read: cells.a"),
    "deep brackets": (
        lambda run: (run / EPISODES).open("ab").write(b"[" * 100_000 + b"\n"),
        "episodes.jsonl, line 5",
    ),
}


@pytest.fixture
def runs(shell: Shell) -> Path:
    """Two runs under results/, whose episodes differ."""
    shell.play()
    shell("run", shell.config(seed=9), "--name", "sound")
    return shell.folder / "results"


@pytest.mark.parametrize(("damage", "said"), DAMAGES.values(), ids=DAMAGES)
def test_every_reading_command_leaves_a_damaged_run_out_says_so_once_and_ends_with_4(
    damage: Callable[[Path], None], said: str, shell: Shell, runs: Path
) -> None:
    damage(runs / "run")
    before = {path.name: path.lstat() for path in (runs / "run").iterdir() if path.suffix != ".index"}
    for command in (["leaderboard"], ["spread"], ["judge report"]):
        assert shell(*command, "results") == 4, command
        assert shell.err.count("results/run is left out: ") == 1
        assert said in shell.err
        assert "vanilla" in shell.out or command == ["judge report"]
        assert shell.out
    assert shell("leaderboard", "results", "--format", "json") == 4
    assert {row["run"] for row in json.loads(shell.out)} == {"sound"}
    assert shell("leaderboard", "results", "--html", "page") == 4
    assert (shell.folder / "page" / "index.html").exists()
    for command in (
        ["leaderboard", "results/run"],
        ["show", "results/run"],
        ["show", "results/run", "0"],
        ["compare", "results/sound", "results/run"],
        ["export", "results/run", "--to", "csv", "--out", "out.csv"],
        ["export", "results/run", "--to", "hf-dataset", "--out", "data"],
    ):
        assert shell(*command) == 4, command
        assert said in shell.err
    assert not (shell.folder / "out.csv").exists()
    assert not (shell.folder / "data").exists()
    assert shell("check", "--baseline", "results/sound", "--candidate", "results/run") == 2
    assert shell("check", "--baseline", "results/run", "--candidate", "results/sound") == 2
    assert shell("run", "small.yaml", "--set", "seed=0", "--name", "run") == 2
    assert said in shell.err
    assert shell("judge", "results/run", "--judge", "m", "--again", "1") == 2
    assert said in shell.err
    after = {path.name: path.lstat() for path in (runs / "run").iterdir() if path.suffix != ".index"}
    assert {name: (s.st_size, s.st_mtime_ns) for name, s in after.items()} == {
        name: (s.st_size, s.st_mtime_ns) for name, s in before.items()
    }, "nothing was written to the damaged run"


def test_runs_that_can_be_read_end_with_0(shell: Shell, runs: Path) -> None:
    assert shell("leaderboard", "results") == 0
    assert shell.err == ""


def test_a_judge_whose_kind_is_not_installed_here_is_shown_by_its_name_and_nothing_else_is_left_out(
    shell: Shell, runs: Path
) -> None:
    def foreign(record: dict[str, Any]) -> None:
        record["judge"] = "theirs/x/1"
        record["judgement_id"] = judgement_id(record["episode_id"], "theirs/x/1")

    lines = (runs / "run" / JUDGEMENTS).read_text().splitlines()
    records = [json.loads(line) for line in lines]
    for record in records:
        foreign(record)
    with (runs / "run" / JUDGEMENTS).open("a") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    assert shell("judge report", "results", "--format", "json") == 0
    cards = json.loads(shell.out)["outcome"]
    assert [card["judge"].split("/")[0] for card in cards] == ["sotopia", "theirs"]
    assert shell("judge report", "results") == 0
    assert "theirs/x/1" in shell.out
    for command in (["leaderboard", "results"], ["show", "results/run"], ["spread", "results"]):
        assert shell(*command) == 0, command
        assert shell.err == ""


def test_a_wrong_type_in_a_manifest_is_refused_when_it_is_written(shell: Shell, runs: Path) -> None:
    good = read_manifest(runs / "run")
    world = good["environments"]["sotopia"]
    wrong: list[dict[str, Any]] = [
        good | {"judge": 7},
        good | {"prompts": {"actor": None}},
        good | {"data": {"sotopia": {"file": 7}}},
        good | {"cells": {name: {"planned": "2", "assisted": "none"} for name in good["cells"]}},
        good | {"cells": {name: {"planned": -1, "assisted": "none"} for name in good["cells"]}},
        good | {"cells": {"sotopia": {"planned": 1, "assisted": "none"}}},
        good | {"environments": {"sotopia": world | {"metric": world["metric"] | {"high": float("nan")}}}},
        good | {"environments": {"sotopia": world | {"metric": world["metric"] | {"low": 10}}}},
        good | {"environments": {}},
    ]
    text = (runs / "run" / MANIFEST).read_text()
    for each in wrong:
        assert manifest_problem(each) is not None
        with pytest.raises(BadInput, match="cannot be written"):
            write_manifest(runs / "run", each)
    assert (runs / "run" / MANIFEST).read_text() == text


def test_a_newer_version_is_named_wherever_something_is_read(shell: Shell, runs: Path, tmp_path: Path) -> None:
    assert shell("check", "--make-baseline", "results/run", "--out", "base.json") == 0
    baseline = json.loads(Path("base.json").read_text())
    Path("base.json").write_text(json.dumps(baseline | {"format": FORMAT + 1, "later": 1}))
    assert shell("check", "--baseline", "base.json", "--candidate", "results/sound") == 2
    assert "newer version of strategist-harness" in shell.err
    (tmp_path / "training.json").write_text('{"schema_version": 2}')
    with pytest.raises(Newer, match="newer version"):
        read_training(tmp_path)
    (tmp_path / "training.jsonl").write_text('{"schema_version": 2, "later": true}\n')
    with pytest.raises(Newer, match=r"training\.jsonl, line 1, was written by a newer version"):
        read_curve(tmp_path)


def test_a_copy_is_still_refused(shell: Shell, runs: Path) -> None:
    shutil.copytree(runs / "run", runs / "copy")
    assert shell("leaderboard", "results") == 2


def test_a_strategists_kind_that_is_not_installed_here_is_shown_by_its_name(shell: Shell, runs: Path) -> None:
    for file in (MANIFEST, EPISODES):
        text = (runs / "run" / file).read_text()
        config_names = text.replace('"kind": "vanilla"', '"kind": "theirs"').replace("| vanilla", "| theirs")
        (runs / "run" / file).write_text(config_names.replace('"strategist":"vanilla"', '"strategist":"theirs"'))
    for command in (
        ["leaderboard", "results"],
        ["show", "results/run"],
        ["spread", "results"],
        ["compare", "results/run#strategist=theirs", "results/run#strategist=null"],
        ["leaderboard", "results", "--html", "page"],
        ["judge report", "results"],
        ["repair", "results/run"],
    ):
        assert shell(*command) == 0, (command, shell.err)
        if command[0] not in ("judge report", "repair"):
            assert "theirs" in shell.out
    assert "theirs" in (shell.folder / "page" / "index.html").read_text()
