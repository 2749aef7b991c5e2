"""The forms in which dialogues of SOTOPIA are published, each brought into sotopia's EpisodeLog.

- EpisodeLog JSON, as every version of sotopia writes it: files, lists, lines, its local store, the JSON of a Redis dump;
- the row form of the SOTOPIA and SOTOPIA-π data sets (`raw_messages`, `social_goals`, …; JSON Lines or CSV), also without
  messages, where the dialogue is text (`social_interactions`);
- sotopia-rl's annotations, a row per episode and agent, whose utterances carry what each was worth.

What a row does not say is not made up: a start is put together from the scenario and the goals it names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from environments.sotopia.own.dialogues import scenario_id
from environments.sotopia.own.rows import parsed
from harness.base.patterns import pattern

ENVIRONMENT = "Environment"
Reward = float | tuple[float, dict[str, float]]
Row = dict[str, Any]
ANNOTATED = ("attributed_utterances", "rewarded_utterances", "key_utterance_judgement")
_ROW_FORM = {
    "episode_id": "pk",
    "environment_id": "environment",
    "agent_ids": "agents",
    "experiment_tag": "tag",
    "experiment_model_name_pairs": "models",
    "raw_messages": "messages",
}
_STRUCTURED = (
    *("messages", "raw_messages", "agents", "agent_ids", "models", "experiment_model_name_pairs", "rewards"),
    *("raw_rewards", "agents_background", "social_goals", "scores"),
)
"""Fields that hold a list or an object."""
_UTTERANCE = pattern(r"Utterance (\d+) by (.+)")
_TURN = pattern(r"\s*Turn #?\d+:?\s*")
_SAID = pattern(r'(?:\[speak\]\s*)?said:\s*"(.*)"\s*', re.DOTALL)
_SAID_PLAIN = pattern(r"(?:\[speak\]\s*said:|\[speak\]|said:)\s*(.*)", re.DOTALL)
_TYPED = pattern(r"\[(non-verbal communication|action)\] ?(.*)", re.DOTALL)
_SILENT = pattern(r"(?:\[none\]\s*)?did nothing\.?", re.IGNORECASE)
_LEFT = pattern(r"(?:\[leave\]\s*)?(?:has )?left the conversation\s*[.!]?", re.IGNORECASE)


class EpisodeLog(BaseModel):
    """The keys of an EpisodeLog that are read; others are passed over, as sotopia's versions differ in them."""

    model_config = ConfigDict(extra="ignore")

    pk: str | None = None
    environment: str
    agents: list[str]
    tag: str | None = None
    models: list[str] | None = None
    messages: list[list[tuple[str, str, str]]]
    reasoning: str = ""
    rewards: list[Reward] = []
    goals: dict[str, float] = {}
    """Name -> goal score, where that is the only score a row has."""
    worth: dict[str, list[tuple[int, float]]] = {}
    """Name -> (which of the dialogue's acts, from 0; what it was worth), where somebody annotated that."""


@dataclass
class Annotations:
    """Rows of annotations, gathered until all of an episode are there."""

    by_episode: dict[str, list[tuple[str, Row]]] = field(default_factory=dict)

    def add(self, where: str, row: Row) -> None:
        self.by_episode.setdefault(str(row["episode_id"]), []).append((where, row))

    def logs(self) -> Iterator[tuple[str, EpisodeLog | ValueError]]:
        for rows in self.by_episode.values():
            where = rows[0][0]
            try:
                yield where, _annotated_log([row for _, row in rows])
            except (ValueError, TypeError, KeyError, IndexError) as error:
                yield where, ValueError(f"an annotation that cannot be read: {error}")


def is_annotation(value: Any) -> bool:
    """True for a row of sotopia-rl's annotations."""
    return isinstance(value, dict) and "episode_id" in value and any(key in value for key in ANNOTATED)


