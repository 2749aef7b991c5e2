"""The experiments a training plays: per iteration one on training tasks, and one on held-out tasks for the start and for
every iteration. Tasks are named one by one, so that what was trained on and what is ranked on can be held against each
other before anything is played."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import environments
from agents.strategists import kind_of, training_kinds
from environments.base import Task
from harness.base.counts import counted, is_or_are
from harness.base.errors import BadInput
from harness.base.seeds import seed_from
from harness.experiment.experiment import Experiment
from harness.experiment.identity import identity_options
from harness.experiment.identity_0_1 import earlier_options
from harness.experiment.specs import EnvironmentSpec, ProcessSpec
from harness.reading.readers import EARLIER
from harness.results.leaks import SHOWN, card_of, overlap, read_training_tasks, task_hash
from harness.runs.worlds import choose_tasks
from harness.training.fit.checkpoint import REVISION
from harness.training.loop.config import EnvironmentPart, TasksSpec, TrainConfig
from harness.training.loop.given import given_tasks

UNTRAINED, TRAINED = training_kinds()
"""Kinds of the strategist under training: as it starts, and after an iteration."""


@dataclass(frozen=True, slots=True)
class Tasks:
    """The tasks of one environment of the training."""

    part: EnvironmentPart
    train: tuple[Task, ...]
    held_out: tuple[Task, ...]

    missing: str | None = None
    """Reason there are none: data that is not on this machine."""


def find_tasks(config: TrainConfig, without_data: bool = False) -> list[Tasks]:
    """Every environment's tasks. Raises `BadInput` for what is not there (`without_data`: data that is not on this machine
    is noted instead), and where a task is both trained on and ranked on: between this training's own lists, and for tasks
    that the start weights were trained on before."""
    found = []
    for part in config.environments:
        try:
            found.append(Tasks(part, _tasks(part, part.train), _tasks(part, part.held_out)))
        except BadInput as problem:
            known = environments.make(part.name, part.options).splits()
            splits = [spec.split for spec in (part.train, part.held_out) if spec is not None]
            if not without_data or any(split not in known for split in splits):
                raise
            found.append(Tasks(part, *_known(part), missing=str(problem)))
    _refuse_overlap(config, found)
    return found


def _known(part: EnvironmentPart) -> tuple[tuple[Task, ...], tuple[Task, ...]]:
    """The training and the held-out tasks, those of a list without the data of it left out."""
    lists: list[tuple[Task, ...]] = []
    for spec in (part.train, part.held_out):
        try:
            lists.append(_tasks(part, spec))
        except BadInput:
            lists.append(())
    return lists[0], lists[1]


def _tasks(part: EnvironmentPart, spec: TasksSpec | None) -> tuple[Task, ...]:
    if spec is None:
        return ()
    wanted = EnvironmentSpec(
        name=part.name, split=spec.split, label=part.label, tasks=spec.tasks, options=dict(part.options)
    )
    return choose_tasks(environments.tasks_of(environments.make(part.name, part.options), spec.split), wanted)


def training_hashes(tasks: list[Tasks]) -> frozenset[str]:
    return frozenset(task_hash(each.part.name, task.id) for each in tasks for task in each.train)


def held_out_hashes(tasks: list[Tasks]) -> frozenset[str]:
    return frozenset(task_hash(each.part.name, task.id) for each in tasks for task in each.held_out)


def learnt_before(config: TrainConfig) -> frozenset[str]:
    """Hashes of the tasks that the start weights say they were trained on."""
    card = card_of(config.start)
    return frozenset() if card is None else read_training_tasks(card)


def learnt_hashes(config: TrainConfig, tasks: list[Tasks], iteration: int) -> frozenset[str]:
    """Hashes of every task the weights of an iteration have learnt from, the start's included."""
    own = {
        task_hash(each.part.name, task.id)
        for each in tasks
        for k in range(1 if config.begin_with is None else 2, iteration + 1)
        for task in iteration_tasks(config, each, k)
    }
    given = frozenset[str]() if config.begin_with is None else given_tasks(config.begin_with)
    return learnt_before(config) | own | given


