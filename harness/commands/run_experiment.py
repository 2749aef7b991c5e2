"""`harness run`. What takes long to import and is not always needed (the forecast, the ranking, the panel) is imported when it
is due: a run that is continued begins to play at once, and a dry run shows no panel.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from harness.base.counts import counted, was_or_were
from harness.base.errors import BadInput
from harness.base.invocation import as_called
from harness.base.part_files import find_again
from harness.base.yamltext import text_of
from harness.commands import EXIT_INTERRUPTED, EXIT_OK, EXIT_UNFINISHED
from harness.commands.printing import say
from harness.experiment.experiment import Experiment, checked_experiment, load_experiment
from harness.reading.readers import TODAY, kept_line
from harness.results.index import latest_episodes
from harness.results.kin import kin_sentences
from harness.results.store import FORECAST, MANIFEST, read_manifest
from harness.runs.budget import Budget
from harness.runs.checking import CheckFailed, said
from harness.runs.executors import Workforce
from harness.runs.failures import again_helps, failure_lines, grouped_failures
from harness.runs.interface import interface_lines
from harness.runs.manifest import folder_name
from harness.runs.plan import Plan
from harness.runs.run import INTERRUPTED, Run, RunSummary, execute
from harness.runs.runner import Stop
from harness.runs.until import DECIDED, Until

if TYPE_CHECKING:
    from harness.runs.progress import Progress


def run_experiment(arguments: argparse.Namespace) -> int:
    """Play as `harness run`'s arguments say. Raises `BadInput`."""
    with advising():
        return _run(arguments)


@contextmanager
def advising() -> Iterator[None]:
    """Say of a check that failed how to leave it out."""
    try:
        yield
    except CheckFailed as failed:
        raise BadInput(f"{failed}\n`--no-check` leaves the check out.") from None


def check_probe(blocks: int | None) -> None:
    """Check `--probe`. Raises `BadInput` for a number of blocks below 1."""
    if blocks is not None and blocks < 1:
        raise BadInput(f"--probe {blocks}: expected at least 1 block")


def _run(arguments: argparse.Namespace) -> int:
    experiment = read_experiment(arguments.config, arguments.overrides)
    name = folder_name(experiment, arguments.results) if arguments.name is None else arguments.name
    folder = run_folder(arguments.results, name)
    budget = read_budget(arguments)
    check_probe(arguments.probe)
    until = read_until(arguments)
    run = Run(
        experiment,
        folder,
        retry_failed=arguments.retry_failed,
        budget=budget,
        blocks=arguments.probe,
        record_calls=not arguments.no_cache,
        replay=arguments.replay,
        allow_leak=arguments.allow_leak,
        workforce=read_workforce(arguments),
        check=not arguments.no_check,
        warns=arguments.config is not None,  # the quick-start's file says what is short on purpose
        until=until,
    )
    if until is not None:
        until.check(run.plan)
    for line in run.plan.notes():
        print(f"note: {line}", file=sys.stderr)
    if arguments.dry_run:
        run.look()
        return show_forecast(run.plan, name, arguments.results)
    from harness.runs.progress import Progress

    summary = play(run, arguments.results, Progress())
    if arguments.probe is not None:
        show_forecast(run.plan, name, arguments.results)
        if ending := [*stopped_lines(summary), *after_lines(summary)]:
            say(Console(), as_called("\n".join(["", *ending])))
    else:
        print_summary(summary, arguments, [*run.cost_lines(), *forecast_lines(run)])
    if summary.stopped == INTERRUPTED:
        return EXIT_INTERRUPTED
    return EXIT_OK if summary.complete or decided(summary) else EXIT_UNFINISHED


def decided(summary: RunSummary) -> bool:
    """True if the run ended because its questions are decided: what is left need not be played."""
    return (summary.stopped or "").startswith(DECIDED)


