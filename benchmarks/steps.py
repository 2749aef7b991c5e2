"""Environment steps through the whole harness - episode loop, records, store - without a model: scripted actors.

    python -m benchmarks.steps [--episodes 200]

The originals' figures are CPU milliseconds per step of their engines alone, without loop or records: WebShop's from its
recordings on one core of a 2-core x86 machine (the cheapest kind of step but the reset, so the ratio is its worst),
ALFWorld's measured beside ours by `benchmarks/alfworld.py` (docs/performance.md).
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from pathlib import Path

from rich.console import Console

from benchmarks.webshop import ORIGINAL_MS
from harness.experiment.experiment import Experiment
from harness.results.store import EPISODES, decode, scan
from harness.runs.progress import Progress
from harness.runs.run import Run, execute

ORIGINALS = {
    "webshop": ("the cheapest step of the original", min(ms for name, ms in ORIGINAL_MS.items() if name != "reset")),
    "alfworld": ("the original's median step", 96.0),
}


def play(name: str, folder: Path, episodes: int) -> tuple[int, float, float]:
    """(steps, wall seconds, CPU seconds) of that many episodes by the random actor."""
    tasks = min(episodes, 10)
    raw = {
        "name": "steps",
        "environments": [{"name": name, "split": "builtin-test", "tasks": tasks}],
        "actors": ["script:random"],
        "strategists": ["vanilla"],
        "repeats": -(-episodes // tasks),
        "limits": {"episodes_at_once": 16},
    }
    with Run(Experiment.model_validate(raw), folder) as run:
        began, used = time.perf_counter(), time.process_time()
        execute(run, Progress(Console(file=io.StringIO())))
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
    path = folder / EPISODES
    return sum(len(decode(path, offset, line)["turns"]) for offset, line in scan(path)), seconds, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=200)
    episodes = parser.parse_args().episodes
    for name, (what, original) in ORIGINALS.items():
        with tempfile.TemporaryDirectory() as folder:
            steps, seconds, cpu = play(name, Path(folder) / "run", episodes)
        own = cpu / steps * 1e3
        print(
            f"{name:9s} {steps:6d} steps  {steps / seconds:7.0f} steps/s  {own:6.3f} ms CPU per step, records included; "
            f"{what}: {original:g} ms, {original / own:.0f} ×"
        )


if __name__ == "__main__":
    main()
