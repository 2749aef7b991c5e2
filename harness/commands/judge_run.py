"""`harness judge`: score a run's stored episodes with another judge, ask a judge again, show it planted copies. All
judgements stay beside each other; only a judge's first of an episode itself counts as its score."""

from __future__ import annotations

import argparse
import asyncio
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from agents.models.base import Model
from harness.base.errors import BadInput, nearest
from harness.base.invocation import as_called
from harness.base.part_files import find_part
from harness.base.seeds import stable_hash
from harness.commands.asking import Tally, ask_all
from harness.commands.judging import exit_code, judge_config, stored_experiment, with_settings
from harness.experiment.experiment import Experiment
from harness.experiment.specs import JudgeSpec
from harness.judging import judged, judged_again
from harness.judging.judges.copies import COPIES, copy_in
from harness.judging.judges.making import CopyMaker
from harness.results.appender import Appender
from harness.results.holding import RunLock
from harness.results.index import Row, latest_episodes, latest_judgements
from harness.results.judge_kinds import AnyJudge, make_judge
from harness.results.leaks import find_leaks, refuse_new_leaks
from harness.results.records import EpisodeRecord, JudgementRecord
from harness.results.store import EPISODES, JUDGEMENTS, read_manifest, read_record
from harness.runs.checking import check_or_refuse
from harness.runs.interface import give_rooms
from harness.runs.manifest import folder_readers
from harness.runs.metering import Meter, MeteredModel
from harness.runs.plan import asking_way, open_model
from harness.runs.standing import Standing


@dataclass(frozen=True, slots=True)
class Asking:
    """One judgement to be made."""

    row: Row
    repeat: int = 0
    copy: str = ""
    """Name of a planted copy; empty: the episode itself."""


def judge_run(arguments: argparse.Namespace) -> int:
    """Ask the judge about every stored episode that it has not scored yet."""
    if arguments.judge is None:
        raise BadInput("harness judge needs --judge MODEL, --process METHOD, or `report` before the runs")
    experiment = stored_experiment(arguments.run)
    config = judge_config(experiment, arguments.judge, arguments.model_config)
    spec = judge_spec(arguments, experiment)
    copies = read_copies(arguments.copies)
    if arguments.again < 0:
        raise BadInput(f"--again {arguments.again}: how many more times, 0 or more")
    model = open_model(arguments.judge, config, folder_readers(arguments.run))
    meter = Meter()
    metered = MeteredModel(model, meter)
    judge = make_judge(spec, metered)
    maker = CopyMaker(metered, spec, lambda episode: others(arguments.run, episode))
    lock = RunLock(arguments.run)
    lock.acquire()
    try:
        met = {arguments.judge: judged_tasks(arguments.run)}
        refuse_new_leaks(find_leaks(met, {arguments.judge: config}), arguments.allow_leak, arguments.run)
        asked = owed(arguments.run, judge, arguments.again, copies)
        at_once = experiment.limits.episodes_at_once
        tally = Tally("judgements", _standing(arguments.run, judge), meter)
        asyncio.run(_judge_all(arguments.run, judge, maker, model, at_once, asked, tally))
    finally:
        lock.release()
    console = Console()
    line = f"judge {judge.label}: {tally.scored} scored now, {tally.unscored} unscored."
    more = f" harness leaderboard {arguments.run} --judge {shlex.quote(judge.label)}"
    if arguments.again or copies:
        more = f" harness judge report {arguments.run}"
    console.print(line + as_called(more), markup=False, highlight=False, soft_wrap=True)
    if tally.unscored:
        console.print(tally.why(), markup=False, highlight=False, soft_wrap=True)
    return exit_code(tally)


def judge_spec(arguments: argparse.Namespace, experiment: Experiment) -> JudgeSpec:
    """Settings for asking the judge: as the run's config asks this model, else as it asks its first judge, but for what the
    command line says. Raises `BadInput`."""
    known = sorted(experiment.judges, key=lambda spec: spec.model != arguments.judge)
    base = known[0] if known else JudgeSpec(model="")
    kind = find_part(arguments.kind, Path())
    changes = {"model": arguments.judge, "kind": kind} | ({} if base.kind == kind else {"prompt": None})
    return with_settings(base.model_copy(update=changes), arguments)


