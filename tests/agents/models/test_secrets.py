"""A planted key appears in nothing that this layer says, writes or raises."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.traceback import Traceback

from agents.models import make_model, quota
from agents.models.base import Model
from agents.models.cache import CallLog, RecordingModel
from agents.models.endpoint import EndpointModel
from agents.models.secrets import Secret, scrub
from harness.base.errors import HarnessError
from tests.agents.models.conftest import ask, endpoint_model, whose
from tests.servers.anthropic_server import AnthropicServer
from tests.servers.anthropic_server import error as anthropic_error
from tests.servers.openai_server import OpenAIServer, error
from tests.servers.wire import FaultPlan, Response

KEY = "planted_Key-4711.abcdefgh"


def everything_said(raised: BaseException) -> str:
    """The error, its chain, its traceback, and a rich traceback with the local variables of every frame."""
    console = Console(file=io.StringIO(), width=400)
    console.print(Traceback.from_exception(type(raised), raised, raised.__traceback__, show_locals=True))
    plain = "".join(traceback.TracebackException.from_exception(raised, capture_locals=True).format())
    return console.file.getvalue() + plain + repr(raised) + str(vars(raised))  # type: ignore[attr-defined]


def quoting(body: dict[str, Any]) -> Response:
    return error(400, f"the key {KEY} may not use this; Authorization: Bearer {KEY}")


FAULTS = ["429", "500", "garbage", "truncated", "drop", "hang", "wrong_json"]


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("case", [*FAULTS, "401", "400", "unreachable"])
def test_no_error_shows_the_key(provider: str, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED", KEY)
    monkeypatch.setattr(quota, "_longest_wait", 0.0)
    faults = FaultPlan(script=[case] * 9 if case in FAULTS else [])
    wanted = "another" if case == "401" else None
    server: OpenAIServer | AnthropicServer
    if provider == "openai":
        server = OpenAIServer(api_key=wanted, faults=faults)
        server.handler = quoting if case == "400" else server.handler
    else:
        server = AnthropicServer(api_key=wanted, faults=faults)
        server.handler = (lambda body: anthropic_error(400, f"bad {KEY}")) if case == "400" else server.handler
    with server:
        config = {
            "provider": provider,
            "model": "local",
            "base_url": "http://127.0.0.1:9/v1" if case == "unreachable" else server.url,
            "api_key_env": "PLANTED",
            "retries": 1,
            "deadlines": {"call": 1 if case == "hang" else 60, "connect": 60},
        }
        errors = asyncio.run(_errors_of(endpoint_model("m", config)))
        if case not in ("unreachable", "drop"):
            assert KEY in json.dumps(list(server.headers)), "the key did go to the endpoint"
    assert errors
    for raised in errors:
        assert isinstance(raised, HarnessError)
        assert KEY not in everything_said(raised)


async def _errors_of(model: EndpointModel) -> list[BaseException]:
    got = await asyncio.gather(model.complete(ask()), model.try_out(ask()), return_exceptions=True)
    await model.close()
    return [raised for raised in got if isinstance(raised, BaseException)]


def test_the_key_is_in_no_repr_log_or_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PLANTED", KEY)
    caplog.set_level(logging.DEBUG)

    async def run(url: str) -> Model:
        model = make_model("m", {"provider": "openai", "model": "l", "base_url": url, "api_key_env": "PLANTED"})
        with CallLog(tmp_path / "calls.jsonl") as log:
            await RecordingModel(model, log).complete(ask(identity=whose()))
        await model.close()
        return model

    with OpenAIServer(api_key=KEY) as server:
        model = asyncio.run(run(server.url))
    assert KEY not in repr(model) + str(vars(model)) + repr(vars(model._client)) + str(model.options)  # type: ignore[attr-defined]
    assert KEY not in caplog.text
    assert KEY not in (tmp_path / "calls.jsonl").read_text()
    gc.collect()


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret(KEY)
    assert KEY not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


@pytest.mark.parametrize(
    "text", [f"Incorrect API key provided: {KEY}", "Bearer abcdefgh123", "sk-proj-abc123def456", f"{KEY}{KEY}"]
)
def test_what_looks_like_a_key_is_scrubbed(text: str) -> None:
    clean = scrub(text, Secret(KEY))
    assert KEY not in clean and "abcdefgh" not in clean and "abc123" not in clean and "[key]" in clean
