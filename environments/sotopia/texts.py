"""Every text that is shown at the start or after a turn, byte for byte as sotopia 0.1.4 writes it.

The formulas are those of the recordings' README; the parity test replays all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from environments.sotopia.profiles import ACQUAINTANCE, FRIEND, KNOW_BY_NAME, Character, Scenario
from environments.sotopia.tags import ENVIRONMENT, render_for, seat_viewer

UNKNOWN = "Unknown"
_GENDER_WORD = {"Man": "male", "Woman": "female", "Nonbinary": "nonbinary", "": ""}


def bio_parts(character: Character) -> tuple[str, str, str, str]:
    """The four parts of a bio, each known to closer company than the one before: name, public facts,
    personality, secret. The blank that ends the first three stays where the bio is cut. What own data leave out is left
    out here."""
    age = f"{character.age}-year-old" if character.age else ""
    described = " ".join(filter(None, (age, _GENDER_WORD[character.gender], character.occupation.lower())))
    facts = (
        f"is a {described}. " if described else "",
        f"{character.gender_pronoun} pronouns. " if character.gender_pronoun else "",
        f"{character.public_info} " if character.public_info else "",
    )
    values, secret = character.personality_and_values, character.secret
    return (
        f"{character.name} ",
        "".join(facts),
        f"Personality and values description: {values} " if values else "",
        f"{character.first_name}'s secrets: {secret}" if secret else "",
    )


def full_bio(character: Character) -> str:
    """Everything a character knows of itself, and the judge of everybody."""
    return "".join(bio_parts(character))


def bio_for_partner(character: Character, relationship: int) -> str:
    """Facts the other one knows: more with every step of closeness, the secret never."""
    known = 3 if relationship >= FRIEND else {KNOW_BY_NAME: 1, ACQUAINTANCE: 2}.get(relationship, 0)
    return "".join(bio_parts(character)[:known]) or UNKNOWN


def _context(scenario: str, names: tuple[str, str], bios: tuple[str, str], goals: tuple[str, str]) -> str:
    lines = [
        "Here is the context of this interaction:",
        f"Scenario: {scenario}",
        f"Participants: {names[0]} and {names[1]}",
        *(f"{name}'s background: {bio}" for name, bio in zip(names, bios, strict=True)),
        *(f"{name}'s goal: {goal}" for name, goal in zip(names, goals, strict=True)),
    ]
    # The original un-indents the finished text, and with it the inner lines of multi-line goals.
    return re.sub("\n +", "\n", "\n".join(lines)).strip()


def judge_context(scenario: Scenario, cast: tuple[Character, Character]) -> str:
    """The start as the judge reads it: both bios with secrets, both goals, environment-only text."""
    first, second = cast
    goals = scenario.agent_goals
    return _context(
        render_for(scenario.scenario, ENVIRONMENT),
        (first.name, second.name),
        (full_bio(first), full_bio(second)),
        (render_for(goals[0], ENVIRONMENT), render_for(goals[1], ENVIRONMENT)),
    )


def seat_context(scenario: Scenario, cast: tuple[Character, Character], seat: int) -> str:
    """The start as one seat reads it: its own bio and goal in full, of the partner what the relationship allows."""
    viewer = seat_viewer(seat)
    goal = render_for(scenario.agent_goals[seat], viewer)
    bios = [bio_for_partner(character, scenario.relationship) for character in cast]
    bios[seat] = full_bio(cast[seat])
    return _context(
        render_for(scenario.scenario, viewer),
        (cast[0].name, cast[1].name),
        (bios[0], bios[1]),
        (goal, UNKNOWN) if seat == 0 else (UNKNOWN, goal),
    )


def opening(context: str) -> str:
    """A context as the first observation of a seat."""
    return f"\n{context}\nConversation Starts:\n"


def render_action(kind: str, text: str) -> str:
    """An action as the transcript shows it: raw, nothing masked."""
    if kind == "none":
        return "did nothing"
    if kind == "leave":
        return "left the conversation"
    if kind == "speak":
        return f'said: "{text}"'
    return f"[{kind}] {text}"


def turn_text(number: int, name: str, kind: str, rendered: str) -> str:
    """Text that both seats observe of turn `number` (from 0). A silence is an empty turn; speech is verbatim, where the
    original passes it through an XML parser."""
    return f"Turn #{number}: \n" if kind == "none" else f"Turn #{number}: {name} {rendered}\n"


def judge_history(context: str, turns: Iterable[tuple[str, str, str]]) -> str:
    """The transcript as the judge reads it, from (name, kind, rendered) per turn; turns count from 1. Only a real
    silence leaves its line out: the original drops every line that contains "did nothing", spoken or not."""
    lines = [context]
    for number, (name, kind, rendered) in enumerate(turns, start=1):
        lines.append(f"Turn #{number}")
        if kind != "none":
            lines.append(f"{name} {rendered}")
    return "\n".join(lines)
