"""Iterative self-play: play training tasks with the strategist as it is, judge its strategies, learn from them, rank the
new strategist on held-out tasks, again. The one place in training that calls the runner.

Every step is a stage (`stages`): the same command goes on where it was killed and does nothing twice. What a checkpoint
is ranked on it never learnt from: that is checked before anything is played, written into every prepared data set, and
checked once more by every ranking run through the checkpoint's `training_tasks.json`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments.base import Task
from harness.base.counts import counted
from harness.base.errors import BadInput, HarnessError
from harness.experiment.experiment import Experiment
from harness.results.holding import RunLock
from harness.results.leaks import TrainingTasks, find_leaks, refuse_leaks, write_training_tasks
from harness.results.training_curve import CurveRow, write_curve
from harness.runs.manifest import data_hashes, prompt_versions
from harness.runs.plan import Plan, model_config
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from harness.runs.scoring import Scoring
from harness.runs.summary import RunSummary
from harness.training.data.dataset import weight_statistics
from harness.training.data.prepare import prepare
from harness.training.fit.arguments import check_arguments
from harness.training.fit.checkpoint import (
    Weights,
    is_here,
    start_weights,
    trained_weights,
    weight_files,
)
from harness.training.fit.fit import fit
from harness.training.fit.masters import masters_of
from harness.training.fit.progress import FitProgress
from harness.training.loop.config import TrainConfig
from harness.training.loop.experiments import (
    Tasks,
    arm_name,
    experiment_identity,
    find_tasks,
    held_out_experiment,
    held_out_hashes,
    learnt_hashes,
    play_experiment,
    round_experiment,
    weights_name,
)
from harness.training.loop.folder import TrainingFolder, folder_readers, open_folder
from harness.training.loop.given import check_given, given_hash, take_given
from harness.training.loop.grpo import ROUNDS, check_outcomes, prompts_of, round_statistics, rounds_of
from harness.training.loop.report import (
    arm_results,
    count_unfinished,
    counts_text,
    episode_counts,
    fit_numbers,
    goal_lines,
    mean_results,
    record_files,
    write_card,
)
from harness.training.loop.stages import Made, Marker, Stage, Stages


class Interrupted(HarnessError):
    """The user stopped the training; the same command goes on."""


class TooManyUnfinished(HarnessError):
    """A stage has more failed or unscored episodes than `owed_share` allows."""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run the training will make, for the forecast."""

    stage: str
    experiment: Experiment | None
    """None where none of its tasks are on this machine."""
    like: Experiment | None = None
    """The same run by the untrained strategist: what it took says what this one will take."""
    iteration_after_play: int | None = None
    """The iteration that is learnt once this run is there."""
    given: bool = False
    """True if there is no run: a given data set stands in for it."""