def play(run: Run, results: Path, progress: Progress, stop: Stop | None = None) -> RunSummary:
    """Open a run's folder under `results`, play what is left, and close it. Keeps a forecast where other runs allow one.
    `stop`: see `execute`."""
    first = run.replay is None and not (run.folder / MANIFEST).exists()  # nothing could be foreseen of a replay
    with run:
        if first and any(path != run.folder for path in results.iterdir()):
            keep_forecast(run, results)
        if run.experiment.log is not None:
            from harness.exchange.livelog import logged

            progress = logged(progress, run.experiment.log, run.folder)
        if run.readers != TODAY:
            progress.say(kept_line("run"))
        for line in (*said(run.checked), *kin_sentences(run.experiment.model_dump(mode="json"))):
            progress.say(line)
        for torn in run.torn:
            progress.say(f"The last line was torn by a killed process; it is set aside in {torn}")
        summary = execute(run, progress, stop)
        if run.blocks is not None:
            keep_forecast(run, results, run.blocks)
    return summary


def show_forecast(plan: Plan, name: str, results: Path) -> int:
    from harness.commands.forecast import forecast_command

    return forecast_command(plan, name, results)


def keep_forecast(run: Run, results: Path, probed_blocks: int = 0) -> None:
    """Keep what the episodes under `results` say the run will take, to be checked when it ends."""
    from harness.runs.forecast import past_episodes
    from harness.runs.forecast_check import store_forecast

    store_forecast(run.plan, run.folder, past_episodes(results, run.plan), probed_blocks)


def forecast_lines(run: Run) -> list[str]:
    """The kept forecast beside what the run took; nothing where none was kept."""
    if not (run.folder / FORECAST).exists():
        return []
    from harness.runs.forecast_check import check_lines

    return check_lines(run.plan, run.folder)


def read_budget(arguments: argparse.Namespace) -> Budget:
    """The budget of the command line. Raises `BadInput` when it is not above 0."""
    budget = Budget(arguments.max_usd, arguments.max_tokens, arguments.max_hours)
    budget.check()
    return budget


def read_until(arguments: argparse.Namespace) -> Until | None:
    """Read what has to be decided; None where that was not asked for. Raises `BadInput` for options that do not go together."""
    if not arguments.until_decided:
        if arguments.question or arguments.smallest_difference is not None:
            raise BadInput("--question and --smallest-difference say when --until-decided ends: add --until-decided")
        return None
    if arguments.probe is not None:
        raise BadInput("--until-decided plays as much as it takes, --probe a given number of blocks; give one of them")
    from harness.compare.decided import answers

    return Until(answers, tuple(arguments.question), arguments.smallest_difference)


def read_workforce(arguments: argparse.Namespace) -> Workforce:
    """Read where episodes are played. Raises `BadInput` for options that do not go together."""
    force = Workforce(arguments.executor, arguments.workers, arguments.recycle, arguments.address)
    check_workforce(force)
    return force


def check_workforce(force: Workforce) -> None:
    """Check the options for workers and clusters. Raises `BadInput` for options that do not go together."""
    if force.workers < 0:
        raise BadInput(f"--workers {force.workers}: expected a number of processes, or 0 to play in this one")
    if force.recycle < 1:
        raise BadInput(f"--recycle {force.recycle}: expected at least 1 episode")
    if force.kind == "ray" and force.workers:
        raise BadInput("--workers is for the local executor; on Ray the cluster says how many processes there are")
    if force.kind != "ray" and force.address is not None:
        raise BadInput("--address is a Ray cluster's: add --executor ray")


def read_experiment(path: Path | None, overrides: list[str]) -> Experiment:
    """The experiment in a file, the one that a run's folder was played from, or the built-in quick-start. Raises `BadInput`."""
    if path is None:
        return load_experiment(None, files("harness").joinpath("quickstart.yaml").read_text("utf-8"), overrides)
    if path.is_dir():
        return _played_from(path, overrides)
    try:
        return load_experiment(path, text_of(path), overrides)
    except FileNotFoundError:
        raise BadInput(f"there is no experiment file {path}") from None


