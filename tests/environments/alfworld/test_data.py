"""Where games are found, which of them count, and what an import reports."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from environments import make
from environments.alfworld import data
from environments.alfworld.engine import load_game
from environments.alfworld.generator.files import generate, numbered_game, trajectory_parts, write_game
from environments.alfworld.sentences import misfits
from environments.data import DATA
from harness.base.errors import BadInput
from tests.shared_data import shared_data


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path / "home"))
    data.read_split.cache_clear()
    yield tmp_path / "home"
    data.read_split.cache_clear()


def published(tmp_path: Path, count: int = 6) -> Path:
    """A folder that looks like published games: split train."""
    root = tmp_path / "json_2.1.1"
    for index in range(count):
        path = write_game(numbered_game(index, seed=9), tmp_path / "made")
        target = root / "train" / path.parent.parent.name / path.parent.name
        target.mkdir(parents=True)
        path.rename(target / path.name)
    return root


def change(path: Path, **parts: object) -> None:
    game = json.loads(path.read_text(encoding="utf-8"))
    for key, value in parts.items():
        game[key] = value
    path.write_text(json.dumps({key: value for key, value in game.items() if value is not None}), encoding="utf-8")


def test_an_import_keeps_what_can_be_played_and_reports_the_rest(tmp_path: Path, own_home: Path) -> None:
    root = published(tmp_path)
    files = sorted(root.glob("*/*/*/game.tw-pddl"))
    change(files[0], solvable=False)
    change(files[1], solvable=None)
    change(files[2], pddl_domain="(define (domain other))")
    files[3].write_text('{"solvable": true', encoding="utf-8")
    moved = files[4].parent.parent.rename(root / "train" / "pick_and_place_with_movable_recep-Pen-Mug-Desk-301")
    report = data.import_from(root, own_home)
    assert (report.kept, report.what, report.where) == (1, "games", own_home / "alfworld")
    reasons = "\n".join(report.skipped)
    assert len(report.skipped) == 5
    for reason in ("marked as not solvable", "does not say", "PDDL domain", "is no JSON", "movable receptacles"):
        assert reason in reasons
    assert moved.name in reasons
    tasks = make("alfworld").tasks("train")
    assert [task.id for task in tasks] == ["/".join(files[5].parts[-4:-1])]


def test_an_import_without_games_fails_and_leaves_those_that_were_there(tmp_path: Path, own_home: Path) -> None:
    root = published(tmp_path)
    data.import_from(root, own_home)
    before = sorted(path.relative_to(own_home) for path in own_home.rglob("*"))
    for file in root.glob("*/*/*/game.tw-pddl"):
        change(file, pddl_domain="(define (domain other))")
    with pytest.raises(BadInput, match="none of the 6 games can be played, so nothing was imported .*PDDL domain"):
        data.import_from(root, own_home)
    assert sorted(path.relative_to(own_home) for path in own_home.rglob("*")) == before


def test_the_task_type_comes_from_the_trajectory_where_there_is_one(tmp_path: Path) -> None:
    root = published(tmp_path, count=2)
    first, second = sorted(root.glob("*/*/*/game.tw-pddl"))
    (first.parent / "traj_data.json").write_text('{"task_type": "pick_up_the_phone"}', encoding="utf-8")
    found = data.read_split(root / "train")
    assert [game.task_type for game in found.games] == [second.parts[-3].split("-")[0]]
    assert "unknown task type 'pick_up_the_phone'" in found.skipped[0]


def test_the_games_here_are_those_the_original_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """140 games of valid_seen pass the original's filters (reference, section 1)."""
    monkeypatch.setenv("ALFWORLD_DATA", str(shared_data("alfworld")))
    environment = make("alfworld")
    seen = environment.tasks("valid_seen")
    assert len(seen) == len({task.id for task in seen}) == 140
    assert len(environment.tasks("valid_train")) == 80
    assert {task.data["task_type"] for task in seen} == set(data.TASK_TYPES)
    assert {task.group for task in seen} == {f"scene-{task.id.split('/')[1].rsplit('-', 1)[-1]}" for task in seen}


@pytest.mark.parametrize("layout", [".", "json_2.1.1", "games"])
def test_alfworld_data_is_honoured_in_the_originals_layouts(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = published(tmp_path, count=2)
    home = tmp_path / "data"
    (home / layout).mkdir(parents=True)
    (root / "train").rename(home / layout / "train")
    monkeypatch.setenv("ALFWORLD_DATA", str(home))
    assert len(make("alfworld").tasks("train")) == 2


def test_missing_games_say_which_command_brings_them() -> None:
    with pytest.raises(BadInput, match="harness data fetch alfworld"):
        make("alfworld").tasks("valid_unseen")
    with pytest.raises(BadInput, match="harness data generate alfworld"):
        make("alfworld").tasks("generated-train")


def test_generated_games_are_a_split_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate(20, 3, tmp_path / "out")
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path / "out"))
    environment = make("alfworld")
    assert (len(environment.tasks("generated-train")), len(environment.tasks("generated-test"))) == (18, 2)
    play = environment.reset(environment.tasks("generated-test")[0], 0)
    assert "Your task is to: " in play.view(0).background


