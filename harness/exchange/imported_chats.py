"""Imported dialogues as conversations to train on: nobody advised there, so that what is learnt is what was said.

One conversation per dialogue and seat: the start and what the partner did, answered by the seat's own acts as sotopia's agents
write them (`action_type` and `argument`). An act weighs what an annotator found it worth; where nobody did, the goal score of
the dialogue's own judge counts as the outcome of the last act."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.base.errors import BadInput
from harness.judging.rewards.returns import Normalisation, returns
from harness.results.index import latest_episodes, latest_judgements, latest_process_rewards
from harness.results.records import EpisodeRecord, JudgementRecord, ProcessRewardRecord
from harness.results.store import EPISODES, JUDGEMENTS, PROCESS_REWARDS, read_manifest, read_record

Chat = list[tuple[str, str, float | None]]
NOTHING = "(nothing was said)"
GOAL_HIGH = 10.0


def is_imported(run: Path) -> bool:
    """True for a run whose dialogues were imported."""
    return bool(read_manifest(run).get("imported"))


def imported_chats(run: Path, label: str | None, gamma: float, normalize: Normalisation) -> Iterator[Chat]:
    """The conversations of a run of imported dialogues, in the order of the episodes' ids; those without any worth are left
    out. `label`: whose process rewards. Raises `BadInput` where no dialogue has a worth or a score."""
    rewards, scores = _rewards(run, label), _goals(run)
    if not rewards and not scores:
        raise BadInput(f"{run}: no dialogue has a score. Give them some: harness judge {run} --judge MODEL")
    for name, row in sorted(latest_episodes(run).items()):
        if row["status"] != "finished" or not (name in rewards or name in scores):
            continue
        episode = read_record(run / EPISODES, row["offset"], EpisodeRecord)
        for seat in range(len(episode.seats)):
            acts = [turn for turn in episode.turns if turn.seat == seat]
            worth = _worth(rewards.get(name), scores.get(name), seat, [turn.index for turn in acts])
            if acts and worth is not None:
                yield _chat(episode, seat, returns([worth], gamma, normalize)[0])


def _rewards(run: Path, label: str | None) -> dict[str, ProcessRewardRecord]:
    found = latest_process_rewards(run).values()
    labels = sorted({row["label"] for row in found if label in (None, row["label"], row["label"].split("/")[0])})
    if len(labels) > 1 or (label is not None and not labels):
        raise BadInput(f"{run}: say whose rewards with --rewards LABEL; there are: {', '.join(labels) or 'none'}")
    return {
        row["episode_id"]: read_record(run / PROCESS_REWARDS, row["offset"], ProcessRewardRecord)
        for row in found
        if row["label"] in labels and row["status"] == "scored"
    }


def _goals(run: Path) -> dict[str, list[float | None]]:
    """Episode -> goal score of each seat, 0 to 1, by the run's judge."""
    judge = read_manifest(run)["judge"]
    found: dict[str, list[float | None]] = {}
    for row in latest_judgements(run).values():
        if row["judge"] == judge and row["status"] == "scored":
            record = read_record(run / JUDGEMENTS, row["offset"], JudgementRecord)
            found[record.episode_id] = [_share(scores) for scores in record.scores or []]
    return found


def _share(scores: Mapping[str, Any]) -> float | None:
    return scores["goal"] / GOAL_HIGH if "goal" in scores else None


def _worth(
    rewards: ProcessRewardRecord | None, goals: list[float | None] | None, seat: int, acts: list[int]
) -> list[float] | None:
    """The worth of each of a seat's acts; None where there is none."""
    if rewards is not None:
        given = {each.turn: each.reward for each in rewards.rewards or [] if each.seat == seat}
        return [given.get(turn, 0.0) for turn in acts] if given else None
    goal = goals[seat] if goals is not None else None
    return None if goal is None or not acts else [0.0] * (len(acts) - 1) + [goal]


def _chat(episode: EpisodeRecord, seat: int, weights: list[float]) -> Chat:
    acts = [turn for turn in episode.turns if turn.seat == seat]
    chat: Chat = []
    for number, (turn, weight) in enumerate(zip(acts, weights, strict=True)):
        seen = "".join(turn.observation).strip()
        told = f"{episode.seats[seat].background.strip()}\n{seen}" if number == 0 else seen
        chat.append(("user", told.strip() or NOTHING, None))
        answer = {"action_type": turn.action_kind, "argument": turn.action}
        chat.append(("assistant", json.dumps(answer, ensure_ascii=False), weight))
    return chat