def log_of(value: Any) -> EpisodeLog:
    """The log that a value of any form but the annotations is. Raises `ValueError` saying what does not fit."""
    if not isinstance(value, dict):
        raise ValueError(
            f"expected a dialogue (sotopia's EpisodeLog, or a row of its data sets), got {type(value).__name__}"
        )
    value = {key: parsed(part) if _holds_more(key, part) else part for key, part in value.items()}
    row: Row = {_ROW_FORM.get(str(key), str(key)): part for key, part in value.items()}
    if "raw_messages" in value or "social_interactions" in value:
        row = _from_row(row, value)
    if isinstance(row.get("messages"), list):
        row["messages"] = [[tuple(each)[:3] for each in turn] for turn in row["messages"] if isinstance(turn, list)]
    row["rewards"] = _rewards(row.get("rewards"))
    row["reasoning"] = row.get("reasoning") or ""
    row.pop("worth", None)
    try:
        return EpisodeLog.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the dialogue"
        raise ValueError(f"{place}: {first['msg']}; expected sotopia's EpisodeLog, or a row of its data sets") from None


def _holds_more(key: str, part: Any) -> bool:
    """True for a field whose list or object was written as a text, as tables and some exports do."""
    return key in _STRUCTURED and isinstance(part, str) and part.lstrip()[:1] in ("[", "{")


def _from_row(row: Row, value: Row) -> Row:
    """A row of the data sets: scores under `raw_rewards`, the dialogue as messages, or else as text."""
    goals, bios = _texts(value.get("social_goals")), _texts(value.get("agents_background"))
    names = list(goals) or list(bios)
    row["rewards"] = value.get("raw_rewards") or value.get("rewards")
    row["goals"] = {name: score for name, score in _numbers(value.get("scores")).items() if name in names}
    if not row.get("environment"):
        row["environment"] = scenario_id(str(value.get("scenario") or ""), list(goals.values()), value.get("codename"))
    row["agents"] = row.get("agents") or names
    if not row.get("messages"):
        text = value.get("social_interactions") or ""
        text = "\n\n".join(map(str, text)) if isinstance(text, list) else str(text)
        row["messages"] = _messages(names, str(value.get("scenario") or ""), goals, bios, _acts(text, names))
    return row


def _annotated_log(rows: Sequence[Row]) -> EpisodeLog:
    """The dialogue of an episode's annotations, which name the same utterances, and what each agent's were worth."""
    ordered = sorted(rows, key=lambda row: not row.get("is_first_speaker", True))
    utterances = _utterances(ordered[0])
    names = list(dict.fromkeys([*(str(row["agent"]) for row in ordered), *(name for name, _, _ in utterances)]))
    if len(names) != 2:
        raise ValueError(f"expected two agents, got {', '.join(names)}")
    if not ordered[0].get("is_first_speaker", True):
        names.reverse()
    goals = {str(row["agent"]): str(row.get("goal") or "") for row in ordered}
    scores = {str(row["agent"]): row.get("goal_score", row.get("score")) for row in ordered}
    worth = {
        str(row["agent"]): [
            (number, _number(value))
            for number, (name, _, value) in enumerate(_utterances(row))
            if name == row["agent"] and isinstance(value, int | float) and 0 <= value < math.inf
        ]
        for row in ordered
    }
    acts = [(name, _without_name(text, name)) for name, text, _ in utterances]
    scenario = str(ordered[0].get("scenario") or "")
    return EpisodeLog(
        pk=str(ordered[0]["episode_id"]),
        environment=scenario_id(scenario, [goals.get(name, "") for name in names], None),
        agents=names,
        messages=_messages(names, scenario, goals, {}, acts),
        goals=_numbers(scores),
        worth=worth,
    )


def _utterances(row: Row) -> list[tuple[str, str, Any]]:
    """(name, text, what it was worth) of the utterances that an annotation lists, in their order."""
    found = next(row[key] for key in ANNOTATED if key in row)
    if not isinstance(found, Mapping):
        raise ValueError(f"expected utterances by name, got {type(found).__name__}")
    listed = []
    for key, value in found.items():
        match = _UTTERANCE.fullmatch(key)
        if match is None or not isinstance(value, list) or not value or not isinstance(value[0], str):
            raise ValueError(f"{key!r}: expected 'Utterance N by NAME' with a text and a number")
        given = value[1] if len(value) > 1 else None
        listed.append((match[2], value[0], given.get("reward") if isinstance(given, dict) else given))
    return listed


