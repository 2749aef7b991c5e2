"""The forms in which people write characters, scenarios, relationships and pairings, and the one they become.

Field names are sotopia's; a few shorter ones stand for the same (`name` for first and last name, `personality`, `goal_1`).
A character needs a name, a scenario its text and two goals; the rest may be left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from environments.sotopia.own.rows import Found, Row
from environments.sotopia.profiles import RELATIONSHIPS, CharacterRow, ScenarioRow, first_problem
from environments.sotopia.tags import check_tags
from harness.base.errors import BadInput, nearest
from harness.base.seeds import stable_hash

_SAME = {
    "agent_id": "pk",
    "env_id": "pk",
    "id": "pk",
    "personality": "personality_and_values",
    "public": "public_info",
    "pronouns": "gender_pronoun",
    "goals": "agent_goals",
}
_GENDERS = {
    "man": "Man",
    "male": "Man",
    "m": "Man",
    "woman": "Woman",
    "female": "Woman",
    "f": "Woman",
    "w": "Woman",
    "nonbinary": "Nonbinary",
    "non-binary": "Nonbinary",
    "nb": "Nonbinary",
    "": "",
}
_PRONOUNS = {"Man": "He/him", "Woman": "She/her", "Nonbinary": "They/them", "": ""}
_NOTHING = ("nan", "none", "null", "")


def character(found: Found) -> CharacterRow:
    """A character as the profiles have it. Raises `BadInput` naming the record and the field."""
    row = _renamed(found.row)
    for key in ("name", "first_name"):
        if key in row and (not isinstance(row[key], str) or not row[key].strip()):
            raise BadInput(f"{found.where}: {key}: expected a text, got {str(row[key])[:80]!r}")
    if "name" in row and "first_name" not in row:
        first, _, last = str(row["name"]).strip().partition(" ")
        row |= {"first_name": first, "last_name": last.strip()}
    gender = str(row.get("gender") or "").strip()
    if gender.lower() not in _GENDERS:
        known = ("Man", "Woman", "Nonbinary")
        raise BadInput(f"{found.where}: gender {gender!r}; expected one of {', '.join(known)}.{nearest(gender, known)}")
    row["gender"] = _GENDERS[gender.lower()]
    row["gender_pronoun"] = _text(row, "gender_pronoun") or _PRONOUNS[row["gender"]]
    for key in ("last_name", "occupation", "public_info", "personality_and_values", "secret"):
        if isinstance(row.get(key), list | dict):
            raise BadInput(f"{found.where}: {key}: expected a text, got {str(row[key])[:80]}")
        row[key] = _text(row, key)
    row["age"] = 0 if _is_nothing(row.get("age")) else row["age"]
    if isinstance(row["age"], int | float) and row["age"] < 0:
        raise BadInput(f"{found.where}: age: expected a number of years, got {row['age']}")
    whole = f"{row.get('first_name', '')} {row['last_name']}"
    row["pk"] = _id(row) or slug(whole) or f"character-{stable_hash(whole)[:8]}"
    return _validated(CharacterRow, row, found)


def scenario(found: Found) -> ScenarioRow:
    """A scenario as the profiles have it, with `split` and `pairs` left to the caller. Raises `BadInput`."""
    row = _renamed(found.row)
    if "agent_goals" not in row:
        row["agent_goals"] = [row.get(f"goal_{n}", row.get(f"goal{n}")) for n in (1, 2)]
    row["relationship"] = relationship(row.get("relationship"), found.where)
    row["pk"] = _id(row) or slug(str(row.get("codename") or "")) or _made_id(row)
    if not _are_two_texts(row["agent_goals"]):
        raise BadInput(
            f"{found.where}: scenario {row['pk']}: agent_goals: expected two texts, one for each seat (or goal_1 and goal_2), "
            f"got {str(row['agent_goals'])[:80]}"
        )
    made = _validated(ScenarioRow, row, found)
    if not made.scenario.strip():
        raise BadInput(f"{found.where}: scenario {made.pk}: scenario: expected a text")
    for goal in made.agent_goals:
        if not goal.strip():
            raise BadInput(f"{found.where}: agent_goals: expected a goal for each of the two")
    for text in (made.scenario, *made.agent_goals):
        check_tags(text, found.where)
    return made


def _are_two_texts(goals: Any) -> bool:
    return isinstance(goals, list | tuple) and len(goals) == 2 and all(isinstance(goal, str) for goal in goals)


def relationship(value: Any, where: str) -> int:
    """A relationship as its number 0 to 5: a number, its digits, or sotopia's word for it; strangers where there is none.
    Raises `BadInput`."""
    text = str(0 if value is None else value).strip().lower().replace(" ", "_")
    text = text.removeprefix("relationshiptype.").removesuffix(".0")
    if text in _NOTHING:
        return 0
    for number, words in enumerate(RELATIONSHIPS):
        if text == str(number) or text in words:
            return number
    known = ", ".join(f"{number} {words[0]}" for number, words in enumerate(RELATIONSHIPS))
    raise BadInput(f"{where}: relationship {value!r}; expected one of {known}")


def pair_of(row: Row, where: str, known: Mapping[str, str]) -> tuple[str, str]:
    """The ids of the two characters that a relationship or pairing names, by id or by name. Raises `BadInput`."""
    given = row.get("agent_ids") or row.get("agents") or row.get("characters")
    if given is None:
        pairs = (("agent_1_id", "agent_2_id"), ("agent1_id", "agent2_id"), ("agent_1", "agent_2"))
        given = next(([row[first], row[second]] for first, second in pairs if first in row and second in row), None)
    if isinstance(given, str):
        given = [part.strip() for part in re.split(r"[,;|]", given)]
    if not isinstance(given, list | tuple) or len(given) != 2:
        raise BadInput(f"{where}: expected two characters under 'agent_ids', got {given!r}")
    first, second = (_known_id(str(each), where, known) for each in given)
    if first == second:
        raise BadInput(f"{where}: the same character {first!r} in both seats")
    return first, second


def _known_id(text: str, where: str, known: Mapping[str, str]) -> str:
    """The id of a character called by id or name."""
    if text.strip() in known:
        return known[text.strip()]
    raise BadInput(f"{where}: no character {text!r} among those of this data.{nearest(text, known)}")


def _made_id(row: Row) -> str:
    """An id for a scenario without one: its first words, and a hash, for several may begin alike."""
    return f"{slug(str(row.get('scenario')))}-{stable_hash(row.get('scenario'), row['agent_goals'])[:4]}"


def slug(text: str) -> str:
    """An id made of a text: its first words, lower case."""
    return "-".join(re.findall(r"[^\W_]+", text.lower())[:6])


def _renamed(row: Row) -> Row:
    return {**{_SAME[key]: value for key, value in row.items() if key in _SAME}, **row}


def _id(row: Row) -> str:
    return str(row.get("pk") or "").strip()


def _text(row: Row, key: str) -> str:
    value = row.get(key)
    return "" if _is_nothing(value) else str(value)


def _is_nothing(value: Any) -> bool:
    """True for what tables write where there is nothing: null, an empty text, NaN."""
    return value is None or str(value).strip().lower() in _NOTHING


def _validated(model: Callable[..., Any], row: Row, found: Found) -> Any:
    try:
        return model.model_validate(row)  # type: ignore[attr-defined]
    except ValidationError as error:
        raise BadInput(f"{found.where}: {found.kind} {row['pk'] or '?'}: {first_problem(error)}") from error
