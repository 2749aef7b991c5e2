"""EPO's training file: LLaMA-Factory's ShareGPT layout with a `score` at every answer, as it is read.
`harness.exchange.sharegpt` writes it.

A JSON list (or JSON lines) of `{"conversations": [{"from": "human", "value": …}, {"from": "gpt", "value": …, "score":
"0.99"}, …]}`; human and gpt alternate, a `system` turn may lead. The score is the finished weight (EPO's preprocessing
has discounted and normalised it) and stands there as a string; one that is missing counts as 0, as in EPO's loader. Where
a file was made before that step (scores per conversation, `location`, `index`), run EPO's own preprocessing first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.base.errors import BadInput
from harness.training.data.contexts import SentPrompt
from harness.training.data.dataset import Row
from harness.training.data.sequences import Layouter, PlayedStrategy

SUFFIXES = (".json", ".jsonl")
ROLES = {"system": "system", "human": "user", "gpt": "assistant"}


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
        if not alternates(speakers):
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


def alternates(speakers: Sequence[str]) -> bool:
    """True if human and gpt take turns, human first and gpt last, behind a system message or none."""
    talk = list(speakers[1:] if speakers[:1] == ["system"] else speakers)
    return bool(talk) and talk == ["human", "gpt"] * (len(talk) // 2)


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
        sequences = layouter.sequences(_played(item, f"{path}, item {number}"), [(score, score) for score in scores])
        if sequences:
            for sequence in sequences:
                for span in sequence.spans:
                    span.reward = None
            rows.append(
                Row(id=f"{path.name}:{number}", source=path.name, environment=None, task_id=None, sequences=sequences)
            )
    return rows


def _played(item: ShareGptItem, where: str) -> list[PlayedStrategy]:
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
                    sent=SentPrompt(where=f"{where}, answer {len(found)}"),
                )
            )
    return found
