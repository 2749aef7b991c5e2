"""Advice on the data of SOTOPIA, followed."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from typing import Any

from tests.harness.data.advising import ADA, BO, EPISODE, FENCE, OWN, Place, command, follows, zipped
from tests.shared_data import shared_data


@follows(
    "the SOTOPIA profiles are not imported",
    "run `harness data fetch sotopia`, or `harness data import PATH` on a folder",
)
def profiles_not_imported(place: Place) -> str:
    said = place.refused(*place.run("sotopia", "all"))
    for name in ("agents.jsonl", "environments.jsonl", "combos.jsonl"):
        shutil.copy(shared_data("sotopia", name), place.given)
    fetching, importing = re.findall(r"`harness (data [^`]+)`", said)
    place.done(*[str(place.given) if word == "PATH" else word for word in importing.split()])
    place.done(*place.run("sotopia", "hard"))
    shutil.rmtree(place.tmp / "home")
    place.serve("sotopia", "profiles.zip", zipped(place.given))
    place.done(*fetching.split())
    place.done(*place.run("sotopia", "hard"))
    return said


@follows("these SOTOPIA combos are not the 450 published ones")
def pairings_in_another_order(place: Place) -> str:
    rows = [json.loads(line) for line in shared_data("sotopia", "combos.jsonl").read_text().splitlines()]
    for name in ("agents.jsonl", "environments.jsonl"):
        shutil.copy(shared_data("sotopia", name), place.given)
    named = [{"combo_id": row["pk"], "env_id": row["env_id"], "agent_ids": row["agent_ids"]} for row in rows]
    (place.given / "combos.jsonl").write_text("".join(json.dumps(row) + "\n" for row in named[::-1]))
    said = place.refused("data", "import", place.given)
    assert "`--name mine`" in said and "put AMPO's env_agent_combos.json beside them" in said
    place.done("data", "import", place.given, "--name", "mine")
    (place.given / "env_agent_combos.json").write_text(json.dumps(named))
    place.done("data", "import", place.given)
    return said


@follows("`harness data import FOLDER --name NAME` makes splits of characters and scenarios of your own")
def an_unknown_split(place: Place) -> str:
    said = place.refused(*place.run("sotopia", "ours"))
    place.done(*command(said, FOLDER=place.own().parent, NAME="ours"))
    place.done(*place.run("sotopia", "ours"))
    return said


@follows("all on the other side. Write ")
def a_split_that_is_empty(place: Place) -> str:
    place.done(*place.import_own(ADA, BO, FENCE | {"split": "train"}))
    said = place.refused(*place.run("sotopia", "mine-test"))
    place.done(*place.run("sotopia", "mine"))
    assert '"split": "train" or "test"' in said
    place.done(*place.import_own(ADA, BO, FENCE | {"split": "train"}, FENCE | {"id": "two", "split": "test"}))
    place.done(*place.run("sotopia", "mine-test"))
    return said


@follows(
    "the SOTOPIA data {} are not imported here",
    "run `harness data import FOLDER --name {}` on the data again",
)
def data_that_are_gone_or_damaged(place: Place) -> str:
    place.done(*place.import_own())
    home = place.tmp / "home/sotopia-own/mine"
    (home / "splits.json").write_text("{")
    said = place.refused(*place.run("sotopia", "mine"))
    place.done(*command(said, FOLDER=place.given))
    (home / "agents.jsonl").unlink()
    said = place.refused(*place.run("sotopia", "mine"))
    place.done(*command(said, FOLDER=place.given))
    place.done(*place.run("sotopia", "mine"))
    return said


@follows("--name {}: expected small letters, digits, '.', '_' and '-'")
def a_name_that_is_none(place: Place) -> str:
    said = ""
    for name in ("My Data", "all", "mine-test", ""):
        said = place.refused("data", "import", place.own(), "--name", name)
        advised = re.search(r"for example --name (\w+)$", said, re.M)
        assert advised
        place.done("data", "import", place.own(), "--name", advised[1])
    return said


SEAT = {"env_id": "fence", "agent_ids": ["Ada Moreno", "Bo Lind"]}
LONG = {"first_name": "Bo", "last_name": "Lind", "age": 5}
MENDED: dict[str, tuple[list[Any], list[Any]]] = {
    "{} characters found; expected at least two, each a record with": ([ADA, FENCE], [ADA, LONG, FENCE]),
    "no scenario found; expected at least one record with scenario and agent_goals": (
        [ADA, BO],
        [ADA, BO, {"scenario": "Here.", "agent_goals": ["a", "b"]}],
    ),
    "gender {}; expected one of {}.{}": ([ADA | {"gender": "Womn"}, BO, FENCE], OWN),
    "relationship {}; expected one of {}": (
        [ADA, BO, FENCE | {"relationship": "foe"}],
        [ADA, BO, FENCE | {"relationship": 0}],
    ),
    "expected two characters under 'agent_ids', got {}": ([*OWN, SEAT | {"agent_ids": "Ada Moreno"}], [*OWN, SEAT]),
    "agent_goals: expected a goal for each of the two": ([ADA, BO, FENCE | {"goal_1": " "}], OWN),
    "scenario {}: scenario: expected a text": ([ADA, BO, FENCE | {"scenario": " "}], OWN),
    "agent_goals: expected two texts, one for each seat (or goal_1 and goal_2), got {}": (
        [ADA, BO, {"scenario": "x", "agent_goals": {"Ada Moreno": "a", "Bo Lind": "b"}}],
        [ADA, BO, {"scenario": "x", "goal_1": "a", "goal_2": "b"}],
    ),
    "no two characters have different names, so that nobody can meet; give each a name of its own": (
        [ADA | {"id": "a"}, ADA | {"id": "b"}, FENCE],
        OWN,
    ),
    "{}: {}: expected a text, got {}": ([ADA | {"name": None}, BO, FENCE], OWN),
    "age: expected a number of years, got {}": ([ADA | {"age": -3}, BO, FENCE], OWN),
    "pairs: expected a list of pairs of characters, got {}": (
        [ADA, BO, FENCE | {"pairs": {"Ada Moreno": "Bo Lind"}}],
        [ADA, BO, FENCE | {"pairs": [["Ada Moreno", "Bo Lind"]]}],
    ),
    "split {}; expected 'train' or 'test', or none": (
        [ADA, BO, FENCE | {"split": "dev"}],
        [ADA, BO, FENCE | {"split": "test"}],
    ),
    "with the id {}, which differs; give it an id of its own": (
        [*OWN, ADA | {"age": 3}],
        [*OWN, ADA | {"age": 3, "id": "ada2"}],
    ),
    "name the pairings (env_id, agent_ids), or leave the relationships out": (
        [*OWN, {"agent_1": "Ada Moreno", "agent_2": "Bo Lind", "relationship": "friend"}],
        [*OWN, SEAT],
    ),
}
"""A piece of a message -> records that it is said of, and the same as it advises."""


@follows(*MENDED)
def records_that_do_not_fit(place: Place) -> str:
    said = ""
    for piece, (odd, mended) in MENDED.items():
        said = place.refused(*place.import_own(*odd))
        assert all(part in said for part in piece.split("{}")), (piece, said)
        place.done(*place.import_own(*mended))
    wrong, right = MENDED["name the pairings (env_id, agent_ids), or leave the relationships out"]
    place.done(*place.import_own(*wrong[:-1]))
    suggested = place.refused(*place.import_own(*OWN, right[-1] | {"agent_ids": ["Ada Morena", "Bo Lind"]}))
    named = re.search(r"Did you mean '([^']+)'", suggested)
    assert named
    place.done(*place.import_own(*OWN, right[-1] | {"agent_ids": [named[1], "Bo Lind"]}))
    return said


@follows("more cells than the header has; put texts with commas between quotes")
def a_table_without_quotes(place: Place) -> str:
    place.own()
    table = place.given / "more.csv"
    table.write_text("name,age,secret\nCy Okafor,3,Afraid of bees, and of wasps\n")
    said = place.refused("data", "import", table, "--name", "mine")
    table.write_text('name,age,secret\nCy Okafor,3,"Afraid of bees, and of wasps"\n')
    assert "3 characters" in place.done("data", "import", place.given, "--name", "mine")
    return said


@follows("{}, behind row {}: {}; mend the quotes there", "the header names {} twice; rename one of the two")
def a_table_with_broken_quotes_or_header(place: Place) -> str:
    place.own()
    table, said = place.given / "more.csv", ""
    for odd in ('name,age\n"Cy Okafor,3\nDi Q,4\n', 'name,age\n"Cy" Okafor,3\n', "name,age,age\nCy Okafor,3,3\n"):
        table.write_text(odd)
        said = place.refused("data", "import", table, "--name", "mine")
        assert "mend the quotes there" in said or "rename one of the two" in said
        table.write_text('name,age,years\n"Cy Okafor",3,3\n')
        assert "3 characters" in place.done("data", "import", place.given, "--name", "mine")
    return said


@follows("a Redis dump in binary form is not read; load it into Redis and write its records as JSON")
def a_binary_dump(place: Place) -> str:
    (place.given / "dump.rdb").write_bytes(b"REDIS0011")
    said = place.refused("data", "import", place.given / "dump.rdb", "--name", "mine")
    (place.given / "dump.rdb").unlink()
    classes = ("AgentProfile", "AgentProfile", "EnvironmentProfile")
    rows = zip(classes, OWN, strict=True)
    keys = {f":sotopia.database.{kind}:{number}": row for number, (kind, row) in enumerate(rows)}
    (place.given / "dump.json").write_text(json.dumps(keys))
    place.done("data", "import", place.given / "dump.json", "--name", "mine")
    return said


@follows("JSON, JSON Lines and CSV files are read; write or unpack it as one of them")
def another_kind_of_file(place: Place) -> str:
    (place.given / "people.yaml").write_text("- name: Ada Moreno")
    said = place.refused("data", "import", place.given, "--name", "mine")
    assert "people.yaml: JSON, JSON Lines and CSV files are read" in said
    place.done(*place.import_own())
    return said


@follows("dialogues that do not tell their scenarios, so that no tasks come of them; `harness import-episodes {}`")
def dialogues_without_their_scenarios(place: Place) -> str:
    file, said = place.own(EPISODE), ""
    for words in ([], ["--name", "mine"]):
        said = place.refused("data", "import", file, *words)
        advice = re.search(r"`harness ([^`]+)` makes a run of them", said)
        assert advice
        place.done(*shlex.split(advice[1]), "--results", place.tmp / "results")
    return said
