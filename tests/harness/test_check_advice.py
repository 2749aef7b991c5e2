"""The advice of `harness check` works: each test reads a message, does what it says, and looks at the result."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.base.errors import EpisodeError
from harness.cli import main
from harness.compare.arms import load_run
from harness.compare.baseline import baseline_text, make_baseline
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from tests.harness import gate_runs
from tests.harness.gate_runs import LEVERS, play, small

EPO = {"kind": "epo", "model": "m"}
BOTH = ["vanilla", EPO]
TASKS = 12
Say = Callable[..., str]
Played = Callable[..., Path]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Runs under another chance of the judge each `salt`, played once for all tests."""
    place, known = tmp_path_factory.mktemp("runs"), {}

    def run(name: str, salt: int = 1, tasks: int = TASKS, **changes: Any) -> Path:
        if name not in known:
            LEVERS.update(noise=1, salt=salt)
            where = {"name": "sotopia", "split": "builtin-test", "tasks": tasks, "options": {"max_turns": 2}}
            known[name] = play(place / name, environments=[where], **changes)
        return known[name]

    return run


pytestmark = pytest.mark.usefixtures("levers")


@pytest.fixture
def base(played: Played) -> Path:
    return played("base")


@pytest.fixture
def candidate(played: Played) -> Path:
    return played("candidate", salt=2)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    def told(code: int, *words: object) -> str:
        """All that `harness check` prints, its lines joined, after it ended with that exit code."""
        found = main(["check", *map(str, words)])
        out = capsys.readouterr()
        said = " ".join((out.out + out.err).split())
        assert found == code, said
        return said

    return told


def advised(message: str, **places: object) -> list[str]:
    """The words behind `harness check` of the command in a message, with its places filled in."""
    found = re.search(r"`harness check ([^`]+)`", message)
    assert found is not None, message
    return [str(places.get(word, word)) for word in shlex.split(found[1])]


def stored(path: Path, *runs: Path) -> Path:
    path.write_text(baseline_text(make_baseline(*map(load_run, runs))))
    return path


def test_flags_that_are_left_out(base: Path, candidate: Path, tmp_path: Path, say: Say) -> None:
    first, second = re.search(r"give (.+) \(or (.+)\)", say(2)).groups()  # type: ignore[union-attr]
    places = {"FILE": str(tmp_path / "b.json"), "RUN": str(base)}
    say(0, *(places.get(word, word) for word in second.split()))
    places["RUN"] = str(candidate)
    say(0, *(places.get(word, word) for word in first.replace("and ", "").split()), "--max-drop", "0.5")


def test_a_baseline_without_a_place(base: Path, tmp_path: Path, say: Say) -> None:
    assert "needs --out FILE" in say(2, "--make-baseline", base)
    say(0, "--make-baseline", base, "--out", tmp_path / "b.json")


@pytest.mark.parametrize("text", ["{", "{}", "[]", "other columns"])
def test_a_file_that_is_no_baseline(text: str, base: Path, candidate: Path, tmp_path: Path, say: Say) -> None:
    path = tmp_path / "b.json"
    if text == "other columns":
        content = json.loads(stored(path, base).read_text())
        text = json.dumps(content | {"columns": content["columns"][::-1]})
    path.write_text(text)
    asked = ["--baseline", path, "--candidate", candidate, "--max-drop", "0.5"]
    message = say(2, *asked)
    path.unlink()
    say(0, *advised(message, RUN=base, FILE=path))
    say(0, *asked)


def test_a_baseline_of_another_judge(base: Path, candidate: Path, tmp_path: Path, say: Say) -> None:
    path = stored(tmp_path / "b.json", base)
    judge = json.loads(path.read_text())["cells"][0]["facts"]["judge"]["label"]
    path.write_text(path.read_text().replace(f'"label": "{judge}"', '"label": "somebody"'))
    asked = ["--baseline", path, "--candidate", candidate, "--max-drop", "0.5", "--judge", judge]
    say(0, *advised(say(2, *asked), RUN=base, FILE=path))
    say(0, *asked)


def test_a_baseline_that_is_not_there(base: Path, candidate: Path, tmp_path: Path, say: Say) -> None:
    message = say(2, "--baseline", tmp_path / "b.json", "--candidate", candidate)
    assert "expected a run's folder, or a file that --make-baseline made" in message
    for each in (base, stored(tmp_path / "b.json", base)):
        say(0, "--baseline", each, "--candidate", candidate, "--max-drop", "0.5")


