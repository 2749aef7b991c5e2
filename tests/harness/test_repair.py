"""`harness repair` takes out what cannot be read and nothing else: every byte is in the file or in `damaged.jsonl`, what is
whole stays, a second repair does nothing, and the run can be read and played on."""

from __future__ import annotations

import base64
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.results import repair
from harness.results.repair import SET_ASIDE, repair_run
from harness.results.soundness import check_run
from harness.results.store import EPISODES, JUDGEMENTS, MANIFEST
from tests.harness.test_cli import Shell, shell

__all__ = ["shell"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of four judged episodes."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "small.yaml").write_text(json.dumps(_config()))
    command = [sys.executable, "-m", "harness.cli", "run", "small.yaml", "--name", "run"]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return folder / "results" / "run"


def _config() -> dict[str, Any]:
    from tests.harness.test_cli import small

    return small()


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "run")
    return tmp_path / "run"


def entries(run: Path) -> list[dict[str, Any]]:
    path = run / SET_ASIDE
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def content_of(entry: dict[str, Any]) -> bytes:
    return entry["text"].encode() if "text" in entry else base64.b64decode(entry["base64"])


def put_back(run: Path, file: str) -> bytes:
    """The file as it was before the repair: what is left, with what was set aside where it stood."""
    left, found = (run / file).read_bytes(), b""
    for entry in (each for each in entries(run) if each["file"] == file):
        taken = entry["byte"] - len(found)
        found, left = found + left[:taken] + content_of(entry), left[taken:]
    return found + left


def damage_line(line: bytes, kind: str, at: int) -> bytes:
    """A line with its newline, damaged."""
    body, place = line[:-1], at % max(1, len(line) - 2) + 1
    return {
        "cut": body[:place] + b"\n",
        "no newline": body,
        "torn, then a record": body[:place] + line,
        "NUL block": body[:place] + b"\0" * 512 + body[place:] + b"\n",
        "NUL before": b"\0" * 100 + line,
        "all NUL": b"\0" * len(body) + b"\n",
        "bad byte": body[:place] + b"\xff" + body[place:] + b"\n",
        "BOM": b"\xef\xbb\xbf" + line,
        "CRLF": body + b"\r\n",
        "twice": line + line,
        "empty": b"\n",
        "newline inside": body[:place] + b"\n" + body[place:] + b"\n",
        "brackets": b"[" * 3000 + b"\n",
        "another object": b'{"from": "another tool"}\n',
        "infinite": line.replace(b'"duration_s":', b'"duration_s":1e999,"x":', 1),
        "whole": line,
    }[kind]


KINDS = ("cut", "no newline", "torn, then a record", "NUL block", "NUL before", "all NUL", "bad byte", "BOM", "CRLF",
         "twice", "empty", "newline inside", "brackets", "another object", "infinite", "whole")  # fmt: skip