def _messages(
    names: Sequence[str],
    scenario: str,
    goals: Mapping[str, str],
    bios: Mapping[str, str],
    acts: Iterable[tuple[str, str]],
) -> list[list[tuple[str, str, str]]]:
    """Messages by turn as sotopia logs them: the start that each is told, then an act a turn, which both see."""
    if len(names) != 2:
        return []
    turns = [[(ENVIRONMENT, name, _start(names, name, scenario, goals, bios)) for name in names]]
    seen = ""
    for number, (name, text) in enumerate(acts):
        if number:
            turns.append([(ENVIRONMENT, each, seen) for each in names])
        turns[-1].append((name, ENVIRONMENT, text))
        seen = f"Turn #{number}: {name} {text}\n"
    return turns


def _start(names: Sequence[str], own: str, scenario: str, goals: Mapping[str, str], bios: Mapping[str, str]) -> str:
    lines = [
        "Here is the context of this interaction:",
        f"Scenario: {scenario}",
        f"Participants: {names[0]} and {names[1]}",
    ]
    lines += [f"{name}'s background: {bios.get(name, 'Unknown') if name == own else 'Unknown'}" for name in names]
    lines += [f"{name}'s goal: {goals.get(name) or 'Unknown' if name == own else 'Unknown'}" for name in names]
    return "\n" + "\n".join(lines) + "\nConversation Starts:\n"


def _acts(text: str, names: Sequence[str]) -> list[tuple[str, str]]:
    """(name, act) of a dialogue written as text: paragraphs that begin with a name; one that does not goes on with the last."""
    found: list[tuple[str, str]] = []
    for part in text.split("\n\n"):
        plain = _TURN.sub("", part, count=1) if _TURN.match(part) else part
        name = next((name for name in names if plain.lstrip().startswith(name)), None)
        if name is not None:
            found.append((name, _without_name(plain, name)))
        elif found and part.strip():
            found[-1] = (found[-1][0], f"{found[-1][1]}\n\n{part}")
    return found


def _without_name(text: str, name: str) -> str:
    return text.strip().removeprefix(name).lstrip(":").strip()


def read_action(text: str) -> tuple[str, str]:
    """Kind and argument of an action as sotopia renders it, in any of the ways its versions and models do; anything else is
    taken as speech."""
    plain = text.strip()
    if _SILENT.fullmatch(plain):
        return "none", ""
    if _LEFT.fullmatch(plain):
        return "leave", ""
    if match := _TYPED.fullmatch(text.lstrip()):
        return match[1], match[2]
    if match := _SAID.fullmatch(plain) or _SAID_PLAIN.fullmatch(plain):
        return "speak", match[1]
    return "speak", plain


def _rewards(value: Any) -> list[Any]:
    """Scores by agent: (overall, dimensions) each; a bare number where a judge failed. Anything else counts as none."""
    if not isinstance(value, list) or len(value) != 2:
        return []
    found: list[Any] = []
    for each in value:
        if isinstance(each, list | tuple) and len(each) == 2 and isinstance(each[1], dict):
            found.append((_number(each[0] or 0), _numbers(each[1])))
        elif isinstance(each, dict):
            found.append((0.0, _numbers(each)))
        else:
            found.append(_number(each) if isinstance(each, int | float) else 0.0)
    return found


def _number(value: Any) -> float:
    """A number; NaN for one that is larger than numbers here are. Raises `ValueError` for a text that is none."""
    try:
        return float(value)
    except OverflowError:
        return float("nan")


def _numbers(value: Any) -> dict[str, float]:
    """The entries of an object that are numbers (a `[reason, number]` pair counts as its number)."""
    if not isinstance(value, Mapping):
        return {}
    pairs = {key: each[-1] if isinstance(each, list | tuple) and each else each for key, each in value.items()}
    return {str(key): _number(each) for key, each in pairs.items() if isinstance(each, int | float)}


def _texts(value: Any) -> dict[str, str]:
    return {str(key): str(text) for key, text in value.items()} if isinstance(value, Mapping) else {}