@pytest.mark.parametrize("kind", ["infrastructure", "model"])
def test_a_baseline_with_gaps(kind: str, tmp_path: Path, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.harness.gate_runs.EpisodeError", lambda _, text: EpisodeError(kind, text))  # type: ignore[arg-type]
    LEVERS["fail"] = gate_runs.some_tasks(3)
    half = play(tmp_path / "half")
    wanted = ["--make-baseline", half, "--out", tmp_path / "b.json"]
    again = (
        "Run the same `harness run` command again for what is left, with --retry-failed where a model's answer failed."
    )
    assert again in say(2, *wanted)
    LEVERS["fail"] = lambda request: False
    with Run(small(), half, retry_failed=kind == "model") as run:
        execute(run, Progress(Console(file=io.StringIO())))
    say(0, *wanted)


@pytest.mark.parametrize("change", [{"strategists": BOTH}, {"repeats": 2}])
def test_runs_that_cannot_be_one_baseline(
    change: dict[str, Any], base: Path, played: Played, tmp_path: Path, say: Say
) -> None:
    other = played(f"other {list(change)}", seed=2, **change)
    wanted = ["--out", tmp_path / "b.json", "--make-baseline", base]
    message = say(2, *wanted, other)
    assert "cannot be one baseline" in message
    assert "Play one experiment several times, with no other change than its `seed`." in message
    say(0, *wanted, played("seed 2", seed=2))


def test_runs_of_one_seed(base: Path, candidate: Path, played: Played, tmp_path: Path, say: Say) -> None:
    wanted = ["--out", tmp_path / "b.json", "--make-baseline", base]
    assert "Play the experiment again with another `seed`." in say(2, *wanted, candidate)
    say(0, *wanted, played("seed 2", seed=2))


def test_a_run_given_twice(base: Path, tmp_path: Path, say: Say) -> None:
    shutil.copytree(base, tmp_path / "copy")
    wanted = ["--out", tmp_path / "b.json", "--make-baseline", base]
    assert "count every run once" in say(2, *wanted, tmp_path / "copy")
    say(0, *wanted)


def test_the_luck_of_a_single_baseline(base: Path, candidate: Path, played: Played, tmp_path: Path, say: Say) -> None:
    message = say(0, "--baseline", base, "--candidate", candidate, "--max-drop", "0.5")
    assert "--make-baseline RUN RUN RUN, of other seeds, measures it." in message
    runs = [base, *(played(f"seed {seed}", seed=seed) for seed in (2, 3))]
    say(0, "--make-baseline", *runs, "--out", tmp_path / "b.json")
    message = say(0, "--baseline", tmp_path / "b.json", "--candidate", candidate, "--max-drop", "0.6")
    assert "The baseline is 3 runs" in message


def test_what_may_differ_is_allowed_by_the_flags_named(base: Path, played: Played, say: Say) -> None:
    asked = ["--baseline", base, "--candidate", played("fewer", tasks=10, salt=2), "--max-drop", "0.6"]
    allowed = re.search(r"say that it may differ: ((?:--allow \w+ ?)+)", say(2, *asked))
    assert allowed is not None
    say(0, *asked, *allowed[1].split())


def test_cells_that_the_candidate_lacks(base: Path, candidate: Path, played: Played, tmp_path: Path, say: Say) -> None:
    wide = ["--baseline", played("wide", strategists=BOTH)]
    message = say(2, *wide, "--candidate", candidate)
    assert "Play them, or make a new baseline without them" in message
    say(0, *wide, "--candidate", played("wide 2", salt=2, strategists=BOTH), "--max-drop", "0.6")
    say(0, *advised(message, RUN=base, FILE=tmp_path / "b.json"))
    say(0, "--baseline", tmp_path / "b.json", "--candidate", candidate, "--max-drop", "0.5")


def test_a_run_held_against_itself(base: Path, played: Played, say: Say) -> None:
    assert "Play the experiment again under another --name." in say(2, "--baseline", base, "--candidate", base)
    say(0, "--baseline", base, "--candidate", played("again"), "--max-drop", "0.5")


def test_the_number_of_episodes_that_would_do(base: Path, candidate: Path, played: Played, say: Say) -> None:
    asked = ["--max-drop", "0.1"]
    needed = re.search(
        r"About (\d+) episodes per arm would do for 0.1", say(3, "--baseline", base, "--candidate", candidate, *asked)
    )
    assert needed is not None
    tasks = min(60, int(needed[1]))
    repeats = -(-int(needed[1]) // tasks)
    more = [played(f"more {salt}", salt=salt, tasks=tasks, repeats=repeats) for salt in (1, 2)]
    say(0, "--baseline", more[0], "--candidate", more[1], *asked)


def test_cells_on_the_floor_are_left_out(base: Path, candidate: Path, played: Played, say: Say) -> None:
    LEVERS["bonus"] = {"": -20}
    low = [played(f"low {salt}", salt=salt, strategists=BOTH) for salt in (1, 2)]
    message = say(3, "--baseline", low[0], "--candidate", low[1])
    assert "2 of the cells lie on the floor and guard nothing: leave them out of the gate's matrix." in message
    message = say(0, "--baseline", base, "--candidate", candidate, "--max-drop", "0.5")
    assert "floor" not in message


def test_the_old_name_of_max_drop(base: Path, candidate: Path, say: Say) -> None:
    sides = ["--baseline", base, "--candidate", candidate]
    new = re.search(r"old name of (--max-drop \S+)", say(0, *sides, "--tolerance", "0.5"))
    assert new is not None
    say(0, *sides, *new[1].split())


def test_a_flag_out_of_its_range_names_the_range(base: Path, candidate: Path, say: Say) -> None:
    sides = ["--baseline", base, "--candidate", candidate]
    assert "from 0 to below 1" in say(2, *sides, "--max-drop", "1")
    say(0, *sides, "--max-drop", "0.99")
    known = re.search(r"the gate knows (\w+) and (\w+)", say(2, *sides, "--metric", "overall"))
    assert known is not None
    for metric in known.groups():
        say(0, *sides, "--metric", metric, "--max-drop", "0.9")


def test_anytime_wants_a_run_as_the_candidate(base: Path, candidate: Path, tmp_path: Path, say: Say) -> None:
    path = stored(tmp_path / "b.json", candidate)
    assert "is not a run" in say(2, "--baseline", base, "--candidate", path, "--anytime")
    assert "Play on, and look again." in say(3, "--baseline", path, "--candidate", base, "--anytime")
