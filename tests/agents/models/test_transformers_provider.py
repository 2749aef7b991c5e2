"""Weights in this process: the real SmolLM2 in float32, so that a batch must give what its requests give alone."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agents.models import make_model
from agents.models.base import ChatReply, ChatRequest, Message
from agents.models.config import TransformersConfig
from agents.models.endpoint import EndpointModel
from agents.models.local.weights import smollm2_folder
from agents.models.providers import transformers_provider
from agents.models.providers.transformers_provider import _ENGINES, TransformersClient, serving
from harness.base.errors import BadInput, EpisodeError
from tests.agents.models.conftest import ask, complete, endpoint_model, prompt_ids, whose, with_model

pytestmark = pytest.mark.skipif(
    any(
        importlib.util.find_spec(package) is None for package in ("torch", "transformers", "peft", "gguf", "llguidance")
    )
    and os.environ.get("STRICT") != "1",
    reason="torch, transformers, peft, gguf or llguidance is not installed (extra `train`)",
)

SMALL = {"provider": "transformers", "model": "smollm2-135m-instruct", "args": {"dtype": "float32"}}
SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green"]}, "number": {"type": "integer", "minimum": 1, "maximum": 3}},
    "required": ["colour", "number"],
    "additionalProperties": False,
}
QUESTIONS = [
    ask("Name a colour.", max_tokens=6, want_tokens=True),
    ask("Tell a story about a cat who finds a very old map in a library. " * 4, max_tokens=10, want_tokens=True),
    ask("What is 2 + 2?", max_tokens=3, want_tokens=True),
    ask("Say hello.", max_tokens=8, temperature=0.9, top_p=0.8, seed=11, want_tokens=True),
    ask("Say hello.", max_tokens=8, temperature=0.9, seed=11, want_tokens=True),
    ask("Pick a colour and a number.", max_tokens=40, schema=SCHEMA, temperature=1.0, seed=7, want_tokens=True),
]


def together(config: dict[str, Any], requests: list[ChatRequest]) -> tuple[list[ChatReply], list[int]]:
    """The replies to requests that come at the same time, and the sizes of the batches they made."""

    async def use(model: EndpointModel) -> tuple[list[ChatReply], list[int]]:
        await model.start()
        (engine,) = _ENGINES.values()
        replies = await asyncio.gather(*(model.complete(request) for request in requests))
        return replies, list(engine.batches)

    return with_model(config, use)


def test_a_batch_gives_what_its_requests_give_alone() -> None:
    """Prompts of different lengths, greedy and sampled, with and without a nucleus and a schema."""
    config = {**SMALL, "args": {"dtype": "float32", "max_wait_ms": 60_000, "batch_size": len(QUESTIONS)}}
    batched, sizes = together(config, QUESTIONS)
    assert sizes == [len(QUESTIONS)], "they were one batch"
    alone = complete({**SMALL, "args": {"dtype": "float32", "batch_size": 1, "max_wait_ms": 0}}, *QUESTIONS)
    for one, other in zip(alone, batched, strict=True):
        assert (one.text, one.finish_reason, one.token_ids) == (other.text, other.finish_reason, other.token_ids)
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-3)


def test_replies_carry_counts_tokens_log_probabilities_and_how_they_ended() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(smollm2_folder())
    cut, whole, plain = complete(
        SMALL,
        ask("Tell a very long story.", max_tokens=6, want_tokens=True),
        ask("What is the capital of France?", max_tokens=40, want_tokens=True),
        ask("Say hi.", max_tokens=2),
    )
    assert cut.finish_reason == "length" and cut.completion_tokens == 6
    assert cut.token_ids and tokenizer.decode(list(cut.token_ids)) == cut.text
    assert whole.finish_reason == "stop" and whole.token_ids and whole.token_ids[-1] == tokenizer.eos_token_id
    assert "<|im_end|>" not in whole.text and whole.completion_tokens == len(whole.token_ids) == len(
        whole.logprobs or ()
    )
    assert plain.prompt_tokens == len(prompt_ids(tokenizer, "Say hi."))
    assert plain.token_ids is None and plain.logprobs is None
    (kept,) = complete({**SMALL, "tokens": True}, ask("Say hi.", max_tokens=2))
    assert kept.token_ids is not None and kept.logprobs is not None


def test_log_probabilities_are_those_of_the_temperature_that_was_sampled_at() -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(smollm2_folder())
    model = AutoModelForCausalLM.from_pretrained(smollm2_folder(), dtype=torch.float32)
    (reply,) = complete(SMALL, ask("Name a river.", max_tokens=10, temperature=1.5, seed=3, want_tokens=True))
    assert reply.token_ids and reply.logprobs
    prompt = prompt_ids(tokenizer, "Name a river.")
    with torch.no_grad():
        logits = model(torch.tensor([[*prompt, *reply.token_ids]])).logits[0, len(prompt) - 1 : -1]
    expected = torch.log_softmax(logits / 1.5, -1).gather(1, torch.tensor(reply.token_ids)[:, None])[:, 0]
    assert list(reply.logprobs) == pytest.approx(expected.tolist(), abs=1e-3)
    assert reply.logprobs_at == 1.5 and list(reply.prompt_ids or ()) == prompt


def test_a_schema_is_kept_to_even_at_a_high_temperature() -> None:
    asked = [ask("Pick.", max_tokens=60, schema=SCHEMA, temperature=2.0, seed=seed) for seed in range(6)]
    replies, _ = together(SMALL, asked)
    for reply in replies:
        answer = json.loads(reply.text)
        assert reply.structured == "native" and reply.finish_reason == "stop"
        assert (
            set(answer) == {"colour", "number"} and answer["colour"] in ("red", "green") and 1 <= answer["number"] <= 3
        )
    assert len({reply.text for reply in replies}) > 1


def test_stop_sequences_and_seeds() -> None:
    story = {"max_tokens": 30, "temperature": 0.0}
    whole, cut = complete(SMALL, ask("Count from 1 to 9.", **story), ask("Count from 1 to 9.", stop=("3",), **story))
    assert "3" in whole.text and cut.text == whole.text.partition("3")[0] and cut.finish_reason == "stop"
    warm = {"max_tokens": 6, "temperature": 1.0}
    one, same, other, unseeded, again = complete(
        SMALL,
        ask("Say something.", seed=1, **warm),
        ask("Say something.", seed=1, **warm),
        ask("Say something.", seed=2, **warm),
        ask("Say something.", identity=whose("e1"), **warm),
        ask("Say something.", identity=whose("e1"), **warm),
    )
    assert one.text == same.text != other.text
    assert unseeded.text == again.text, "without a seed, the identity of the call is the seed: never the global state"


def test_models_with_the_same_weights_share_them_and_the_last_one_lets_go() -> None:
    async def run() -> tuple[int, Any]:
        one, two = endpoint_model("one", SMALL), endpoint_model("two", {**SMALL, "model": str(smollm2_folder())})
        three = endpoint_model("three", SMALL)
        await asyncio.gather(one.start(), three.start())
        (engine,) = _ENGINES.values()
        loaded = weakref.ref(engine.loaded().model)
        await one.close()
        await three.complete(ask(max_tokens=1))
        await three.close()
        await two.close()
        return len(_ENGINES), loaded

    left, loaded = asyncio.run(run())
    gc.collect()
    assert left == 0 and loaded() is None


def test_the_event_loop_stays_free_while_the_model_works() -> None:
    async def use(model: EndpointModel) -> int:
        await model.start()
        answer = asyncio.ensure_future(model.complete(ask("Tell a long story.", max_tokens=60)))
        beats = 0
        while not answer.done():
            await asyncio.sleep(0.005)
            beats += 1
        return beats

    assert with_model(SMALL, use) > 20


def test_a_call_that_is_given_up_leaves_its_batch() -> None:
    async def use(model: EndpointModel) -> tuple[int, ChatReply]:
        await model.start()
        (engine,) = _ENGINES.values()
        endless = asyncio.ensure_future(model.complete(ask("Tell a very long story.", max_tokens=4000)))
        while not engine.batches:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        endless.cancel()
        reply = await asyncio.wait_for(model.complete(ask("Say hi.", max_tokens=2)), 60)
        return len(engine.batches), reply

    batches, reply = with_model(SMALL, use)
    assert batches == 2 and reply.completion_tokens


def test_bad_weights_and_prompts_are_said(tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match="model 'm': .*neither a folder"):
        with_model({**SMALL, "model": str(tmp_path / "none")}, lambda model: model.try_out(ask()))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EpisodeError, match="transformers cannot load"):
        with_model({**SMALL, "model": str(tmp_path)}, lambda model: model.try_out(ask()))
    with pytest.raises(BadInput, match=r"unknown key 'args.batchsize'.*batch_size"):
        make_model("m", {**SMALL, "args": {"batchsize": 3}})
    with pytest.raises(BadInput, match="adapter_config.json"):
        make_model("m", {**SMALL, "args": {"adapter": str(tmp_path)}})
    with pytest.raises(EpisodeError, match="the model takes 64") as caught:
        complete({**SMALL, "args": {"context": 64}}, ask("word " * 100))
    assert caught.value.kind == "model"
    (short,) = complete({**SMALL, "args": {"context": 64}}, ask("hello", max_tokens=1000))
    assert short.prompt_tokens is not None and short.completion_tokens is not None
    assert short.prompt_tokens + short.completion_tokens <= 64


def test_a_schema_that_can_not_be_followed_goes_into_the_prompt() -> None:
    odd = {"type": "object", "properties": {"a": {"type": "string", "not": {"minLength": 3}}}}
    (reply,) = complete(SMALL, ask("Answer.", max_tokens=4, schema=odd))
    assert reply.structured == "prompt"


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A LoRA adapter that changes what the model says."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(smollm2_folder(), dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=64, target_modules=["q_proj", "v_proj"]))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    model.save_pretrained(str(tmp_path / "adapter"))
    return tmp_path / "adapter"


def test_an_adapter_and_its_start_answer_from_one_loaded_model(adapter: Path) -> None:
    question = ask("Name a colour.", max_tokens=8)
    trained = {**SMALL, "args": {"dtype": "float32", "adapter": str(adapter)}}

    async def run() -> tuple[list[str], int]:
        start, after = make_model("start", SMALL), make_model("after", trained)
        assert start.revision != after.revision
        first = await start.complete(question)
        changed, *others = await asyncio.gather(
            after.complete(question), start.complete(question), after.complete(question)
        )
        engines = len(_ENGINES)
        await start.close()
        await after.close()
        return [reply.text for reply in (first, changed, *others)], engines

    texts, engines = asyncio.run(run())
    assert engines == 1
    assert texts[0] == texts[2] != texts[1] == texts[3]


def test_a_model_object_of_this_process_is_served_as_it_is_at_the_moment() -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(smollm2_folder(), dtype=torch.float32).train()
    tokenizer = AutoTokenizer.from_pretrained(smollm2_folder())
    request = ask("Name a colour.", max_tokens=4)
    with serving("trainer", model, tokenizer, "step-0") as address:
        config = {"provider": "transformers", "model": address}
        assert make_model("m", config).revision == "step-0"
        (before,) = complete(config, request)
        with torch.no_grad():
            model.model.norm.weight.mul_(-1)
        (after,) = complete(config, request)
        assert before.text != after.text and model.training
        assert all(parameter.requires_grad for parameter in model.parameters())
        with pytest.raises(BadInput, match="served as live:trainer already"), serving("trainer", model, tokenizer, "1"):
            pass
    with pytest.raises(BadInput, match="no model is served as 'live:trainer'"):
        make_model("m", config)


class OnlyTokenizer:
    """An engine of which only the tokeniser is there, with a chat template of one's own."""

    def __init__(self, template: str) -> None:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(smollm2_folder())
        tokenizer.chat_template = template
        model = SimpleNamespace(config=SimpleNamespace(max_position_embeddings=512))
        self.parts = SimpleNamespace(model=model, tokenizer=tokenizer)

    def loaded(self) -> Any:
        return self.parts


