"""A user's own characters and scenarios: every form they come in becomes the same data set, and nothing half-read is played."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import environments
from environments.sotopia import splits
from environments.sotopia.own import store
from environments.sotopia.own.dialogues import pi_rounds
from harness.base.errors import BadInput
from harness.exchange.importing import import_path
from tests.shared_data import shared_data

Row = dict[str, Any]
ADA: Row = {
    "pk": "ada",
    "first_name": "Ada",
    "last_name": "Moreno",
    "age": 34,
    "occupation": "Nurse",
    "gender": "Woman",
}
BO: Row = {"pk": "bo", "first_name": "Bo", "last_name": "Lind", "age": 51, "occupation": "Carpenter", "gender": "Man"}
CY: Row = {
    "pk": "cy",
    "first_name": "Cy",
    "last_name": "Okafor",
    "age": 27,
    "occupation": "Courier",
    "gender": "Nonbinary",
}
FENCE: Row = {"pk": "fence", "scenario": "At the fence.", "agent_goals": ["Buy, cheaply", "Sell"], "relationship": 2}
TRIP: Row = {
    "pk": "trip",
    "scenario": "A trip.\u2028By bus.",
    "agent_goals": ["Go north", "Go south"],
    "relationship": 3,
}
PAIRS: list[Row] = [
    {"pk": "c1", "env_id": "fence", "agent_ids": ["ada", "bo"]},
    {"pk": "c2", "env_id": "trip", "agent_ids": ["bo", "cy"]},
    {"pk": "c3", "env_id": "trip", "agent_ids": ["cy", "ada"]},
]
EVERYTHING: dict[str, list[Row]] = {
    "AgentProfile": [ADA, BO, CY],
    "EnvironmentProfile": [FENCE, TRIP],
    "EnvAgentComboStorage": PAIRS,
}


def lines(rows: list[Row]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def as_json_lines(folder: Path) -> Path:
    for name, rows in EVERYTHING.items():
        (folder / f"{name}.jsonl").write_text(lines(rows), encoding="utf-8")
    return folder


def as_one_list(folder: Path) -> Path:
    (folder / "all.json").write_text(json.dumps([row for rows in EVERYTHING.values() for row in rows]))
    return folder / "all.json"


def as_csv(folder: Path) -> Path:
    for name, rows in EVERYTHING.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(rows[0])
            table.writerows(row.values() for row in rows)  # lists as Python writes them, as sotopia does
    return folder


def as_local_store(folder: Path) -> Path:
    for name, rows in EVERYTHING.items():
        (folder / "deep/down" / name).mkdir(parents=True)
        for row in rows:
            whole = json.dumps({key: value for key, value in row.items() if key != "pk"} | {"tag": ""}, indent=2)
            (folder / "deep/down" / name / f"{row['pk']}.json").write_text(whole)
    return folder


def as_redis(folder: Path) -> Path:
    keys = {
        f":sotopia.database.persistent_profile.{name}:{row['pk']}": row
        for name, rows in EVERYTHING.items()
        for row in rows
    }
    odd = {
        ":sotopia.database.persistent_profile.AgentProfile:odd": {"first_name": "Odd", "age": "unknown"},
        "x": "text",
    }
    (folder / "redis_json_data.json").write_text(json.dumps(keys | odd))
    return folder / "redis_json_data.json"


def as_short_names(folder: Path) -> Path:
    people = [{"id": row["pk"], "name": f"{row['first_name']} {row['last_name']}"} | row for row in (ADA, BO, CY)]
    places = [
        {"id": row["pk"], "scenario": row["scenario"], "goal_1": row["agent_goals"][0], "goal_2": row["agent_goals"][1],
         "relationship": word}
        for row, word in ((FENCE, "acquaintance"), (TRIP, "Friend"))
    ]  # fmt: skip
    pairs = [{"id": row["pk"], "scenario_id": row["env_id"], "agents": row["agent_ids"]} for row in PAIRS]
    (folder / "x.ndjson").write_text(lines([*people, *places, *pairs]), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "form",
    [as_json_lines, as_one_list, as_csv, as_local_store, as_redis, as_short_names],
    ids=lambda form: form.__name__,
)
def test_every_form_becomes_the_same_tasks(form: Any, tmp_path: Path, empty_home: Path) -> None:
    (tmp_path / "given").mkdir()
    name, report = import_path(form(tmp_path / "given"), name="mine")
    assert (name, report.kept) == ("sotopia", 3)
    assert report.skipped == () or "odd" in report.skipped[0]
    tasks = splits.tasks("mine")
    assert sorted((task.id, task.group, task.data["relationship"]) for task in tasks) == [
        ("mine:c1", "fence", 2),
        ("mine:c2", "trip", 3),
        ("mine:c3", "trip", 3),
    ]
    play = environments.make("sotopia").reset(next(task for task in tasks if task.id == "mine:c2"), 0)
    assert play.names == ("Bo Lind", "Cy Okafor")
    assert "A trip.\u2028By bus." in play.view(0).background
    assert "Bo Lind is a 51-year-old male carpenter. He/him pronouns." in play.view(1).background


def test_training_and_test_scenarios_are_disjoint_and_together_everything(tmp_path: Path, empty_home: Path) -> None:
    places = [{"scenario": f"Place {n}", "agent_goals": ["A", "B"]} for n in range(40)]
    (tmp_path / "x.jsonl").write_text(lines([ADA, BO, CY, *places]))
    import_path(tmp_path / "x.jsonl", name="mine")
    train, test, both = (splits.tasks(f"mine{part}") for part in ("-train", "-test", ""))
    assert {task.group for task in train}.isdisjoint(task.group for task in test)
    assert sorted(task.id for task in [*train, *test]) == sorted(task.id for task in both)
    assert len(both) == 120
    assert 3 <= len({task.group for task in test}) <= 20


def test_a_record_says_its_own_side(tmp_path: Path, empty_home: Path) -> None:
    (tmp_path / "x.jsonl").write_text(lines([ADA, BO, FENCE | {"split": "test"}, TRIP | {"split": "test"}]))
    import_path(tmp_path / "x.jsonl", name="mine")
    assert len(splits.tasks("mine-test")) == 2
    with pytest.raises(BadInput, match=r"'mine-train' is empty.*\"split\": \"train\" or \"test\""):
        splits.tasks("mine-train")


def test_without_pairings_those_meet_who_have_the_scenarios_relationship(tmp_path: Path, empty_home: Path) -> None:
    friends = {"agent_1_id": "ada", "agent_2_id": "cy", "relationship": 3, "background_story": "School."}
    (tmp_path / "x.jsonl").write_text(lines([ADA, BO, CY, TRIP, FENCE, friends]))
    _, report = import_path(tmp_path / "x.jsonl", name="mine")
    assert [task.id for task in splits.tasks("mine")] == ["mine:trip:ada:cy"]
    assert "scenario fence: no two characters have its relationship" in report.skipped[0]


def test_many_characters_make_five_pairs_a_scenario_whatever_their_order(tmp_path: Path, empty_home: Path) -> None:
    people = [{"name": f"Person {n}", "age": 30} for n in range(20)]
    found = []
    for rows in ([*people, TRIP], [TRIP, *reversed(people)]):
        (tmp_path / "x.jsonl").write_text(lines(rows))
        import_path(tmp_path / "x.jsonl", name="mine")
        found.append([task.id for task in splits.tasks("mine")])
    assert len(found[0]) == 5
    assert found[0] == found[1]


def test_what_a_character_leaves_out_is_not_written(tmp_path: Path, empty_home: Path) -> None:
    (tmp_path / "x.jsonl").write_text(lines([{"name": "Cher", "age": ""}, {"name": "Al", "secret": "S"}, TRIP]))
    import_path(tmp_path / "x.jsonl", name="mine")
    view = environments.make("sotopia").reset(splits.tasks("mine")[0], 0).view(0)
    assert "Al's background: Al Al's secrets: S\nCher's background: Cher \n" in view.background


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([ADA, FENCE], "1 characters found; expected at least two"),
        ([ADA, BO], "no scenario found; expected at least one record with scenario and agent_goals"),
        ([ADA, BO | {"gender": "Womn"}, FENCE], r"line 2: gender 'Womn'.*Did you mean 'Woman'"),
        ([ADA, BO | {"age": "old"}, FENCE], r"line 2: character bo: age"),
        ([ADA, BO, FENCE | {"agent_goals": ["one"]}], "line 3: scenario fence: agent_goals"),
        ([ADA, BO, FENCE | {"agent_goals": ["one", " "]}], "expected a goal for each"),
        ([ADA, BO, FENCE | {"relationship": "foe"}], r"relationship 'foe'; expected one of 0 stranger"),
        ([ADA, BO, FENCE | {"scenario": "<p viewer='x'>open"}], "never closed"),
        ([ADA, BO, FENCE | {"split": "dev"}], "split 'dev'; expected 'train' or 'test'"),
        ([ADA, BO, FENCE, {"env_id": "fense", "agent_ids": ["ada", "bo"]}], "no scenario 'fense'"),
        ([ADA, BO, FENCE, {"env_id": "fence", "agent_ids": ["ada", "Bob Lind"]}], "no character 'Bob Lind'.*'Bo Lind'"),
        ([ADA, BO, FENCE, {"env_id": "fence", "agent_ids": ["ada", "ada"]}], "the same character 'ada' in both seats"),
        ([ADA, ADA | {"age": 3}, BO, FENCE], "a second character with the id 'ada'"),
        ([ADA, BO, FENCE, {"agent_1": "ada", "agent_2": "bo", "relationship": 0}], "no two characters fit any scenario"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_and_what_was_there_stays(
    rows: list[Row], said: str, tmp_path: Path, empty_home: Path
) -> None:
    (tmp_path / "x.jsonl").write_text(lines([ADA, BO, FENCE]))
    import_path(tmp_path / "x.jsonl", name="mine")
    before = {path.name: path.read_bytes() for path in (empty_home / "sotopia-own/mine").iterdir()}
    (tmp_path / "x.jsonl").write_text(lines(rows))
    with pytest.raises(BadInput, match=said):
        import_path(tmp_path / "x.jsonl", name="mine")
    assert {path.name: path.read_bytes() for path in (empty_home / "sotopia-own/mine").iterdir()} == before


def test_several_wrong_records_are_named_at_once(tmp_path: Path, empty_home: Path) -> None:
    (tmp_path / "x.jsonl").write_text(lines([ADA | {"age": "old"}, BO | {"gender": "x"}, FENCE | {"relationship": 9}]))
    with pytest.raises(BadInput, match=r"(?s)line 1.*line 2.*line 3"):
        import_path(tmp_path / "x.jsonl", name="mine")


@pytest.mark.parametrize("name", ["all", "hard", "builtin-x", "Mine", "../x", "", "x-train", "a" * 41])
def test_a_name_that_cannot_be_a_split_is_refused(name: str, tmp_path: Path, empty_home: Path) -> None:
    with pytest.raises(BadInput, match="for example --name mine"):
        import_path(as_json_lines(tmp_path), name=name)


def test_own_data_without_a_name_are_told_how(tmp_path: Path, empty_home: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    as_short_names(given)
    with pytest.raises(BadInput, match=f"harness data import {given} --name mine"):
        import_path(given)
    import_path(given, name="mine")  # what the message says
    assert len(splits.tasks("mine")) == 3


def test_other_environments_take_no_name(tmp_path: Path, empty_home: Path) -> None:
    with pytest.raises(BadInput, match="webshop takes no named data; import it without --name"):
        import_path(tmp_path, "webshop", name="mine")


def test_an_unknown_split_names_those_of_own_data(tmp_path: Path, empty_home: Path) -> None:
    import_path(as_json_lines(tmp_path), name="mine")
    with pytest.raises(BadInput, match=r"no split 'min-test'.*mine-test.*Did you mean 'mine-test'"):
        splits.tasks("min-test")


def test_the_published_data_may_be_imported_as_own(empty_home: Path) -> None:
    _, report = import_path(shared_data("sotopia"), name="zhou")
    assert report.kept == 450
    assert {task.group for task in splits.tasks("zhou")} == {
        json.loads(line)["env_id"] for line in shared_data("sotopia", "combos.jsonl").read_text().splitlines()
    }


def test_a_new_import_under_a_name_takes_the_place_of_the_old(tmp_path: Path, empty_home: Path) -> None:
    (given := tmp_path / "given").mkdir()
    import_path(as_json_lines(given), name="mine")
    before = splits.data_hashes("mine")
    (given / "EnvAgentComboStorage.jsonl").write_text(lines(PAIRS[:1]))
    (given / "EnvironmentProfile.jsonl").write_text(lines([FENCE]))
    import_path(given, name="mine")
    assert [task.id for task in splits.tasks("mine")] == ["mine:c1"]
    assert splits.data_hashes("mine") != before
    assert store.own_names() == ["mine"]


@cache
def table(kind: str) -> dict[str, Row]:
    rows = map(json.loads, shared_data("sotopia", f"{kind}.jsonl").read_text().splitlines())
    return {row["pk"]: row for row in rows}


def published_row(combo: Row, **changes: Any) -> Row:
    """A dialogue in the published row form, about a pairing of the published profiles."""
    cast, place = [table("agents")[pk] for pk in combo["agent_ids"]], table("environments")[combo["env_id"]]
    names = [f"{row['first_name']} {row['last_name']}" for row in cast]
    words = {"Man": "male", "Woman": "female", "Nonbinary": "nonbinary"}
    bios = {
        name: f"{name} is a {row['age']}-year-old {words[row['gender']]} {row['occupation'].lower()}. {row['gender_pronoun']} "
        f"pronouns. {row['public_info']} Personality and values description: {row['personality_and_values']} "
        f"{row['first_name']}'s secrets: {row['secret']}"
        for name, row in zip(names, cast, strict=True)
    }
    return {
        "episode_id": f"e-{combo['pk']}",
        "environment_id": combo["env_id"],
        "agent_ids": combo["agent_ids"],
        "raw_messages": [],
        "scenario": place["scenario"],
        "codename": place["codename"],
        "agents_background": bios,
        "social_goals": dict(zip(names, place["agent_goals"], strict=True)),
        "social_interactions": "",
    } | changes


def test_scenarios_out_of_dialogues_tell_each_seat_what_the_profiles_tell_it(real_home: Path, tmp_path: Path) -> None:
    environment = environments.make("sotopia")
    wanted = {task.data["combo"]: environment.reset(task, 0) for task in splits.tasks("all")}
    combos = [json.loads(line) for line in shared_data("sotopia", "combos.jsonl").read_text().splitlines()][::5]
    rows = []
    for combo in combos:
        play = wanted[combo["pk"]]
        opening = [["Environment", name, play.view(seat).background] for seat, name in enumerate(play.names)]
        rows.append(published_row(combo, raw_messages=[opening]))
    (tmp_path / "sotopia_episodes_v1.jsonl").write_text(lines(rows))
    import_path(tmp_path / "sotopia_episodes_v1.jsonl", name="told")
    by_pair = {(combo["env_id"], *combo["agent_ids"]): combo["pk"] for combo in combos}
    tasks = splits.tasks("told")
    assert len(tasks) == len(combos)
    for task in tasks:
        play = environment.reset(task, 0)
        same = wanted[by_pair[tuple(task.data["combo"].split(":"))]]  # type: ignore[index]
        assert [play.view(seat).background for seat in (0, 1)] == [same.view(seat).background for seat in (0, 1)]
        assert play.judge_background() == same.judge_background()


def pi_file(folder: Path, scenarios: int) -> Path:
    """An episodes file as SOTOPIA-π's: its training scenarios, and one of the test scenarios."""
    combo = json.loads(shared_data("sotopia", "combos.jsonl").read_text().splitlines()[0])
    rows = [published_row(combo)] + [
        published_row(combo, environment_id=pk, scenario=f"Scenario {pk}") for pk in sorted(pi_rounds())[:scenarios]
    ]
    (folder / "sotopia_pi_episodes.jsonl").write_text(lines(rows))
    return folder / "sotopia_pi_episodes.jsonl"


