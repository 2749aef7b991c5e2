"""Config of a training (YAML), checked: which weights, on which tasks they play and learn, on which others they are ranked,
who acts, who judges, and how the weights are fitted.

The identity of a training is a hash over the options that change outputs; its folder is `<name>-<hash>`, so an edited config
becomes a new training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from agents.models.local.adapters import adapter_path
from agents.strategists import kinds_beside_trained
from harness.base.errors import BadInput, nearest
from harness.base.part_files import shown_name
from harness.base.seeds import stable_hash
from harness.base.yamltext import name_of, read_yaml, text_of
from harness.experiment.beside import EnvironmentName, MethodName, ModelEntry, StrategistName
from harness.experiment.experiment import JudgeSpecs, apply_override
from harness.experiment.identity import identity_of
from harness.experiment.identity_0_1 import earlier_options
from harness.experiment.specs import (
    ActorSpec,
    JudgeSpec,
    Limits,
    PartnerSpec,
    ProcessSpec,
    RoleSpec,
    Spec,
    StrategistSpec,
)
from harness.training.data.prepare import PrepareOptions
from harness.training.fit.options import TrainOptions

WEIGHTS_PROVIDERS = ("transformers", "vllm")
"""The providers that serve a folder of weights, so that a checkpoint is served as the start was."""


OneOrMore = MethodName | ProcessSpec | list[MethodName | ProcessSpec]


class TasksSpec(Spec):
    split: str
    """The environment's split that tasks are taken from; `harness list` shows them."""
    tasks: int | list[str] | None = None
    """Number of tasks (the first n of the split's stable order), or their ids; null = all."""


class EnvironmentPart(Spec):
    """One environment: where the strategist trains in it, and where it is ranked."""

    name: EnvironmentName
    """sotopia, webshop, alfworld, a plug-in or PATH.py:NAME; `harness list` shows them."""
    label: str = Field("", pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,40})?$")
    """Shown in results instead of the name."""
    options: dict[str, Any] = {}
    """The environment's own options, for example `protocol` or `max_turns`."""
    train: TasksSpec | None = None
    """null: it is ranked here and does not learn here."""
    held_out: TasksSpec | None = None
    """null: it learns here and is not ranked here."""

    @property
    def shown(self) -> str:
        return self.label or shown_name(self.name)


class StrategistPart(RoleSpec):
    """Settings with which the strategist under training is asked when it is ranked. `play` may set another temperature for
    training."""

    model: str
    """A model of `models` whose provider serves a folder of weights: where the training starts."""


class PlayPart(Spec):
    """The play that the strategist learns from. In two-seat environments it sits in both seats."""

    temperature: float | None = Field(None, ge=0, le=2)
    """The strategist's sampling temperature; the strategist's own when left out."""
    repeats: int = Field(1, ge=1)
    """Number of times each task is played in an iteration."""
    tasks_per_iteration: int | None = Field(None, ge=1)
    """So many of each environment's training tasks per iteration, taking turns; null = all of them every time."""
    again: bool = False
    """Plays the same seeds in every iteration; otherwise each iteration draws new ones."""


class MethodPart(Spec):
    """Method by which the strategist learns from its play. The other keys belong to `grpo` (`harness.training.loop.grpo`)."""

    name: Literal["epo", "grpo"] = "epo"
    """`epo`: plays an iteration, then learns from it, each strategy weighted by its return. `grpo`: every step plays its own
    episodes with the weights as they are and learns from how they compare with the others of their group."""
    reward: Literal["outcome", "process"] = "outcome"
    """Value of an episode's seat: its outcome (the goal in the environment's own metric), or the discounted sum of its process
    rewards, r_1 + gamma r_2 + … (`data.gamma`)."""
    scale: Literal["group", "batch", "none"] = "group"
    """Divisor of a reward's distance from its group's mean: the standard deviation of the group, of the step, or 1."""
    average: Literal["episode", "token"] = "episode"
    """Unit that counts alike in the loss: episodes (Shao et al. 2024), or tokens (Yu et al. 2025)."""
    updates: int = Field(1, ge=1)
    """Optimizer steps on what one step has played; above 1 the importance ratio is clipped."""

    @model_validator(mode="after")
    def _fits(self) -> MethodPart:
        own = sorted(self.model_fields_set - {"name"})
        if self.name == "epo" and own:
            raise ValueError(f"{', '.join(own)}: only `name: grpo` has these; EPO's are `data` and `fit`")
        return self


