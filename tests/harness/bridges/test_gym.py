"""Our environments in gymnasium, by gymnasium's own checks and beside its own vector environments."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import environments
from harness.base.errors import BadInput
from tests.extras import required

gymnasium = required("gymnasium")

from gymnasium.error import ResetNeeded  # noqa: E402
from gymnasium.utils.env_checker import check_env  # noqa: E402
from gymnasium.vector import AutoresetMode, SyncVectorEnv  # noqa: E402

from harness.bridges.gym import AnyText, TextVectorEnv  # noqa: E402

ALFWORLD = "harness.bridges.gym:harness/alfworld-v0"
WEBSHOP = "harness.bridges.gym:harness/webshop-v0"
SHOP: dict[str, Any] = {"split": "builtin-train", "options": {"builtin_products": 60, "max_steps": 4}}
MINI: dict[str, Any] = {"split": "builtin-test-mini", "options": {"max_steps": 3}}


def make(name: str = ALFWORLD, **options: Any) -> Any:
    return gymnasium.make(name, **options)


@pytest.fixture
def vector() -> Iterator[Any]:
    """Makes vector environments and closes them."""
    made: list[TextVectorEnv] = []

    def of(name: str = ALFWORLD, num_envs: int = 3, **options: Any) -> TextVectorEnv:
        made.append(gymnasium.make_vec(name, num_envs=num_envs, **{**MINI, **options}))
        return made[-1]

    yield of
    for env in made:
        env.close()


@pytest.mark.parametrize(("name", "options"), [(ALFWORLD, MINI), (WEBSHOP, SHOP)])
def test_gymnasiums_own_check_finds_nothing(name: str, options: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make(name, **options).unwrapped)
        check_env(make(name, **options, reward="progress", order="listed").unwrapped)


def test_a_task_is_chosen_by_its_id_or_its_place() -> None:
    env = make(split="builtin-test-mini")
    tasks = environments.make("alfworld").tasks("builtin-test-mini")
    observation, info = env.reset(options={"task": tasks[7].id})
    assert (info["task"], info["cost"], info["left"], info["end"]) == (tasks[7].id, 0, 50, "")
    assert env.reset(options={"task": 7})[0] == observation
    with pytest.raises(BadInput, match="has no task 'builtin-test/mini/x'"):
        env.reset(options={"task": "builtin-test/mini/x"})
    with pytest.raises(BadInput, match="places 0 to"):
        env.reset(options={"task": -1})
    with pytest.raises(BadInput, match="unknown 'game'; known: task"):
        env.reset(options={"game": 1})


def test_the_seed_decides_which_games_follow() -> None:
    env, other = make(split="builtin-test"), make(split="builtin-test")
    first = [env.reset(seed=3)[1]["task"], *(env.reset()[1]["task"] for _ in range(4))]
    assert first == [other.reset(seed=3)[1]["task"], *(other.reset()[1]["task"] for _ in range(4))]
    assert first != [env.reset(seed=4)[1]["task"], *(env.reset()[1]["task"] for _ in range(4))]
    assert len(set(first)) > 2


def test_the_listed_order_is_that_of_the_split() -> None:
    env = make(split="builtin-test-mini", order="listed")
    ids = [task.id for task in environments.make("alfworld").tasks("builtin-test-mini")]
    assert [env.reset()[1]["task"] for _ in range(3)] == ids[:3]
    assert [env.reset(seed=1)[1]["task"], env.reset()[1]["task"]] == ids[:2]


def follow_plan(env: Any, **options: Any) -> list[tuple[float, bool, bool, dict[str, Any]]]:
    """The steps of a shortest way, with one step that does nothing."""
    from environments.alfworld.planner import shortest_plan

    env.reset(**options)
    play = env.unwrapped.episodes._play
    plan = shortest_plan(play.world, play.state)
    assert plan
    return [env.step(command)[1:] for command in ["dance", *plan]]


def test_credit_a_turn_adds_up_to_the_progress_made() -> None:
    steps = follow_plan(make(split="builtin-test-mini", reward="progress"), seed=5)
    rewards = [reward for reward, *_ in steps]
    assert rewards[0] == 0
    assert all(reward > 0 for reward in rewards[1:])
    assert sum(rewards) == pytest.approx(1)
    assert [info["remaining"] for *_, info in steps] == list(range(len(steps) - 1, -1, -1))
    assert [info["no_effect"] for *_, info in steps] == [True, *[False] * (len(steps) - 1)]
    ended = [terminated for _, terminated, *_ in steps]
    assert ended == [False] * (len(steps) - 1) + [True]
    assert steps[-1][3]["won"] and steps[-1][3]["available"] == [] and steps[-1][3]["cost"] == len(steps)


def test_counterfactual_credit_says_what_a_turn_changed() -> None:
    rewards = [reward for reward, *_ in follow_plan(make(split="builtin-test-mini", reward="replay"), seed=5)]
    assert rewards[0] == 0  # a command that does nothing is as good as none
    assert sum(rewards) > 0
    assert rewards == [reward for reward, *_ in follow_plan(make(split="builtin-test-mini", reward="replay"), seed=5)]


def test_the_outcome_is_the_environments_own_reward() -> None:
    rewards = [reward for reward, *_ in follow_plan(make(split="builtin-test-mini"), seed=5)]
    assert rewards == [0.0] * (len(rewards) - 1) + [1.0]


def test_the_step_limit_truncates_and_a_purchase_terminates() -> None:
    env = make(WEBSHOP, **SHOP)
    env.reset(seed=0)
    assert [env.step("click[nothing]")[2:4] for _ in range(4)] == [(False, False)] * 3 + [(False, True)]
    with pytest.raises(ResetNeeded):
        env.step("click[nothing]")
    _, info = env.reset(seed=0)
    assert info["available"] == ["search[<words>]"]
    query = env.unwrapped.episodes._play.session.goal.query
    _, _, _, _, info = env.step(f"search[{query}]")
    env.step(info["available"][-1])  # a product: those stand behind the buttons
    _, reward, terminated, truncated, info = env.step("click[buy now]")
    assert (terminated, truncated, info["end"]) == (True, False, "bought")
    assert info["score"] == reward


def test_every_text_is_in_the_space_up_to_its_length() -> None:
    space = AnyText(5)
    assert all(text in space for text in ("", "é×\n☃", "12345"))
    assert "123456" not in space and 1 not in space
    assert pickle.loads(pickle.dumps(space)) == space  # noqa: S301


def test_progress_can_be_left_out() -> None:
    _, info = make(split="builtin-test-mini", progress=False).reset(seed=0)
    assert "progress" not in info and "remaining" not in info


def test_a_screen_shows_the_command_and_the_answer() -> None:
    env = make(split="builtin-test-mini", render_mode="ansi")
    observation, _ = env.reset(seed=0)
    assert env.render() == observation
    observation, *_ = env.step("look")
    assert env.render() == f"> look\n{observation}"


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(BadInput, match="no split 'builtin-tset'"):
        make(split="builtin-tset")
    with pytest.raises(BadInput, match="reward: 'credit'"):
        make(reward="credit")
    with pytest.raises(BadInput, match="sotopia has 2 seats"):
        make(environment="sotopia", split="builtin")


# --------------------------------------------------------------------------------------------- many at once


def walk(env: Any, steps: int, choose: int = 0, **options: Any) -> list[Any]:
    """Everything a vector gives over some steps, every place doing a possible command."""
    random = np.random.default_rng(choose)
    observations, infos = env.reset(**options)
    seen: list[Any] = [observations, infos]
    for _ in range(steps):
        actions = [possible[random.integers(len(possible))] if possible else "look" for possible in infos["available"]]
        *rest, infos = env.step(tuple(actions))
        seen += [*rest, infos]
    return seen


def same(one: Any, other: Any) -> bool:
    """Equal values of equal types, arrays and dicts of them included."""
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype == other.dtype and same(one.tolist(), other.tolist())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def gymnasiums_own(mode: AutoresetMode, **options: Any) -> Any:
    return SyncVectorEnv([lambda: make(**{**MINI, **options})] * 3, autoreset_mode=mode)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_a_vector_plays_what_gymnasiums_own_plays(mode: AutoresetMode, vector: Any) -> None:
    theirs = walk(gymnasiums_own(mode), 8, seed=11)
    assert same(walk(vector(autoreset_mode=mode), 8, seed=11), theirs)
    assert any("final_obs" in part for part in theirs if isinstance(part, dict)) == (mode == AutoresetMode.SAME_STEP)


@pytest.mark.parametrize("options", [{"reward": "progress"}, {"order": "listed", "autoreset_mode": "SameStep"}])
def test_processes_play_what_one_process_plays(options: dict[str, Any], vector: Any) -> None:
    here = walk(vector(num_envs=5, **options), 7, seed=2)
    assert same(walk(vector(num_envs=5, processes=2, **options), 7, seed=2), here)
    assert not same(walk(vector(num_envs=5, **options), 7, seed=3, choose=1), here)


def test_gymnasiums_own_processes_play_the_same_without_shared_memory(vector: Any) -> None:
    env = gymnasium.make_vec(
        ALFWORLD, num_envs=2, vectorization_mode="async", vector_kwargs={"shared_memory": False}, **MINI
    )
    theirs = walk(env, 4, seed=1)
    env.close()
    assert same(walk(vector(num_envs=2), 4, seed=1), theirs)


def test_gymnasiums_wrappers_take_the_vector(vector: Any) -> None:
    from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics

    env = DictInfoToList(RecordEpisodeStatistics(vector(options={"max_steps": 2})))
    env.reset(seed=0)
    env.step(["look"] * 3)
    *_, infos = env.step(["look"] * 3)
    assert [info["episode"]["l"] for info in infos] == [2, 2, 2]
    assert [info["cost"] for info in infos] == [2, 2, 2]


def test_texts_of_a_shop_come_whole_from_other_processes(vector: Any) -> None:
    env = vector(WEBSHOP, 2, processes=2, **SHOP)
    observations, infos = env.reset(seed=0)
    assert all(
        text.startswith("WebShop [SEP] Instruction: [SEP]") and text.endswith("[SEP] Search") for text in observations
    )
    assert infos["available"].tolist() == [["search[<words>]"]] * 2


def test_without_autoreset_single_games_are_begun_by_a_mask(vector: Any) -> None:
    env = vector(autoreset_mode=AutoresetMode.DISABLED, options={"max_steps": 1})
    env.reset(seed=0)
    stepped, _, _, truncated, _ = env.step(["look"] * 3)
    assert truncated.all()
    with pytest.raises(ResetNeeded, match="reset_mask"):
        env.step(["look"] * 3)
    after, infos = env.reset(options={"reset_mask": np.array([False, True, False]), "task": 0})
    assert (after[0], after[2]) == (stepped[0], stepped[2])
    assert after[1] != stepped[1]
    assert infos["_task"].tolist() == [False, True, False]
    with pytest.raises(ResetNeeded, match=r"\[0, 2\]"):
        env.step(["look"] * 3)


def test_the_games_of_a_vector_can_be_named_one_by_one(vector: Any) -> None:
    ids = [task.id for task in environments.make("alfworld").tasks("builtin-test-mini")][:3]
    assert vector().reset(options={"task": ids})[1]["task"].tolist() == ids
    assert vector().reset(options={"task": 1})[1]["task"].tolist() == [ids[1]] * 3
    with pytest.raises(BadInput, match="2 tasks for 3 games"):
        vector().reset(options={"task": ids[:2]})
    assert vector(order="listed").reset()[1]["task"].tolist() == ids


def test_wrong_requests_to_a_vector_are_named(vector: Any) -> None:
    env = vector()
    with pytest.raises(ResetNeeded):
        env.step(["look"] * 3)
    env.reset(seed=[1, 2, None])
    with pytest.raises(ValueError, match="expected 3 actions"):
        env.step(["look"])
    with pytest.raises(BadInput, match="array of 3 bools"):
        env.reset(options={"reset_mask": np.array([True])})
    with pytest.raises(BadInput, match="at most one process a game"):
        vector(processes=4)
    with pytest.raises(BadInput, match="no split 'x'"):
        vector(processes=1, split="x")


def test_a_process_that_dies_is_reported_and_the_others_end(vector: Any) -> None:
    env = vector(processes=2)
    env.reset(seed=0)
    env._remote[0]._process.kill()
    with pytest.raises(RuntimeError, match="ended with status -9"):
        env.step(["look"] * 3)
    processes = [group._process for group in env._remote]
    env.close()
    assert all(process.poll() is not None for process in processes)
