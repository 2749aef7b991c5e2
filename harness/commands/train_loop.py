"""`harness train CONFIG`: the self-play loop of a config, or (`--dry-run`) its stages and what they will take."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from agents.models.local.openmp import wait_passively
from harness.base.counts import counted
from harness.base.errors import BadInput
from harness.base.invocation import as_called
from harness.commands import EXIT_INTERRUPTED, EXIT_OK
from harness.commands.forecast import amount_texts, money_text, range_text
from harness.commands.printing import Grid, Look, print_grids, say
from harness.commands.run_experiment import run_folder
from harness.experiment.experiment import Experiment
from harness.experiment.manifest_form import SEPARATOR
from harness.reading.readers import TODAY, kept_line
from harness.results.index import Row
from harness.results.store import MANIFEST
from harness.results.training_curve import CurveRow, find_trainings
from harness.runs.forecast import CellForecast, add_run, forecast, in_run_hours, past_episodes, total
from harness.runs.plan import Plan
from harness.training.fit.launch import processes_of
from harness.training.fit.options import TrainOptions
from harness.training.loop.config import TrainConfig, load_train_config
from harness.training.loop.experiments import UNTRAINED
from harness.training.loop.folder import TrainingFolder, folder_name
from harness.training.loop.gpu_hours import GPUS, USED, StageHours, fit_hours, play_hours
from harness.training.loop.selfplay import Interrupted, PlannedRun, SelfPlay


def train_command(arguments: argparse.Namespace) -> int:
    """Make the training of a config, or with `--seeds` several of them. Raises `BadInput`."""
    wait_passively()
    config = load_train_config(arguments.config, arguments.overrides)
    name = arguments.name or folder_name(config, arguments.results)
    if arguments.seeds is not None:
        return _train_several(config, name, arguments)
    return _train(config, run_folder(arguments.results, name), arguments)


def _train_several(config: TrainConfig, name: str, arguments: argparse.Namespace) -> int:
    """Trainings of one recipe that differ by their seed alone, ranked on the same draws. Stops where one does not end well; the
    same command goes on there."""
    if arguments.seeds < 1:
        raise BadInput(f"--seeds {arguments.seeds}: expected a number of trainings from 1 on, such as 3")
    trainings = [
        (
            seeded(arguments.config, arguments.overrides, config, seed),
            run_folder(arguments.results, f"{name}-seed{seed}"),
        )
        for seed in range(1, arguments.seeds + 1)
    ]
    for seed, (each, folder) in enumerate(trainings, 1):
        say(Console(stderr=True), f"training {seed} of {arguments.seeds}: seed {seed}, folder {folder}")
        done = _train(each, folder, arguments)
        if done != EXIT_OK:
            return done
    if arguments.seeds > 1 and not arguments.dry_run:
        ranked = [TrainingFolder(folder).held_out for _, folder in trainings]
        first, *others = (str(held_out(config.iterations)) for held_out in ranked)
        start = beside(config, TrainingFolder(trainings[0][1]))
        line = f"All {arguments.seeds} trainings as one arm:\n  harness compare {start} {first} --trainings {' '.join(others)}"
        say(Console(), as_called(line))
    return EXIT_OK


def seeded(path: Path, overrides: list[str], recipe: TrainConfig, seed: int) -> TrainConfig:
    """The recipe with another seed for what it plays and how it fits, ranked with the draws of the recipe itself."""
    ranked = recipe.seed if recipe.held_out.seed is None else recipe.held_out.seed
    return load_train_config(path, [*overrides, f"seed={seed}", f"fit.seed={seed}", f"held_out.seed={ranked}"])


def _train(config: TrainConfig, folder: Path, arguments: argparse.Namespace) -> int:
    if (folder / MANIFEST).exists():
        raise BadInput(f"{folder} is a run, not a training; give the training another name (--name)")
    training = SelfPlay(config, folder, look_only=arguments.dry_run)
    if arguments.dry_run:
        return show_stages(training, arguments.results)
    if training.readers != TODAY:
        training.progress.say(kept_line("training"))
    try:
        rows = training.run()
    except Interrupted as stop:
        say(Console(stderr=True), f"harness: {stop}")
        return EXIT_INTERRUPTED
    print_curve(config, rows, folder)
    return EXIT_OK


def beside(config: TrainConfig, folder: TrainingFolder) -> str:
    """The arm that a training's last iteration is held against: the untrained strategist, another that was ranked beside the
    iterations where it was not, or the first iteration where nobody was."""
    names = [spec.label for spec in config.held_out.beside]
    if not names:
        return str(folder.held_out(1))
    return f"'{folder.held_out(0)}#strategist={UNTRAINED if UNTRAINED in names else names[0]}'"


def print_curve(config: TrainConfig, rows: list[CurveRow], folder: Path) -> None:
    """The ranking of all iterations, their curve, and where everything lies."""
    from harness.commands.ranking import print_leaderboard
    from harness.results.tables import find_runs

    console = Console()
    print_leaderboard(find_runs([folder]), "table", None, console)
    columns = ("iteration", "strategist", "environment", "held-out", "on training tasks", "loss", "steps", "moved by")
    curve = Grid("", columns, [cells for row in rows for cells in _curve_cells(row)])
    print_grids(console, [curve], Look(words=columns[1:3]))
    made = TrainingFolder(folder)
    first, last = beside(config, made), str(made.held_out(rows[-1].iteration))
    say(console, as_called(f"Training: {folder}"))
    say(console, as_called(f"  harness leaderboard {folder}      # every iteration beside what was not trained"))
    if first != last:
        say(console, as_called(f"  harness compare {first} {last}"))
    say(console, as_called(f"Checkpoint: {folder / str(rows[-1].checkpoint)} (README.md there is its card)"))


def _curve_cells(row: CurveRow) -> list[list[str]]:
    """One line per environment this iteration was ranked in."""
    fit = row.fit or {}
    loss = fit.get("loss") or []
    tail = [
        f"{loss[0][1]:.4g} → {loss[-1][1]:.4g}" if loss else "–",
        str(fit.get("steps", "–")),
        f"{fit['changed']:.1e}" if fit else "–",
    ]
    played = {each["environment"]: each["goal"] for each in row.training_tasks or []}
    own = [arm for arm in row.held_out or [] if arm["strategist"] == row.strategist]
    head = [str(row.iteration), row.strategist]
    return [
        [*head, arm["environment"], _mean(arm["goal"]), _mean(played.get(arm["environment"])), *tail] for arm in own
    ]


def _mean(value: Any) -> str:
    return "–" if value is None else f"{value:.3f}"


def show_stages(training: SelfPlay, results: Path) -> int:
    """Print the stages in their order with episodes, calls, tokens and money; play nothing."""
    config = training.config
    past = past_episodes(results)
    for folder in find_trainings(results):
        for run in sorted([*folder.glob("play/*/*"), *folder.glob("held-out/*")]):
            if (run / MANIFEST).exists():
                add_run(run, past)
    console = Console()
    for line in _head(training):
        say(console, line)
    stages: list[list[str]] = []
    every: list[CellForecast] = []
    on_gpus: list[StageHours | None] = []
    rows = 0
    for planned in training.planned():
        cells = _forecast(planned, past)
        every += cells
        if planned.experiment is not None and cells:
            on_gpus.append(play_hours(config, planned.stage, Plan(planned.experiment), cells))
        rows += _rows(planned, cells)
        number = planned.iteration_after_play
        if planned.given:
            stages.append([planned.stage, f"{config.begin_with}, in place of play", "", "", "", "", ""])
        else:
            stages += _stage_texts(planned.stage, cells, training.stages.marker(planned.stage) is not None)
        if number is not None and not planned.given:
            stages.append([f"data-{number}", _sequences(config), "", "", "", "", ""])
        if number is not None:
            on_gpus.append(fit_hours(config, f"fit-{number}", rows) if rows else None)
            rows = 0
            stages.append([f"fit-{number}", _fitting(config), "", "", "", "", ""])
    columns = ("stage", "what", "episodes", "model calls", "tokens", "USD", "from")
    print_grids(console, [Grid("", columns, stages)], Look(words=("stage", "what", "from")))
    sums = total(every)
    hours = in_run_hours(sums["seconds"], config.limits.episodes_at_once)
    say(
        console,
        f"total: {counted(sum(cell.episodes for cell in every), 'episode')}, {range_text(sums['calls'], 0)} calls, "
        f"{range_text(sums['tokens'], 0)} tokens, USD {money_text(sums['usd'], 'arm')}, hours of play "
        f"{range_text(hours, 2)} at {counted(config.limits.episodes_at_once, 'episode')} at once; fitting is not in it"
        + ("; nor are stages whose tasks are not on this machine" if training.missing else ""),
    )
    _print_gpus(console, [each for each in on_gpus if each is not None])
    return EXIT_OK


def _rows(planned: PlannedRun, cells: list[CellForecast]) -> int:
    """The episodes' seats that a run gives to the fit behind it; nothing for a ranking."""
    if not planned.stage.startswith("play-") or planned.experiment is None:
        return 0
    plan = Plan(planned.experiment)
    seats = {world.environment.name: world.environment.seats for world in plan.worlds.values()}
    return sum(cell.episodes * seats[plan.cells[cell.cell].environment.name] for cell in cells)


