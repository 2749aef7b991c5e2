"""The real server of `harness env serve` over real sockets, and the real client (run by `test_own_environments`)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen

import pytest

from environments.alfworld.baselines import expert
from harness.bridges.games import world
from harness.bridges.openenv import GameAction, GameClient
from tests.shared_data import ROOT

SPLIT = "builtin-train-mini"
TOKEN = "not-a-secret-but-long-enough"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def server(environment: str, *options: str, token: str = "") -> Iterator[int]:
    """The port of a server that has said that it listens."""
    port = free_port()
    command = [sys.executable, "-m", "harness.cli", "env", "serve", environment, "--port", str(port), *options]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "HARNESS_ENV_TOKEN": token},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        try:
            assert f"http://127.0.0.1:{port}" in said, said + process.stdout.read()
            yield port
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with server("alfworld", "--split", SPLIT, "--option", "max_steps=20") as port:
        yield port


def status(port: int, *headers: str, path: str = "/health") -> int:
    """What a GET is answered; 101 where a WebSocket is opened."""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        connection.sendall("\r\n".join([f"GET {path} HTTP/1.1", *headers, "", ""]).encode())
        return int(connection.recv(65536).split()[1])


def websocket(port: int, *headers: str) -> int:
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    return status(port, *headers, *upgrade, "Sec-WebSocket-Key: c3RyYXRlZ2lzdGhhcm5lcw==", path="/ws")


def test_a_game_is_won_over_the_socket_and_rewarded_turn_by_turn(port: int) -> None:
    here = world("alfworld", SPLIT, {"max_steps": 20})
    task = here.tasks[3].id
    game = here.begin(task)
    with GameClient(f"http://127.0.0.1:{port}").sync() as client:
        seen = client.reset(index=3)
        assert seen.observation.task == task and seen.observation.text == game.observation
        rewards = []
        while not seen.done:
            command = expert(game._play, 0, None).text  # type: ignore[arg-type]
            turn = game.act(command)
            seen = client.step(GameAction(command=command))
            assert (seen.observation.text, seen.reward) == (turn.observation, pytest.approx(turn.credit))
            assert seen.observation.available == list(game.available)
            rewards.append(seen.reward)
        assert seen.observation.won and seen.observation.score == 1.0
        assert sum(rewards) == pytest.approx(1.0) and all(reward >= 0 for reward in rewards)
        assert client.state().step_count == len(rewards)
        again = client.reset(task=task, split=SPLIT)
        assert not again.done and again.observation.progress == 0.0


def test_connections_play_games_of_their_own(port: int) -> None:
    with GameClient(f"http://127.0.0.1:{port}").sync() as one, GameClient(f"http://127.0.0.1:{port}").sync() as other:
        first, second = one.reset(index=0), other.reset(index=1)
        assert first.observation.task != second.observation.task
        one.step(GameAction(command="look"))
        assert one.state().step_count == 1 and other.state().step_count == 0


def test_what_cannot_be_played_is_said(port: int) -> None:
    with (
        GameClient(f"http://127.0.0.1:{port}").sync() as client,
        pytest.raises(Exception, match="has no task 'nowhere'"),
    ):
        client.reset(task="nowhere")
    with (
        GameClient(f"http://127.0.0.1:{port}").sync() as client,
        pytest.raises(Exception, match="no game is in progress"),
    ):
        client.step(GameAction(command="look"))


def test_tasks_are_listed_by_openenv_s_own_routes(port: int) -> None:
    def post(route: str, **body: object) -> object:
        data = json.dumps(body).encode()
        request = Request(
            f"http://127.0.0.1:{port}/alfworld/{route}", data=data, headers={"Content-Type": "application/json"}
        )
        with urlopen(request, timeout=120) as answer:
            return json.load(answer)

    expected = len(world("alfworld", SPLIT, {"max_steps": 20}).tasks)
    assert str(expected) in json.dumps(post("num_tasks", split=SPLIT))


def test_pages_and_sockets_are_for_its_own_names_only(port: int) -> None:
    for name in ("127.0.0.1", "localhost"):
        assert status(port, f"Host: {name}:{port}") == 200
        assert websocket(port, f"Host: {name}:{port}") == 101
        assert websocket(port, f"Host: {name}:{port}", f"Origin: http://{name}:{port}") == 101
    for headers in ((f"Host: evil.example:{port}",), (f"Host: 127.0.0.1:{port}", "Origin: http://evil.example")):
        assert status(port, *headers) == 403
        assert websocket(port, *headers) == 403


def test_a_token_is_wanted_on_pages_and_sockets_where_there_is_one() -> None:
    with server("webshop", token=TOKEN) as port:
        host, brought = f"Host: 127.0.0.1:{port}", f"Authorization: Bearer {TOKEN}"
        assert (status(port, host), status(port, host, brought + "x"), status(port, host, brought)) == (401, 401, 200)
        assert (websocket(port, host), websocket(port, host, brought)) == (403, 101)
        address = f"http://127.0.0.1:{port}"
        with GameClient(address, headers={"Authorization": f"Bearer {TOKEN}"}).sync() as client:
            assert "Instruction" in client.reset(seed=5).observation.text
            page = client.step(GameAction(command="search[red shoes]")).observation
            assert any(each.startswith("click[") for each in page.available)
        with pytest.raises(Exception, match=r"403|401|rejected"), GameClient(address).sync() as client:
            client.reset()


def test_the_example_plays(port: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from examples.bridges.openenv_play import main

    monkeypatch.delenv("HARNESS_ENV_TOKEN", raising=False)
    main([f"http://127.0.0.1:{port}", "--games", "2"])
    assert capsys.readouterr().out.count("score ") == 2
