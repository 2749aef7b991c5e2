"""A planted key is sent to the endpoint and stands nowhere else: not in a record, log, manifest, report or output."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.runs import dialogues, endpoint_config, only_run
from tests.e2e.speaking_server import speak
from tests.servers.openai_server import OpenAIServer, completion, error
from tests.servers.wire import FaultPlan, Response

KEY = "planted_Key-4711.abcdefgh"
OTHER = "other_planted_Key-0815.stuvwxyz"


def command(*words: str, cwd: Path, **environment: str) -> str:
    """What a `harness` command prints, whatever it comes to."""
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", *words],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    """Wants the key; every tenth answer is an error that quotes it."""
    endpoint = OpenAIServer(api_key=KEY, faults=FaultPlan(rate=0.1, seed=5, kinds=("500", "429", "garbage")))
    asked = [0]

    def handler(body: dict[str, Any]) -> Any:
        asked[0] += 1
        if asked[0] % 10 == 0:
            return error(400, f"the key {KEY} has sent a bad request; Authorization: Bearer {KEY}")
        return speak(body)

    endpoint.handler = handler
    with endpoint:
        yield endpoint


def everything_under(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path, path.read_bytes()


def test_a_run_s_key_is_sent_and_kept_nowhere(server: OpenAIServer, tmp_path: Path) -> None:
    model = endpoint_config(server.url, api_key_env="PLANTED", retries=2)
    config = dialogues(model, 40, judge={"model": "m"})
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(config))
    said = command("run", "e.yaml", "--results", "results", cwd=tmp_path, PLANTED=KEY)
    run = str(only_run(tmp_path / "results"))
    said += command("judge", run, "--judge", "m", "--again", "1", cwd=tmp_path, PLANTED=KEY)
    said += command("leaderboard", run, cwd=tmp_path, PLANTED=KEY)
    said += command("show", run, cwd=tmp_path, PLANTED=KEY)
    said += command("judge", "report", run, cwd=tmp_path, PLANTED=KEY)
    assert len(server.requests) > 100, said
    files = list(everything_under(tmp_path))
    assert {path.name for path, _ in files} >= {"episodes.jsonl", "manifest.json", "judgements.jsonl"}, said
    assert b"[key]" in b"".join(content for _, content in files), "the endpoint's quotes of the key are in no record"
    for path, content in files:
        assert KEY.encode() not in content, path.name
    assert KEY not in said


def test_a_key_that_comes_back_in_every_reply_is_kept_nowhere(server: OpenAIServer, tmp_path: Path) -> None:
    inside = base64.b64encode(f"user:{KEY}".encode()).decode()

    def handler(body: dict[str, Any]) -> Any:
        said = speak(body)
        if not isinstance(said, str):
            return said
        said = f"{said[:-1]} {KEY} {inside}{said[-1:]}" if said.startswith("{") else f"{said} Bearer {KEY} {inside}"
        return Response(completion(body, said, model=f"local-{KEY}"))

    server.handler = handler
    config = dialogues(endpoint_config(server.url, api_key_env="PLANTED", retries=2), 4, judge={"model": "m"})
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(config))
    said = command("run", "e.yaml", "--results", "results", cwd=tmp_path, PLANTED=KEY)
    said += command("show", str(only_run(tmp_path / "results")), cwd=tmp_path, PLANTED=KEY)
    files = list(everything_under(tmp_path))
    assert b"[key]" in b"".join(content for _, content in files), said
    for path, content in files:
        assert KEY.encode() not in content and inside[8:-4].encode() not in content, path.name
    assert KEY not in said and inside[8:-4] not in said


@pytest.mark.parametrize(
    "change",
    [
        {"api_key": OTHER},
        {"api_key_env": OTHER + "!"},
        {"base_url": f"http://user:{OTHER}@127.0.0.1:9/v1"},
        {"headers": {"Authorization": f"Bearer {OTHER}"}},
    ],
)
def test_a_key_that_was_put_into_the_config_is_refused_unseen(change: dict[str, Any], tmp_path: Path) -> None:
    config = dialogues(endpoint_config("http://127.0.0.1:9/v1", **change), 4)
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(config))
    said = command("run", "e.yaml", "--results", "results", cwd=tmp_path)
    assert "harness:" in said and "Traceback" not in said
    assert OTHER not in said
    assert not [path for path, content in everything_under(tmp_path / "results") if OTHER.encode() in content]