def row_of(template: str, request: ChatRequest, **options: Any) -> tuple[str, str]:
    """The prompt of a request, and the mark of reasoning that it opens."""
    engine: Any = OnlyTokenizer(template)
    config = TransformersConfig(model="m", **options)
    row, opening, _ = TransformersClient("m", config)._row(engine, request, False)
    return engine.parts.tokenizer.decode(row.prompt), opening


STRICT = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "[{{ m.role }}] {{ m.content }} {% endfor %}"
)
SWITCH = "{% for m in messages %}{{ m.content }}{% endfor %} {{ 'short' if enable_thinking is false else 'long' }}"


def test_a_template_without_a_system_role_or_with_alternating_roles_gets_plainer_ones() -> None:
    chat = (Message("system", "be kind"), Message("user", "hi"), Message("user", "so"))
    assert row_of(STRICT, ChatRequest(chat))[0] == "[user] be kind\n\nhi\n\nso "


def test_options_for_the_chat_template_are_obeyed_and_win_over_the_effort() -> None:
    assert row_of(SWITCH, ask("hi"))[0] == "hi long"
    kwargs = {"chat_template_kwargs": {"enable_thinking": False}}
    assert row_of(SWITCH, ask("hi"), args=kwargs)[0] == "hi short"
    assert row_of(SWITCH, ask("hi", reasoning_effort="none"))[0] == "hi short"
    assert row_of(SWITCH, ask("hi", reasoning_effort="high"))[0] == "hi long"
    assert row_of(SWITCH, ask("hi", reasoning_effort="high"), args=kwargs)[0] == "hi short"
    model: Any = make_model("m", SMALL | {"args": kwargs})
    plain: Any = make_model("m", SMALL)
    assert model.options["chat_template_kwargs"] == {"enable_thinking": False}
    assert "chat_template_kwargs" not in plain.options


