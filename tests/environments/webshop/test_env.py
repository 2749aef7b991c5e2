"""WebShop on the common contract."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

import environments
from environments.base import Action, Environment, Play, Unreadable
from environments.webshop.action_format import make_action_format
from environments.webshop.goals import splits
from environments.webshop.goals.splits import epo_indices, epo_overlap, indices
from environments.webshop.shop.play import INVALID_FORMAT
from harness.base.errors import BadInput
from tests.shared_data import shared_data

FORMAT = make_action_format("lenient", 1)
SMALL = {"builtin_products": 200}


def make(**options: Any) -> Environment:
    return environments.make("webshop", {**SMALL, **options})


def play_out(environment: Environment, baseline: str, play: Play, seed: int = 0) -> Play:
    rng = Random(seed)
    while not play.done:
        play.step(0, environment.baselines[baseline].act(play, 0, rng))
    return play


def act(play: Play, *texts: str) -> None:
    for text in texts:
        play.step(0, Action(text))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_step": 5}, "max_steps"),
        ({"protocol": "epo"}, "protocol"),
        ({"max_steps": 0}, "max_steps"),
        ({"goals": "both"}, "goals"),
        ({"observation": "html"}, "observation"),
    ],
)
def test_options_that_do_not_fit_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        make(**options)


def test_it_keeps_the_contract(home: Path) -> None:
    environment = make()
    assert isinstance(environment.reset(environment.tasks("builtin-test")[0], 0), Play)
    assert environment.seats == 1
    assert environment.metric.success_at == 1.0
    for role in ("actor", "strategist"):
        prompt = environment.prompt(role)
        assert prompt is not None
        filled = prompt.fill(name="N", partner="", background="BACK", format="FORM", available="A")
        assert "BACK" in filled
        assert len(filled) < 2500
    assert environment.prompt("judge") is None
    assert set(environment.data_hashes("builtin-train")) == {"webshop/builtin-v1.1-n200-s0"}


def test_built_in_goals_for_training_and_testing_share_no_product(home: Path) -> None:
    environment = make()
    train, test = environment.tasks("builtin-train"), environment.tasks("builtin-test")
    assert {task.group for task in train}.isdisjoint(task.group for task in test)
    assert len(train) + len(test) == 40
    assert 0 < len(test) < len(train)
    for task in (*train, *test):
        assert json.loads(json.dumps(dict(task.data))) == task.data


@pytest.mark.parametrize("split", ["all", "test", "epo-test"])
def test_products_that_are_not_imported_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str
) -> None:
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path))
    with pytest.raises(BadInput, match="harness data fetch webshop"):
        make().tasks(split)


def test_splits_of_imported_products(home: Path, real_store: Path) -> None:
    human, synthetic = make(), make(goals="synthetic")
    assert len(human.tasks("all")) == 13
    assert len(synthetic.tasks("all")) == 6910
    assert [len(synthetic.tasks(split)) for split in ("test", "eval", "train")] == [500, 1000, 5410]
    assert synthetic.tasks("eval")[0].data["index"] == 500
    assert len(make(goals="synthetic", skip_broken=True).tasks("all")) == 6910 - 458
    assert len(make(goals="synthetic", skip_broken=True, protocol="sound").tasks("all")) == 6910
    with pytest.raises(BadInput, match="begins at goal 500"):
        human.tasks("eval")
    with pytest.raises(BadInput, match="12,087"):
        human.tasks("epo-test")
    with pytest.raises(BadInput, match="builtin-test"):
        human.tasks("builtin-tset")
    with pytest.raises(BadInput, match="items_shuffle_1000"):
        make(catalogue="items_shufle_1000").tasks("all")


class FullHumanGoals:
    """Stands for the goals of the full catalogue, which is not here."""

    kind = "human"

    def __len__(self) -> int:
        return splits.FULL_HUMAN_GOALS


def test_the_papers_lists_and_their_overlap() -> None:
    recorded = json.loads(shared_data("webshop", "epo_indices.json").read_text(encoding="utf-8"))
    table: Any = FullHumanGoals()
    assert list(indices("epo-test", table, "refuse")) == recorded["test_indices"]
    assert list(indices("epo-test-500", table, "refuse")) == recorded["test_indices_500"]
    assert list(indices("epo-train", table, "allow")) == recorded["train_indices"]
    assert len(epo_overlap()) == 21
    with pytest.raises(BadInput, match="21 goals"):
        indices("epo-train", table, "refuse")
    dropped = indices("epo-train", table, "drop")
    assert len(dropped) == 1824 - 21
    assert not set(dropped) & set(epo_indices("test_indices"))


@pytest.mark.parametrize(
    ("answer", "action", "thought"),
    [
        ("Action: search[red dress]", "search[red dress]", None),
        ("Thought: I need red.\nAction: click[red]\n", "click[red]", "I need red."),
        ("Action: click[a]\nObservation: b\nAction: click[c]", "click[a]", None),
        ("  search[red dress] \n", "search[red dress]", None),
        ("action: search[x]", "search[x]", None),
    ],
)
def test_answers_are_read(answer: str, action: str, thought: str | None) -> None:
    parsed = FORMAT.parse(answer)
    assert (parsed.action.text, parsed.thought) == (action, thought)


@pytest.mark.parametrize("answer", ["", "I would search[red]", "Action: buy it", "search[a] then click[b"])
def test_answers_without_an_action_are_unreadable(answer: str) -> None:
    with pytest.raises(Unreadable, match="Action:"):
        FORMAT.parse(answer)


def test_a_malformed_answer_costs_a_step_and_is_recorded(home: Path) -> None:
    environment = make()
    play = environment.reset(environment.tasks("builtin-test")[0], 0)
    result = play.step(0, Action("I think I should look for shoes"))
    assert result.info["malformed"] is True
    view = play.view(0)
    assert (view.turn, view.events[-1].text, view.events[-1].author) == (1, INVALID_FORMAT, None)
    assert view.events[-2].text == "I think I should look for shoes"
    background = view.background
    result = play.step(0, FORMAT.parse("Action: click[dance]").action)
    assert result.info == {"no_op": True, "no_effect": True}
    assert play.view(0).events[-1].text == background


def test_ten_steps_without_a_purchase_score_nothing(home: Path) -> None:
    environment = make()
    play = environment.reset(environment.tasks("builtin-test")[0], 0)
    assert play.view(0).max_turns == 10
    for _ in range(10):
        assert not play.done
        result = play.step(0, Action("search[tea]"))
    assert play.done
    assert play.end_reason == "step limit reached"
    assert result.info["end"] == "step limit reached"
    outcome = play.outcome()
    assert outcome is not None
    assert (outcome.score, outcome.success, outcome.details["bought"]) == (0.0, False, False)
    with pytest.raises(ValueError, match="over"):
        act(play, "search[tea]")
    assert play.view(0).available == ()


def test_a_purchase_at_the_last_step_counts(home: Path) -> None:
    environment = make()
    task = environment.tasks("builtin-test")[0]
    play = environment.reset(task, 0)
    while (progress := play.progress()) is not None and progress.remaining != 10 - play.view(0).turn:
        act(play, "search[]")
    play_out(environment, "oracle", play)
    outcome = play.outcome()
    assert outcome is not None
    assert (play.view(0).turn, outcome.score, play.end_reason) == (10, 1.0, "bought")


@pytest.mark.parametrize("protocol", ["original", "sound"])
@pytest.mark.parametrize("goals", ["human", "synthetic"])
def test_the_oracle_reaches_every_unbroken_goal_of_the_built_in_products(home: Path, protocol: str, goals: str) -> None:
    environment = make(protocol=protocol, goals=goals, skip_broken=True)
    for split in ("builtin-train", "builtin-test"):
        for task in environment.tasks(split):
            outcome = play_out(environment, "oracle", environment.reset(task, 0)).outcome()
            assert outcome is not None
            assert outcome.score == 1.0, task.id


@pytest.mark.parametrize("goals", ["human", "synthetic"])
def test_the_oracle_reaches_real_goals(home: Path, real_store: Path, goals: str) -> None:
    environment = make(goals=goals, skip_broken=True)
    for task in environment.tasks("all")[:: 1 if goals == "human" else 40]:
        outcome = play_out(environment, "oracle", environment.reset(task, 0)).outcome()
        assert outcome is not None
        assert outcome.score == 1.0, task.id


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["original", "sound"])
def test_the_oracle_reaches_all_real_goals(home: Path, real_store: Path, protocol: str) -> None:
    environment = make(goals="synthetic", skip_broken=True, protocol=protocol)
    tasks = environment.tasks("all")
    assert len(tasks) == (6910 if protocol == "sound" else 6452)
    for task in tasks:
        outcome = play_out(environment, "oracle", environment.reset(task, 0)).outcome()
        assert outcome is not None
        assert outcome.score == 1.0, task.id


def test_the_baselines_rank_as_they_should(home: Path) -> None:
    environment = make()
    tasks = environment.tasks("builtin-train")

    def mean(baseline: str) -> float:
        outcomes = [
            play_out(environment, baseline, environment.reset(task, 0), n).outcome() for n, task in enumerate(tasks)
        ]
        return sum(outcome.score for outcome in outcomes if outcome is not None) / len(tasks)

    assert mean("random") + 0.2 < mean("rule") < mean("oracle") == 1.0


def test_progress_rises_along_the_oracles_way_and_ends_at_the_reward(home: Path) -> None:
    environment = make()
    for task in environment.tasks("builtin-test"):
        play = environment.reset(task, 0)
        values, left = [], []
        while not play.done:
            progress = play.progress()
            assert progress is not None
            values.append(progress.value)
            left.append(progress.remaining)
            act(play, environment.baselines["oracle"].act(play, 0, Random(0)).text)
        assert values[0] == 0.0
        assert all(a < b for a, b in pairwise(values))
        assert left == list(range(len(left), 0, -1))
        final = play.progress()
        assert final is not None
        assert (final.value, final.exact) == (1.0, True)


def test_progress_falls_when_the_steps_run_out(home: Path) -> None:
    environment = make(max_steps=2)
    play = environment.reset(environment.tasks("builtin-test")[0], 0)
    progress = play.progress()
    assert progress is not None
    assert progress.value == 0.0
    assert progress.remaining is None


COPIES: dict[str, Callable[[Play], Play]] = {
    "copy": lambda play: play.copy(),
    "pickle": lambda play: pickle.loads(pickle.dumps(play)),  # noqa: S301 - our own bytes
}


@pytest.mark.parametrize("way", COPIES)
def test_copies_go_their_own_way(home: Path, way: str) -> None:
    environment = make()
    play = environment.reset(environment.tasks("builtin-test")[0], 3)
    act(play, "search[<r>]", "click[next >]")
    twin, before = COPIES[way](play), play.view(0)
    assert twin.view(0) == before
    act(twin, "click[next >]", "click[back to search]")
    assert play.view(0) == before
    act(play, "click[next >]", "click[back to search]")
    assert play.view(0) == twin.view(0)
    play_out(environment, "oracle", twin)
    assert play.view(0).turn == 4
    assert play.outcome() != twin.outcome()


@pytest.mark.parametrize("way", COPIES)
def test_an_option_chosen_in_a_copy_is_not_chosen_in_the_original(home: Path, way: str) -> None:
    environment = make()
    play = environment.reset(environment.tasks("builtin-test")[0], 0)
    for _ in range(2):
        act(play, environment.baselines["oracle"].act(play, 0, Random(0)).text)
    twin = COPIES[way](play)
    play_out(environment, "oracle", twin)
    act(play, "click[buy now]")
    bought, unchosen = twin.outcome(), play.outcome()
    assert bought is not None
    assert unchosen is not None
    assert (bool(bought.details["options"]), unchosen.details["options"]) == (True, {})
    assert unchosen.score < bought.score == 1.0


def test_a_pickled_episode_carries_no_catalogue(home: Path, real_store: Path) -> None:
    environment = make()
    play = environment.reset(environment.tasks("all")[0], 0)
    act(play, "search[toothbrush]")
    assert len(pickle.dumps(play)) < 40_000


def test_256_episodes_at_once_do_not_disturb_each_other(home: Path) -> None:
    environment = make()
    tasks = [*environment.tasks("builtin-train"), *environment.tasks("builtin-test")]

    def agent(number: int) -> tuple[str, Random]:
        return ("oracle", "rule", "random")[number % 3], Random(number)

    alone = []
    for number in range(256):
        play = environment.reset(tasks[number % len(tasks)], number)
        baseline, rng = agent(number)
        while not play.done:
            play.step(0, environment.baselines[baseline].act(play, 0, rng))
        alone.append((play.view(0), play.outcome()))
    together = [environment.reset(tasks[number % len(tasks)], number) for number in range(256)]
    agents = [agent(number) for number in range(256)]
    while any(not play.done for play in together):
        for play, (baseline, rng) in zip(together, agents, strict=True):
            if not play.done:
                play.step(0, environment.baselines[baseline].act(play, 0, rng))
    assert [(play.view(0), play.outcome()) for play in together] == alone


def test_observations_can_be_cut_and_enriched(home: Path) -> None:
    task = make().tasks("builtin-test")[0]
    settings: dict[str, dict[str, Any]] = {
        "plain": {},
        "cut": {"observation_limit": 300},
        "rich": {"observation": "text_rich"},
    }
    texts: dict[str, str] = {}
    for name, options in settings.items():
        play = make(**options).reset(task, 0)
        act(play, "search[model]")
        texts[name] = play.view(0).events[-1].text
    assert len(texts["plain"]) > 600
    assert texts["cut"].endswith(" […]")
    assert texts["plain"].startswith(texts["cut"].removesuffix(" […]"))
    assert "[button] Next > [button_]" in texts["rich"]


def test_what_the_original_raises_is_recorded_and_costs_a_step(home: Path) -> None:
    environment = make()
    play = environment.reset(environment.tasks("builtin-test")[0], 0)
    background = play.view(0).background
    result = play.step(0, Action("search[<c>]"))
    assert result.info["exception"] == {"type": "IndexError", "message": "list index out of range"}
    assert play.view(0).events[-1].text == background
    assert play.view(0).turn == 1


def test_available_actions_are_those_of_the_page(home: Path) -> None:
    environment = make()
    play = environment.reset(environment.tasks("builtin-test")[0], 0)
    assert play.view(0).available == ("search[<words>]",)
    act(play, "search[model]")
    available = play.view(0).available
    assert available[:2] == ("click[back to search]", "click[next >]")
    assert len(available) == 12


@pytest.mark.slow
def test_memory_stays_flat_over_20000_episodes(home: Path, real_store: Path) -> None:
    environment = make(goals="synthetic")
    tasks = environment.tasks("all")
    sizes = []
    for number in range(20_000):
        play_out(environment, "random", environment.reset(tasks[number * 7919 % len(tasks)], number), number)
        if number in (4_999, 9_999, 19_999):
            sizes.append(_private_kb())
    assert sizes[-1] - sizes[0] < 20_000, sizes


def _private_kb() -> int:
    """Memory that only this process holds, from the kernel's own account."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))


def test_the_sample_says_how_few_goals_its_splits_have(home: Path, real: object) -> None:
    environment = environments.make("webshop", {"catalogue": "items_shuffle_1000"})
    assert len(environment.tasks("test")) == 13
    assert environment.notes("test")[0].startswith("13 goals here, 500 in the published data")
    assert environment.notes("builtin-test") == ()
    synthetic = environments.make("webshop", {"catalogue": "items_shuffle_1000", "goals": "synthetic"})
    assert synthetic.notes("test") == ()
    assert [task.data["index"] for task in synthetic.tasks("verl-agent-train")] == list(range(500, 6910))
