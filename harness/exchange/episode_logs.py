"""sotopia's EpisodeLog JSON as a run: existing dialogues, to be judged and shown like any other.

The format is sotopia's `database/logs.py`: `environment` and `agents` (ids), `models` (judge, first and second agent), `messages`
by turn as (sender, receiver, text), `rewards` per agent (overall and dimensions; a bare number where its judge failed),
`reasoning`. Actions are read back from the texts ("said: …", "did nothing", "left the conversation", "[type] …"); the
silence of the one that was not asked is left out.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from agents.strategists import REFERENCE
from environments.sotopia import splits, texts
from harness.base.errors import BadInput
from harness.base.seeds import stable_hash
from harness.exchange.imported_manifest import PROTOCOL, SPLIT, imported_manifest
from harness.experiment.manifest_form import SEPARATOR
from harness.judging import judgement_id
from harness.results.appender import Appender
from harness.results.holding import RunLock
from harness.results.index import latest_episodes, latest_judgements
from harness.results.records import EpisodeRecord, ErrorInfo, JudgementRecord, SeatRecord, TurnRecord
from harness.results.scales import SOTOPIA as DIMENSIONS
from harness.results.store import EPISODES, JUDGEMENTS, MANIFEST, read_manifest, write_manifest

ENVIRONMENT = "Environment"
UNKNOWN_MODEL = "unknown"
Reward = float | tuple[float, dict[str, float]]


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


@dataclass(slots=True)
class Imported:
    """Counts of an import."""

    folder: Path
    episodes: int = 0
    judged: int = 0
    """Episodes with scores of their own."""
    skipped: int = 0
    """Dialogues that were there already."""
    notes: list[str] = field(default_factory=list)


def import_episodes(paths: Sequence[Path], folder: Path) -> Imported:
    """Read the logs at `paths` into the run `folder`, made if need be; what is there already is kept and not read twice.
    Raises `BadInput` naming file and dialogue for a log that cannot be used, before anything is written."""
    if folder.exists() and (folder / MANIFEST).exists() and not read_manifest(folder).get("imported"):
        raise BadInput(f"{folder} is a run that was played here; give the imported dialogues another --name")
    done = Imported(folder)
    cells: Counter[str] = Counter()
    judges: Counter[str] = Counter()
    tasks: dict[str, None] = {}
    seen: set[str] = set()
    for where, log in read_logs(paths):
        reading = Reading(where, log)
        if reading.episode_id not in seen:
            seen.add(reading.episode_id)
            cells[reading.cell] += 1
            tasks[reading.task_id] = None
            judges.update([reading.judge])
    folder.mkdir(parents=True, exist_ok=True)
    lock = RunLock(folder)
    lock.acquire()
    try:
        there = latest_episodes(folder)
        for row in there.values():
            if row["episode_id"] not in seen:
                cells[row["cell"]] += 1
                tasks[row["task_id"]] = None
        before = read_manifest(folder)["judge"] if (folder / MANIFEST).exists() else None
        write_manifest(
            folder, imported_manifest(folder.name, cells, before or judges.most_common(1)[0][0], list(tasks))
        )
        asyncio.run(_write(paths, folder, done))
    finally:
        lock.release()
    return done


def read_logs(paths: Iterable[Path]) -> Iterator[tuple[str, EpisodeLog]]:
    """Yield (place, log) for every log. Raises `BadInput`."""
    for path in paths:
        files = (
            sorted(each for each in path.rglob("*") if each.suffix in (".json", ".jsonl")) if path.is_dir() else [path]
        )
        if not files:
            raise BadInput(f"{path} holds no .json or .jsonl file")
        for file in files:
            for number, raw in enumerate(_raw(file)):
                where = f"{file}, dialogue {number}"
                try:
                    yield where, EpisodeLog.model_validate(raw)
                except ValidationError as error:
                    first = error.errors()[0]
                    place = ".".join(map(str, first["loc"])) or "the dialogue"
                    raise BadInput(f"{where}: {place}: {first['msg']}; expected sotopia's EpisodeLog") from None


def _raw(path: Path) -> Iterator[Any]:
    try:
        with open(path, encoding="utf-8") as file:
            if path.suffix == ".jsonl":
                yield from (json.loads(line) for line in file if line.strip())
                return
            value = json.load(file)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from None
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is not JSON: {error}") from None
    yield from value if isinstance(value, list) else [value]


class Reading:
    """One log, understood."""

    def __init__(self, where: str, log: EpisodeLog) -> None:
        """Read the log's names and opening. Raises `BadInput` for a log without two agents or without their first
        observations."""
        self.where, self.log = where, log
        opening = log.messages[0] if log.messages else []
        told = {
            receiver: text for sender, receiver, text in opening if sender == ENVIRONMENT and receiver != ENVIRONMENT
        }
        if len(told) != 2 or len(log.agents) != 2:
            raise BadInput(
                f"{where}: expected two agents, each told the start in the first turn; got {', '.join(told) or 'none'}"
            )
        self.names = tuple(told)
        self.openings = tuple(told.values())
        models = [_plain(model) for model in log.models or []]
        self.judge_model, *self.players = models if len(models) == 3 else [UNKNOWN_MODEL] * 3
        self.judge = f"sotopia/{self.judge_model}/episode-log"
        self.episode_id = stable_hash("episode-log", log.pk or log.model_dump(mode="json"))[:16]
        self.task_id = _task_id(log)

    @property
    def same(self) -> bool:
        return self.players[0] == self.players[1]

    @property
    def pairing(self) -> str:
        """Which of two different models was tested, the log does not say: the first agent's is shown."""
        return "self-play" if self.same else f"vs {self.players[1]}, in seat 1"

    @property
    def cell(self) -> str:
        return SEPARATOR.join(("sotopia", SPLIT, self.pairing, self.players[0], REFERENCE))

    def turns(self) -> list[TurnRecord]:
        seen: dict[int, list[str]] = {0: [], 1: []}
        found: list[TurnRecord] = []
        for number, messages in enumerate(self.log.messages):
            if number:
                for sender, receiver, text in messages:
                    if sender == ENVIRONMENT and receiver in self.names:
                        seen[self.names.index(receiver)].append(text)
            for seat, text in self._acts(messages, len(found)):
                kind, argument = read_action(text)
                found.append(
                    TurnRecord(
                        index=len(found),
                        seat=seat,
                        observation=seen[seat],
                        strategy=None,
                        strategy_source="none",
                        action_kind=kind,
                        action=argument,
                        parse="ok",
                        rendered=text,
                    )
                )
                seen[seat] = []
        self.unseen = seen
        return found

    def _acts(self, messages: Sequence[tuple[str, str, str]], turn: int) -> list[tuple[int, str]]:
        """Acts of a turn: without the silence of the one that was not asked."""
        acts = [
            (self.names.index(sender), text)
            for sender, receiver, text in messages
            if sender in self.names and receiver == ENVIRONMENT
        ]
        loud = [each for each in acts if read_action(each[1])[0] != "none"]
        return loud or [each for each in acts if each[0] == turn % 2][:1] or acts[:1]

    def episode(self, repeat: int) -> EpisodeRecord:
        turns = self.turns()
        seats = [
            SeatRecord(
                name=name,
                strategist=REFERENCE,
                strategist_model=None,
                actor=model,
                actor_model=model,
                tested=self.same or seat == 0,
                background=background,
                closing=self.unseen[seat],
            )
            for seat, (name, model, background) in enumerate(zip(self.names, self.players, self.openings, strict=True))
        ]
        left = next((turn for turn in turns if turn.action_kind == "leave"), None)
        return EpisodeRecord(
            episode_id=self.episode_id,
            cell=self.cell,
            environment="sotopia",
            split=SPLIT,
            protocol=PROTOCOL,
            pairing=self.pairing,
            actor=self.players[0],
            strategist=REFERENCE,
            task_id=self.task_id,
            task_label=self.log.tag or None,
            group=self.log.environment,
            order=0,
            repeat=repeat,
            seed=0,
            status="finished" if turns else "failed",
            error=None if turns else ErrorInfo(kind="environment", message="the log holds no action"),
            end_reason=f"{self.names[left.seat]} left" if left else "not told by the log",
            seats=seats,
            judge_background=_judge_background(self.log, self.names, self.openings),
            turns=turns,
            calls=[],
            outcome=None,
            started_at=_now(),
            duration_s=0.0,
        )

    def judgement(self) -> JudgementRecord | None:
        """The log's own scores; unscored where its judge failed, None where it has none at all."""
        if not self.log.rewards:
            return None
        scores = [_scores(reward) for reward in self.log.rewards]
        known = [each for each in scores if each is not None]
        whole = len(known) == 2
        return JudgementRecord(
            judgement_id=judgement_id(self.episode_id, self.judge),
            episode_id=self.episode_id,
            episode_attempt=1,
            judge=self.judge,
            status="scored" if whole else "unscored",
            error=None if whole else ErrorInfo(kind="judge", message="the log holds no whole set of scores"),
            scores=known if whole else None,
            reasons=[{"overall": text} if text else {} for text in _reasons(self.log.reasoning)] if whole else None,
            calls=[],
            judged_at=_now(),
            duration_s=0.0,
        )


