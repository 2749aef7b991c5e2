"""An endpoint whose quota is used up for longer than anybody waits: what needs it is left for later, the rest is played."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any, cast

import pytest

from agents.models import make_model
from agents.models.limits import own_limit
from harness.runs.plan import Plan
from harness.runs.quotas import Quotas
from tests.e2e.runs import became, dialogues, lines
from tests.e2e.test_stopping import model, run
from tests.servers.openai_server import OpenAIServer, default_handler, error

CLOSED = error(429, "Rate limit reached on tokens per day. Please try again in 26m14.2s.", "rate_limit_exceeded")
PLACES = {"here": [], "in workers": ["--workers", "2"], "on Ray": ["--executor", "ray"]}


class Daily:
    """An endpoint with a number of answers a day, for models of one name."""

    def __init__(self, name: str, answers: int) -> None:
        self.name, self.left, self.refused = name, answers, 0

    def __call__(self, body: dict[str, Any]) -> Any:
        if body["model"] != self.name:
            return default_handler(body)
        self.left -= 1
        self.refused += self.left < 0
        return default_handler(body) if self.left >= 0 else CLOSED


def two_actors(open_url: str, closed_url: str, **changes: Any) -> dict[str, Any]:
    models = {"open": model(open_url), "daily": model(closed_url, model="capped")}
    base: dict[str, Any] = {"models": models, "actors": ["open", "daily"], "strategists": ["vanilla"]}
    return dialogues({}, 20, limits={"episodes_at_once": 2}, **(base | changes))


@pytest.mark.parametrize("where", PLACES.values(), ids=PLACES)
def test_what_needs_a_closed_endpoint_is_left_for_later_and_the_rest_is_played(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], where: list[str]
) -> None:
    daily = Daily("capped", 10)
    with OpenAIServer() as other, OpenAIServer(daily) as capped:
        assert run(tmp_path, two_actors(other.url, capped.url), *where) == 4
    said = "".join(capsys.readouterr())
    found = re.search(
        r"Left for later: (\d+) episodes need daily, whose quota opens at \d\d:\d\d UTC \(in 2[67] min\)", said
    )
    assert found, said
    records = lines(tmp_path / "results" / "run")
    done = [record for record in records if record["status"] == "finished"]
    assert sum(record["actor"] == "open" for record in done) == 10, "all that needs the other endpoint alone"
    assert int(found[1]) == 20 - len(done)
    assert set(became(records)) == {"finished", "infrastructure"}
    assert {record["error"]["reason"] for record in records if record["error"]} == {"quota"}
    assert daily.refused <= 3, "it was asked again and again"


def test_a_quota_that_is_used_up_at_the_check_is_no_fault_of_the_set_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with OpenAIServer() as other, OpenAIServer(Daily("capped", 0)) as capped:
        assert run(tmp_path, two_actors(other.url, capped.url)) == 4
    said = "".join(capsys.readouterr())
    assert "Left for later: 10 episodes need daily" in said
    assert "try again in 26m14.2s" in said, "in the vendor's own words"
    assert became(lines(tmp_path / "results" / "run")) == {"finished": 10}


def test_a_short_wait_is_told_and_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.runs.quotas.TICK_S", 0.02)
    limited = [error(429, "slow down", "rate_limit_exceeded", **{"retry-after": "2"})]

    def handler(body: dict[str, Any]) -> Any:
        return (
            limited.pop()
            if limited and body["max_tokens"] == 256 and len(server.requests) > 3
            else default_handler(body)
        )

    with OpenAIServer(handler) as server:
        assert run(tmp_path, dialogues(model(server.url), 4)) == 0
    said = "".join(capsys.readouterr())
    assert re.search(r"waiting for m's quota, [012] s", said), said


def test_a_wait_is_told_by_the_name_that_this_run_s_config_gives_the_endpoint() -> None:
    config = {"provider": "openai", "model": "x", "base_url": "http://127.0.0.1:9/v1"}
    earlier, model = make_model("earlier", config), make_model("m", config)
    elsewhere = make_model("other", config | {"base_url": "http://127.0.0.1:10/v1"})

    async def waited() -> list[tuple[str, float]]:
        for each in (model, elsewhere):
            limit = own_limit(str(each.base_url), "", 1, 1)
            limit.release("throttled", 2.0)
            limit.waiting.append((asyncio.get_running_loop().create_future(), 0.0))
        for each in (earlier, model, elsewhere):
            await each.close()
        quotas = Quotas(cast(Plan, None), {"m": model})
        here = quotas.paused()
        quotas.paused_elsewhere = [(str(model.base_url), 9.0)]
        return [*here, quotas.paused()[-1]]

    (first, left), (second, there) = asyncio.run(waited())
    assert (first, second, there) == ("m", "m", 9.0)
    assert 0 < left <= 2.0
