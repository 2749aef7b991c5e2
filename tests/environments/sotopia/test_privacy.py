"""No seat ever reads the other's goal, secret or hidden texts, in any of the published and built-in pairings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import environments
from environments.base import Action, Environment, View
from environments.sotopia.profiles import Character, Scenario
from environments.sotopia.splits import world_of
from environments.sotopia.tags import ENVIRONMENT, render_for

TALK = ["Good to see you.", "And you.", "So, what now?", "Let us talk it over."]


def everything_a_models_prompt_can_hold(env: Environment, view: View) -> str:
    """What the seat's actor and strategist are ever given: the filled templates and all events."""
    texts = [view.background, *(event.text for event in view.events), " ".join(view.available), view.partner or ""]
    for role in ("actor", "strategist"):
        prompt = env.prompt(role)
        assert prompt is not None
        texts.append(
            prompt.fill(
                name=view.name,
                partner=view.partner,
                background=view.background,
                format=env.action_format.instructions_with_thought,
                available=", ".join(view.available),
            )
        )
    return "\n".join(texts)


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def hidden_texts(scenario: Scenario, partner: Character, seat: int) -> Iterator[str]:
    """What `seat` must not read: the partner's goal and each marked piece of it, the partner's secret, and texts for
    the environment alone."""
    goal = scenario.agent_goals[1 - seat]
    yield render_for(goal, ENVIRONMENT)
    for part in re.findall(r"<(\w+)[^>]*>(.*?)</\1>", goal, flags=re.DOTALL):
        yield re.sub(r"<[^>]+>", "", part[1])
    yield partner.secret
    yield f"{partner.first_name}'s secrets"
    yield from re.findall(r'<p viewer="environment">(.*?)</p>', scenario.scenario)


@pytest.mark.parametrize(("split", "tasks"), [("all", 450), ("builtin", None)])
def test_no_view_holds_what_belongs_to_the_other_seat(split: str, tasks: int | None, real_home: Path) -> None:
    env = environments.make("sotopia")
    played = env.tasks(split)
    assert tasks is None or len(played) == tasks
    leaks, checked = [], 0
    for task in played:
        play = env.reset(task, seed=0)
        for line in TALK:
            play.step(play.current_seat, Action(line, "speak"))
        world = world_of(task)
        combo = world.find(task.data["combo"])
        assert combo is not None
        scenario, cast = world.scenarios[combo.scenario_id], world.cast(combo.character_ids)
        for seat in (0, 1):
            given = flat(everything_a_models_prompt_can_hold(env, play.view(seat)))
            own = flat(render_for(scenario.agent_goals[seat], ENVIRONMENT))
            assert own in given
            assert flat(cast[seat].secret) in given
            for hidden in map(flat, hidden_texts(scenario, cast[1 - seat], seat)):
                checked += 1
                if hidden in given and hidden not in own:
                    leaks.append((task.id, seat, hidden))
    assert leaks == []
    assert checked >= 6 * len(played)


def test_what_the_partner_really_says_is_heard(real_home: Path) -> None:
    env = environments.make("sotopia")
    task = env.tasks("all")[0]
    play = env.reset(task, seed=0)
    world = world_of(task)
    combo = world.find(task.data["combo"])
    assert combo is not None
    secret = world.cast(combo.character_ids)[0].secret
    assert secret not in everything_a_models_prompt_can_hold(env, play.view(1))
    play.step(0, Action(secret, "speak"))
    assert secret in everything_a_models_prompt_can_hold(env, play.view(1))
