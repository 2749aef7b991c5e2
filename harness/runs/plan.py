"""From an experiment to the units of work: environments made, tasks chosen, models made, one `Unit` per episode.

Units come in blocks: all arms on one task and repeat stand together, so that arms stay balanced when a run ends early.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from agents.models import REGISTRY as PROVIDERS
from agents.models import check_effort, make_model
from agents.models.base import Model
from agents.prompts import ACTOR_FIELDS
from agents.strategists import REFERENCE, kind_of, script_of
from environments.base import Task
from environments.prompts import PromptFields
from harness.base.errors import BadInput, nearest
from harness.base.seeds import episode_seed, stable_hash
from harness.experiment.beside import PromptFile
from harness.experiment.experiment import Cell, Experiment, cells
from harness.experiment.specs import (
    ActorSpec,
    JudgeSpec,
    JudgingSpec,
    ProcessSpec,
    RoleSpec,
    StrategistSpec,
)
from harness.judging.rewards.process import check_spec, process_kind
from harness.play.episode import EpisodePlan, Seat
from harness.reading.readers import EARLIER, TODAY
from harness.results.judge_kinds import judge_kind
from harness.runs.worlds import World, open_world, world_key

MOST_EPISODES = 10_000_000
"""A plan of so many takes some gigabytes."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One episode to be played; plain JSON values."""

    episode_id: str
    cell: str
    task_id: str
    order: int
    repeat: int
    block: int
    """Units of one block differ by arm only."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way in which a model is asked: what of its requests does not depend on the episode."""

    temperature: float | None
    max_tokens: int
    top_p: float | None
    stop: tuple[str, ...] | None
    reasoning_effort: str | None
    schema: bool
    """True if the answer has to follow a JSON schema."""
    role: str = field(compare=False)
    """The first of the roles that ask in this way."""


