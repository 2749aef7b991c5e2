"""Training: tokens per CPU second against a bare Hugging Face loop, and what the layout `chat` saves against one prompt per turn.

The episodes are played by scripts (SOTOPIA's built-in tasks, 20 turns; generated ALFWorld games, 20 steps), the model is
SmolLM2-135M-Instruct. Both loops train the same weights on the same sequences in the same precision, and take turns. CPU
seconds, all threads together: on a machine at work the clock on the wall says how busy it is. A few minutes on two cores."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from transformers import AutoModelForCausalLM

from agents.models.base import ChatRequest
from agents.models.local.weights import weights_of
from harness.base.seeds import stable_hash
from harness.experiment.experiment import Experiment
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from harness.training.data.dataset import Row, read_dataset
from harness.training.data.prepare import PrepareOptions, prepare
from harness.training.fit.fit import fit
from harness.training.fit.options import TrainOptions
from harness.training.fit.progress import FitProgress

MODEL = "smollm2-135m-instruct"
WORDS = (
    "ask what they need first then offer half of it and say why that is fair to both before you name a price or a day, "
    "look at the shelf and the drawer, take what was asked for, keep the secret, thank them, agree on the next step"
).split()
SCRIPT = {"provider": "scripted", "function": "benchmarks.training:speak"}


def words(request: ChatRequest, count: int) -> str:
    start = int(stable_hash(request.seed)[:6], 16)
    return " ".join(WORDS[(start + 7 * number) % len(WORDS)] for number in range(count))


def speak(request: ChatRequest) -> str:
    """Every role: strategies of 10 words (the prompt's limit), lines of 25, judges that answer."""
    if request.identity.role == "strategist":
        return f"Strategy: {words(request, 10)}"
    if request.identity.role == "actor":
        if request.schema is None:
            return "Action: look"
        return json.dumps({"action_type": "speak", "argument": words(request, 25)})
    if request.identity.role == "judge":
        from tests.harness.builders import judge_script

        return judge_script(request)
    return json.dumps({"critical": [{"reason": "it helped", "strategy": 1}]})


def play(folder: Path, environment: dict[str, Any], process: dict[str, Any]) -> Path:
    raw = {
        "name": "bench",
        "environments": [environment],
        "models": {"m": SCRIPT},
        "actors": ["m"],
        "strategists": [{"kind": "epo", "model": "m"}],
        "judge": "m",
        "process": [process],
    }
    with Run(Experiment.model_validate(raw), folder) as run:
        execute(run, Progress(Console(file=io.StringIO())))
    return folder


def played(home: Path, tasks: int) -> dict[str, Path]:
    sotopia = {"name": "sotopia", "split": "builtin-test", "tasks": tasks, "options": {"max_turns": 20}}
    alfworld = {"name": "alfworld", "split": "builtin-test-mini", "tasks": tasks, "options": {"max_steps": 20}}
    return {
        "SOTOPIA, 20 turns": play(home / "sotopia", sotopia, {"method": "critical", "model": "m"}),
        "ALFWorld, 20 steps": play(home / "alfworld", alfworld, {"method": "progress"}),
    }


def layouts(runs: dict[str, Path], model: Path, home: Path) -> dict[str, Path]:
    """Print tokens per episode and seat in both layouts; returns the chat data of each environment."""
    made = {}
    for name, run in runs.items():
        tokens = {}
        for layout in ("per-turn", "chat"):
            out = home / f"{run.name}-{layout}"
            options = PrepareOptions(layout=layout, target="chat", max_length=8192)
            manifest = prepare([run], options, model, out).manifest
            tokens[layout] = manifest["tokens"] / manifest["rows"]
        ratio = tokens["per-turn"] / tokens["chat"]
        print(
            f"{name}: {tokens['chat']:,.0f} tokens an episode and seat in `chat`, {tokens['per-turn']:,.0f} with one prompt "
            f"per turn: {ratio:.1f} times as many"
        )
        made[name] = home / f"{run.name}-chat"
    return made


def quietly(function: Callable[[], Any]) -> Any:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return function()


class CpuClock(FitProgress):
    """Notes the CPU seconds that the process had used when each step was done."""

    def __init__(self) -> None:
        super().__init__("benchmark", live=False)
        self.used: list[float] = []

    def step(self, done: int, loss: float | None = None) -> None:
        self.used.append(time.process_time())


def ours(data: Path, model: Path, out: Path, steps: int, rows: int) -> float:
    """Tokens per CPU second (median of the steps after the first) of the trainer, its logging and its KL estimate included."""
    options = TrainOptions(
        max_steps=steps, batch=1, accumulation=rows, schedule="constant", warmup=0.0, learning_rate=1e-6,
        save_steps=10_000, tensorboard=False,
    )  # fmt: skip
    clock = CpuClock()
    quietly(lambda: fit(data, model, options, out, progress=clock))
    tokens = sum(len(sequence.tokens) for row in read_dataset(data) for sequence in row.sequences)
    return statistics.median(tokens / (end - begin) for begin, end in pairwise(clock.used))


def bare(data: Path, model: Path, steps: int) -> float:
    """Tokens per CPU second (median of the steps after the first) of the loop one would write: transformers' own loss."""
    rows = read_dataset(data)
    network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-6)
    speeds = []
    for _ in range(steps):
        began, tokens = time.process_time(), 0
        for row in rows:
            ids, labels = plain(row)
            with torch.autocast("cpu", torch.bfloat16):
                loss = network(input_ids=ids, labels=labels, use_cache=False).loss / len(rows)
            loss.backward()
            tokens += ids.numel()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        speeds.append(tokens / (time.process_time() - began))
    return statistics.median(speeds[1:])


def plain(row: Row) -> tuple[torch.Tensor, torch.Tensor]:
    """One sequence with labels at its strategies."""
    (sequence,) = row.sequences
    ids = torch.tensor([sequence.tokens])
    labels = torch.full_like(ids, -100)
    for span in sequence.spans:
        labels[0, span.start : span.end] = ids[0, span.start : span.end]
    return ids, labels


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--steps", type=int, default=3, help="optimizer steps of each measurement; the first is left out"
    )
    parser.add_argument("--rounds", type=int, default=2, help="how often both loops take their turn")
    parser.add_argument("--tasks", type=int, default=1, help="of each environment; SOTOPIA's give two rows each")
    parser.add_argument("--model", type=Path, help="a Hugging Face folder instead of SmolLM2")
    arguments = parser.parse_args()
    model = arguments.model or Path(weights_of(MODEL, MODEL))
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        data = layouts(played(home, arguments.tasks), model, home)["SOTOPIA, 20 turns"]
        rows = len(read_dataset(data))
        found: dict[str, list[float]] = {"trainer": [], "bare loop": []}
        for number in range(arguments.rounds):
            found["trainer"].append(ours(data, model, home / f"fit-{number}", arguments.steps, rows))
            found["bare loop"].append(bare(data, model, arguments.steps))
            shown = ", ".join(f"{loop} {speeds[-1]:,.0f}" for loop, speeds in found.items())
            print(f"round {number + 1}: {shown} tokens per CPU second", flush=True)
        for loop, speeds in found.items():
            shown = ", ".join(f"{speed:,.0f}" for speed in speeds)
            print(f"{loop}: {statistics.median(speeds):,.0f} tokens per CPU second (rounds: {shown})")
        ratio = statistics.median(found["trainer"]) / statistics.median(found["bare loop"])
        print(f"trainer against bare loop: {ratio:.2f} times (wanted: at least 0.90)")
    return 0 if ratio >= 0.9 else 1


if __name__ == "__main__":
    raise SystemExit(main())
