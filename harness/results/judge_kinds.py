"""Kinds of judges: their table, and the scale of each of their scores, which readers of a run need to know. A plug-in adds one
through the entry-point group `strategist_harness.judges`: a class on the base `harness.judging.judges.base.Judge`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from harness.base.errors import BadInput
from harness.base.registry import Registry, as_kind
from harness.results.scales import SCALES, Scale

if TYPE_CHECKING:
    from agents.models.base import Model
    from environments.prompts import PromptFields
    from harness.experiment.specs import JudgeSpec
    from harness.results.records import EpisodeRecord, JudgementRecord


class AnyJudge(Protocol):
    """Whatever judges an episode: one on the base `Judge`, or another with a label."""

    label: str
    """`kind/model/prompt version`: judgements of different labels are never mixed."""

    async def judge(self, episode: EpisodeRecord) -> JudgementRecord:
        """Score one episode. A failure of the judge's answer is `status: unscored` in the record, never
        a score."""


class MakeJudge(Protocol):
    def __call__(self, spec: JudgeSpec, model: Model) -> AnyJudge: ...


@dataclass(frozen=True, slots=True)
class JudgeKind:
    """A judge's class and what it says about itself. Packages made for version 0.1 offer one of these."""

    make: MakeJudge
    description: str
    dimensions: Scale
    metric: str
    """The dimension that is the goal."""
    prompt_fields: PromptFields | None = None
    """Fields that a user's own prompt for it may hold; None where it takes none (`JudgeSpec.prompt`)."""


REGISTRY = Registry(
    "judge",
    "strategist_harness.judges",
    {"sotopia": "harness.judging.judges.sotopia:SotopiaJudge"},
)


def judge_kind(name: str) -> JudgeKind:
    """The kind behind a name. Raises `BadInput` for an unknown one."""
    return as_kind(REGISTRY.load(name), JudgeKind)


def scale_of(name: str) -> Scale:
    """The scale of each score of a kind of judge. Raises `BadInput` for an unknown one."""
    return SCALES[name] if name in SCALES else judge_kind(name).dimensions


def make_judge(spec: JudgeSpec, model: Model) -> AnyJudge:
    """The judge of a config. Raises `BadInput` where its label is none by which its kind could be found again."""
    judge = judge_kind(spec.kind).make(spec, model)
    if kind_in(judge.label) != spec.kind:
        raise BadInput(
            f"judge {spec.kind!r}: its label {judge.label!r} has to begin with its kind (`spec.kind`) and a slash"
        )
    return judge


def kind_in(label: str) -> str:
    """The kind in a judge's label: what stands before the first slash."""
    return label.split("/")[0]