class Plan:
    """The experiment made concrete. Raises `BadInput` while it is built for anything that cannot be found: an
    environment, split, task, option, strategist, model, script, or data that is not imported."""

    def __init__(self, experiment: Experiment, readers: int = TODAY) -> None:
        """`readers`: those of the run that it is made for (`harness.reading.readers`)."""
        self.experiment = experiment
        self.readers = readers
        self.worlds = {world_key(spec): open_world(spec, readers) for spec in experiment.environments}
        made = {spec.name: self.worlds[world_key(spec)].environment for spec in experiment.environments}
        seats = {name: environment.seats for name, environment in made.items()}
        scripts = {name: tuple(environment.baselines) for name, environment in made.items()}
        self._check_scripts(scripts)
        followers = {
            name: [script for script, entry in environment.baselines.items() if entry.follow]
            for name, environment in made.items()
        }
        self.cells = {cell.id: cell for cell in cells(experiment, seats, scripts, followers)}
        self._world_of: dict[str, World] = {}
        self._check_roles()
        self.models: dict[str, Model] = {}
        self._refuse_too_many()
        self.units = list(self._units())

    def world(self, cell: Cell) -> World:
        if cell.id not in self._world_of:
            self._world_of[cell.id] = self.worlds[world_key(cell.environment)]
        return self._world_of[cell.id]

    def notes(self) -> list[str]:
        """Lines that a user should read before these splits are played, each once."""
        found: dict[str, None] = {}
        for spec in self.experiment.environments:
            world = self.worlds[world_key(spec)]
            found |= dict.fromkeys(f"{spec.shown} {spec.split}: {line}" for line in world.environment.notes(spec.split))
        return list(found)

    def planned(self) -> dict[str, int]:
        """Cell id -> number of episodes."""
        counts = dict.fromkeys(self.cells, 0)
        for unit in self.units:
            counts[unit.cell] += 1
        return counts

    def assisted(self, cell: Cell) -> str:
        """Which seats have a strategist other than vanilla: "none", "one", "both"; stands beside every score."""
        marks = [not kind_of(strategist.kind).reference for _, strategist in self._who(cell, 0)]
        if len(marks) == 1:
            return "yes" if marks[0] else "no"
        return {0: "none", 1: "one", 2: "both"}[sum(marks)]

    def model_names(self) -> list[str]:
        """Every model that is asked, the judges' included."""
        names = dict.fromkeys(
            name for cell in self.cells.values() for seat in self._who(cell, 0) for name in _models_of(*seat) if name
        )
        for judge in self.experiment.judges:
            names[judge.model] = None
        for process in self.experiment.process:
            if process.model is not None:
                names[process.model] = None
        return list(names)

    def played_by(self) -> dict[str, list[tuple[str, str]]]:
        """Model -> the (environment, task id) pairs that it plays or judges, each once."""
        found: dict[str, dict[tuple[str, str], None]] = {}
        for cell in self.cells.values():
            world = self.world(cell)
            tasks = dict.fromkeys((world.environment.name, task) for task in world.by_id)
            judging = (model for model, _ in self._judging_ways(cell))
            for name in (*self._players(cell), *judging):
                found.setdefault(name, {}).update(tasks)
        return {name: list(tasks) for name, tasks in found.items()}

    def seated(self, cell: Cell) -> list[tuple[ActorSpec, StrategistSpec]]:
        """Actor and strategist of each seat, in the first of the seat orders."""
        return self._who(cell, 0)

    def models_needed(self, cell: Cell, only_scoring: bool) -> Iterator[tuple[str, Way]]:
        """Models that an episode of that cell asks, with the ways of asking: all its players and judges, or, with
        `only_scoring`, the models that score a finished episode."""
        if not only_scoring or any(process_kind(spec.method).plays for spec in self._process_in(cell)):
            yield from self._playing_ways(cell)
        yield from self._judging_ways(cell)

    def _playing_ways(self, cell: Cell) -> Iterator[tuple[str, Way]]:
        world = self.world(cell)
        view = world.environment.reset(world.tasks[0], 0).view(0)
        for actor, strategist in self._who(cell, 0):
            if strategist.model is not None:
                yield strategist.model, _way("strategist", strategist, schema=False)
            if actor.model is not None:
                schema = world.environment.action_format.schema(view, False)
                yield actor.model, _way("actor", actor, schema=schema is not None)

    def _judging_ways(self, cell: Cell) -> Iterator[tuple[str, Way]]:
        """Ways of asking the judges of a cell's outcomes, where its world cannot tell them, and of its strategies."""
        world = self.world(cell)
        judges = self.experiment.judges
        if judges and world.environment.reset(world.tasks[0], 0).judge_background() is not None:
            yield from ((judge.model, asking_way(judge)) for judge in judges)
        for spec in self._process_in(cell):
            if spec.model is not None:
                yield spec.model, asking_way(spec)

    def _roles(self) -> Iterator[ActorSpec | StrategistSpec | JudgeSpec | ProcessSpec]:
        """Everything that asks a model, as the config says it."""
        for cell in self.cells.values():
            for seat in self._who(cell, 0):
                yield from seat
        yield from self.experiment.judges
        yield from self.experiment.process

    def _players(self, cell: Cell) -> Iterator[str]:
        for seat in self._who(cell, 0):
            yield from filter(None, _models_of(*seat))

    def _process_in(self, cell: Cell) -> Iterator[ProcessSpec]:
        """The process methods that look at a cell's episodes."""
        for spec in self.experiment.process:
            if spec.environments is None or cell.environment.shown in spec.environments:
                yield spec

    def open_models(self) -> None:
        """Make every model (no request is sent yet). Raises `BadInput` for an unknown name or a bad provider config."""
        for name in self.model_names():
            self.models[name] = self.make_model(name)
        for spec in self._roles():
            if spec.model is not None:
                check_effort(self.models[spec.model], spec.reasoning_effort)

    def make_model(self, name: str) -> Model:
        """One of the experiment's models, its texts read as the run reads them. Raises `BadInput`."""
        return open_model(name, model_config(self.experiment, name), self.readers)

    def episode(self, unit: Unit) -> EpisodePlan:
        """The plan for a unit that `play_episode` needs. Models that are not open are None in it: it can then be looked at, not
        played."""
        cell = self.cells[unit.cell]
        world = self.world(cell)
        task = world.by_id[unit.task_id]
        limits = self.experiment.limits
        return EpisodePlan(
            episode_id=unit.episode_id,
            cell=cell.id,
            pairing=cell.pairing,
            split=cell.environment.split,
            actor=cell.actor.label,
            strategist=cell.strategist.label,
            environment=world.environment,
            task=task,
            donors=world.all_tasks,
            seats=tuple(self._seat(world, cell, *who) for who in self._seating(cell, unit, task)),
            order=unit.order,
            repeat=unit.repeat,
            seed=episode_seed(self.experiment.seed, task.id, unit.repeat),
            turn_seconds=limits.turn,
            episode_seconds=limits.episode,
            turn_grows=limits.turn_seconds is None,
            episode_grows=limits.episode_seconds is None,
        )

    def _refuse_too_many(self) -> None:
        """Raise `BadInput` for a plan that no memory holds, before any of it is made."""
        orders = (len(_orders(cell, task)) for cell in self.cells.values() for task in self.world(cell).tasks)
        count = self.experiment.repeats * sum(orders)
        if count > MOST_EPISODES:
            raise BadInput(
                f"the experiment would be {count:,} episodes (`repeats: {self.experiment.repeats}`); a run holds at most "
                f"{MOST_EPISODES:,}. Lower `repeats`, or make several runs of it with other seeds."
            )

    def _units(self) -> Iterator[Unit]:
        """Block after block; the environments take turns, so that a run that ends early has some of each."""
        rows = zip_longest(*(self._blocks(key) for key in self.worlds))
        blocks = (block for row in rows for block in row if block is not None)
        for number, block in enumerate(blocks):
            for cell, task, order, repeat in block:
                episode_id = stable_hash("unit", cell.id, task.id, order, repeat)[:16]
                yield Unit(episode_id, cell.id, task.id, order, repeat, number)

    def _blocks(self, world_key: str) -> Iterator[list[tuple[Cell, Task, int, int]]]:
        """One block per repeat and task: every arm's orders on it."""
        here = [cell for cell in self.cells.values() if self.world(cell) is self.worlds[world_key]]
        for repeat in range(self.experiment.repeats):
            for task in self.worlds[world_key].tasks:
                yield [(cell, task, order, repeat) for cell in here for order in _orders(cell, task)]

    def _check_roles(self) -> None:
        experiment = self.experiment
        for strategist in experiment.strategists:
            kind = kind_of(strategist.kind)
            if kind.needs_model and strategist.model is None:
                raise BadInput(f"strategist {strategist.label!r} ({strategist.kind}) needs a `model`")
            if not kind.needs_model and strategist.model is not None:
                raise BadInput(f"strategist {strategist.label!r} ({strategist.kind}) asks no model; leave `model` out")
            if strategist.prompt is not None:
                if not kind.needs_model:
                    raise BadInput(
                        f"strategist {strategist.label!r} ({strategist.kind}) asks no model; leave `prompt` out"
                    )
                _check_prompt("strategist", strategist.label, strategist.prompt, kind.prompt_fields)
        for actor in (*experiment.actors, *experiment.partners):
            if actor.prompt is not None:
                _check_prompt("actor", actor.label, actor.prompt, ACTOR_FIELDS)
        for name in self.model_names():
            model_config(experiment, name)
        for judge in experiment.judges:
            fields = judge_kind(judge.kind).prompt_fields
            if judge.prompt is not None:
                if fields is None:
                    raise BadInput(f"judge {judge.kind!r} takes no prompt; leave `prompt` out")
                _check_prompt("judge", judge.kind, judge.prompt, fields)
        self._check_process()
        for cell in self.cells.values():
            for actor, strategist in self._who(cell, 0):
                self._check_partner(actor, cell)
                self._check_adviser(strategist, cell)

    def _check_process(self) -> None:
        shown = [cell.environment.shown for cell in self.cells.values()]
        for spec in self.experiment.process:
            kind = check_spec(spec)
            for name in spec.environments or []:
                if name not in shown:
                    raise BadInput(
                        f"process reward {spec.method!r}: no environment {name!r} in this experiment; it has: "
                        f"{', '.join(dict.fromkeys(shown))}.{nearest(name, shown)}"
                    )
            if kind.check:
                for world in self._worlds_played(spec.environments):
                    kind.check(world.environment, world.tasks[0])

    def _worlds_played(self, wanted: Sequence[str] | None) -> list[World]:
        """The worlds of the cells, each once; only those of environments of the wanted names, where some are wanted."""
        specs = [cell.environment for cell in self.cells.values()]
        keys = dict.fromkeys(world_key(spec) for spec in specs if wanted is None or spec.shown in wanted)
        return [self.worlds[key] for key in keys]

    def _check_scripts(self, scripts: Mapping[str, tuple[str, ...]]) -> None:
        """Every script has to be one of some environment's; an actor skips the environments that lack it."""
        known = sorted({name for names in scripts.values() for name in names})
        for actor in [*self.experiment.actors, *self.experiment.partners]:
            if actor.script is not None and actor.script not in known:
                raise BadInput(
                    f"no environment of the experiment has a scripted agent {actor.script!r}; they have: "
                    f"{', '.join(known) or 'none'}.{nearest(actor.script, known)}"
                )

    def _check_partner(self, actor: ActorSpec, cell: Cell) -> None:
        known = self.world(cell).environment.baselines
        if actor.script is not None and actor.script not in known:
            raise BadInput(
                f"environment {cell.environment.name!r} has no scripted agent {actor.script!r} to sit opposite; it has: "
                f"{', '.join(known) or 'none'}.{nearest(actor.script, known)}"
            )

    def _check_adviser(self, strategist: StrategistSpec, cell: Cell) -> None:
        known = self.world(cell).environment.advisers
        name = script_of(strategist.kind)
        if name is not None and name not in known:
            raise BadInput(
                f"environment {cell.environment.name!r} has no scripted strategist {name!r}; it has: "
                f"{', '.join(known) or 'none'}.{nearest(name, known)} `include` and `exclude` say who plays where."
            )

    def _who(self, cell: Cell, order: int) -> list[tuple[ActorSpec, StrategistSpec]]:
        """Actor and strategist of each seat."""
        own = (cell.actor, cell.strategist)
        if self.world(cell).environment.seats == 1:
            return [own]
        if cell.partner is None:
            return [own, own]
        other = (self._partner_actor(cell), self._partner_strategist(cell))
        return [own, other] if order == 0 else [other, own]

    def _partner_actor(self, cell: Cell) -> ActorSpec:
        assert cell.partner is not None
        if cell.partner.actor == "same":
            return cell.actor
        known = [*self.experiment.actors, *self.experiment.partners]
        return next(actor for actor in known if actor.label == cell.partner.actor)

    def _partner_strategist(self, cell: Cell) -> StrategistSpec:
        assert cell.partner is not None
        if cell.partner.strategist == "same":
            return cell.strategist
        named = [spec for spec in self.experiment.strategists if spec.label == cell.partner.strategist]
        return named[0] if named else StrategistSpec(kind=REFERENCE)

    def _seating(self, cell: Cell, unit: Unit, task: Task) -> list[tuple[ActorSpec, StrategistSpec, bool]]:
        """Actor, strategist and whether the seat's score counts, per seat."""
        who = self._who(cell, unit.order)
        if len(who) == 1:
            tested = [True]
        elif cell.partner is None:
            counted = task.data.get("tested_seats", [0, 1])
            tested = [seat in counted for seat in (0, 1)]
        else:
            tested = [seat == unit.order for seat in (0, 1)]
        return [(actor, strategist, mark) for (actor, strategist), mark in zip(who, tested, strict=True)]

    def _seat(self, world: World, cell: Cell, actor: ActorSpec, strategist: StrategistSpec, tested: bool) -> Seat:
        return Seat(
            strategist=kind_of(strategist.kind).make(),
            strategist_spec=strategist,
            strategist_model=self.models.get(strategist.model or ""),
            actor_spec=actor,
            actor_model=self.models.get(actor.model or ""),
            baseline=world.environment.baselines[actor.script] if actor.script else None,
            tested=tested,
        )


