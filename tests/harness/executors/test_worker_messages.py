"""Frames between processes survive any cut; calls are answered, fail as they failed, and end with the other end."""

from __future__ import annotations

import asyncio
import itertools
import os
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base.errors import BadInput, EpisodeError, RemoteError
from harness.runs.executors.worker import Frames, Peer, PeerLost, frame, streams

TEXTS = st.text(st.characters(exclude_categories=()), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS, lambda inner: st.lists(inner, max_size=3), max_leaves=8
)


@given(st.lists(st.dictionaries(TEXTS, JSON, max_size=3), max_size=5), st.lists(st.integers(0, 200), max_size=10))
def test_messages_come_out_whole_and_in_order_however_the_bytes_are_cut(
    messages: list[dict[str, Any]], cuts: list[int]
) -> None:
    data = b"".join(map(frame, messages))
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    frames, got = Frames(), []
    for begin, end in itertools.pairwise(places):
        got += list(frames.feed(data[begin:end]))
    assert got == messages


@pytest.mark.parametrize(
    "data",
    [struct.pack(">I", 1 << 30), frame({})[:4] + b"[]", struct.pack(">I", 3) + b"abc", b"Traceback (most recent"],
)
def test_what_is_no_frame_is_named(data: bytes) -> None:
    with pytest.raises(PeerLost, match="a frame"):
        list(Frames().feed(data))


def between(here: dict[str, Any], there: dict[str, Any], use: Callable[[Peer, Peer], Awaitable[Any]]) -> Any:
    """Two peers in one loop, over real pipes."""

    async def go() -> Any:
        (a_in, b_out), (b_in, a_out) = os.pipe(), os.pipe()
        one = Peer(*await streams(os.fdopen(a_in, "rb", 0), os.fdopen(a_out, "wb", 0)), here)
        other = Peer(*await streams(os.fdopen(b_in, "rb", 0), os.fdopen(b_out, "wb", 0)), there)
        listening = [asyncio.create_task(one.listen()), asyncio.create_task(other.listen(finishes=("slow",)))]
        try:
            return await asyncio.wait_for(use(one, other), 120)
        finally:
            one.close()
            other.close()
            await asyncio.wait(listening, timeout=60)

    return asyncio.run(go())


def test_calls_run_beside_each_other_and_large_ones_get_through() -> None:
    async def wait(n: int) -> int:
        await asyncio.sleep(0.01 * (5 - n))
        return n

    async def use(one: Peer, other: Peer) -> Any:
        numbers = await asyncio.gather(*(one.call("wait", n=n) for n in range(5)))
        large = await one.call("echo", text="x" * 3_000_000)
        return numbers, len(large)

    assert between({}, {"wait": wait, "echo": lambda text: text}, use) == ([0, 1, 2, 3, 4], 3_000_000)


PROBLEMS = {
    "an episode's": (EpisodeError("judge", "why"), EpisodeError),
    "the user's": (BadInput("no such thing"), BadInput),
    "any other": (KeyError("k"), RemoteError),
}


@pytest.mark.parametrize(("problem", "kind"), PROBLEMS.values(), ids=PROBLEMS)
@pytest.mark.parametrize("later", [False, True], ids=["at once", "later"])
def test_a_call_fails_as_it_failed_there(problem: Exception, kind: type[Exception], later: bool) -> None:
    def now() -> None:
        raise problem

    async def soon() -> None:
        raise problem

    async def use(one: Peer, other: Peer) -> None:
        with pytest.raises(kind) as caught:
            await one.call("fail")
        assert str(problem) in str(caught.value)
        if isinstance(problem, EpisodeError):
            assert caught.value.kind == problem.kind  # type: ignore[attr-defined]

    between({}, {"fail": soon if later else now}, use)


def test_a_cancelled_call_is_cancelled_there() -> None:
    seen: list[str] = []

    async def forever() -> None:
        seen.append("begun")
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def use(one: Peer, other: Peer) -> None:
        call = asyncio.create_task(one.call("forever"))
        while not seen:
            await asyncio.sleep(0.01)
        call.cancel()
        while seen != ["begun", "cancelled"]:
            await asyncio.sleep(0.01)

    between({}, {"forever": forever}, use)


def test_when_the_other_end_is_gone_calls_fail_and_what_it_asked_to_keep_is_carried_to_its_end() -> None:
    begun: list[str] = []
    ends: list[str] = []
    here_is_gone: list[bool] = []

    async def slow() -> None:
        begun.append("slow")
        while not here_is_gone:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        ends.append("slow")

    async def forever() -> None:
        begun.append("forever")
        try:
            await asyncio.sleep(3600)
        finally:
            ends.append("forever")

    async def use(one: Peer, other: Peer) -> None:
        calls = [asyncio.create_task(one.call(name)) for name in ("slow", "forever")]
        back = asyncio.create_task(other.call("forever"))
        while len(begun) < 3:
            await asyncio.sleep(0.01)
        here_is_gone.append(True)
        one.close()
        with pytest.raises(PeerLost):
            await back
        assert sorted(ends) == ["forever", "slow"], "calls failed before what was under way had ended"
        for call in calls:
            call.cancel()

    async def asked_back() -> None:
        begun.append("back")
        await asyncio.sleep(3600)

    between({"forever": asked_back}, {"slow": slow, "forever": forever}, use)
