"""`harness.run`: plays an experiment from Python as `harness run` does.

Without a running event loop the run plays in the calling thread, as the command does. Inside one (Jupyter) it plays in a
thread of its own with its own loop, while the caller's thread waits, draws the panel in a notebook, and hands Ctrl-C on.
"""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.api.view import RunView
from harness.api.waiting import in_a_thread, own_handlers
from harness.base.counts import counted, is_or_are
from harness.base.errors import BadInput
from harness.commands.run_experiment import advising, check_probe, check_workforce, play, read_experiment, run_folder
from harness.experiment.experiment import Experiment, checked_experiment
from harness.runs.budget import Budget
from harness.runs.executors import Workforce
from harness.runs.jobs import RetryFailed
from harness.runs.manifest import folder_name
from harness.runs.progress import Progress
from harness.runs.run import INTERRUPTED, Run, RunSummary, interrupt
from harness.runs.runner import Stop

Source = str | os.PathLike[str] | Mapping[str, Any] | Experiment


def run(
    experiment: Source | None = None,
    *,
    name: str | None = None,
    results: str | os.PathLike[str] = "results",
    overrides: Sequence[str] = (),
    max_usd: float | None = None,
    max_tokens: int | None = None,
    max_hours: float | None = None,
    retry_failed: RetryFailed = False,
    probe: int | None = None,
    replay: str | os.PathLike[str] | None = None,
    record_calls: bool = True,
    check: bool = True,
    allow_leak: bool = False,
    workers: int = 0,
    progress: bool = True,
) -> RunView:
    """Play an experiment, or continue it: the same call plays what is left.

    `experiment` is a YAML file, the same as a mapping, an `Experiment`, or the folder of a run whose experiment is played
    again; without one the built-in quick-start is played.
    `overrides` changes values as `--set` does ("repeats=3"). `results` is the folder that runs lie in, `name` the run's
    folder in it. `max_usd` (US dollars), `max_tokens` and `max_hours` stop the run; `probe` plays the first blocks only (a
    block: all arms on one task). `retry_failed` plays failed episodes again, True for all or a reason's name. `replay`
    answers every call from another run's record, `record_calls=False` keeps none. `check=False` does not ask the models a
    short question first. `workers` plays in so many processes. `progress=False` shows nothing.

    Raises `BadInput` for what the command refuses, `HarnessError` when records cannot be written, and `KeyboardInterrupt`
    after Ctrl-C, when the running episodes have ended and everything is on record.
    """
    config = read_source(experiment, overrides)
    place = Path(results)
    folder = run_folder(place, folder_name(config, place) if name is None else name)
    budget, force = Budget(max_usd, max_tokens, max_hours), Workforce(workers=workers)
    budget.check()
    check_probe(probe)
    check_workforce(force)
    opened = Run(
        config,
        folder,
        retry_failed=retry_failed,
        budget=budget,
        blocks=probe,
        record_calls=record_calls,
        replay=None if replay is None else Path(replay),
        allow_leak=allow_leak,
        workforce=force,
        check=check,
        warns=experiment is not None,  # the quick-start's file says what is short on purpose
    )
    console = None if progress else Console(file=io.StringIO(), force_jupyter=False, force_terminal=False)
    with advising():
        summary = Playing(opened, place, Progress(console)).play_here()
    if summary.stopped == INTERRUPTED:
        left = f"{summary.missing} of {counted(summary.planned, 'episode')} {is_or_are(summary.missing)} left"
        raise KeyboardInterrupt(f"{left}; the same call plays them")
    return RunView((folder,), summary=summary)


def read_source(source: Source | None, overrides: Sequence[str] = ()) -> Experiment:
    """Read an experiment from a file, a mapping, or the built-in quick-start (None). Raises `BadInput`."""
    if isinstance(source, Experiment) and not overrides:
        return source
    if isinstance(source, Experiment):
        return checked_experiment(source.model_dump(mode="json"), "the experiment", overrides)
    if isinstance(source, Mapping):
        return checked_experiment(deepcopy(dict(source)), "the experiment", overrides)
    if source is not None and not isinstance(source, str | os.PathLike):
        raise BadInput(f"harness.run takes a file, a mapping or an Experiment, not {type(source).__name__}")
    return read_experiment(None if source is None else Path(source), list(overrides))


class Playing:
    """One play of a run, and the way to interrupt it."""

    def __init__(self, run: Run, results: Path, progress: Progress) -> None:
        self._run, self._results, self._progress = run, results, progress
        self._stop = Stop()

    def play_here(self) -> RunSummary:
        """Play the run to its end: in this thread, or in another one where an event loop is running in this one."""
        if not is_in_a_loop():
            with own_handlers():
                return self._play()
        try:
            return in_a_thread(self._play, self._interrupt, self._progress)
        except asyncio.CancelledError:
            raise KeyboardInterrupt("interrupted before anything was played") from None

    def _play(self) -> RunSummary:
        return play(self._run, self._results, self._progress, self._stop)

    def _interrupt(self) -> None:
        with suppress(RuntimeError):  # the loop was closed: the run is over
            self._run.loop.call_soon_threadsafe(self._interrupted)

    def _interrupted(self) -> None:
        if self._run.opened:
            interrupt(self._stop, self._progress)
            return
        self._stop.drain(INTERRUPTED)
        for task in asyncio.all_tasks(self._run.loop):  # those of the check, which asks the models a short question
            task.cancel()


def is_in_a_loop() -> bool:
    """Tell whether an event loop is running in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
