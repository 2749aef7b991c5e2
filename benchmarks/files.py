"""What is kept, and what keeping it costs: records appended per second with the durability promised, opening a run of a
gigabyte, memory by the number of episodes, and the start of the command line. Each beside a named alternative.

    python -m benchmarks.files [appends] [recovery] [memory] [startup] [first_call]    all of them when none is named
    python -m benchmarks.files recovery --gigabytes 0.1
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.experiment.experiment import Experiment
from harness.results.appender import Appender, encode
from harness.results.index import index_path, read_index
from harness.results.records import EpisodeRecord
from harness.results.store import EPISODES, read_manifest, read_record, write_manifest
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from tests.servers.openai_server import OpenAIServer, default_handler

SCRIPTED = {"provider": "scripted", "function": "tests.harness.builders:speak"}


def play(folder: Path, episodes: int, turns: int = 4) -> None:
    """Scripted episodes, kept like any others."""
    raw = {
        "name": "bench",
        "environments": [{"name": "sotopia", "split": "builtin-test", "tasks": 50, "options": {"max_turns": turns}}],
        "models": {"m": SCRIPTED},
        "actors": ["m"],
        "strategists": ["vanilla"],
        "repeats": max(1, episodes // 50),
    }
    with Run(Experiment.model_validate(raw), folder) as run:
        execute(run, Progress(Console(file=io.StringIO())))


def sample(folder: Path) -> EpisodeRecord:
    """A record of a really played ten-turn episode."""
    play(folder, 50, turns=10)
    return read_record(folder / EPISODES, 0, EpisodeRecord)


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def appends(_: argparse.Namespace, count: int = 2000) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        record = sample(folder / "run")
        size = len(encode(record))

        def one_fsync_each() -> None:
            with open(folder / "each.jsonl", "ab", buffering=0) as file:
                for _ in range(count // 10):
                    file.write(encode(record))
                    os.fsync(file.fileno())

        def no_fsync() -> None:
            with open(folder / "none.jsonl", "ab", buffering=0) as file:
                for _ in range(count):
                    file.write(encode(record))

        def ours(at_once: int) -> Callable[[], None]:
            async def go() -> None:
                appender = Appender(folder / f"ours{at_once}.jsonl")
                left = iter(range(count))

                async def worker() -> None:
                    for _ in left:
                        await appender.append(record)

                await asyncio.gather(*(worker() for _ in range(at_once)))
                appender.close()

            return lambda: asyncio.run(go())

        print(f"appends: records of {size / 1024:.1f} KiB (ten turns), encoding included")
        each = count / 10 / timed(one_fsync_each)
        print(f"  plain loop, one fsync per record        {each:8.0f} records/s  1.00 ×")
        for at_once in (1, 16, 256):
            rate = count / timed(ours(at_once))
            print(f"  ours, {at_once:3d} episodes at once, shared fsync {rate:8.0f} records/s  {rate / each:.2f} ×")
        rate = count / timed(no_fsync)
        print(f"  plain loop without fsync (loses records) {rate:7.0f} records/s  {rate / each:.2f} ×")


def recovery(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        line = encode(sample(folder / "run"))
        path = folder / EPISODES
        count = int(arguments.gigabytes * 2**30 / len(line))
        old = json.loads(line)["episode_id"].encode()
        with open(path, "wb") as file:
            for number in range(count):
                file.write(line.replace(old, b"%016x" % number))
            file.write(line[: len(line) // 2])
        print(f"recovery: {path.stat().st_size / 2**30:.2f} GiB, {count} episodes, the last line torn")

        def plain_loop() -> None:
            with open(path, "rb") as file:
                for number, text in enumerate(file):
                    if number < count:
                        json.loads(text)

        plain = timed(plain_loop)
        print(f"  json.loads of every line in a loop      {plain:7.2f} s  1.00 ×")
        opening = timed(lambda: Appender(path).close())
        print(f"  torn tail found and set aside           {opening:7.3f} s  {opening / plain:.4f} ×")
        whole = timed(lambda: read_index(path))
        print(f"  index built from nothing                {whole:7.2f} s  {whole / plain:.2f} ×")
        again = timed(lambda: read_index(path))
        print(f"  index read when it is there             {again:7.2f} s  {again / plain:.2f} ×")
        index_size = index_path(path).stat().st_size
        print(f"  index: {index_size / 2**20:.1f} MiB, {index_size / count:.0f} bytes an episode")


def memory(_: argparse.Namespace) -> None:
    script = "import sys; from benchmarks.files import resident_after; resident_after(int(sys.argv[1]))"
    print("memory: peak resident of a process that plays four-turn episodes, scripted model, 16 at once")
    base = 0.0
    for episodes in (1000, 20_000):
        command = [sys.executable, "-c", script, str(episodes)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        base = base or found["mib"]
        print(
            f"  {episodes:6d} episodes: {found['mib']:6.1f} MiB  {found['mib'] / base:.2f} ×   ({found['on_disk']:.0f} MiB of "
            f"records, {found['cpu_ms']:.2f} ms CPU per call without any HTTP)"
        )


def resident_after(episodes: int) -> None:
    """Play and print the process's peak resident memory."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        used = time.process_time()
        play(folder, episodes)
        cpu = (time.process_time() - used) / (episodes * 4) * 1e3
        on_disk = sum(path.stat().st_size for path in folder.iterdir()) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"mib": peak, "on_disk": on_disk, "cpu_ms": cpu}))


