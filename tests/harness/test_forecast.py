"""What an experiment will take, told before it is played: bounds hold, a probe gives a forecast, and what has no price is
counted beside what has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cli import main
from harness.experiment.experiment import Experiment
from harness.results.index import latest_episodes
from harness.runs.bounds import asked_of, beyond_text, bound, room_of
from harness.runs.budget import Budget
from harness.runs.forecast import cost
from harness.runs.plan import Plan
from tests.harness import builders
from tests.servers.openai_server import OpenAIServer, completion
from tests.servers.wire import Response

PRICE = {"prompt": 100.0, "completion": 500.0}
SPEAK = builders.act("speak", "hi")


def raw(url: str, **changes: Any) -> dict[str, Any]:
    """Two models at an address, one with a price, two strategists."""
    model = {"provider": "openai", "model": "m", "base_url": url, "reasoning_tokens": 0, "retries": 0}
    base: dict[str, Any] = {
        "environments": [{"name": "sotopia", "split": "builtin-test", "tasks": 3, "options": {"max_turns": 4}}],
        "models": {"priced": model | {"price": PRICE}, "other": model | {"model": "n"}},
        "actors": [{"model": "priced"}, {"model": "other"}],
        "strategists": ["vanilla", "null"],
    }
    return builders.config(**(base | changes))


def write(tmp_path: Path, config: dict[str, Any]) -> str:
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(config))
    return str(path)


def told(capsys: pytest.CaptureFixture[str], tmp_path: Path, config: dict[str, Any], *flags: str) -> str:
    """What the command prints on standard output."""
    capsys.readouterr()
    assert main(["run", write(tmp_path, config), "--results", str(tmp_path / "results"), *flags]) in (0, 4)
    return capsys.readouterr().out


def total_line(said: str) -> str:
    return next(line for line in said.splitlines() if line.startswith("total:"))


def test_before_anything_was_played_known_prices_are_multiplied_by_bounds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = told(capsys, tmp_path, raw("http://127.0.0.1:9/v1"), "--dry-run")
    assert re.search(r"USD ≤ [\d,]+\.\d\d \+ 2 arms without a price, ", total_line(said))
    assert "Without a price: other." in said
    only = raw("http://127.0.0.1:9/v1", actors=[{"model": "priced"}])
    assert re.search(r"USD ≤ [\d,]+\.\d\d, ", total_line(told(capsys, tmp_path, only, "--dry-run")))
    none = raw("http://127.0.0.1:9/v1", actors=[{"model": "other"}])
    assert "USD unknown, " in total_line(told(capsys, tmp_path, none, "--dry-run"))
    assert not (tmp_path / "results").exists()


def test_the_bound_is_not_exceeded_and_a_probe_gives_a_forecast(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with OpenAIServer(lambda body: SPEAK) as server:
        config = raw(server.url, actors=[{"model": "priced"}])
        plan = Plan(Experiment.model_validate(config))
        most = [bound(asked_of(plan, cell)) for cell in plan.cells.values()]
        said = told(capsys, tmp_path, config, "--probe", "2")
        assert re.search(r"USD ≈ [\d,.]+( \([\d,.]+ – [\d,.]+\))?, ", total_line(said))
        assert "≤" not in said
        (folder,) = (tmp_path / "results").iterdir()
        for row in latest_episodes(folder).values():
            took = cost(row, [])
            assert took["calls"] <= most[0].calls
            assert took["tokens"] <= most[0].tokens
            assert 0 < took["usd"] <= most[0].usd


def test_after_a_probe_what_has_no_price_is_counted_beside_what_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with OpenAIServer(lambda body: SPEAK) as server:
        said = told(capsys, tmp_path, raw(server.url), "--probe", "2")
    assert re.search(r"USD ≈ [\d,.]+( \([\d,.]+ – [\d,.]+\))? \+ 2 arms without a price, ", total_line(said))


def test_a_price_that_the_endpoint_tells_makes_the_forecast(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def priced(body: dict[str, Any]) -> Any:
        usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "cost": 0.5}
        return Response(completion(body, SPEAK, usage=usage))

    with OpenAIServer(priced) as server:
        said = told(capsys, tmp_path, raw(server.url, actors=[{"model": "other"}]), "--probe", "2")
    assert "USD ≈ 12.00, " in total_line(said), "2 arms, 3 episodes of 4 calls at 0.50"


CONFIG = {"provider": "openai", "model": "m"}


@pytest.mark.parametrize(
    ("config", "settled", "room"),
    [
        (CONFIG, None, 8192 - 256),
        (CONFIG | {"reasoning_cap": 1000}, None, 744),
        (CONFIG | {"reasoning_cap": 100}, None, 0),
        (CONFIG, 1792, 1792),
        (CONFIG, 0, 0),
        (CONFIG | {"reasoning_tokens": 500}, None, 500),
        (CONFIG | {"reasoning_tokens": 500, "max_tokens": 600}, None, 344),
        (CONFIG | {"max_tokens": 200}, None, 0),
        ({"provider": "scripted"}, None, 0),
    ],
)
def test_room_for_reasoning_counts_in_the_bounds(config: dict[str, Any], settled: int | None, room: int) -> None:
    assert room_of(config, 256, settled) == room


def test_the_dry_run_says_how_much_of_its_bound_is_reasoning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = raw("http://127.0.0.1:9/v1", actors=[{"model": "priced"}])
    plain = told(capsys, tmp_path, config, "--dry-run")
    assert "reasoning" not in plain
    config["models"]["priced"]["reasoning_tokens"] = "auto"
    said = told(capsys, tmp_path, config, "--dry-run")
    assert "of them reasoning" in said
    assert "priced up to 8,192" in said
    usd = [float(re.search(r"USD ≤ ([\d,.]+\d)", total_line(each)).group(1).replace(",", "")) for each in (plain, said)]  # type: ignore[union-attr]
    plan = Plan(Experiment.model_validate(config))
    calls = sum(bound(asked_of(plan, cell)).calls for cell in plan.cells.values()) * 3
    room = 8192 - plan.experiment.actors[0].max_tokens
    assert usd[1] - usd[0] == pytest.approx(calls * room * PRICE["completion"] / 1e6, abs=0.02)


def test_a_run_says_beforehand_by_how_much_it_can_pass_a_budget() -> None:
    plan = Plan(Experiment.model_validate(raw("http://127.0.0.1:9/v1", actors=[{"model": "priced"}])))
    (asked,) = {tuple(asked_of(plan, cell)) for cell in plan.cells.values()}
    most, largest = bound(asked), max(one.largest for one in asked)
    text = beyond_text(plan, plan.cells, 4, Budget(tokens=1000))
    assert f"≤ {4 * most.tokens:,.0f} tokens" in text
    assert f"≤ {4 * largest:,.0f}" in text
    assert "USD" not in text
    assert f"USD ≤ {4 * most.usd:.2f}" in beyond_text(plan, plan.cells, 4, Budget(usd=5))
    assert beyond_text(plan, plan.cells, 4, Budget(hours=1)) == ""
    assert beyond_text(plan, [], 4, Budget(usd=5)) == ""
