"""The check before playing: what is asked of whom, what a person is told, and that a failing one leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cli import main
from harness.results.store import CALLS, read_manifest
from harness.runs.checking import EPISODE, QUESTION, QUESTION_JSON
from tests.harness.builders import config
from tests.servers.openai_server import OpenAIServer, completion, default_handler, error
from tests.servers.wire import Response


class Shell:
    """The command line, in a folder, against an endpoint whose answers a test can change."""

    def __init__(self, folder: Path, server: OpenAIServer, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.server, self._capsys = folder, server, capsys
        self.said = ""

    def config(self, **changes: Any) -> str:
        path = self.folder / "my.yaml"
        path.write_text(yaml.safe_dump(config(**({"models": {"m": self.model()}} | changes))))
        return str(path)

    def model(self, **changes: Any) -> dict[str, Any]:
        base = {"provider": "openai", "model": "local", "base_url": self.server.url, "retries": 0}
        return base | changes

    def run(self, *flags: str, **changes: Any) -> int:
        return self("run", self.config(**changes), "--results", str(self.results), "--name", "run", *flags)

    def __call__(self, *arguments: str) -> int:
        self._capsys.readouterr()
        code = main(list(arguments))
        out, err = self._capsys.readouterr()
        self.said = out + err
        assert "Traceback" not in self.said
        return code

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def run_folder(self) -> Path:
        return self.results / "run"

    def files(self) -> dict[str, bytes]:
        """The run's files, but for the lock and what is only derived."""
        kept = (path for path in self.run_folder.iterdir() if path.suffix != ".index" and path.name != ".lock")
        return {path.name: path.read_bytes() for path in kept}

    def asked(self) -> list[dict[str, Any]]:
        """The requests of checks, in order."""
        return [body for body in self.server.requests if is_check(body)]


def is_check(body: dict[str, Any]) -> bool:
    return body["messages"][-1]["content"] in (QUESTION, QUESTION_JSON)


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    with OpenAIServer(models=("local", "other")) as server:
        yield Shell(tmp_path, server, capsys)


def failing(
    answer: Response, which: Callable[[dict[str, Any]], bool] = lambda body: True
) -> Callable[[dict[str, Any]], Any]:
    """A handler that answers so, where `which` says, and well elsewhere."""
    return lambda body: answer if which(body) else default_handler(body)


def test_each_way_of_asking_is_asked_once_in_its_own_manner(shell: Shell) -> None:
    strategist = {"kind": "epo", "model": "m", "temperature": 0.3, "max_tokens": 40}
    assert shell.run(strategists=["vanilla", "null", strategist], judge="m") == 0
    got = {(body["temperature"], body["max_tokens"], "response_format" in body) for body in shell.asked()}
    assert got == {(0.7, 256, True), (0.3, 40, False), (0.0, 1500, True)}
    assert len(shell.asked()) == 3
    assert all("seed" in body for body in shell.asked())
    assert "Models: m (openai:local) ok." in shell.said


def test_the_checks_calls_stand_in_the_runs_record(shell: Shell) -> None:
    assert shell.run() == 0
    recorded = [json.loads(line) for line in (shell.run_folder / CALLS).read_text().splitlines()]
    assert [call["parts"]["role"] for call in recorded if call["parts"]["episode"] == EPISODE] == ["actor"]


def test_only_models_that_what_is_left_asks_are_asked(shell: Shell) -> None:
    models = {"m": shell.model(), "judging": shell.model(model="other")}
    shell.server.handler = lambda body: "no scores" if body["model"] == "other" else default_handler(body)
    changes: dict[str, Any] = {"models": models, "judge": "judging"}
    assert shell.run(**changes) == 4
    assert [body["model"] for body in shell.asked()] == ["local", "other"]
    shell.server.requests.clear()
    shell.server.handler = default_handler
    assert shell.run(**changes) == 0
    assert [body["model"] for body in shell.asked()] == ["other"], "the episodes are there: only the judge is needed"
    shell.server.requests.clear()
    assert shell.run(**changes) == 0
    assert not shell.server.requests, "nothing is left to do"


def test_no_check_and_replay_ask_nothing(shell: Shell) -> None:
    assert shell.run("--no-check") == 0
    assert not shell.asked()
    replay = ("--replay", str(shell.run_folder), "--results", str(shell.folder / "again"))
    assert shell("run", shell.config(), *replay) == 0
    assert not shell.asked()


