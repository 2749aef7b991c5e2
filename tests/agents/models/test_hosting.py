"""A model whose server another process runs: it is spoken to where that process says, and none is started here."""

from __future__ import annotations

from typing import Any

import pytest

from agents.models.base import Model
from agents.models.endpoint import EndpointModel
from agents.models.local import vllm_managed
from agents.models.local.child import located
from agents.models.providers import llamacpp
from harness.base.errors import BadInput, EpisodeError
from tests.agents.models.conftest import ask, with_model
from tests.servers.openai_server import OpenAIServer
from tests.servers.wire import FaultPlan

HOSTED = pytest.mark.parametrize("provider", ["llamacpp", "vllm"])


def config(provider: str, **more: Any) -> dict[str, Any]:
    return {"provider": provider, "model": "smollm2-135m-instruct", **more}


@HOSTED
def test_an_attached_model_asks_for_the_address_once_and_starts_nothing(provider: str) -> None:
    asked = []

    async def use(model: Model) -> list[str]:
        async def address() -> str:
            asked.append(model)
            return server.url

        assert isinstance(model, EndpointModel) and model.hosted and not model.relayed
        model.attach(address)
        return [(await model.complete(ask(str(number)))).text for number in range(3)]

    with OpenAIServer() as server:
        assert all(with_model(config(provider), use))
        assert server.counts["ok"] == 3
    assert len(asked) == 1
    assert not llamacpp._SERVERS and not vllm_managed._SERVERS


@HOSTED
def test_an_attached_model_takes_the_key_with_the_address_and_hides_it(provider: str) -> None:
    async def use(model: Model) -> str:
        async def address() -> str:
            return located(server.url, "a-key-of-the-run")

        assert isinstance(model, EndpointModel)
        model.attach(address)
        return (await model.complete(ask())).text

    with OpenAIServer(lambda body: "it is a-key-of-the-run", api_key="a-key-of-the-run") as server:
        assert with_model(config(provider), use) == "it is [key]"


@HOSTED
def test_an_attached_model_asks_again_when_the_server_does_not_answer(provider: str) -> None:
    """As one that was started anew, at another port, would not."""

    async def use(model: Model) -> str:
        places = iter([broken.url, server.url])

        async def address() -> str:
            return next(places)

        assert isinstance(model, EndpointModel)
        model.attach(address)
        return (await model.complete(ask())).text

    with OpenAIServer(faults=FaultPlan(script=["drop"])) as broken, OpenAIServer() as server:
        assert with_model(config(provider, retries=2), use)
        assert (broken.counts["drop"], server.counts["ok"]) == (1, 1)


@HOSTED
def test_where_the_other_process_has_no_server_either_the_call_fails_with_its_reason(provider: str) -> None:
    async def use(model: Model) -> None:
        async def address() -> str:
            raise BadInput("no room for the weights")

        assert isinstance(model, EndpointModel)
        model.attach(address)
        await model.complete(ask())

    with pytest.raises(EpisodeError, match="no room for the weights"):
        with_model(config(provider), use)
