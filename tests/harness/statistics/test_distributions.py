"""The light functions say what scipy's heavy ones say."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from scipy import optimize, special, stats

from harness.statistics import distributions as light
from harness.statistics.roots import crossing


def test_quantiles_and_tails_are_those_of_scipy_stats() -> None:
    random = np.random.default_rng(0)
    for _ in range(300):
        df, shift, chance = np.exp(random.uniform(-0.7, 14)), random.uniform(0, 5), random.uniform(0.01, 0.9999)
        small, value = random.uniform(1e-9, 0.4), random.uniform(-2, 8)
        assert light.student_below(chance, df) == pytest.approx(stats.t.ppf(chance, df), rel=1e-12, abs=1e-12)
        assert light.student_above(small, df) == pytest.approx(stats.t.isf(small, df), rel=1e-12)
        assert light.normal_below(chance) == pytest.approx(stats.norm.ppf(chance), rel=1e-12, abs=1e-12)
        assert light.normal_tail(value) == pytest.approx(stats.norm.sf(value), rel=1e-12)
        freedom = math.exp(random.uniform(0, 9))
        expected = 1 - special.nctdtr(freedom, shift, value)
        assert light.shifted_student_tail(value, freedom, shift) == pytest.approx(expected, abs=1e-10)


def test_the_binomial_test_is_scipys() -> None:
    for heads in range(40):
        for tails in range(heads == 0, 40):
            expected = stats.binomtest(heads, heads + tails).pvalue
            assert light.fair_coin_p(heads, tails) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("f", "low", "high"),
    [
        (lambda x: x**3 - 2, 0.0, 5.0),
        (lambda x: math.cos(x) - x, -1.0, 2.0),
        (lambda x: math.exp(x) - 1e4, 0.0, 100.0),
        (lambda x: x - 1.0, 1.0, 3.0),
        (lambda x: x - 3.0, 1.0, 3.0),
        (lambda x: math.tanh(20 * (x - 0.3)), -4.0, 4.0),
        (lambda x: -1.0 if x < 0.7 else 1.0, 0.0, 1.0),
    ],
)
def test_a_crossing_is_where_brentq_finds_it(f: object, low: float, high: float) -> None:
    for xtol in (1e-6, 1e-12):
        assert crossing(f, low, high, xtol=xtol) == optimize.brentq(f, low, high, xtol=xtol)  # type: ignore[arg-type]


def test_a_function_that_does_not_cross_is_refused() -> None:
    with pytest.raises(ValueError, match="same sign"):
        crossing(lambda x: x * x + 1, -1.0, 1.0, xtol=1e-6)


def test_neither_the_statistics_nor_a_page_load_scipy() -> None:
    code = "import sys, harness.statistics, harness.runs.forecast, leaderboard.page\n"
    code += "print(*(m for m in sys.modules if m.startswith('scipy')))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == []
