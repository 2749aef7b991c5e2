"""`harness run --dry-run` refuses what the run refuses, and writes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from environments.alfworld.data import read_split
from environments.alfworld.generator.files import generate
from harness.cli import main
from harness.results.holding import RunLock
from tests.harness.builders import config
from tests.harness.test_cli import Shell, shell

__all__ = ["shell"]


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file's bytes, without the indexes: reading a run may renew them."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".index"}


@pytest.mark.parametrize(
    "options",
    [
        ["--name", "../elsewhere"],
        ["--max-usd", "-1"],
        ["--max-hours", "nan"],
        ["--probe", "0"],
        ["--workers", "-1"],
        ["--address", "127.0.0.1:1"],
        ["--replay", "nowhere"],
        ["--results", "small.yaml"],
        ["--retry-failed", "no-such-reason"],
    ],
    ids=lambda options: options[0],
)
def test_what_the_command_line_asks_is_checked(options: list[str], shell: Shell) -> None:
    if options[0] == "--retry-failed":
        shell.play()
        options = [*options, "--name", "run"]
    config = shell.config()
    assert shell("run", config, *options) == 2
    refused = shell.err
    assert shell("run", config, *options, "--dry-run") == 2
    assert shell.err == refused and shell.out == ""


def test_a_folder_of_another_experiment_is_refused(shell: Shell) -> None:
    run = shell.play()
    config = shell.config(seed=99)
    assert shell("run", config, "--name", "run") == 2
    refused, before = shell.err, files_of(run)
    assert shell("run", config, "--name", "run", "--dry-run") == 2
    assert shell.err == refused
    assert files_of(run) == before


def test_a_run_that_is_being_written_is_refused(shell: Shell) -> None:
    run = shell.play()
    lock = RunLock(run)
    lock.acquire()
    before = files_of(run)
    assert shell("run", shell.config(), "--name", "run", "--dry-run") == 2
    assert "is being written by another process (pid" in shell.err
    lock.release()
    assert files_of(run) == before
    assert shell("run", shell.config(), "--name", "run", "--dry-run") == 0


def test_an_infinite_price_is_refused(shell: Shell) -> None:
    for field in ("prompt", "completion", "cached"):
        price = {"prompt": 1.0, "completion": 1.0} | {field: float("inf")}
        model = {"provider": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1", "price": price}
        assert shell("run", shell.config(models={"m": model}), "--dry-run") == 2
        assert f"price.{field}" in shell.err


@pytest.mark.parametrize("command", ["run", "train"])
@pytest.mark.parametrize("kind", ["a FIFO", "a device", "a folder"])
def test_a_config_that_is_no_plain_file_is_refused_at_once(command: str, kind: str, shell: Shell) -> None:
    if kind == "a FIFO":
        os.mkfifo("config.yaml")
    elif kind == "a folder":
        Path("config.yaml").mkdir()
    else:
        Path("config.yaml").symlink_to("/dev/zero")
    assert shell(command, "config.yaml", "--dry-run") == 2
    a_run = kind == "a folder" and command == "run"  # which plays its experiment again
    said = "config.yaml is not a run" if a_run else "config.yaml cannot be read: it is no plain file"
    assert said in shell.err


def test_a_dry_run_says_what_replays_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replay = {"method": "replay", "max_episodes": 1, "options": {"n": 3, "turns": 2}}
    made = config(strategists=[{"kind": "epo", "model": "m"}], judge="m", process=[replay])
    file = tmp_path / "experiment.yaml"
    file.write_text(yaml.safe_dump(made))
    assert main(["run", str(file), "--dry-run", "--results", str(tmp_path / "results")]) == 0
    # 2 strategies, 3 plays each with and without it: 12 plays of 4 turns with two calls and a judgement each.
    said = f"Process reward replay: of these, ≤ {12 * (4 * 2 + 1)} calls for 1 episode,"
    assert said in capsys.readouterr().out


def test_what_a_split_is_short_of_is_said_before_it_is_played(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(20, 3, tmp_path / "made")
    (tmp_path / "made/generated-test").rename(tmp_path / "made/valid_seen")
    (next((tmp_path / "made/valid_seen").glob("*/*/game.tw-pddl"))).write_text('{"solvable": true}')
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path / "made"))
    read_split.cache_clear()
    place = shell.config(
        environments=[{"name": "alfworld", "split": "valid_seen"}], actors=[{"script": "random"}], judge=None
    )
    assert shell("run", place, "--dry-run") == 0, shell.err
    assert "note: alfworld valid_seen: 1 game here, 140 are published as valid_seen" in shell.err
    assert "note: alfworld valid_seen: 1 left out: valid_seen/" in shell.err
    read_split.cache_clear()
