"""Outputs that the user names never cost a record, a folder or a file of somebody else's."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.base.errors import BadInput
from harness.cli import main
from harness.exchange.livelog import FOLDER as LIVE
from harness.results.index import index_path, read_index
from harness.results.repair import SET_ASIDE
from harness.results.store import CALLS, EPISODES, FORECAST, JUDGEMENTS, PROCESS_REWARDS
from harness.results.targets import refuse_own_places
from harness.training.fit.fit import FIT
from harness.training.fit.options import CHECKPOINT
from harness.training.fit.progress import LOG
from harness.training.loop.grpo import ROUNDS
from tests.harness.gate_runs import play

Command = Callable[[Path, Path], list[str]]
COMMANDS: dict[str, Command] = {
    "csv": lambda run, out: ["export", str(run), "--to", "csv", "--out", str(out)],
    "baseline": lambda run, out: ["check", "--make-baseline", str(run), "--out", str(out)],
    **{
        form: lambda run, out, form=form: [  # type: ignore[misc]
            *("check", "--baseline", str(run.with_name("base")), "--candidate", str(run), f"--{form}", str(out))
        ]
        for form in ("markdown", "junit", "json")
    },
}
FOLDERS: dict[str, Command] = {
    "hf-dataset": lambda run, out: ["export", str(run), "--to", "hf-dataset", "--out", str(out)],
    "html": lambda run, out: ["leaderboard", str(run), "--html", str(out)],
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("played")
    for name in ("base", "demo"):
        play(folder / name)
    return folder


@pytest.fixture
def run(played: Path, tmp_path: Path) -> Path:
    """A run with every outcome."""
    shutil.copytree(played, tmp_path / "runs", ignore=shutil.ignore_patterns("*.index"))
    return tmp_path / "runs" / "demo"


def content(folder: Path) -> dict[str, str]:
    """Hash of every file below a folder; indexes, which are derived, left out."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".index"
    }


def refused(command: list[str], capsys: Any, *said: str) -> None:
    assert main(command) == 2
    error = capsys.readouterr().err
    for text in said:
        assert text in error


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize(
    "name",
    ["episodes.jsonl", "judgements.jsonl", "calls.jsonl", "manifest.json", "episodes.index", ".lock", "torn/x.txt",
     "forecast.json", "damaged.jsonl", "process_rewards.jsonl", "live-log/events", ".calls.jsonl.part"],
)  # fmt: skip
def test_nothing_that_a_run_keeps_is_a_target(command: Command, name: str, run: Path, capsys: Any) -> None:
    before = content(run)
    refused(command(run, run / name), capsys, str(run / name), "belongs to that run")
    assert content(run) == before


def test_whatever_stands_in_a_played_run_is_no_target(run: Path) -> None:
    read_index(run / EPISODES)
    found = [path for path in run.iterdir() if path.name != "index.html"]
    assert {"episodes.jsonl", "episodes.index", "manifest.json", "calls.jsonl"} <= {path.name for path in found}
    for path in found:
        with pytest.raises(BadInput, match="belongs to that run"):
            refuse_own_places(path, "--out")


@pytest.mark.parametrize("name", [SET_ASIDE, CALLS, FORECAST, JUDGEMENTS, PROCESS_REWARDS, LIVE, "torn", ".lock"])
def test_what_a_run_may_keep_later_is_no_target(name: str, run: Path) -> None:
    with pytest.raises(BadInput, match="belongs to that run"):
        refuse_own_places(run / name, "--out")


@pytest.mark.parametrize(
    "name",
    [
        LOG,
        CHECKPOINT,
        "checkpoints",
        "old.safetensors",
        "reference.safetensors",
        "tensorboard",
        "data",
        "torn",
        ROUNDS,
        ".lock",
    ],
)
def test_what_a_fit_keeps_is_no_target(name: str, tmp_path: Path) -> None:
    (tmp_path / FIT).write_text("{}")
    with pytest.raises(BadInput, match="belongs to that training"):
        refuse_own_places(tmp_path / name, "--out")


@pytest.mark.parametrize(
    "name", ["training.json", "training.jsonl", "stages/play-1.json", "fit/iteration-1/model/x.json"]
)
def test_nothing_that_a_training_keeps_is_a_target(name: str, run: Path, tmp_path: Path, capsys: Any) -> None:
    training = tmp_path / "training"
    (training / "stages").mkdir(parents=True)
    (training / "training.json").write_text("{}")
    refused(COMMANDS["csv"](run, training / name), capsys, "belongs to that training")
    assert content(training) == {"training.json": hashlib.sha256(b"{}").hexdigest()}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_folder_a_link_and_a_foreign_file_in_the_way_are_refused(
    command: Command, run: Path, tmp_path: Path, capsys: Any
) -> None:
    place, precious = tmp_path / "out", tmp_path / "precious"
    place.mkdir()
    refused(command(run, place), capsys, f"{place}: a folder stands there")
    place.rmdir()
    precious.write_text("precious")
    place.symlink_to(precious)
    refused(command(run, place), capsys, f"{place} is a link to {precious}")
    place.unlink()
    shutil.copyfile(precious, place)
    refused(command(run, place), capsys, f"{place} holds something that this command did not write")
    refused(command(run, precious / "below"), capsys, f"{precious} is a file, not a folder")
    assert (place.read_text(), precious.read_text()) == ("precious", "precious")


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_an_empty_file_and_an_earlier_output_are_replaced(command: Command, run: Path, tmp_path: Path) -> None:
    place = tmp_path / "deep" / "out"
    place.parent.mkdir()
    place.touch()
    assert main(command(run, place)) in (0, 3)
    first = place.read_bytes()
    assert main(command(run, place)) in (0, 3)
    assert place.read_bytes() == first != b""
    assert [path.name for path in place.parent.iterdir()] == ["out"]