def read_action(text: str) -> tuple[str, str]:
    """Kind and argument of an action as sotopia renders it; anything else is taken as speech."""
    plain = text.strip()
    if plain == "did nothing":
        return "none", ""
    if plain == "left the conversation":
        return "leave", ""
    if match := re.fullmatch(r'\s*said: "(.*)"\s*', text, re.DOTALL):
        return "speak", match[1]
    if match := re.fullmatch(r"\s*\[(non-verbal communication|action)\] ?(.*)", text, re.DOTALL):
        return match[1], match[2]
    return "speak", plain


def _scores(reward: Reward) -> dict[str, float] | None:
    """The seven dimensions in their ranges and their plain mean; None where one is missing or out of range."""
    if not isinstance(reward, tuple):
        return None
    given = reward[1]
    if any(not low <= given.get(name, float("nan")) <= high for name, low, high in DIMENSIONS):
        return None
    scores = {name: float(given[name]) for name, _, _ in DIMENSIONS}
    return {**scores, "overall": sum(scores.values()) / len(DIMENSIONS)}


def _reasons(text: str) -> list[str]:
    """The comments on each agent, where the text keeps them apart."""
    first, mark, second = text.partition("Agent 2 comments:")
    return [first.strip(), f"{mark}{second}".strip()] if mark else [text.strip(), ""]


