"""Our own characters and scenarios, shipped with the package: training and test scenarios are disjoint."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from environments.sotopia.profiles import Character, Combo, Gender, Scenario, World, first_problem, make_world
from harness.base.errors import BadInput

FILES = ("characters.jsonl", "scenarios.jsonl")


class BuiltinCharacter(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    first_name: str
    last_name: str
    age: int
    occupation: str
    gender: Gender
    gender_pronoun: str
    public_info: str
    personality_and_values: str
    secret: str


class BuiltinScenario(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    split: Literal["train", "test"]
    kind: str
    conflict: str = ""
    """Relation between the two goals."""
    relationship: int = Field(ge=0, le=5)
    scenario: str
    agent_goals: tuple[str, str]
    pairs: tuple[tuple[str, str], ...] = Field(min_length=1)


def _text(name: str) -> str:
    try:
        return files("environments.sotopia").joinpath("builtin", name).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise BadInput(f"environments/sotopia/builtin/{name} is missing: reinstall the package") from error


RowT = TypeVar("RowT", bound=BaseModel)


def _rows(name: str, model: type[RowT]) -> list[RowT]:
    rows: list[RowT] = []
    for number, line in enumerate(_text(name).split("\n"), start=1):
        try:
            if line.strip():
                rows.append(model.model_validate_json(line))
        except ValidationError as error:
            raise BadInput(f"builtin/{name}, line {number}: {first_problem(error)}") from error
    return rows


@cache
def scenarios() -> dict[str, BuiltinScenario]:
    """All built-in scenarios by id, in the order of the file."""
    return {row.id: row for row in _rows("scenarios.jsonl", BuiltinScenario)}


@cache
def builtin_world() -> World:
    """Characters, scenarios and pairings; a pairing's id is `<scenario>:<character>:<character>`."""
    characters = [Character(**row.model_dump()) for row in _rows("characters.jsonl", BuiltinCharacter)]
    pairs = [(row, pair) for row in scenarios().values() for pair in row.pairs]
    return make_world(
        characters,
        [Scenario(row.id, row.scenario, row.agent_goals, row.relationship) for row in scenarios().values()],
        [Combo(index, f"{row.id}:{pair[0]}:{pair[1]}", row.id, pair) for index, (row, pair) in enumerate(pairs)],
        source="builtin",
    )


def builtin_hashes() -> dict[str, str]:
    """File name -> sha256."""
    return {f"builtin/{name}": hashlib.sha256(_text(name).encode("utf-8")).hexdigest() for name in FILES}
