"""The soak: many episodes through two worker processes while a fifth of all requests goes wrong, workers and the run itself
are killed, the disk is full once and the clock leaps once. Then everything is counted.

    python -m benchmarks.soak                                       10,000 four-turn episodes, in one go
    python -m benchmarks.soak --folder DIR --seconds 280            in pieces: the same command goes on

The table is that of docs/reliability.md. Exit code 1 when anything was lost, doubled or not accounted for.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import yaml

from harness.results.records import VOLATILE
from tests.e2e.runs import dialogues, endpoint_config
from tests.e2e.speaking_server import Served, serving

ROOT = Path(__file__).resolve().parents[1]
REFERENCE_REPEATS = 2
"""Episodes of the first repeats are played once more, undisturbed, and compared."""
CLOCK = """
import datetime, os, time
begun, real, plain = time.monotonic(), time.time, datetime.datetime

def leap():
    passed = time.monotonic() - begun
    return 3 * 86400 if 1 < passed < 6 else -2 * 86400 if 6 <= passed < 14 else 0

class Leaping(plain):
    @classmethod
    def now(cls, tz=None):
        return plain.now(tz) + datetime.timedelta(seconds=leap())

if os.environ.get("SOAK_CLOCK"):
    time.time = lambda: real() + leap()
    datetime.datetime = Leaping
"""
"""A `sitecustomize`: a second after its start - before it plays, however quick the machine - the wall clock of every process
of the run leaps three days ahead, then five days back, then to the true time."""
LEAPT_S = 86_400.0
"""A record that says it began so far from the soak's own time was made while the clock was wrong."""


@dataclass
class Plan:
    episodes: int = 10_000
    worker_kills: int = 30
    parent_kills: int = 10
    workers: int = 2
    at_once: int = 64
    fault_rate: float = 0.2
    seed: int = 1


@dataclass
class Tally:
    """What happened so far; kept between the pieces of a soak."""

    worker_kills: int = 0
    parent_kills: int = 0
    full_disks: int = 0
    clock_leaps: int = 0
    commands: int = 0
    """How often the run was started."""
    port: int = 0
    """Of the endpoint, the same in every piece: an address is part of what a run is made from."""
    requests: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    trouble: list[str] = field(default_factory=list)