def _judge_background(log: EpisodeLog, names: Sequence[str], openings: Sequence[str]) -> str:
    """The start as a judge reads it: from the profiles where they are imported, else put together from what each of the
    two was told (text for the environment alone is then missing)."""
    with suppress(BadInput, KeyError, IndexError):
        world = splits.published_world()
        scenario = world.scenarios[log.environment]
        return texts.judge_context(scenario, world.cast((log.agents[0], log.agents[1])))
    sections = [_sections(text, names) for text in openings]
    if not all(sections):
        return "\n\n".join(f"What {name} was told:\n{text.strip()}" for name, text in zip(names, openings, strict=True))
    own = {
        f"{name}'s {part}:": sections[seat].get(f"{name}'s {part}:", "")
        for seat, name in enumerate(names)
        for part in ("background", "goal")
    }
    return "\n".join(head + own.get(head, body) for head, body in sections[0].items()).strip()


def _sections(text: str, names: Sequence[str]) -> dict[str, str]:
    """Heading -> what follows it, in order; empty where the text is not in sotopia's form."""
    heads = ["Scenario:", "Participants:", *(f"{name}'s {part}:" for part in ("background", "goal") for name in names)]
    found = re.split("(" + "|".join(rf"^{re.escape(head)}" for head in heads) + ")", text.strip(), flags=re.MULTILINE)
    parts = dict(zip(found[1::2], (body.removesuffix("\n") for body in found[2::2]), strict=True))
    for head in parts:
        parts[head] = parts[head].replace("\nConversation Starts:", "")
    return {found[0].strip(): "", **parts} if len(parts) == len(heads) else {}


def _task_id(log: EpisodeLog) -> str:
    """The published task's id where the profiles are imported, so that it pairs with what was played here."""
    with suppress(BadInput):
        for combo in splits.published_world().combos:
            if combo.scenario_id == log.environment and list(combo.character_ids) == log.agents:
                return f"sotopia:{combo.id}"
    return f"sotopia:{log.environment}:{':'.join(log.agents)}"


def _plain(name: str) -> str:
    return name.replace("|", "/").strip() or UNKNOWN_MODEL


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


async def _write(paths: Sequence[Path], folder: Path, done: Imported) -> None:
    """Append what is not there yet."""
    episodes = latest_episodes(folder)
    judged = set(latest_judgements(folder))
    repeats: Counter[tuple[str, str]] = Counter((row["cell"], row["task_id"]) for row in episodes.values())
    written = set(episodes)
    into, scores = Appender(folder / EPISODES), Appender(folder / JUDGEMENTS)
    try:
        for where, log in read_logs(paths):
            reading = Reading(where, log)
            if reading.episode_id in written:
                done.skipped += 1
            else:
                place = reading.cell, reading.task_id
                await into.append(reading.episode(repeats[place]))
                repeats[place] += 1
                written.add(reading.episode_id)
                done.episodes += 1
            judgement = reading.judgement()
            if judgement is not None and judgement.judgement_id not in judged:
                await scores.append(judgement)
                judged.add(judgement.judgement_id)
                done.judged += judgement.status == "scored"
                if judgement.status == "unscored":
                    done.notes.append(f"{where}: no whole set of scores, so it is unscored")
    finally:
        into.close()
        scores.close()
