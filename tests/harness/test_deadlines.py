"""A default limit never cuts a call that the call's own deadline allows; a limit that the user set does; waiting is nobody's
time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness.base.deadlines import BEAT, Deadline, allow, waiting
from tests.harness.virtual_time import run_virtually


async def call(seconds: float, deadline: float) -> float:
    """A call as an endpoint makes it; returns when it ended."""
    allow(deadline)
    await asyncio.sleep(seconds)
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize(("seconds", "deadline"), [(599, 600), (20, 30), (301, 302)])
def test_a_default_limit_grows_by_what_a_call_may_take(seconds: float, deadline: float) -> None:
    async def turn() -> float:
        async with Deadline(300, grows=True):
            await asyncio.sleep(290)
            return await call(seconds, deadline)

    assert run_virtually(turn()) == pytest.approx(290 + seconds)


def test_a_default_limit_cuts_what_no_call_accounts_for() -> None:
    async def turn() -> None:
        limit = Deadline(300, grows=True)

        async def work() -> None:
            async with limit:
                await call(100, 600)
                await asyncio.sleep(10_000)

        with pytest.raises(TimeoutError):
            await work()
        assert limit.passed
        assert asyncio.get_running_loop().time() == pytest.approx(600)

    run_virtually(turn())


def test_a_limit_that_was_set_cuts_a_call_that_may_take_longer() -> None:
    async def turn() -> None:
        limit = Deadline(300, grows=False)
        with pytest.raises(TimeoutError):
            async with limit:
                await call(400, 600)
        assert limit.passed
        assert asyncio.get_running_loop().time() == pytest.approx(300)

    run_virtually(turn())


def test_every_default_limit_around_a_call_grows_and_each_set_one_stays() -> None:
    async def episode() -> tuple[float, float]:
        async with Deadline(3600, grows=True) as outer:
            await asyncio.sleep(3500)
            async with Deadline(300, grows=True) as inner:
                await call(500, 600)
                return outer.left(), inner.left()

    assert run_virtually(episode()) == pytest.approx((100, 100))

    async def cut() -> None:
        outer, inner = Deadline(3600, grows=False), Deadline(300, grows=True)

        async def work() -> None:
            async with outer:
                await asyncio.sleep(3500)
                async with inner:
                    await call(500, 600)

        with pytest.raises(TimeoutError):
            await work()
        assert (outer.passed, inner.passed) == (True, False)

    run_virtually(cut())


@pytest.mark.parametrize("grows", [True, False])
def test_waiting_for_a_quota_or_a_slot_is_nobodys_time(grows: bool) -> None:
    async def turn() -> float:
        async with Deadline(300, grows=grows) as limit:
            await asyncio.sleep(100)
            with waiting():
                await asyncio.sleep(5000)
                with waiting():
                    await asyncio.sleep(5000)
                assert limit.left() == pytest.approx(200)
            await asyncio.sleep(50)
            return limit.left()

    assert run_virtually(turn()) == pytest.approx(150)


def test_what_is_allowed_while_waiting_counts_from_its_end() -> None:
    async def turn() -> float:
        async with Deadline(300, grows=True) as limit:
            with waiting():
                allow(600)
                await asyncio.sleep(1000)
            return limit.left()

    assert run_virtually(turn()) == pytest.approx(600)


def test_time_begins_when_a_limit_is_entered_and_ends_with_it() -> None:
    async def play() -> None:
        limit = Deadline(300, grows=False)
        await asyncio.sleep(1000)
        assert (limit.left(), limit.passed) == (300, False)
        async with limit:
            await asyncio.sleep(299)
        await asyncio.sleep(1000)
        assert not limit.passed

    run_virtually(play())


def test_tasks_started_inside_put_the_limit_off_as_well() -> None:
    async def turn() -> float:
        async with Deadline(300, grows=True) as limit:
            await asyncio.gather(call(500, 600), call(50, 60))
            return limit.left()

    assert run_virtually(turn()) == pytest.approx(100)


def test_a_cancellation_from_outside_is_not_a_passed_limit() -> None:
    async def stop() -> None:
        limit = Deadline(300, grows=True)

        async def work() -> None:
            async with limit:
                await asyncio.sleep(1000)

        task = asyncio.create_task(work())
        await asyncio.sleep(10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not limit.passed

    run_virtually(stop())


def stop(seconds: float) -> None:
    """The process does not run for so long: the clock goes on, and nothing else does."""
    loop: Any = asyncio.get_running_loop()
    loop.now += seconds


@pytest.mark.parametrize("grows", [True, False])
@pytest.mark.parametrize("at", [0.5, 10.0, 99.0, 299.5])
def test_no_time_passes_while_the_process_is_stopped(grows: bool, at: float) -> None:
    async def turn() -> float:
        async with Deadline(3600, grows=grows), Deadline(300, grows=grows) as limit:
            await asyncio.sleep(at)
            stop(8 * 3600)
            await asyncio.sleep(0)
            await asyncio.sleep(299.9 - at)
            return limit.left()

    assert 0 < run_virtually(turn()) <= 2 * BEAT


def test_a_limit_still_cuts_after_the_process_was_stopped() -> None:
    async def turn() -> float:
        limit = Deadline(300, grows=False)

        async def work() -> None:
            async with limit:
                await asyncio.sleep(100)
                stop(1000)
                await asyncio.sleep(10_000)

        with pytest.raises(TimeoutError):
            await work()
        assert limit.passed
        return asyncio.get_running_loop().time()

    assert run_virtually(turn()) == pytest.approx(1300, abs=2 * BEAT)


def test_a_limit_that_begins_after_a_stop_gets_nothing_back() -> None:
    async def turn() -> float:
        async with Deadline(3600, grows=False):
            await asyncio.sleep(1)
            stop(500)
            async with Deadline(300, grows=False) as limit:
                await asyncio.sleep(5)
                return limit.left()

    assert run_virtually(turn()) == pytest.approx(295)


def test_a_loop_that_is_merely_late_gives_nothing_back() -> None:
    async def turn() -> float:
        async with Deadline(300, grows=False) as limit:
            for _ in range(10):
                await asyncio.sleep(5)
                stop(2.5)
            return limit.left()

    assert run_virtually(turn()) == pytest.approx(225)


def test_a_loop_without_limits_has_no_beat() -> None:
    async def turn() -> int:
        async with Deadline(300, grows=False):
            await asyncio.sleep(5)
        loop: Any = asyncio.get_running_loop()
        return sum(not timer.cancelled() for timer in loop._scheduled)

    assert run_virtually(turn()) == 0
