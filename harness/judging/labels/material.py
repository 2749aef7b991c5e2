"""Material that people who label are shown: the episode without its arm and scores, and the judge's own rubric."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from environments.prompts import Prompt, load_prompt
from harness.base.errors import BadInput
from harness.judging.judges.frame import background_of, turns_of
from harness.judging.rewards.process import strategies_of
from harness.results.index import latest_episodes
from harness.results.judge_kinds import judge_kind
from harness.results.labels import CRITICAL, Item, Label, Sample
from harness.results.records import EpisodeRecord
from harness.results.store import EPISODES, read_record

Question = dict[str, Any]
"""seat, who, turn (null for outcomes), text, dimension, low, high."""


def shown(run: Path, sample: Sample) -> list[dict[str, Any]]:
    """Per item: `item`, `background`, `turns` (who did what) and `questions`. Raises `BadInput` for an episode that is no longer
    there."""
    rows = latest_episodes(run)
    found = []
    for number, item in enumerate(sample.items, start=1):
        if item.episode_id not in rows:
            raise BadInput(f"{run} has no episode {item.episode_id} of its sample any more; draw another")
        episode = read_record(run / EPISODES, rows[item.episode_id]["offset"], EpisodeRecord)
        found.append(
            {
                "item": item.item,
                "number": number,
                "background": background_of(episode, item.seats[0] if item.seats else 0),
                "turns": turns_of(episode),
                "questions": questions(sample, item, episode),
            }
        )
    return found


def questions(sample: Sample, item: Item, episode: EpisodeRecord) -> list[Question]:
    """Everything that is asked about one item."""
    if sample.what == "strategies":
        return [
            {
                **_about(episode, seat),
                "turn": turn.index,
                "text": turn.strategy,
                "dimension": CRITICAL,
                "low": 0,
                "high": 1,
            }
            for seat in item.seats
            for turn in strategies_of(episode, seat)
        ]
    return [
        {**_about(episode, seat), "turn": None, "text": None, "dimension": name, "low": low, "high": high}
        for seat in item.seats
        for name, low, high in dimensions(sample.kind)
    ]


def _about(episode: EpisodeRecord, seat: int) -> dict[str, Any]:
    return {"seat": seat, "who": episode.seats[seat].name}


def dimensions(kind: str) -> list[tuple[str, float, float]]:
    """The dimensions that people label: those a judge is asked for. Raises `BadInput` for a kind that is not installed."""
    return [(name, low, high) for name, low, high in judge_kind(kind).dimensions if name != "overall"]


def rubric(sample: Sample) -> str:
    """The judge's instructions, without the place of the material and the form of its answer."""
    if sample.what == "strategies":
        prompt = load_prompt("harness.judging", "critical")
    else:
        given = getattr(judge_kind(sample.kind).make, "prompt", "")
        prompt = given if isinstance(given, Prompt) else Prompt(sample.kind, given)
    text = prompt.text.partition("MATERIAL $mark>>>")[2] or prompt.text
    return text.partition("Answer with one JSON")[0].replace("$count", "the last").strip()


def checked(label: Label, items: dict[str, dict[str, Any]]) -> Label:
    """The label, where it answers a question of the sample with a value in its range. Raises `BadInput`."""
    item = items.get(label.item)
    if item is None:
        raise BadInput(f"there is no item {label.item!r} in the sample")
    for question in item["questions"]:
        if (question["seat"], question["turn"], question["dimension"]) == (label.seat, label.turn, label.dimension):
            if not question["low"] <= label.value <= question["high"]:
                limits = f"{question['low']:g} to {question['high']:g}"
                raise BadInput(f"item {label.item}, {label.dimension}: {label.value:g} is outside {limits}")
            return label
    raise BadInput(f"item {label.item} has no question {label.dimension!r} for seat {label.seat}, turn {label.turn}")
