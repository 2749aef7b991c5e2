"""Every field of a record of people's data, with values that do not belong there: the others are imported all the same, and
what was imported can be played."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.harness.data.advising import EPISODE, OWN, Place

GOAL = {"instruction": "Buy it", "instruction_attributes": ["soft"], "instruction_options": []}
HUGE = 10**400
VALUES: tuple[Any, ...] = (
    None,
    5,
    -1.5,
    True,
    [],
    {},
    "x",
    "",
    [None],
    [[]],
    {"a": [1]},
    HUGE,
    float("nan"),
    "\ud800",
    "a\u2028b",
    [["a"]],
)
"""Values that stand where others belong."""


def with_odd_values(row: dict[str, Any], key: str, *but: str) -> list[dict[str, Any]]:
    """The row with each odd value in the place of each field, under ids of their own."""
    found = [(name, value) for name in row if name not in but for value in VALUES]
    return [row | {key: f"odd{number:05d}", name: value} for number, (name, value) in enumerate(found)]


CHARACTER = {
    "pk": "cy",
    "first_name": "Cy",
    "last_name": "O",
    "age": 3,
    "gender": "Man",
    "secret": "s",
    "public_info": "p",
}
SCENARIO = {
    "pk": "sea",
    "scenario": "At sea",
    "agent_goals": ["a", "b"],
    "relationship": 0,
    "split": "train",
    "pairs": [],
}
RELATION = {"pk": "r", "agent_1_id": "Ada Moreno", "agent_2_id": "Bo Lind", "relationship": 0}
PAIRING = {"pk": "p", "env_id": "fence", "agent_ids": ["Ada Moreno", "Bo Lind"]}


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("AgentProfile", CHARACTER),
        ("EnvironmentProfile", SCENARIO),
        ("RelationshipProfile", RELATION),
        ("EnvAgentComboStorage", PAIRING),
    ],
)
def test_no_value_of_a_database_s_record_stops_the_others(kind: str, row: dict[str, Any], place: Place) -> None:
    place.own(*OWN)
    odd = {f":sotopia.database.{kind}:{each['pk']}": each for each in with_odd_values(row, "pk")}
    (place.given / "dump.json").write_text(json.dumps(odd))
    said = place.done("data", "import", place.given, "--name", "mine")
    assert " 0 left out" not in said
    place.done(*place.run("sotopia", "mine"))


DIALOGUE_ROW = {
    "episode_id": "r",
    "environment_id": "x",
    "agent_ids": ["a", "b"],
    "scenario": "At sea",
    "agents_background": {"Ada M": "A", "Bo L": "B"},
    "social_goals": {"Ada M": "Sail", "Bo L": "Row"},
    "social_interactions": 'Turn #1\nAda M said: "Hi"\n\nTurn #2\nBo L left the conversation.',
    "rewards": [[1.0, {"believability": 9}], [2.0, {}]],
}
ANNOTATION = {
    "episode_id": "a",
    "agent": "Ada M",
    "goal": "Sail",
    "goal_score": 7,
    "scenario": "At sea",
    "is_first_speaker": True,
    "attributed_utterances": {"Utterance 0 by Ada M": ['said: "Hi"', 3], "Utterance 0 by Bo L": ['said: "Yo"', -1]},
}


@pytest.mark.parametrize(("row", "key"), [(EPISODE, "pk"), (DIALOGUE_ROW, "episode_id"), (ANNOTATION, "episode_id")])
def test_no_value_of_a_dialogue_stops_the_others(row: dict[str, Any], key: str, place: Place) -> None:
    odd = with_odd_values(row, key, key)
    (place.given / "e.jsonl").write_text("".join(json.dumps(each) + "\n" for each in [*odd, row]))
    said = place.done("import-episodes", place.given, "--results", place.tmp / "results")
    assert " 0 left out" not in said


@pytest.mark.parametrize("of", ["items", "attributes", "annotations"])
def test_no_value_of_a_product_stops_the_others(of: str, place: Place) -> None:
    shop = place.shop()
    items, about, human = (shop / f"items_{name}_tiny.json" for name in ("shuffle", "ins_v2", "human_ins"))
    rows, known = json.loads(items.read_text()), json.loads(about.read_text())
    base = rows[0]
    if of == "items":
        rows += with_odd_values(base, "asin", "asin", "title_nouns")
    elif of == "attributes":
        odd = with_odd_values(known[base["asin"]], "id")
        rows += [base | {"asin": each["id"]} for each in odd]
        about.write_text(json.dumps(known | {each["id"]: each for each in odd}))
    else:
        odd = with_odd_values(GOAL, "id")
        rows += [base | {"asin": each["id"]} for each in odd]
        human.write_text(json.dumps({each["id"]: [each] for each in odd} | {base["asin"]: [GOAL]}))
    items.write_text(json.dumps(rows))
    assert " 0 left out" not in place.done("data", "import", shop)
    play = place.run("webshop", "all", goals="synthetic" if of == "attributes" else "human")
    place.done(*(word for word in play if word != "--dry-run"))
