"""The same dialogues played by inspect_ai, in an environment of its own (`make peers`): run by `benchmarks.peers`, which
hands over the requests as JSON lines (one list of request bodies per dialogue) and reads one JSON line of figures.

A dialogue is one sample; its solver asks the model once per turn with that turn's messages, keeps the answers in the
sample's messages, and asks for the same JSON schema. Logs are kept as inspect_ai keeps them by default.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from pathlib import Path
from typing import Any

from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    ResponseSchema,
    get_model,
)
from inspect_ai.solver import Generate, Solver, TaskState, solver

MESSAGES = {"user": ChatMessageUser, "assistant": ChatMessageAssistant, "system": ChatMessageSystem}


def messages_of(body: dict[str, Any]) -> list[ChatMessage]:
    return [MESSAGES[message["role"]](content=message["content"]) for message in body["messages"]]


def config_of(body: dict[str, Any]) -> GenerateConfig:
    form = body.get("response_format")
    schema = None
    if form:
        schema = ResponseSchema(
            name=form["json_schema"]["name"], json_schema=form["json_schema"]["schema"], strict=True
        )
    return GenerateConfig(
        max_tokens=body["max_tokens"], temperature=body["temperature"], seed=body["seed"], response_schema=schema
    )


@solver
def dialogue() -> Solver:
    async def solve(state: TaskState, generate: Generate) -> TaskState:
        model = get_model()
        for body in json.loads(state.metadata["bodies"]):
            output = await model.generate(messages_of(body), config=config_of(body))
            state.messages.append(output.message)
            state.output = output
        return state

    return solve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bodies", type=Path, required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--at-once", type=int, required=True)
    args = parser.parse_args()
    lines = args.bodies.read_text(encoding="utf-8").splitlines()
    calls = sum(len(json.loads(line)) for line in lines)
    samples = [Sample(input="dialogue", id=index, metadata={"bodies": line}) for index, line in enumerate(lines)]
    model = get_model(
        "openai-api/local/local",
        base_url=args.url,
        api_key="none",
        config=GenerateConfig(max_connections=args.at_once, max_retries=0),
    )
    with tempfile.TemporaryDirectory() as folder:
        began, used = time.perf_counter(), time.process_time()
        logs = eval(
            Task(dataset=MemoryDataset(samples), solver=dialogue()),
            model=model,
            max_samples=args.at_once,
            max_connections=args.at_once,
            log_dir=folder,
            display="none",
        )
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
    assert logs[0].status == "success", logs[0].error
    # of this process alone: `ru_maxrss` begins with what the process that started it held
    (held,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    peak = int(held) / 1024
    print(json.dumps({"calls": calls, "seconds": seconds, "cpu": cpu, "peak_mib": peak}))


if __name__ == "__main__":
    main()
