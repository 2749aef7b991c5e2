"""An actor's own turns as rows to imitate, from the episodes of a run: each turn is a row of its own, all of equal weight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from harness.base.seeds import sha256_of, stable_hash
from harness.experiment.experiment import Experiment
from harness.play.again import ActedTurn, acted_turns
from harness.reading.readers import TODAY
from harness.results.index import latest_episodes
from harness.results.records import EpisodeRecord
from harness.results.store import EPISODES, read_manifest, read_record
from harness.runs.manifest import folder_readers
from harness.runs.plan import Plan
from harness.training.data.dataset import Row
from harness.training.data.sequences import Layouter, PlayedStrategy

NOTHING_PASSED: Mapping[str, int] = {
    "episodes": 0,
    "episodes_without_rewards": 0,
    "episodes_flagged": 0,
    "episodes_without_strategist": 0,
}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ImitatedAction:
    """One turn of an actor, to be imitated."""

    id: str
    """Its episode, seat and turn: `episode/seat/turn`."""
    run: str
    environment: str
    task_id: str
    acted: ActedTurn


@dataclass(frozen=True, slots=True)
class RunActions:
    """The turns of one run."""

    actions: list[ImitatedAction]
    episodes: int
    left_out: int
    """Episodes that failed, or did not succeed where only successful ones are wanted."""
    input: dict[str, Any]


def actions_of(run: Path, successful: bool, with_strategies: bool) -> RunActions:
    """All turns of the tested seats of a run's finished episodes (of the successful ones alone). Raises `BadInput` where a run is
    not one that can be planned again."""
    manifest = read_manifest(run)
    plan = Plan(Experiment.model_validate(manifest["config"]), folder_readers(run, TODAY))
    units = {unit.episode_id: unit for unit in plan.units}
    actions, used, left_out = [], [], 0
    rows = latest_episodes(run)
    for name in sorted(rows):
        episode = read_record(run / EPISODES, rows[name]["offset"], EpisodeRecord)
        won = episode.outcome is not None and episode.outcome.success
        if episode.status != "finished" or name not in units or (successful and not won):
            left_out += 1
            continue
        used.append([rows[name]["attempt"], name])
        for number, seat in enumerate(episode.seats):
            for acted in (
                acted_turns(plan.episode(units[name]), episode, number, None, with_strategies) if seat.tested else ()
            ):
                place = f"{name}/{number}/{acted.turn}"
                actions.append(ImitatedAction(place, manifest["run"], episode.environment, episode.task_id, acted))
    source = {"run": manifest["run"], "used": stable_hash(used), EPISODES: sha256_of(run / EPISODES)}
    return RunActions(actions, len(used), left_out, source)


def drawn(items: Sequence[T], count: int | None, name: Callable[[T], str]) -> list[T]:
    """At most so many of the items in their order, chosen by a hash of their names."""
    if count is None or len(items) <= count:
        return list(items)
    first = sorted(range(len(items)), key=lambda place: stable_hash("example", name(items[place])))[:count]
    return [items[place] for place in sorted(first)]


def action_rows(actions: Iterable[ImitatedAction], layouter: Layouter) -> list[Row]:
    """One row per turn; one that does not fit into the token limit is left out and counted."""
    rows = []
    for action in actions:
        sequences = layouter.sequences([_as_played(action.acted)], [(1.0, 1.0)])
        if sequences:
            rows.append(
                Row(
                    id=action.id,
                    source=action.run,
                    environment=action.environment,
                    task_id=action.task_id,
                    sequences=sequences,
                )
            )
    return rows


def _as_played(acted: ActedTurn) -> PlayedStrategy:
    return PlayedStrategy(
        turn=acted.turn,
        chat=tuple({"role": message.role, "content": message.content} for message in acted.messages),
        answer=acted.answer,
        strategy=acted.answer,
        stopped=True,
        token_ids=None,
        completion_tokens=None,
        reward=1.0,
    )