def test_outputs_of_one_command_are_foreign_to_another(run: Path, tmp_path: Path, capsys: Any) -> None:
    place = tmp_path / "out"
    for made in COMMANDS.values():
        place.unlink(missing_ok=True)
        assert main(made(run, place)) in (0, 3)
        kept = place.read_bytes()
        for other in COMMANDS.values():
            if other is not made:
                refused(other(run, place), capsys, "did not write")
        assert place.read_bytes() == kept


FOLDER_COMMANDS: dict[str, Command] = {
    "prepare": lambda run, out: ["train", "prepare", str(run), "--tokenizer", str(run), "--out", str(out)],
    "fit": lambda run, out: ["train", "fit", str(run), "--model", str(run), "--out", str(out)],
    "convert": lambda run, out: ["models", "convert", str(run.parent / "model.gguf"), "--out", str(out)],
    "generate": lambda run, out: ["data", "generate", "webshop", "--n", "3", "--seed", "1", "--out", str(out)],
}


@pytest.mark.parametrize("command", FOLDER_COMMANDS.values(), ids=FOLDER_COMMANDS)
def test_no_command_writes_its_folder_over_a_run_or_a_file(
    command: Command, run: Path, tmp_path: Path, capsys: Any
) -> None:
    (run.parent / "model.gguf").write_bytes(b"GGUF")
    before = content(run)
    refused(command(run, run), capsys, f"--out {run} is the folder of a run")
    refused(command(run, run / "torn"), capsys, "belongs to that run")
    refused(command(run, run / "manifest.json"), capsys, "belongs to that run")
    assert content(run) == before
    (tmp_path / "file").write_text("precious")
    refused(command(run, tmp_path / "file"), capsys, f"{tmp_path / 'file'}: a file stands there")
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize("name", ["prepare", "fit"])
def test_training_commands_leave_a_foreign_folder_alone(name: str, run: Path, tmp_path: Path, capsys: Any) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "dataset.jsonl").write_text('{"text": "mine"}\n')
    refused(FOLDER_COMMANDS[name](run, foreign), capsys, "did not write")
    assert (foreign / "dataset.jsonl").read_text() == '{"text": "mine"}\n'