def _played_from(folder: Path, overrides: list[str]) -> Experiment:
    """The experiment of a run, as its manifest keeps it. What somebody else's run says names no file of this machine; parts in
    files are found in the working folder, if they are what they were. Raises `BadInput`."""
    manifest = read_manifest(folder)
    if manifest.get("imported"):
        raise BadInput(f"{folder}: its dialogues were imported, so there is no experiment to play")
    experiment = checked_experiment(manifest["config"], str(folder / MANIFEST), overrides, None)
    find_again(experiment.parts, Path())
    return experiment


def run_folder(results: Path, name: str) -> Path:
    """The run's folder. Raises `BadInput` for a name that is none: it would leave `results`, or mislead who reads it."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise BadInput(
            f"--name {name!r}: a run's name is one folder name under {results}, without slashes: letters, digits, `.`, "
            "`_` and `-`, at most 100, beginning with a letter or digit"
        )
    return results / name


def stopped_lines(summary: RunSummary) -> list[str]:
    """Lines that say why the run ended early and how much it left; none where it went through, or was interrupted when all
    was finished. They hold words of endpoints."""
    stopped = _stopped(summary)
    if not stopped or (summary.stopped == INTERRUPTED and summary.complete):
        return []
    verb = was_or_were(summary.missing)
    left = (
        f"; {summary.missing:,} of {counted(summary.planned, 'episode')} {verb} not played" if summary.missing else ""
    )
    return [f"Stopped early: {stopped[0].rstrip('.')}{left}.", *stopped[1:]]


def _stopped(summary: RunSummary) -> list[str]:
    return (summary.stopped or "").splitlines()


def after_lines(summary: RunSummary) -> list[str]:
    """Lines that say why things failed, and what to do about what is left. They hold words of endpoints."""
    if summary.complete:
        return []
    groups = grouped_failures(summary.folder)
    lines = ["Why things failed:", *failure_lines(groups)] if groups else []
    lines += summary.later
    if summary.later:
        lines.append("Run the same command again then.")
    elif len(_stopped(summary)) > 1:
        lines.append("Then the same command plays what is left.")
    elif (summary.missing and not decided(summary)) or again_helps(groups):
        lines.append("Run the same command again for what is left (failures of kind `model` are results and stay).")
    return lines


def print_summary(summary: RunSummary, arguments: argparse.Namespace, forecast: list[str]) -> None:
    from harness.commands.ranking import print_leaderboard

    console = Console()
    print_leaderboard([summary.folder], "table", None, console)
    failed = ", ".join(f"{count} {kind}" for kind, count in sorted(summary.failed.items())) or "0"
    console.print(
        f"\n{summary.finished} of {counted(summary.planned, 'planned episode')} finished, failed: {failed}, "
        f"not played: {summary.missing}, unscored: {summary.unscored}"
        + (f", without process rewards: {summary.unrewarded}." if summary.unrewarded else "."),
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    lines = [*forecast, f"Records: {summary.folder}", *interface_lines(read_manifest(summary.folder))]
    lines += [*stopped_lines(summary), *after_lines(summary)]
    say(console, as_called("\n".join(lines)))
    if arguments.config is None:
        print_quickstart_end(console, summary)


def print_quickstart_end(console: Console, summary: RunSummary) -> None:
    """One game twice, the answer, the page, and what to do next."""
    from harness.commands.ending import print_answer
    from leaderboard.board import open_board
    from leaderboard.page import write_page

    print_answer(console, summary.folder)
    page = write_page(open_board([summary.folder]), summary.folder)
    rows = latest_episodes(summary.folder).values()
    shown = {row["environment"]: row["episode_id"] for row in rows if row["environment"] in ("sotopia", "webshop")}
    lines = [
        "",
        f"The whole comparison as a page: {page.resolve()}",
        "SOTOPIA's dialogue is not scored: a judge of 135M parameters would say nothing. Next:",
        *(f"  harness show {summary.folder} {episode}    # the {name} dialogue" for name, episode in shown.items()),
        f"  harness compare {summary.folder}    # every comparison, with what may be concluded",
    ]
    say(console, as_called("\n".join(lines)))
