"""Facts about asking the models that stand in a run's manifest: the room that each was given for its reasoning, and what its
endpoint does not take. It is the same for every arm, and for every command that goes on with the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.models.base import Model
from agents.models.errors.refusals import known_refusals

Interface = dict[str, Any]
"""`rooms`: model -> tokens beyond `max_tokens`; `dropped`: model -> parameters that were left out; other keys are not
this module's."""


def give_rooms(models: Mapping[str, Model], manifest: Mapping[str, Any]) -> None:
    """Give every model the room that a run recorded for it."""
    for name, room in manifest.get("interface", {}).get("rooms", {}).items():
        settle = getattr(models.get(name), "set_room", None)
        if settle is not None:
            settle(room, settled=room > 0)


def interface_of(models: Mapping[str, Model], manifest: Mapping[str, Any]) -> Interface:
    """The manifest's part, brought up to date with what is known of the models now."""
    before: Interface = dict(manifest.get("interface", {}))
    rooms = dict(before.get("rooms", {}))
    for name, model in models.items():
        room = int(getattr(model, "room", 0))
        if room or getattr(model, "room_known", False):
            rooms[name] = room
    dropped = dict(before.get("dropped", {}))
    for name, model in models.items():
        found = {*dropped.get(name, []), *_dropped(model)}
        if found:
            dropped[name] = sorted(found)
    return before | {key: value for key, value in (("rooms", rooms), ("dropped", dropped)) if value}


def _dropped(model: Model) -> set[str]:
    """The request parameters that the endpoint refused for the model."""
    found: set[str] = set()
    for learnt in known_refusals():
        if (learnt["base_url"], learnt["model"]) == (model.base_url, model.model):
            found |= {*learnt["parameters"], *(["response_format"] if learnt["schema"] else [])}
    return found


def interface_lines(manifest: Mapping[str, Any]) -> list[str]:
    """The same for a person: one line of rooms, one of what was left out; nothing where there is nothing to say."""
    interface = manifest.get("interface", {})
    rooms = [f"{name} {room:,} tokens" for name, room in sorted(interface.get("rooms", {}).items()) if room]
    dropped = [f"{name}: {', '.join(names)}" for name, names in sorted(interface.get("dropped", {}).items()) if names]
    lines = [f"Room for reasoning, beyond max_tokens: {', '.join(rooms)}."] if rooms else []
    if dropped:
        lines.append(f"Left out for every arm, because the endpoint does not take it: {'; '.join(dropped)}.")
    return lines
