"""ALFWorld behind the contract: protocols, answers of models, splits, baselines, progress, many episodes at once."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from environments import make
from environments.alfworld import data
from environments.alfworld.actions import parse_answer
from environments.alfworld.play import AlfworldPlay
from environments.base import Action, Environment, Play, Progress, Task, Unreadable
from harness.base.errors import BadInput
from tests.shared_data import shared_data

MINI = "builtin-test-mini"


@pytest.fixture(params=["alfworld-0.4.2", "epo"])
def protocol(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real games that lie beside the checkout."""
    monkeypatch.setenv("ALFWORLD_DATA", str(shared_data("alfworld")))
    data.read_split.cache_clear()


def play_with(environment: Environment, task: Task, baseline: str, seed: int = 0) -> Play:
    play, random = environment.reset(task, seed), Random(seed)
    while not play.done:
        play.step(0, environment.baselines[baseline].act(play, 0, random))
    return play


def start(options: dict[str, Any], number: int = 0, split: str = MINI) -> AlfworldPlay:
    environment = make("alfworld", options)
    play = environment.reset(environment.tasks(split)[number], 0)
    assert isinstance(play, AlfworldPlay)
    return play


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("split", ["valid_seen", "valid_train"])
def test_the_expert_wins_every_real_game(protocol: str, split: str) -> None:
    environment = make("alfworld", {"protocol": protocol})
    tasks = environment.tasks(split)
    outcomes = [play_with(environment, task, "expert").outcome() for task in tasks]
    assert len(outcomes) == {"valid_seen": 140, "valid_train": 80}[split]
    assert all(outcome is not None and outcome.success and outcome.score == 1.0 for outcome in outcomes)


def test_the_expert_wins_all_480_builtin_test_games() -> None:
    environment = make("alfworld")
    tasks = environment.tasks("builtin")
    assert len(tasks) == 480
    assert all(play_with(environment, task, "expert").end_reason == "goal reached" for task in tasks)


def test_the_random_baseline_plays_to_the_limit_and_rarely_wins() -> None:
    environment = make("alfworld")
    tasks = environment.tasks("builtin-test-large")[:30]
    plays = [play_with(environment, task, "random", seed=number) for number, task in enumerate(tasks)]
    wins = sum(play.end_reason == "goal reached" for play in plays)
    assert wins <= 3
    assert {play.end_reason for play in plays} <= {"goal reached", "limit of 50 steps"}
    again = play_with(environment, tasks[0], "random", seed=0)
    assert again.view(0).events == plays[0].view(0).events


@pytest.mark.parametrize(("name", "limit"), [("alfworld-0.4.2", 50), ("epo", 40)])
def test_a_protocol_has_its_own_limit(name: str, limit: int) -> None:
    play = start({"protocol": name})
    for _ in range(limit):
        assert not play.done
        play.step(0, Action("look"))
    assert play.done
    assert play.end_reason == f"limit of {limit} steps"
    assert play.view(0).max_turns == play.view(0).turn == limit
    with pytest.raises(ValueError, match="over"):
        play.step(0, Action("look"))


def test_the_texts_of_the_protocols() -> None:
    current, old = start({}), start({"protocol": "epo"})
    assert current.view(0).background.startswith("-= Welcome to TextWorld, ALFRED! =-\n\nYou are ")
    assert old.view(0).background == "\n".join(current.view(0).background.split("\n\n")[1:])
    go = next(command for command in current.view(0).available if command.startswith("go to "))
    current.step(0, Action(go))
    old.step(0, Action(go))
    shown = current.view(0).events[-1].text
    assert shown.startswith(f"You arrive at {go.removeprefix('go to ')}. ")
    assert old.view(0).events[-1].text == shown.split(". ", 1)[1]
    assert "help" in current.view(0).available
    assert "help" not in old.view(0).available


