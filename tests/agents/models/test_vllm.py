"""The real vLLM, on a CPU, with the real SmolLM2: one server for the whole file, as long as anybody uses it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.models import make_model
from agents.models.base import ChatReply, ChatRequest, Model
from agents.models.config import VllmConfig
from agents.models.local.vllm_managed import _SERVERS
from agents.models.local.vllm_server import process_start
from agents.models.local.weights import smollm2_folder
from agents.models.providers.vllm_provider import vllm_python
from harness.base.errors import BadInput, EpisodeError
from harness.cli import main
from harness.training.data.prepare import PrepareOptions, prepare
from tests.agents.models.conftest import ask, prompt_ids, with_model
from tests.agents.models.test_llamacpp import wait_until


def _is_there() -> bool:
    try:
        vllm_python(VllmConfig(model="m"), "m")
    except BadInput:
        return False
    return True


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not _is_there() and os.environ.get("STRICT") != "1", reason="vLLM is not installed (`make vllm`)"
    ),
]

SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green"]}, "number": {"type": "integer", "minimum": 1, "maximum": 3}},
    "required": ["colour", "number"],
    "additionalProperties": False,
}
LONG = "The rules of this house: " + " ".join(f"rule {number} is to be kind to guest {number}." for number in range(40))
USER = """
import asyncio, json, sys, time
from agents.models import make_model
from agents.models.local.vllm_managed import _SERVERS
async def main():
    model = make_model("m", json.loads(sys.argv[1]))
    await model.start()
    (server,) = _SERVERS.values()
    print(json.dumps([server.starts, server.state]), flush=True)
    time.sleep(600)
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """SmolLM2 with a LoRA adapter called `trained` beside it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("vllm") / "adapter"
    base = AutoModelForCausalLM.from_pretrained(smollm2_folder(), dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(r=8, lora_alpha=64, target_modules=["q_proj", "v_proj"]))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    model.save_pretrained(str(folder))
    # Compiling takes minutes, and nothing here is about speed.
    args = {"max-model-len": 2048, "enforce-eager": True, "lora-modules": {"trained": str(folder)}}
    return {"provider": "vllm", "model": "smollm2-135m-instruct", "args": args}


def second_process(config: dict[str, Any]) -> tuple[subprocess.Popen[str], int, dict[str, Any]]:
    """A process that uses the server; how often it started it, and what it knows of it."""
    process = subprocess.Popen([sys.executable, "-c", USER, json.dumps(config)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    starts, state = json.loads(process.stdout.readline())
    return process, starts, state


@pytest.fixture(scope="module")
def first_user(config: dict[str, Any]) -> Iterator[tuple[subprocess.Popen[str], int, dict[str, Any]]]:
    """Another process, which starts the server; so everything here uses one that it found."""
    found = second_process(config)
    yield found
    found[0].kill()
    found[0].wait()


def together(config: dict[str, Any], *requests: ChatRequest) -> tuple[list[ChatReply], int, dict[str, Any]]:
    """The replies, how often the server was started for them, and its state."""

    async def use(model: Model) -> tuple[list[ChatReply], int, dict[str, Any]]:
        replies = await asyncio.gather(*(model.complete(request) for request in requests))
        (server,) = _SERVERS.values()
        return list(replies), server.starts, server.state

    return with_model(config, use)


def test_a_server_of_another_process_answers_in_text_by_schema_and_with_tokens(
    config: dict[str, Any], first_user: tuple[subprocess.Popen[str], int, dict[str, Any]]
) -> None:
    (plain, by_schema, tokens, seeded), starts, state = together(
        config,
        ask("Name a colour of the rainbow.", max_tokens=12),
        ask("Pick a colour and a number.", max_tokens=200, schema=SCHEMA, temperature=1.0),
        ask("Say hi.", max_tokens=5, want_tokens=True),
        ask("Say hi.", max_tokens=5, seed=3, temperature=1.0),
    )
    assert first_user[1] == 1 and starts == 0 and state == first_user[2], "started once, by the other process"
    assert plain.text and plain.model == "smollm2-135m-instruct" and plain.prompt_tokens and plain.token_ids is None
    answer = json.loads(by_schema.text)
    assert by_schema.structured == "native" and answer["colour"] in ("red", "green") and 1 <= answer["number"] <= 3
    assert tokens.token_ids and tokens.logprobs and len(tokens.token_ids) == len(tokens.logprobs) == 5
    assert all(logprob <= 0 for logprob in tokens.logprobs)
    assert seeded.dropped == ("seed",), "a seed of a request would end vLLM's CPU engine"


def test_it_gives_the_tokens_that_the_weights_give(
    config: dict[str, Any], first_user: tuple[subprocess.Popen[str], int, dict[str, Any]]
) -> None:
    """The log-probabilities are those of the same folder in transformers, within bfloat16's rounding."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    (reply,), *_ = together({**config, "tokens": True}, ask("Name a river in Europe.", max_tokens=24))
    assert reply.token_ids and reply.logprobs
    tokenizer = AutoTokenizer.from_pretrained(smollm2_folder())
    prompt = prompt_ids(tokenizer, "Name a river in Europe.")
    assert len(prompt) == reply.prompt_tokens
    model = AutoModelForCausalLM.from_pretrained(smollm2_folder(), dtype=torch.float32)
    with torch.no_grad():
        logits = model(torch.tensor([[*prompt, *reply.token_ids]])).logits[0, len(prompt) - 1 : -1]
    chosen = torch.tensor(reply.token_ids)
    ours = torch.log_softmax(logits, -1).gather(1, chosen[:, None])[:, 0]
    assert (ours - torch.tensor(reply.logprobs)).abs().mean() < 0.1
    assert (logits.argmax(1) == chosen).float().mean() > 0.8


