"""Arms with trained weights: one training is one draw, and tasks alone cannot say where another would land."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from agents.strategists import TRAINED
from harness.compare.arms import Arm
from harness.compare.comparison import CONTROL

CHECKPOINT = re.compile(r"(^|/)fit/iteration-\d+/model/?$")
"""Matches the folder in which a training keeps the weights of an iteration."""
NUMBERED = re.compile(r"-(seed)?\d+$")
"""Matches the end of a name that tells trainings of one recipe apart."""
ONE = "one training; another could give a different result"


def training_sentences(arms: Iterable[Arm], pooled: Iterable[Arm] = ()) -> list[str]:
    """A sentence on the trained strategists and actors among arms. Weights that several arms have are named once, those of a
    control only where no other arm has them. `pooled`: arms that count as one with other trainings of their recipe; their
    strategists are left out."""
    every, together = list(arms), list(pooled)
    own = {trained_parts(arm).get("strategist") for arm in (*every, *together) if arm.role != CONTROL}
    left_out = {id(arm) for arm in together}
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for arm in every:
        for role, weights in trained_parts(arm).items():
            borrowed = arm.role == CONTROL and weights in own
            if role == "actor" or not (borrowed or id(arm) in left_out):
                found.setdefault((arm.axes[role], weights), (_called(role, arm.axes[role]), arm.source))
    names = [name for name, _ in found.values()]
    shown = [name if names.count(name) == 1 else f"{name} of {source}" for name, source in found.values()]
    if len(shown) > 1:
        text = f"{', '.join(shown[:-1])} and {shown[-1]} are one training each; others could give different results."
        return [text.replace("the ", "The ", 1) if text.startswith("the ") else text]
    return [f"{name.replace('the ', 'The ', 1)} is {ONE}." for name in shown]


def _called(role: str, name: str) -> str:
    """`the actor` where an actor has no better name."""
    return f"the {role}" if name == role else name


def recipe_name(strategist: str) -> str:
    """The name that trainings of one recipe share: `epo-rl` for `epo-rl-2`."""
    return NUMBERED.sub("", strategist)


def training_note(arm: Arm) -> str | None:
    """Say in a few words what of an arm is one training; None where nothing of it is known to be trained."""
    parts = list(trained_parts(arm))
    if len(parts) > 1:
        return "strategist and actor are one training each; others could give different results"
    return f"the {parts[0]} is {ONE}" if parts else None


def trained_parts(arm: Arm) -> dict[str, str]:
    """`strategist` and `actor`, where that is known to be trained -> the address of its weights, with that of an adapter on
    them."""
    recorded = arm.tested.get("trained", ())
    parts = {"strategist": arm.tested["strategist"], "actor": arm.facts.get("actor") or {}}
    return {
        role: _address(part.get("model_config") or {})
        for role, part in parts.items()
        if (role in recorded or _is_trained(part)) and not (role == "strategist" and "trainings" in arm.tested)
    }


def _address(model: Mapping[str, Any]) -> str:
    parts = (str(model[key]) for key in ("model", "adapter") if model.get(key))
    return " + ".join(parts)


def _is_trained(part: Mapping[str, Any]) -> bool:
    """True for a kind that stands for trained weights, and for weights that lie where a training puts them."""
    model: Mapping[str, Any] = part.get("model_config") or {}
    if not model or model.get("provider") == "scripted":
        return False
    return part.get("kind") == TRAINED or CHECKPOINT.search(str(model.get("model", ""))) is not None