def test_an_action_and_its_answer_are_two_events() -> None:
    play = start({})
    result = play.step(0, Action("inventory"))
    own, answer = play.view(0).events
    assert (own.author, own.text) == (0, "inventory")
    assert (answer.author, answer.text) == (None, "You are not carrying anything.")
    assert (result.rendered, result.reward, dict(result.info)) == ("inventory", 0.0, {})


@pytest.mark.parametrize("text", ["", "go to the moon", "Look", "Thought: hm\nAction: look", "look\nlook"])
def test_what_is_no_command_costs_a_step_and_is_recorded(text: str) -> None:
    named = {"other_format": "look"} if text == "Look" else {}
    play = start({})
    before = play.state.key()
    result = play.step(0, Action(text))
    assert result.info == {"malformed": True, "no_effect": True} | named
    assert result.rendered == text
    assert play.view(0).events[-1].text == "Nothing happens."
    assert play.view(0).turn == 1
    assert play.state.key() == before


def holding(options: dict[str, Any]) -> tuple[AlfworldPlay, str, str]:
    """A play just before its winning put, with the thing and the place."""
    environment = make("alfworld", options)
    task = next(task for task in environment.tasks(MINI) if task.data["task_type"] == "pick_and_place_simple")
    play = environment.reset(task, 0)
    assert isinstance(play, AlfworldPlay)
    while True:
        action = environment.baselines["expert"].act(play, 0, Random(0))
        if action.text.startswith(("move", "put")):
            verb, preposition = action.text.split()[0], " to " if action.text.startswith("move") else " in/on "
            thing, place = action.text.removeprefix(f"{verb} ").split(preposition)
            return play, thing, place
        play.step(0, action)


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("alfworld-0.4.2", "put {o} in/on {r}", "move {o} to {r}"),
        ("alfworld-0.4.2", "put {o} in {r}", "move {o} to {r}"),
        ("alfworld-0.4.2", "put {o} on {r}", "move {o} to {r}"),
        ("alfworld-0.4.2", "put {o} onto {r}", "move {o} to {r}"),
        ("alfworld-0.4.2", "Put the {o} in the {r}.", "move {o} to {r}"),
        ("alfworld-0.4.2", "move the {o} to the {r}.", "move {o} to {r}"),
        ("alfworld-0.4.2", "place a {o} into {r}", "move {o} to {r}"),
        ("epo", "move {o} to {r}", "put {o} in/on {r}"),
        ("epo", "put {o} in {r}", "put {o} in/on {r}"),
        ("epo", "put {o} on {r}", "put {o} in/on {r}"),
        ("epo", "put {o} into {r}", "put {o} in/on {r}"),
        ("epo", "put the {o} in/on the {r}", "put {o} in/on {r}"),
        ("epo", "put {o} in/on {r}.", "put {o} in/on {r}"),
    ],
)
def test_the_other_formats_put_is_a_clear_signal_or_understood(name: str, wrong: str, right: str) -> None:
    play, thing, place = holding({"protocol": name})
    result = play.step(0, Action(wrong.format(o=thing, r=place)))
    expected = right.format(o=thing, r=place)
    assert result.info == {"malformed": True, "no_effect": True, "other_format": expected}
    assert play.view(0).events[-1].text == "Nothing happens."
    play.step(0, Action(expected))
    assert play.end_reason == "goal reached"

    play, thing, place = holding({"protocol": name, "other_put_form": "accept"})
    result = play.step(0, Action(wrong.format(o=thing, r=place)))
    assert result.info == {"translated": expected}
    assert result.reward == 1.0
    assert play.outcome().success


@pytest.mark.parametrize(
    ("answer", "command", "thought"),
    [
        ("Action: go to shelf 1", "go to shelf 1", None),
        ("Thought: The mug may be there.\nAction: go to shelf 1", "go to shelf 1", "The mug may be there."),
        ("Thought: a\nb\n\nAction: look\nObservation: made up\nAction: open it", "look", "a\nb"),
        ("I think so.\nACTION : look", "look", "I think so."),
        ("**Thought:** hm\n**Action:** `take mug 1 from desk 2`", "take mug 1 from desk 2", "hm"),
        ("Thought: now Action: look", "look", "now"),
        ("Action:\nlook", "look", None),
        ("Action 3: look", "look", None),
        ("> look", "look", None),
        ("  go to shelf 1 \n", "go to shelf 1", None),
        ("Action: go to shelf 1.", "go to shelf 1", None),
    ],
)
def test_answers_that_can_be_read(answer: str, command: str, thought: str | None) -> None:
    parsed = parse_answer(answer)
    assert (parsed.action.text, parsed.action.kind, parsed.thought) == (command, "act", thought)


