"""Verifying a whole run: every episode and judgement that is in it, check by check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.base.errors import BadInput
from harness.base.part_files import find_again, unknown_files
from harness.base.seeds import episode_seed, stable_hash
from harness.experiment.experiment import Experiment, explain
from harness.experiment.specs import JudgeSpec
from harness.reading.readers import EARLIER, readers_of
from harness.results.index import latest_episodes, latest_judgements, verify_indexes
from harness.results.judge_kinds import AnyJudge, make_judge
from harness.results.records import EpisodeRecord, JudgementRecord
from harness.results.soundness import check_run
from harness.results.store import EPISODES, JUDGEMENTS, MANIFEST, read_record
from harness.runs.plan import Plan
from harness.runs.verify.replies import RecordedModel, episode_difference, judgement_difference
from harness.runs.verify.worlds import world_difference
from harness.runs.worlds import World, open_world

BROKEN_OFF = {"budget", "infrastructure"}
"""Kinds of failure that come from outside: such an episode says nothing of how answers are read at its last turn."""


@dataclass(slots=True)
class Check:
    """One thing that is checked, over all records that it can be checked on."""

    name: str
    confirms: str
    confirmed: int = 0
    different: dict[str, str] = field(default_factory=dict)
    """Id of the episode (or name of the data) -> the first difference."""
    unchecked: Counter[str] = field(default_factory=Counter)
    """Reason -> how many could not be checked for it."""

    def add(self, name: str, difference: str | None) -> None:
        if difference is None:
            self.confirmed += 1
        else:
            self.different[name] = difference

    @property
    def total(self) -> int:
        return self.confirmed + len(self.different) + self.unchecked.total()


@dataclass(slots=True)
class Verification:
    """The findings on a run."""

    run: str
    plan: Check = field(
        default_factory=lambda: Check("plan", "each episode is one of the plan, with the seed that the plan gives it")
    )
    data: Check = field(default_factory=lambda: Check("data", "the tasks' data here have the recorded hashes"))
    worlds: Check = field(
        default_factory=lambda: Check(
            "worlds", "every action was replayed: what was seen, each reward and the outcome are the same"
        )
    )
    prompts: Check = field(
        default_factory=lambda: Check("prompts", "every prompt was rebuilt, and every answer parses as recorded")
    )
    judgements: Check = field(
        default_factory=lambda: Check(
            "judgements", "every judge's prompt was made again, and its answer gives the recorded scores"
        )
    )
    attempts: int = 0
    """Episodes that were played more than once: of these only the last attempt counts, and is checked."""
    files: list[str] = field(default_factory=list)
    """Files with parts of the run that are not known here, each with its content's hash."""

    @property
    def checks(self) -> tuple[Check, ...]:
        return self.plan, self.data, self.worlds, self.prompts, self.judgements

    @property
    def differs(self) -> bool:
        return any(check.different for check in self.checks)

    @property
    def complete(self) -> bool:
        """True if everything could be checked."""
        return not any(check.unchecked for check in self.checks)


Tell = Callable[[int, int], None]
"""Told how many of how many records are done."""


async def verify_run(folder: Path, tell: Tell = lambda done, total: None, parts: Path | None = None) -> Verification:
    """Verify a run that can be read. `parts`: a folder with files that parts of the run live in, besides the working folder.
    Raises `Damaged` for another run, `BadInput` where there is none."""
    verify_indexes(folder)
    manifest = check_run(folder)
    made = _Made(folder, manifest, parts)
    found = Verification(manifest["run"], files=made.files)
    made.check_data(found.data)
    episodes, judgements = latest_episodes(folder), latest_judgements(folder)
    total = len(episodes) + len(judgements)
    for number, row in enumerate(episodes.values()):
        record = read_record(folder / EPISODES, row["offset"], EpisodeRecord)
        found.attempts += record.attempt > 1
        found.plan.add(record.episode_id, made.plan_difference(record))
        made.check_world(found.worlds, record)
        await made.check_prompts(found.prompts, record)
        tell(number + 1, total)
    for number, row in enumerate(judgements.values(), len(episodes)):
        judgement = read_record(folder / JUDGEMENTS, row["offset"], JudgementRecord)
        if judgement.status == "scored":
            episode = read_record(folder / EPISODES, episodes[judgement.episode_id]["offset"], EpisodeRecord)
            await made.check_judgement(found.judgements, judgement, episode)
        tell(number + 1, total)
    return found


def _later_judge(record: JudgementRecord) -> tuple[AnyJudge, RecordedModel] | None:
    """The judge of a judgement that `harness judge` added to a run, asked as its first call was; None where it is not here."""
    kind, _, rest = record.judge.partition("/")
    name = rest.rpartition("/")[0]
    if not record.calls or not name:
        return None
    first = record.calls[0]
    try:
        spec = JudgeSpec(kind=kind, model=name, temperature=first.temperature, max_tokens=first.max_tokens)
        model = RecordedModel(name)
        judge = make_judge(spec, model)
    except (BadInput, ValidationError):
        return None
    return (judge, model) if judge.label == record.judge else None


