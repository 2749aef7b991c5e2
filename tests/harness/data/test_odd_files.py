"""Files as people have them: odd in one place, of another kind than their name, in another encoding, given twice. What can be
read is read, what cannot is named; nothing ends in a traceback, and nothing is taken for something else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import environments
from environments.sotopia import splits
from tests.harness.data.advising import ADA, BO, EPISODE, FENCE, OWN, Place, zipped
from tests.shared_data import shared_data

HALF = "holds half a character"


def lines(*rows: object) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


SEAT = {"scenario_id": "fence", "agent_ids": ["Ada Moreno", "Bo Lind"]}
REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "a scenario without a text": ({"x.jsonl": lines(ADA, BO, FENCE | {"scenario": " "})}, "scenario: expected a text"),
    "three goals": (
        {"x.jsonl": lines(ADA, BO, {"scenario": "x", "agent_goals": ["a", "b", "c"]})},
        "expected two texts, one for each seat (or goal_1 and goal_2), got ['a', 'b', 'c']",
    ),
    "goals by name": ({"x.jsonl": lines(ADA, BO, {"scenario": "x", "agent_goals": {"a": "b"}})}, "expected two texts"),
    "two pairings of one id": (
        {"x.jsonl": lines(*OWN, SEAT | {"id": "p"}, SEAT | {"id": "p", "agent_ids": ["Bo Lind", "Ada Moreno"]})},
        "line 5: a second pairing with the id 'p', which differs",
    ),
    "one name for all": (
        {"x.jsonl": lines(ADA | {"id": "a"}, ADA | {"id": "b"}, FENCE)},
        "no two characters have different names, so that nobody can meet",
    ),
    "a secret that is no text": (
        {"x.jsonl": lines(ADA | {"secret": {"a": 1}}, BO, FENCE)},
        "line 1: secret: expected a text",
    ),
    "names that are a list": ({"x.jsonl": lines(ADA | {"name": ["Ada"]}, BO, FENCE)}, "line 1: name: expected a text"),
    "an empty file": ({"x.jsonl": "\n"}, "x.jsonl is empty"),
    "a table that names a column twice": (
        {"x.csv": "name,age,age\nAda M,3,4\n", "y.jsonl": lines(FENCE)},
        "the header names 'age' twice; rename one of the two",
    ),
    "another kind of file": ({"people.yaml": "- name: Ada"}, "people.yaml: JSON, JSON Lines and CSV files are read"),
    "half a character": ({"x.jsonl": '{"name": "A\\ud800"}\n' + lines(BO, FENCE)}, f"x.jsonl, line 1: it {HALF}"),
}


@pytest.mark.parametrize(("files", "said"), REFUSED.values(), ids=REFUSED)
def test_own_data_that_do_not_fit_are_refused_by_name(files: dict[str, str], said: str, place: Place) -> None:
    for name, text in files.items():
        (place.given / name).write_text(text, encoding="utf-8")
    assert said in place.refused("data", "import", place.given, "--name", "mine")


KEPT: dict[str, tuple[dict[str, Any], int]] = {
    "names alone": ({"x.jsonl": lines({"name": "Ada M"}, {"first_name": "Bo", "last_name": "L"}, FENCE)}, 2),
    "a row with a name alone": ({"x.csv": "name,age\nAda M,3\nBo L\n", "y.jsonl": lines(FENCE)}, 2),
    "names without letters": ({"x.jsonl": lines({"name": "!!!", "age": 3}, {"name": "???", "age": 4}, FENCE)}, 2),
    "what pandas writes": ({"x.jsonl": '{"name": "Ada M", "age": NaN, "secret": NaN}\n' + lines(BO, FENCE)}, 2),
    "a single pair": ({"x.jsonl": lines(ADA, BO, FENCE | {"pairs": ["Ada Moreno", "Bo Lind"]})}, 2),
    "a pair as text": ({"x.jsonl": lines(ADA, BO, FENCE | {"pairs": "Ada Moreno, Bo Lind"})}, 2),
    "ids that are numbers": (
        {"x.jsonl": lines(ADA | {"id": 1}, BO | {"id": 2}, FENCE | {"id": 7}, {"scenario_id": 7, "agent_ids": [1, 2]})},
        2,
    ),
    "two relationships of one pair": (
        {"x.jsonl": lines(*OWN, *({"agent_1": "Ada Moreno", "agent_2": "Bo Lind", "relationship": n} for n in (0, 3)))},
        2,
    ),
    "a table from Excel": ({"x.csv": "Name\tAge\nAda M\t3\nBo L\t\n".encode("utf-16"), "y.jsonl": lines(FENCE)}, 2),
    "a line of eight megabytes": ({"x.jsonl": lines(ADA | {"secret": "x" * 8_000_000}, BO, FENCE)}, 2),
    "line separators within": ({"x.jsonl": lines(ADA | {"secret": "a\u2028b\x85c"}, BO, FENCE)}, 2),
    "a folder called as a file": ({"x.jsonl/y.jsonl": lines(*OWN)}, 2),
}


@pytest.mark.parametrize(("files", "count"), KEPT.values(), ids=KEPT)
def test_own_data_are_read_as_people_write_them(files: dict[str, Any], count: int, place: Place) -> None:
    for name, content in files.items():
        path = place.given / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = place.done("data", "import", place.given, "--name", "mine")
    assert f"({count} characters, 1 scenario" in said and "0 left out" in said
    task = splits.tasks("mine")[0]
    background = environments.make("sotopia").reset(task, 0).view(0).background
    assert "nan" not in background.lower()


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_of_web_pages_is_told_as_one(packed: bool, place: Place) -> None:
    (place.given / "agents.jsonl").write_text("<html>Sign in</html>")
    given = place.given
    if packed:
        given = place.tmp / "given.zip"
        given.write_bytes(zipped(place.given))
    assert f"{given}/agents.jsonl is an HTML page, not the file its name says" in place.refused("data", "import", given)


def test_a_record_of_no_kind_is_named_beside_those_that_have_one(place: Place) -> None:
    place.own(*OWN, {"scenario": "At sea", "goal_one": "Sail", "goal_two": "Row"})
    (place.given / "notes.json").write_text('{"nothing": "of ours"}')
    said = place.done("data", "import", place.given, "--name", "mine")
    assert "1 left out" in said
    assert "line 4: no character, scenario, relationship or pairing; it has scenario, goal_one, goal_two" in said


HUGE = 10**400


@pytest.mark.parametrize(
    "odd",
    [
        EPISODE | {"agents": ["a", "b", "c"]},
        EPISODE | {"messages": {"a": 1}},
        EPISODE | {"messages": [[["Environment", "Ada M", 3]]]},
        dict.fromkeys(EPISODE),
        json.loads(json.dumps(EPISODE).replace("Hi", "\\ud800")),
        json.loads(json.dumps(EPISODE).replace("Bo L", "Ada M")),
    ],
    ids=["three agents", "messages by name", "a number said", "nothing", "half a character", "one name"],
)
def test_one_odd_dialogue_is_named_and_the_others_are_imported(odd: dict[str, Any], place: Place) -> None:
    (place.given / "e.jsonl").write_text(json.dumps(odd | {"pk": "odd"}) + "\n" + lines(EPISODE))
    said = place.done("import-episodes", place.given, "--results", place.tmp / "results")
    assert "1 dialogue" in said and "1 left out" in said and "e.jsonl, line 1" in said


def test_scores_that_are_no_numbers_are_none(place: Place) -> None:
    rewards = [[HUGE, {"goal": float("nan")}], 3]
    (place.given / "e.jsonl").write_text(json.dumps(EPISODE | {"rewards": rewards}) + "\n")
    said = place.done("import-episodes", place.given, "--results", place.tmp / "results")
    assert "0 with their own scores" in said and "0 left out" in said


def test_the_name_of_a_run_of_dialogues_is_one_folder_name(place: Place) -> None:
    said = place.refused("import-episodes", place.own(EPISODE), "--name", "../x", "--results", place.tmp / "results")
    assert "a run's name is one folder name" in said


Change = Callable[[Path, list[dict[str, Any]]], None]


def items(change: Callable[[list[dict[str, Any]]], Any]) -> Change:
    def apply(folder: Path, rows: list[dict[str, Any]]) -> None:
        changed = change(rows)
        text = changed if isinstance(changed, str) else json.dumps(changed)
        (folder / "items_shuffle_tiny.json").write_text(text)

    return apply


def human(rows_of: Callable[[str], Any]) -> Change:
    def apply(folder: Path, rows: list[dict[str, Any]]) -> None:
        asin = rows[0]["asin"]
        (folder / "items_human_ins_tiny.json").write_text(json.dumps({asin: rows_of(asin)}))

    return apply


def first(**changes: Any) -> Change:
    return items(lambda rows: [rows[0] | changes, *rows[1:]])


GOAL = {"instruction": "Buy it", "instruction_attributes": ["soft"], "instruction_options": []}
LEFT_OUT: dict[str, tuple[Change, str]] = {
    "a title with half a character": (first(name="a\ud800"), f"product 0 ('{{asin}}'): it {HALF}"),
    "a description with half a character": (first(full_description="a\ud800"), f"product 0 ('{{asin}}'): it {HALF}"),
    "a price beyond numbers": (first(pricing="$" + "9" * 400), "is too large for a number"),
    "options as a list": (first(customization_options=["red"]), "product 0 ('{asin}'): a field of an unexpected type"),
    "annotations that are null": (human(lambda asin: None), "annotations of '{asin}': expected a list of them"),
    "annotations by name": (human(lambda asin: GOAL), "annotations of '{asin}': expected a list of them"),
    "an annotation that is a text": (
        human(lambda asin: ["buy it"]),
        "annotation 0 of '{asin}': expected an object with instruction",
    ),
    "an annotation without its text": (
        human(lambda asin: [GOAL | {"instruction": None}]),
        "annotation 0 of '{asin}': its instruction is no text",
    ),
    "an annotation without options": (
        human(lambda asin: [{"instruction": "Buy", "instruction_attributes": ["soft"]}]),
        "annotation 0 of '{asin}': no field 'instruction_options'",
    ),
}


@pytest.mark.parametrize(("change", "said"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_an_odd_product_or_annotation_is_left_out_by_name(change: Change, said: str, place: Place) -> None:
    shop = place.shop()
    rows = json.loads((shop / "items_shuffle_tiny.json").read_text())
    change(shop, rows)
    out = place.done("data", "import", shop)
    assert "1 left out" in out and said.format(asin=rows[0]["asin"]) in out


def test_attributes_that_are_no_object_are_named(place: Place) -> None:
    shop = place.shop()
    about = json.loads((shop / "items_ins_v2_tiny.json").read_text())
    asin = next(iter(about))
    (shop / "items_ins_v2_tiny.json").write_text(json.dumps(about | {asin: ["soft"]}))
    assert f"attributes of '{asin}': expected an object" in place.done("data", "import", shop)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda text: text.encode("utf-16"), None),
        (lambda text: b"\xef\xbb\xbf" + text.encode(), None),
        (lambda text: b"<!DOCTYPE html><html>", "is an HTML page, not the file its name says"),
        (lambda text: b'{"solvable": true, "a": ' + b"[" * 100_000, "is no JSON (maximum recursion depth"),
    ],
    ids=["UTF-16", "a mark at the beginning", "a web page", "nested deeply"],
)
def test_a_game_in_another_encoding_is_played_and_a_page_is_named(
    content: Callable[[str], bytes], said: str | None, place: Place
) -> None:
    root = place.games()
    file = sorted(root.glob("*/*/*/game.tw-pddl"))[0]
    file.write_bytes(content(file.read_text()))
    out = place.done("data", "import", root)
    assert ("2 games" if said is None else "1 game ") in out and (said or "0 left out") in out
    place.done(*place.run("alfworld", "train"))


def test_what_a_file_holds_cannot_move_the_cursor_of_a_terminal(place: Place) -> None:
    place.own(*OWN)
    (place.given / "more.json").write_text(
        json.dumps({":x.AgentProfile:\x1b[2J": {"first_name": "A\x1b[2J", "age": []}})
    )
    said = place.done("data", "import", place.given, "--name", "mine")
    assert "\x1b" not in said and "1 left out" in said
    said = place.refused(
        "data", "import", place.own(ADA, BO, FENCE | {"split": "x", "goal_1": "<\x1b[2J>"}), "--name", "mine"
    )
    assert "\x1b" not in said
    odd = EPISODE | {"agents": ["\x1b[2J"]}
    said = place.done(
        "import-episodes", place.own(EPISODE, odd | {"pk": "\x1b[2J"}), "--results", place.tmp / "results"
    )
    assert "\x1b" not in said


def test_two_dialogues_of_one_id_are_told_apart_from_one_that_stands_there_twice(place: Place) -> None:
    other = json.loads(json.dumps(EPISODE).replace("Hi", "Bye"))
    file = place.own(EPISODE, EPISODE, other)
    said = place.done("import-episodes", file, "--results", place.tmp / "results")
    assert "1 dialogue" in said and "1 were there already; 1 left out" in said
    assert "line 3: another dialogue has the same id (e1), and other words" in said


def cut(text: str) -> str:
    return "".join(text.splitlines(keepends=True)[:-1])


def twice(text: str) -> str:
    return text + text.splitlines(keepends=True)[0]


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("combos", cut, "these SOTOPIA combos are not the 450 published ones"),
        ("agents", twice, "{given}: two characters or two scenarios have the same id"),
        ("agents", lambda text: text + "{", "agents.jsonl (line 41 is not JSON: "),
        ("agents", lambda text: text.replace("a", "\\ud800", 1), f"agents.jsonl (it {HALF}"),
        ("combos", lambda text: text.replace('["', '[5, "', 1), "{given}/combos.jsonl, line 1: agent_ids"),
    ],
    ids=["one missing", "one twice", "a broken line", "half a character", "an id that is a number"],
)
def test_published_profiles_with_a_fault_are_refused_by_the_file_that_was_given(
    name: str, change: Callable[[str], str], said: str, place: Place
) -> None:
    for each in ("agents", "environments", "combos"):
        text = shared_data("sotopia", f"{each}.jsonl").read_text(encoding="utf-8")
        (place.given / f"{each}.jsonl").write_text(change(text) if each == name else text, encoding="utf-8")
    message = place.refused("data", "import", place.given)
    assert said.format(given=place.given) in message and ".part" not in message


def test_a_broken_trajectory_is_named_by_its_file(place: Place) -> None:
    root = place.games()
    (sorted(root.glob("*/*/*/game.tw-pddl"))[0].parent / "traj_data.json").write_text("{")
    assert "cannot be read (traj_data.json: " in place.done("data", "import", root)


def test_a_split_of_which_nothing_is_left_says_what_was_left_out(place: Place) -> None:
    root = place.games()
    for file in root.glob("*/*/*/game.tw-pddl"):
        file.write_text("{}")
    place.monkeypatch.setenv("ALFWORLD_DATA", str(root))
    said = place.refused(*place.run("alfworld", "train"))
    assert "nothing would be played" in said and "2 left out: train/" in said and "solvable" in said
