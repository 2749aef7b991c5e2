"""Calls per second in one process and with worker processes, in turn, against a server in a process of its own.

    python -m benchmarks.workers [--rounds 3] [--episodes 200] [--workers 2] [--latency 0]

Ten-turn SOTOPIA dialogues, every record and reply kept. The clock starts when the first reply has come, so that what a worker
needs to start is printed beside the rate, not in it. On a machine with few processors the server competes with the workers.
"""

from __future__ import annotations

import argparse
import io
import resource
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.calls import experiment
from harness.runs.executors import Workforce
from harness.runs.metering import Meter
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from tests.e2e.speaking_server import serving


@dataclass(frozen=True, slots=True)
class Figure:
    per_second: float
    """Calls, from the first reply to the last."""
    start_s: float
    """Until the first reply."""
    run_ms: float
    """CPU per call of the run's own process."""
    workers_ms: float
    """CPU per call of its workers, their start included."""


class Stamped(Meter):
    """Notes when the first reply came."""

    first = 0.0

    def count(self, reply: object) -> None:
        self.first = self.first or time.perf_counter()
        super().count(reply)  # type: ignore[arg-type]


def play(url: str, episodes: int, at_once: int, workers: int) -> Figure:
    force = Workforce(workers=workers)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(experiment(url, episodes, at_once), Path(folder) / "run", workforce=force)
        run.meter = meter = Stamped()
        with run:
            began, cpu, below = time.perf_counter(), time.process_time(), _children()
            summary = execute(run, Progress(Console(file=io.StringIO())))
            ended, cpu, below = time.perf_counter(), time.process_time() - cpu, _children() - below
    assert summary.finished == summary.planned, summary
    calls = meter.calls
    return Figure(calls / (ended - meter.first), meter.first - began, cpu / calls * 1e3, below / calls * 1e3)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--latency", type=float, default=0.0)
    args = parser.parse_args()
    ways = {"one process": 0, "1 worker": 1, f"{args.workers} workers": args.workers}
    got: dict[str, list[Figure]] = {name: [] for name in ways}
    with serving("--latency", f"{args.latency:g}") as server:
        for _ in range(args.rounds):
            for name, workers in ways.items():
                got[name].append(play(server.url, args.episodes, args.at_once, workers))
    print(
        f"{args.episodes} ten-turn dialogues, {args.at_once} at once, latency {args.latency:g} s, median of {args.rounds}"
    )
    base = got["one process"]
    for name, figures in got.items():
        ratios = [one.per_second / other.per_second for one, other in zip(figures, base, strict=True)]
        middle = {key: statistics.median(getattr(one, key) for one in figures) for key in Figure.__dataclass_fields__}
        print(
            f"{name:12s} {middle['per_second']:6.0f} calls/s, {statistics.median(ratios):4.2f} × one process "
            f"({', '.join(f'{ratio:.2f}' for ratio in ratios)}); CPU per call {middle['run_ms']:.2f} ms in the run, "
            f"{middle['workers_ms']:.2f} ms in workers; first reply after {middle['start_s']:.1f} s"
        )


if __name__ == "__main__":
    main()
