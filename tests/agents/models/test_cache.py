"""The record of calls: what it answers, what a kill leaves of it, what a miss says."""

from __future__ import annotations

import asyncio
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.models.base import ChatReply, ChatRequest, Message, Model
from agents.models.cache import CallLog, RecordingModel, ReplayModel, call_parts, key_of
from agents.models.config import ScriptedConfig
from agents.models.providers.scripted import ScriptedModel
from harness.base.errors import EpisodeError
from tests.agents.models.conftest import ask, whose


def counting(calls: list[ChatRequest], **more: Any) -> Model:
    def script(request: ChatRequest) -> ChatReply:
        calls.append(request)
        text = f"reply {len(calls)} \ud83d" if len(calls) == 2 else f"reply {len(calls)} ✓"
        return ChatReply(text, "served", "stop", 3, 2, usd=0.25, token_ids=(1, 2), dropped=("seed",), latency_s=1.5)

    return ScriptedModel("m", ScriptedConfig(function="x:y", **more), script)


def run(model: Model, *requests: ChatRequest) -> list[ChatReply]:
    async def go() -> list[ChatReply]:
        return [await model.complete(request) for request in requests]

    return asyncio.run(go())


def test_a_recorded_call_is_answered_from_the_record_after_a_restart(tmp_path: Path) -> None:
    calls: list[ChatRequest] = []
    requests = [ask("a", identity=whose("e1", 0)), ask("b", identity=whose("e1", 1)), ask("a", identity=whose("e2", 0))]
    with CallLog(tmp_path / "calls.jsonl") as log:
        first = run(RecordingModel(counting(calls), log), *requests)
    with CallLog(tmp_path / "calls.jsonl") as log:
        assert len(log) == 3
        again = run(RecordingModel(counting(calls), log), *requests)
    assert len(calls) == 3
    assert [replace(reply, cache_hit=False) for reply in again] == first
    assert all(reply.cache_hit for reply in again) and not any(reply.cache_hit for reply in first)


CHANGES: dict[str, dict[str, Any]] = {
    "messages: number 1 of 1 (user)": {"messages": (Message("user", "other"),)},
    "messages: asked 2, recorded 1": {"messages": (Message("user", "a"), Message("user", "b"))},
    "temperature: asked 0.7, recorded 0.0": {"temperature": 0.7},
    "max_tokens: asked 9": {"max_tokens": 9},
    "top_p: asked 0.5": {"top_p": 0.5},
    "stop: asked ['x']": {"stop": ("x",)},
    "seed: asked 5": {"seed": 5},
    "schema: another content": {"schema": {"type": "object"}},
    "want_tokens: asked True": {"want_tokens": True},
    "reasoning_effort: asked 'low', recorded None": {"reasoning_effort": "low"},
    "ordinal: asked 7": {"identity": whose("e1", 7)},
    "repeat: asked 2": {"identity": whose("e1", 0, repeat=2)},
    "role: asked 'judge'": {"identity": whose("e1", 0, role="judge")},
    "seat: asked 1": {"identity": whose("e1", 0, seat=1)},
    "episode: asked 'e9'": {"identity": whose("e9", 0)},
}


@pytest.mark.parametrize("said", CHANGES)
def test_replay_misses_when_anything_of_the_request_differs_and_names_it(tmp_path: Path, said: str) -> None:
    recorded = ask("a", identity=whose("e1", 0))
    with CallLog(tmp_path / "calls.jsonl") as log:
        run(RecordingModel(counting([]), log), recorded)
        never: list[ChatRequest] = []
        replay = ReplayModel(counting(never), log)
        assert run(replay, recorded)[0].text == "reply 1 ✓"
        with pytest.raises(EpisodeError) as caught:
            run(replay, replace(recorded, **CHANGES[said]))
    assert said in caught.value.message and caught.value.kind == "infrastructure"
    assert caught.value.message.count("asked") <= 1, "only what differs is named"
    assert never == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "gpt-9"),
        ("revision", "r2"),
        ("provider", "openai"),
        ("options", {1: 2}),
    ],
)
def test_replay_misses_when_the_model_differs(tmp_path: Path, field: str, value: Any) -> None:
    with CallLog(tmp_path / "calls.jsonl") as log:
        run(RecordingModel(counting([]), log), ask())
        other = counting([])
        setattr(other, field, value)
        with pytest.raises(EpisodeError, match=field):
            run(ReplayModel(other, log), ask())


