"""Which format of SmolLM2's weights llama.cpp reads fastest on a processor, and what it costs in quality.

`python -m benchmarks.formats`, from the root, with the extras `local` and `train`; some minutes. The formats are the file
as it is shipped (Q4_1) and the same weights rounded once more to Q8_0 and Q4_0. Speed: one thread, one conversation at a
time, in tokens per processor second of the server, prompts and answers timed separately, no prompt cached. Loss: the
perplexity of two pages of this project's own text under the file's weights (float32, in torch), and the share of greedy
answers that are equal to the shipped file's on the quick-start's prompts.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import tempfile
from pathlib import Path
from typing import Any

from agents.models import make_model
from agents.models.base import ChatRequest, Message
from agents.models.local.gguf import SHIPPED, gguf_path
from agents.models.local.requantise import requantise
from agents.models.providers.llamacpp import _SERVERS
from benchmarks.llamacpp_settings import processor_seconds
from harness.experiment.experiment import load_experiment
from harness.runs.plan import Plan

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("docs/judging.md", "environments/alfworld/README.md")
KINDS = ("Q4_1", "Q8_0", "Q4_0")
PAGE_TOKENS = 2048


def files(folder: Path) -> dict[str, Path]:
    """Format -> file; those that are not shipped are written into `folder`."""
    shipped = gguf_path(SHIPPED, SHIPPED)
    found = {KINDS[0]: shipped}
    for kind in KINDS[1:]:
        found[kind] = folder / f"{kind}.gguf"
        requantise(shipped, found[kind], kind)
    return found


def prompts(most: int) -> list[str]:
    """First prompts of the quick-start's strategist, one per game."""
    plan = Plan(load_experiment(None, (ROOT / "harness" / "quickstart.yaml").read_text(), []))
    found: dict[str, None] = {}
    for unit in plan.units:
        episode = plan.episode(unit)
        template = episode.environment.prompt("strategist")
        if episode.environment.name == "alfworld" and template is not None:
            view = episode.environment.reset(episode.task, episode.seed).view(0)
            said = template.fill(
                name=view.name, partner="", background=view.background, format="", available=", ".join(view.available)
            )
            found[said] = None
    return list(found)[:most]


async def speed(path: Path, texts: list[str]) -> tuple[float, float, list[str]]:
    """(prompt tokens, generated tokens) per processor second, and the greedy answers to `texts`."""
    model = make_model("m", {"provider": "llamacpp", "model": str(path), "slots": 1, "threads": 1, "cache_mib": 0})

    async def ask(text: str, tokens: int) -> Any:
        return await model.complete(ChatRequest((Message("user", text),), temperature=0, max_tokens=tokens))

    await ask("Hello.", 1)
    (server,) = _SERVERS.values()
    assert server.pid is not None
    answers = [(await ask(text, 16)).text for text in texts]
    # Prompts that begin differently, so that none is taken from the cache of the one before.
    used = processor_seconds(server.pid)
    read = [await ask(f"{number} {text}", 1) for number, text in enumerate(texts)]
    reading = processor_seconds(server.pid) - used
    used = processor_seconds(server.pid)
    wrote = [await ask(f"Story {number}: once upon a time", 128) for number in range(4)]
    writing = processor_seconds(server.pid) - used
    await model.close()
    fresh = sum((reply.prompt_tokens or 0) - (reply.cached_tokens or 0) for reply in read)
    return fresh / reading, sum(reply.completion_tokens or 0 for reply in wrote) / writing, answers


def perplexity(path: Path, page: str) -> float:
    """Of the first `PAGE_TOKENS` tokens of a page, exp of the mean loss per token."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
    model: Any = AutoModelForCausalLM.from_pretrained(str(path.parent), gguf_file=path.name, dtype=torch.float32)
    ids = torch.tensor([tokenizer((ROOT / page).read_text())["input_ids"][:PAGE_TOKENS]])
    with torch.no_grad():
        return math.exp(model(ids, labels=ids).loss.item())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=24, help="prompts of the quick-start (24)")
    parser.add_argument("--no-perplexity", action="store_true", help="speed and answers only: torch is not needed")
    given = parser.parse_args()
    texts = prompts(given.prompts)
    first: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        for kind, path in files(Path(temporary)).items():
            reading, writing, answers = asyncio.run(speed(path, texts))
            first = first or answers
            equal = sum(one == other for one, other in zip(first, answers, strict=True))
            line = f"{kind}  {path.stat().st_size / 1e6:4.0f} MB  prompt {reading:4.0f} tokens/CPU s  "
            line += f"answer {writing:4.0f} tokens/CPU s  equal answers {equal}/{len(texts)}"
            if not given.no_perplexity:
                line += "  perplexity " + ", ".join(f"{perplexity(path, page):.2f} ({page})" for page in PAGES)
            print(line, flush=True)


if __name__ == "__main__":
    main()
