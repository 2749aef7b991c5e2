"""The experiment: what the user writes (YAML), checked, and the matrix of cells it stands for.

environment × pairing × actor × strategist give the cells; a cell's tasks × orders × repeats give its units, and a
unit played once is an episode. The identity of an experiment is a hash over the options that change outputs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationError, WithJsonSchema, field_validator, model_validator

from agents.strategists import REFERENCE, actor_thinks
from harness.base.errors import BadInput, nearest
from harness.base.yamltext import name_of, read_yaml
from harness.experiment.beside import MethodName, ModelEntry, StrategistName
from harness.experiment.identity import identity_of
from harness.experiment.manifest_form import AXES, SEPARATOR
from harness.experiment.specs import (
    ActorSpec,
    EnvironmentSpec,
    JudgeSpec,
    Limits,
    PartnerSpec,
    ProcessSpec,
    Spec,
    StrategistSpec,
)


def _one_or_panel(value: Any) -> str:
    return "panel" if isinstance(value, list) else "one"


JudgeSpecs = Annotated[
    Annotated[JudgeSpec, Tag("one")] | Annotated[list[JudgeSpec], Field(min_length=1), Tag("panel")],
    Discriminator(_one_or_panel),
]


CellPattern = Annotated[
    dict[str, str],
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                axis: {
                    "type": "string",
                    "description": f"The {axis}'s name as results show it; * and ? stand for any text.",
                }
                for axis in AXES
            },
            "additionalProperties": False,
        }
    ),
]


class Experiment(Spec):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,80}$")
    """The experiment's name; its runs' folders begin with it."""
    description: str = ""
    """A sentence on what it is for, shown beside its results. It changes nothing."""
    seed: int = 0
    """Seed of everything that is drawn: order of tasks, seats, sampling."""
    environments: list[EnvironmentSpec] = Field(min_length=1)
    """The worlds to play in, each with its split and tasks."""
    models: dict[str, ModelEntry] = {}
    """Name -> provider config. A role may also name a model as `provider:model` without an entry here."""
    actors: list[ActorSpec] = Field(min_length=1)
    """The agents that act: a model's name, `script:NAME`, or a mapping. Each one plays with every strategist."""
    partners: list[ActorSpec] = []
    """Actors that only sit opposite."""
    strategists: list[StrategistSpec] = Field(min_length=1)
    """The strategists to compare: a kind's name or a mapping. `vanilla`, no strategist, is the reference."""
    pairings: list[Literal["self-play"] | PartnerSpec] = ["self-play"]
    """Partners in two-seat environments. self-play: the same agent in both seats, both scored."""
    repeats: int = Field(1, ge=1)
    """Number of times each task is played, each time with another seed."""
    judge: JudgeSpecs | None = None
    """One judge, or a list of them: a panel."""
    judge_aggregate: Literal["mean", "median"] = "mean"
    """Rule that makes a panel's scores one."""
    process: list[ProcessSpec] = []
    """Process rewards that are given as soon as an episode is scored."""
    include: list[CellPattern] = []
    """Keep only cells that match one of these; keys: environment, split, pairing, actor, strategist; values: names with
    * and ?."""
    exclude: list[CellPattern] = []
    """Leave out cells that match one of these; written as `include`."""
    questions: list[str] = []
    """Strategists that the run asks about: whether each scores otherwise than the reference. Their p values are corrected
    together. All that are no controls when left out."""
    limits: Limits = Limits()
    """Deadlines, and how many episodes are played at once."""
    log: Literal["tensorboard", "wandb"] | None = None
    """Also log goals, counts and costs there while the run is at work (harness.exchange.livelog)."""

    @field_validator("actors", "partners", mode="before", json_schema_input_type=list[str | ActorSpec])
    @classmethod
    def _actor_shorthand(cls, value: Any) -> Any:
        return _each(value, lambda text: {"script": text[7:]} if text.startswith("script:") else {"model": text})

    @field_validator("strategists", mode="before", json_schema_input_type=list[StrategistName | StrategistSpec | None])
    @classmethod
    def _strategist_shorthand(cls, value: Any) -> Any:
        return _each(value, lambda text: {"kind": text})

    @field_validator("judge", mode="before", json_schema_input_type=str | JudgeSpec | list[str | JudgeSpec] | None)
    @classmethod
    def _judge_shorthand(cls, value: Any) -> Any:
        value = {"model": value} if isinstance(value, str) else value
        return _each(value, lambda text: {"model": text})

    @field_validator("process", mode="before", json_schema_input_type=list[MethodName | ProcessSpec])
    @classmethod
    def _process_shorthand(cls, value: Any) -> Any:
        return _each(value, lambda text: {"method": text})

    @field_validator("include", "exclude")
    @classmethod
    def _known_axes(cls, value: list[dict[str, str]]) -> list[dict[str, str]]:
        for pattern in value:
            for key in pattern:
                if key not in AXES:
                    raise ValueError(f"unknown axis {key!r}; axes are {', '.join(AXES)}.{nearest(key, AXES)}")
        return value

    @model_validator(mode="after")
    def _names_fit(self) -> Experiment:
        _unique("environments", [f"{e.shown} | {e.split}" for e in self.environments], parts=2)
        _unique("actors", [a.label for a in [*self.actors, *self.partners]])
        _unique("strategists", [s.label for s in self.strategists])
        _unique("pairings", [pairing_label(p) for p in self.pairings])
        _unique_judges([_judge_label(judge) for judge in self.judges])
        actors = ["same", *(a.label for a in [*self.actors, *self.partners])]
        strategists = ["same", REFERENCE, *(s.label for s in self.strategists)]
        for name in self.questions:
            _known("question", name, [s.label for s in self.strategists])
        for pairing in self.pairings:
            if isinstance(pairing, PartnerSpec):
                _known("partner's actor", pairing.actor, actors)
                _known("partner's strategist", pairing.strategist, strategists)
        return self

    @property
    def judges(self) -> list[JudgeSpec]:
        """The judges, none, one or a panel."""
        if self.judge is None:
            return []
        return list(self.judge) if isinstance(self.judge, list) else [self.judge]

    @property
    def parts(self) -> list[str]:
        """Names of the parts that it is made of, those in files among them."""
        names = [*(spec.name for spec in self.environments), *(spec.kind for spec in self.strategists)]
        names += [*(judge.kind for judge in self.judges), *(spec.method for spec in self.process)]
        return [*names, *(str(model.get("provider")) for model in self.models.values())]

    @property
    def identity(self) -> str:
        """Hash over everything that changes outputs: not the description, the limits, or where a model is."""
        return identity_of(self.model_dump(mode="json"))

    @property
    def run_name(self) -> str:
        return f"{self.name}-{self.identity[:8]}"