@pytest.mark.parametrize(
    "answer", ["", " \n", "Thought: only a thought", "Action:", "one line\nanother line", "Action: ``", "Action: dance"]
)
def test_answers_that_can_not_be_read(answer: str) -> None:
    with pytest.raises(Unreadable, match="Action: <command>"):
        parse_answer(answer)


@pytest.mark.parametrize(
    ("options", "unreadable", "reasks"),
    [
        ({}, "skip", 1),
        ({"reasks": 2}, "skip", 2),
        ({"parsing": "exact"}, "pass", 0),
        ({"protocol": "epo"}, "pass", 0),
        ({"protocol": "epo", "parsing": "lenient"}, "skip", 1),
        ({"parsing": "0.1"}, "pass", 0),
    ],
)
def test_what_becomes_of_an_unreadable_answer(options: dict[str, Any], unreadable: str, reasks: int) -> None:
    form = make("alfworld", options).action_format
    assert (form.unreadable, form.reasks) == (unreadable, reasks)
    assert form.schema(start({}).view(0), True) is None


def test_a_skipped_turn_spends_its_step_and_sends_nothing() -> None:
    play = start({"max_steps": 2})
    before = play.state.key()
    result = play.skip(0)
    assert (result.rendered, result.info) == ("(no action could be read)", {"malformed": True, "no_effect": True})
    assert play.view(0).events[-1].text == "No action could be read from the last answer; the step is spent."
    assert (play.view(0).turn, play.state.key()) == (1, before)
    play.skip(0)
    assert play.done
    with pytest.raises(ValueError, match="over"):
        play.skip(0)


@pytest.mark.parametrize(
    ("answer", "action"),
    [
        ("Action: Look", "Look"),
        ("Action: look.\nObservation: made up", "look.\nObservation: made up"),
        ("Thought: hm\nAction:look", "look"),
        ("look", None),
        ("action: look", None),
    ],
)
def test_exactly_the_papers_wrapper(answer: str, action: str | None) -> None:
    environment = make("alfworld", {"protocol": "epo"})
    form, play = environment.action_format, environment.reset(environment.tasks(MINI)[0], 0)
    if action is not None:
        assert form.parse(answer).action.text == action
        return
    with pytest.raises(Unreadable):
        form.parse(answer)
    play.step(0, Action(answer, form.passes_as))
    assert play.view(0).events[-1].text.startswith("Error Input."), "never done, even where it is a command"


def test_version_0_1_knows_the_other_word_for_putting_and_nothing_else() -> None:
    play, thing, place = holding({"parsing": "0.1", "other_put_form": "accept"})
    assert "translated" not in play.step(0, Action(f"move the {thing} to {place}")).info
    assert play.step(0, Action(f"put {thing} in {place}")).info == {"translated": f"move {thing} to {place}"}