def _check_prompt(role: str, label: str, prompt: PromptFile, fields: PromptFields) -> None:
    """Raise `BadInput` for a prompt of the user's with an unknown or a missing field."""
    fields.check(prompt.named(role, label), f"{role} {label!r}: prompt {prompt.file}")


def model_config(experiment: Experiment, name: str) -> dict[str, Any]:
    """The provider config of a model named in the experiment. `provider:model` needs no entry."""
    if name in experiment.models:
        return dict(experiment.models[name])
    provider, colon, model = name.partition(":")
    if colon and provider and model:
        return {"provider": provider, "model": model}
    known = list(experiment.models)
    raise BadInput(
        f"unknown model {name!r}; the config's `models` has: {', '.join(known) or 'none'}.{nearest(name, known)} "
        "Add it there, or write it as `provider:model`."
    )


def asking_way(spec: JudgingSpec) -> Way:
    """The way a judge asks its model: for a structured answer."""
    return _way("judge", spec, schema=True)


def _way(role: str, spec: RoleSpec | JudgingSpec, *, schema: bool) -> Way:
    return Way(spec.temperature, spec.max_tokens, spec.top_p, spec.stop, spec.reasoning_effort, schema, role)


def open_model(name: str, config: Mapping[str, Any], readers: int) -> Model:
    """A model as runs with these readers ask it: under the earlier ones its texts are taken as they come, reasoning
    included, and no room for reasoning is asked for. Raises `BadInput`."""
    if readers != EARLIER or config.get("provider") not in PROVIDERS.builtin:
        return make_model(name, config)
    room = {} if config["provider"] == "scripted" else {"reasoning_tokens": 0}
    return make_model(name, {**config, "reasoning": False, **room})


def _models_of(actor: ActorSpec, strategist: StrategistSpec) -> tuple[str | None, str | None]:
    return actor.model, strategist.model


def _orders(cell: Cell, task: Task) -> list[int]:
    """Seats in which the tested agent plays this task. If pairing and task name no common seat, the task's seats win."""
    if cell.partner is None:
        return [0]
    wanted = {"first": [0], "second": [1], "both": [0, 1]}[cell.partner.orders]
    tested = list(task.data.get("tested_seats", wanted))
    return [seat for seat in wanted if seat in tested] or tested
