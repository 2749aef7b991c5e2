"""Specs for the parts of an experiment, as a user writes them: an environment, an actor, a strategist, a partner, a judge, a
method of process rewards, the limits. `harness.experiment.experiment` puts them together."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agents.strategists import REFERENCE
from harness.base.part_files import shown_name
from harness.experiment.beside import EnvironmentName, JudgeName, MethodName, PromptPath, StrategistName


class Spec(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)


class EnvironmentSpec(Spec):
    name: EnvironmentName
    """sotopia, webshop, alfworld, a plug-in or PATH.py:NAME; `harness list` shows them."""
    split: str
    """The environment's split that tasks are taken from; `harness list` shows them."""
    label: str = ""
    """Shown in results instead of the name; needed when one split is played twice with different options."""
    tasks: int | list[str] | None = None
    """Number of tasks (the first n of the split's stable order), or their ids; null = all."""
    options: dict[str, Any] = {}
    """The environment's own options, for example `protocol` or `max_turns`."""

    @field_validator("tasks")
    @classmethod
    def _some_tasks(cls, value: int | list[str] | None) -> int | list[str] | None:
        if (isinstance(value, int) and value < 1) or value == []:
            raise ValueError("must be at least 1 task (or null for all)")
        return value

    @property
    def shown(self) -> str:
        return self.label or shown_name(self.name)


class RoleSpec(Spec):
    """Settings with which a role asks its model."""

    temperature: float | None = Field(0.7, ge=0, le=2)
    """null: none is sent, the model's own default holds."""
    top_p: float | None = Field(None, gt=0, le=1)
    """Sample from the most probable tokens that make up this share; null: none is sent."""
    stop: tuple[str, ...] | None = Field(None, min_length=1)
    """The answer ends before any of these texts; null = none."""
    max_tokens: int = Field(256, ge=1)
    """Tokens that an answer should need. Reasoning comes on top (`reasoning_tokens` of the model)."""
    reasoning_effort: str | None = None
    """Effort the model should spend on thinking before it answers: none, minimal, low, medium, high, …; null = as the model's
    config says. Refused where the model's vendor has no such setting."""
    answer_chars: int | None = Field(None, ge=20)
    """Cap on each text in a structured answer, for small models that do not stop; null = none."""
    history: int | None = Field(None, ge=0)
    """Number of the seat's own past turns that stay in the chat; null = all."""
    prompt: PromptPath | None = None
    """A text file with a prompt of your own; `harness list` names the fields it may use. null: the environment's."""


class ActorSpec(RoleSpec):
    name: str = ""
    """Shown in results; the model's or script's name when left out."""
    model: str | None = None
    """The model that acts: a name under `models`, or `provider:model`. Either this or `script`."""
    script: str | None = None
    """One of the environment's scripted baselines instead of a model: random, rule, expert, oracle."""

    @model_validator(mode="after")
    def _one_source(self) -> ActorSpec:
        if (self.model is None) == (self.script is None):
            raise ValueError("an actor needs either `model` or `script`")
        if self.script is not None and self.prompt is not None:
            raise ValueError(f"script:{self.script} asks no model; leave `prompt` out")
        return self

    @property
    def label(self) -> str:
        return self.name or self.model or f"script:{self.script}"


class StrategistSpec(RoleSpec):
    name: str = ""
    """Shown in results; the kind when left out."""
    kind: StrategistName
    """vanilla, react, epo, epo-rl, null, shuffled, a plug-in or PATH.py:NAME; `harness list` shows them."""
    model: str | None = None
    """The model that writes the strategies: a name under `models`, or `provider:model`; for kinds that ask one."""

    @property
    def label(self) -> str:
        return self.name or shown_name(self.kind)