def _refuse_overlap(config: TrainConfig, tasks: list[Tasks]) -> None:
    held_out = [(each.part.name, task.id) for each in tasks for task in each.held_out]
    met = overlap(training_hashes(tasks), held_out)
    if met:
        raise BadInput(
            f"{counted(len(met), 'task')} {is_or_are(len(met))} both trained on and ranked on: {_named(met)}. A strategist is "
            "never ranked on tasks it learnt from; take them out of `train` or `held_out` (splits may share tasks)"
        )
    before = overlap(learnt_before(config), held_out)
    if before:
        raise BadInput(
            f"the start weights {config.start['model']} were trained on {len(before)} of the held-out tasks: "
            f"{_named(before)}. Take these tasks out of `held_out`, or start from other weights"
        )


def _named(tasks: list[tuple[str, str]]) -> str:
    shown = ", ".join(f"{environment} {task}" for environment, task in tasks[:SHOWN])
    return shown + (", …" if len(tasks) > SHOWN else "")


def arm_name(config: TrainConfig, iteration: int) -> str:
    """Name of an iteration's strategist on the leaderboard; the untrained one is 0."""
    method = TRAINED if config.method.name == "epo" else config.method.name
    return f"{method}@{iteration}" if iteration else UNTRAINED


def play_experiment(config: TrainConfig, tasks: Tasks, iteration: int, weights: Mapping[str, Any]) -> Experiment:
    """Iteration `iteration`'s play on the training tasks of one environment, by the strategist trained so far (`weights`:
    its model's config), with the process rewards that are learnt from."""
    assert tasks.part.train is not None
    play = config.play
    strategist = _player(config, iteration)
    return _experiment(
        config,
        f"play-{iteration}-{tasks.part.shown}",
        seed=config.seed if play.again else seed_from("self-play", config.seed, iteration),
        environments=[_chosen(tasks.part, tasks.part.train.split, iteration_tasks(config, tasks, iteration))],
        models={weights_name(config, iteration - 1): dict(weights)},
        strategists=[strategist],
        repeats=play.repeats,
        process=[_process(config, tasks.part.shown).model_dump(mode="json")] if config.learns_from_process else [],
    )


def _player(config: TrainConfig, iteration: int) -> dict[str, Any]:
    """The strategist that plays what iteration `iteration` learns from."""
    own = config.strategist.model_dump(mode="json")
    own |= {"temperature": config.playing_temperature, "model": weights_name(config, iteration - 1)}
    return {"kind": TRAINED if iteration > 1 else UNTRAINED, "name": arm_name(config, iteration - 1), **own}


def round_experiment(
    config: TrainConfig,
    iteration: int,
    number: int,
    wanted: Mapping[str, list[Task]],
    tasks: list[Tasks],
    weights: Mapping[str, Any],
) -> Experiment:
    """Experiment that round `number` (from 0) of an iteration plays under `grpo`: every task of `wanted` (by environment, as
    shown) `play.repeats` times, by weights that `weights` (a model's config) serves. They go by a name of their own: an actor
    or judge that is the start model stays what it is."""
    play, here = config.play, [each for each in tasks if each.part.shown in wanted]
    strategist = _player(config, iteration)
    strategist |= {key: f"{strategist[key]}+{number}" for key in ("model", "name")}
    seed = ("grpo", config.seed, number) if play.again else ("grpo", config.seed, iteration, number)
    process = [_process(config, name).model_dump(mode="json") | {"environments": [name]} for name in wanted]
    return _experiment(
        config,
        f"round-{iteration}-{number}",
        seed=seed_from(*seed),
        environments=[
            _chosen(each.part, each.part.train.split, wanted[each.part.shown]) for each in here if each.part.train
        ],
        models={strategist["model"]: dict(weights)},
        strategists=[strategist],
        repeats=play.repeats,
        process=process if config.learns_from_process else [],
    )


