"""Several processes under `accelerate launch`: how many there are, how many rows make one optimizer step of theirs, and that none
outlives whoever launched it. Needs no torch."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.base.errors import BadInput, HarnessError
from harness.base.yamltext import read_yaml, text_of
from harness.training.fit.options import TrainOptions

LAUNCHER = "HARNESS_LAUNCHER"
"""Environment variable of launched processes: a file that the launcher holds a lock on for as long as it lives."""
EVERY_S = 0.5
"""Seconds between two looks at whether the launcher lives."""


def is_launched() -> bool:
    """True in a process that `accelerate launch` (or torchrun) started."""
    return "LOCAL_RANK" in os.environ


def processes_now() -> int:
    """The processes that train together, of which this is one."""
    return int(os.environ.get("WORLD_SIZE", "1")) if is_launched() else 1


def processes_of(launch: Sequence[str] | None) -> int | None:
    """The processes that arguments of `accelerate launch` start; 1 without any, None where they do not say. Raises `BadInput` for
    a config file that cannot be read."""
    if launch is None:
        return 1
    named = _value_of(launch, "num_processes")
    if named is None and (config := _value_of(launch, "config_file")) is not None:
        try:
            read = read_yaml(text_of(Path(config)), config)
        except OSError as error:
            raise BadInput(f"`launch`: the config file {config} cannot be read: {error.strerror}") from None
        named = read.get("num_processes") if isinstance(read, dict) else None
    return int(named) if named is not None and str(named).isdigit() and int(named) > 0 else None


def _value_of(launch: Sequence[str], name: str) -> str | None:
    """The value of `--name value`, `--name=value`, or the same with dashes."""
    found = None
    for number, part in enumerate(launch):
        flag, equals, value = part.lstrip("-").partition("=")
        if part.startswith("--") and flag.replace("-", "_") == name:
            found = value if equals else launch[number + 1] if number + 1 < len(launch) else None
    return found


def counted_processes(launch: Sequence[str] | None) -> int:
    """The processes that will train, or of which this is one. Raises `BadInput` where `launch` does not say how many."""
    if launch is None:
        return processes_now()
    found = processes_of(launch)
    if found is None:
        raise BadInput(
            "`launch` does not say how many processes it starts, and so not how many rows make an optimizer step: add "
            "`--num_processes N`, or a `num_processes` to its --config_file"
        )
    return found


def with_same_rows(
    options: TrainOptions, processes: int, stored: dict[str, Any] | None, where: Path
) -> tuple[TrainOptions, int]:
    """The options with which so many processes go on with what `stored` (a fit's identity) began, and the rows of an optimizer
    step. The same options with another number of processes get another accumulation. Raises `BadInput` where no accumulation
    makes the same rows."""
    rows = options.batch * options.accumulation * processes
    begun = (stored or {}).get("rows_per_step")
    before = (stored or {}).get("options", {})
    unchanged = all(before.get(key) == getattr(options, key) for key in ("batch", "accumulation"))
    if begun is None or rows == begun or not unchanged:
        return options, rows
    if begun % (options.batch * processes):
        raise BadInput(
            f"{where} was begun with {begun} rows per optimizer step; {processes} processes with batch {options.batch} cannot "
            f"make {begun}. Go on with a number of processes that divides {begun // options.batch}, or train in another folder"
        )
    return options.model_copy(update={"accumulation": begun // (options.batch * processes)}), begun


def launch(data: Path, base_model: Path, options: TrainOptions, out: Path) -> None:
    """Run the training under `accelerate launch`; its processes end when this one does. Raises `HarnessError` where it fails."""
    given = options.model_dump(mode="json", exclude={"launch"}, exclude_defaults=True)
    settings = [part for key, value in given.items() for part in ("--option", f"{key}={json.dumps(value)}")]
    command = [sys.executable, "-m", "accelerate.commands.launch", *(options.launch or ()), "-m", "harness.cli"]
    command += ["train", "fit", str(data), "--model", str(base_model), "--out", str(out), *settings]
    for left in out.glob(".launch-*"):
        left.unlink(missing_ok=True)
    held = out / f".launch-{os.getpid()}"
    with open(held, "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            done = subprocess.run(command, check=False, env={**os.environ, LAUNCHER: str(held.resolve())})
        finally:
            held.unlink(missing_ok=True)
    if done.returncode:
        raise HarnessError(f"accelerate launch ended with {done.returncode}; what it printed says why")


def end_with_launcher(leave: Callable[[], None] = lambda: os._exit(1)) -> None:
    """Call `leave` from a thread of its own as soon as the process that started this one has ended, or the one that launched
    them all: what they left behind would go on for nobody, and write where the same command, run again, writes."""
    parent, held = os.getppid(), os.environ.get(LAUNCHER)

    def watch() -> None:
        while os.getppid() == parent and (held is None or _is_held(Path(held))):
            time.sleep(EVERY_S)
        leave()

    threading.Thread(target=watch, name="launcher", daemon=True).start()


def _is_held(file: Path) -> bool:
    """True while another process has the file and a lock on it."""
    with suppress(OSError), open(file, encoding="utf-8") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