def test_a_game_that_changed_after_its_task_was_listed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = published(tmp_path, count=1)
    monkeypatch.setenv("ALFWORLD_DATA", str(root))
    environment = make("alfworld")
    (task,) = environment.tasks("train")
    before = environment.data_hashes("train")
    (path,) = root.glob("*/*/*/game.tw-pddl")
    change(path, walkthrough=[])
    data.read_split.cache_clear()
    assert environment.data_hashes("train") != before
    with pytest.raises(BadInput, match="another than the task names"):
        environment.reset(task, 0)


def test_folders_are_recognised_and_others_are_not(tmp_path: Path) -> None:
    root = published(tmp_path, count=1)
    hooks = DATA.load("alfworld")
    assert hooks.recognises(root)
    assert hooks.recognises(root / "train")
    assert not hooks.recognises(tmp_path)
    (tmp_path / "empty" / "train").mkdir(parents=True)
    assert not hooks.recognises(tmp_path / "empty")
    with pytest.raises(BadInput, match="expected one of the folders"):
        hooks.import_from(tmp_path / "empty", tmp_path / "home")


def test_importing_twice_changes_nothing(tmp_path: Path, own_home: Path) -> None:
    root = published(tmp_path, count=3)
    first = data.import_from(root / "train", own_home)
    hashes = make("alfworld").data_hashes("train")
    assert data.import_from(root, own_home) == first
    assert make("alfworld").data_hashes("train") == hashes
    assert first.kept == 3
    assert [path.name for path in own_home.iterdir()] == ["alfworld"]


def test_the_source_is_the_published_release() -> None:
    (source,) = DATA.load("alfworld").sources
    assert source.url.endswith("/releases/download/0.4.2/json_2.1.3_tw-pddl.zip")
    assert source.sha256 is None


def without_games(root: Path) -> Path:
    """The same trials as the archives of trajectories and problems bring them."""
    for path in root.glob("*/*/*/game.tw-pddl"):
        parts = json.loads(path.read_text(encoding="utf-8"))
        (path.parent / "initial_state.pddl").write_text(parts["pddl_problem"], encoding="utf-8")
        number = int(path.parent.name.rsplit("_", 1)[-1])
        trajectory = trajectory_parts(numbered_game(number, seed=9))
        (path.parent / "traj_data.json").write_text(json.dumps(trajectory), encoding="utf-8")
        path.unlink()
    return root


def test_trajectories_without_games_become_games_where_the_package_is(tmp_path: Path, own_home: Path) -> None:
    if find_spec("alfworld") is None:
        pytest.skip("needs the package alfworld")
    root = without_games(published(tmp_path))
    (next(root.glob("*/*/*/initial_state.pddl"))).unlink()
    report = data.import_from(root, own_home)
    assert report.kept == 5
    assert "train: 5 of 6 games were made of trajectories" in report.notes
    assert "no initial_state.pddl beside traj_data.json; the archive json_2.1.1_pddl.zip" in report.skipped[0]
    environment = make("alfworld")
    for task in environment.tasks("train"):
        assert "Your task is to: " in environment.reset(task, 0).view(0).background


def test_trajectories_without_the_package_say_how_games_come_about(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("environments.alfworld.data.templates", lambda: None)
    root = without_games(published(tmp_path))
    assert DATA.load("alfworld").recognises(root)
    with pytest.raises(
        BadInput, match=r"train: 6 trajectories without games; .*`harness data fetch alfworld`, or.*`pip install"
    ):
        data.import_from(root, own_home)


def test_games_of_an_unknown_grammar_are_left_out_under_alfworld_data_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = published(tmp_path)
    files = sorted(root.glob("*/*/*/game.tw-pddl"))
    change(files[0], grammar='{"task": [{"rhs": "Do it"}]}')
    change(files[1], grammar="grammar :: none")
    change(files[2], pddl_domain="(define (domain other))")
    monkeypatch.setenv("ALFWORLD_DATA", str(root))
    environment = make("alfworld")
    assert len(environment.tasks("train")) == 3
    (short, left_out) = environment.notes("train")
    assert short.startswith("3 games here, 3,321 are published as train")
    assert left_out.startswith("3 left out: ")
    for file, reason in zip(files, ("text grammar is none", '"task" rule', "PDDL domain"), strict=False):
        assert f"{file.parent.parent.name}/{file.parent.name}: its " in left_out
        assert reason in left_out
    for task in environment.tasks("train"):
        environment.reset(task, 0)


def test_a_sentence_that_does_not_fit_its_goal_is_named(tmp_path: Path, own_home: Path) -> None:
    root = published(tmp_path)
    files = sorted(root.glob("*/*/*/game.tw-pddl"))
    for file, sentence in ((files[0], "sing a song"), (files[1], None)):
        grammar = json.loads(file.read_text(encoding="utf-8"))["grammar"]
        found = re.search(r'"rhs": "Your task is to: (.*)"', grammar)
        assert found is not None
        change(file, grammar=grammar.replace(found[1], f"{sentence or found[1].rstrip('.') + ' and keep it cold'}."))
    report = data.import_from(root, own_home)
    assert report.kept == 6
    named = [line for line in report.notes if "does not fit its goal" in line]
    assert len(named) == 2
    assert "its sentence 'sing a song.' does not fit its goal: it does not name " in named[0]
    assert files[0].parent.name in named[0]
    assert "it asks for cool, which the goal does not" in named[1]


def test_the_real_sentences_fit_their_goals() -> None:
    games = sorted(shared_data("alfworld", "games", "valid_seen").glob("*/*/game.tw-pddl"))[::5]
    assert len(games) > 20
    assert [misfits(load_game(path)) for path in games] == [[]] * len(games)