def _process(config: TrainConfig, environment: str) -> ProcessSpec:
    """The one method that applies to an environment."""
    found = next(spec for spec in config.process if spec.environments is None or environment in spec.environments)
    return found.model_copy(update={"environments": None})


def iteration_tasks(config: TrainConfig, tasks: Tasks, iteration: int) -> list[Task]:
    """The training tasks of an iteration: all, or as many as `play.tasks_per_iteration` says, taking turns in an order
    drawn once, so that every task is played before one comes again."""
    count = config.play.tasks_per_iteration
    if count is None or count >= len(tasks.train):
        return list(tasks.train)
    order = list(tasks.train)
    Random(seed_from("training tasks", config.seed, tasks.part.shown)).shuffle(order)
    first = (iteration - 1) * count
    return [order[(first + number) % len(order)] for number in range(count)]


def held_out_experiment(
    config: TrainConfig, tasks: list[Tasks], iteration: int, weights: Mapping[str, Any]
) -> Experiment:
    """The ranking of one iteration on the held-out tasks; 0: the start, with what stands beside it."""
    name = weights_name(config, iteration)
    own = {**config.strategist.model_dump(mode="json"), "model": name}
    strategists: list[dict[str, Any]] = [{"kind": TRAINED, "name": arm_name(config, iteration), **own}]
    if iteration == 0:
        strategists = [
            {**own, "kind": spec.kind, "name": spec.name}
            if kind_of(spec.kind).needs_model and spec.model is None
            else spec.model_dump(mode="json")
            for spec in config.held_out.beside
        ]
    return _experiment(
        config,
        f"held-out-{iteration}",
        seed=config.seed if config.held_out.seed is None else config.held_out.seed,
        environments=[
            _chosen(each.part, each.part.held_out.split, list(each.held_out))
            for each in tasks
            if each.part.held_out is not None and each.held_out
        ],
        models={name: dict(weights)},
        strategists=strategists,
        pairings=[pair if isinstance(pair, str) else pair.model_dump(mode="json") for pair in config.held_out.pairings],
        repeats=config.held_out.repeats,
    )


def weights_name(config: TrainConfig, iteration: int) -> str:
    """Name of an iteration's weights in the records; the start keeps its name."""
    return f"{config.strategist.model}@{iteration}" if iteration else config.strategist.model


def _chosen(part: EnvironmentPart, split: str, tasks: list[Task]) -> dict[str, Any]:
    return {
        "name": part.name,
        "label": part.label,
        "split": split,
        "tasks": [task.id for task in tasks],
        "options": dict(part.options),
    }


def _experiment(config: TrainConfig, suffix: str, models: Mapping[str, Any], **parts: Any) -> Experiment:
    others = {name: dict(model) for name, model in config.models.items() if name != config.strategist.model}
    if config.actor.model == config.strategist.model or config.strategist.model in _judging(config):
        others[config.strategist.model] = config.start
    judges = [judge.model_dump(mode="json") for judge in _judges(config)]
    raw = {
        "name": f"{config.name}-{suffix}",
        "models": {**others, **models},
        "actors": [config.actor.model_dump(mode="json")],
        "judge": judges if len(judges) > 1 else judges[0] if judges else None,
        "judge_aggregate": config.judge_aggregate,
        "limits": config.limits.model_dump(mode="json"),
        **parts,
    }
    return Experiment.model_validate(raw)


def _judges(config: TrainConfig) -> list[Any]:
    judge = config.judge
    return [] if judge is None else judge if isinstance(judge, list) else [judge]


def _judging(config: TrainConfig) -> set[str | None]:
    return {*(judge.model for judge in _judges(config)), *(spec.model for spec in config.process)}


def experiment_identity(experiment: Experiment, readers: int) -> dict[str, Any]:
    """Options of an experiment that affect outputs, in the form that trainings with these readers write; checkpoints count by
    content hash, not path."""
    options_of = earlier_options if readers == EARLIER else identity_options
    options = options_of(experiment.model_dump(mode="json"))
    for model in options["models"].values():
        if str(model.get("revision", "")).startswith(REVISION):
            model.pop("model")
    return options