def pairing_label(pairing: str | PartnerSpec) -> str:
    return pairing if isinstance(pairing, str) else pairing.label


def _each(value: Any, expand: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [expand(item) if isinstance(item, str) else item for item in map(name_of, value)]


def _unique(what: str, labels: list[str], parts: int = 1) -> None:
    """Labels are told apart, and `parts` of them joined by the cell's separator can be taken apart again."""
    for label in labels:
        if label.count(SEPARATOR) >= parts:
            raise ValueError(
                f"one of the {what} is called {label!r}; {SEPARATOR!r} stands between the parts of a cell's name"
            )
        if labels.count(label) > 1:
            raise ValueError(
                f"two {what} are called {label!r}; give one of them another `name` (environments: `label`)"
            )


def _judge_label(judge: JudgeSpec) -> str:
    version = "" if judge.prompt is None else f" with the prompt {judge.prompt.named('judge', judge.kind).version}"
    return f"{judge.kind} on {judge.model}{version}"


def _unique_judges(labels: list[str]) -> None:
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"the panel has the judge {label} twice; `harness judge RUN --again 1` asks a judge again")


def _known(what: str, name: str, known: list[str]) -> None:
    if name not in known:
        raise ValueError(f"unknown {what} {name!r}; known: {', '.join(known)}.{nearest(name, known)}")


class Cell(Spec):
    """One point of the matrix, without its tasks."""

    environment: EnvironmentSpec
    pairing: str
    partner: PartnerSpec | None
    """None in self-play and in environments with one seat."""
    actor: ActorSpec
    strategist: StrategistSpec

    @cached_property
    def id(self) -> str:
        parts = (self.environment.shown, self.environment.split, self.pairing, self.actor.label, self.strategist.label)
        return SEPARATOR.join(parts)


def cells(
    experiment: Experiment,
    seats: Mapping[str, int],
    scripts: Mapping[str, Collection[str]] | None = None,
    followers: Mapping[str, Collection[str]] | None = None,
) -> list[Cell]:
    """The matrix in a stable order. `seats` gives the number of seats per environment name; where that is one, the
    pairings fall together into `solo`. A scripted actor meets only `vanilla` (it hears no strategy) unless it is one
    that follows strategies (`followers`: environment name -> names), and only the environments that have its script
    (`scripts`: environment name -> names; all when left out). Raises `BadInput` for an empty matrix."""
    found: dict[str, Cell] = {}
    for environment in experiment.environments:
        pairings = experiment.pairings if seats[environment.name] > 1 else ["solo"]
        for pairing in pairings:
            for actor in experiment.actors:
                for strategist in experiment.strategists:
                    if actor.script is not None:
                        follows = actor.script in (followers or {}).get(environment.name, ())
                        if not follows or actor_thinks(strategist.kind):  # a script writes no thoughts
                            strategist = StrategistSpec(kind=REFERENCE)
                        if scripts is not None and actor.script not in scripts[environment.name]:
                            continue
                    partner = pairing if isinstance(pairing, PartnerSpec) else None
                    cell = Cell(
                        environment=environment,
                        pairing=pairing_label(pairing),
                        partner=partner,
                        actor=actor,
                        strategist=strategist,
                    )
                    if _wanted(cell, experiment):
                        found.setdefault(cell.id, cell)
    if not found:
        raise BadInput(
            "the experiment's matrix is empty: `include` and `exclude` leave no cell. "
            "Check their names against `harness run --dry-run` without them."
        )
    return list(found.values())


