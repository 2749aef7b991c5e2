"""EPO's training file straight from a run: one conversation per episode and seat, a score at every strategy.

The scores are the weights training would use: discounted and normalised process rewards (`harness.judging.rewards.returns`).
Nothing is tokenised or cut at a length: that is `harness train prepare`'s, whose folder can be given instead of a run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from harness.base.errors import BadInput
from harness.base.safe_files import write_file
from harness.judging.rewards.returns import GAMMA, Normalisation, returns
from harness.results.index import latest_episodes, latest_process_rewards
from harness.results.records import EpisodeRecord, ProcessRewardRecord
from harness.results.store import EPISODES, PROCESS_REWARDS, read_record
from harness.results.targets import Target, holds_json
from harness.training.data.sequences import PlayedStrategy, played_strategies, trained_seats
from harness.training.data.sharegpt import NAMES, Written, dataset_info, write_sharegpt

PREPARED, INFO = "dataset.jsonl", "dataset_info.json"


def is_exported(path: Path) -> bool:
    """True if `export_sharegpt` wrote a file: the `dataset_info.json` beside it then has the same entry for it."""
    entry = dataset_info(path.stem, path)
    return holds_json(path.with_name(INFO), lambda info: info.get(path.stem) == entry[path.stem])


def export_sharegpt(
    source: Path, out: Target, label: str | None = None, gamma: float = GAMMA, normalize: Normalisation = "epo"
) -> Written:
    """Write the file `out`, and its entry in the `dataset_info.json` beside it (whose other entries stay). `source` is a run
    with process rewards (`label`: whose, where there are several), or a folder that `harness train prepare` wrote. Raises
    `BadInput`."""
    if out.plain and out.path.suffix != ".json":
        raise BadInput(f"--out {out.path}: LLaMA-Factory reads a .json file; name one")
    info = _merged_info(out.path) if out.plain else None
    with out.open() as file:
        written = (
            write_sharegpt(source, out.path, file)
            if (source / PREPARED).exists()
            else _from_run(source, out.path, file, label, gamma, normalize)
        )
        if info is not None:
            # before the file is put in place: where this is killed, the same command knows the file as its own
            write_file(out.path.with_name(INFO), json.dumps(info, indent=2, ensure_ascii=False) + "\n")
    return written


def _merged_info(path: Path) -> dict[str, Any]:
    """The content that `dataset_info.json` is to have. Raises `BadInput` where another kind of file stands there, or one that
    uses the name for another data set."""
    place, entry = path.with_name(INFO), dataset_info(path.stem, path)
    if not place.exists():
        return entry
    found: dict[str, Any] = {}
    if place.is_symlink() or not holds_json(place, lambda info: found.update(info) is None):
        raise BadInput(f"--out {path}: {place} is not a `dataset_info.json` of LLaMA-Factory; name another folder.")
    if found.get(path.stem, entry[path.stem]) != entry[path.stem]:
        raise BadInput(f"--out {path}: {place} has another data set of the name {path.stem!r}; name another file.")
    return found | entry


def _from_run(
    run: Path, out: Path, file: IO[bytes], label: str | None, gamma: float, normalize: Normalisation
) -> Written:
    chosen, kept, left_out = _label(run, label), 0, 0
    for item in _items(run, chosen, gamma, normalize):
        if item is None:
            left_out += 1
            continue
        file.write((("[\n" if not kept else ",\n") + json.dumps(item, ensure_ascii=False)).encode())
        kept += 1
    if not kept:
        raise BadInput(
            f"{run} has no strategies of a second model with rewards {chosen!r}: nothing to export ({left_out} left out)"
        )
    file.write(b"\n]\n")
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
    """Conversations in the order of the episodes' ids; None for one the format cannot hold."""
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
