"""Quotation of others' texts in a judge's prompt: one JSON document between two marker lines.

The mark on both lines is a hash of the document, so no text inside can hold it (it would have to hold its own hash), and
inside the document every text is one JSON string, so none can close its own. Whatever cannot be printed (line separators,
control and direction characters) stands as a `\\u` escape, so that a document's lines are those written here. Prompts hold
`<<<MATERIAL $mark`, `$material` and `MATERIAL $mark>>>`, each on its own line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from environments.prompts import PromptFields
from harness.base.seeds import stable_hash
from harness.results.records import EpisodeRecord, TurnRecord

Turn = Mapping[str, Any]
FRAME_FIELDS = PromptFields(
    ("mark", "material"), ("mark", "material"), ("<<<MATERIAL $mark", "$material", "MATERIAL $mark>>>")
)
"""Fields and markers that a judge's prompt filled with a frame has to hold."""


def frame(document: str) -> dict[str, str]:
    """The fields `mark` and `material` of a judge's prompt."""
    return {"mark": stable_hash(document)[:12], "material": document}


def document(head: Mapping[str, Any], turns: Sequence[Turn]) -> str:
    """A JSON object: the head's keys, one a line, then `turns`, one a line."""
    lines = [f"{quote(key)}: {quote(value)}" for key, value in head.items()]
    rows = ",\n".join(f"  {quote(turn)}" for turn in turns)
    return "{" + ",\n".join([*lines, f'"turns": [\n{rows}\n]']) + "}"


def quote(value: Any) -> str:
    """JSON in one line of printable characters."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else "".join(_printable(char) for char in text)


def _printable(char: str) -> str:
    return char if char.isprintable() else json.dumps(char)[1:-1]


def turns_of(episode: EpisodeRecord) -> list[dict[str, Any]]:
    """The transcript: turn (from 1), who, and what they did, whole."""
    return [_turn(episode, turn) for turn in episode.turns]


def _turn(episode: EpisodeRecord, turn: TurnRecord) -> dict[str, Any]:
    return {"turn": turn.index + 1, "who": episode.seats[turn.seat].name, "did": turn.rendered}


def background_of(episode: EpisodeRecord, seat: int) -> str:
    """Background that a judge reads before the transcript: everything, where the environment has a text for judges; else what
    the seat itself was told."""
    return (episode.judge_background or episode.seats[seat].background).strip("\n")


def parts_of(episode: EpisodeRecord, seat: int = 0, strategies: bool = False) -> list[tuple[str, str]]:
    """List (place, text) of everything in an episode that a judge reads and others wrote: to be searched for instructions aimed
    at the judge. `strategies` adds those of the seat."""
    parts = [(f"name of seat {number}", each.name) for number, each in enumerate(episode.seats)]
    parts.append(("background", background_of(episode, seat)))
    for turn in episode.turns:
        parts.append((f"turn {turn.index + 1}", turn.rendered))
        if strategies and turn.seat == seat and turn.strategy:
            parts.append((f"strategy of turn {turn.index + 1}", turn.strategy))
    return parts
