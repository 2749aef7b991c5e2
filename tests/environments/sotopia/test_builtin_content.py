"""The built-in SOTOPIA-style tasks: well formed, split cleanly, and written one by one.

Near-duplicates are measured in two ways on scenario plus goals, with numbers and characters' names masked:

- wording: word 3-grams, shared / those of the shorter text;
- frame: 5-grams after every run of words outside a list of function words has become one `_`, so that putting other
  nouns, verbs and adjectives into a template changes nothing; shared / those of the shorter text.

Among the scenarios as first written the largest values are 0.041 and 0.063; a planted copy of one of them with its
nouns and numbers swapped has 0.48 and 0.90 (the last tests). The limits lie between, near the first.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from tests.shared_data import shared_data

FOLDER = Path(__file__).resolve().parents[3] / "environments" / "sotopia" / "builtin"
WORDING_LIMIT = 0.10
FRAME_LIMIT = 0.12

Prose = Annotated[str, Field(min_length=40, max_length=700, pattern=r"^[^<>{}\[\]\\\n]*[.?!]$")]
"""Sentences without markup: these texts go into prompts and must not look like tags, fields or console markup."""


class Character(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z]+(-[a-z]+)+$")
    first_name: str = Field(min_length=2)
    last_name: str = Field(min_length=2)
    age: int = Field(ge=18, le=100, strict=True)
    occupation: str = Field(min_length=3)
    gender: Literal["Man", "Woman", "Nonbinary"]
    gender_pronoun: Literal["He/him", "She/her", "They/them"]
    public_info: Prose
    personality_and_values: Prose
    secret: Prose


class Scenario(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z]+(-[a-z]+)*$", max_length=40)
    split: Literal["train", "test"]
    kind: Literal["negotiation", "persuasion", "cooperation", "relationship", "secret", "conflict"]
    relationship: int = Field(ge=0, le=5, strict=True)
    scenario: Prose
    agent_goals: tuple[Prose, Prose]
    conflict: Literal["opposed", "mixed", "aligned"]
    pairs: tuple[tuple[str, str], tuple[str, str]]

    @property
    def text(self) -> str:
        return " ".join((self.scenario, *self.agent_goals))

    @property
    def cast(self) -> set[str]:
        return {who for pair in self.pairs for who in pair}


def rows(name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


CHARACTERS = [Character.model_validate(row) for row in rows("characters.jsonl")]
SCENARIOS = [Scenario.model_validate(row) for row in rows("scenarios.jsonl")]
BY_ID = {character.id: character for character in CHARACTERS}


def test_there_are_enough_of_both_in_both_splits() -> None:
    splits = Counter(scenario.split for scenario in SCENARIOS)
    assert len(CHARACTERS) >= 26
    assert len(SCENARIOS) >= 64
    assert splits["train"] >= 40 and splits["test"] >= 24


def test_ids_and_names_are_unique() -> None:
    assert len({character.id for character in CHARACTERS}) == len(CHARACTERS)
    assert len({(c.first_name, c.last_name) for c in CHARACTERS}) == len(CHARACTERS)
    assert len({scenario.id for scenario in SCENARIOS}) == len(SCENARIOS)


def test_pronouns_follow_the_stated_gender() -> None:
    expected = {"Man": "He/him", "Woman": "She/her", "Nonbinary": "They/them"}
    assert [c.id for c in CHARACTERS if c.gender_pronoun != expected[c.gender]] == []
    assert {c.gender for c in CHARACTERS} == set(expected)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.id)
def test_pairs_name_known_and_different_people(scenario: Scenario) -> None:
    assert scenario.cast <= BY_ID.keys()
    assert all(first != second for first, second in scenario.pairs)
    assert len(set(scenario.pairs)) == len(scenario.pairs)


def test_every_character_is_cast_and_in_one_split_only() -> None:
    cast: dict[str, set[str]] = {"train": set(), "test": set()}
    for scenario in SCENARIOS:
        cast[scenario.split] |= scenario.cast
    assert cast["train"] & cast["test"] == set()
    assert cast["train"] | cast["test"] == BY_ID.keys()


@pytest.mark.parametrize("field", ["kind", "relationship", "conflict"])
def test_both_splits_cover_every_value(field: str) -> None:
    values = {split: {getattr(s, field) for s in SCENARIOS if s.split == split} for split in ("train", "test")}
    assert values["train"] == values["test"]
    if field == "relationship":
        assert values["train"] == set(range(6))
    if field == "kind":
        assert len(values["train"]) == 6


def test_goals_that_conflict_and_goals_that_do_not() -> None:
    counts = Counter(scenario.conflict for scenario in SCENARIOS)
    assert {kind: counts[kind] >= 12 for kind in ("opposed", "mixed", "aligned")} == {
        "opposed": True,
        "mixed": True,
        "aligned": True,
    }, counts


def test_two_people_stand_in_one_relationship_everywhere() -> None:
    seen: dict[frozenset[str], set[int]] = {}
    for scenario in SCENARIOS:
        for pair in scenario.pairs:
            seen.setdefault(frozenset(pair), set()).add(scenario.relationship)
    assert {tuple(sorted(pair)): found for pair, found in seen.items() if len(found) > 1} == {}


def test_namesakes_meet_as_family_and_couples_are_of_similar_age() -> None:
    for scenario in SCENARIOS:
        for first, second in ((BY_ID[a], BY_ID[b]) for a, b in scenario.pairs):
            assert first.last_name != second.last_name or scenario.relationship == 5, scenario.id
            assert scenario.relationship != 4 or abs(first.age - second.age) <= 12, scenario.id


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.id)
def test_a_scenario_names_nobody_and_keeps_goals_apart(scenario: Scenario) -> None:
    """A name would tie the text to one pair; a shared sentence would show one seat a part of the other's goal."""
    assert set(words(scenario.text)) & {"<name>"} == set()
    parts = [set(sentences(part)) for part in (scenario.scenario, *scenario.agent_goals)]
    assert all(a.isdisjoint(b) for a, b in itertools.combinations(parts, 2))


