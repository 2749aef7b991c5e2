"""Live logging of a run to TensorBoard or Weights & Biases: `log: tensorboard` (or `wandb`) in the experiment.

The one hook is the progress a run reports to. Every so often, and at the end, what the rows on disk say is logged: goal
means per cell so far, counts, tokens, money. It is a convenience: a log that cannot be written never stops a run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

from harness.base.errors import BadInput
from harness.base.invocation import installs
from harness.runs.metering import Meter
from harness.runs.plan import Unit
from harness.runs.progress import Progress
from harness.runs.standing import Standing

LogName = Literal["tensorboard", "wandb"]
FOLDER = "live-log"
"""Folder within the run's that holds TensorBoard's files and W&B's offline ones."""
EVERY_S = 10.0
SHARE = 0.02
"""Logging takes at most about this share of the time."""
TRIES = 3


class Log(Protocol):
    """A destination of numbers: TensorBoard, Weights & Biases, or a plug-in."""

    def write(self, values: dict[str, float], step: int) -> None: ...

    def close(self) -> None: ...


class TensorBoardLog:
    def __init__(self, folder: Path) -> None:
        """Open a TensorBoard writer. Raises `BadInput` without TensorBoard."""
        try:
            from tensorboard.summary import Writer
        except ImportError:
            raise BadInput(f"log: tensorboard needs TensorBoard: {installs('log')}") from None
        self._writer = Writer(str(folder / FOLDER))

    def write(self, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class WandbLog:
    """Goes where W&B's own environment variables say (WANDB_PROJECT, WANDB_ENTITY, WANDB_MODE, WANDB_API_KEY)."""

    def __init__(self, folder: Path) -> None:
        """Begin a W&B run. Raises `BadInput` without W&B, or when it cannot be begun."""
        try:
            import wandb
        except ImportError:
            raise BadInput("log: wandb needs Weights & Biases: pip install wandb") from None
        place = folder / FOLDER
        place.mkdir(parents=True, exist_ok=True)
        try:
            project = os.environ.get("WANDB_PROJECT", "strategist-harness")
            self._run = wandb.init(project=project, name=folder.name, id=folder.name, dir=str(place), resume="allow")
        except (wandb.Error, OSError, ValueError) as error:
            raise BadInput(f"log: wandb cannot be begun: {error}; WANDB_MODE=offline logs into {place}") from None

    def write(self, values: dict[str, float], step: int) -> None:
        self._run.log(values, step=step)

    def close(self) -> None:
        self._run.finish()


LOGS: dict[str, Callable[[Path], Log]] = {"tensorboard": TensorBoardLog, "wandb": WandbLog}


class LoggedProgress(Progress):
    """A progress that also logs what the run's rows say."""

    def __init__(self, shown: Progress, folder: Path, log: Log, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(shown.console)
        self._shown = shown
        self._folder, self._log, self._clock = folder, log, clock
        self._next = clock() + EVERY_S
        self._failures = 0

    @contextmanager
    def showing(self, meter: Meter, standing: Standing) -> Iterator[None]:
        self.meter, self.standing = meter, standing
        try:
            with self._shown.showing(meter, standing):
                yield
        finally:
            self._write()
            self._safely(self._log.close)

    def waits(self, waits: list[tuple[str, float]]) -> None:
        self._shown.waits(waits)

    def ended(self, unit: Unit, *, failed: bool) -> None:
        self._shown.ended(unit, failed=failed)
        if self._clock() >= self._next:
            began = self._clock()
            self._write()
            self._next = self._clock() + max(EVERY_S, (self._clock() - began) / SHARE)

    def _write(self) -> None:
        if self._failures < TRIES:
            self._safely(lambda: self._log.write(values := so_far(self._folder), int(values["episodes/finished"])))

    def _safely(self, work: Callable[[], object]) -> None:
        """Call the logger and report a failure; after `TRIES` failures the log is switched off. The run goes on."""
        try:
            work()
        except Exception as error:  # whatever a logging library raises is none of the run's business
            self._failures += 1
            left = "" if self._failures < TRIES else "; it is switched off"
            self.say(f"Live log: {type(error).__name__}: {str(error)[:200]}{left}")


def so_far(folder: Path) -> dict[str, float]:
    """Values of a run's rows now: counts, calls, tokens, money (where known), and the goal's mean per cell."""
    from harness.results.frames import COSTS
    from harness.results.tables import NOT_PLAYED, episodes

    table = episodes(folder)
    if table.empty:
        return {"episodes/finished": 0.0, "episodes/failed": 0.0}
    finished = table["status"] == "finished"
    failed = ~finished & (table["missing"] != NOT_PLAYED)
    found = {"episodes/finished": float(finished.sum()), "episodes/failed": float(failed.sum())}
    found["episodes/unscored"] = float((table["missing"] == "unscored").sum())
    for name in COSTS:
        total = sum(float(table[f"{who}{name}"].sum(skipna=False)) for who in ("", "judge_", "process_"))
        if total == total:  # not NaN: known
            found[f"cost/{name.removeprefix('n_')}"] = total
    for cell, goal in table.groupby("cell", observed=True)["goal"].mean().dropna().items():
        found[f"goal/{cell}"] = float(goal)
    return found


def logged(progress: Progress, name: LogName | None, folder: Path) -> Progress:
    """The progress, with the log that the experiment asks for. Raises `BadInput` where that log cannot be begun."""
    return progress if name is None else LoggedProgress(progress, folder, LOGS[name](folder))