def test_scripted_models_are_not_asked(shell: Shell) -> None:
    scripted = {"provider": "scripted", "function": "tests.harness.builders:play_or_judge"}
    assert shell("models", "check", shell.config(models={"m": scripted})) == 0
    assert "ok: a function in this process" in shell.said


NO_MODEL = error(404, "The model `locl` does not exist or you do not have access to it.", "model_not_found")
NO_MONEY = error(400, "Your credit balance is too low to access this API.")


@pytest.mark.parametrize("answer", [NO_MODEL, NO_MONEY, error(401, "Incorrect API key provided")])
def test_a_failing_check_leaves_nothing_behind(shell: Shell, answer: Response) -> None:
    shell.server.handler = failing(answer)
    assert shell.run() == 2
    assert not shell.results.exists()
    assert answer.body["error"]["message"] in shell.said, "the vendor's own words"
    assert "what to do: " in shell.said and shell.server.url in shell.said
    assert len(shell.server.requests) == 1


def test_the_flag_that_leaves_the_check_out_is_named_where_there_is_one(shell: Shell) -> None:
    assert shell.run() == 0
    shell.server.handler = failing(NO_MONEY)
    assert shell("judge", str(shell.run_folder), "--judge", "m") == 2
    assert "the check asked every model" in shell.said and "--no-check" not in shell.said
    assert shell("run", shell.config(seed=5), "--results", str(shell.results), "--name", "other") == 2
    assert "`--no-check` leaves the check out." in shell.said


def test_a_failing_check_changes_nothing_in_a_run_that_is_there(shell: Shell) -> None:
    shell.server.handler = lambda body: (
        "no scores" if not is_check(body) and "agent_2" in str(body) else default_handler(body)
    )
    assert shell.run(judge="m") == 4
    before = shell.files()
    shell.server.handler = failing(NO_MONEY)
    assert shell.run(judge="m") == 2
    assert before == shell.files()


def test_every_model_is_named_with_what_became_of_it(shell: Shell) -> None:
    shell.server.handler = failing(NO_MODEL, lambda body: body["model"] == "locl")
    models = {"m": shell.model(), "judging": shell.model(model="locl")}
    assert shell.run(models=models, judge="judging") == 2
    table = {line.split()[0]: line for line in shell.said.splitlines() if "openai:" in line}
    assert table["m"].endswith("  ok")
    assert "The model `locl` does not exist" in table["judging"]


def test_models_check_asks_alone_and_writes_nothing(shell: Shell) -> None:
    assert shell("models", "check", shell.config(judge="m")) == 0
    assert len(shell.asked()) == len(shell.server.requests) == 2
    assert "  ok" in shell.said
    shell.server.handler = failing(NO_MODEL)
    assert shell("models", "check", shell.config(judge="m")) == 2
    assert "does not exist" in shell.said
    assert not shell.results.exists()


def test_what_the_model_itself_says_is_no_fault_of_the_set_up(shell: Shell) -> None:
    """It does not write what the check asks for: endpoint, key and model are right all the same."""
    shell.server.handler = lambda body: "I would rather not." if is_check(body) else default_handler(body)
    assert shell.run() == 0


def test_judge_and_process_rewards_are_checked_in_the_same_way(shell: Shell) -> None:
    assert shell.run(strategists=[{"kind": "epo", "model": "m"}]) == 0
    manifest = read_manifest(shell.run_folder)
    shell.server.requests.clear()
    assert shell("judge", str(shell.run_folder), "--judge", "m") == 0
    assert len(shell.asked()) == 1
    shell.server.handler = failing(NO_MONEY)
    assert shell("judge", str(shell.run_folder), "--process", "critical", "--judge", "m") == 2
    assert "credit balance" in shell.said
    assert len(shell.asked()) == 2
    assert read_manifest(shell.run_folder) == manifest


def test_a_price_that_the_endpoint_tells_is_enough_for_a_budget(shell: Shell) -> None:
    assert shell.run("--max-usd", "1") == 2
    assert "price of model 'm'" in shell.said
    assert not shell.results.exists()

    def with_price(body: dict[str, Any]) -> Response:
        told = completion(body, default_handler(body))
        return Response(told | {"usage": told["usage"] | {"cost": 0.0001}})

    shell.server.handler = with_price
    assert shell.run("--max-usd", "1") == 0