def test_the_prompts_say_the_protocols_words(protocol: str) -> None:
    environment = make("alfworld", {"protocol": protocol})
    word, other = ("move O to R", "put O in/on R") if protocol != "epo" else ("put O in/on R", "move O to R")
    view = environment.reset(environment.tasks(MINI)[0], 0).view(0)
    for role in ("actor", "strategist"):
        prompt = environment.prompt(role)
        assert prompt is not None
        text = prompt.fill(
            name=view.name,
            partner="",
            background=view.background,
            format=environment.action_format.instructions,
            available=", ".join(view.available),
        )
        assert view.background in text
        assert "pear" in text, "one example, with a thing that no game has"
        assert len(text) < 2600, "a small model's context has to hold 50 steps more"
        if role == "actor":
            assert word in text
            assert other not in text
            assert ("move pear 2 to" in text) == (protocol != "epo")
    assert environment.prompt("judge") is None
    assert "Thought:" in environment.action_format.instructions_with_thought


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"protocl": "epo"}, "Did you mean 'protocol'"),
        ({"protocol": "original"}, "'protocol'"),
        ({"max_steps": 0}, "'max_steps'"),
        ({"task_types": ["pick_up_the_phone"]}, "task_types"),
        ({"reasks": 50}, "'reasks'"),
    ],
)
def test_wrong_options_are_refused_by_name(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadInput, match="alfworld: ") as refused:
        make("alfworld", options)
    assert complaint in str(refused.value)


def test_an_unknown_split_is_refused_with_the_nearest() -> None:
    with pytest.raises(BadInput, match="Did you mean 'valid_unseen'"):
        make("alfworld").tasks("valid_unsen")


@pytest.mark.parametrize(
    ("options", "label"),
    [
        ({}, "alfworld-0.4.2+lenient"),
        ({"max_steps": 50}, "alfworld-0.4.2+lenient"),
        ({"parsing": "exact"}, "alfworld-0.4.2+exact"),
        ({"parsing": "0.1"}, "alfworld-0.4.2"),
        ({"protocol": "epo"}, "epo+exact"),
        ({"protocol": "epo", "parsing": "lenient"}, "epo+lenient"),
        ({"protocol": "epo", "max_steps": 12}, "epo+max_steps=12+exact"),
        ({"other_put_form": "accept"}, "alfworld-0.4.2+both-put-forms+lenient"),
    ],
)
def test_the_record_names_every_departure_from_a_protocol(options: dict[str, Any], label: str) -> None:
    environment = make("alfworld", options)
    assert environment.protocol == label
    play = environment.reset(environment.tasks(MINI)[0], 0)
    assert play.view(0).max_turns == options.get("max_steps", 40 if options.get("protocol") == "epo" else 50)


def ids(tasks: Sequence[Task]) -> list[str]:
    return [task.id for task in tasks]


def test_the_order_of_tasks_is_seeded_and_stable() -> None:
    seeded, again = make("alfworld").tasks(MINI), make("alfworld").tasks(MINI)
    by_name = make("alfworld", {"order": "sorted"}).tasks(MINI)
    other = make("alfworld", {"order_seed": 1}).tasks(MINI)
    assert ids(seeded) == ids(again) != ids(other)
    assert sorted(ids(seeded)) == sorted(ids(by_name)) == sorted(ids(other))
    assert len({task.data["task_type"] for task in seeded[:12]}) > 3, "the first tasks are a mixture"


def test_task_types_can_be_chosen() -> None:
    environment = make("alfworld", {"task_types": ["look_at_obj_in_light", "pick_two_obj_and_place"]})
    tasks = environment.tasks("builtin-train-small")
    assert len(tasks) == 200
    assert {task.data["task_type"] for task in tasks} == {"look_at_obj_in_light", "pick_two_obj_and_place"}


def test_builtin_splits_are_what_they_say() -> None:
    environment = make("alfworld")
    sizes = {split: len(environment.tasks(split)) for split in environment.splits() if split.startswith("builtin")}
    assert sizes["builtin"] == sizes["builtin-test"] == 480
    assert sizes["builtin-train"] == 2400
    assert {sizes[f"builtin-{side}-{grade}"] for side in ("train",) for grade in ("mini", "large")} == {600}
    for split, size in sizes.items():
        assert f"{size} generated games" in environment.splits()[split]
        assert all(task.split == split for task in environment.tasks(split))
    train, test = (set(ids(environment.tasks(f"builtin-{side}"))) for side in ("train", "test"))
    assert len(train) == 2400
    assert len(test) == 480
    assert not train & test
    assert ids(environment.tasks("builtin")) != []
    assert set(ids(environment.tasks("builtin"))) == test
    (hash_value,) = environment.data_hashes("builtin").values()
    assert len(hash_value) == 64


