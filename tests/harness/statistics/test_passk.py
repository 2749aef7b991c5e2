"""pass^k and pass@k against counting."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from harness.statistics import pass_at_k, pass_hat_k
from harness.statistics.passk import Alike

SUCCESSES = [1, 1, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1]
TASKS = list("aaaabbbbcccc")


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_both_are_the_mean_over_all_choices_of_k_repeats(k: int) -> None:
    rows = [SUCCESSES[0:4], SUCCESSES[4:8], SUCCESSES[8:12]]
    chosen = [list(itertools.combinations(row, k)) for row in rows]
    every = np.mean([np.mean([all(c) for c in row]) for row in chosen])
    some = np.mean([np.mean([any(c) for c in row]) for row in chosen])
    assert pass_hat_k(SUCCESSES, TASKS, k).mean == pytest.approx(every)
    assert pass_at_k(SUCCESSES, TASKS, k).mean == pytest.approx(some)
    assert pass_hat_k(SUCCESSES, TASKS, k).clusters == 3


def test_tasks_of_one_group_count_once_and_so_do_those_that_share_something() -> None:
    wins, tasks = [1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0], list("aabbccddeeff")
    groups, crossed = list("xxxxyyyyzzzz"), np.empty(12, dtype=object)
    crossed[:] = [(name,) for name in "ppqqppqqrrss"]
    alone, grouped, both = (
        pass_hat_k(wins, tasks, 2, alike=alike) for alike in (None, Alike(groups), Alike(groups, crossed))
    )
    assert (alone.clusters, grouped.clusters) == (6, 3)
    assert alone.mean == grouped.mean == both.mean and both.crossed is not None and grouped.crossed is None


def test_a_task_with_too_few_repeats_is_named_not_dropped() -> None:
    with pytest.raises(ValueError, match="tasks with fewer than 3 repeats: b$"):
        pass_hat_k([1, 1, 1, 0, 1], list("aaabb"), 3)


def test_scores_are_no_successes() -> None:
    with pytest.raises(ValueError, match="0 or 1"):
        pass_at_k([1, 0.5], ["a", "a"], 1)