class _Made:
    """The worlds, plan and judges of a run, made again here as far as they can be."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any], parts: Path | None) -> None:
        try:
            self._experiment = Experiment.model_validate(manifest["config"])
        except ValidationError as error:
            raise BadInput(explain(error, f"{folder / MANIFEST}, `config`")) from None
        find_again(self._experiment.parts, Path())
        if parts is not None:
            find_again(self._experiment.parts, parts, below=True)
        self._manifest, self._readers = manifest, readers_of(manifest)
        self._earlier = self._readers == EARLIER
        self._worlds = dict(self._open_worlds())
        self._plan, self._no_plan = self._open_plan()
        self._units = {unit.episode_id: unit for unit in self._plan.units} if self._plan else {}
        self._no_judges: dict[str, str] = {}
        self._judges = dict(self._open_judges())

    @property
    def files(self) -> list[str]:
        """Files with parts of the run that are not known here."""
        return unknown_files(self._experiment.parts)

    def _open_worlds(self) -> Iterator[tuple[str, World | str]]:
        """The beginning of the ids of its cells -> the world, or why there is none here."""
        for spec in self._experiment.environments:
            try:
                yield f"{spec.shown} | {spec.split} | ", open_world(spec, self._readers)
            except BadInput as problem:
                yield f"{spec.shown} | {spec.split} | ", str(problem)

    def _open_plan(self) -> tuple[Plan | None, str]:
        try:
            plan = Plan(self._experiment, self._readers)
        except BadInput as problem:
            return None, str(problem)
        self._models = {name: RecordedModel(name) for name in plan.model_names()}
        plan.models = dict(self._models)
        return plan, ""

    def _open_judges(self) -> Iterator[tuple[str, tuple[AnyJudge, RecordedModel]]]:
        for spec in self._experiment.judges:
            model = RecordedModel(spec.model)
            try:
                judge = make_judge(spec, model)
            except BadInput as problem:
                self._no_judges[spec.kind] = str(problem)
            else:
                yield judge.label, (judge, model)

    def _world(self, record: EpisodeRecord) -> World | str:
        found = (world for start, world in self._worlds.items() if record.cell.startswith(start))
        return next(found, "its environment is not in the run's config")

    def check_data(self, check: Check) -> None:
        for place, recorded in self._manifest["data"].items():
            world = self._worlds.get(f"{place} | ", "its environment is not in the run's config")
            if isinstance(world, str):
                check.unchecked[world] += 1
                continue
            here = dict(world.environment.data_hashes(place.rpartition(" | ")[2]))
            check.add(place, None if here == recorded else f"hashes here are {here}, recorded {recorded}")

    def plan_difference(self, record: EpisodeRecord) -> str | None:
        """Something in which an episode is none of the run's plan."""
        if record.cell not in self._manifest["cells"]:
            return f"its cell {record.cell!r} is none of the run's"
        if self._units and record.episode_id not in self._units:
            return "it is none of the plan's episodes"
        if record.episode_id != stable_hash("unit", record.cell, record.task_id, record.order, record.repeat)[:16]:
            return "its id is not that of its cell, task, order and repeat"
        seed = episode_seed(self._experiment.seed, record.task_id, record.repeat)
        return None if record.seed == seed else f"its seed is {record.seed}; the plan gives {seed}"

    def check_world(self, check: Check, record: EpisodeRecord) -> None:
        world = self._world(record)
        if isinstance(world, str):
            check.unchecked[world] += 1
        elif record.task_id not in world.by_id:
            check.different[record.episode_id] = f"there is no task {record.task_id!r}"
        else:
            difference = world_difference(world.environment, world.by_id[record.task_id], record, self._earlier)
            check.add(record.episode_id, difference)

    async def check_prompts(self, check: Check, record: EpisodeRecord) -> None:
        if self._plan is None:
            check.unchecked[self._no_plan] += 1
        elif record.episode_id not in self._units:
            check.unchecked["it is none of the plan's episodes"] += 1
        elif record.error is not None and record.error.kind in BROKEN_OFF | {"bug"}:
            check.unchecked["it was broken off from outside"] += 1
        else:
            plan = self._plan.episode(self._units[record.episode_id])
            check.add(record.episode_id, await episode_difference(plan, record, self._models, self._earlier))

    async def check_judgement(self, check: Check, record: JudgementRecord, episode: EpisodeRecord) -> None:
        if record.judge not in self._judges and (added := _later_judge(record)) is not None:
            self._judges[record.judge] = added
        if record.judge not in self._judges:
            other = f"{record.judge}: its prompt is another version here, or its kind is not installed"
            check.unchecked[self._no_judges.get(record.judge.partition("/")[0], other)] += 1
        elif record.episode_attempt != episode.attempt:
            check.unchecked["it is about an earlier attempt"] += 1
        else:
            judge, model = self._judges[record.judge]
            difference = await judgement_difference(judge, episode, record, {model.name: model})
            check.add(record.episode_id, difference)
