"""Strategists, one small file each, and their table. A plug-in adds one through the entry-point group
`strategist_harness.strategists`: a class on the base `agents.base.Strategist`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, cast

from agents.prompts import STRATEGIST_FIELDS
from environments.prompts import PromptFields
from harness.base.errors import BadInput
from harness.base.registry import Registry, as_kind

if TYPE_CHECKING:
    from agents.base import Strategist

Role = Literal["reference", "control", ""]


@dataclass(frozen=True, slots=True)
class StrategistKind:
    """A strategist's class and what it says about itself. Packages made for version 0.1 offer one of these."""

    make: type[Strategist]
    """Called without arguments: strategists keep no state between turns."""
    description: str
    needs_model: bool = False
    reference: bool = False
    control: bool = False
    proposes: bool = True
    actor_thinks: bool = False
    beside_trained: bool = False
    trained_from: str = ""
    prompt_fields: PromptFields = STRATEGIST_FIELDS
    """Fields that a user's own prompt for it may hold; of no use where it asks no model."""

    @property
    def role(self) -> Role:
        """The arm's place in comparisons."""
        return "control" if self.control else "reference" if self.reference else ""


SCRIPT = "script:"
"""Begins the name of a scripted strategist of the environment's own."""
REFERENCE = "vanilla"
"""The kind that plays where an experiment names no strategist."""
TRAINED = "epo-rl"
"""The kind that stands for trained weights, as `training_kinds` says it from the classes: whoever compares runs imports none."""
REGISTRY = Registry(
    "strategist",
    "strategist_harness.strategists",
    {
        "vanilla": "agents.strategists.vanilla:Vanilla",
        "react": "agents.strategists.react:React",
        "epo": "agents.strategists.epo:Epo",
        "epo-rl": "agents.strategists.epo:EpoRl",
        "null": "agents.strategists.null:Null",
        "shuffled": "agents.strategists.shuffled:Shuffled",
    },
)
ROLES: Mapping[str, Role] = {"vanilla": "reference", "null": "control", "shuffled": "control"}
"""Roles of the built-in ones that have one, as their classes say: whoever compares runs imports no class."""
TRAINED_FROM: Mapping[str, str] = {"epo-rl": "epo"}
"""Built-in kinds that are the trained form of another, as their classes say."""


def kind_of(name: str) -> StrategistKind:
    """The kind behind a name; `script:NAME` is a scripted strategist of the environment's own. Raises `BadInput` for an unknown
    one, and for what is no strategist."""
    script = script_of(name)
    if script is not None:
        return _scripted(script)
    kind = as_kind(REGISTRY.load(name), StrategistKind)
    if not hasattr(getattr(kind, "make", None), "propose"):
        raise BadInput(f"strategist {name!r} has no method `propose`; expected a class on `agents.base.Strategist`")
    return kind


def script_of(name: str) -> str | None:
    """The environment's scripted strategist that a kind's name means; None for any other kind."""
    return name.removeprefix(SCRIPT) if name.startswith(SCRIPT) else None


def _scripted(name: str) -> StrategistKind:
    from agents.strategists.scripted import Scripted

    return StrategistKind(cast("type[Strategist]", partial(Scripted, name)), Scripted.description)


def built_in_role(name: str) -> Role:
    """The role of a built-in kind; none for any other, whose role its run's manifest says (`roles`)."""
    return ROLES.get(name, "")


def kinds_beside_trained() -> list[str]:
    """Built-in kinds that a training ranks beside what it trains, in the table's order."""
    return [name for name in REGISTRY.builtin if kind_of(name).beside_trained]


def training_kinds() -> tuple[str, str]:
    """The kind that self-play starts from, and the kind of its trained form."""
    return next((before, trained) for trained, before in TRAINED_FROM.items())


def control_kinds() -> list[str]:
    """Built-in kinds that are controls, in the table's order."""
    return [name for name, role in ROLES.items() if role == "control"]


def actor_thinks(name: str) -> bool:
    """True where the actor's own thought is the strategy; False for a kind that is not installed here."""
    try:
        return kind_of(name).actor_thinks
    except BadInput:
        return False
