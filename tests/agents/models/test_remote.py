"""A provider at an address is one class of options and a client, in one file, as CONTRIBUTING.md shows it."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from agents.models import make_model
from agents.models.base import Model
from agents.models.cache import call_parts, key_of
from harness.base.errors import BadInput
from harness.base.part_files import find_part
from harness.runs.bounds import room_of
from tests.agents.models.conftest import ask, complete
from tests.servers.openai_server import OpenAIServer
from tests.shared_data import ROOT

IMPORTS = """
from typing import Any, Literal

from agents.models.base import ChatRequest
from agents.models.config import RemoteConfig, Vendor
from agents.models.providers.openai_provider import OpenAIClient
from agents.models.remote import RemoteProvider

"""


def shown() -> str:
    """The example of CONTRIBUTING.md."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    begin = page.index("    class MistralConfig")
    return dedent(page[begin : page.index("\n\nAnother protocol", begin)])


@pytest.fixture
def provider(tmp_path: Path) -> str:
    """A vendor's provider with a parameter of its own, in a file."""
    (tmp_path / "mistral.py").write_text(IMPORTS + shown())
    return find_part("./mistral.py:make", tmp_path)


def made(provider: str, **options: Any) -> Model:
    return make_model("m", {"provider": provider, "model": "large", **options})


def test_its_own_option_is_sent(provider: str) -> None:
    with OpenAIServer(lambda body: "good day") as server:
        options = {"provider": provider, "model": "large", "base_url": server.url}
        (reply,) = complete({**options, "safe_prompt": True}, ask())
        assert reply.text == "good day" and server.requests[-1]["safe_prompt"] is True
        complete(options, ask())
        assert "safe_prompt" not in server.requests[-1]


def test_a_reply_is_recorded_under_its_own_option(provider: str) -> None:
    def key(**options: Any) -> str:
        return key_of(call_parts(made(provider, **options), ask()))

    assert key(safe_prompt=True) != key() == key(safe_prompt=False)


def test_its_address_and_key_are_the_vendors(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert made(provider).base_url == "https://api.mistral.ai/v1"
    monkeypatch.setenv("MISTRAL_BASE_URL", "https://eu.mistral.ai/v1")
    assert made(provider).base_url == "https://eu.mistral.ai/v1"
    with pytest.raises(BadInput, match="unknown key 'safe_promt'.*Did you mean 'safe_prompt'"):
        made(provider, safe_promt=True)


def test_its_reasoning_counts_in_the_bounds_of_a_budget(provider: str) -> None:
    assert room_of({"provider": provider, "reasoning_cap": 1000}, 256) == 744
    assert room_of({"provider": "elsewhere"}, 256) == 0, "a package that is not installed"
