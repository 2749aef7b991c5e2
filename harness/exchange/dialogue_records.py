"""One published dialogue as the records of a run: episode, judgement, and what its acts were worth."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from agents.strategists import REFERENCE
from environments.sotopia import splits, texts
from harness.base.errors import BadInput
from harness.base.seeds import stable_hash
from harness.exchange.dialogue_forms import (
    ENVIRONMENT,
    EpisodeLog,
    Reward,
    read_action,
)
from harness.exchange.imported_manifest import PROTOCOL, SPLIT
from harness.experiment.manifest_form import SEPARATOR
from harness.judging import judgement_id
from harness.judging.rewards.process import process_id
from harness.results.records import (
    EpisodeRecord,
    ErrorInfo,
    JudgementRecord,
    ProcessRewardRecord,
    SeatRecord,
    StrategyReward,
    TurnRecord,
)
from harness.results.scales import SOTOPIA as DIMENSIONS

UNKNOWN_MODEL = "unknown"
WORTH_METHOD = "annotation"
"""Method of process rewards that came with a dialogue."""


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
        if not any(sender in told for turn in log.messages for sender, _, _ in turn):
            raise BadInput(f"{where}: neither {' nor '.join(told)} does anything in it")
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

    def worth(self) -> list[tuple[int, float]]:
        """(which turn, what its act was worth) where the dialogue came with that."""
        return sorted(each for values in self.log.worth.values() for each in values)

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
                        rendered=texts.render_action(kind, argument),
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
        """The log's own scores; unscored where its judge failed, None where it has none at all. Where only the goal is scored,
        that alone."""
        if not self.log.rewards and not self.log.goals:
            return None
        scores = [_scores(reward) for reward in self.log.rewards]
        if not scores:
            scores = [_goal(self.log.goals.get(name)) for name in self.names]
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

    def process_rewards(self, scale: float) -> ProcessRewardRecord | None:
        """The worth of single acts that the dialogue came with, as process rewards: 0 to 1 of `scale`, times the goal score
        (0 to 1) where there is one, as sotopia-rl multiplies them. None where it came with none."""
        if not self.log.worth:
            return None
        label = f"{WORTH_METHOD}/imported"
        goals = [_share(self.log.goals.get(name)) for name in self.names]
        turns = {turn.index: turn.seat for turn in self.turns()}
        rewards = [
            StrategyReward(
                turn=turn, seat=turns[turn], reward=value / scale * _or_one(goals[turns[turn]]), credit=value / scale
            )
            for turn, value in self.worth()
            if turn in turns
        ]
        return ProcessRewardRecord(
            process_id=process_id(self.episode_id, 1, label),
            episode_id=self.episode_id,
            episode_attempt=1,
            method=WORTH_METHOD,
            label=label,
            status="scored",
            outcomes=goals,
            outcome_source=self.judge if self.log.goals else None,
            rewards=rewards,
            calls=[],
            judged_at=_now(),
            duration_s=0.0,
        )


def _scores(reward: Reward) -> dict[str, float] | None:
    """The seven dimensions in their ranges and their plain mean; None where one is missing or out of range."""
    if not isinstance(reward, tuple):
        return None
    given = reward[1]
    if any(not low <= given.get(name, float("nan")) <= high for name, low, high in DIMENSIONS):
        return None
    scores = {name: float(given[name]) for name, _, _ in DIMENSIONS}
    return {**scores, "overall": sum(scores.values()) / len(DIMENSIONS)}


def _goal(score: float | None) -> dict[str, float] | None:
    """A goal score alone; None where it is missing or out of range."""
    low, high = next((low, high) for name, low, high in DIMENSIONS if name == "goal")
    return {"goal": score} if score is not None and low <= score <= high else None


def _share(score: float | None) -> float | None:
    return None if score is None else min(1.0, max(0.0, score / 10))


def _or_one(share: float | None) -> float:
    return 1.0 if share is None else share


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