class PartnerSpec(Spec):
    """The opponent in a two-seat environment."""

    name: str = ""
    """Shown in results; made from actor, strategist and seats when left out."""
    actor: str = "same"
    """The name of an actor of this experiment or of `partners`, or `same`: the tested agent's own actor."""
    strategist: str = REFERENCE
    """The name of a strategist of this experiment, or `same`."""
    orders: Literal["first", "second", "both"] = "both"
    """The seat of the tested agent."""

    @property
    def label(self) -> str:
        if self.name:
            return self.name
        seats = {"first": "in seat 1", "second": "in seat 2", "both": "in both orders"}[self.orders]
        return f"vs {'own actor' if self.actor == 'same' else self.actor} + {self.strategist}, {seats}"


class JudgingSpec(Spec):
    """Settings with which a judge asks its model."""

    temperature: float | None = Field(0.0, ge=0, le=2)
    """null: none is sent, the model's own default holds."""
    top_p: float | None = Field(None, gt=0, le=1)
    """Sample from the most probable tokens that make up this share; null: none is sent."""
    stop: tuple[str, ...] | None = Field(None, min_length=1)
    """The answer ends before any of these texts; null = none."""
    max_tokens: int = Field(1500, ge=1)
    """Tokens that an answer should need. Reasoning comes on top (`reasoning_tokens` of the model)."""
    reasoning_effort: str | None = None
    """As for the other roles; null = as the model's config says."""
    answer_chars: int | None = Field(None, ge=20)
    """Cap on each written reason, for small models that do not stop; null = none."""
    seconds: float | None = Field(None, gt=0)
    """Longest one judgement may take, repair included; null: 600, and as much more as its calls' own deadlines allow.
    Waiting for a quota or a free slot does not count."""


class JudgeSpec(JudgingSpec):
    kind: JudgeName = "sotopia"
    """`harness list` shows the judges; or PATH.py:NAME."""
    model: str
    """The model that judges: a name under `models`, or `provider:model`."""
    prompt: PromptPath | None = None
    """A text file with a prompt of your own; `harness list` names its fields. null: the judge's."""


class ProcessSpec(JudgingSpec):
    """A method that says what single strategies were worth."""

    method: MethodName
    """critical, utterance, progress, replay, a plug-in or PATH.py:NAME; `harness list` shows them."""
    model: str | None = None
    """The judge's model, for the methods that ask one."""
    environments: list[str] | None = None
    """Names of environments (as shown) to apply it to; null = all."""
    max_episodes: int | None = Field(None, ge=1)
    """A budget: at most so many episodes per cell, the same tasks in every arm; null = all."""
    options: dict[str, Any] = {}
    """The method's own."""


TURN_SECONDS, EPISODE_SECONDS, JUDGING_SECONDS = 300.0, 3600.0, 600.0
"""Deadlines where the config gives none."""


class Limits(Spec):
    """Limits of effort; none of them changes what an episode that fits in them looks like."""

    episodes_at_once: int = Field(16, ge=1)
    """Each has one model call under way while it is played: a fast endpoint wants as many as it serves calls at once."""
    turn_seconds: float | None = Field(None, gt=0)
    """Longest a turn may take; null: 300, and as much more as its calls' own deadlines allow. Waiting for a quota or a
    free slot does not count."""
    episode_seconds: float | None = Field(None, gt=0)
    """The same for an episode; null: 3600, and as much more as its calls' own deadlines allow."""
    quota_wait_s: float = Field(900, ge=0)
    """Longest that an endpoint's quota is waited for; what needs the endpoint is then left for later."""
    stuck_seconds: float = Field(180, gt=0)
    """After how long the watchdog names what an episode is waiting for."""

    @property
    def turn(self) -> float:
        """Seconds a turn may take before its calls put that off."""
        return TURN_SECONDS if self.turn_seconds is None else self.turn_seconds

    @property
    def episode(self) -> float:
        """Seconds an episode may take before its calls put that off."""
        return EPISODE_SECONDS if self.episode_seconds is None else self.episode_seconds
