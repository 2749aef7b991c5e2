"""No seat ever sees the other's goal, secret or strategies: all real combos, every prompt that a seat's models receive.

What a seat may know all the same is left out by rule, not by hand: a goal that is the seat's own goal too, and words the
partner really said.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agents.models.base import ChatRequest
from environments.sotopia import texts
from environments.sotopia.profiles import Character, Scenario, World
from environments.sotopia.splits import published_world
from environments.sotopia.tags import render_for, seat_viewer
from harness.exchange.importing import import_path
from harness.play.episode import play_episode
from harness.results.records import EpisodeRecord
from harness.runs.plan import Plan, Unit
from tests.harness.builders import Watched, act, plan_with
from tests.shared_data import shared_data

COMBOS = 450
TURNS = 4


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRATEGIST_HARNESS_HOME", str(home))
        import_path(shared_data("sotopia"), "sotopia", home)
        yield published_world()


def squeezed(text: str) -> str:
    """Text without the differences that un-indenting makes."""
    return re.sub(r"\s+", " ", text).strip()


def pieces(goal: str) -> list[str]:
    """A goal cut at its viewer tags: the parts that could be shown one by one."""
    return [piece for piece in map(squeezed, re.split(r"<[^>]+>", goal)) if len(piece) >= 20]


@dataclass(frozen=True)
class Secrets:
    """What one seat of a combo must not see."""

    goal: tuple[str, ...]
    """The pieces of the other's goal that this seat does not know from its own goal or from the scenario."""
    secret: str
    strategies: str
    """What every strategy of the other seat holds."""

    def found_in(self, text: str) -> list[str]:
        text = squeezed(text)
        found = ["goal"] if any(piece in text for piece in self.goal) else []
        found += ["secret"] if self.secret in text else []
        return found + (["strategies"] if self.strategies in text else [])


def secrets_from(scenario: Scenario, cast: tuple[Character, Character], seat: int) -> Secrets:
    """What `seat` must not see of the other one."""
    other, viewer = 1 - seat, seat_viewer(seat)
    known = squeezed(render_for(scenario.agent_goals[seat], viewer)) + squeezed(render_for(scenario.scenario, viewer))
    goal = tuple(piece for piece in pieces(scenario.agent_goals[other]) if piece not in known)
    return Secrets(goal, squeezed(cast[other].secret), plan_of(other))


def plan_of(seat: int) -> str:
    return f"steer quietly towards harbour {'AB'[seat]}"


def advise(request: ChatRequest) -> str:
    """Strategies that say whose they are."""
    return f"Strategy: {plan_of(request.identity.seat)}, step {request.identity.ordinal}"


def speak(request: ChatRequest) -> str:
    """Lines that give nothing away, with a thought (which is react's strategy) that would."""
    who = request.identity
    return act("speak", f"line {who.ordinal}", thought=f"{plan_of(who.seat)}, step {who.ordinal}")


class Arm:
    """One strategist in both seats on all real combos."""

    def __init__(self, kind: str) -> None:
        self.model = Watched(
            "m", lambda request: advise(request) if request.identity.role == "strategist" else speak(request)
        )
        spec: Any = {"kind": kind, "model": "m"} if kind in ("epo", "epo-rl", "shuffled") else kind
        environments = [{"name": "sotopia", "split": "all", "options": {"max_turns": TURNS}}]
        self.plan: Plan = plan_with({"m": self.model}, strategists=[spec], environments=environments)

    def play(self, unit: Unit) -> EpisodeRecord:
        self.model.requests.clear()
        record = asyncio.run(play_episode(self.plan.episode(unit)))
        assert record.status == "finished", record.error
        return record

    def prompts(self) -> Iterator[tuple[int, str, str]]:
        """(seat, role, all that was sent) of every request of the last episode."""
        for request in self.model.requests:
            sent = "\n".join(message.content for message in request.messages)
            yield request.identity.seat, request.identity.role, sent


def scene_of(world: World, unit: Unit) -> tuple[Scenario, tuple[Character, Character]]:
    combo = world.find(unit.task_id.removeprefix("sotopia:"))
    assert combo is not None
    return world.scenarios[combo.scenario_id], world.cast(combo.character_ids)


def leaks(arm: Arm, world: World, unit: Unit) -> list[tuple[str, int, str, str]]:
    """(combo, seat, role, what leaked) over all prompts of one episode."""
    scenario, cast = scene_of(world, unit)
    hidden = [secrets_from(scenario, cast, seat) for seat in (0, 1)]
    return [
        (unit.task_id, seat, role, what) for seat, role, sent in arm.prompts() for what in hidden[seat].found_in(sent)
    ]


