"""The real verifiers library plays our games against a stub endpoint on this machine (run by `test_own_environments`)."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import verifiers.v1 as vf
from verifiers.v1.utils.loaders import load_environment, taskset_class

from environments.alfworld.baselines import expert
from harness.bridges.games import world
from harness.bridges.verifiers import GameEnvConfig, GameTaskset, GameTasksetConfig
from tests.shared_data import ROOT

SPLIT = "builtin-train-mini"
OPTIONS = {"steps_left": 2, "max_steps": 6}


def next_words(messages: list[dict[str, Any]]) -> str:
    """The expert's next command in the game whose first text the chat begins with; its second answer is unreadable."""
    said = [message["content"] for message in messages if message["role"] == "assistant"]
    (opening,) = [message["content"] for message in messages if message["role"] == "user"][:1]
    place = world("alfworld", SPLIT, OPTIONS)
    game = next(game for task in place.tasks[:3] if (game := place.begin(task.id)).prompt in str(opening))
    for text in said:
        game.answer(str(text))
    return "" if len(said) == 1 else f"ACTION: {expert(game._play, 0, None).text}"  # type: ignore[arg-type]


class Stub(BaseHTTPRequestHandler):
    """An endpoint in OpenAI's protocol that answers as a stream."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = next_words(body["messages"]) or "."
        head = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": body["model"]}
        parts: list[dict[str, Any]] = [
            {"choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}},
        ]
        lines = "".join(f"data: {json.dumps(head | part)}\n\n" for part in parts) + "data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(lines.encode())))
        self.end_headers()
        self.wfile.write(lines.encode())

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()


def config() -> GameTasksetConfig:
    return GameTasksetConfig(split=SPLIT, options=OPTIONS, count=3)


def test_our_base_install_fits_beside_the_library() -> None:
    assert version("openai").startswith("2.")


def test_commands_find_the_games_by_the_example_s_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "bridges"))
    monkeypatch.delitem(sys.modules, "strategist_games")
    found = taskset_class("strategist-games")
    assert found is GameTaskset and sys.modules["strategist_games"].__file__ == str(
        ROOT / "examples" / "bridges" / "strategist_games.py"
    )


def test_the_taskset_is_the_split() -> None:
    tasks = list(GameTaskset(config()))
    assert [task.data.name for task in tasks] == [task.id for task in world("alfworld", SPLIT, OPTIONS).tasks[:3]]
    assert "Possible commands" in str(tasks[0].data.prompt) and tasks[0].data.system_prompt


def test_a_game_is_played_and_every_turn_s_worth_stands_in_the_trace(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_KEY", "none")
    environment = load_environment(GameEnvConfig(taskset=config()))
    context = vf.ModelContext(model="stub", client=vf.EvalClientConfig(base_url=endpoint, api_key_var="STUB_KEY"))

    async def play() -> vf.Episode:
        async with environment.serving():
            return await environment.run_episode(next(iter(environment.taskset)), context)

    episode = asyncio.run(play())
    assert episode.ok, episode.errors
    (trace,) = episode.traces
    turns = trace.info["turns"]
    assert trace.rewards["outcome"].score == 1.0
    assert trace.metrics["won"] == 1.0 and trace.metrics["turns"] == len(turns) == 3.0
    assert turns[1]["command"] in ("", ".") and turns[1]["credit"] == 0.0 and turns[1]["info"]["no_effect"]
    assert sum(turn["credit"] for turn in turns) == pytest.approx(trace.metrics["progress"])
    assert turns[0]["credit"] > 0 < turns[2]["credit"]
    assert trace.info["end"] == "goal reached"


def documented(address: str) -> tuple[dict[str, str], list[str]]:
    """Environment and words of the `vf-eval` line in docs/bridges.md, with its address and games replaced."""
    text = (ROOT / "docs" / "bridges.md").read_text("utf-8")
    block = next(part for part in text.split("```") if "vf-eval strategist-games" in part)
    words = shlex.split(block.partition("\n")[2].replace("\\\n", " "))
    path = words.pop(0).removeprefix("PYTHONPATH=")
    replaced = {
        "http://localhost:8000/v1": address,
        "builtin-train": SPLIT,
        '{"max_steps": 30}': json.dumps(OPTIONS),
        "20": "2",
    }
    return {"PYTHONPATH": f"{ROOT}:{ROOT / path}"}, [replaced.get(word, word) for word in words]


def test_vf_eval_plays_the_games_by_the_documented_line(endpoint: str, tmp_path: Path) -> None:
    environment, command = documented(endpoint)
    done = subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:]],
        cwd=tmp_path,
        env=os.environ | environment | {"MY_KEY": "none"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (kept,) = tmp_path.glob("outputs/*/traces.jsonl")
    traces = [json.loads(line) for line in kept.read_text("utf-8").splitlines()]
    traces = [trace for each in traces for trace in each.get("traces", [each])]
    assert len(traces) == 2
    for trace in traces:
        assert trace["rewards"]["outcome"]["score"] == 1.0 and trace["info"]["end"] == "goal reached"
        assert sum(turn["credit"] for turn in trace["info"]["turns"]) == pytest.approx(trace["metrics"]["progress"])
