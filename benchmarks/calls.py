"""The whole path of a call (episode loop, client library, record, store, call log) against a bare loop over the openai
library that sends the same requests, in the same minute, to a server in a process of its own.

    python -m benchmarks.calls [--rounds 3] [--episodes 100]     CPU per call and calls per second, no latency
    python -m benchmarks.calls --full 0.1 2                      how full 256 episodes at once keep that many calls

Ten-turn SOTOPIA dialogues. CPU is the client process's own, all its threads; the server's is not in it. Fullness is what
the server sees of the steady state: from the last answer of the first wave until fewer calls are left than the episodes at
once need, so that neither side's start and neither side's tail is in it; the rate of the whole run stands beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI, DefaultAioHttpClient
from rich.console import Console

from agents.models.base import ChatRequest
from harness.experiment.experiment import Experiment
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from harness.runs.runner import Stop
from tests.e2e.speaking_server import serving

TURNS = 10
Body = dict[str, Any]
MODEL = {"provider": "openai", "model": "local", "deadlines": {"call": 300}}


@dataclass(frozen=True, slots=True)
class Figure:
    cpu_ms: float
    """Per call, of this process."""
    per_second: float


def experiment(url: str, episodes: int, at_once: int, limit: int = 1000) -> Experiment:
    """Exactly so many episodes: some more would be played by few slots, after the others."""
    tasks = max(count for count in range(1, 51) if episodes % count == 0)
    options = {"max_turns": TURNS}
    return Experiment.model_validate(
        {
            "name": "bench",
            "environments": [{"name": "sotopia", "split": "builtin-test", "tasks": tasks, "options": options}],
            "models": {"m": {**MODEL, "base_url": url, "concurrency": limit}},
            "actors": ["m"],
            "strategists": ["vanilla"],
            "repeats": episodes // tasks,
            "limits": {"episodes_at_once": at_once, "turn_seconds": 1000, "stuck_seconds": 300},
        }
    )


@contextmanager
def opened(url: str, episodes: int, at_once: int, limit: int = 1000) -> Iterator[Run]:
    planned = experiment(url, episodes, at_once, limit)
    with tempfile.TemporaryDirectory() as folder, Run(planned, Path(folder) / "run") as run:
        yield run


def full_path(url: str, episodes: int, at_once: int, limit: int = 1000) -> Figure:
    """`harness run` without its start: play every episode, keep every record and reply."""
    with opened(url, episodes, at_once, limit) as run:
        began, used = time.perf_counter(), time.process_time()
        summary = execute(run, Progress(Console(file=io.StringIO())))
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
        assert summary.finished == summary.planned, summary
        return Figure(cpu / run.meter.calls * 1e3, run.meter.calls / seconds)


def recorded_bodies(url: str, episodes: int, at_once: int) -> list[list[Body]]:
    """The requests that the whole path makes, episode by episode: what the bare loop sends."""
    bodies: dict[str, list[Body]] = {}

    with opened(url, episodes, at_once) as run:
        for model in run.plan.models.values():
            inner: Any = model
            while hasattr(inner, "inner") or hasattr(inner, "_model"):
                inner = getattr(inner, "inner", None) or inner._model
            client, real = inner._client, inner._client.send

            async def watched(request: ChatRequest, how: Any, client: Any = client, real: Any = real) -> Any:
                from agents.models.providers.openai_provider import payload

                sent = payload(client.config, request, how, client.base_url)
                bodies.setdefault(request.identity.episode, []).append(sent)
                return await real(request, how)

            client.send = watched
        asyncio.run(run.play(Progress(Console(file=io.StringIO())), Stop()))
    return list(bodies.values())


def bare_loop(make: Callable[[], AsyncOpenAI], bodies: list[list[Body]], at_once: int, limit: int = 1000) -> Figure:
    """Episode after episode per worker, the calls of one in order, at most `limit` calls under way; answers are read and
    thrown away."""

    async def go() -> Figure:
        client, left, slots = make(), iter(bodies), asyncio.Semaphore(limit)

        async def worker() -> None:
            for calls in left:
                for body in calls:
                    async with slots:
                        answer = await client.chat.completions.create(**body)
                    assert answer.choices[0].message.content

        began, used = time.perf_counter(), time.process_time()
        await _all(worker, at_once)
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
        await client.close()
        count = sum(map(len, bodies))
        return Figure(cpu / count * 1e3, count / seconds)

    return asyncio.run(go())


async def _all(worker: Callable[[], Awaitable[None]], count: int) -> None:
    await asyncio.gather(*(worker() for _ in range(count)))


def compare(rounds: int, episodes: int, at_once: int) -> None:
    with serving() as server:

        def library() -> AsyncOpenAI:
            return AsyncOpenAI(base_url=server.url, api_key="none", max_retries=0, timeout=600)

        def on_aiohttp() -> AsyncOpenAI:
            client = DefaultAioHttpClient()
            return AsyncOpenAI(base_url=server.url, api_key="none", max_retries=0, timeout=600, http_client=client)

        bodies = recorded_bodies(server.url, episodes, at_once)
        ways: dict[str, Callable[[], Figure]] = {
            "bare loop over the openai library": lambda: bare_loop(library, bodies, at_once),
            "the same on the library's aiohttp transport": lambda: bare_loop(on_aiohttp, bodies, at_once),
            "whole path": lambda: full_path(server.url, episodes, at_once),
        }
        got: dict[str, list[Figure]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                got[name].append(way())
    calls = sum(map(len, bodies))
    print(f"{len(bodies)} ten-turn dialogues, {calls} calls, {at_once} at once, median of {rounds} rounds in turn")
    base = next(iter(got.values()))
    for name, figures in got.items():
        ratio = statistics.median(one.cpu_ms / bare.cpu_ms for one, bare in zip(figures, base, strict=True))
        cpu = statistics.median(one.cpu_ms for one in figures)
        rate = statistics.median(one.per_second for one in figures)
        print(f"{name:45s} {cpu:6.2f} ms CPU per call  {rate:6.0f} calls/s  CPU {ratio:5.2f} × the bare loop")


@dataclass(frozen=True, slots=True)
class Steady:
    """What the server saw of one side."""

    rate: float
    """Calls answered per second in the steady state."""
    under_way: float
    """Calls under way there, on average."""
    whole: float
    """Calls per second from the first one's arrival to the last one's answer."""


def steady(spans: list[tuple[float, float]], at_once: int) -> Steady:
    """`spans`: when each call came and was answered. There must be more than at_once × (TURNS + 1)."""
    answers = sorted(answered for _, answered in spans)
    first, last = at_once, len(answers) - at_once * TURNS
    assert first < last, "too few episodes for a steady state"
    begin, end = answers[first - 1], answers[last - 1]
    busy = sum(max(0.0, min(answered, end) - max(came, begin)) for came, answered in spans)
    seconds = answers[-1] - min(came for came, _ in spans)
    return Steady((last - first) / (end - begin), busy / (end - begin), len(spans) / seconds)


def fullness(latencies: list[float], rounds: int, episodes: int, limit: int, at_once: int) -> None:
    """Calls per second as a share of min(ideal, the bare loop): 1 means that the endpoint is the bottleneck. `limit`: calls
    that may be under way (256: a model's `concurrency` when left out); `at_once`: episodes."""
    print(f"{episodes} ten-turn dialogues, {at_once} at once, at most {limit} calls, {rounds} rounds in turn")
    for latency in latencies:
        with serving("--latency", f"{latency:g}", "--spans", str(episodes * TURNS)) as server:

            def library(url: str = server.url) -> AsyncOpenAI:
                client = DefaultAioHttpClient()
                return AsyncOpenAI(base_url=url, api_key="none", max_retries=0, timeout=600, http_client=client)

            few = recorded_bodies(server.url, 50, 50)
            bodies = (few * -(-episodes // len(few)))[:episodes]
            ideal, shares, filled = limit / latency, [], []
            for number in range(1, rounds + 1):
                server.spans()
                bare_loop(library, bodies, at_once, limit)
                bare = steady(server.spans(), at_once)
                full_path(server.url, episodes, at_once, limit)
                ours = steady(server.spans(), at_once)
                shares.append(ours.rate / min(ideal, bare.rate))
                filled.append(ours.rate / ideal)
                print(
                    f"latency {latency:g} s, round {number}: ideal {ideal:.0f} calls/s, bare loop (aiohttp) {bare.rate:.1f} "
                    f"({bare.under_way:.0f} under way; {bare.whole:.1f} start and tail included), "
                    f"whole path {ours.rate:.1f} ({ours.under_way:.0f} under way; {ours.whole:.1f}), "
                    f"load {os.getloadavg()[0]:.1f}",
                    flush=True,
                )
        share = (
            f"{statistics.median(filled):.3f} of the ideal, {statistics.median(shares):.2f} of min(ideal, bare loop)"
        )
        print(f"latency {latency:g} s: whole path {share}, median")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--episodes", type=int, default=0, help="100; with --full three for each one at once")
    parser.add_argument(
        "--at-once", type=int, default=0, help="episodes: 32; with --full the limit, and a quarter more"
    )
    parser.add_argument("--limit", type=int, default=256, help="with --full: calls under way, a model's `concurrency`")
    parser.add_argument("--full", type=float, nargs="+", metavar="SECONDS", help="measure fullness at these latencies")
    args = parser.parse_args()
    if args.full:
        for at_once in [args.at_once] if args.at_once else [args.limit, args.limit * 5 // 4]:
            fullness(args.full, args.rounds, args.episodes or 3 * at_once, args.limit, at_once)
    else:
        compare(args.rounds, args.episodes or 100, args.at_once or 32)


if __name__ == "__main__":
    main()