def test_every_field_of_a_request_is_part_of_the_key() -> None:
    """A field added to ChatRequest has to be added to the key too, unless it is never sent."""
    parts = call_parts(counting([]), ask(reasoning_effort="low"))
    for name in ChatRequest.__dataclass_fields__:
        if name not in ("identity", "available"):
            assert name in parts
    for name in whose().__dataclass_fields__:
        assert name in parts


def test_a_torn_tail_is_cut_off_and_reported_and_a_damaged_line_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    requests = [ask(str(i), identity=whose("e1", i)) for i in range(5)]
    with CallLog(path) as log:
        run(RecordingModel(counting([]), log), *requests)
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = lines[1][:10] + b"#" * 10 + lines[1][20:]
    path.write_bytes(lines[0] + damaged + lines[2] + lines[3] + lines[4][:-7])
    calls: list[ChatRequest] = []
    with CallLog(path) as log:
        assert (log.torn_bytes, log.skipped_lines, len(log)) == (len(lines[4]) - 7, 1, 3)
        run(RecordingModel(counting(calls), log), *requests)
    assert len(calls) == 2
    with CallLog(path, read_only=True) as log:
        assert (log.torn_bytes, len(log)) == (0, 5)


def test_a_killed_process_loses_no_recorded_call(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    program = f"""
import asyncio, os, sys
from pathlib import Path
from agents.models.cache import CallLog, RecordingModel
from tests.agents.models.conftest import ask, whose
from tests.agents.models.test_cache import counting
async def main():
    model = RecordingModel(counting([]), CallLog(Path({str(path)!r})))
    for number in range(100000):
        await model.complete(ask("x" * 2000, identity=whose("e", number)))
        print(number, flush=True)
asyncio.run(main())
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(200):
        last = process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    last = (process.stdout.read().splitlines() or [last])[-1]
    process.wait()
    with CallLog(path) as log:
        assert len(log) >= int(last) + 1


def test_a_full_disk_is_an_error_that_harms_nothing_recorded_before(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with CallLog(path) as log:
        model = RecordingModel(counting([]), log)
        run(model, ask("a", identity=whose("e1", 0)))
        size = path.stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, before[1]))
        try:
            with pytest.raises(EpisodeError, match="cannot be written") as caught:
                run(model, ask("b", identity=whose("e1", 1)))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)
        assert caught.value.kind == "infrastructure" and path.stat().st_size == size
        run(model, ask("b", identity=whose("e1", 1)))
    with CallLog(path) as log:
        assert (len(log), log.torn_bytes, log.skipped_lines) == (2, 0, 0)


def test_finished_episodes_leave_memory_and_only_wanted_ones_are_loaded(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    with CallLog(path) as log:
        model = RecordingModel(counting([]), log)
        run(model, *(ask(identity=whose(f"e{i}", 0)) for i in range(10)))
        log.forget("e3")
        assert len(log) == 9
    with CallLog(path, wanted=lambda episode: episode == "e7") as log:
        assert len(log) == 1
        parts = call_parts(counting([]), ask(identity=whose("e7", 0)))
        assert log.find(parts, key_of(parts)) is not None


def test_messages_are_not_stored(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    with CallLog(path) as log:
        run(RecordingModel(counting([]), log), ask("a very private prompt"))
    assert "private" not in path.read_text()


def test_many_coroutines_share_one_log(tmp_path: Path) -> None:
    async def go() -> None:
        with CallLog(tmp_path / "calls.jsonl") as log:
            model = RecordingModel(counting([]), log)
            await asyncio.gather(*(model.complete(ask("x" * 5000, identity=whose(f"e{i}", 0))) for i in range(300)))

    asyncio.run(go())
    with CallLog(tmp_path / "calls.jsonl") as log:
        assert (len(log), log.skipped_lines) == (300, 0)