def _print_gpus(console: Console, stages: list[StageHours]) -> None:
    """Print the hours of the strategist on GPUs, stage by stage and in all."""
    if not stages:
        return
    names = [gpu.name for gpu in GPUS]
    lines = [
        [each.stage, str(each.gpus), f"≤ {each.tokens:,.0f}", *(f"≤ {each.hours[name]:.2f}" for name in names)]
        for each in stages
    ]
    spent = {name: sum(each.gpus * each.hours[name] for each in stages) for name in names}
    head = f"The strategist's hours on GPUs, at {USED:.0%} of what they can do; actors, judges and worlds are not in it"
    console.print()
    print_grids(console, [Grid(head, ("stage", "GPUs", "its tokens", *names), lines)], Look(words=("stage",)))
    say(console, "GPU hours in all: " + ", ".join(f"≤ {spent[name]:,.0f} on {name}" for name in names))


def _forecast(planned: PlannedRun, past: dict[str, list[Row]]) -> list[CellForecast]:
    """One forecast per cell of a run; where its own strategist has not played yet, from what the untrained one took."""
    if planned.experiment is None:
        return []
    plan, like = Plan(planned.experiment), planned.like
    plan.open_models()
    cells = forecast(plan, past)
    return [cell if like is None or cell.basis != "bound" else _from_untrained(cell, like, past) for cell in cells]