class Soak:
    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.run = folder / "results" / "soak"
        self.random = Random(plan.seed)
        kept = folder / "tally.json"
        self.tally = Tally(**json.loads(kept.read_text())) if kept.exists() else Tally()
        self._size = self._lines = 0
        (folder / "clock").mkdir(parents=True, exist_ok=True)
        (folder / "clock" / "sitecustomize.py").write_text(CLOCK)

    def experiment(self, url: str, episodes: int) -> dict[str, Any]:
        # Two retries only, so that some calls do fail for good.
        model = endpoint_config(url, retries=2)
        return dialogues(model, episodes, limits={"episodes_at_once": self.plan.at_once})

    def go(self, seconds: float) -> bool:
        """Play on for so long; whether everything is done then."""
        begun = time.monotonic()
        flags = ["--fault-rate", f"{self.plan.fault_rate}", "--seed", str(self.plan.seed + self.tally.commands)]
        flags += ["--port", str(self.tally.port)]
        with serving(*flags, "--hang", "5", "--unreadable", "0.12") as server:
            self.tally.port = urlsplit(server.url).port or 0
            config = self.folder / "soak.yaml"
            config.write_text(yaml.safe_dump(self.experiment(server.url, self.plan.episodes)))
            done = False
            while not done and time.monotonic() - begun < seconds:
                done = self._life(config, begun + seconds)
            self._count(server)
        self.tally.seconds += time.monotonic() - begun
        (self.folder / "tally.json").write_text(json.dumps(asdict(self.tally)))
        return done

    def _count(self, server: Served) -> None:
        counts = server.counts()
        self.tally.requests += counts["requests"]
        self.tally.faults = dict(Counter(self.tally.faults) + Counter(counts["faults"]))

    def recorded(self) -> int:
        """Lines of episodes so far."""
        path = self.run / "episodes.jsonl"
        if path.exists():
            with open(path, "rb") as file:
                file.seek(self._size)
                new = file.read()
            self._size += len(new)
            self._lines += new.count(b"\n")
        return self._lines

    def _life(self, config: Path, until: float) -> bool:
        """One command, from its start to its end or its kill. Whether nothing is left to do."""
        tally, plan = self.tally, self.plan
        full = tally.full_disks == 0 and tally.parent_kills >= plan.parent_kills // 3
        leaps = not full and tally.clock_leaps == 0 and tally.parent_kills >= plan.parent_kills // 2
        tally.commands += 1
        process = self._start(config, full, leaps)
        try:
            self._disturb(process, until, calm=full)
            _, said = process.communicate(timeout=600)
        finally:
            process.kill()
            process.communicate()
        tally.clock_leaps += leaps
        if "Traceback" in said:
            tally.trouble.append(said[-2000:])
        if full and process.returncode == 4 and "cannot write to" in said:
            tally.full_disks += 1
        if process.returncode not in (0, 4, 130, -signal.SIGKILL):
            tally.trouble.append(f"a command ended with code {process.returncode}: {said[-500:]}")
            return True
        return process.returncode in (0, 4) and not full and not self.owed() and self._events_left() == 0

    def _start(self, config: Path, full: bool, leaps: bool) -> subprocess.Popen[str]:
        size = max((path.stat().st_size for path in self.run.glob("*.jsonl")), default=0)
        limit = max(size + 300_000, 1_000_000) if full else resource.RLIM_INFINITY
        paths = os.pathsep.join([str(self.folder / "clock"), str(ROOT)])
        command = [sys.executable, "-m", "harness.cli", "run", str(config), "--results", str(self.run.parent)]
        return subprocess.Popen(
            [*command, "--name", "soak", "--workers", str(self.plan.workers)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": paths} | ({"SOAK_CLOCK": "1"} if leaps else {}),
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY)),
        )

    def _events_left(self) -> int:
        tally, plan = self.tally, self.plan
        return plan.worker_kills + plan.parent_kills - tally.worker_kills - tally.parent_kills

    def _disturb(self, process: subprocess.Popen[str], until: float, calm: bool) -> None:
        """Kill workers, and at last the run, at moments spread evenly over what is left; a `calm` one is let be."""
        events = iter(()) if calm else self._events()
        for event in events:
            if not self._reach(process, event, until):
                break
            time.sleep(self.random.uniform(0, 0.5))
            if event.parent:
                process.send_signal(signal.SIGKILL)
                self.tally.parent_kills += 1
                return
            workers = children(process.pid)
            if workers:
                os.kill(self.random.choice(workers), signal.SIGKILL)
                self.tally.worker_kills += 1
        while process.poll() is None:
            time.sleep(0.05)
            if time.monotonic() > until:
                process.send_signal(signal.SIGINT)
                return

    def _events(self) -> Iterator[_Event]:
        """What is to come: several kills of workers between two of the run."""
        tally, plan = self.tally, self.plan
        left, here = self._events_left(), self.recorded()
        step = max(1, (plan.episodes - here) // (left + 1))
        each = plan.worker_kills // plan.parent_kills
        for number in range(left):
            kind = (tally.worker_kills + tally.parent_kills) % (each + 1) == each
            yield _Event(here + (number + 1) * step, kind)

    def _reach(self, process: subprocess.Popen[str], event: _Event, until: float) -> bool:
        """Wait until so many episodes are recorded; false when the process ended, or the time of this piece."""
        while self.recorded() < event.at:
            if process.poll() is not None or time.monotonic() > until:
                return False
            time.sleep(0.02)
        return True

    def owed(self) -> int:
        """Episodes without a final record."""
        last = {record["episode_id"]: record for record in self.records()}
        final = [record for record in last.values() if (record["error"] or {}).get("kind") not in ("infrastructure",)]
        return self.plan.episodes - len(final)

    def records(self) -> Iterator[dict[str, Any]]:
        with open(self.run / "episodes.jsonl", "rb") as file:
            for line in file:
                yield json.loads(line)

    def verdict(self) -> tuple[list[tuple[str, str]], list[str]]:
        """The table, and what is wrong."""
        wrong = list(self.tally.trouble)
        by_episode: dict[str, list[dict[str, Any]]] = {}
        for record in self.records():
            by_episode.setdefault(record["episode_id"], []).append(record)
        kinds: Counter[str] = Counter()
        finals: Counter[str] = Counter()
        for episode, tries in by_episode.items():
            wrong += [f"{episode}: {problem}" for problem in history_problems(tries)]
            kinds.update(one["error"]["kind"] for one in tries if one["error"])
            finals["finished" if tries[-1]["error"] is None else tries[-1]["error"]["kind"]] += 1
        lost = self.plan.episodes - len(by_episode)
        if lost:
            wrong.append(f"{lost} episodes have no record")
        compared, different = self.compare(by_episode)
        if different:
            wrong.append(f"{different} of {compared} episodes differ from those of an undisturbed run")
        recorded, twice = self.replies()
        tally = self.tally
        wrong += self._unmet()
        doubled = sum(sum(one["error"] is None for one in tries) > 1 for tries in by_episode.values())
        leapt = sum(self._leapt(one) for tries in by_episode.values() for one in tries)
        if not leapt:
            wrong.append("no record was made while the clock was wrong")
        faults = sum(tally.faults.values())
        rows: dict[str, tuple[object, ...]] = {
            "episodes planned / recorded / lost / finished twice": (self.plan.episodes, len(by_episode), lost, doubled),
            "workers killed / runs killed / full disks": (tally.worker_kills, tally.parent_kills, tally.full_disks),
            "records made while the clock was days off": (leapt,),
            "commands given / lines torn by a kill, set aside": (tally.commands, len(list(self.run.glob("torn/*")))),
            "requests / with a fault": (tally.requests, f"{faults} ({faults / max(1, tally.requests):.1%})"),
            "faults by kind": (_listed(tally.faults),),
            "good answers / recorded / recorded twice": (tally.requests - faults, recorded, twice),
            "episodes by what became of them": (_listed(finals),),
            "failed records by kind (infrastructure: played again)": (_listed(kinds),),
            "episodes compared with an undisturbed run / different": (compared, different),
            "seconds, starts included": (round(tally.seconds),),
        }
        return [(name, " / ".join(map(str, values))) for name, values in rows.items()], wrong

    def _leapt(self, record: dict[str, Any]) -> bool:
        made = (self.run / "manifest.json").stat().st_mtime
        return abs(datetime.fromisoformat(record["started_at"]).timestamp() - made) > LEAPT_S

    def _unmet(self) -> list[str]:
        tally, plan = self.tally, self.plan
        wanted = {
            "worker_kills": plan.worker_kills,
            "parent_kills": plan.parent_kills,
            "full_disks": 1,
            "clock_leaps": 1,
        }
        return [
            f"{name}: {getattr(tally, name)} of {count}"
            for name, count in wanted.items()
            if getattr(tally, name) < count
        ]

    def replies(self) -> tuple[int, int]:
        """Lines in the record of replies, and how many of their keys stand there more than once."""
        keys: Counter[str] = Counter()
        with open(self.run / "calls.jsonl", "rb") as file:
            keys.update(json.loads(line)["key"] for line in file if line.endswith(b"\n"))
        return sum(keys.values()), sum(count > 1 for count in keys.values())

    def compare(self, by_episode: dict[str, list[dict[str, Any]]]) -> tuple[int, int]:
        """Play the first repeats once more, in one process and without faults: (episodes compared, how many differ)."""
        with serving("--unreadable", "0.12") as server, tempfile.TemporaryDirectory() as folder:
            raw = self.experiment(server.url, min(self.plan.episodes, 100 * REFERENCE_REPEATS))
            config = Path(folder) / "reference.yaml"
            config.write_text(yaml.safe_dump(raw))
            command = [sys.executable, "-m", "harness.cli", "run", str(config), "--results", folder, "--name", "run"]
            subprocess.run(command, capture_output=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)})
            lines = (Path(folder) / "run" / "episodes.jsonl").read_text().splitlines()
        reference = {record["episode_id"]: record for record in map(json.loads, lines)}
        pairs = [(record, by_episode[episode][-1]) for episode, record in reference.items() if episode in by_episode]
        return len(pairs), sum(steady(one) != steady(other) for one, other in pairs)


