"""EPO's training file straight from a run: one conversation per episode and seat, a score at every strategy (of imported
dialogues, at every act); or from a folder that `harness train prepare` wrote, so that LLaMA-Factory with EPO's loss trains on it.

The scores of a run are the weights training would use: discounted and normalised process rewards
(`harness.judging.rewards.returns`). Nothing of it is tokenised or cut at a length: that is `harness train prepare`'s.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from harness.base.errors import BadInput
from harness.base.safe_files import write_file
from harness.exchange.imported_chats import imported_chats, is_imported
from harness.judging.rewards.returns import GAMMA, Normalisation, returns
from harness.results.index import latest_episodes, latest_process_rewards
from harness.results.records import EpisodeRecord, ProcessRewardRecord
from harness.results.store import EPISODES, PROCESS_REWARDS, read_record
from harness.results.targets import Target, holds_json
from harness.training.data.dataset import DATASET, read_dataset, read_manifest
from harness.training.data.sequences import PlayedStrategy, played_strategies, trained_seats
from harness.training.data.sharegpt import ROLES, alternates

INFO = "dataset_info.json"
NAMES = {role: name for name, role in ROLES.items()}
Message = tuple[str, str, float | None]
"""Role, text, and the weight of an answer that is trained on."""


@dataclass(frozen=True, slots=True)
class Written:
    """Output of `export_sharegpt`."""

    path: Path
    conversations: int
    left_out: int
    """Chats that the format cannot hold: they do not alternate, or hold an answer without a weight, which EPO's loader would
    count as one of weight 0."""


def is_exported(path: Path) -> bool:
    """True if `export_sharegpt` wrote a file: the `dataset_info.json` beside it then has the same entry for it."""
    entry = dataset_info(path.stem, path)
    return holds_json(path.with_name(INFO), lambda info: info.get(path.stem) == entry[path.stem])


def export_sharegpt(
    source: Path, out: Target, label: str | None = None, gamma: float = GAMMA, normalize: Normalisation = "epo"
) -> Written:
    """Write the file `out`, and its entry in the `dataset_info.json` beside it (whose other entries stay). `source` is a run
    with process rewards (`label`: whose, where there are several), or a folder that `harness train prepare` wrote; prepare that
    with the layout `chat`, for the format averages over all answers of a conversation. Raises `BadInput`."""
    if out.plain and out.path.suffix != ".json":
        raise BadInput(f"--out {out.path}: LLaMA-Factory reads a .json file; name one")
    info = _merged_info(out.path) if out.plain else None
    if (source / DATASET).exists():
        chats, lack = _prepared_chats(source), "fits EPO's format; prepare the data with layout=chat"
    elif is_imported(source):
        chats, lack = imported_chats(source, label, gamma, normalize), "has a seat with a score"
    else:
        chosen = _label(source, label)
        chats, lack = _run_chats(source, chosen, gamma, normalize), f"is of a second model with rewards {chosen!r}"
    with out.open() as file:
        written = _write(chats, out.path, file)
        if not written.conversations:
            raise BadInput(f"nothing to export: no chat in {source} {lack} ({written.left_out} left out)")
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


def _write(chats: Iterable[Sequence[Message]], out: Path, file: IO[bytes]) -> Written:
    kept = left_out = 0
    for chat in chats:
        if not _fits(chat):
            left_out += 1
            continue
        file.write((("[\n" if not kept else ",\n") + json.dumps(_item(chat), ensure_ascii=False)).encode())
        kept += 1
    if kept:
        file.write(b"\n]\n")
    return Written(out, kept, left_out)


def _fits(chat: Sequence[Message]) -> bool:
    weighed = all(weight is not None for role, _, weight in chat if role == "assistant")
    return weighed and alternates([NAMES.get(role, role) for role, _, _ in chat])


def _item(chat: Sequence[Message]) -> dict[str, Any]:
    return {
        "conversations": [
            {"from": NAMES[role], "value": text} | ({} if weight is None else {"score": str(weight)})
            for role, text, weight in chat
        ]
    }


def dataset_info(name: str, file: Path) -> dict[str, Any]:
    """The entry for LLaMA-Factory's `dataset_info.json`."""
    return {name: {"file_name": file.name, "formatting": "sharegpt", "columns": {"messages": "conversations"}}}


def _prepared_chats(folder: Path) -> Iterator[list[Message]]:
    """The sequences of a prepared folder. Raises `BadInput`."""
    read_manifest(folder)
    for row in read_dataset(folder):
        for sequence in row.sequences:
            yield [(message.role, message.content, message.weight) for message in sequence.messages]


def _label(run: Path, wanted: str | None) -> str:
    labels = sorted({row["label"] for row in latest_process_rewards(run).values()})
    found = [label for label in labels if wanted in (None, label, label.split("/")[0])]
    if len(found) == 1:
        return found[0]
    if not labels:
        raise BadInput(f"{run} has no process rewards. Give it some: harness judge {run} --process METHOD")
    raise BadInput(f"{run}: say whose rewards with --rewards LABEL; there are: {', '.join(labels)}")


def _run_chats(run: Path, label: str, gamma: float, normalize: Normalisation) -> Iterator[list[Message]]:
    """Chats, one per episode and seat, in the order of the episodes' ids."""
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
            yield _weighed_chat(played_strategies(episode, seat, rewards), gamma, normalize)


def _weighed_chat(played: Sequence[PlayedStrategy], gamma: float, normalize: Normalisation) -> list[Message]:
    """The chat of the last strategy, with the weights of all; without where a strategy has no reward or stands not in it."""
    if not played:
        return []
    chat = [*played[-1].chat, {"role": "assistant", "content": played[-1].strategy}]
    rewards = [each.reward for each in played if each.reward is not None]
    answers = sum(message["role"] == "assistant" for message in chat)
    whole = len(rewards) == len(played) == answers
    weights = iter(returns([rewards], gamma, normalize)[0] if whole else [None] * answers)
    return [(each["role"], each["content"], next(weights) if each["role"] == "assistant" else None) for each in chat]
