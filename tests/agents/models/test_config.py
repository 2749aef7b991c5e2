"""What a user may write about a model, and what is said about mistakes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from agents.models import REGISTRY, make_model
from agents.models.config import VENDORS, AnthropicConfig, OpenAIConfig, PriceConfig, is_local, read_config
from agents.models.prices import FREE, _table, configured_price, price_of
from harness.base.errors import BadInput

GOOD = {"provider": "openai", "model": "m", "base_url": "http://127.0.0.1:1/v1"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"provider": None}, "has no provider"),
        ({"provider": "opnai"}, "Did you mean 'openai'"),
        ({"max_token": 5}, "unknown key 'max_token'.*Did you mean 'max_tokens'"),
        ({"deadlines": {"conect": 5}}, r"unknown key 'deadlines.conect'.*Did you mean 'connect'"),
        ({"deadlines": {"call": -1}}, "'deadlines.call'.*greater than 0"),
        ({"concurrency": 0}, "'concurrency'"),
        ({"retries": -1}, "'retries'"),
        ({"structured": "maybe"}, "'structured'"),
        ({"base_url": "ftp://x"}, "'base_url': must be an http"),
        ({"price": {"prompt": -1, "completion": 1}}, "'price.prompt'"),
        ({"temperature": 0.7}, "unknown key 'temperature'"),
    ],
)
def test_a_mistake_is_named_with_the_model_the_field_and_what_was_expected(change: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        make_model("judge-1", GOOD | change)
    assert "judge-1" in str(caught.value) or "provider" in said or "opnai" in str(change)


def test_a_missing_model_is_named() -> None:
    with pytest.raises(BadInput, match="'model' is missing"):
        make_model("x", {"provider": "anthropic"})


KEY = "sk-planted-000111222333"


@pytest.mark.parametrize(
    "change",
    [
        {"api_key": KEY},
        {"api_key_env": KEY},
        {"base_url": f"https://user:{KEY}@host/v1"},
        {"base_url": f"https://host/v1?key={KEY}"},
        {"revision": [KEY]},
        {"deadlines": KEY},
    ],
)
def test_a_key_in_the_wrong_place_is_refused_without_being_quoted(change: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as caught:
        make_model("m", GOOD | change)
    error: BaseException | None = caught.value
    while error is not None:
        assert KEY not in str(error) and KEY not in repr(error)
        error = error.__cause__ or error.__context__


def test_a_key_written_as_api_key_is_answered_with_where_it_belongs() -> None:
    with pytest.raises(BadInput, match="environment variable and its name into `api_key_env`"):
        make_model("m", GOOD | {"api_key": KEY})


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://localhost:8000/v1", True),
        ("http://127.0.0.1/v1", True),
        ("http://[::1]:80", True),
        ("http://192.168.3.4/v1", True),
        ("https://api.openai.com/v1", False),
        ("http://8.8.8.8", False),
    ],
)
def test_which_addresses_need_no_key(url: str, local: bool) -> None:
    assert is_local(url) is local


def test_making_any_model_connects_to_nothing_and_imports_no_client_library() -> None:
    program = (
        "import sys\n"
        "from agents.models import make_model\n"
        "for provider in ('openai', 'anthropic'):\n"
        "    make_model('m', {'provider': provider, 'model': 'x'})\n"
        "make_model('m', {'provider': 'llamacpp'})\n"
        "assert not {'openai', 'anthropic', 'xllamacpp', 'aiohttp', 'httpx2'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_provider_of_the_table_can_be_loaded() -> None:
    for name in REGISTRY.builtin:
        assert callable(REGISTRY.load(name))


def test_prices_come_from_the_config_then_the_table_then_not_at_all() -> None:
    override = PriceConfig(prompt=1, completion=2)
    assert price_of("openai", "gpt-4o-mini", override).usd(1_000_000, 500_000, 0) == 1.0  # type: ignore[union-attr]
    dated, plain = price_of("openai", "gpt-4o-2024-08-06"), price_of("openai", "gpt-4o")
    assert dated == plain and plain is not None
    assert price_of("anthropic", "claude-sonnet-4-5-20250929") == price_of("anthropic", "claude-sonnet-4-5")
    assert price_of("openai", "claude-sonnet-4-5") is None and price_of("openai", "gpt-4o-new") is None


@pytest.mark.parametrize(
    ("address", "known"),
    [
        ("https://api.openai.com/v1", True),
        ("https://api.openai.com:443/v1", True),
        ("https://eu.api.openai.com/v1", False),
        ("https://me.openai.azure.com/openai/v1", False),
        ("https://gateway.example/openai/v1", False),
        ("http://localhost:1234/v1", False),
        ("http://127.0.0.1:8000/v1", False),
    ],
)
def test_the_table_holds_at_the_vendors_own_address_only(
    address: str, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (price_of("openai", "gpt-4o", base_url=address) is not None) is known
    assert price_of("openai", "gpt-4o", PriceConfig(prompt=1, completion=2), address) is not None
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    config = {"provider": "openai", "model": "gpt-4o"}
    assert configured_price(config) == price_of("openai", "gpt-4o")
    assert (configured_price(config | {"base_url": address}) is not None) is known
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    assert (configured_price(config) is not None) is known


def test_what_runs_in_or_under_the_harness_costs_nothing_counted_or_not() -> None:
    for provider in FREE:
        price = price_of(provider, "any")
        assert price is not None and price.free and price.usd(None, None, None) == 0
        told = price_of(provider, "any", PriceConfig(prompt=1, completion=2))
        assert told is not None and told.usd(1_000_000, 0, 0) == 1


def test_the_vendors_addresses_are_those_that_are_asked() -> None:
    for provider, vendor in VENDORS.items():
        assert make_model("m", {"provider": provider, "model": "x"}).base_url == vendor.address


def test_the_price_table_is_sound() -> None:
    for models in _table().values():
        for name, price in models.items():
            assert set(price) == {"prompt", "cached", "completion"}, name
            assert 0 <= price["cached"] <= price["prompt"] <= price["completion"], name


def test_cached_tokens_cost_less_and_uncounted_tokens_cost_an_unknown_sum() -> None:
    price = price_of("openai", "gpt-4o")
    assert price is not None
    assert price.usd(1000, 1000, 0) == pytest.approx(1.25e-3) and price.usd(1000, None, 0) == pytest.approx(2.5e-3)
    assert price.usd(1000, 5000, 0) == pytest.approx(1.25e-3), "never more cached tokens than there were"
    assert price.usd(None, None, 5) is None


def test_configs_are_read_with_their_defaults() -> None:
    config = read_config(OpenAIConfig, "m", GOOD)
    assert (config.retries, config.structured, config.concurrency, config.deadlines.call) == (6, "auto", None, 600)
    assert read_config(AnthropicConfig, "m", {"model": "c", "base_url": "https://x/ "[:-1]}).base_url == "https://x"
