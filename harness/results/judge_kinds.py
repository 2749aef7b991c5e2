"""Kinds of judges: their table, and the scale of each of their scores, which readers of a run need to know. A plug-in adds one
through the entry-point group `strategist_harness.judges`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agents.models.base import Model
from environments.prompts import PromptFields
from harness.base.registry import Registry
from harness.experiment.specs import JudgeSpec
from harness.results.records import EpisodeRecord, JudgementRecord


class Judge(Protocol):
    label: str
    """`kind/model/prompt version`: judgements of different labels are never mixed."""

    async def judge(self, episode: EpisodeRecord) -> JudgementRecord:
        """Score one episode. A failure of the judge's answer is `status: unscored` in the record, never
        a score."""


class MakeJudge(Protocol):
    def __call__(self, spec: JudgeSpec, model: Model) -> Judge: ...


@dataclass(frozen=True, slots=True)
class JudgeKind:
    make: MakeJudge
    description: str
    dimensions: tuple[tuple[str, float, float], ...]
    """(name, lowest, highest) of each score."""
    metric: str
    """The dimension that is the goal."""
    prompt_fields: PromptFields | None = None
    """Fields that a user's own prompt for it may hold; None where it takes none (`JudgeSpec.prompt`)."""


REGISTRY = Registry(
    "judge",
    "strategist_harness.judges",
    {"sotopia": "harness.judging.judges.sotopia:KIND"},
)


def judge_kind(name: str) -> JudgeKind:
    """The kind behind a name. Raises `BadInput` for an unknown one."""
    kind: JudgeKind = REGISTRY.load(name)
    return kind


def kind_in(label: str) -> str:
    """The kind in a judge's label: what stands before the first slash."""
    return label.split("/")[0]
