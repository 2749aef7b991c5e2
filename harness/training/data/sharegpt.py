"""EPO's training file: LLaMA-Factory's ShareGPT layout with a `score` at every answer, as it is read.
`harness.exchange.sharegpt` writes it.

A JSON list (or JSON lines) of `{"conversations": [{"from": "human", "value": …}, {"from": "gpt", "value": …, "score":
"0.99"}, …]}`; human and gpt alternate, a `system` turn may lead. The score is the finished weight (EPO's preprocessing
has discounted and normalised it) and stands there as a string; one that is missing counts as 0, as in EPO's loader. Where
a file was made before that step (scores per conversation, `location`, `index`), run EPO's own preprocessing first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from harness.base.errors import BadInput
from harness.base.text_files import HALF, is_storable, json_values
from harness.training.data.contexts import SentPrompt
from harness.training.data.dataset import Row
from harness.training.data.sequences import Layouter, PlayedStrategy

SUFFIXES = (".json", ".jsonl")
NO_NUMBER = "score_is_no_number"
ROLES = {"system": "system", "human": "user", "gpt": "assistant"}


class ShareGptTurn(BaseModel):
    """One message. Further keys are other tools' and are passed over."""

    model_config = ConfigDict(extra="ignore")

    speaker: Literal["system", "human", "gpt"] = Field(alias="from")
    value: str
    score: float = 0.0

    @field_validator("score")
    @classmethod
    def _is_number(cls, value: float) -> float:
        if not math.isfinite(value):
            raise PydanticCustomError(NO_NUMBER, "{value} is no number to train with", {"value": str(value)})
        return value


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


def read_sharegpt(path: Path, odd: list[str] | None = None) -> list[ShareGptItem]:
    """Read a ShareGPT file. An odd conversation is left out, as LLaMA-Factory does, and named in `odd`. Raises `BadInput` naming
    the item for a score that is no finite number, and where no conversation can be used."""
    return [item for _, item in _numbered(path, [] if odd is None else odd)]


def _numbered(path: Path, odd: list[str]) -> list[tuple[int, ShareGptItem]]:
    """(place in the file from 0, conversation) of those that can be used."""
    items = []
    before = len(odd)
    for number, (where, raw) in enumerate(json_values(path)):
        if isinstance(raw, ValueError) or not is_storable(raw):
            place = where if ", line " in where.removeprefix(str(path)) else f"{path}, item {number}"
            odd.append(f"{place}: {raw if isinstance(raw, ValueError) else HALF}")
            continue
        if isinstance(raw, dict) and "location" in raw:
            raise BadInput(
                f"{path}, item {number}: it still has `location`: this file was not discounted and normalised yet. "
                "Give the one that EPO's preprocessing.py writes."
            )
        try:
            items.append((number, ShareGptItem.model_validate(raw)))
        except ValidationError as error:
            odd.append(_why(path, number, error))
    if not items:
        first = f": {odd[before]}" if len(odd) > before else ""
        raise BadInput(f"{path} holds no conversations that can be used{first}")
    return items


def _why(path: Path, number: int, error: ValidationError) -> str:
    """The reason an item is left out. Raises `BadInput` for a score that is no number: it would make every weight one."""
    for problem in error.errors():
        if problem["type"] == NO_NUMBER:
            place = ".".join(map(str, problem["loc"]))
            raise BadInput(
                f"{path}, item {number}: {place}: {problem['msg']}; mend the file, or make it again with EPO's preprocessing.py"
            ) from None
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"])) or "the item"
    return f"{path}, item {number}: {place}: {first['msg']}"


def sharegpt_rows(path: Path, layouter: Layouter, odd: list[str]) -> list[Row]:
    """One row per conversation, its scores as weights; those left out are named in `odd`. Raises `BadInput` for a file that
    cannot be used."""
    rows = []
    for number, item in _numbered(path, odd):
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
