"""EPO's training file: LLaMA-Factory's ShareGPT layout with a `score` at every answer, read and written.

A JSON list (or JSON lines) of `{"conversations": [{"from": "human", "value": …}, {"from": "gpt", "value": …, "score":
"0.99"}, …]}`; human and gpt alternate, a `system` turn may lead. The score is the finished weight (EPO's preprocessing
has discounted and normalised it) and stands there as a string; one that is missing counts as 0, as in EPO's loader. Where
a file was made before that step (scores per conversation, `location`, `index`), run EPO's own preprocessing first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.base.errors import BadInput
from harness.training.data.dataset import Row, TokenSequence, read_dataset, read_manifest
from harness.training.data.sequences import Layouter, PlayedStrategy

SUFFIXES = (".json", ".jsonl")
ROLES = {"system": "system", "human": "user", "gpt": "assistant"}
NAMES = {role: name for name, role in ROLES.items()}


class ShareGptTurn(BaseModel):
    """One message. Further keys are other tools' and are passed over."""

    model_config = ConfigDict(extra="ignore")

    speaker: Literal["system", "human", "gpt"] = Field(alias="from")
    value: str
    score: float = 0.0


class ShareGptItem(BaseModel):
    """One conversation: one episode's seat."""

    model_config = ConfigDict(extra="ignore")

    conversations: list[ShareGptTurn]
    system: str = ""

    @model_validator(mode="after")
    def _alternates(self) -> ShareGptItem:
        speakers = [turn.speaker for turn in self.conversations]
        talk = speakers[1:] if speakers[:1] == ["system"] else speakers
        if not talk or talk != ["human", "gpt"] * (len(talk) // 2):
            raise ValueError(f"human and gpt have to alternate, human first and gpt last; got {', '.join(speakers)}")
        return self

    @property
    def messages(self) -> list[dict[str, str]]:
        """`role` and `content`, the system message included."""
        turns = [{"role": ROLES[turn.speaker], "content": turn.value} for turn in self.conversations]
        leads = self.system and turns[0]["role"] != "system"
        return [{"role": "system", "content": self.system}, *turns] if leads else turns

    @property
    def scores(self) -> list[float]:
        """Scores of the gpt turns, oldest first."""
        return [turn.score for turn in self.conversations if turn.speaker == "gpt"]


@dataclass(frozen=True, slots=True)
class Written:
    """Output of `write_sharegpt`."""

    path: Path
    conversations: int
    left_out: int
    """Sequences that the format cannot hold: their chat does not alternate, or holds an answer without a weight, which
    EPO's loader would count as one of weight 0."""


def is_sharegpt(path: Path) -> bool:
    """A file by its name; runs are folders."""
    return path.suffix in SUFFIXES and not path.is_dir()


def read_sharegpt(path: Path) -> list[ShareGptItem]:
    """Read a ShareGPT file. Raises `BadInput` naming the item and the field that cannot be used."""
    items = []
    for number, raw in enumerate(_raw(path)):
        if isinstance(raw, dict) and "location" in raw:
            raise BadInput(
                f"{path}, item {number}: it still has `location`: this file was not discounted and normalised yet. "
                "Give the one that EPO's preprocessing.py writes."
            )
        try:
            items.append(ShareGptItem.model_validate(raw))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the item"
            raise BadInput(f"{path}, item {number}: {place}: {first['msg']}") from None
    if not items:
        raise BadInput(f"{path} holds no conversations")
    return items


def _raw(path: Path) -> list[Any]:
    try:
        text = path.read_text("utf-8")
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        value = json.loads(text)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise BadInput(f"{path} is not JSON: {error}") from None
    if not isinstance(value, list):
        raise BadInput(f"{path}: expected a list of conversations, got {type(value).__name__}")
    return value


def sharegpt_rows(path: Path, layouter: Layouter) -> list[Row]:
    """One row per conversation, its scores as weights. Raises `BadInput` for a file that cannot be used."""
    rows = []
    for number, item in enumerate(read_sharegpt(path)):
        scores = item.scores
        sequences = layouter.sequences(_played(item), [(score, score) for score in scores])
        if sequences:
            for sequence in sequences:
                for span in sequence.spans:
                    span.reward = None
            rows.append(
                Row(id=f"{path.name}:{number}", source=path.name, environment=None, task_id=None, sequences=sequences)
            )
    return rows


def _played(item: ShareGptItem) -> list[PlayedStrategy]:
    messages = item.messages
    found: list[PlayedStrategy] = []
    for number, message in enumerate(messages):
        if message["role"] == "assistant":
            text = message["content"]
            found.append(
                PlayedStrategy(
                    turn=len(found),
                    chat=tuple(messages[:number]),
                    answer=text,
                    strategy=text,
                    stopped=True,
                    token_ids=None,
                    completion_tokens=None,
                    reward=0.0,
                )
            )
    return found


def write_sharegpt(prepared: Path, out: Path, file: IO[bytes]) -> Written:
    """Write a prepared folder as EPO's file `out`, which is open as `file`, so that LLaMA-Factory with EPO's loss trains on
    it. Prepare with the layout `chat`: that format averages over all answers of a conversation. Raises `BadInput` where
    nothing of it can be written."""
    read_manifest(prepared)
    sequences = [sequence for row in read_dataset(prepared) for sequence in row.sequences]
    items = [_item(sequence) for sequence in sequences if _holds(sequence)]
    if not items:
        raise BadInput(
            f"none of the {len(sequences)} sequences in {prepared} fits EPO's format; prepare them with layout=chat"
        )
    file.write((json.dumps(items, ensure_ascii=False, indent=1) + "\n").encode())
    return Written(out, len(items), len(sequences) - len(items))


def _holds(sequence: TokenSequence) -> bool:
    roles = [message.role for message in sequence.messages]
    talk = roles[1:] if roles[:1] == ["system"] else roles
    weighed = all(message.weight is not None for message in sequence.messages if message.role == "assistant")
    return weighed and talk == ["user", "assistant"] * (len(talk) // 2)


def _item(sequence: TokenSequence) -> dict[str, Any]:
    return {
        "conversations": [
            {"from": NAMES[message.role], "value": message.content}
            | ({} if message.weight is None else {"score": str(message.weight)})
            for message in sequence.messages
        ]
    }


def dataset_info(name: str, file: Path) -> dict[str, Any]:
    """The entry for LLaMA-Factory's `dataset_info.json`."""
    return {name: {"file_name": file.name, "formatting": "sharegpt", "columns": {"messages": "conversations"}}}
