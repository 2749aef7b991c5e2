"""The managed llama.cpp server: a real one, with the real SmolLM2-135M-Instruct."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from agents.models.base import Model
from agents.models.config import LlamaCppConfig
from agents.models.local.child import parted
from agents.models.local.gguf import gguf_path
from agents.models.providers.llamacpp import _SERVERS, spec_of
from harness.base.errors import EpisodeError
from tests.agents.models.conftest import ask, complete, endpoint_model, with_model

pytestmark = [
    pytest.mark.llamacpp,
    pytest.mark.skipif(
        importlib.util.find_spec("xllamacpp") is None and os.environ.get("STRICT") != "1",
        reason="xllamacpp is not installed (extra `local`)",
    ),
]

SMALL = {"provider": "llamacpp", "context": 512, "slots": 2, "threads": 2}
SCHEMA = {
    "type": "object",
    "properties": {
        "colour": {"type": "string", "enum": ["red", "green"]},
        "number": {"type": "integer", "minimum": 1, "maximum": 3},
    },
    "required": ["colour", "number"],
    "additionalProperties": False,
}


def test_the_prompts_memory_is_the_configs_or_a_share_of_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    def cache(**given: Any) -> int:
        return spec_of(LlamaCppConfig(**given), Path("x.gguf")).cache_mib

    assert (cache(cache_mib=0), cache(cache_mib=123)) == (0, 123)
    for memory, wanted in ((64 << 30, 4096), (8 << 30, 2048)):
        monkeypatch.setattr(os, "sysconf", lambda key, memory=memory: 4096 if key == "SC_PAGE_SIZE" else memory // 4096)
        assert cache() == wanted


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 300.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def test_it_completes_repeats_itself_honours_a_schema_and_gives_tokens() -> None:
    plain = ask("Name a colour of the rainbow.", max_tokens=12)
    first, again, by_schema, tokens = complete(
        SMALL,
        plain,
        plain,
        ask("Pick a colour and a number.", max_tokens=60, schema=SCHEMA, temperature=1.0, seed=7),
        ask("Say hi.", max_tokens=5, want_tokens=True),
    )
    assert first.text and first.text == again.text, "greedy and alone on the server, it repeats itself"
    assert first.model == "smollm2-135m-instruct" and first.prompt_tokens and first.completion_tokens
    assert again.cached_tokens, "the prompt was still there"
    answer = json.loads(by_schema.text)
    assert by_schema.structured == "native"
    assert set(answer) == {"colour", "number"} and answer["colour"] in ("red", "green") and 1 <= answer["number"] <= 3
    assert tokens.token_ids is not None and tokens.logprobs is not None
    assert len(tokens.token_ids) == len(tokens.logprobs) == tokens.completion_tokens
    assert all(logprob <= 0 for logprob in tokens.logprobs)


def test_models_with_the_same_settings_share_a_server_which_ends_with_the_last_of_them() -> None:
    async def run() -> tuple[int, bool, bool]:
        one, two = endpoint_model("one", SMALL), endpoint_model("two", SMALL)
        await asyncio.gather(one.start(), two.start())
        (server,) = _SERVERS.values()
        assert server.pid is not None and server.starts == 1
        pid = server.pid
        await one.close()
        still = alive(pid)
        await two.complete(ask(max_tokens=2))
        await two.close()
        return pid, still, alive(pid)

    _pid, after_one, after_two = asyncio.run(run())
    assert after_one and not after_two
    assert not _SERVERS


def test_the_server_answers_only_its_run_and_inherits_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "planted-4711-abcdefgh")

    async def use(model: Model) -> None:
        await model.complete(ask(max_tokens=2))
        (server,) = _SERVERS.values()
        address, key = parted(server.location())
        root = address.removesuffix("/v1")
        body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
        async with httpx.AsyncClient(trust_env=False, headers={"Origin": "http://evil.example"}) as stranger:
            for path in ("/v1/chat/completions", "/completion", "/tokenize", "/slots", "/props", "/v1/models"):
                answer = await stranger.post(f"{root}{path}", json=body)
                assert answer.status_code in (401, 404), path
                assert not answer.headers.get("access-control-allow-origin")
            leave = await stranger.options(
                f"{address}/chat/completions", headers={"Access-Control-Request-Method": "POST"}
            )
            assert not leave.headers.get("access-control-allow-origin")
            good = await stranger.post(
                f"{address}/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"}
            )
            assert good.status_code == 200
        process = Path(f"/proc/{server.pid}")
        assert key.encode() not in process.joinpath("cmdline").read_bytes() + process.joinpath("environ").read_bytes()
        assert b"planted-4711" not in process.joinpath("environ").read_bytes()

    with_model(SMALL, use)


def test_a_server_that_dies_is_started_again() -> None:
    async def use(model: Model) -> int:
        await model.complete(ask(max_tokens=2))
        (server,) = _SERVERS.values()
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        await model.complete(ask(max_tokens=2))
        return server.starts

    assert with_model(SMALL, use) == 2


PARENT = """
import asyncio, sys, time
from agents.models import make_model
from agents.models.config import LlamaCppConfig
from agents.models.providers.llamacpp import _SERVERS, spec_of
async def main():
    model = make_model("m", {"provider": "llamacpp", "context": 512, "slots": 1})
    await model.start()
    print(next(iter(_SERVERS.values())).pid, flush=True)
    if sys.argv[1] == "exit":
        return
    if sys.argv[1] == "busy":
        from tests.agents.models.conftest import ask
        await model.complete(ask("Tell a very long story.", max_tokens=400))
    time.sleep(120)
asyncio.run(main())
"""


INTERRUPTED = """
import asyncio, os, signal
from agents.models import make_model
from tests.agents.models.conftest import ask
async def main():
    signal.signal(signal.SIGINT, lambda *_: None)  # a run lets its episodes end
    model = make_model("m", {"provider": "llamacpp", "context": 512, "slots": 1})
    await model.start()
    os.killpg(0, signal.SIGINT)
    print((await model.complete(ask("Say hello.", max_tokens=4))).finish_reason)
    await model.close()
asyncio.run(main())
"""


def test_ctrl_c_at_a_terminal_which_goes_to_the_whole_group_does_not_stop_the_server() -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, process_group=0, check=False)
    assert done.stdout.split() in (["length"], ["stop"]), done.stderr


@pytest.mark.parametrize("end", ["kill", "busy", "exit"])
def test_the_server_is_gone_when_its_parent_is_killed_or_forgets_to_close_it(end: str) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, end], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert alive(pid) or end == "exit"
    if end != "exit":
        parent.send_signal(signal.SIGKILL)
    parent.wait(300)
    assert wait_until(lambda: not alive(pid)), "the server outlived its parent"


def test_a_file_that_is_no_model_is_said_with_what_llama_cpp_said(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"this is not a model")
    with pytest.raises(EpisodeError, match="could not load .*broken.gguf"):
        complete({**SMALL, "model": str(broken)}, ask())
    assert not _SERVERS


def test_a_prompt_beyond_the_context_is_the_models_failure_and_not_tried_again() -> None:
    with pytest.raises(EpisodeError) as caught:
        complete(SMALL, ask("word " * 3000))
    assert caught.value.kind == "model" and "HTTP 400" in caught.value.message


def test_a_path_works_like_a_name() -> None:
    path = str(gguf_path("smollm2-135m-instruct", "m"))

    async def use(model: Model) -> Any:
        assert model.revision is not None and model.base_url is None
        return await model.complete(ask(max_tokens=3))

    assert with_model({**SMALL, "model": path}, use).completion_tokens <= 3
