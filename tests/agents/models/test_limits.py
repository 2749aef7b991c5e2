"""The adaptive limit, on an injected clock."""

from __future__ import annotations

import asyncio
import time

import pytest

from agents.models import make_model
from agents.models.buckets import Rates
from agents.models.endpoint import EndpointModel
from agents.models.limits import AdaptiveLimit, Outcome, shared_limit
from agents.models.quota import Closed, set_quota_wait


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def fill(limit: AdaptiveLimit, count: int | None = None) -> int:
    """Take free slots (all, or `count`) without waiting; returns how many."""
    taken = 0
    while (count is None or taken < count) and limit.take():
        taken += 1
    return taken


def one_round(limit: AdaptiveLimit, outcome: Outcome = "ok", retry_after: float | None = None) -> None:
    """As many calls as run end the same way, each followed by the next that waits."""
    fill(limit)
    for _ in range(limit.running):
        limit.release(outcome, retry_after)
        fill(limit)


def test_it_doubles_per_round_while_full_up_to_the_most() -> None:
    limit = AdaptiveLimit(256, start=64, clock=Clock())
    sizes = []
    for _ in range(4):
        one_round(limit)
        sizes.append(int(limit.limit))
    assert sizes[0] > 64 and sizes[-1] == 256 and sizes == sorted(sizes)


def test_it_does_not_grow_while_it_is_not_nearly_full() -> None:
    limit = AdaptiveLimit(256, start=10, clock=Clock())
    for _ in range(200):
        fill(limit, 5)
        for _ in range(5):
            limit.release("ok")
    assert limit.limit == 10


def test_a_burst_of_429_takes_half_and_a_single_one_takes_one() -> None:
    clock = Clock()
    limit = AdaptiveLimit(64, clock=clock)
    one_round(limit, "throttled")
    assert limit.limit == 32 and limit.running == 0
    clock.now += 5
    fill(limit, 1)
    limit.release("throttled")
    assert limit.limit == 31


def test_bursts_after_each_cooldown_go_down_to_one_and_no_further() -> None:
    clock = Clock()
    limit = AdaptiveLimit(64, clock=clock)
    for _ in range(12):
        clock.now += 120
        one_round(limit, "throttled")
        assert not limit.take(), "paused"
    assert limit.limit == 1


def test_it_does_not_grow_within_the_cooldown_and_grows_by_one_per_round_after_it() -> None:
    clock = Clock()
    limit = AdaptiveLimit(64, start=20, clock=clock)
    fill(limit)
    limit.release("throttled")
    for _ in range(19):
        limit.release("ok")
    assert limit.limit == 19, "the cooldown is not over"
    clock.now += 1.1
    one_round(limit)
    one_round(limit)
    assert 19.5 < limit.limit < 21


def test_a_large_limit_that_a_burst_has_halved_comes_back_by_a_twentieth_per_round() -> None:
    clock = Clock()
    limit = AdaptiveLimit(256, clock=clock)
    one_round(limit, "throttled")
    assert limit.limit == 128
    clock.now += 1.1
    rounds = 0
    while limit.limit < 256:
        one_round(limit)
        rounds += 1
    assert 10 <= rounds <= 20, "and not 128, by one per round"


def test_a_server_error_stops_growth_for_a_round_and_does_not_shrink() -> None:
    limit = AdaptiveLimit(64, start=20, clock=Clock())
    fill(limit)
    limit.release("server_error")
    fill(limit)
    for _ in range(20):
        limit.release("ok")
        fill(limit)
    assert limit.limit == 20
    limit.release("ok")
    assert limit.limit == 21


def throttled(limit: AdaptiveLimit, asked: float | None = None) -> None:
    """One call that is told to come later."""
    assert limit.take()
    limit.release("throttled", asked)


def test_a_quota_holds_every_new_call_back_for_as_long_as_it_says_and_lets_them_back_gently() -> None:
    clock = Clock()
    limit = AdaptiveLimit(64, clock=clock)
    throttled(limit, 30.0)
    clock.now += 29.9
    assert fill(limit) == 0
    clock.now += 0.2
    assert fill(limit) == 1, "one to see whether it is open"
    clock.now += 1
    assert fill(limit) == 1
    clock.now += 1
    assert fill(limit) == 2
    limit.release("ok")
    assert fill(limit) > 50


def test_without_a_hint_pauses_grow_up_to_a_minute_and_a_burst_is_one() -> None:
    clock = Clock()
    limit = AdaptiveLimit(64, clock=clock)
    fill(limit, 10)
    pauses = []
    for _ in range(10):
        limit.release("throttled")
    for _ in range(9):
        pauses.append(limit.quota.paused_until - clock.now)
        clock.now = limit.quota.paused_until
        throttled(limit)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_an_endpoint_that_always_asks_for_a_moment_is_not_believed_for_ever() -> None:
    clock = Clock()
    limit = AdaptiveLimit(64, clock=clock)
    for _ in range(22):
        throttled(limit, 0.1)
        pause = limit.quota.paused_until - clock.now
        clock.now = limit.quota.paused_until
    assert pause == pytest.approx(60)


