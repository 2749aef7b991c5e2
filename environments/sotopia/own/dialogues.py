"""Characters, scenarios and pairings out of published dialogues in row form: each row tells its scenario, both goals with their
tags, and both biographies in full. This is how SOTOPIA-π's training scenarios are published with texts.

How well the two know each other stands in no field; it is read off what each was told of the other at the start (friends, couples
and families are told the same, and count as friends)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from environments.sotopia.own.forms import slug
from environments.sotopia.own.rows import AGENT, COMBO, EPISODE, SCENARIO, Found, Row, parsed
from environments.sotopia.profiles import ACQUAINTANCE, FRIEND, KNOW_BY_NAME, STRANGER
from harness.base.patterns import pattern
from harness.base.seeds import stable_hash

PI, PI_SCENARIOS = "sotopia-pi", 410
_BIO = pattern(
    r"(?P<name>.+?) is an? (?:(?P<age>\d+)-year-old ?)?(?P<gender>male|female|nonbinary)? ?(?P<occupation>[^.]*)\. "
    r"(?:(?P<gender_pronoun>\S+) pronouns\. )?(?P<public_info>.*?)"
    r"(?: Personality and values description: (?P<personality_and_values>.*?))?"
    r"(?: (?P<first>\S+)'s secrets: (?P<secret>.*))?",
    re.DOTALL,
)


@cache
def pi_rounds() -> dict[str, str]:
    """Id of each of SOTOPIA-π's 410 training scenarios -> the round that used it."""
    text = files("environments.sotopia.own").joinpath("sotopia_pi_ids.json").read_text(encoding="utf-8")
    return {pk: name for name, ids in json.loads(text).items() for pk in ids}


def with_dialogues(found: Iterable[Found], left_out: list[str]) -> Iterator[Found]:
    """The records, with those that dialogues hold in place of the dialogues, each once. Of a file with SOTOPIA-π's training
    scenarios, these alone: the test scenarios among them are counted in `left_out`."""
    rounds, seen, other, several = pi_rounds(), set[str](), set[str](), False
    for each in found:
        if each.kind != EPISODE:
            yield each
            continue
        goals = _object(each.row.get("social_goals"))
        if len(goals) != 2 or not each.row.get("scenario"):
            continue  # a log without its scenario's texts; `import-episodes` reads it
        row = each.row
        pk = str(row.get("environment_id") or scenario_id(row["scenario"], list(goals.values()), row.get("codename")))
        several = several or pk in rounds
        if pk not in rounds:
            other.add(pk)
        for part in _parts(each, pk, goals):
            key = stable_hash(part.kind, part.row["pk"])
            if key not in seen:
                seen.add(key)
                yield part
    if several and other:
        left_out.append(
            f"{len(other)} scenarios that SOTOPIA-π does not train on (its test scenarios, the split `all`)"
        )


def only_training(found: Iterable[Found]) -> list[Found]:
    """The records without a database's other scenarios, where training scenarios of SOTOPIA-π are among them."""
    rows = list(found)
    rounds = pi_rounds()
    if not is_pi(rows):
        return rows
    return [
        row
        for row in rows
        if not row.dumped
        or row.kind not in (SCENARIO, COMBO)
        or str(row.row.get("env_id") or row.row.get("pk")) in rounds
    ]


def is_pi(found: Iterable[Found]) -> bool:
    """True if a training scenario of SOTOPIA-π is among the records."""
    rounds = pi_rounds()
    return any(row.kind == SCENARIO and str(row.row.get("pk") or row.row.get("env_id")) in rounds for row in found)


def _parts(each: Found, pk: str, goals: dict[str, str]) -> Iterator[Found]:
    """The two characters, the scenario and the pairing of a dialogue."""
    names, row = list(goals), each.row
    bios = _object(row.get("agents_background"))
    ids = [str(pk_) for pk_ in row.get("agent_ids") or ()]
    ids = ids if len(ids) == 2 else [slug(name) for name in names]
    for agent, name in zip(ids, names, strict=True):
        yield Found(each.where, AGENT, {"pk": agent, **_character(name, str(bios.get(name, "")))}, dumped=True)
    split = {"split": "test" if pi_rounds()[pk].startswith("dev") else "train"} if pk in pi_rounds() else {}
    scenario = {
        "pk": pk,
        "codename": row.get("codename"),
        "scenario": row["scenario"],
        "agent_goals": [goals[name] for name in names],
        "relationship": _relationship(row, names),
    }
    yield Found(each.where, SCENARIO, {**scenario, **split}, dumped=True)
    yield Found(each.where, COMBO, {"pk": f"{pk}:{ids[0]}:{ids[1]}", "env_id": pk, "agent_ids": ids}, dumped=True)


def _character(name: str, bio: str) -> Row:
    match = _BIO.fullmatch(bio)
    parts = {key: value for key, value in match.groupdict().items() if value} if match else {"public_info": bio}
    first, _, last = name.partition(" ")
    return {**parts, "first_name": first, "last_name": last} | {"name": name}


def _relationship(row: Row, names: list[str]) -> int:
    """Read off how much of the partner's biography either was told; strangers where the row has no messages."""
    told = STRANGER
    messages = row.get("raw_messages") or row.get("messages") or []
    for sender, receiver, text in (each for each in messages[:1] for each in each if len(each) == 3):
        if sender != "Environment" or receiver not in names:
            continue
        other = names[1 - names.index(receiver)]
        known = re.search(rf"^{re.escape(other)}'s background: (.*?)\n(?=.*'s (?:background|goal):)", text, re.M | re.S)
        if known is not None:
            told = max(told, _closeness(known[1], other))
    return told


def _closeness(known: str, name: str) -> int:
    if "Personality and values description:" in known:
        return FRIEND
    if known.strip() in ("Unknown", ""):
        return STRANGER
    return KNOW_BY_NAME if known.strip() == name else ACQUAINTANCE


def _object(value: Any) -> dict[str, str]:
    value = parsed(value) if isinstance(value, str) else value
    return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}


def scenario_id(scenario: str, goals: Sequence[str], codename: object) -> str:
    """An id for a scenario without one: its code name, and a hash of its texts."""
    return f"{slug(str(codename or 'scenario'))}-{stable_hash('scenario', scenario, list(goals))[:8]}"