def test_reasoning_that_the_template_opens_is_reasoning_even_where_it_never_closes() -> None:
    opened = "{% for m in messages %}{{ m.content }}{% endfor %}\n<think>\n"
    assert row_of(opened, ask("hi"))[1].strip() == "<think>"
    assert row_of(opened, ask("hi"), reasoning=False)[1] == ""
    assert row_of("{{ messages[0].content }}<think>\n\n</think>\n", ask("hi"))[1] == ""


def test_a_body_is_refused_with_a_reason() -> None:
    with pytest.raises(BadInput, match="'extra_body' has no meaning here.*chat_template_kwargs"):
        make_model("m", SMALL | {"extra_body": {"top_k": 3}})


def test_torchs_threads_are_told_to_sleep_before_torch_is_imported() -> None:
    """Set after the import, it does nothing, and a token costs several times the processor time."""
    look = """
import builtins, os, sys
from agents.models import make_model
real = builtins.__import__
def watched(name, *rest, **more):
    if name == "torch" and "torch" not in sys.modules:
        print(os.environ.get("OMP_WAIT_POLICY"))
        os._exit(0)
    return real(name, *rest, **more)
builtins.__import__ = watched
make_model("m", {"provider": "transformers", "model": "smollm2-135m-instruct"})._client._load()
"""
    unset = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run([sys.executable, "-c", look], env=unset, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "passive"


def test_a_template_that_refuses_the_chat_whatever_its_roles_is_not_the_models_result() -> None:
    async def use(model: EndpointModel) -> None:
        await model.start()
        (engine,) = _ENGINES.values()
        engine.loaded().tokenizer.chat_template = "{{ raise_exception('no system role') }}"
        await model.complete(ChatRequest((Message("system", "x"),)))

    with pytest.raises(EpisodeError, match="no system role") as caught:
        with_model(SMALL, use)
    assert caught.value.kind == "infrastructure"


def test_two_models_asked_for_at_once_are_loaded_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """In two threads at once, transformers' imports fail."""
    inside, most = threading.Semaphore(0), []

    def loaded() -> None:
        inside.release()
        most.append(inside._value)
        time.sleep(0.05)
        inside.acquire()

    monkeypatch.setattr(transformers_provider, "borrow", lambda key, name: SimpleNamespace(loaded=loaded))
    clients = [TransformersClient(name, TransformersConfig(**SMALL)) for name in ("one", "two")]

    async def ready() -> None:
        await asyncio.gather(*(client.ready() for client in clients))

    asyncio.run(ready())
    assert most == [1, 1]