def sentences(text: str) -> list[str]:
    return [sentence.strip().lower() for sentence in re.split(r"[.?!;:]", text) if sentence.strip()]


# Near-duplicates ----------------------------------------------------------------------------------------------------

NUMBERS = frozenset(
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand".split()
)
FUNCTION_WORDS = frozenset(
    "a an the and or but nor so yet if that this these those which who whom whose what when where while because since "
    "as than then for of in on at by to from with without into onto over under between behind after before until about "
    "against up down out off i you he she it we they me him her us them your yours my his its our their is are was "
    "were be been being am have has had having do does did will would can could should may might must shall not no "
    "never neither both all any each every either one some more most less least only just also very too there here "
    "other another own same such still already again once <n> <name>".split()
)
NAMES = frozenset(re.findall(r"[^\W\d_]+", " ".join(f"{c.first_name} {c.last_name}" for c in CHARACTERS).lower()))


def words(text: str) -> list[str]:
    """Lower-case words; figures and number words become `<n>`, names of characters `<name>`."""
    found = re.findall(r"\d[\d.,:]*\d|\d|[^\W\d_]+", text.lower())
    return ["<n>" if w[0].isdigit() or w in NUMBERS else "<name>" if w in NAMES else w for w in found]


def frame(text: str) -> list[str]:
    """The words with each run of anything but function words blanked to one `_`."""
    blanked = [w if w in FUNCTION_WORDS else "_" for w in words(text)]
    return [w for i, w in enumerate(blanked) if w != "_" or i == 0 or blanked[i - 1] != "_"]


def grams(tokens: list[str], n: int) -> set[tuple[str, ...]]:
    return set(zip(*(tokens[i:] for i in range(n)), strict=False))


def containment(a: set[tuple[str, ...]], b: set[tuple[str, ...]]) -> float:
    """Share of the shorter text's n-grams that the other has too, 0..1; 0 when either is empty."""
    return len(a & b) / min(len(a), len(b)) if a and b else 0.0


def wording_overlap(a: str, b: str) -> float:
    return containment(grams(words(a), 3), grams(words(b), 3))


def frame_overlap(a: str, b: str) -> float:
    return containment(grams(frame(a), 5), grams(frame(b), 5))