def test_a_longer_wait_than_the_bound_closes_the_endpoint_for_all_until_then() -> None:
    async def run() -> None:
        clock = Clock()
        limit = AdaptiveLimit(2, clock=clock)
        await limit.acquire()
        await limit.acquire()
        waiting = asyncio.create_task(limit.acquire())
        await asyncio.sleep(0)
        limit.release("throttled", 1574.2)
        with pytest.raises(Closed) as closed:
            await waiting
        assert 1570 < closed.value.until - time.time() < 1575
        with pytest.raises(Closed):
            limit.take()
        limit.release("ok")
        clock.now += 1575
        assert limit.take(), "open again"

    asyncio.run(run())


def test_pauses_add_up_to_the_bound_and_a_success_begins_anew() -> None:
    clock = Clock()
    set_quota_wait(100.0)
    try:
        limit = AdaptiveLimit(4, clock=clock)
        for _ in range(2):
            throttled(limit, 40.0)
            clock.now += 41
        assert limit.take()
        limit.release("ok")
        for _ in range(2):
            throttled(limit, 40.0)
            clock.now += 41
        throttled(limit, 40.0)
        with pytest.raises(Closed):
            limit.take()
    finally:
        set_quota_wait(900.0)


@pytest.mark.parametrize(("per_minute", "in_a_minute"), [(10, 10), (600, 600), (0.5, 1)])
def test_requests_stay_below_a_known_limit_in_every_minute(per_minute: float, in_a_minute: int) -> None:
    clock = Clock()
    limit = AdaptiveLimit(100_000, clock=clock)
    limit.keep_below(Rates(requests=per_minute))
    times = []
    for _ in range(2000):
        while limit.take():
            times.append(clock.now)
        clock.now += 0.1
    for begin in times[:: max(1, len(times) // 50)]:
        assert sum(begin <= each < begin + 60 for each in times) <= in_a_minute + max(1, per_minute / 200)
    assert len(times) >= 0.9 * per_minute * 200 / 60


def test_tokens_per_minute_are_corrected_by_what_was_used() -> None:
    clock = Clock()
    limit = AdaptiveLimit(1000, clock=clock)
    limit.keep_below(Rates(tokens=6000))
    assert limit.take(1000)
    assert not limit.take(1000)
    limit.release("ok", None, -900)
    assert limit.tokens is not None and limit.tokens.wait(1000) < 2, "only 100 were used"
    clock.now += 2
    assert limit.take(1000), "a call larger than the bucket is not kept out for good"


def test_waiting_calls_are_served_first_come_first_served_and_a_cancelled_one_leaves_no_hole() -> None:
    async def run() -> list[int]:
        limit = AdaptiveLimit(1)
        order: list[int] = []

        async def call(number: int) -> None:
            await limit.acquire()
            order.append(number)
            await asyncio.sleep(0)
            limit.release("ok")

        await limit.acquire()
        tasks = [asyncio.create_task(call(number)) for number in range(5)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        limit.release("lost")
        await asyncio.gather(*tasks, return_exceptions=True)
        assert limit.running == 0 and not limit.waiting
        return order

    assert asyncio.run(run()) == [0, 2, 3, 4]


def test_a_call_cancelled_in_the_moment_it_gets_its_slot_gives_it_back() -> None:
    async def run() -> None:
        limit = AdaptiveLimit(1)
        await limit.acquire()
        waiting = asyncio.create_task(limit.acquire())
        await asyncio.sleep(0)
        limit.release("ok")  # the slot is now the waiting task's, which has not run yet
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert limit.running == 0
        await asyncio.wait_for(limit.acquire(), 60)

    asyncio.run(run())


def test_paused_calls_wake_up_when_the_pause_is_over() -> None:
    async def run() -> None:
        limit = AdaptiveLimit(4)
        await limit.acquire()
        limit.release("throttled", 0.05)
        await asyncio.wait_for(limit.acquire(), 60)
        assert limit.running == 1

    asyncio.run(run())


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize(
    ("host", "given", "most", "start"),
    [
        ("far.example", {}, 256, 64),
        ("far.example", {"concurrency": 500}, 500, 500),
        ("far.example", {"concurrency": 8}, 8, 8),
        ("127.0.0.1", {}, 256, 256),
        ("127.0.0.1", {"concurrency": 500}, 500, 500),
    ],
    ids=["remote", "remote, many", "remote, few", "local", "local, many"],
)
def test_an_endpoint_is_met_with_the_number_that_was_given_and_a_remote_one_carefully_without(
    provider: str, host: str, given: dict[str, int], most: int, start: int
) -> None:
    url = f"https://{host}/{provider}/{given.get('concurrency')}"
    model = make_model("m", {"provider": provider, "model": "local", "base_url": url, **given})
    assert isinstance(model, EndpointModel)
    limit = model.limit
    assert isinstance(limit, AdaptiveLimit)
    assert (limit.most, limit.limit) == (most, start)


@pytest.mark.parametrize(("second", "most"), [(8, 8), (64, 16)])
def test_the_lowest_limit_asked_for_holds_for_an_endpoint_and_key(second: int, most: int) -> None:
    first = shared_limit("http://x/v1", "k", 16, 16)
    assert shared_limit("http://x/v1", "k", second, second) is first
    assert isinstance(first, AdaptiveLimit)
    assert first.most == most and first.limit <= most
    assert shared_limit("http://x/v1", "another key", 99, 99) is not first
