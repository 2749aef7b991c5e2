"""`harness env serve` says before it serves what is missing: a token, a name, a package."""

from __future__ import annotations

import pytest

from harness.base.errors import BadInput
from harness.cli import main
from harness.commands.env import TOKEN, is_loopback, names_of, token_for


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_on_this_machine_no_token_is_needed(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    assert is_loopback(host) and token_for(host) is None and names_of(host, ["lab"]) == ["lab"]


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.5", "::", "lab.example", ""])
def test_where_other_machines_can_ask_a_token_is_wanted(
    host: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    assert main(["env", "serve", "alfworld", "--host", host]) == 2
    assert f"export {TOKEN}=" in capsys.readouterr().err
    monkeypatch.setenv(TOKEN, "short")
    with pytest.raises(BadInput, match="has 5 characters; a token has at least 16"):
        token_for(host)
    monkeypatch.setenv(TOKEN, "x" * 16)
    assert token_for(host) == "x" * 16


def test_an_address_that_stands_for_all_needs_a_name() -> None:
    with pytest.raises(BadInput, match="say with --name"):
        names_of("0.0.0.0", [])
    assert names_of("0.0.0.0", ["lab.example"]) == ["lab.example"]
    assert names_of("10.0.0.5", ["lab.example"]) == ["10.0.0.5", "lab.example"]


def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("harness.commands.env.find_spec", lambda name: None)
    monkeypatch.delenv(TOKEN, raising=False)
    assert main(["env", "serve", "alfworld"]) == 2
    assert "[openenv]" in capsys.readouterr().err
