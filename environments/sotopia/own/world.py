"""From a user's records to a world that is played: characters, scenarios, who meets whom, and which scenarios are for training.

Pairings that the data name are kept. A scenario without any is played by up to `PAIRS` pairs: those whose relationship is the
scenario's where relationships are given, else any. Which ones does not depend on the order of the records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from environments.sotopia.own import forms
from environments.sotopia.own.rows import AGENT, COMBO, RELATIONSHIP, SCENARIO, Found, Row
from environments.sotopia.profiles import CharacterRow, ScenarioRow
from harness.base.errors import BadInput
from harness.base.seeds import stable_hash

PAIRS = 5
"""Pairs that play a scenario for which the data name none; the published scenarios have as many."""
TEST_SHARE = 0.25
"""Share of the scenarios that are for testing, where the data do not say which are."""
TRAIN, TEST = "train", "test"
SHOWN = 5


@dataclass
class OwnWorld:
    """Records of one data set, read and joined; `left_out` says what was not taken and why."""

    characters: dict[str, CharacterRow] = field(default_factory=dict)
    scenarios: dict[str, ScenarioRow] = field(default_factory=dict)
    split: dict[str, str] = field(default_factory=dict)
    """Scenario id -> "train" or "test"."""
    combos: list[Row] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def build(found: Iterable[Found]) -> OwnWorld:
    """Join the records. Raises `BadInput` naming every record (up to five) that does not fit, or what is missing."""
    rows: dict[str, list[Found]] = {AGENT: [], SCENARIO: [], RELATIONSHIP: [], COMBO: []}
    for each in found:
        rows.setdefault(each.kind, []).append(each)
    world, problems = OwnWorld(), _Problems()
    for each in rows[AGENT]:
        with problems.of(each, world):
            _add(world.characters, forms.character(each), each)
    scenarios: list[Found] = []
    for each in rows[SCENARIO]:
        with problems.of(each, world):
            made = forms.scenario(each)
            _split_word(each)
            _add(world.scenarios, made, each)
            scenarios.append(each)
    rows[SCENARIO] = scenarios
    problems.check()
    _check_parts(world)
    names = _names(world.characters)
    relations: dict[frozenset[str], set[int]] = {}
    for each in rows[RELATIONSHIP]:
        with problems.of(each, world):
            pair = forms.pair_of(each.row, each.where, names)
            known = forms.relationship(each.row.get("relationship"), each.where)
            relations.setdefault(frozenset(pair), set()).add(known)
    named = _named_pairings(rows, world, names, problems)
    problems.check()
    world.combos = _combos(world, named, relations if rows[RELATIONSHIP] else None)
    world.split = _split(world, rows[SCENARIO])
    if not world.combos and not rows[RELATIONSHIP]:
        raise BadInput("no two characters have different names, so that nobody can meet; give each a name of its own")
    if not world.combos:
        raise BadInput(
            "no two characters fit any scenario: the relationships between the characters are others than those of the "
            "scenarios; name the pairings (env_id, agent_ids), or leave the relationships out"
        )
    return world


class _Problems:
    """Collects what does not fit: a record written by hand stops the import, one of a database is left out."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def of(self, each: Found, world: OwnWorld) -> _Problems:
        self._dumped, self._world = each.dumped, world
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, BadInput):
            return False
        (self._world.left_out if self._dumped else self.found).append(str(error))
        return True

    def check(self) -> None:
        if self.found:
            more = f"\n… and {len(self.found) - SHOWN} more" if len(self.found) > SHOWN else ""
            raise BadInput("\n".join(self.found[:SHOWN]) + more)


def _add(
    known: dict[str, CharacterRow] | dict[str, ScenarioRow], made: CharacterRow | ScenarioRow, each: Found
) -> None:
    """Take a record; the same one again is passed over."""
    if known.get(made.pk, made) != made:
        raise BadInput(
            f"{each.where}: a second {each.kind} with the id {made.pk!r}, which differs; give it an id of its own"
        )
    known[made.pk] = made  # type: ignore[assignment]


def _check_parts(world: OwnWorld) -> None:
    if len(world.characters) < 2:
        raise BadInput(
            f"{len(world.characters)} characters found; expected at least two, each a record with first_name and last_name "
            "(or name), and any of age, occupation, gender, public_info, personality_and_values, secret"
        )
    if not world.scenarios:
        raise BadInput(
            "no scenario found; expected at least one record with scenario and agent_goals (two texts; or goal_1 and goal_2)"
        )


def _names(characters: Mapping[str, CharacterRow]) -> dict[str, str]:
    """Id or name of a character -> its id; a name that two have stands for neither."""
    whole = {pk: row.character().name for pk, row in characters.items()}
    counts = Counter(whole.values())
    return {**{name: pk for pk, name in whole.items() if counts[name] == 1}, **{pk: pk for pk in whole}}


