"""The loss on SmolLM2-135M-Instruct in float32, against plain loops over one unpadded sequence after the other: the largest
differences, for one chat and for one padded batch of turns, and for three ways to spread rows over micro-batches. A minute or
two on two cores."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from agents.models.local.weights import weights_of
from benchmarks.training import MODEL, play
from harness.training.data.dataset import read_dataset
from harness.training.data.prepare import PrepareOptions, prepare
from harness.training.fit.loss import Collator, columns, epo_loss, segments_of, target_logprobs
from tests.harness.training import plain
from tests.harness.training.test_loss import one_by_one


def rows_of(run: Path, layout: str, model: Path, out: Path, count: int) -> list[dict[str, Any]]:
    prepare([run], PrepareOptions(layout=layout, max_length=8192), model, out)
    return [columns(row) for row in read_dataset(out)[:count]]


def equal(network: Any, rows: list[dict[str, Any]], name: str) -> float:
    """Print how far batched log-probabilities and the loss are from the plain loops; the larger of both."""
    single = one_by_one(network, rows)
    flat = torch.tensor([value for row in single for strategy in row for value in strategy])
    with torch.no_grad():
        batch = Collator(0)(rows)
        batched = target_logprobs(network, batch)
    losses = epo_loss(batched, segments_of(batch)).per_row.tolist()
    expected = [plain.epo_row(row, raw["weights"]) for row, raw in zip(single, rows, strict=True)]
    apart = (batched - flat).abs().max().item()
    loss_apart = max(abs(a - b) for a, b in zip(losses, expected, strict=True))
    print(
        f"{name}: {len(rows)} rows, {batch['input_ids'].shape[0]} sequences, {len(flat)} trained tokens; "
        f"log-probabilities differ by at most {apart:.1e}, losses by {loss_apart:.1e}"
    )
    return max(apart, loss_apart)


def gradient_of(parameter: torch.nn.Parameter) -> torch.Tensor:
    """Flat. Every parameter of the model has one after a backward pass."""
    assert parameter.grad is not None
    return parameter.grad.view(-1)


def accumulated(model: Path, rows: list[dict[str, Any]]) -> None:
    """Print how far the gradients of different micro-batches are apart."""
    gradients = []
    for parts in ([rows], [[row] for row in rows]):
        network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
        for part in parts:
            batch = Collator(0)(part)
            (epo_loss(target_logprobs(network, batch), segments_of(batch)).per_row.sum() / len(rows)).backward()
        gradients.append(torch.cat([gradient_of(parameter) for parameter in network.parameters()]))
    apart, size = (gradients[0] - gradients[1]).norm(), gradients[0].norm()
    print(f"gradients of {len(rows)} rows at once and one at a time: {apart / size:.1e} apart, relative (L2)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="a Hugging Face folder instead of SmolLM2")
    model = parser.parse_args().model or Path(weights_of(MODEL, MODEL))
    environment = {"name": "sotopia", "split": "builtin-test", "tasks": 1, "options": {"max_turns": 8}}
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        run = play(home / "run", environment, {"method": "critical", "model": "m"})
        chats, turns = (rows_of(run, layout, model, home / layout, 2) for layout in ("chat", "per-turn"))
        network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
        worst = max(equal(network, chats, "chat"), equal(network, turns, "per-turn"))
        accumulated(model, chats)
    print(f"largest difference: {worst:.1e} (float32 of 30 layers; 1e-5 is held by the tests' model of two)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
