"""Characters, scenarios and pairings: the data model, and how it is read from disk. A `World` is one data set: characters,
scenarios and the pairings that are played. The published profiles (40 agents, 90 environments, 450 combos) and our own built-in
ones become the same types. Fields that nobody is ever shown (big five, moral values, model ids, ...) are not even read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from environments.sotopia.tags import check_tags
from harness.base.errors import BadInput

Gender = Literal["Man", "Woman", "Nonbinary", ""]
"""Empty where own data do not say."""

STRANGER, KNOW_BY_NAME, ACQUAINTANCE, FRIEND, ROMANTIC, FAMILY = range(6)
"""`relationship` as the original numbers it; it decides what one character knows of the other."""
RELATIONSHIPS = (
    ("stranger", "strangers"),
    ("know_by_name", "know_each_other_by_name"),
    ("acquaintance", "acquaintances"),
    ("friend", "friends"),
    ("romantic_relationship", "romantic"),
    ("family_member", "family"),
)
"""Words for the numbers, sotopia's own first."""


@dataclass(frozen=True, slots=True)
class Character:
    id: str
    first_name: str
    last_name: str
    age: int
    occupation: str
    gender: Gender
    gender_pronoun: str
    public_info: str
    personality_and_values: str
    secret: str

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


@dataclass(frozen=True, slots=True)
class Scenario:
    id: str
    scenario: str
    """May hold viewer tags, see `tags`."""
    agent_goals: tuple[str, str]
    """One per seat; may hold viewer tags."""
    relationship: int
    """0 strangers .. 5 family."""


@dataclass(frozen=True, slots=True)
class Combo:
    """A scenario with the two characters that play it: what becomes a task."""

    index: int
    """Position in the canonical order, from 0."""
    id: str
    scenario_id: str
    character_ids: tuple[str, str]


@dataclass(frozen=True, slots=True)
class World:
    characters: Mapping[str, Character]
    scenarios: Mapping[str, Scenario]
    combos: tuple[Combo, ...]

    def find(self, combo_id: str) -> Combo | None:
        """The pairing of that id."""
        return next((combo for combo in self.combos if combo.id == combo_id), None)

    def cast(self, character_ids: tuple[str, str]) -> tuple[Character, Character]:
        """The two characters, first seat first."""
        first, second = character_ids
        return self.characters[first], self.characters[second]


class _Row(BaseModel):
    """A published row. It has more fields than we use, on purpose ignored: none of them is ever shown."""

    model_config = ConfigDict(defer_build=True, extra="ignore", frozen=True)


class CharacterRow(_Row):
    pk: str = Field(min_length=1)
    first_name: str = Field(min_length=1)
    last_name: str
    age: int
    occupation: str
    gender: Gender
    gender_pronoun: str
    public_info: str
    personality_and_values: str
    secret: str

    def character(self) -> Character:
        fields = self.model_dump()
        return Character(id=fields.pop("pk"), **fields)


class ScenarioRow(_Row):
    pk: str = Field(min_length=1)
    scenario: str = Field(min_length=1)
    agent_goals: tuple[str, str]
    relationship: int = Field(ge=0, le=5)

    def value(self) -> Scenario:
        return Scenario(self.pk, self.scenario, self.agent_goals, self.relationship)


class ComboRow(_Row):
    index: int = Field(ge=0)
    pk: str = Field(min_length=1)
    env_id: str
    agent_ids: tuple[str, str]

    def value(self) -> Combo:
        return Combo(self.index, self.pk, self.env_id, self.agent_ids)


RowT = TypeVar("RowT", bound=BaseModel)


def read_rows(path: Path, model: type[RowT]) -> Iterator[RowT]:
    """The rows of a JSON Lines file. Raises `BadInput` naming file and line for one that does not fit."""
    try:
        # Not splitlines(): a text may hold other line separators unescaped.
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield model.model_validate_json(line)
        except ValidationError as error:
            raise BadInput(f"{path}, line {number}: {first_problem(error)}") from error


def first_problem(error: ValidationError) -> str:
    """The first complaint of a validation as one line: field, what is wrong, what was given."""
    problem = error.errors()[0]
    field = ".".join(str(part) for part in problem["loc"]) or "the row"
    given = json.dumps(problem.get("input"), default=str)
    return f"{field}: {problem['msg']} (given: {given[:80]})"


def make_world(characters: list[Character], scenarios: list[Scenario], combos: list[Combo], source: str) -> World:
    """Join the three lists. Raises `BadInput` for a repeated or unknown id, or a broken viewer tag; `source`
    is how the message names the data."""
    by_id = {character.id: character for character in characters}
    places = {scenario.id: scenario for scenario in scenarios}
    if len(by_id) != len(characters) or len(places) != len(scenarios):
        raise BadInput(f"{source}: two characters or two scenarios have the same id")
    if len({combo.id for combo in combos}) != len(combos):
        raise BadInput(f"{source}: two pairings have the same id")
    for scenario in scenarios:
        for text in (scenario.scenario, *scenario.agent_goals):
            check_tags(text, f"{source}: scenario {scenario.id}")
    for combo in combos:
        unknown = [id_ for id_ in combo.character_ids if id_ not in by_id]
        if combo.scenario_id not in places or unknown:
            raise BadInput(
                f"{source}: pairing {combo.id} names an unknown scenario or character "
                f"({', '.join(unknown) or combo.scenario_id})"
            )
    return World(by_id, places, tuple(sorted(combos, key=lambda combo: combo.index)))


WORLD_FILES = ("agents.jsonl", "environments.jsonl", "combos.jsonl")
"""Files that a folder of normalised profiles must hold."""


def load_world(folder: Path) -> World:
    """Read a folder of normalised profiles. Raises `BadInput` for a missing file or a row that does not fit."""
    missing = [name for name in WORLD_FILES if not (folder / name).is_file()]
    if missing:
        raise BadInput(f"{folder} lacks {', '.join(missing)}; it should hold {', '.join(WORLD_FILES)}")
    return make_world(
        [row.character() for row in read_rows(folder / "agents.jsonl", CharacterRow)],
        [row.value() for row in read_rows(folder / "environments.jsonl", ScenarioRow)],
        [row.value() for row in read_rows(folder / "combos.jsonl", ComboRow)],
        source=str(folder),
    )
