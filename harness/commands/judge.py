"""`harness judge`: score a run's stored episodes with another judge. Judgements of all judges stay beside each other."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import yaml
from pydantic import ValidationError
from rich.console import Console

from agents.models import make_model
from agents.models.base import Model
from harness.errors import BadInput
from harness.experiment import Experiment, JudgeSpec, explain
from harness.index import Row, latest_episodes, latest_judgements
from harness.judging import Judge, judge_kind, judged, judgement_id
from harness.plan import model_config
from harness.records import EpisodeRecord
from harness.runner import Stop, run_jobs
from harness.store import EPISODES, JUDGEMENTS, MANIFEST, Appender, RunLock, read_manifest, read_record

EXIT_OK, EXIT_OWED = 0, 4


def judge_command(arguments: argparse.Namespace) -> int:
    experiment = stored_experiment(arguments.run)
    config = judge_config(experiment, arguments.judge, arguments.model_config)
    spec = (experiment.judge or JudgeSpec(model="")).model_copy(
        update={"model": arguments.judge, "kind": arguments.kind}
    )
    model = make_model(arguments.judge, config)
    judge = judge_kind(arguments.kind).make(spec, model)
    lock = RunLock(arguments.run)
    lock.acquire()
    try:
        scored, unscored = asyncio.run(_judge_all(arguments.run, judge, model, experiment.limits.episodes_at_once))
    finally:
        lock.release()
    console = Console()
    line = f"judge {judge.label}: {scored} scored now, {unscored} unscored."
    line += f" harness leaderboard {arguments.run} --judge {judge.label}"
    console.print(line, markup=False, highlight=False, soft_wrap=True)
    return EXIT_OK if unscored == 0 else EXIT_OWED


def stored_experiment(run: Path) -> Experiment:
    """The experiment in a run's manifest. Raises `BadInput` when this version can not read it."""
    try:
        return Experiment.model_validate(read_manifest(run)["config"])
    except ValidationError as error:
        raise BadInput(explain(error, f"{run / MANIFEST}, `config`")) from None


def judge_config(experiment: Experiment, name: str, file: Path | None) -> dict[str, object]:
    """The model's config from the given file, else from the run's own config. Raises `BadInput`."""
    if file is None:
        return model_config(experiment, name)
    try:
        models = yaml.safe_load(file.read_text("utf-8"))["models"]
        return dict(models[name])
    except (OSError, yaml.YAMLError) as error:
        raise BadInput(f"{file} can not be read: {error}") from error
    except (KeyError, TypeError, ValueError):
        raise BadInput(f"{file} has no model {name!r} under `models`") from None


async def _judge_all(run: Path, judge: Judge, model: Model, at_once: int) -> tuple[int, int]:
    """Judge every finished episode that this judge has not scored. Returns (scored, unscored) of this call."""
    done = {key for key, row in latest_judgements(run).items() if row["status"] == "scored"}
    rows = [
        row
        for row in latest_episodes(run).values()
        if row["status"] == "finished"
        and row["needs_judge"]
        and judgement_id(row["episode_id"], judge.label) not in done
    ]
    appender = Appender(run / JUDGEMENTS)
    counts = {"scored": 0, "unscored": 0}

    async def do(row: Row) -> None:
        record = read_record(run / EPISODES, row["offset"], EpisodeRecord)
        judgement = await judged(judge, record)
        await appender.append(judgement)
        counts[judgement.status] += 1

    try:
        if rows:
            await model.check()
        await run_jobs(rows, at_once, do, Stop())
    finally:
        appender.close()
        await model.close()
    return counts["scored"], counts["unscored"]