def _from_untrained(bound: CellForecast, like: Experiment, past: dict[str, list[Row]]) -> CellForecast:
    plan = Plan(like)
    wanted = SEPARATOR.join([*bound.cell.split(SEPARATOR)[:-1], UNTRAINED])
    if wanted not in plan.cells:
        return bound
    counts = dict.fromkeys(plan.cells, bound.episodes)
    [found] = [cell for cell in forecast(plan, past, counts) if cell.cell == wanted]
    return bound if found.basis == "bound" else replace(found, cell=bound.cell, basis=f"{found.basis} of {UNTRAINED}")


def _head(training: SelfPlay) -> list[str]:
    config = training.config
    lines = [f"training {config.name}, folder {training.folder.path}: {counted(config.iterations, 'iteration')}"]
    lines += [f"  {config.description}"] if config.description else []
    for each in training.tasks:
        learns, ranked = each.part.train, each.part.held_out
        parts = [f"learns on {counted(len(each.train), 'task')} ({learns.split})"] if learns and each.train else []
        parts += (
            [f"is ranked on {counted(len(each.held_out), 'other')} ({ranked.split})"]
            if ranked and each.held_out
            else []
        )
        parts += ["other tasks not counted" if parts else "tasks not counted"] if each.missing else []
        lines.append(f"  {each.part.shown}: " + ", ".join(parts))
    if config.method.name == "grpo":
        groups = config.fit.batch * config.fit.accumulation // config.play.repeats
        lines.append(
            f"  grpo: every round plays {groups} × {config.play.repeats} new episodes and learns from them at once"
        )
    if config.fit.clip is not None and config.method.name == "epo" and not config.records_logprobs:
        lines.append(
            "  clip: the engine's log-probabilities are not recorded, so nothing corrects for them; that takes `tokens: true` of "
            "the start and `data.target: sampled`"
        )
    return lines + [f"  not on this machine yet: {what}" for what in training.missing]


def _stage_texts(stage: str, cells: list[CellForecast], done: bool) -> list[list[str]]:
    """A line per cell that the stage plays."""
    if not cells:
        return [[stage, "tasks are not on this machine", "?", "?", "?", "?", ""]]
    return [[stage, cell.cell, *amount_texts(cell), "done" if done else cell.basis] for cell in cells]


def _sequences(config: TrainConfig) -> str:
    data = config.data
    return f"weighted sequences: {data.layout}, gamma {data.gamma:g}, normalize {data.normalize}"


def _fitting(config: TrainConfig) -> str:
    fit = config.fit
    how = "all weights" if fit.lora is None else f"LoRA r {fit.lora.r}"
    long = counted(fit.max_steps, "step") if fit.max_steps else f"{fit.epochs:g} epochs"
    return f"{how}, learning rate {fit.learning_rate:g}, {long}, {_rows_text(fit)}"


def _rows_text(fit: TrainOptions) -> str:
    processes = processes_of(fit.launch)
    if processes is None:
        return f"batch {fit.batch} × {fit.accumulation} × the processes that `launch` starts"
    rows = fit.batch * fit.accumulation * processes
    several = f" × {counted(processes, 'process', 'processes')}" if fit.launch is not None else ""
    return f"batch {fit.batch} × {fit.accumulation}{several} = {counted(rows, 'row')} a step"