def test_the_pi_episodes_give_the_410_training_scenarios_with_texts(tmp_path: Path, empty_home: Path) -> None:
    name, report = import_path(pi_file(tmp_path, 410))
    assert name == "sotopia"
    assert ["1 scenarios that SOTOPIA-π does not train on" in line for line in report.skipped] == [True]
    listed = json.loads(shared_data("sotopia", "sotopia_pi_env_ids.json").read_text())
    training = {pk for key, ids in listed.items() if "round" in key for pk in ids}
    assert {task.group for task in splits.tasks("sotopia-pi")} == training
    assert {task.group for task in splits.tasks("sotopia-pi-test")} == set(listed["dev-round-1"])
    play = environments.make("sotopia").reset(splits.tasks("sotopia-pi-train")[0], 0)
    assert "Scenario: Scenario 01" in play.view(0).background


def test_fewer_than_the_410_are_said(tmp_path: Path, empty_home: Path) -> None:
    _, report = import_path(pi_file(tmp_path, 12).parent)
    assert any("only 12 of SOTOPIA-π's 410 training scenarios" in line for line in report.skipped)


@pytest.mark.parametrize("whole", [True, False], ids=["a folder", "the file"])
def test_a_file_that_cannot_be_read_is_named_with_what_to_do(whole: bool, tmp_path: Path, empty_home: Path) -> None:
    (given := tmp_path / "given").mkdir()
    (given / "people.jsonl").write_bytes(lines([ADA | {"first_name": "Zoë"}, BO, FENCE]).encode("latin-1"))
    with pytest.raises(BadInput, match=r"people.jsonl is neither UTF-8 nor UTF-16 .*iconv -f LATIN1"):
        import_path(given if whole else given / "people.jsonl", name="mine")


def test_a_folder_of_something_else_says_what_is_missing(tmp_path: Path, empty_home: Path) -> None:
    (given := tmp_path / "given").mkdir()
    (given / "notes.json").write_text('{"hello": "world"}')
    with pytest.raises(BadInput, match=r"nothing was imported: 0 characters found; expected at least two"):
        import_path(given, name="mine")


def test_chats_of_another_kind_are_not_taken_for_dialogues(tmp_path: Path, empty_home: Path) -> None:
    (tmp_path / "chat.jsonl").write_text(json.dumps({"messages": [{"role": "user", "content": "hi"}]}) + "\n")
    with pytest.raises(BadInput, match="no data of alfworld, sotopia, webshop.* recognised in this file"):
        import_path(tmp_path / "chat.jsonl")