def _named_pairings(
    rows: Mapping[str, Sequence[Found]], world: OwnWorld, names: Mapping[str, str], problems: _Problems
) -> list[tuple[str, str, tuple[str, str]]]:
    """(id, scenario, pair) of each pairing that the data name, under scenarios or as records of their own."""
    named: dict[str, tuple[str, tuple[str, str]]] = {}
    for each in rows[SCENARIO]:
        with problems.of(each, world):
            pk = forms.scenario(each).pk
            for given in _pairs_under(each):
                pair = forms.pair_of({"agent_ids": given}, each.where, names)
                named[f"{pk}:{pair[0]}:{pair[1]}"] = pk, pair
    for each in rows[COMBO]:
        with problems.of(each, world):
            pk = next(str(each.row[key]) for key in ("env_id", "scenario_id", "environment_id") if key in each.row)
            if pk not in world.scenarios:
                raise BadInput(f"{each.where}: no scenario {pk!r} among those of this data")
            pair = forms.pair_of(each.row, each.where, names)
            combo = _own_id(each.row) or f"{pk}:{pair[0]}:{pair[1]}"
            if named.setdefault(combo, (pk, pair)) != (pk, pair):
                raise BadInput(
                    f"{each.where}: a second pairing with the id {combo!r}, which differs; give it an id of its own"
                )
    return [(combo, pk, pair) for combo, (pk, pair) in named.items()]


def _pairs_under(each: Found) -> Sequence[Any]:
    """The pairs that stand under a scenario: a list of them, or a single one. Raises `BadInput`."""
    pairs = each.row.get("pairs") or ()
    if isinstance(pairs, str):
        return [pairs]
    if not isinstance(pairs, list | tuple):
        raise BadInput(f"{each.where}: pairs: expected a list of pairs of characters, got {str(pairs)[:80]}")
    single = len(pairs) == 2 and all(isinstance(name, str) and not set(name) & set(",;|") for name in pairs)
    return [pairs] if single else pairs


def _own_id(row: Row) -> str:
    """The id that a pairing has, or an empty text."""
    return next((str(row[key]) for key in ("pk", "combo_id", "id") if row.get(key)), "")


def _combos(
    world: OwnWorld,
    named: Sequence[tuple[str, str, tuple[str, str]]],
    relations: Mapping[frozenset[str], set[int]] | None,
) -> list[Row]:
    """The pairings in a stable order: those named first in their own order, then those made for scenarios without any."""
    given = {scenario for _, scenario, _ in named}
    made = [
        (f"{pk}:{pair[0]}:{pair[1]}", pk, pair)
        for pk in sorted(world.scenarios)
        if pk not in given
        for pair in _pairs(world, pk, relations)
    ]
    return [
        {"index": index, "pk": combo, "env_id": scenario, "agent_ids": list(pair)}
        for index, (combo, scenario, pair) in enumerate([*named, *made])
    ]


def _pairs(
    world: OwnWorld, scenario: str, relations: Mapping[frozenset[str], set[int]] | None
) -> list[tuple[str, str]]:
    """Up to `PAIRS` pairs for a scenario; a pair without a relationship of its own are strangers, one with several fits each."""
    fitting = [
        pair
        for pair in combinations(sorted(world.characters), 2)
        if relations is None or world.scenarios[scenario].relationship in relations.get(frozenset(pair), {0})
    ]
    names = {pk: row.character().name for pk, row in world.characters.items()}
    fitting = [pair for pair in fitting if names[pair[0]] != names[pair[1]]]
    if len(fitting) > PAIRS:
        fitting = sorted(fitting, key=lambda pair: stable_hash("pair", scenario, *pair))[:PAIRS]
    return sorted(fitting)


def _split(world: OwnWorld, rows: Sequence[Found]) -> dict[str, str]:
    """Scenario id -> its split: as the records say, else by a hash of the id, so that adding scenarios moves none. Two or more
    scenarios without a word of it leave at least one on either side."""
    said: dict[str, str] = {}
    for each in rows:
        if word := _split_word(each):
            said[forms.scenario(each).pk] = word
    played = sorted({str(row["env_id"]) for row in world.combos})
    ranks = {pk: int(stable_hash("own scenario", pk)[:8], 16) / 16**8 for pk in played if pk not in said}
    split = said | {pk: TEST if rank < TEST_SHARE else TRAIN for pk, rank in ranks.items()}
    if len(ranks) > 1 and not said:
        lowest, highest = min(ranks, key=ranks.__getitem__), max(ranks, key=ranks.__getitem__)
        split |= {lowest: TEST, highest: TRAIN}
    return {pk: split[pk] for pk in played}


def _split_word(each: Found) -> str | None:
    """The split that a scenario says it belongs to. Raises `BadInput` for another word."""
    said = each.row.get("split")
    if said in (None, ""):
        return None
    word = str(said).strip().lower()
    if word not in (TRAIN, TEST):
        raise BadInput(f"{each.where}: split {said!r}; expected 'train' or 'test', or none")
    return word