def test_generated_data_is_added_and_never_changes_a_file(run: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "generated"
    command = FOLDER_COMMANDS["generate"](run, out)
    assert main(command) == 0
    made = content(out)
    assert main(command) == 0
    assert content(out) == made
    (name, *_) = made
    (out / name).write_text("mine")
    refused(command, capsys, f"{out / name} is there already and differs")
    assert (out / name).read_text() == "mine"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_two_reports_do_not_share_a_file(run: Path, tmp_path: Path, capsys: Any) -> None:
    command = [*COMMANDS["json"](run, tmp_path / "out"), "--junit", str(tmp_path / "out")]
    refused(command, capsys, "name the same file")


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_dash_is_standard_output_and_nothing_else_is_on_it(
    command: Command, run: Path, tmp_path: Path, capfd: Any
) -> None:
    assert main(command(run, tmp_path / "out")) in (0, 3)
    capfd.readouterr()
    for name in ("-", "/dev/stdout", "/proc/self/fd/1"):
        assert main(command(run, Path(name))) in (0, 3)
        assert capfd.readouterr().out == (tmp_path / "out").read_text("utf-8")
    assert Path("/dev/stdout").is_symlink()


def test_standard_output_that_is_a_file_keeps_what_stands_in_it(run: Path, tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file:
        file.write(b"before\n")
        file.flush()
        for name in ("/dev/stdout", "/dev/fd/1"):
            command = [sys.executable, "-m", "harness.cli", *COMMANDS["csv"](run, Path(name))]
            subprocess.run(command, stdout=file, check=True)
    text = (tmp_path / "out").read_text("utf-8")
    assert text.startswith("before\nrun,episode_id,")
    assert text.count("run,episode_id,") == 2


def test_a_fifo_is_written_to_and_stays(run: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_text("utf-8")), daemon=True)
    reader.start()
    assert main(COMMANDS["csv"](run, fifo)) == 0
    reader.join(300)
    assert read[0].startswith("run,episode_id,")
    assert fifo.is_fifo()


@pytest.mark.parametrize("command", FOLDERS.values(), ids=FOLDERS)
def test_where_a_folder_is_asked_for_a_file_is_refused(
    command: Command, run: Path, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "file").write_text("precious")
    refused(command(run, tmp_path / "file"), capsys, f"{tmp_path / 'file'}: a file stands there")
    assert (tmp_path / "file").read_text() == "precious"


def test_a_data_set_does_not_replace_a_run_or_a_foreign_folder(run: Path, tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("pyarrow")
    before = content(run)
    refused(FOLDERS["hf-dataset"](run, run), capsys, f"{run} is the folder of a run")
    assert content(run) == before
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "README.md").write_text("# mine")
    refused(FOLDERS["hf-dataset"](run, foreign), capsys, "did not write")
    assert content(foreign) == {"README.md": hashlib.sha256(b"# mine").hexdigest()}


def test_a_data_set_is_whole_or_not_there_and_a_killed_one_is_made_again(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    out = tmp_path / "exports" / "set"
    killed = """
import os, signal, sys
import harness.exchange.dataset as dataset
write_file = dataset.write_file
dataset.write_file = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from harness.cli import main
main(sys.argv[1:])
"""
    command = FOLDERS["hf-dataset"](run, out)
    assert subprocess.run([sys.executable, "-c", killed, *command], check=False).returncode == -9
    assert not out.exists()
    assert len(list(out.parent.iterdir())) == 1
    for _ in range(2):
        assert main(command) == 0
        assert [path.name for path in out.parent.iterdir()] == ["set"]
        assert {"README.md", "manifest.json", "episodes"} <= {path.name for path in out.iterdir()}


def test_a_page_stands_in_a_runs_folder_and_is_replaced_by_the_next(run: Path, capsys: Any) -> None:
    before = content(run)
    for _ in range(2):
        assert main(FOLDERS["html"](run, run)) == 0
        assert content(run).keys() - before.keys() == {"index.html"}
    (run / "index.html").write_text("<html>mine</html>")
    refused(FOLDERS["html"](run, run), capsys, f"{run / 'index.html'} holds something")


def test_a_page_goes_to_standard_output(run: Path, tmp_path: Path, capfd: Any) -> None:
    assert main(FOLDERS["html"](run, tmp_path / "page")) == 0
    capfd.readouterr()
    assert main(FOLDERS["html"](run, Path("-"))) == 0
    assert capfd.readouterr().out == (tmp_path / "page" / "index.html").read_text("utf-8")


def test_links_in_the_place_of_an_index_lead_nowhere(run: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    wanted = read_index(run / EPISODES)
    for name in ("episodes.index", ".episodes.index.tmp"):
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(precious)
    assert read_index(run / EPISODES) == wanted
    assert precious.read_text() == "precious"


def test_an_index_that_leads_to_another_runs_is_not_added_to(run: Path, tmp_path: Path) -> None:
    read_index(run / EPISODES)
    other = tmp_path / "other.index"
    shutil.move(run / "episodes.index", other)
    (run / "episodes.index").symlink_to(other)
    kept = other.read_bytes()
    with (run / EPISODES).open("ab") as file:
        file.write((run / EPISODES).read_bytes().splitlines(keepends=True)[0])
    read_index(run / EPISODES)
    assert other.read_bytes() == kept


def test_a_run_that_is_not_ours_to_write_keeps_its_index_in_the_cache(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path / "home"))
    wanted = read_index(run / EPISODES)
    (run / "episodes.index").unlink()
    monkeypatch.setattr(os, "geteuid", lambda: run.stat().st_uid + 1)  # another's folder
    before = sorted(run.iterdir())
    assert read_index(run / EPISODES) == wanted
    assert index_path(run / EPISODES).is_relative_to(tmp_path / "home")
    assert index_path(run / EPISODES).exists()
    assert sorted(run.iterdir()) == before
    (tmp_path / "home").rename(tmp_path / "gone")
    (tmp_path / "home").write_text("no folder")  # not even a cache
    assert read_index(run / EPISODES) == wanted


def test_a_read_only_run_is_left_as_it_is(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path / "home"))
    run.chmod(0o555)
    try:
        before = sorted(run.iterdir())
        assert main(["leaderboard", str(run)]) == 0
        assert sorted(run.iterdir()) == before
    finally:
        run.chmod(0o755)
    assert list((tmp_path / "home").rglob("episodes.index"))


def test_an_export_keeps_what_else_the_dataset_info_names(tmp_path: Path) -> None:
    from harness.exchange.sharegpt import _merged_info, is_exported

    (tmp_path / "dataset_info.json").write_text(json.dumps({"theirs": {"file_name": "theirs.json"}}))
    (tmp_path / "theirs.json").write_text("[]")
    assert not is_exported(tmp_path / "theirs.json")
    assert _merged_info(tmp_path / "rl.json").keys() == {"theirs", "rl"}
