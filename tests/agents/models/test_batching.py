"""Which requests make a batch: those alike, the many before the few, nobody passed over for long."""

from __future__ import annotations

from agents.models.local.batching import PATIENCE, Job, next_batch
from agents.models.local.decoding import Row


def job(prompt: int, answer: int, adapter: str | None = None, passed: int = 0) -> Job:
    return Job(Row([1] * prompt, answer), adapter, passed=passed)


def test_a_long_prompt_or_answer_does_not_join_short_ones() -> None:
    strategies, judge, story = [job(160 + n, 16) for n in range(3)], job(180, 600), job(1500, 16)
    assert next_batch([*strategies, judge, story], 8) == strategies
    assert next_batch([judge, *strategies, story], 8) == strategies


def test_where_few_wait_they_go_together_as_they_are() -> None:
    strategies, judge = [job(160 + n, 16) for n in range(3)], job(1800, 600)
    assert next_batch([judge, *strategies], 8) == [judge, *strategies]


def test_the_largest_group_goes_first_and_a_tie_to_the_oldest() -> None:
    judges, strategies = [job(1000, 600) for _ in range(3)], [job(160, 16) for _ in range(2)]
    assert next_batch([*strategies, *judges], 8) == judges
    assert next_batch([*strategies, *judges], 2) == strategies
    assert next_batch([judges[0], strategies[0]], 2) == [judges[0]]


def test_no_more_than_a_batch_takes_oldest_first() -> None:
    queue = [job(160, 16) for _ in range(5)]
    assert next_batch(queue, 3) == queue[:3]


def test_who_was_passed_over_often_enough_goes_next() -> None:
    judge, strategies = job(1000, 600, passed=PATIENCE), [job(160, 16) for _ in range(9)]
    assert next_batch([judge, *strategies], 16) == [judge]


def test_a_batch_has_one_adapter() -> None:
    trained, start = [job(160, 16, "trained") for _ in range(2)], job(160, 16)
    assert next_batch([start, *trained], 4) == trained
    assert next_batch([start, *trained], 32) == [start]