KEPT = {"whole", "CRLF", "NUL before", "BOM", "twice", "torn, then a record"}
"""Damages at which the record itself stays."""


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    damages=st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 10**6)), min_size=4, max_size=4),
    scores=st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 10**6)), min_size=4, max_size=4),
)
def test_every_byte_is_kept_and_what_is_whole_stays_where_it_is(
    damages: list[tuple[str, int]], scores: list[tuple[str, int]], made: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = tmp_path_factory.mktemp("damaged") / "run"
    shutil.copytree(made, run)
    before = {}
    for file, damaged in ((EPISODES, damages), (JUDGEMENTS, scores)):
        lines = (run / file).read_bytes().splitlines(keepends=True)
        for index in run.glob("*.index"):
            index.unlink()
        before[file] = b"".join(damage_line(line, *how) for line, how in zip(lines, damaged, strict=True))
        (run / file).write_bytes(before[file])
        kept = [line.strip() for line, how in zip(lines, damaged, strict=True) if how[0] in KEPT]
        before[f"{file} kept"] = b"\n".join(kept)
    repair_run(run)
    check_run(run)
    for file, damaged in ((EPISODES, damages), (JUDGEMENTS, scores)):
        again = put_back(run, file)
        assert again in (before[file], before[file] + b"\n"), "every byte is in the file or set aside"
        left = [line.strip() for line in (run / file).read_bytes().splitlines()]
        if "no newline" not in {kind for kind, _ in damaged}:  # it joins its line with the next
            assert set(before[f"{file} kept"].splitlines()) <= set(left)
        for line in left:
            json.loads(line)
    after = {path.name: path.read_bytes() for path in run.iterdir() if path.suffix in (".jsonl", ".json")}
    done = repair_run(run)
    assert (done.set_aside, done.completed) == ({}, 0)
    assert after == {path.name: path.read_bytes() for path in run.iterdir() if path.suffix in (".jsonl", ".json")}


def test_repair_says_where_what_was_and_what_remains_and_the_run_goes_on(shell: Shell) -> None:
    run = shell.play()
    lines = (run / EPISODES).read_bytes().splitlines(keepends=True)
    (run / EPISODES).write_bytes(lines[0] + lines[1][:40] + b"\0\xff" + lines[1][40:] + b"".join(lines[2:]))
    assert shell("show", "results/run") == 4
    assert "`harness repair results/run`" in shell.err.replace("python -m harness.cli", "harness")
    assert shell("run", "small.yaml", "--name", "run") == 2
    assert shell("repair", "results/run") == 0
    assert "1 damaged line was set aside in results/run/damaged.jsonl (episodes.jsonl: 1)" in shell.out
    assert "3 of 4 planned episodes are finished; 1 still to be played" in shell.out
    (entry,) = entries(run)
    assert (entry["file"], entry["line"], entry["byte"]) == (EPISODES, 2, len(lines[0]))
    assert entry["reason"]
    assert content_of(entry) == lines[1][:40] + b"\0\xff" + lines[1][40:]
    assert shell("show", "results/run") == 0
    assert shell("repair", "results/run") == 0
    assert "nothing is damaged" in shell.out
    assert len(entries(run)) == 1
    assert shell("run", "small.yaml", "--name", "run") == 0
    assert shell("repair", "results/run") == 0
    assert "4 of 4 planned episodes are finished" in shell.out


def test_a_byte_order_mark_is_taken_off_and_the_run_can_be_exported(shell: Shell) -> None:
    pytest.importorskip("pyarrow")
    run = shell.play()
    whole = (run / EPISODES).read_bytes()
    (run / EPISODES).write_bytes(b"\xef\xbb\xbf" + whole)
    assert shell("export", "results/run", "--to", "hf-dataset", "--out", "data") == 4
    assert shell("repair", "results/run") == 0
    assert (run / EPISODES).read_bytes() == whole
    assert shell("export", "results/run", "--to", "hf-dataset", "--out", "data") == 0


def test_a_repair_that_was_killed_is_done_again_without_doubling_anything(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (run / EPISODES).read_bytes()
    (run / EPISODES).write_bytes(b"broken\n" + whole)
    with monkeypatch.context() as patch:
        patch.setattr(repair, "_take_out", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            repair_run(run)
    assert len(entries(run)) == 1
    repair_run(run)
    assert len(entries(run)) == 1
    assert (run / EPISODES).read_bytes() == whole


@pytest.mark.parametrize("name", [EPISODES, JUDGEMENTS, "calls.jsonl", SET_ASIDE, MANIFEST])
@pytest.mark.parametrize("kind", ["fifo", "device", "link", "folder"])
def test_what_is_no_file_is_refused_by_its_name(name: str, kind: str, shell: Shell, run: Path) -> None:
    (run / name).unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(run / name)
    elif kind == "device":
        (run / name).symlink_to("/dev/zero")
    elif kind == "link":
        (shell.folder / "theirs").write_text("theirs\n")
        (run / name).symlink_to(shell.folder / "theirs")
    else:
        (run / name).mkdir()
    assert shell("repair", str(run)) == 2
    assert name in shell.err


def test_a_manifest_that_is_damaged_can_not_be_repaired_and_nothing_is_changed(shell: Shell, run: Path) -> None:
    (run / MANIFEST).write_text("{")
    (run / EPISODES).write_bytes(b"broken\n")
    assert shell("repair", str(run)) == 2
    assert "Put it back from a copy" in shell.err
    assert (run / EPISODES).read_bytes() == b"broken\n"
    assert shell("repair", str(shell.folder / "absent")) == 2


def test_records_of_a_newer_version_are_no_damage(shell: Shell, run: Path) -> None:
    lines = (run / EPISODES).read_text().splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | {"schema_version": 9, "later": True})
    (run / EPISODES).write_text("broken\n" + "\n".join(lines) + "\n")
    before = (run / EPISODES).read_bytes()
    assert shell("repair", str(run)) == 2
    assert "newer version" in shell.err
    assert (run / EPISODES).read_bytes() == before
    assert not (run / SET_ASIDE).exists()


def test_a_line_of_200_mb_and_100000_brackets_are_set_aside_in_bounded_memory(run: Path) -> None:
    whole = (run / EPISODES).read_bytes()
    with open(run / EPISODES, "wb") as file:
        file.write(b"[" * 100_000 + b"\n" + b'{"a":' * 100_000 + b"}\n")
        for _ in range(200):
            file.write(b"\0" * (1 << 20))
        file.write(b"\n" + whole)
    root = Path(__file__).resolve().parents[2]
    limit = 3 << 30  # address space, libraries included
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", "repair", str(run)],
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert done.returncode == 0, done.stderr
    assert (run / EPISODES).read_bytes() == whole
    sizes = []
    with open(run / SET_ASIDE, "rb") as file:
        for line in file:
            sizes.append(json.loads(line[:200].split(b', "sha256"')[0] + b"}")["bytes"])
    assert sizes == [100_001, 500_002, (200 << 20) + 1]
