"""Tokens per second of a managed engine through the harness (episode loop, records, reply log) against the engine's own:
the very same requests from a bare loop over the openai library, to the same server, in the same minutes.

    python -m benchmarks.serving [--engine vllm llamacpp] [--at-once 1 8 32 64] [--rounds 2] [--turns 2]

SmolLM2-135M plays SOTOPIA dialogues at temperature 0, as many as run at once. A first, unmeasured round writes the requests
down and warms the engine's prompt cache for both; then harness and bare loop take turns, the order reversed each round.
(llama.cpp's cache has to hold the prompts of all dialogues. Where it does not, what is measured is the order in which the
prompts come: 0.37 at 32 dialogues with 1 GiB.)
Tokens are those that the engine says it generated; the seconds run from the first request to the last answer, so that the
start of a run is in neither. The goal is a ratio of at least 0.9.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI, DefaultAioHttpClient
from rich.console import Console

from agents.models import make_model
from agents.models.base import ChatRequest
from agents.models.client import Answer
from agents.models.endpoint import EndpointModel
from agents.models.errors.refusals import RequestMode
from agents.models.providers.openai_provider import OpenAIClient, payload
from harness.experiment.experiment import Experiment
from harness.results.store import EPISODES
from harness.runs.progress import Progress
from harness.runs.run import Run, execute

CONFIGS: dict[str, dict[str, Any]] = {
    "vllm": {"provider": "vllm", "model": "smollm2-135m-instruct", "args": {"max-model-len": 4096}},
    "llamacpp": {"provider": "llamacpp"},
}
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    tokens: int
    """Generated."""
    seconds: float

    @property
    def per_second(self) -> float:
        return self.tokens / self.seconds


@dataclass(slots=True)
class Watched:
    """What the harness asked for: episode -> bodies in their order, and where."""

    bodies: dict[str, list[Body]]
    url: str = ""
    first: float | None = None
    """When the first request went out, and the last answer came."""
    last: float = 0.0


def experiment(config: dict[str, Any], episodes: int, turns: int) -> Experiment:
    tasks = min(32, episodes)
    return Experiment.model_validate(
        {
            "name": "serving",
            "environments": [
                {"name": "sotopia", "split": "builtin-test", "tasks": tasks, "options": {"max_turns": 2 * turns}}
            ],
            "models": {"m": config},
            "actors": [{"model": "m", "temperature": 0.0, "max_tokens": 48, "answer_chars": 120}],
            "strategists": ["vanilla"],
            "repeats": -(-episodes // tasks),
            "limits": {"episodes_at_once": episodes, "turn_seconds": 3000, "stuck_seconds": 3000},
        }
    )


def through_the_harness(config: dict[str, Any], episodes: int, turns: int) -> tuple[Reading, Watched]:
    """`harness run` without its start, on a server that is up."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Run(experiment(config, episodes, turns), Path(folder) / "run") as run,
    ):
        with watching() as seen:
            summary = execute(run, Progress(Console(file=io.StringIO())))
        assert summary.planned and seen.first is not None, summary
        lines = (Path(folder) / "run" / EPISODES).read_text().splitlines()
        calls = [call for line in lines for call in json.loads(line)["calls"]]
        return Reading(sum(call["completion_tokens"] or 0 for call in calls), seen.last - seen.first), seen


@contextmanager
def watching() -> Iterator[Watched]:
    """Write down the bodies that go to the engine."""
    seen, real = Watched({}), OpenAIClient.send

    async def send(self: OpenAIClient, request: ChatRequest, mode: RequestMode) -> Answer:
        body = payload(self.config, request, mode, self.base_url) | self.body_additions(request)
        seen.bodies.setdefault(request.identity.episode, []).append(body)
        seen.url = self.base_url
        seen.first = seen.first or time.perf_counter()
        try:
            return await real(self, request, mode)
        finally:
            seen.last = time.perf_counter()

    OpenAIClient.send = send  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        OpenAIClient.send = real  # type: ignore[method-assign]


def from_a_bare_loop(seen: Watched) -> Reading:
    """All dialogues at once, the calls of each in order; answers are read and thrown away."""

    async def go() -> Reading:
        async with AsyncOpenAI(
            base_url=seen.url, api_key="none", max_retries=0, timeout=3000, http_client=DefaultAioHttpClient()
        ) as client:

            async def dialogue(bodies: list[Body]) -> int:
                tokens = 0
                for body in bodies:
                    answer = await client.chat.completions.create(**body)
                    assert answer.usage is not None
                    tokens += answer.usage.completion_tokens
                return tokens

            began = time.perf_counter()
            counts = await asyncio.gather(*map(dialogue, seen.bodies.values()))
            return Reading(sum(counts), time.perf_counter() - began)

    return asyncio.run(go())


def compare(engine: str, at_once: int, rounds: int, turns: int) -> None:
    config = CONFIGS[engine]
    _, seen = through_the_harness(config, at_once, turns)
    ours: list[Reading] = []
    bare: list[Reading] = []
    for number in range(rounds):
        for side in ("ours", "bare") if number % 2 == 0 else ("bare", "ours"):
            if side == "ours":
                ours.append(through_the_harness(config, at_once, turns)[0])
            else:
                bare.append(from_a_bare_loop(seen))
    ratios = [one.per_second / other.per_second for one, other in zip(ours, bare, strict=True)]
    print(
        f"{engine:9s} {at_once:3d} at once  harness {statistics.median(r.per_second for r in ours):7.1f} tok/s  "
        f"bare {statistics.median(r.per_second for r in bare):7.1f} tok/s  ratio {statistics.median(ratios):.2f} "
        f"({', '.join(f'{ratio:.2f}' for ratio in ratios)})  tokens {ours[0].tokens}/{bare[0].tokens}  "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


async def keep_up(config: dict[str, Any], stop: asyncio.Event, up: asyncio.Event) -> None:
    """Hold the engine, so that no round pays for its start."""
    model = make_model("held", config)
    assert isinstance(model, EndpointModel)
    try:
        await model.start()
        up.set()
        await stop.wait()
    finally:
        up.set()
        await model.close()


async def measure(engine: str, levels: list[int], rounds: int, turns: int) -> None:
    stop, up = asyncio.Event(), asyncio.Event()
    held = asyncio.create_task(keep_up(CONFIGS[engine], stop, up))
    await up.wait()
    try:
        for at_once in levels if not held.done() else []:
            await asyncio.to_thread(compare, engine, at_once, rounds, turns)
    finally:
        stop.set()
        await held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", nargs="+", choices=CONFIGS, default=list(CONFIGS))
    parser.add_argument("--at-once", nargs="+", type=int, default=[1, 8, 32, 64])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--turns", type=int, default=2, help="of each side of a dialogue")
    args = parser.parse_args()
    for engine in args.engine:
        asyncio.run(measure(engine, args.at_once, args.rounds, args.turns))


if __name__ == "__main__":
    main()