class SelfPlay:
    """One training, from its config to its last checkpoint."""

    def __init__(
        self, config: TrainConfig, folder: Path, progress: Progress | None = None, look_only: bool = False
    ) -> None:
        """Plan a training; nothing is written or played yet. Raises `BadInput` for tasks both trained on and ranked on, and for
        tasks and start weights that cannot be found (`look_only`: those are noted in `missing`)."""
        self.config = config
        self.folder = TrainingFolder(folder)
        self.readers = folder_readers(folder)
        """One training's runs have the same ones, those of iterations to come included."""
        self.progress = progress or Progress()
        self.tasks = find_tasks(config, without_data=look_only)
        self.missing = [each.missing for each in self.tasks if each.missing]
        """Data that is not on this machine."""
        if look_only and not is_here(config.start):
            self.missing.append(f"the start weights {config.start.get('model')}")
            self.start = Weights(Path(str(config.start.get("model", ""))), "", config.start)
        else:
            self.start = start_weights(config.strategist.model, config.start)
        if config.begin_with is not None:
            check_given(config.begin_with, self.start.folder if self.start.hash else None, held_out_hashes(self.tasks))
        check_arguments(config.fit.arguments)
        self.stages = Stages(folder)
        if config.method.name == "grpo" and not self.missing:
            check_outcomes(config, self._learning())
        self._check_runs()

    def planned(self) -> list[PlannedRun]:
        """The runs of all iterations, in their order. Each has the start's weights: later ones are not there yet."""
        rank = any(each.held_out for each in self.tasks)
        runs = [self._planned_ranking(0, rank)] if self._ranks_start else []
        for k in range(1, self.config.iterations + 1):
            learning = self._learning()
            on_policy = self.config.method.name == "grpo"
            if self._given(k):
                runs.append(PlannedRun(f"data-{k}", None, iteration_after_play=k, given=True))
                learning = []
            for each in learning:
                played, like = (self._planned_play(each, number) if each.train else None for number in (k, 1))
                learnt = k if each is learning[-1] and not on_policy else None
                runs.append(PlannedRun(f"fit-{k}" if on_policy else _play_stage(k, each), played, like, learnt))
            if self._ranked(k):
                runs.append(self._planned_ranking(k, rank))
        return runs

    def _planned_play(self, tasks: Tasks, k: int) -> Experiment:
        """An iteration's play in one environment; with grpo all its rounds as one, rounded up to whole repeats."""
        experiment = play_experiment(self.config, tasks, k, self.start.config)
        if self.config.method.name == "epo" or self.missing:
            return experiment
        prompts = prompts_of(self.config, self._learning(), k)
        groups = sum(map(len, rounds_of(self.config, prompts)))
        return experiment.model_copy(update={"repeats": math.ceil(experiment.repeats * groups / len(prompts))})

    def _planned_ranking(self, k: int, rank: bool) -> PlannedRun:
        if not rank:
            return PlannedRun(f"held-out-{k}", None)
        like = self._ranking(0) if self._ranks_start else None
        return PlannedRun(f"held-out-{k}", self._ranking(k), like)

    def _ranking(self, k: int) -> Experiment:
        """The ranking of iteration k, with the start's weights."""
        return held_out_experiment(self.config, self.tasks, k, self.start.config)

    def run(self) -> list[CurveRow]:
        """Do what is left to do; returns the whole curve. Raises `BadInput` where the folder is held by another process or
        was made from something else, `Interrupted`, `TooManyUnfinished` and `StoreFull`; the same command then goes on."""
        if self.missing:
            raise BadInput(f"not on this machine: {'; '.join(self.missing)}")
        try:
            self.folder.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"cannot make the training's folder {self.folder.path}: {error.strerror}") from error
        lock = RunLock(self.folder.path)
        lock.acquire()
        try:
            open_folder(self.folder, self.config, self._facts())
            rows = [self._start_row()]
            self._write(rows)
            self._say_goal(rows)
            for k in range(1, self.config.iterations + 1):
                self._iteration(k, rows)
            write_curve(self.folder.path, rows)
            return rows
        finally:
            lock.release()

    def _iteration(self, k: int, rows: list[CurveRow]) -> None:
        weights = self.start if k == 1 else trained_weights(self.start, self.folder.checkpoint(k - 1))
        self._check_masters(k)
        learn = self._learn_on_policy if self.config.method.name == "grpo" else self._learn_from_play
        numbers, *markers = learn(k, weights, rows)
        fitted = markers[-1]
        row = CurveRow(
            training=self.folder.path.name,
            iteration=k,
            strategist=arm_name(self.config, k),
            checkpoint=fitted.numbers["checkpoint"],
            data=numbers,
            fit={key: fitted.numbers[key] for key in FIT_KEYS if key in fitted.numbers},
        )
        row = row.model_copy(update={"seconds": _took(row, *markers)})
        rows.append(row)
        self._write(rows)
        if self._ranked(k):
            ranked = self._rank(k, trained_weights(self.start, self.folder.checkpoint(k)))
            rows[-1] = row.model_copy(update={"held_out": ranked.numbers["results"], "seconds": _took(row, ranked)})
            self._write(rows)
            self._say_goal(rows)
        write_card(self.folder, self.config, self.start, k, rows)

    def _check_masters(self, k: int) -> None:
        """Raise `BadInput` where the float32 weights that iteration k would begin with are gone."""
        before = self.stages.marker(f"fit-{k - 1}") if k > 1 else None
        kept = before.numbers.get("masters") if before is not None else None
        if kept is None or self.stages.marker(f"fit-{k}") is not None:
            return
        if masters_of(self.folder.checkpoint(k - 1)) is None:
            raise BadInput(
                f"{self.folder.path / kept} is gone: iteration {k} begins with these float32 weights, not with the rounded ones "
                f"that are served. Put them back, or delete the markers of fit-{k - 1} and all later stages in "
                f"{self.folder.path / 'stages'} to train them again"
            )

    def _learn_from_play(self, k: int, weights: Weights, rows: list[CurveRow]) -> tuple[dict[str, Any], Marker, Marker]:
        """EPO: play, then learn from it."""
        played = [] if self._given(k) else [self._play(k, each, weights) for each in self._learning()]
        if played:
            results = [result for marker in played for result in marker.numbers["results"]]
            rows[-1] = rows[-1].model_copy(update={"training_tasks": results, "seconds": _took(rows[-1], *played)})
            self._write(rows)
        data = self._data(k, played)
        fitted = self._fit(k, weights, data)
        counts = {marker.stage: marker.numbers["episodes"] for marker in played}
        return {**data.numbers, "episodes": counts}, data, fitted

    def _learn_on_policy(self, k: int, weights: Weights, rows: list[CurveRow]) -> tuple[dict[str, Any], Marker]:
        """GRPO: every step plays what it learns from."""
        config, out = self.config, self.folder.fit(k)
        learning = self._learning()
        rounds = rounds_of(config, prompts_of(config, learning, k))

        def play(number: int, wanted: Mapping[str, list[Task]], served: Mapping[str, Any]) -> Path:
            experiment = round_experiment(config, k, number, wanted, learning, served)
            folder = self.folder.round(k, number)
            self._execute(f"fit-{k}, round {number + 1} of {len(rounds)}", experiment, folder, allow_leak=True)
            return folder

        def do() -> Made:
            from harness.training.loop.grpo_trainer import OnPolicy, fit_on_policy

            self.progress.say(
                f"fit-{k}: from {weights.folder}, {counted(len(rounds), 'round')} of "
                f"{counted(config.play.repeats, 'episode')} a task"
            )
            shown = FitProgress(f"fit-{k}", self.progress.console, live=False)
            result = fit_on_policy(
                OnPolicy(config, rounds, weights.folder, weights.hash, play, self._learnt(k), shown), out
            )
            runs = [self.folder.round(k, number) for number in range(len(rounds))]
            numbers = {
                **fit_numbers(self.folder, weights, result),
                "data": round_statistics(out / ROUNDS),
                "results": mean_results(self.folder, runs, arm_name(config, k - 1)),
            }
            return Made(
                [*weight_files(result.checkpoint), *(path for run in runs for path in record_files(run))], numbers
            )

        played = {each.part.shown: play_experiment(config, each, k, weights.config) for each in learning}
        inputs = {
            "played": {name: self._run_inputs(experiment, weights) for name, experiment in played.items()},
            "weights": weights.hash,
            "method": config.method.model_dump(mode="json"),
            "data": config.data.model_dump(mode="json"),
            "options": config.fit.model_dump(mode="json"),
        }
        fitted = self.stages.run(Stage(f"fit-{k}", inputs, do))
        rows[-1] = rows[-1].model_copy(update={"training_tasks": fitted.numbers["results"]})
        return fitted.numbers["data"], fitted

    def _given(self, k: int) -> bool:
        """True if iteration k learns from a data set that was there before."""
        return k == 1 and self.config.begin_with is not None

    def _start_row(self) -> CurveRow:
        row = CurveRow(training=self.folder.path.name, iteration=0, strategist=arm_name(self.config, 0))
        if not self._ranks_start:
            return row
        ranked = self._rank(0, self.start)
        return row.model_copy(update={"held_out": ranked.numbers["results"], "seconds": _took(row, ranked)})

    def _learning(self) -> list[Tasks]:
        return [each for each in self.tasks if each.part.train is not None]

    def _play(self, k: int, tasks: Tasks, weights: Weights) -> Marker:
        experiment = play_experiment(self.config, tasks, k, weights.config)
        folder = self.folder.play(k, tasks.part.shown)
        # a checkpoint has learnt from these very tasks, and may have: it is not ranked here
        return self._run_stage(_play_stage(k, tasks), experiment, folder, weights, allow_leak=True)

    def _rank(self, k: int, weights: Weights) -> Marker:
        experiment = held_out_experiment(self.config, self.tasks, k, weights.config)
        return self._run_stage(f"held-out-{k}", experiment, self.folder.held_out(k), weights, allow_leak=False)

    def _run_stage(self, name: str, experiment: Experiment, folder: Path, weights: Weights, allow_leak: bool) -> Marker:
        def do() -> Made:
            summary = self._execute(name, experiment, folder, allow_leak)
            return Made(
                record_files(folder), {"results": arm_results(self.folder, folder), "episodes": episode_counts(summary)}
            )

        return self.stages.run(Stage(name, self._run_inputs(experiment, weights), do))

    def _data(self, k: int, played: list[Marker]) -> Marker:
        options = self.config.data.model_copy(
            update={
                "held_out": tuple(sorted(held_out_hashes(self.tasks))),
                "models": (weights_name(self.config, k - 1),),
            }
        )
        out = self.folder.data(k)

        given = self.config.begin_with if self._given(k) else None

        def do() -> Made:
            if given is not None:
                self.progress.say(f"data-{k}: {given}, in place of play")
                manifest = take_given(given, options.model_copy(update={"models": None}), self.start.folder, out)
            else:
                runs = [self.folder.play(k, each.part.shown) for each in self._learning()]
                self.progress.say(f"data-{k}: weighted sequences from {counted(len(runs), 'run')}")
                manifest = prepare(runs, options, self.start.folder, out).manifest
            counts = {key: value for key, value in manifest.items() if isinstance(value, (int, float))}
            return Made([out], {**counts, **weight_statistics(out)})

        if given is not None:
            inputs = {"given": given_hash(given), "options": options.model_dump(mode="json")}
            return self.stages.run(Stage(f"data-{k}", inputs, do))
        hashes = {marker.stage: marker.outputs_hash for marker in played}
        inputs = {"played": hashes, "options": options.model_dump(mode="json")}
        return self.stages.run(Stage(f"data-{k}", inputs, do))

    def _fit(self, k: int, weights: Weights, data: Marker) -> Marker:
        options, out = self.config.fit, self.folder.fit(k)

        def do() -> Made:
            self.progress.say(f"fit-{k}: from {weights.folder}")
            shown = FitProgress(f"fit-{k}", self.progress.console)
            result = fit(self.folder.data(k), weights.folder, options, out, shown)
            learnt = self._learnt(k)
            write_training_tasks(result.checkpoint, learnt.tasks, learnt.description)
            return Made(weight_files(result.checkpoint), fit_numbers(self.folder, weights, result))

        inputs = {"data": data.outputs_hash, "weights": weights.hash, "options": options.model_dump(mode="json")}
        return self.stages.run(Stage(f"fit-{k}", inputs, do))

    def _learnt(self, k: int) -> TrainingTasks:
        """The tasks that the weights of iteration k have learnt from."""
        hashes = learnt_hashes(self.config, self.tasks, k)
        return TrainingTasks(
            description=f"training {self.config.name} ({self.config.identity[:16]}), iterations 1 to {k}",
            tasks=sorted(hashes),
        )

    def _execute(self, stage: str, experiment: Experiment, folder: Path, allow_leak: bool) -> RunSummary:
        """Play a run to its end. Raises `Interrupted`, and `TooManyUnfinished` when more is unfinished than the config
        allows."""
        with Run(experiment, folder, allow_leak=allow_leak, readers=self.readers) as run:
            self.progress.say(
                f"{stage}: {counted(len(run.plan.units), 'episode')}, {len(run.todo)} with something left to do"
            )
            for torn in run.torn:
                self.progress.say(f"The last line was torn by a killed process; it is set aside in {torn}")
            summary = execute(run, Progress(self.progress.console, title=stage))
        if summary.stopped == "interrupted":
            raise Interrupted(f"interrupted in stage {stage}; the same command goes on")
        unfinished = count_unfinished(summary)
        if summary.stopped or unfinished > self.config.owed_share * summary.planned:
            raise TooManyUnfinished(
                f"stage {stage} is not done: {counts_text(summary)}; `owed_share` allows {self.config.owed_share:.0%}. "
                f"`harness show {folder}` has the reasons; the same command plays and scores the rest"
            )
        return summary

    def _run_inputs(self, experiment: Experiment, weights: Weights) -> dict[str, Any]:
        """Inputs that determine a run's result."""
        plan = Plan(experiment, self.readers)
        prompts = dict(sorted(prompt_versions(plan)))
        return {
            "experiment": experiment_identity(experiment, self.readers),
            "weights": weights.hash,
            "data": data_hashes(plan),
            "prompts": prompts,
        }

    @property
    def _ranks_start(self) -> bool:
        """False where nothing is to stand beside the iterations: then there is no ranking of the start."""
        return bool(self.config.held_out.beside)

    def _ranked(self, k: int) -> bool:
        return k % self.config.held_out.every == 0 or k == self.config.iterations

    def _check_runs(self) -> None:
        """Build the first iteration's runs as they will be built, so that whatever is wrong in them is said now: unknown
        parts, models' configs, methods' options; and hold every model that is ranked, actors and judges included,
        against what its card says it was trained on."""
        starts = int(self._ranks_start)
        ranking = self._planned_ranking(1 - starts, any(each.held_out for each in self.tasks))
        for planned in [ranking, *self.planned()[starts : starts + len(self._learning())]]:
            if planned.experiment is None:
                continue
            plan = Plan(planned.experiment, self.readers)
            if planned is ranking:
                playing = plan.played_by()
                configs = {name: model_config(planned.experiment, name) for name in playing}
                refuse_leaks(find_leaks(playing, configs), allowed=False)
            if not self.missing:
                plan.open_models()
                Scoring(plan, planned.experiment.judges, self.config.judge_aggregate, planned.experiment.process)

    def _facts(self) -> dict[str, Any]:
        tasks = {
            each.part.shown: {
                "train": [task.id for task in each.train],
                "held_out": [task.id for task in each.held_out],
            }
            for each in self.tasks
        }
        return {"start": {"folder": str(self.start.folder), "hash": self.start.hash}, "tasks": tasks}

    def _say_goal(self, rows: list[CurveRow]) -> None:
        for line in goal_lines(rows[-1], rows[0]):
            self.progress.say(line)

    def _write(self, rows: list[CurveRow]) -> None:
        """Write the curve as far as it goes. Not while finished stages are passed over: the curve that is there goes
        further."""
        if self.stages.done_now:
            write_curve(self.folder.path, rows)


FIT_KEYS = ("steps", "rows_per_step", "loss", "changed", "log", "metrics")
"""The numbers of a fit that stand in the curve; markers of earlier versions lack some."""


def _play_stage(k: int, tasks: Tasks) -> str:
    return f"play-{k}-{tasks.part.shown}"


def _took(row: CurveRow, *markers: Marker) -> dict[str, float]:
    return {**row.seconds, **{marker.stage: marker.seconds for marker in markers}}