@pytest.mark.parametrize("kind", ["epo", "shuffled"])
def test_no_prompt_of_any_real_combo_holds_the_other_seats_goal_secret_or_strategies(world: World, kind: str) -> None:
    arm = Arm(kind)
    assert len(arm.plan.units) == COMBOS
    found, checked = [], Counter[str]()
    for unit in arm.plan.units:
        arm.play(unit)
        checked.update(f"{role} of seat {seat}" for seat, role, _ in arm.prompts())
        found += leaks(arm, world, unit)
    assert found == []
    assert checked == {
        f"{role} of seat {seat}": COMBOS * TURNS // 2 for role in ("actor", "strategist") for seat in (0, 1)
    }


@pytest.mark.parametrize("kind", ["vanilla", "react", "null", "epo-rl"])
def test_no_other_strategist_leaks_either(world: World, kind: str) -> None:
    arm = Arm(kind)
    for unit in arm.plan.units[::15]:
        arm.play(unit)
        assert leaks(arm, world, unit) == []


def test_what_is_looked_for_is_really_there_to_be_found(world: World) -> None:
    """The rules that leave something out leave out next to nothing, and each seat's own prompt holds its own part."""
    arm = Arm("epo")
    left_out = 0
    for unit in arm.plan.units:
        scenario, cast = scene_of(world, unit)
        left_out += sum(not secrets_from(scenario, cast, seat).goal for seat in (0, 1))
        assert all(len(squeezed(character.secret)) > 10 for character in cast)
    assert left_out <= 30, f"{left_out} of {2 * COMBOS} goals are not looked for"
    for unit in arm.plan.units[::25]:
        arm.play(unit)
        scenario, cast = scene_of(world, unit)
        for seat, _, sent in arm.prompts():
            assert squeezed(cast[seat].secret) in squeezed(sent)
            assert squeezed(render_for(scenario.agent_goals[seat], seat_viewer(seat))) in squeezed(sent)


def planted_goal(scenario: Scenario, cast: tuple[Character, Character], seat: int) -> str:
    return real_context(scenario, cast, seat) + "\n" + scenario.agent_goals[1 - seat]


def planted_secret(scenario: Scenario, cast: tuple[Character, Character], seat: int) -> str:
    return real_context(scenario, cast, seat) + "\n" + texts.full_bio(cast[1 - seat])


real_context = texts.seat_context


@pytest.mark.parametrize(("leaky", "what"), [(planted_goal, "goal"), (planted_secret, "secret")])
def test_a_planted_leak_is_found(world: World, monkeypatch: pytest.MonkeyPatch, leaky: Any, what: str) -> None:
    arm = Arm("epo")
    monkeypatch.setattr(texts, "seat_context", leaky)
    unit = arm.plan.units[0]
    arm.play(unit)
    assert Counter(name for *_, name in leaks(arm, world, unit)) == {what: 2 * TURNS}


def test_a_partner_that_heard_the_others_strategy_is_found(world: World) -> None:
    arm = Arm("epo")
    unit = arm.plan.units[0]
    arm.play(unit)
    told = [replace(r, identity=replace(r.identity, seat=1 - r.identity.seat)) for r in arm.model.requests]
    arm.model.requests[:] = told
    assert "strategies" in {name for *_, name in leaks(arm, world, unit)}


def test_what_the_partner_really_says_is_heard_word_for_word(world: World) -> None:
    """The exception to the rule: a seat may give its own goal away."""
    arm = Arm("epo")
    for unit in arm.plan.units[::50]:
        scenario, cast = scene_of(world, unit)
        said = f"My goal: {squeezed(scenario.agent_goals[0])} My secret: {squeezed(cast[0].secret)}"

        def confess(request: ChatRequest, said: str = said) -> str:
            if request.identity.role == "strategist":
                return advise(request)
            return act("speak", said) if request.identity.seat == 0 else speak(request)

        arm.model._script = watching(arm, confess)
        arm.play(unit)
        heard = [sent for seat, role, sent in arm.prompts() if (seat, role) == (1, "actor")]
        assert all(said in sent for sent in heard)
        own_lines = [sent.replace(said, "") for sent in heard]
        hidden = secrets_from(scenario, cast, 1)
        assert [hidden.found_in(sent) for sent in own_lines] == [[]] * len(own_lines)


def watching(arm: Arm, script: Any) -> Any:
    def watched(request: ChatRequest) -> Any:
        arm.model.requests.append(request)
        return script(request)

    return watched


def test_the_data_are_the_published_ones(world: World, tmp_path: Path) -> None:
    assert (len(world.combos), len(world.scenarios), len(world.characters)) == (450, 90, 40)