class HeldOutPart(Spec):
    """Ranking of all strategists: the same held-out tasks and seeds for all."""

    seed: int | None = None
    """Seed of the rankings; the training's own when left out. Trainings with other seeds are then ranked on the same draws."""
    repeats: int = Field(1, ge=1)
    """Number of times each task is played, each time with another seed."""
    beside: list[StrategistSpec] = [StrategistSpec(kind=kind) for kind in kinds_beside_trained()]
    """Strategists ranked beside the iterations. Those that need a model are asked as `strategist` says, on the start. With none
    (`[]`) the iterations are ranked alone, and no untrained strategist."""
    pairings: list[Literal["self-play"] | PartnerSpec] = ["self-play"]
    """Partners in two-seat environments. self-play: the same agent in both seats, both scored."""
    every: int = Field(1, ge=1)
    """Rank every n-th iteration; the last one always."""

    @field_validator("beside", mode="before", json_schema_input_type=list[StrategistName | StrategistSpec | None])
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        items = map(name_of, value) if isinstance(value, list) else value
        return [{"kind": item} if isinstance(item, str) else item for item in items]


class TrainConfig(Spec):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,60}$")
    """The training's name; its folder begins with it."""
    description: str = ""
    """A sentence on what it is for. It changes nothing."""
    seed: int = 0
    """Seed of everything that is drawn: tasks, sampling, the order of the data."""
    iterations: int = Field(1, ge=1, le=1000)
    """Rounds of play and learning."""
    environments: list[EnvironmentPart] = Field(min_length=1)
    """The worlds that the strategist learns in and is ranked in."""
    models: dict[str, ModelEntry]
    """Name -> provider config, as in an experiment. The one that `strategist` names is trained."""
    strategist: StrategistPart
    """The strategist under training, and how it is asked."""
    actor: ActorSpec
    """The agent that acts on the strategies: a model's name, `script:NAME`, or a mapping. It is not trained."""
    play: PlayPart = PlayPart()
    """The play that an iteration learns from."""
    judge: JudgeSpecs | None = None
    """Scores episodes where the world cannot."""
    judge_aggregate: Literal["mean", "median"] = "mean"
    """Rule that makes a panel's scores one."""
    method: MethodPart = MethodPart()
    """Method by which the weights learn from play: `epo`, `grpo`, or a mapping."""
    process: list[ProcessSpec] = []
    """Process rewards of single strategies. Every environment needs exactly one method that applies to it; `grpo` on outcomes
    needs none."""
    begin_with: Path | None = Field(None, exclude_if=lambda value: value is None)
    """A data set that iteration 1 learns from instead of from its own play: a folder of `harness train prepare`, or a file in
    EPO's format."""
    data: PrepareOptions = PrepareOptions()
    """Options for making weighted token sequences of episodes: layout, gamma, normalize, max_length."""
    fit: TrainOptions = TrainOptions()
    """Options of fitting the weights: learning rate, epochs, batch, LoRA. Every iteration goes on from the last one's weights,
    on its own episodes."""
    held_out: HeldOutPart = HeldOutPart()
    """The ranking of the iterations, and who stands beside them."""
    owed_share: float = Field(0.0, ge=0, le=1)
    """The training goes on while at most this share of an iteration's episodes is unfinished (failed through an endpoint,
    without a readable judgement or process reward); they are left out of training and counted in the curve."""
    limits: Limits = Limits()
    """Deadlines, and how many episodes are played at once."""

    @field_validator("actor", mode="before", json_schema_input_type=str | ActorSpec)
    @classmethod
    def _actor_shorthand(cls, value: Any) -> Any:
        if isinstance(value, str) and value.startswith("script:"):
            return {"script": value.removeprefix("script:")}
        return {"model": value} if isinstance(value, str) else value

    @field_validator("judge", mode="before", json_schema_input_type=str | JudgeSpec | list[JudgeSpec] | None)
    @classmethod
    def _judge_shorthand(cls, value: Any) -> Any:
        return {"model": value} if isinstance(value, str) else value

    @field_validator("method", mode="before", json_schema_input_type=str | MethodPart)
    @classmethod
    def _method_shorthand(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("process", mode="before", json_schema_input_type=OneOrMore)
    @classmethod
    def _process_shorthand(cls, value: Any) -> Any:
        items = value if isinstance(value, list) else [value]
        return [{"method": item} if isinstance(item, str) else item for item in items]

    @model_validator(mode="after")
    def _fits(self) -> TrainConfig:
        shown = [each.shown for each in self.environments]
        for name in shown:
            if shown.count(name) > 1:
                raise ValueError(f"two environments are called {name!r}; give one of them a `label`")
        for spec in self.process:
            for name in spec.environments or []:
                if name not in shown:
                    raise ValueError(
                        f"`process`: no environment {name!r} here; there are {', '.join(shown)}.{nearest(name, shown)}"
                    )
        for key in ("train", "held_out") if self.plays else ("held_out",):
            if all(getattr(each, key) is None for each in self.environments):
                raise ValueError(f"no environment has `{key}`: there is nothing to {key.replace('_', ' ')}")
        for name in (each.shown for each in self.environments if each.train is not None):
            methods = [spec.method for spec in self.process if spec.environments is None or name in spec.environments]
            if len(methods) != 1 and self.learns_from_process and self.plays:
                raise ValueError(
                    f"`process`: environment {name!r} has {len(methods)} methods ({', '.join(methods) or 'none'}); "
                    "training needs exactly one, narrow them with `environments: [...]`"
                )
        for key in ("held_out", "rewards", "models"):
            if getattr(self.data, key):
                raise ValueError(f"`data.{key}` is set by the training itself; leave it out")
        if self.fit.lora is not None and not self.fit.lora.merge:
            raise ValueError("`fit.lora.merge: false`: self-play serves whole weights each iteration; leave it at true")
        if self.method.name == "grpo":
            self._check_grpo()
        self._check_start()
        return self

    def _check_grpo(self) -> None:
        """Check the parts that GRPO needs, and refuse those it has no use for."""
        group, step = self.play.repeats, self.fit.batch * self.fit.accumulation
        if group < 2:
            raise ValueError(
                f"`play.repeats: {group}`: grpo compares the episodes of a task with each other, `play.repeats` of them are "
                "a group; at least 2, usually 8"
            )
        if step % group:
            raise ValueError(
                f"`fit.batch` × `fit.accumulation` = {step} episodes a step; with grpo it has to be a multiple of "
                f"`play.repeats` = {group}, so that groups are whole"
            )
        if self.playing_temperature == 0:
            raise ValueError(
                "`play.temperature: 0`: a group would play one episode over and over; grpo needs it above 0"
            )
        refused = {
            "begin_with": (self.begin_with is not None, "grpo learns from what its own weights have just played"),
            "fit.launch": (self.fit.launch is not None, "grpo plays with the weights it trains, in this one process"),
            "fit.ratio": (self.fit.ratio != "token", "grpo clips token by token"),
            "fit.kl_reference": (self.fit.kl_reference is not None, "grpo's is where the iteration starts from"),
        }
        for key, (wrong, why) in refused.items():
            if wrong:
                raise ValueError(f"`{key}` cannot be set with grpo: {why}; leave it out")

    def _check_start(self) -> None:
        name = self.strategist.model
        if name not in self.models:
            known = ", ".join(self.models) or "none"
            raise ValueError(
                f"`strategist.model`: no model {name!r} in `models` ({known}).{nearest(name, self.models)}"
            )
        provider = self.models[name].get("provider")
        if provider not in WEIGHTS_PROVIDERS:
            raise ValueError(
                f"`strategist.model`: {name!r} is served by {provider!r}; weights can be trained that one of "
                f"{', '.join(WEIGHTS_PROVIDERS)} serves from a folder (`harness models convert` makes one of a GGUF file)"
            )

        if adapter_path(self.start) is not None:
            raise ValueError(
                f"the adapter of `models.{name}`: training moves the weights below an adapter; merge it into them first"
            )

    @property
    def start(self) -> dict[str, Any]:
        """The config of the model that is trained."""
        return dict(self.models[self.strategist.model])

    @property
    def records_logprobs(self) -> bool:
        """True if what is learnt from has the log-probabilities with which the engine sampled it."""
        target = self.data.target or ("chat" if self.data.layout == "chat" else "sampled")
        return bool(self.start.get("tokens")) and target == "sampled"

    @property
    def plays(self) -> bool:
        """True if any iteration learns from its own play."""
        return self.begin_with is None or self.iterations > 1

    @property
    def learns_from_process(self) -> bool:
        return self.method.name == "epo" or self.method.reward == "process"

    @property
    def playing_temperature(self) -> float:
        """The strategist's, while it plays what it learns from."""
        own = 1.0 if self.strategist.temperature is None else self.strategist.temperature
        return own if self.play.temperature is None else self.play.temperature

    @property
    def identity(self) -> str:
        """Hash over everything that changes outputs: not the description, the limits, or where a model is."""
        return identity_of(self.model_dump(mode="json"), "training")

    @property
    def folder_name(self) -> str:
        return f"{self.name}-{self.identity[:8]}"

    @property
    def earlier_name(self) -> str:
        """Name that version 0.1 gave to the training's folder."""
        identity = stable_hash("training", earlier_training_options(self.model_dump(mode="json")))
        return f"{self.name}-{identity[:8]}"


def earlier_training_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a dumped config that version 0.1 made the identity of. What came later is left out at its default."""
    kept = earlier_options(config)
    if kept.get("method") == MethodPart().model_dump(mode="json"):
        del kept["method"]
    for part, key, default in (("data", "keep", "all"), ("held_out", "seed", None)):
        if key in kept.get(part, {}) and kept[part][key] == default:
            kept[part] = {name: value for name, value in kept[part].items() if name != key}
    return kept


def load_train_config(path: Path, overrides: list[str]) -> TrainConfig:
    """The training in a YAML file, with `--set a.b=c` applied. Raises `BadInput`."""
    try:
        raw = read_yaml(text_of(path), str(path))
    except FileNotFoundError:
        raise BadInput(f"there is no training file {path}; recipes/ has some to start from") from None
    if not isinstance(raw, dict):
        raise BadInput(f"{path}: expected a mapping with keys such as `name` and `environments`, got {raw!r:.80}")
    for override in overrides:
        apply_override(raw, override)
    try:
        return TrainConfig.model_validate(raw, context={"folder": path.parent})
    except ValidationError as error:
        raise BadInput("\n".join(dict.fromkeys(_problems(error, str(path))))) from None


def _problems(error: ValidationError, where: str) -> Iterator[str]:
    """One line per problem: file, key, what was expected, the nearest right key."""
    for item in error.errors():
        parts = [str(part) for part in item["loc"] if str(part) not in ("one", "panel", "PartnerSpec", "self-play")]
        place = ".".join(part for part in parts if not part.startswith("literal["))
        if item["type"] == "extra_forbidden":
            known = _keys_at(TrainConfig, [str(part) for part in item["loc"][:-1]])
            hint = nearest(str(item["loc"][-1]), known)
            yield f"{where}: unknown key `{place}`; known here: {', '.join(known)}.{hint}"
        else:
            message = item["msg"].removeprefix("Value error, ")
            yield f"{where}: `{place}`: {message} (got {item['input']!r:.80})" if place else f"{where}: {message}"


def _keys_at(kind: type[BaseModel], location: list[str]) -> list[str]:
    """The keys of the model at a place of the config."""
    for part in location:
        if part not in kind.model_fields:
            continue  # a list's number, or a branch's name
        kind = next(_models_in(kind.model_fields[part].annotation), kind)
    return sorted(kind.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models_in(part)
