"""What this project's model layer costs per call, against a bare loop over the openai library in the same run.

`python -m benchmarks.model_calls [--calls 2000] [--at-once 64]`, from the root. The server is a child process
without latency, so that all that is measured is the client's own processor time.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from openai import AsyncOpenAI, DefaultAioHttpClient

from agents.models import make_model
from agents.models.base import CallIdentity, ChatRequest, Message
from agents.models.cache import CallLog, RecordingModel

TEXT = "so what do you say to that " * 60


async def measure(call: Callable[[int], Awaitable[object]], calls: int, at_once: int) -> tuple[float, float]:
    """(processor milliseconds, calls per second) of `calls` calls with `at_once` under way."""
    numbers = iter(range(calls))

    async def worker() -> None:
        for number in numbers:
            await call(number)

    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return (time.process_time() - used) / calls * 1e3, calls / (time.perf_counter() - began)


async def run(url: str, calls: int, at_once: int) -> None:
    bare = AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
    on_aiohttp = AsyncOpenAI(base_url=url, api_key="none", max_retries=0, http_client=DefaultAioHttpClient())
    model = make_model("m", {"provider": "openai", "model": "local", "base_url": url})

    def request(number: int) -> ChatRequest:
        return ChatRequest((Message("user", f"{number} {TEXT}"),), identity=CallIdentity(f"e{number}"))

    async def by(library: AsyncOpenAI, number: int) -> None:
        messages = [{"role": "user", "content": f"{number} {TEXT}"}]
        await library.chat.completions.create(model="local", messages=messages, temperature=0, max_tokens=256)  # type: ignore[arg-type]

    with tempfile.TemporaryDirectory() as folder, CallLog(Path(folder) / "calls.jsonl") as log:
        recording = RecordingModel(model, log)
        ways: dict[str, Callable[[int], Awaitable[object]]] = {
            "bare openai library": lambda number: by(bare, number),
            "the same on aiohttp": lambda number: by(on_aiohttp, number),
            "model layer": lambda number: model.complete(request(number)),
            "model layer, recorded": lambda number: recording.complete(request(number)),
            "answered from the record": lambda number: recording.complete(request(number)),
        }
        base = 0.0
        for name, call in ways.items():
            if not name.startswith("answered"):
                await call(-1)
            milliseconds, rate = await measure(call, calls, at_once)
            base = base or milliseconds
            print(f"{name:26s} {milliseconds:6.2f} ms CPU/call  {rate:7.0f} calls/s  {milliseconds / base:5.2f} x bare")
    await model.close()
    await bare.close()
    await on_aiohttp.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--at-once", type=int, default=64)
    args = parser.parse_args()
    command = [sys.executable, "-m", "tests.servers.openai_server"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1] + "/v1"
        asyncio.run(run(url, args.calls, args.at_once))
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