def read_copies(text: str | None) -> list[str]:
    """The names of planted copies in `--copies`. Raises `BadInput` for one that does not exist."""
    if text is None:
        return []
    names = list(COPIES) if text == "all" else [name.strip() for name in text.split(",")]
    for name in names:
        if name not in COPIES:
            known = ", ".join(COPIES)
            raise BadInput(f"--copies: there is no copy {name!r}; there are {known}, or all.{nearest(name, COPIES)}")
    return names


def judged_tasks(run: Path) -> list[tuple[str, str]]:
    """(environment, task id) of every finished episode that a judge has to score."""
    rows = latest_episodes(run).values()
    return [(row["environment"], row["task_id"]) for row in rows if row["status"] == "finished" and row["needs_judge"]]


def owed(run: Path, judge: AnyJudge, again: int, copies: list[str]) -> list[Asking]:
    """List what this judge has not scored yet: finished episodes, their repeats and their copies."""
    done = {
        (row["episode_id"], row["repeat"], copy_in(row["variant"]))
        for row in latest_judgements(run, every=True).values()
        if row["status"] == "scored" and row["judge"] == judge.label
    }
    rows = [row for row in latest_episodes(run).values() if row["status"] == "finished" and row["needs_judge"]]
    asked = [Asking(row, repeat) for repeat in range(again + 1) for row in rows]
    asked += [Asking(row, copy=name) for name in copies for row in rows]
    return [each for each in asked if (each.row["episode_id"], each.repeat, each.copy) not in done]


def _standing(run: Path, judge: AnyJudge) -> Standing:
    """The run's goals by this judge so far."""
    standing = Standing(run.name, judge.label)
    episodes = latest_episodes(run)
    asked = [
        (name, row["cell"]) for name, row in episodes.items() if row["status"] == "finished" and row["needs_judge"]
    ]
    standing.learn_goals(asked, episodes, latest_judgements(run).values())
    return standing


async def _judge_all(
    run: Path, judge: AnyJudge, maker: CopyMaker, model: Model, at_once: int, asked: list[Asking], tally: Tally
) -> None:
    """Make the judgements."""
    appender = Appender(run / JUDGEMENTS)

    async def do(asking: Asking) -> list[JudgementRecord]:
        episode = read_record(run / EPISODES, asking.row["offset"], EpisodeRecord)
        judgement = await _judgement(episode, judge, maker, asking)
        tally.standing.show(episode)
        await appender.append(judgement)
        return [judgement]

    try:
        if asked:
            give_rooms({model.name: model}, read_manifest(run))
            await check_or_refuse({model.name: model}, {model.name: [asking_way(maker.spec)]})
        await ask_all([(asking.row["cell"], asking) for asking in asked], at_once, do, tally)
    finally:
        appender.close()
        await model.close()


async def _judgement(record: EpisodeRecord, judge: AnyJudge, maker: CopyMaker, asking: Asking) -> JudgementRecord:
    if asking.repeat:
        return await judged_again(judge, record, asking.repeat)
    if asking.copy:
        return await maker.judged_copy(judge, asking.copy, record)
    return await judged(judge, record)


def others(run: Path, episode: EpisodeRecord) -> Iterator[EpisodeRecord]:
    """Finished episodes of the run's other scenarios, in an order drawn for this episode."""
    rows = [
        row
        for row in latest_episodes(run).values()
        if row["status"] == "finished"
        and row["needs_judge"]
        and row["environment"] == episode.environment
        and row["group"] != episode.group
    ]
    for row in sorted(rows, key=lambda row: stable_hash("donor", episode.episode_id, row["episode_id"])):
        yield read_record(run / EPISODES, row["offset"], EpisodeRecord)
