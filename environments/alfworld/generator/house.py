"""The tables of `house.toml`, checked: rooms, receptacles, objects and grades of the generated games."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from environments.alfworld.options import TaskType

TASK_TYPES: tuple[TaskType, ...] = get_args(TaskType)
Room = Literal["Kitchen", "LivingRoom", "Bedroom", "Bathroom"]
Grade = Literal["mini", "small", "medium", "large"]
GRADES: tuple[Grade, ...] = get_args(Grade)
_LETTERS = {"K": "Kitchen", "L": "LivingRoom", "B": "Bedroom", "T": "Bathroom"}


class _Table(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)


class ReceptacleClass(_Table):
    fill: float = Field(gt=0)
    openable: float = Field(default=0.0, ge=0, le=1)


class RoomTable(_Table):
    tasks: tuple[TaskType, ...]
    always: tuple[str, ...]
    others: dict[str, tuple[float, int]]


class ObjectClass(_Table):
    rooms: str
    properties: frozenset[str] = Field(default=frozenset(), alias="is")
    receptacles: frozenset[str] = Field(default=frozenset(), alias="in")

    @field_validator("properties", "receptacles", mode="before")
    @classmethod
    def _words(cls, text: str) -> list[str]:
        return text.split()

    def lives_in(self, room: str) -> bool:
        return any(_LETTERS[letter] == room for letter in self.rooms)


class GradeTable(_Table):
    receptacles: tuple[int, int]
    objects: tuple[int, int]
    plan: tuple[int, int]
    near: float
    shared: float


class House(_Table):
    receptacles: dict[str, ReceptacleClass]
    rooms: dict[Room, RoomTable]
    objects: dict[str, ObjectClass]
    fixed: dict[str, ObjectClass]
    lamps: dict[str, ObjectClass]
    grades: dict[Grade, GradeTable]

    @model_validator(mode="after")
    def _names_exist(self) -> House:
        used = {r for table in self.rooms.values() for r in (*table.always, *table.others)}
        used |= {r for group in (self.objects, self.fixed, self.lamps) for o in group.values() for r in o.receptacles}
        unknown = used - set(self.receptacles)
        if unknown:
            raise ValueError(f"receptacle classes without an entry: {sorted(unknown)}")
        return self


def house_text() -> str:
    """The text of `house.toml`: part of what generated tasks are a function of."""
    return files("environments.alfworld.generator").joinpath("house.toml").read_text(encoding="utf-8")


@cache
def house() -> House:
    """The checked tables, loaded once per process."""
    return House.model_validate(tomllib.loads(house_text()))
