"""Which settings of the managed llama.cpp server are fastest here, on dialogues like those of a run.

`python -m benchmarks.llamacpp_settings`, from the root; some minutes. Each line: wall time, processor
seconds of the server, tokens per second. On a machine that does other things too, the processor seconds
are the figure to compare.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from pathlib import Path
from random import Random
from typing import Any

from agents.models import make_model
from agents.models.base import ChatRequest, Message, Model
from agents.models.endpoint import EndpointModel
from agents.models.providers.llamacpp import _SERVERS

WORDS = "the old friends argue about money and trust while a train waits in the rain near their house".split()
SCHEMA = {
    "type": "object",
    "properties": {"action_type": {"enum": ["speak", "leave", "none"]}, "argument": {"type": "string"}},
    "required": ["action_type", "argument"],
    "additionalProperties": False,
}
SETTINGS: list[tuple[dict[str, Any], str, bool]] = [
    ({"slots": 1, "threads": 2}, "passive", False),
    ({"slots": 4, "threads": 2}, "passive", False),
    ({"slots": 8, "threads": 2}, "passive", False),
    ({"slots": 4, "threads": 1}, "passive", False),
    ({"slots": 4, "threads": 2}, "active", False),
    ({"slots": 4, "threads": 2}, "passive", True),
]


async def dialogues(model: Model, episodes: int, turns: int, schema: dict[str, Any] | None) -> tuple[int, int, int]:
    """Two-seat dialogues at once, each with its own background; (prompt, cached, completion) tokens."""
    counts = [0, 0, 0]

    async def play(number: int) -> None:
        random = Random(number)
        background = " ".join(random.choice(WORDS) for _ in range(350))
        said: list[str] = []
        for turn in range(2 * turns):
            text = "\n".join([f"You are person {turn % 2}. {background}", *said, "What do you say?"])
            reply = await model.complete(ChatRequest((Message("user", text),), max_tokens=24, schema=schema))
            said.append(reply.text)
            counts[0] += reply.prompt_tokens or 0
            counts[1] += reply.cached_tokens or 0
            counts[2] += reply.completion_tokens or 0

    await asyncio.gather(*(play(number) for number in range(episodes)))
    return counts[0], counts[1], counts[2]


def processor_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(settings: dict[str, Any], policy: str, structured: bool, episodes: int, turns: int) -> str:
    os.environ["OMP_WAIT_POLICY"] = policy
    model = make_model("m", {"provider": "llamacpp", **settings})
    assert isinstance(model, EndpointModel)
    await model.start()
    (server,) = _SERVERS.values()
    assert server.pid is not None
    used, began = processor_seconds(server.pid), time.perf_counter()
    prompt, cached, completion = await dialogues(model, episodes, turns, SCHEMA if structured else None)
    wall, used = time.perf_counter() - began, processor_seconds(server.pid) - used
    await model.close()
    return (
        f"{wall:6.1f} s  {used:6.1f} CPU s  prompt {prompt / wall:5.0f} tok/s ({cached / prompt:.0%} cached)  "
        f"completion {completion / wall:5.1f} tok/s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=3)
    parser.add_argument("--turns", type=int, default=2)
    args = parser.parse_args()
    for settings, policy, structured in SETTINGS:
        load = os.getloadavg()[0]
        figures = asyncio.run(measure(settings, policy, structured, args.episodes, args.turns))
        what = f"{settings} waiting: {policy}{', JSON schema' if structured else ''}"
        print(f"{what:58s} {figures}  (load {load:.1f})", flush=True)


if __name__ == "__main__":
    main()
