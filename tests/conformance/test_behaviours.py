"""Every behaviour of `behaviours.jsonl` through the product: what is stored and what is printed. README.md says how a case
is written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.product import Ran, cases, everything_written, run
from tests.servers.roles import ADVICE, LINE, SEARCH, texts_of
from tests.servers.vendors import VendorServer

Case = Mapping[str, Any]
CASES = cases(Path(__file__).with_name("behaviours.jsonl"))
ACTIONS = {"webshop": SEARCH, "alfworld": "look", "sotopia": LINE}
PLACES = {"actor": "webshop", "strategist": "webshop", "judge": "sotopia"}
STEPS = {"webshop": "max_steps", "alfworld": "max_steps", "sotopia": "max_turns"}
SPLITS = {"webshop": "builtin-test", "alfworld": "builtin-test-mini", "sotopia": "builtin-test"}
MANY = 12
"""Episodes of a run that a set-up fault has to stop."""


@pytest.fixture(scope="module")
def server() -> Iterator[VendorServer]:
    with VendorServer() as serving:
        yield serving


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "240")
    monkeypatch.setenv("NO_COLOR", "1")


def named(ends: str) -> Any:
    chosen = [case for case in CASES if case["ends"] == ends]
    return pytest.mark.parametrize("case", chosen, ids=[case["name"] for case in chosen])


def test_every_case_has_a_name_of_its_own_and_a_known_end() -> None:
    names = [case["name"] for case in CASES]
    assert len(names) == len(set(names)) >= 60
    assert {case["ends"] for case in CASES} <= {"fine", "setup", "request", "transient", "left", "unread", "bad"}


@named("fine")
def test_is_played_as_if_nothing_were(case: Case, server: VendorServer, tmp_path: Path) -> None:
    """The episode ends, what the model meant was done, and nothing of the vendor's ways shows in it."""
    ran = played(case, server, tmp_path)
    assert ran.exit == case.get("exit", 0), ran.told
    for episode in ran.episodes:
        assert episode.status == "finished", episode.error
        said = case.get("does", ACTIONS[episode.environment])
        assert {turn.action for turn in episode.turns} == {said}
        if case["role"] == "strategist":
            assert {turn.strategy for turn in episode.turns} == {case.get("advises", ADVICE)}
    if case["role"] == "judge":
        assert [judgement.status for judgement in ran.judgements] == ["scored"]
    holds(case, ran, server)


SETUP = [(case, when) for case in CASES if case["ends"] == "setup" for when in case.get("when", ("before", "during"))]


