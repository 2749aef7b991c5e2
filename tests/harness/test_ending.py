"""What the quick-start ends with: the same game twice, and the answer in words."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from harness.commands.ending import print_answer, print_excerpt, uplift_of
from harness.compare.answers import answer
from harness.compare.comparison import Comparison, Family
from harness.compare.questions import uplift
from harness.results.index import latest_episodes
from harness.results.records import EpisodeRecord
from harness.results.store import EPISODES, read_record
from leaderboard.pairs import SameGame, same_game
from tests.shared_data import DEMO, THREE_ENVIRONMENTS

FOLLOWING = f"{THREE_ENVIRONMENTS}#environment=alfworld,actor=script:follow"


@pytest.fixture(scope="module")
def family() -> Family:
    return uplift(FOLLOWING)


def row_of(family: Family, strategist: str) -> int:
    return next(number for number, row in enumerate(family.rows) if row.b.axes["strategist"] == strategist)


def shown(game: SameGame, width: int = 100) -> str:
    said = io.StringIO()
    console = Console(file=said, width=width)
    print_excerpt(console, game)
    return said.getvalue()


def game_of(family: Family, strategist: str = "epo-rl") -> SameGame:
    game = same_game(THREE_ENVIRONMENTS, family.rows[row_of(family, strategist)])
    assert game is not None
    return game


def test_the_game_shown_is_one_that_the_strategist_won_and_the_actor_alone_did_not(family: Family) -> None:
    game = game_of(family)
    assert (game.without.task_id, game.without.seed) == (game.helped.task_id, game.helped.seed)
    assert game.without.outcome is not None and not game.without.outcome.success
    assert game.helped.outcome is not None and game.helped.outcome.success


def test_both_sides_show_strategies_actions_and_what_came_of_them(family: Family) -> None:
    game = game_of(family)
    text = shown(game, 160)
    assert f"strategy: {game.helped.turns[0].strategy}" in text
    assert f"> {game.helped.turns[-1].rendered}" in text and "> look" in text
    assert text.count("goal reached") == 1 and "goal not reached" in text
    assert "vanilla + script:follow" in text and "epo-rl + script:follow" in text
    assert all(len(line) <= 100 for line in shown(game, 100).splitlines())


def test_agents_words_are_data(family: Family) -> None:
    game = game_of(family)
    first = game.helped.turns[0].model_copy(update={"strategy": "[bold]x[/bold] \x1b[31mred\x1b[0m"})
    helped = game.helped.model_copy(update={"turns": [first, *game.helped.turns[1:]]})
    text = shown(replace(game, helped=helped))
    assert "[bold]x[/bold] \\x1b[31mred" in text and "\x1b[31mred" not in text


@pytest.mark.parametrize(
    ("strategist", "words"),
    [
        ("epo-rl", ("shown to help", "so what its strategies say counts")),
        ("epo", ("shown to help", "not shown to beat shuffled", "could not be put down to what its strategies say")),
    ],
)
def test_the_answer_has_the_means_the_verdict_the_controls_and_the_actor(
    family: Family, strategist: str, words: tuple[str, ...]
) -> None:
    number = row_of(family, strategist)
    row = family.rows[number]
    text = answer(family, number)
    assert f"{row.mean_b:.3f} with {strategist} and {row.mean_a:.3f} with vanilla" in text
    for word in (*words, "The actor here is no language model"):
        assert word in text, text


def changed(row: Comparison, mean: float, low: float, high: float, p: float) -> Comparison:
    estimate = replace(row.result.estimate, mean=mean, low=low, high=high)
    return replace(row, result=replace(row.result, estimate=estimate, missing=0), p_holm=p)


@pytest.mark.parametrize(
    ("figures", "verdict"),
    [
        ((0.2, 0.1, 0.3, 0.001), "shown to help"),
        ((-0.2, -0.3, -0.1, 0.001), "shown to hurt"),
        ((0.2, 0.1, 0.3, 0.09), "borderline, so take it as not shown"),
        ((0.0, -0.1, 0.1, 1.0), "no difference shown"),
    ],
)
def test_the_answers_verdict_is_that_of_the_finding(
    family: Family, figures: tuple[float, float, float, float], verdict: str
) -> None:
    row = changed(family.rows[row_of(family, "epo")], *figures)
    assert f", {verdict}." in answer(replace(family, rows=(row,), beside={}), 0)


def test_a_model_as_actor_is_not_said_to_be_none() -> None:
    family = uplift(f"{THREE_ENVIRONMENTS}#environment=alfworld,actor=smollm2")
    assert "no language model" not in answer(family, 0)


def ending(folder: Path) -> str:
    """What a quick-start ends with whose run is this one."""
    said = io.StringIO()
    print_answer(Console(file=said, width=120), folder)
    return said.getvalue()


def test_a_run_without_the_comparison_ends_without_an_answer(tmp_path: Path) -> None:
    assert uplift_of(tmp_path) is None
    assert ending(tmp_path) == ""


def test_the_demonstration_run_ends_with_a_game_and_the_answer() -> None:
    text = ending(DEMO)
    assert "The same game twice" in text and "shown to help" in text
    assert "The controls reached" in text and "no language model" not in text


def test_the_whole_ending_of_a_run_in_which_many_strategies_were_unusable() -> None:
    text = ending(THREE_ENVIRONMENTS)
    assert "The same game twice" in text and "The controls reached" in text
    assert text.index("strategies were empty or cut in 48 %") < text.index("The controls reached"), "before the verdict"
    episode = next(iter(latest_episodes(THREE_ENVIRONMENTS).values()))
    assert (
        read_record(THREE_ENVIRONMENTS / EPISODES, episode["offset"], EpisodeRecord).episode_id == episode["episode_id"]
    )
