"""`harness judge RUN --process METHOD`: give stored episodes process rewards."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from agents.models.base import Model
from harness.base.counts import counted
from harness.base.errors import BadInput
from harness.base.invocation import as_called
from harness.base.part_files import find_again, find_part
from harness.base.yamltext import read_yaml
from harness.commands.asking import Tally, ask_all
from harness.commands.judging import exit_code, judge_config, stored_experiment, with_settings
from harness.experiment.experiment import Experiment
from harness.experiment.specs import ProcessSpec
from harness.judging.rewards.process import check_spec
from harness.results.holding import RunLock
from harness.results.index import latest_episodes, latest_judgements
from harness.results.leaks import Leak, find_leaks, refuse_new_leaks
from harness.results.records import EpisodeRecord, ProcessRewardRecord
from harness.results.store import EPISODES, read_manifest, read_record
from harness.results.tables import check_judge
from harness.runs.checking import check_or_refuse, ways_of
from harness.runs.interface import give_rooms
from harness.runs.manifest import folder_readers
from harness.runs.metering import Meter, MeteredModel
from harness.runs.plan import Plan, model_config
from harness.runs.scoring import ExistingScores, Records, Scoring
from harness.runs.standing import Standing


def reward_run(arguments: argparse.Namespace) -> int:
    experiment = stored_experiment(arguments.run)
    find_again(experiment.parts, Path())
    spec = read_spec(arguments, experiment)
    kind = check_spec(spec)
    known = _models(arguments, experiment)
    plan = Plan(experiment.model_copy(update={"process": [spec], "models": known}), folder_readers(arguments.run))
    judging = {name: plan.make_model(name) for name in filter(None, [spec.model])}
    if kind.plays is not None:
        plan.open_models()
    if arguments.outcome is not None:
        check_judge([arguments.run], arguments.outcome)
    outcome = arguments.outcome or read_manifest(arguments.run)["judge"]
    judges = experiment.judges if kind.plays is not None else []
    named, meter = {**plan.models, **judging}, Meter()
    plan.models = {name: MeteredModel(model, meter) for name, model in plan.models.items()}
    asked = {**plan.models, **{name: MeteredModel(model, meter) for name, model in judging.items()}}
    scoring = Scoring(plan, judges, experiment.judge_aggregate, [spec], asked, outcome)
    lock = RunLock(arguments.run)
    lock.acquire()
    try:
        refuse_new_leaks(leaks_of(plan, spec, kind.plays is not None), arguments.allow_leak, arguments.run)
        models = [*plan.models.values(), *judging.values()]
        give_rooms(named, read_manifest(arguments.run))
        cells = ((cell, True) for cell in plan.cells)
        ways = {name: each for name, each in ways_of(plan, cells).items() if kind.plays is not None or name in judging}
        check = partial(check_or_refuse, named, ways)
        tally = Tally("episodes", Standing(arguments.run.name, outcome), meter)
        asyncio.run(_reward_all(arguments, scoring, models, check, experiment.limits.episodes_at_once, tally))
    finally:
        lock.release()
    line = (
        f"process reward {scoring.methods[0].label}: {_said(tally, arguments.run)} harness show {arguments.run} EPISODE"
    )
    console = Console()
    console.print(as_called(line), markup=False, highlight=False, soft_wrap=True)
    if tally.unscored:
        console.print(tally.why(), markup=False, highlight=False, soft_wrap=True)
    return exit_code(tally)


def leaks_of(plan: Plan, spec: ProcessSpec, plays: bool) -> Iterator[Leak]:
    """Find the tasks that the models to be asked were trained on: the method's judge, and everybody where it plays again."""
    met = {name: tasks for name, tasks in plan.played_by().items() if plays or name == spec.model}
    return find_leaks(met, {name: model_config(plan.experiment, name) for name in met})


def read_spec(arguments: argparse.Namespace, experiment: Experiment) -> ProcessSpec:
    """The method of the command line; where the run's config has the same method, its settings are the base. Raises
    `BadInput`."""
    method = find_part(arguments.process, Path())
    known = [spec for spec in experiment.process if spec.method == method]
    known.sort(key=lambda spec: spec.model != arguments.judge)
    base = known[0] if known else ProcessSpec(method=method)
    changes: dict[str, Any] = {"options": {**base.options, **dict(map(_option, arguments.option))}}
    if arguments.judge is not None:
        changes["model"] = arguments.judge
    if arguments.environment:
        changes["environments"] = arguments.environment
    if arguments.max_episodes is not None:
        if arguments.max_episodes < 1:
            raise BadInput(f"--max-episodes {arguments.max_episodes}: expected at least 1")
        changes["max_episodes"] = arguments.max_episodes
    return with_settings(base.model_copy(update=changes), arguments)


def _option(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise BadInput(f"--option {text!r}: expected KEY=VALUE, for example --option n=4")
    return key, read_yaml(value, f"--option {key}")


def _models(arguments: argparse.Namespace, experiment: Experiment) -> dict[str, dict[str, Any]]:
    models = dict(experiment.models)
    if arguments.judge is not None:
        models[arguments.judge] = dict(judge_config(experiment, arguments.judge, arguments.model_config))
    return models


async def _reward_all(
    arguments: argparse.Namespace,
    scoring: Scoring,
    models: list[Model],
    check: Callable[[], Awaitable[object]],
    at_once: int,
    tally: Tally,
) -> None:
    """Make the missing rewards, after a `check` of the models where there is something."""
    rows = latest_episodes(arguments.run)
    owed = scoring.owed(arguments.run, rows.values(), rewards_only=True)
    records = Records(arguments.run)
    cells = [(name, rows[name]["cell"]) for name in owed]
    tally.standing.learn_goals(cells, rows, latest_judgements(arguments.run).values())

    async def do(job: tuple[str, ExistingScores]) -> list[ProcessRewardRecord]:
        name, given = job
        episode = read_record(arguments.run / EPISODES, rows[name]["offset"], EpisodeRecord)
        rewards = await scoring.reward(episode, given, records)
        tally.standing.show(episode)
        return rewards

    try:
        if owed:
            await check()
        await ask_all([(rows[name]["cell"], (name, given)) for name, given in owed.items()], at_once, do, tally)
    finally:
        records.close()
        for model in models:
            await model.close()


def _said(tally: Tally, run: Path) -> str:
    text = f"{counted(tally.scored, 'episode')} rewarded now, {tally.unscored} unscored"
    finished = [row for row in latest_episodes(run).values() if row["status"] == "finished"]
    without = sum(row["n_strategies"] == 0 for row in finished)
    if without:
        text += f", {without} passed over (no strategies)"
    return text + "."