def test_an_adapter_is_asked_by_its_name_on_the_same_server(
    config: dict[str, Any], first_user: tuple[subprocess.Popen[str], int, dict[str, Any]]
) -> None:
    question = ask("Name a colour.", max_tokens=12)
    (start,), _, state = together(config, question)
    (trained,), starts, same = together({**config, "args": {**config["args"], "adapter": "trained"}}, question)
    assert trained.model == "trained" and start.text != trained.text
    assert state == same == first_user[2] and starts == 0


def test_an_experiment_is_played_with_it_and_its_records_say_by_what(
    config: dict[str, Any], first_user: tuple[subprocess.Popen[str], int, dict[str, Any]], tmp_path: Path
) -> None:
    world = {"name": "sotopia", "split": "builtin-test", "tasks": 2, "options": {"max_turns": 2}}
    experiment = {
        "name": "served",
        "environments": [world],
        "models": {"m": {**config, "tokens": True}},
        "actors": [{"model": "m", "max_tokens": 60, "answer_chars": 60}],
        "strategists": ["vanilla", {"kind": "epo", "model": "m", "max_tokens": 20}],
    }
    (tmp_path / "e.yaml").write_text(json.dumps(experiment))
    assert main(["run", str(tmp_path / "e.yaml"), "--results", str(tmp_path), "--name", "run"]) in (0, 4)
    episodes = [json.loads(line) for line in (tmp_path / "run" / "episodes.jsonl").read_text().splitlines()]
    assert len(episodes) == 4
    assert not [e["error"] for e in episodes if e["error"] and e["error"]["kind"] != "model"]
    calls = [call for episode in episodes for call in episode["calls"]]
    assert all(len(call["token_ids"]) == len(call["logprobs"]) == call["completion_tokens"] for call in calls)
    assert {call["structured"] for call in calls if call["role"] == "actor"} == {"native"}
    served = json.loads((tmp_path / "run" / "manifest.json").read_text())["served"]["m"]
    assert served["engine"] == "vllm" and served["dtype"] == "bfloat16" and "0.32" in served["version"]


def test_contexts_of_a_training_are_held_against_the_tokens_that_it_saw(
    config: dict[str, Any], first_user: tuple[subprocess.Popen[str], int, dict[str, Any]], tmp_path: Path
) -> None:
    world = {
        "name": "alfworld",
        "split": "builtin-train-many",
        "tasks": 2,
        "options": {"max_steps": 2, "prompts": "notes"},
    }
    experiment = {
        "name": "learnt",
        "environments": [world],
        "models": {"m": {**config, "tokens": True}},
        "actors": ["script:follow-advice"],
        "strategists": [{"kind": "epo", "model": "m", "max_tokens": 20}],
        "process": ["outcome"],
    }
    (tmp_path / "e.yaml").write_text(json.dumps(experiment))
    assert main(["run", str(tmp_path / "e.yaml"), "--results", str(tmp_path), "--name", "run"]) in (0, 4)
    prepared = prepare([tmp_path / "run"], PrepareOptions(), smollm2_folder(), tmp_path / "data").manifest
    assert prepared["contexts_by_ids"] == prepared["strategies"] > 0
    assert prepared["contexts_by_length"] == prepared["contexts_unchecked"] == 0


def test_a_prompt_that_was_there_is_not_computed_again(
    config: dict[str, Any], first_user: tuple[subprocess.Popen[str], int, dict[str, Any]]
) -> None:
    async def use(model: Model) -> list[ChatReply]:
        return [await model.complete(ask(f"{LONG} {end}", max_tokens=2)) for end in ("One.", "Two.")]

    first, second = with_model(config, use)
    assert first.prompt_tokens and second.cached_tokens and second.cached_tokens > first.prompt_tokens / 2


def test_a_crash_is_survived_and_the_server_ends_with_its_last_user(
    config: dict[str, Any], first_user: tuple[subprocess.Popen[str], int, dict[str, Any]]
) -> None:
    async def use(model: Model) -> dict[str, Any]:
        await model.complete(ask(max_tokens=2))
        (server,) = _SERVERS.values()
        first_user[0].kill()
        first_user[0].wait()
        engine = _children(int(server.state["server_pid"]))
        assert engine, "the engine is a process of its own"
        os.kill(int(server.state["server_pid"]), signal.SIGKILL)
        assert wait_until(lambda: not server.running and all(process_start(pid) is None for pid in engine))
        reply = await model.complete(ask("Say hi.", max_tokens=2))
        assert reply.completion_tokens and server.starts == 1
        last, starts, state = await asyncio.to_thread(second_process, config)
        assert starts == 0 and state == server.state
        last.kill()
        last.wait()
        return {**server.state}

    state = with_model(config, use)
    ended = [int(state["pid"]), int(state["server_pid"])]
    assert wait_until(lambda: all(process_start(pid) is None for pid in ended), 60)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{state['url']}/health", timeout=5)


def test_a_model_that_vllm_can_not_load_is_said_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "nonsense"}')
    with pytest.raises(EpisodeError, match="vLLM could not serve .*nonsense"):
        with_model({"provider": "vllm", "model": str(tmp_path)}, lambda model: model.try_out(ask()))


def _children(pid: int) -> list[int]:
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def test_the_provider_is_among_the_others() -> None:
    assert make_model("m", {"provider": "vllm", "model": "owner/name"}).provider == "vllm"