def startup(given: argparse.Namespace, rounds: int = 9) -> None:
    def seconds(*command: str) -> float:
        return timed(lambda: subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True))

    ways = {"python -c pass": ("-c", "pass"), "harness --help": ("-m", "harness.cli", "--help")}
    got: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, command in ways.items():
            got[name].append(seconds(*command))
    print(f"startup: median (best) of {rounds} rounds in turn; the goal is below 0.3 s")
    for name, values in got.items():
        ratio = statistics.median(values) / statistics.median(got["python -c pass"])
        print(f"  {name:20s} {statistics.median(values):6.3f} s ({min(values):.3f})  {ratio:.2f} ×")
    reading()


RUN = "results/three-environments"
"""The committed run of 1,080 episodes."""
READING = {
    "list": ("list",),
    "show": ("show", RUN),
    "leaderboard": ("leaderboard", RUN),
    "compare": ("compare", RUN),
    "check": ("check", "--baseline", "{other}", "--candidate", RUN),
    "run --dry-run": ("run", RUN, "--name", "again", "--dry-run"),
}


FLOOR = "import numpy, pydantic, rich.console"
"""What these commands cannot do without."""


def reading(rounds: int = 9) -> None:
    """CPU seconds, all threads together, of the commands that read a committed run, and of what they cannot do without:
    on a busy machine both grow, and the ratio is the figure."""
    floor = f"python -c '{FLOOR}'"
    ways: dict[str, tuple[str, ...]] = {floor: ("-c", FLOOR)}
    ways |= {f"harness {name}": ("-m", "harness.cli", *command) for name, command in READING.items()}
    got: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "other"
        shutil.copytree(RUN, other)
        write_manifest(other, read_manifest(other) | {"run": "other"})  # a run is not compared with itself
        for _ in range(rounds):
            for name, command in ways.items():
                got[name].append(cpu_seconds(*(word.replace("{other}", str(other)) for word in command)))
    print(f"commands on {RUN}: CPU, median (best) of {rounds} rounds in turn; the goal is at most 0.7 s")
    for name, values in got.items():
        ratio = statistics.median(values) / statistics.median(got[floor])
        print(f"  {name:50s} {statistics.median(values):6.3f} s ({min(values):.3f})  {ratio:.2f} ×")


def cpu_seconds(*command: str) -> float:
    """What a process of this Python uses. Raises `SystemExit` with its output where it fails."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen([sys.executable, *command], stdout=out, stderr=out)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 3, 4):  # 3: too few episodes to tell
            out.seek(0)
            raise SystemExit(out.read().decode())
    return usage.ru_utime + usage.ru_stime


BARE_CALL = """
import sys
from openai import OpenAI
OpenAI(base_url=sys.argv[1], api_key="none").chat.completions.create(
    model="local", messages=[dict(role="user", content="Hello.")])
"""


def first_call(given: argparse.Namespace, rounds: int = 5) -> None:
    """Seconds from the start of the process to the arrival of its first request at a server that is up."""

    def until_first(*command: str) -> float:
        arrived: list[float] = []

        def handler(body: dict[str, Any]) -> str:
            arrived.append(time.perf_counter())
            return default_handler(body)

        with OpenAIServer(handler) as server, tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "e.yaml").write_text(FIRST_CALL.format(url=server.url, environment=command[-1]))
            words = [word.replace("{url}", server.url).replace("{folder}", folder) for word in command[:-1]]
            began = time.perf_counter()
            subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            return arrived[0] - began

    run = ("-m", "harness.cli", "run", "{folder}/e.yaml", "--results", "{folder}/results")
    ways: dict[str, tuple[str, ...]] = {"one call of the openai library": ("-c", BARE_CALL, "{url}", "")}
    ways |= {f"harness run, {name}": (*run, name) for name in ("sotopia", "webshop", "alfworld")}
    got: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, command in ways.items():
            got[name].append(until_first(*command))
    print(f"first call: median (best) of {rounds} rounds in turn; the goal is below 2 s")
    for name, values in got.items():
        ratio = statistics.median(values) / statistics.median(got["one call of the openai library"])
        print(f"  {name:31s} {statistics.median(values):6.3f} s ({min(values):.3f})  {ratio:.2f} ×")


FIRST_CALL = """
name: first
environments: [{{name: {environment}, split: builtin-test, tasks: 1}}]
models: {{m: {{provider: openai, model: local, base_url: "{url}"}}}}
actors: [m]
strategists: [vanilla]
"""

PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "startup": startup,
    "first_call": first_call,
    "appends": appends,
    "recovery": recovery,
    "memory": memory,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--gigabytes", type=float, default=1.0)
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - PARTS.keys()
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
    for name in arguments.parts or PARTS:
        PARTS[name](arguments)


if __name__ == "__main__":
    main()
