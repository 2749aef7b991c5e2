"""EPO's training file straight from a run: one conversation per episode and seat, a score at every strategy.

The scores are the weights training would use: discounted and normalised process rewards (`harness.judging.returns`).
Nothing is tokenised or cut at a length: that is `harness train prepare`'s, whose folder can be given instead of a run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.errors import BadInput
from harness.index import latest_episodes, latest_process_rewards
from harness.judging.returns import GAMMA, Normalisation, returns
from harness.records import EpisodeRecord, ProcessRewardRecord
from harness.store import EPISODES, PROCESS_REWARDS, read_record, write_whole
from harness.training.played import PlayedStrategy, played_strategies, trained_seats
from harness.training.sharegpt import NAMES, Written, dataset_info, write_sharegpt

PREPARED = "dataset.jsonl"


def export_sharegpt(
    source: Path, out: Path, label: str | None = None, gamma: float = GAMMA, normalize: Normalisation = "epo"
) -> Written:
    """Write the file `out` and `dataset_info.json` beside it. `source` is a run with process rewards (`label`: whose,
    where there are several), or a folder that `harness train prepare` wrote. Raises `BadInput`."""
    if out.suffix != ".json":
        raise BadInput(f"--out {out}: LLaMA-Factory reads a .json file; name one")
    out.parent.mkdir(parents=True, exist_ok=True)
    written = (
        write_sharegpt(source, out) if (source / PREPARED).exists() else _from_run(source, out, label, gamma, normalize)
    )
    info = dataset_info(out.stem, out)
    write_whole(out.with_name("dataset_info.json"), json.dumps(info, indent=2, ensure_ascii=False) + "\n")
    return written


def _from_run(run: Path, out: Path, label: str | None, gamma: float, normalize: Normalisation) -> Written:
    chosen, kept, left_out = _label(run, label), 0, 0
    temporary = out.with_name(f".{out.name}.tmp")
    with open(temporary, "w", encoding="utf-8") as file:
        for item in _items(run, chosen, gamma, normalize):
            if item is None:
                left_out += 1
                continue
            file.write(("[\n" if not kept else ",\n") + json.dumps(item, ensure_ascii=False))
            kept += 1
        file.write("\n]\n")
    if not kept:
        temporary.unlink()
        raise BadInput(
            f"{run} has no strategies of a second model with rewards {chosen!r}: nothing to export ({left_out} left out)"
        )
    os.replace(temporary, out)
    return Written(out, kept, left_out)


def _label(run: Path, wanted: str | None) -> str:
    labels = sorted({row["label"] for row in latest_process_rewards(run).values()})
    found = [label for label in labels if wanted in (None, label, label.split("/")[0])]
    if len(found) == 1:
        return found[0]
    if not labels:
        raise BadInput(f"{run} has no process rewards. Give it some: harness judge {run} --process METHOD")
    raise BadInput(f"{run}: say whose rewards with --rewards LABEL; there are: {', '.join(labels)}")


def _items(run: Path, label: str, gamma: float, normalize: Normalisation) -> Iterator[dict[str, Any] | None]:
    """Conversations in the order of the episodes' ids; None for one the format can not hold."""
    episodes = latest_episodes(run)
    for row in sorted(latest_process_rewards(run).values(), key=lambda row: str(row["episode_id"])):
        played = episodes.get(row["episode_id"])
        if (
            row["label"] != label
            or row["status"] != "scored"
            or not played
            or played["attempt"] != row["episode_attempt"]
        ):
            continue
        episode = read_record(run / EPISODES, played["offset"], EpisodeRecord)
        rewards = read_record(run / PROCESS_REWARDS, row["offset"], ProcessRewardRecord)
        for seat in trained_seats(episode, None):
            yield _item(played_strategies(episode, seat, rewards), gamma, normalize)


def _item(played: Sequence[PlayedStrategy], gamma: float, normalize: Normalisation) -> dict[str, Any] | None:
    """One conversation: the chat of the last strategy holds all earlier ones."""
    values = [each.reward for each in played if each.reward is not None]
    if not values or len(values) != len(played):
        return None  # a strategy without a weight would count as one of weight 0 there
    messages = [*played[-1].chat, {"role": "assistant", "content": played[-1].strategy}]
    roles = [message["role"] for message in messages]
    talk = roles[1:] if roles[:1] == ["system"] else roles
    if talk != ["user", "assistant"] * (len(talk) // 2) or talk.count("assistant") != len(played):
        return None
    scores = iter(returns([values], gamma, normalize)[0])
    turns = []
    for message in messages:
        turn = {"from": NAMES[message["role"]], "value": message["content"]}
        if message["role"] == "assistant":
            turn["score"] = str(next(scores))
        turns.append(turn)
    return {"conversations": turns}