@pytest.mark.parametrize(("case", "when"), SETUP, ids=[f"{case['name']}-{when}" for case, when in SETUP])
def test_a_fault_of_the_set_up(case: Case, when: str, server: VendorServer, tmp_path: Path) -> None:
    """Before playing it is said and nothing is written; while playing it stops the run; mended, the same command plays all."""
    many = case.get("many", MANY)
    ran = played(case, server, tmp_path, check=when == "before", repeats=many)
    if when == "before":
        assert (ran.exit, ran.folder) == (2, None), ran.told
    else:
        assert ran.exit == 4, ran.told
        assert 0 < len(ran.episodes) <= case.get("stops_by", MANY // 2), "the run went on"
        errors = [record.error for record in (ran.judgements if case["role"] == "judge" else ran.episodes)]
        assert {(error.kind, error.failure) for error in errors if error} == {("infrastructure", "setup")}
        assert all(error.reason for error in errors if error)
    holds(case, ran, server)
    assert re.search(case["says"], ran.printed), ran.told
    ended = mended(case, server, tmp_path, repeats=many)
    assert ended.exit == 0, ended.told
    assert len(ended.episodes) == many


@named("request")
def test_what_one_request_can_not_get_is_the_models_result(case: Case, server: VendorServer, tmp_path: Path) -> None:
    ran = played(case, server, tmp_path, check=False)
    assert ran.exit == 4, ran.told
    records = ran.judgements if case["role"] == "judge" else ran.episodes
    assert {(record.error.kind, record.error.failure) for record in records if record.error} == {("model", "request")}
    assert all(record.error and record.error.reason for record in records)
    assert re.search(case["says"], ran.printed), ran.told
    holds(case, ran, server)
    before = len(server.asked[case["name"]])
    again = mended(case, server, tmp_path)
    if case["role"] != "judge":
        assert len(server.asked[case["name"]]) == before, "a result was played again"
        assert again.exit == 4


@named("transient")
def test_what_does_not_pass_in_time_is_the_endpoints(case: Case, server: VendorServer, tmp_path: Path) -> None:
    ran = played(case, server, tmp_path, check=False)
    assert ran.exit == 4, ran.told
    records = ran.judgements if case["role"] == "judge" else ran.episodes
    errors = {(record.error.kind, record.error.failure) for record in records if record.error}
    assert errors == {("infrastructure", case.get("class", "transient"))}
    assert re.search(case["says"], ran.printed), ran.told
    holds(case, ran, server)
    ended = mended(case, server, tmp_path)
    assert ended.exit == 0, ended.told


@named("left")
def test_what_has_to_wait_long_is_left_for_later(case: Case, server: VendorServer, tmp_path: Path) -> None:
    """At once, with the time that was named; nothing is a result, and the same command plays it later."""
    ran = played(case, server, tmp_path, check=False, repeats=MANY)
    assert ran.exit == 4, ran.told
    assert not [episode for episode in ran.episodes if episode.error and episode.error.kind == "model"]
    assert len(server.asked[case["name"]]) <= MANY // 2, "the endpoint was asked on and on"
    assert re.search(case["says"], ran.printed), ran.told
    holds(case, ran, server)
    ended = mended(case, server, tmp_path, repeats=MANY)
    assert ended.exit == 0, ended.told


@named("unread")
def test_nothing_is_done_that_was_not_said(case: Case, server: VendorServer, tmp_path: Path) -> None:
    """An answer without an action is asked for again; the turn then has none, and says what was answered instead."""
    ran = played(case, server, tmp_path, check=False)
    assert ran.exit == case.get("exit", 0), ran.told
    for episode in ran.episodes:
        for turn in episode.turns:
            assert (turn.parse, turn.action_kind, turn.action) == ("unreadable", "unreadable", "")
            assert turn.raw is not None
    assert "unreadable" in {call.read for call in ran.calls(case["role"])}
    holds(case, ran, server)


@named("bad")
def test_what_can_not_be_played_so_is_said_beforehand(case: Case, server: VendorServer, tmp_path: Path) -> None:
    ran = played(case, server, tmp_path)
    assert (ran.exit, ran.folder) == (2, None), ran.told
    assert re.search(case["says"], ran.printed), ran.told
    holds(case, ran, server)


def played(case: Case, server: VendorServer, folder: Path, check: bool | None = None, repeats: int = 1) -> Ran:
    """The case's run. Asked beforehand (`check`) is an endpoint whose answers do not come in an order."""
    server.cases[case["name"]] = case
    flags = list(case.get("flags", []))
    if not (check if check is not None else case.get("check", "first" not in case)):
        flags.append("--no-check")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONFORMANCE_KEY", key_of(case))
        for name, value in case.get("env", {}).items():
            patch.setenv(name, value)
        return run(experiment(case, server, repeats), folder, *flags)


def mended(case: Case, server: VendorServer, folder: Path, repeats: int = 1) -> Ran:
    """The same command once more, at an endpoint that is well now."""
    well = {key: value for key, value in case.items() if key in ("name", "role", "environment", "base", "asks")}
    well["config"] = {key: value for key, value in case.get("config", {}).items() if key != "base_url"}
    well |= {key: value for key, value in case.items() if key in ("provider", "setting", "flags")} | {"first": []}
    asked = server.asked[case["name"]]
    ran = played(well, server, folder, check=False, repeats=repeats)
    server.asked[case["name"]] = asked
    return ran


def key_of(case: Case) -> str:
    return f"sk-{case['name']}-5ecretOf0urs"


def experiment(case: Case, server: VendorServer, repeats: int) -> dict[str, Any]:
    """The smallest experiment in which the case's role meets its endpoint."""
    role, place = case["role"], case.get("environment", PLACES[case["role"]])
    provider = case.get("provider", "openai")
    base = case.get("base", "" if provider == "anthropic" else "/v1")
    odd = {"provider": provider, "model": "local", "base_url": server.url_of(case["name"], "odd", base)}
    odd |= {"api_key_env": "CONFORMANCE_KEY", "retries": 1} | case.get("config", {})
    odd["base_url"] = odd["base_url"].replace("{port}", str(server.port))
    fine = {"provider": "openai", "model": "fine", "base_url": server.url_of(case["name"], "good", "/v1")}
    actor = "odd" if role == "actor" else "good"
    raw: dict[str, Any] = {
        "name": "conformance",
        "environments": [
            {"name": place, "split": SPLITS[place], "tasks": 1, "options": {STEPS[place]: 2} | case.get("options", {})}
        ],
        "models": {"odd": odd, **({} if role == "actor" else {"good": fine})},
        "actors": [{"model": actor, **case.get("asks", {})} if role == "actor" else actor],
        "strategists": [{"kind": "epo", "model": "odd", **case.get("asks", {})}]
        if role == "strategist"
        else ["vanilla"],
        "repeats": repeats,
        "limits": {"episodes_at_once": 1},
    }
    if role == "judge":
        raw["judge"] = {"model": "odd", **case.get("asks", {})}
    return raw | case.get("setting", {})


def holds(case: Case, ran: Ran, server: VendorServer) -> None:
    """What a case says of its record and of the screen, and what is true of all."""
    printed = ran.printed
    written = everything_written(ran.folder) if ran.folder else ""
    assert key_of(case) not in printed + written, "the key was given away"
    assert "Traceback" not in printed, printed
    for wanted in case.get("printed", []):
        assert re.search(wanted, printed), f"not printed: {wanted}\n{printed}"
    for unwanted in case.get("silent", []):
        assert not re.search(unwanted, printed), f"printed: {unwanted}\n{printed}"
    assert facts(case, ran, server, case.get("stored", {})) == case.get("stored", {})
    _no_thinking_acted_on(ran)
    for body in server.asked[case["name"]]:
        _chat_is_sound(body)


def facts(case: Case, ran: Ran, server: VendorServer, wanted: Case) -> dict[str, Any]:
    """What was kept, under the names that cases use; a text that is looked for with `~` is given as it was asked for."""
    answered = [call for call in ran.calls(case["role"]) if call.text is not None]
    last = answered[-1].model_dump(by_alias=True) if answered else {}
    asked = server.asked[case["name"]]
    error = ran.episodes[0].error if ran.episodes else None
    known = {
        **last,
        "attempts": answered[-1].obtained.attempts if answered and answered[-1].obtained else None,
        "requests": len(asked),
        "sent": {key for body in asked for key in body},
        "turns": [turn.action for turn in ran.episodes[0].turns] if ran.episodes else [],
        "error": error and error.model_dump(by_alias=True),
        "manifest": ran.manifest,
        "headers": json.dumps(server.sent[case["name"]]),
        "last request": asked[-1] if asked else {},
    }
    return {name: _as_wanted(known.get(name), value) for name, value in wanted.items()}


def _as_wanted(found: Any, wanted: Any) -> Any:
    """The wanted value itself where the found one is what it asks for, else what was found."""
    if isinstance(wanted, str) and wanted.startswith("~"):
        return wanted if re.search(wanted[1:], str(found), re.S) else found
    if isinstance(wanted, str) and wanted.startswith("!"):
        return wanted if not re.search(wanted[1:], str(found), re.S) else found
    if isinstance(wanted, dict) and isinstance(found, dict):
        return {key: _as_wanted(found.get(key), value) for key, value in wanted.items()}
    if isinstance(wanted, float) and isinstance(found, float):
        return wanted if abs(wanted - found) < 1e-9 else found
    return found


def _no_thinking_acted_on(ran: Ran) -> None:
    for episode in ran.episodes:
        for turn in episode.turns:
            for text in (turn.action, turn.strategy or "", turn.rendered, *turn.observation):
                assert "PONDERED" not in text and "<think" not in text, turn
    for call in (call for role in ("actor", "strategist", "judge") for call in ran.calls(role)):
        assert "PONDERED" not in (call.text or ""), call.text


def _chat_is_sound(body: Mapping[str, Any]) -> None:
    """No thinking is sent back, and no empty message; the two sides take turns, as some templates demand."""
    said = [role for role, _ in texts_of(dict(body)) if role != "system"]
    assert said == (["user", "assistant"] * len(said))[: len(said)] and len(said) % 2, said
    for role, text in texts_of(dict(body)):
        assert "PONDERED" not in text, f"{role}: {text}"
        assert role != "assistant" or text.strip(), "an empty assistant message was sent"
