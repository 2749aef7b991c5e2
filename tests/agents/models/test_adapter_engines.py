"""One LoRA adapter on the real SmolLM2 through llama.cpp, transformers and vLLM: the same answers, but for precision."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agents.models import make_model
from agents.models.base import ChatReply
from agents.models.config import VllmConfig
from agents.models.local.convert_adapter import convert_adapter
from agents.models.local.gguf import SHIPPED
from agents.models.local.vllm_managed import _SERVERS as VLLM_SERVERS
from agents.models.local.weights import smollm2_folder
from agents.models.providers.vllm_provider import vllm_python
from harness.base.errors import BadInput
from tests.agents.models.conftest import ask, prompt_ids
from tests.agents.models.lora import peft_folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(each) is None for each in ("torch", "transformers", "peft", "gguf", "xllamacpp"))
        and os.environ.get("STRICT") != "1",
        reason="torch, transformers, peft, gguf or xllamacpp is not installed (extras `train`, `local`)",
    ),
]
QUESTION = "Name three colours, and say 2 + 2."
TOKENS = 16


def _has_vllm() -> bool:
    try:
        vllm_python(VllmConfig(model="m"), "m")
    except BadInput:
        return False
    return True


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two adapters of different rank as peft folders, each with its GGUF file beside it."""
    made = []
    for seed, rank in ((0, 4), (1, 24)):
        folder = peft_folder(tmp_path_factory.mktemp("adapters") / f"a{seed}", seed=seed, rank=rank, strength=0.03)
        convert_adapter(folder, SHIPPED, folder.with_suffix(".gguf"))
        made.append(folder)
    return made


@pytest.fixture(scope="module")
def tuned(folders: list[Path]) -> Any:
    """The base in float32 with both adapters, in peft."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(smollm2_folder(), dtype=torch.float32)
    model = PeftModel.from_pretrained(base, str(folders[0]), adapter_name="0")
    model.load_adapter(str(folders[1]), adapter_name="1")
    return model.eval()


ENGINES: Mapping[str, dict[str, Any]] = {
    "llamacpp": {"provider": "llamacpp", "model": SHIPPED, "context": 512, "slots": 1, "threads": 2},
    "transformers": {"provider": "transformers", "model": SHIPPED},
    # Compiling takes minutes, and nothing here is about speed.
    "vllm": {"provider": "vllm", "model": SHIPPED, "args": {"max-model-len": 512, "enforce-eager": True}},
}


@pytest.mark.parametrize(
    "engine",
    [
        "llamacpp",
        "transformers",
        pytest.param(
            "vllm",
            marks=pytest.mark.skipif(
                not _has_vllm() and os.environ.get("STRICT") != "1", reason="vLLM is not installed (`make vllm`)"
            ),
        ),
    ],
)
def test_an_engine_answers_as_the_adapter_does_in_peft_in_float32(engine: str, folders: list[Path], tuned: Any) -> None:
    """Each greedy token is peft's own first choice in the same place, or as good as that, and its log-probability is near:
    bfloat16 and llama.cpp's activations of 8 bits round."""
    suffix = ".gguf" if engine == "llamacpp" else ""
    adapters = {str(number): str(each.with_suffix(suffix)) for number, each in enumerate(folders)}
    configs = {"bare": ENGINES[engine]} | {key: {**ENGINES[engine], "adapter": path} for key, path in adapters.items()}
    replies = asyncio.run(_greedy(configs))
    for key, reply in replies.items():
        ours, best = _by_peft(tuned, None if key == "bare" else key, reply)
        assert reply.logprobs is not None
        differences = [abs(one - other) for one, other in zip(ours, reply.logprobs, strict=True)]
        assert sum(differences) / len(differences) < 0.1, (engine, key)
        assert max(top - one for top, one in zip(best, ours, strict=True)) < 0.3, (engine, key)
        other = _by_peft(tuned, "1" if key == "0" else "0", reply)[0]
        wrong = [abs(one - each) for one, each in zip(other, reply.logprobs, strict=True)]
        assert sum(wrong) / len(wrong) > 0.3, "another adapter's numbers are far"


async def _greedy(configs: Mapping[str, dict[str, Any]]) -> dict[str, ChatReply]:
    """The greedy answers of models that share their base, asked together."""
    models = {name: make_model(name, config) for name, config in configs.items()}
    question = ask(QUESTION, max_tokens=TOKENS, temperature=0.0, want_tokens=True)
    try:
        replies = await asyncio.gather(*(model.complete(question) for model in models.values()))
        assert len(VLLM_SERVERS) <= 1, "one server for all"
        return dict(zip(models, replies, strict=True))
    finally:
        for model in models.values():
            await model.close()


def _by_peft(model: Any, adapter: str | None, reply: ChatReply) -> tuple[list[float], list[float]]:
    """Log-probabilities of a reply's tokens in peft, and of the best token in each place."""
    import torch
    from transformers import AutoTokenizer

    assert reply.token_ids is not None
    prompt = prompt_ids(AutoTokenizer.from_pretrained(smollm2_folder()), QUESTION)
    ids, chosen = torch.tensor([[*prompt, *reply.token_ids]]), torch.tensor(reply.token_ids)
    with torch.no_grad():
        if adapter is None:
            with model.disable_adapter():
                logits = model(ids).logits
        else:
            model.set_adapter(adapter)
            logits = model(ids).logits
    scores = torch.log_softmax(logits[0, len(prompt) - 1 : -1], -1)
    return scores.gather(1, chosen[:, None])[:, 0].tolist(), scores.max(1).values.tolist()