@pytest.mark.parametrize("changed", [{"scene": "x"}, {"task_type": "cook"}, {"extra": 1}])
def test_a_task_that_names_no_builtin_game_is_refused(changed: dict[str, Any]) -> None:
    environment = make("alfworld")
    task = environment.tasks(MINI)[0]
    broken = Task(task.id, task.split, task.group, {**task.data, **changed})
    with pytest.raises(BadInput, match="task"):
        environment.reset(broken, 0)


def progress_of(play: Play) -> Progress:
    found = play.progress()
    assert found is not None
    return found


def test_progress_rises_along_the_experts_way_and_only_there() -> None:
    environment = make("alfworld")
    for task in environment.tasks("builtin-test-medium")[:20]:
        play = environment.reset(task, 0)
        assert progress_of(play).value == 0.0
        lengths = []
        while not play.done:
            lengths.append(progress_of(play).remaining)
            play.step(0, environment.baselines["expert"].act(play, 0, Random(0)))
        assert lengths == list(range(len(lengths), 0, -1))
        final = progress_of(play)
        assert (final.value, final.remaining, final.exact) == (1.0, 0, True)


def test_progress_is_never_outside_its_range() -> None:
    environment = make("alfworld")
    for number, task in enumerate(environment.tasks("builtin-test-small")[:20]):
        play, random = environment.reset(task, 0), Random(number)
        while not play.done:
            play.step(0, environment.baselines["random"].act(play, 0, random))
            progress, outcome = progress_of(play), play.outcome()
            assert outcome is not None
            assert 0.0 <= progress.value <= 1.0
            assert (progress.value == 1.0) == (progress.remaining == 0) == outcome.success


def test_a_copied_and_a_pickled_play_go_on_alike_and_alone() -> None:
    environment = make("alfworld")
    play = environment.reset(environment.tasks(MINI)[3], 0)
    play.step(0, Action("look"))
    copies = [play.copy(), pickle.loads(pickle.dumps(play))]  # noqa: S301
    untouched = play.view(0)
    for other in copies:
        assert other.view(0) == untouched
        while not other.done:
            other.step(0, environment.baselines["expert"].act(other, 0, Random(0)))
        assert other.outcome().success
    assert play.view(0) == untouched
    assert not play.done
    assert copies[0].view(0) == copies[1].view(0)


def test_a_play_has_one_seat() -> None:
    play = start({})
    assert (play.names, play.current_seat, play.judge_background()) == (("agent",), 0, None)
    with pytest.raises(ValueError, match="one seat"):
        play.view(1)
    with pytest.raises(ValueError, match="one seat"):
        play.step(1, Action("look"))


def test_256_episodes_at_once_end_as_they_do_alone() -> None:
    environment = make("alfworld")
    tasks = list(environment.tasks("builtin-test"))[:256]

    async def episode(number: int, task: Task) -> tuple[Any, ...]:
        play, random = environment.reset(task, number), Random(number)
        baseline = "expert" if number % 2 else "random"
        while not play.done:
            await asyncio.sleep(0)
            play.step(0, environment.baselines[baseline].act(play, 0, random))
        return play.end_reason, play.view(0).events

    async def together() -> list[tuple[Any, ...]]:
        return await asyncio.gather(*(episode(number, task) for number, task in enumerate(tasks)))

    at_once = asyncio.run(together())
    assert len(at_once) == 256
    assert all(reason == "goal reached" for reason, _ in at_once[1::2])
    for number in range(0, 256, 16):
        assert asyncio.run(episode(number, tasks[number])) == at_once[number]


def test_the_package_ships_the_originals_notice() -> None:
    folder = Path(data.__file__).parent / "original"
    assert "MIT License" in (folder / "LICENSE").read_text(encoding="utf-8")
    assert "alfworld 0.4.2" in (folder / "NOTICE.txt").read_text(encoding="utf-8")