def near_duplicates(texts: dict[str, str]) -> list[tuple[str, str, float, float]]:
    """Every pair of texts over a limit, with both values."""
    prepared = {key: (grams(words(text), 3), grams(frame(text), 5)) for key, text in texts.items()}
    found = []
    for (one, (w1, f1)), (other, (w2, f2)) in itertools.combinations(prepared.items(), 2):
        wording, form = containment(w1, w2), containment(f1, f2)
        if wording > WORDING_LIMIT or form > FRAME_LIMIT:
            found.append((one, other, round(wording, 3), round(form, 3)))
    return found


TEXTS = {scenario.id: scenario.text for scenario in SCENARIOS}


def test_no_two_scenarios_are_near_duplicates() -> None:
    assert near_duplicates(TEXTS) == []


def test_no_two_characters_are_near_duplicates() -> None:
    texts = {c.id: " ".join((c.public_info, c.personality_and_values, c.secret)) for c in CHARACTERS}
    worst = max(wording_overlap(a, b) for a, b in itertools.combinations(texts.values(), 2))
    assert worst <= WORDING_LIMIT


def test_nothing_repeats_a_published_scenario() -> None:
    """Ours may share a theme with SOTOPIA's 90 scenarios, never the wording."""
    path = shared_data("sotopia", "environments.jsonl")
    published = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    theirs = [re.sub(r"<[^>]*>", " ", " ".join((row["scenario"], *row["agent_goals"]))) for row in published]
    assert len(theirs) >= 90
    close = [(key, text[:60]) for key, ours in TEXTS.items() for text in theirs if wording_overlap(ours, text) > 0.12]
    assert close == []


SEWING_MACHINE = (
    "A barely used sewing machine stands in a draughty upstairs hallway with a price tag of 640 dollars. Its owner put "
    "a printed notice online last week, and the first person to answer has come to try it. The casing is sound, the "
    "needles are new, and the motor holds about two thirds of its original power. You own the machine. Sell it today "
    "for at least 520 dollars; every five dollars above that is a small triumph. You have a second visitor at four "
    "o'clock, but that person sounded half-hearted in the mail. Buy the sewing machine for no more than 560 dollars, "
    "and try hard to get below 480. A replacement motor costs 190 dollars, which you looked up on the tram. Leave "
    "without it if the seller will not come down to your limit."
)
"""What a template would produce: the cargo bike with its nouns and numbers swapped."""


def test_a_planted_copy_with_swapped_nouns_is_caught() -> None:
    found = near_duplicates({**TEXTS, "sewing-machine": SEWING_MACHINE})
    assert [pair[:2] for pair in found] == [("cargo-bike-sale", "sewing-machine")]


def reworded(text: str) -> str:
    """Every content word replaced by an invented one, every figure by another; function words stay."""
    out = []
    for index, word in enumerate(re.findall(r"\d[\d.,:]*\d|\d|[^\W\d_]+", text)):
        token = words(word)[0]
        kept = word if token in FUNCTION_WORDS else f"zorb{'ab'[index % 2]}"
        out.append(str(1000 + index) if token == "<n>" else kept)
    return " ".join(out)


@pytest.mark.parametrize("scenario", SCENARIOS[::7], ids=lambda s: s.id)
def test_the_frame_catches_what_the_wording_misses(scenario: Scenario) -> None:
    """With not one content word left, little of the wording is shared; the sentence frame still gives it away."""
    copy = reworded(scenario.text)
    assert wording_overlap(scenario.text, copy) < 0.25
    assert frame_overlap(scenario.text, copy) > 0.9
    assert (scenario.id, "planted") in [pair[:2] for pair in near_duplicates({**TEXTS, "planted": copy})]


@pytest.mark.parametrize("change", ["names", "numbers"])
def test_other_names_or_numbers_do_not_hide_a_copy(change: str) -> None:
    template = "{} wants {} for the lamp that hangs over the table and will not go below {} whatever {} may say."
    fill = [("Tunde", 40, 30, "Folake"), ("Viktor", 40, 30, "Luz")]
    if change == "numbers":
        fill = [("Tunde", 40, 30, "Folake"), ("Tunde", 95, 1_250, "Folake")]
    first, second = (template.format(*values) for values in fill)
    assert wording_overlap(first, second) == 1.0
