"""Actors: what turns a view and a strategy into an action. `ModelActor` asks a model; `ScriptedActor` follows one of
the environment's own baselines (random, rule, expert, oracle, follow)."""

from __future__ import annotations

from random import Random

from agents.base import Answer, Situation, Strategy
from agents.chat import actor_chat, asked_again, keep_recent
from agents.models.base import Message
from agents.prompts import general, joined
from environments.base import (
    SKIPPED,
    UNREADABLE,
    Action,
    ActionFormat,
    BaselineEntry,
    ParsedAnswer,
    Play,
    Unreadable,
)
from environments.prompts import Prompt
from harness.base.errors import EpisodeError
from harness.reading.answers import LENIENT, spoken


class ModelActor:
    """Asks a model for each action. Keeps no state between turns."""

    async def act(self, situation: Situation, strategy: Strategy) -> Answer:
        """Answer one turn. Raises `EpisodeError` of kind `model` when the answer stays unreadable and the environment wants
        one."""
        messages, prompt = self._chat(situation, strategy)
        form = situation.format
        schema = form.schema(situation.view, strategy.think_first)
        for attempt in range(form.reasks + 1):
            reply = await situation.ask(messages, prompt, schema)
            try:
                parsed: ParsedAnswer = form.parse(reply.text)
            except Unreadable as error:
                situation.mark("unreadable")
                problem = str(error)
                again = general("reask_action").fill(problem=problem, format=_instructions(situation, strategy))
                messages = asked_again(messages, _kept(form, reply.text), again.strip("\n"))
                continue
            situation.mark("mended" if parsed.mended else "ok")
            return Answer(
                parsed.action, reply.text, "ok" if attempt == 0 else "reasked", parsed.thought, parsed.kept or None
            )
        if form.unreadable == "pass":
            return Answer(Action(reply.text, form.passes_as), reply.text, "unreadable")
        if form.unreadable == "skip":
            kept = _kept(form, reply.text) or SKIPPED
            return Answer(Action("", UNREADABLE), reply.text, "unreadable", kept=None if kept == reply.text else kept)
        raise EpisodeError(
            "model",
            f"the actor's answer could not be read ({problem}), re-asked {form.reasks} time(s)",
            failure="answer",
            reason="unreadable-answer",
        )

    def _chat(self, situation: Situation, strategy: Strategy) -> tuple[list[Message], Prompt]:
        view = situation.view
        actor, advice, reminder = situation.prompt("actor"), general("strategy"), general("reminder")
        opening = actor.fill(
            name=view.name,
            partner=view.partner or "",
            background=view.background.strip("\n"),
            format=_instructions(situation, strategy),
            available=", ".join(view.available),
        )
        strategies = [turn.strategy for turn in situation.past] + [strategy.text]
        paragraphs = ["" if text is None else advice.fill(strategy=text).strip("\n") for text in strategies]
        if strategy.think_first:
            paragraphs = ["" for _ in strategies]
        closing = reminder.fill(name=view.name).strip("\n")
        messages = actor_chat(view, situation.past, opening.strip("\n"), paragraphs, closing)
        return keep_recent(messages, situation.history), joined(actor, [advice, reminder])


def _kept(form: ActionFormat, text: str) -> str:
    """Part of an unreadable answer that stays in the chat."""
    return spoken(text) if form.parsing == LENIENT else text


def _instructions(situation: Situation, strategy: Strategy) -> str:
    form = situation.format
    return form.instructions_with_thought if strategy.think_first else form.instructions


class ScriptedActor:
    """One of the environment's baselines. Calls no model; hears of the strategy only where the baseline follows one."""

    def __init__(self, baseline: BaselineEntry, play: Play, seat: int, seed: int) -> None:
        self._baseline = baseline
        self._play = play
        self._seat = seat
        self._random = Random(seed)

    async def act(self, situation: Situation, strategy: Strategy) -> Answer:
        try:
            action = self._act(strategy.text or "")
        except Exception as problem:
            said = f"the scripted agent failed: {type(problem).__name__}: {problem}"
            raise EpisodeError("environment", said) from problem
        return Answer(action, action.text, "ok")

    def _act(self, strategy: str) -> Action:
        if self._baseline.follow is None or not strategy.strip():
            return self._baseline.act(self._play, self._seat, self._random)
        return self._baseline.follow(self._play, self._seat, self._random, strategy)
