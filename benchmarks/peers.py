"""The whole path against inspect_ai and against a bare loop over the openai library: the same ten-turn dialogues, the
same local server, in turn, each in a process of its own.

    make peers                                      inspect_ai in .venv-peers (its dependencies are not ours)
    python -m benchmarks.peers [--latency 0 0.1] [--at-once 16 256 1000] [--rounds 3]
    python -m benchmarks.peers --memory             peak memory by number of finished dialogues, and its slope

CPU is the client process's own, all its threads, from the first dialogue to the last file; imports and the server's
CPU are not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import io
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.e2e.speaking_server import serving

PEER_PYTHON = Path(".venv-peers/bin/python")
OURS, BARE, BARE_AIOHTTP, INSPECT = (
    "whole path",
    "bare loop over the openai library",
    "the same on its aiohttp transport",
    "inspect_ai",
)


@dataclass(frozen=True, slots=True)
class Reading:
    calls: int
    seconds: float
    cpu: float
    peak_mib: float

    @property
    def cpu_ms(self) -> float:
        return self.cpu / self.calls * 1e3

    @property
    def per_second(self) -> float:
        return self.calls / self.seconds


def play_ours(url: str, episodes: int, at_once: int, turns: int) -> Reading:
    """`harness run` without its start: every record and every reply kept."""
    from rich.console import Console

    from benchmarks.calls import experiment
    from harness.runs.progress import Progress
    from harness.runs.run import Run, execute

    whole = experiment(url, episodes, at_once)
    whole.environments[0].options["max_turns"] = turns
    with tempfile.TemporaryDirectory() as folder, Run(whole, Path(folder) / "run") as run:
        began, used = time.perf_counter(), time.process_time()
        summary = execute(run, Progress(Console(file=io.StringIO())))
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
        assert summary.finished == summary.planned, summary
        return Reading(run.meter.calls, seconds, cpu, _peak_mib())


def play_bare(url: str, dialogues: list[list[dict[str, Any]]], at_once: int, aiohttp: bool) -> Reading:
    """Dialogue after dialogue per worker, the calls of one in order; answers are read and thrown away."""
    from openai import AsyncOpenAI, DefaultAioHttpClient

    async def go() -> Reading:
        transport: Any = DefaultAioHttpClient() if aiohttp else None
        client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0, timeout=600, http_client=transport)
        left = iter(dialogues)

        async def worker() -> None:
            for bodies in left:
                for body in bodies:
                    answer = await client.chat.completions.create(**body)
                    assert answer.choices[0].message.content

        began, used = time.perf_counter(), time.process_time()
        await _gather(worker, at_once)
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
        await client.close()
        return Reading(sum(map(len, dialogues)), seconds, cpu, _peak_mib())

    return asyncio.run(go())


async def _gather(worker: Callable[[], Awaitable[None]], count: int) -> None:
    await asyncio.gather(*(worker() for _ in range(count)))


def _peak_mib() -> float:
    """Of this process alone: `ru_maxrss` begins with what the process that started it held."""
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    return int(peak) / 1024


@dataclass(frozen=True, slots=True)
class Setting:
    """What one reading is taken with; `bodies` holds the dialogues' requests, a JSON list per line."""

    url: str
    bodies: Path
    episodes: int
    at_once: int
    turns: int

    def take(self, side: str) -> Reading:
        if side == INSPECT:
            command = [str(PEER_PYTHON), "benchmarks/inspect_dialogues.py", "--bodies", str(self.bodies)]
        else:
            command = [sys.executable, "-m", "benchmarks.peers", "--side", side, "--bodies", str(self.bodies)]
            command += ["--episodes", str(self.episodes), "--turns", str(self.turns)]
        command += ["--url", self.url, "--at-once", str(self.at_once)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
        if done.returncode:
            raise SystemExit(f"{side} failed:\n{done.stderr[-3000:]}")
        return Reading(**json.loads(done.stdout.splitlines()[-1]))


def write_bodies(url: str, path: Path, episodes: int, turns: int) -> None:
    """The requests that the whole path makes, for the other sides to make, too."""
    from benchmarks.calls import recorded_bodies

    few = [bodies[:turns] for bodies in recorded_bodies(url, min(50, episodes), 50)]
    many = (few * -(-episodes // len(few)))[:episodes]
    path.write_text("".join(json.dumps(bodies) + "\n" for bodies in many), encoding="utf-8")


def compare(latencies: list[float], at_once: list[int], rounds: int, episodes: int, sides: list[str]) -> None:
    """A table per latency and concurrency: CPU and rate of each side, and ours as a ratio of each."""
    for latency in latencies:
        with serving("--latency", f"{latency:g}") as server, tempfile.TemporaryDirectory() as folder:
            bodies = Path(folder) / "bodies.jsonl"
            for width in at_once:
                count = max(episodes, width)
                write_bodies(server.url, bodies, count, 10)
                setting = Setting(server.url, bodies, count, width, 10)
                print(f"latency {latency:g} s, {width} at once, {count} ten-turn dialogues, median of {rounds} rounds")
                got: dict[str, list[Reading]] = {side: [] for side in sides}
                for _ in range(rounds):
                    for side in sides:
                        got[side].append(setting.take(side))
                _table(got, width / latency if latency else None)


def _table(got: dict[str, list[Reading]], ideal: float | None) -> None:
    ours = got[OURS]
    for side, readings in got.items():
        cpu = statistics.median(one.cpu_ms for one in readings)
        rate = statistics.median(one.per_second for one in readings)
        times = statistics.median(one.cpu_ms / own.cpu_ms for one, own in zip(readings, ours, strict=True))
        share = f"  {rate / ideal:5.2f} of ideal ({ideal:.0f}/s)" if ideal else ""
        print(
            f"  {side:36s} {cpu:6.2f} ms CPU per call  {rate:6.0f} calls/s  {times:5.2f} × ours in CPU"
            f"  {statistics.median(one.peak_mib for one in readings):5.0f} MiB{share}",
            flush=True,
        )


def memory(sizes: list[int], at_once: int, sides: list[str]) -> None:
    """Peak memory of a process after so many four-turn dialogues, and its slope per 10,000."""
    with serving() as server, tempfile.TemporaryDirectory() as folder:
        bodies = Path(folder) / "bodies.jsonl"
        peaks: dict[str, list[float]] = {side: [] for side in sides}
        for size in sizes:
            write_bodies(server.url, bodies, size, 4)
            for side in sides:
                peaks[side].append(Setting(server.url, bodies, size, at_once, 4).take(side).peak_mib)
    print(f"peak MiB after {', '.join(f'{size:,}' for size in sizes)} four-turn dialogues, {at_once} at once")
    for side, values in peaks.items():
        slope = (values[-1] - values[0]) / (sizes[-1] - sizes[0]) * 10_000
        print(f"  {side:36s} {', '.join(f'{value:.0f}' for value in values)}: {slope:+.0f} MiB per 10,000 dialogues")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=float, nargs="+", default=[0, 0.1])
    parser.add_argument("--at-once", type=int, nargs="+", default=[16, 256, 1000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--episodes", type=int, default=64, help="dialogues a reading; at least as many as are at once")
    parser.add_argument("--memory", type=int, nargs="*", metavar="N", help="memory at these sizes (500 2500)")
    for hidden in ("--side", "--url", "--turns"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--bodies", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(asdict(_one_side(args))))
        return
    if not PEER_PYTHON.exists():
        raise SystemExit("inspect_ai is not here: `make peers` makes .venv-peers with it")
    version = subprocess.run(
        [PEER_PYTHON, "-c", "import importlib.metadata as m; print(m.version('inspect_ai'), m.version('openai'))"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    print(f"inspect_ai {version[0]} (openai {version[1]}); ours with openai {importlib.metadata.version('openai')}")
    if args.memory is not None:
        memory(args.memory or [500, 2500], 16, [OURS, INSPECT])
    else:
        compare(args.latency, args.at_once, args.rounds, args.episodes, [OURS, BARE, BARE_AIOHTTP, INSPECT])


def _one_side(args: argparse.Namespace) -> Reading:
    width, dialogues = args.at_once[0], args.bodies
    if args.side == OURS:
        return play_ours(args.url, args.episodes, width, int(args.turns))
    bodies = [json.loads(line) for line in dialogues.read_text(encoding="utf-8").splitlines()]
    return play_bare(args.url, bodies, width, aiohttp=args.side == BARE_AIOHTTP)


if __name__ == "__main__":
    main()
