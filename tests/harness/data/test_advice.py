"""What messages of imports and fetches advise is tried as it stands: each test reads the message and does what it says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import environments
from environments.data import DATA, Source
from environments.sotopia import splits
from harness.base.errors import BadInput
from harness.cli import main
from harness.exchange.download import DownloadPolicy
from harness.exchange.fetch import fetch
from harness.exchange.importing import import_path
from tests.harness.data.server import FileServer, file_server
from tests.shared_data import shared_data

PEOPLE = [{"name": "Ada Moreno", "age": 34}, {"name": "Bo Lind", "age": 51}]
PLACE = {"id": "fence", "scenario": "At the fence.", "goal_1": "Buy", "goal_2": "Sell"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    return tmp_path / "home"


@pytest.fixture
def given(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    folder.mkdir()
    return folder


def refusal(do: Callable[[], Any]) -> str:
    with pytest.raises(BadInput) as refused:
        do()
    return str(refused.value)


def advised(message: str) -> list[str]:
    """The words of the command that a message says, behind `harness`."""
    found = re.search(r"harness (data import \S+ --name \w+)", message)
    assert found is not None, message
    return shlex.split(found[1])


def own(folder: Path) -> Path:
    (folder / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*PEOPLE, PLACE]))
    return folder


def published(folder: Path, *but: str) -> Path:
    for name in {"agents.jsonl", "environments.jsonl", "combos.jsonl"} - set(but):
        shutil.copy(shared_data("sotopia", name), folder / name)
    return folder


def test_own_data_without_a_name(given: Path) -> None:
    assert main(advised(refusal(lambda: import_path(own(given))))) == 0
    assert len(splits.tasks("mine")) == 1


def test_profiles_without_pairings(given: Path) -> None:
    message = refusal(lambda: import_path(published(given, "combos.jsonl")))
    assert "has no SOTOPIA combos" in message
    assert main(advised(message)) == 0
    assert len({task.group for task in splits.tasks("mine")}) == 90


@pytest.mark.parametrize("way", ["the file beside them", "--name"])
def test_pairings_in_another_order(way: str, given: Path) -> None:
    rows = [json.loads(line) for line in shared_data("sotopia", "combos.jsonl").read_text().splitlines()]
    published(given, "combos.jsonl")
    shuffled = [{"combo_id": row["pk"], "env_id": row["env_id"], "agent_ids": row["agent_ids"]} for row in rows[::-1]]
    (given / "combos.jsonl").write_text("".join(json.dumps(row) + "\n" for row in shuffled))
    message = refusal(lambda: import_path(given))
    if way == "--name":
        assert "`--name mine`" in message
        assert import_path(given, name="mine")[1].kept == 450
        return
    assert "put AMPO's env_agent_combos.json beside them" in message
    canonical = [{key: row[key] for key in ("pk", "env_id", "agent_ids")} for row in rows]
    (given / "env_agent_combos.json").write_text(json.dumps(canonical))
    assert import_path(given)[1].kept == 450
    assert len(splits.tasks("hard")) == 70


def test_a_data_set_that_is_gone(given: Path, home: Path) -> None:
    import_path(own(given), name="mine")
    task = splits.tasks("mine")[0]
    shutil.rmtree(home / "sotopia-own")
    message = refusal(lambda: environments.make("sotopia").reset(task, 0))
    assert main([str(given) if word == "FOLDER" else word for word in advised(message)]) == 0
    environments.make("sotopia").reset(task, 0)


def test_an_unknown_split_says_how_own_data_make_splits(given: Path) -> None:
    message = refusal(lambda: splits.tasks("ours"))
    found = re.search(r"`harness (data import FOLDER --name NAME)`", message)
    assert found is not None
    words = {"FOLDER": str(own(given)), "NAME": "ours"}
    assert main([words.get(word, word) for word in found[1].split()]) == 0
    assert len(splits.tasks("ours")) == 1


def test_data_of_two_environments(given: Path) -> None:
    published(given)
    game = next(shared_data("alfworld", "games", "valid_seen").glob("*/*/game.tw-pddl"))
    target = given / "valid_seen" / game.parent.parent.name / game.parent.name
    target.mkdir(parents=True)
    shutil.copy(game, target)
    assert "name one with --env" in refusal(lambda: import_path(given))
    assert import_path(given, "sotopia")[1].kept == 450
    name, report = import_path(given, "alfworld")
    assert (name, report.kept) == ("alfworld", 1)
    assert "valid_seen: 1 games here, 140 are published" in report.notes[0]


def test_a_file_of_nothing_known(given: Path, tmp_path: Path) -> None:
    (given / "notes.txt").write_text("hello")
    message = refusal(lambda: import_path(given / "notes.txt"))
    assert "give the folder that holds the published files, or a zip or tar archive of it" in message
    published(given)
    with zipfile.ZipFile(tmp_path / "given.zip", "w") as archive:
        for path in given.iterdir():
            archive.write(path, f"given/{path.name}")
    assert import_path(tmp_path / "given.zip")[1].kept == 450


def test_games_that_are_not_there(given: Path) -> None:
    message = refusal(lambda: environments.make("alfworld").tasks("generated-train"))
    assert "`harness data generate alfworld`" in message
    made = given / "games"
    assert main(["data", "generate", "alfworld", "--n", "4", "--out", str(made)]) == 0
    assert main(["data", "import", str(made)]) == 0
    assert environments.make("alfworld").tasks("generated-train")


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as running:
        yield running


@pytest.mark.parametrize("fault", ["moved", "another file", "only a page"])
def test_a_fetch_that_fails_says_to_import_a_copy(fault: str, server: FileServer, given: Path, home: Path) -> None:
    policy = DownloadPolicy(attempts=2, http_hosts=frozenset({"127.0.0.1"}), sleep=lambda seconds: None)
    server.files = {} if fault == "moved" else {"/x": b"<html>" if fault == "only a page" else b"other"}
    source = Source("agents.jsonl", f"{server.url}/x", None if fault == "only a page" else "0" * 64)
    hooks = DATA.load("sotopia")
    failing = type(hooks)(sources=(source,), recognises=hooks.recognises, import_from=hooks.import_from)
    message = refusal(lambda: fetch(failing, "sotopia", home, policy=policy))
    assert "`harness data import PATH`" in message
    assert main(["data", "import", str(published(given))]) == 0
    assert len(splits.tasks("all")) == 450
