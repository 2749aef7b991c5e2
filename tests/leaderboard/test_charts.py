"""Charts: what plotly would read as markup is taken its meaning, every chart says in words what it shows, and nothing is
told by colour alone."""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd
import pytest

from leaderboard.marks import COLOURS, SHAPES, Mark, marks_of
from tests.browser.payloads import payloads
from tests.shared_data import missing

try:
    from leaderboard.charts import Series, cost_frontier, difference_histogram, histograms, lines, plain
except ImportError:  # the extra `viewer` is not installed
    plain = None  # type: ignore[assignment]


@pytest.fixture(autouse=True)
def plotly() -> None:
    if plain is None:
        missing("the charts need plotly: pip install -e '.[viewer]'")


def costs(names: list[str]) -> pd.DataFrame:
    rows = [
        {
            "goal": 5.0 + number,
            "low": 4.0 + number,
            "high": 6.0 + number,
            "cost": 10.0 * (number + 1),
            "pareto": number != 1,
        }
        for number in range(len(names))
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("text", list(payloads("http://nowhere.invalid").values()))
def test_no_text_of_a_record_is_markup_for_plotly(text: str) -> None:
    shown = plain(text)
    assert not set("<>$") & set(shown)
    assert "%{" not in shown
    assert "\n" not in shown
    whole = cost_frontier(costs([text]), "tokens", "goal", (0, 10), [text], [Mark()], [False]).figure.to_json()
    legend = [trace["name"] for trace in json.loads(whole)["data"] if trace["mode"] == "markers"]
    assert legend == [shown]
    chart = lines([Series(text, pd.DataFrame({"x": [1, 2], "y": [1.0, 2.0]}), [Mark()])], "x", "y", "step", "loss")
    assert json.loads(chart.figure.to_json())["data"][0]["name"] == shown


def test_a_long_name_is_cut_in_a_chart() -> None:
    assert plain("x" * 500).endswith("…")
    assert len(plain("x" * 500)) == 60


def test_the_frontier_is_a_line_with_rings_and_open_marks_are_controls_as_elsewhere() -> None:
    chart = cost_frontier(
        costs(["a", "b", "c"]), "tokens", "goal", (0, 10), ["a", "b", "c"], [Mark()] * 3, [False, False, True]
    )
    front, *marks = json.loads(chart.figure.to_json())["data"]
    assert front["x"] == [10.0, 30.0]
    assert (front["mode"], front["marker"]["symbol"]) == ("lines+markers", "circle-open")
    assert [mark["marker"]["symbol"].endswith("-open") for mark in marks] == [False, False, True]
    assert "On the frontier: a (5.00 at 10), c (7.00 at 30)" in chart.text


@pytest.mark.parametrize(("strategists", "actors"), [(30, 1), (12, 3), (6, 7)])
def test_no_two_of_many_arms_share_mark_and_colour_and_each_keeps_its_own(strategists: int, actors: int) -> None:
    arms = [(f"s{one}", f"a{other}") for one in range(strategists) for other in range(actors)]
    marks = marks_of(arms)
    assert len({marks.of(*arm) for arm in arms}) == len(arms)
    assert {marks.of("vanilla", actor).colour for _, actor in arms} == {len(COLOURS) - 1}
    assert len(set(COLOURS)) == len(set(SHAPES)) == 7


def test_trainings_of_one_recipe_share_a_colour_and_differ_in_shape() -> None:
    marks = marks_of([("epo", "a"), ("epo-rl", "a"), ("rule", "a"), ("epo-rl-2", "a"), ("epo-rl-3", "a")])
    colours = {name: marks.of(name, "a").colour for name in marks.strategists}
    assert len({colours[name] for name in ("epo-rl", "epo-rl-2", "epo-rl-3")}) == 1
    assert len(set(colours.values())) == 3
    assert len({marks.of(name, "a") for name in marks.strategists}) == 5


def test_the_histogram_tells_better_from_worse_by_hatching_too_and_counts_in_words() -> None:
    bins = pd.DataFrame({"low": [-3.0, -1.0, 1.0], "high": [-1.0, 1.0, 3.0], "pairs": [2, 3, 4]})
    chart = difference_histogram(bins, "A", "B", "goal")
    marker: dict[str, Any] = json.loads(chart.figure.to_json())["data"][0]["marker"]
    assert len(set(marker["color"])) == len(set(marker["pattern"]["shape"])) == 3
    assert "4 pairs above 0, 2 below, 3 around 0" in chart.text


def test_a_value_that_is_not_known_is_a_gap_and_no_zero() -> None:
    table = pd.DataFrame({"x": [0, 1], "y": [float("nan"), 2.0], "low": [None, 1.0], "high": [None, 3.0]})
    drawn = list(lines([Series("a", table, [Mark()])], "x", "y", "iteration", "goal").figure.data[0].y)
    assert math.isnan(drawn[0]) and drawn[1] == 2.0
    unknown = costs(["a", "b"]).assign(cost=[float("nan"), 5.0])
    marks = json.loads(
        cost_frontier(unknown, "USD", "goal", (0, 10), ["a", "b"], [Mark()] * 2, [False] * 2).figure.to_json()
    )["data"]
    assert [trace["name"] for trace in marks if trace["mode"] == "markers"] == ["b"]


def test_weights_are_outlines_with_their_count_in_words() -> None:
    bins = pd.DataFrame({"low": [0.0, 0.5], "high": [0.5, 1.0], "count": [3, 4]})
    chart = histograms([Series("iteration 1", bins, [Mark()])], "weight")
    assert json.loads(chart.figure.to_json())["data"][0]["x"] == [0.0, 0.5, 1.0]
    assert "7 strategies" in chart.text