@dataclass(frozen=True, slots=True)
class _Event:
    at: int
    """Recorded episodes at which it is due."""
    parent: bool
    """The run is killed, not a worker."""


def _listed(counts: Mapping[str, int]) -> str:
    return " · ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def history_problems(tries: list[dict[str, Any]]) -> Iterator[str]:
    """What is wrong with all records of one episode, in file order."""
    if [one["attempt"] for one in tries] != list(range(1, len(tries) + 1)):
        yield f"attempts {[one['attempt'] for one in tries]}"
    for one in tries[:-1]:
        if one["error"] is None or one["error"]["kind"] not in ("infrastructure", "budget"):
            yield f"played again although it {'finished' if one['error'] is None else 'failed for good'}"
    for one in tries:
        error = one["error"]
        if error is None and (len(one["turns"]) != 4 or any(call["text"] is None for call in one["calls"])):
            yield "finished without four answered turns"
        if error is not None and (error["kind"] not in ("infrastructure", "model") or not error["message"]):
            yield f"failed as {error}"
    if tries[-1]["error"] is not None and tries[-1]["error"]["kind"] == "infrastructure":
        yield "still unfinished"


def steady(value: Any) -> Any:
    """A record without what may differ between a run and its repetition."""
    if isinstance(value, dict):
        return {key: steady(part) for key, part in value.items() if key not in VOLATILE}
    return [steady(part) for part in value] if isinstance(value, list) else value


def children(parent: int) -> list[int]:
    """Ids of a process's children (Linux)."""
    try:
        return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    except OSError:
        return []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=Plan.episodes)
    parser.add_argument("--worker-kills", type=int, default=Plan.worker_kills)
    parser.add_argument("--parent-kills", type=int, default=Plan.parent_kills)
    parser.add_argument("--folder", type=Path, help="keep everything there, to go on later; thrown away when left out")
    parser.add_argument("--seconds", type=float, default=3600.0, help="of this piece")
    args = parser.parse_args()
    plan = Plan(args.episodes, args.worker_kills, args.parent_kills)
    with tempfile.TemporaryDirectory() as temporary:
        soak = Soak(plan, args.folder or Path(temporary))
        if not soak.go(args.seconds):
            print(f"{soak.recorded()} records of {plan.episodes} episodes so far: {asdict(soak.tally)}")
            return 3
        table, wrong = soak.verdict()
    for name, value in table:
        print(f"| {name} | {value} |")
    for problem in wrong[:20]:
        print(f"WRONG: {problem}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