def _wanted(cell: Cell, experiment: Experiment) -> bool:
    values = {
        "environment": cell.environment.shown,
        "split": cell.environment.split,
        "pairing": cell.pairing,
        "actor": cell.actor.label,
        "strategist": cell.strategist.label,
    }

    def matches(pattern: Mapping[str, str]) -> bool:
        return all(fnmatchcase(values[axis], glob) for axis, glob in pattern.items())

    kept = not experiment.include or any(matches(pattern) for pattern in experiment.include)
    return kept and not any(matches(pattern) for pattern in experiment.exclude)


def load_experiment(path: Path | None, text: str, overrides: list[str]) -> Experiment:
    """The experiment in a YAML text, with `--set a.b=c` applied. Files that it
    names are looked for beside `path`. Raises `BadInput`."""
    where = str(path) if path else "the built-in quick-start"
    raw = read_yaml(text, where)
    return checked_experiment(raw, where, overrides, path.parent if path else Path())


def checked_experiment(raw: Any, where: str, overrides: Sequence[str] = (), folder: Path | None = Path()) -> Experiment:
    """Check an experiment that is a mapping, as YAML gives it, with `--set a.b=c` applied to it. `where` names it in
    messages; files that it names are looked for in `folder`; with None it may name none. Raises `BadInput`."""
    if not isinstance(raw, dict):
        raise BadInput(f"{where}: expected a mapping with keys such as `name` and `environments`, got {raw!r:.80}")
    for override in overrides:
        apply_override(raw, override)
    try:
        return Experiment.model_validate(raw, context=None if folder is None else {"folder": folder})
    except ValidationError as error:
        raise BadInput(explain(error, where)) from None


def apply_override(raw: dict[str, Any], override: str) -> None:
    """Set one value by its dotted path; list items by number (`strategists.0.model=x`)."""
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise BadInput(f"--set {override!r}: expected KEY.KEY=VALUE, for example --set repeats=3")
    try:
        value = read_yaml(text, f"--set {path}")
    except BadInput:
        value = text
    node: Any = raw
    keys = path.split(".")
    try:
        for key in keys[:-1]:
            node = node[int(key)] if isinstance(node, list) else node.setdefault(key, {})
        if isinstance(node, list):
            node[int(keys[-1])] = value
        else:
            node[keys[-1]] = value
    except (IndexError, ValueError, TypeError, AttributeError):
        raise BadInput(f"--set {override!r}: there is no place {path!r} in the config") from None


def explain(error: ValidationError, where: str) -> str:
    """One line per problem, naming file, key, what was expected, and the nearest right key."""
    lines = []
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"] if not _is_tag(part))
        if item["type"] == "extra_forbidden":
            key = str(item["loc"][-1])
            known = sorted(_known_keys(item["loc"]))
            lines.append(f"{where}: unknown key `{place}`; known here: {', '.join(known)}.{nearest(key, known)}")
        else:
            message = item["msg"].removeprefix("Value error, ")
            lines.append(
                f"{where}: `{place}`: {message} (got {item['input']!r:.80})" if place else f"{where}: {message}"
            )
    return "\n".join(dict.fromkeys(lines))


def _is_tag(part: int | str) -> bool:
    """True if a part of an error's place is pydantic's name for a branch, not a key that a user wrote."""
    return str(part) in ("one", "panel") or str(part).startswith(("literal", "PartnerSpec"))


PLACES: dict[str, type[Spec]] = {
    "environments": EnvironmentSpec,
    "actors": ActorSpec,
    "partners": ActorSpec,
    "strategists": StrategistSpec,
    "pairings": PartnerSpec,
    "judge": JudgeSpec,
    "process": ProcessSpec,
    "limits": Limits,
}


def _known_keys(location: tuple[int | str, ...]) -> set[str]:
    model = PLACES.get(str(location[0]), Experiment) if len(location) > 1 else Experiment
    return set(model.model_fields)