def thinking(tokens: int) -> Callable[[dict[str, Any]], Any]:
    """A model that thinks for so many tokens before it answers."""

    def answer(body: dict[str, Any]) -> Any:
        asked = body.get("max_tokens") or body["max_completion_tokens"]
        done = asked > tokens
        got = completion(body, default_handler(body) if done else "")
        got["choices"][0]["finish_reason"] = "stop" if done else "length"
        got["choices"][0]["message"]["reasoning_content"] = "hm, …"
        used = {"completion_tokens": min(asked, tokens + 20), "completion_tokens_details": {"reasoning_tokens": tokens}}
        return Response(got | {"usage": got["usage"] | used})

    return answer


def test_the_room_for_reasoning_is_found_once_and_recorded(shell: Shell) -> None:
    shell.server.handler = thinking(1000)
    assert shell.run(judge="m") == 0
    room = read_manifest(shell.run_folder)["interface"]["rooms"]["m"]
    assert room >= 1000 - 256
    assert f"Room for reasoning, beyond max_tokens: m {room:,} tokens." in shell.said
    played = {body["max_tokens"] for body in shell.server.requests if not is_check(body)}
    assert played == {256 + room, 1500 + room}, "every arm plays with the same"


def test_a_run_is_gone_on_with_in_the_room_that_it_recorded(shell: Shell) -> None:
    shell.server.handler = thinking(1000)
    assert shell.run("--probe", "1") == 0
    room = read_manifest(shell.run_folder)["interface"]["rooms"]["m"]
    shell.server.requests.clear()
    shell.server.handler = default_handler
    assert shell.run(models={"m": shell.model(reasoning_cap=4096)}) == 0
    assert {body["max_tokens"] for body in shell.server.requests} == {256 + room}
    assert read_manifest(shell.run_folder)["interface"]["rooms"] == {"m": room}


def test_a_model_that_never_comes_to_its_answer_is_said_before_anything_is_played(shell: Shell) -> None:
    shell.server.handler = thinking(100_000)
    assert shell.run() == 2
    assert "used all 8,192 tokens before it answered" in shell.said
    assert not shell.results.exists()


def test_what_the_endpoint_does_not_take_is_dropped_for_all_and_told(shell: Shell) -> None:
    refusal = error(
        400, "Unsupported parameter: 'temperature' is not supported with this model.", "unsupported_parameter"
    )
    shell.server.handler = failing(refusal, lambda body: "temperature" in body)
    assert shell.run(strategists=["vanilla", "null"]) == 0
    assert read_manifest(shell.run_folder)["interface"]["dropped"] == {"m": ["temperature"]}
    assert "Left out for every arm, because the endpoint does not take it: m: temperature." in shell.said
    assert sum("temperature" in body for body in shell.server.requests) == 1


def test_v1_is_offered_where_it_answers(shell: Shell) -> None:
    shell.server.answer = rooted(shell.server)
    assert shell.run(models={"m": shell.model(base_url=shell.server.root)}) == 2
    assert f"{shell.server.root}/v1 answers: set `base_url` to it" in shell.said


def rooted(server: OpenAIServer) -> Any:
    """The server without what it answers outside /v1."""
    inside = server.answer
    missing = Response(b"404 page not found", 404)
    return lambda method, path, *more: inside(method, path, *more) if path.startswith("/v1/") else missing


def test_the_nearest_name_is_offered_where_the_endpoint_lists_its_models(shell: Shell) -> None:
    shell.server.handler = failing(error(404, "The model `locl` does not exist", "model_not_found"))
    assert shell.run(models={"m": shell.model(model="locl")}) == 2
    assert "The endpoint lists: local, other. Did you mean 'local'?" in shell.said


def test_a_long_reason_is_cut_and_a_key_is_taken_out(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-geheim-0123456789")
    shell.server.api_key = "another"
    shell.server.handler = failing(error(400, "no " * 400))
    assert shell.run(models={"m": shell.model(api_key_env="MY_KEY")}) == 2
    assert "geheim" not in shell.said and "Incorrect API key" in shell.said
    shell.server.api_key = None
    assert shell.run() == 2
    row = next(line for line in shell.said.splitlines() if "openai:local" in line)
    assert row.count("no ") < 150


def test_a_person_is_told_who_is_slow_to_answer(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.runs.checking.SLOW_S", 0.05)
    shell.server.latency = 0.3
    assert shell("models", "check", shell.config()) == 0
    assert "The check before playing waits for an answer of: m" in shell.said
