"""Actors: what turns a view and a strategy into an action. `ModelActor` asks a model; `ScriptedActor` follows one of
the environment's own baselines (random, rule, expert, oracle, follow)."""

from __future__ import annotations

from random import Random

from agents.asking_again import Read, Unread, ask_until_read
from agents.base import Answer, Reading, Situation, Strategy
from agents.chat import actor_chat, keep_recent, one_message
from agents.models.base import Message
from agents.prompts import general, joined
from environments.base import (
    SKIPPED,
    Action,
    ActionFormat,
    BaselineEntry,
    ParsedAnswer,
    Play,
)
from environments.prompts import Prompt
from harness.base.errors import EpisodeError
from harness.reading.answers import spoken
from harness.reading.parsing import LENIENT, UNREADABLE


class ModelActor:
    """Asks a model for each action. Keeps no state between turns."""

    async def act(self, situation: Situation, strategy: Strategy) -> Answer:
        """Answer one turn. Raises `EpisodeError` of kind `model` when the answer stays unreadable and the environment wants
        one."""
        messages, prompt = self.chat(situation, strategy)
        form = situation.format
        schema = form.schema(situation.view, strategy.think_first)
        again, instructions = general("reask_action"), _instructions(situation, strategy)
        asked = await ask_until_read(
            lambda chat: situation.ask(chat, prompt, schema),
            messages,
            lambda text: _parsed(form, text),
            lambda problem: again.fill(problem=problem, format=instructions),
            situation.mark,
            kept=lambda text: _kept(form, text),
            reasks=form.reasks,
        )
        return _answer(asked) if isinstance(asked, Read) else _without_action(form, asked)

    def chat(self, situation: Situation, strategy: Strategy) -> tuple[list[Message], Prompt]:
        """The chat that the model is sent, and the prompt that it is made of."""
        view = situation.view
        actor, advice, reminder = (situation.prompt(role) for role in ("actor", "strategy", "reminder"))
        opening = actor.fill(
            name=view.name,
            partner=view.partner or "",
            background=(view.background if view.notes is None else view.notes).strip("\n"),
            format=_instructions(situation, strategy),
            available=", ".join(view.available),
        )
        strategies = [turn.strategy for turn in situation.past] + [strategy.text]
        paragraphs = ["" if text is None else advice.fill(strategy=text).strip("\n") for text in strategies]
        if strategy.think_first:
            paragraphs = ["" for _ in strategies]
        closing = reminder.fill(name=view.name).strip("\n")
        if view.notes is not None:
            return one_message(opening, paragraphs[-1], closing), joined(actor, [advice, reminder])
        messages = actor_chat(view, situation.past, opening.strip("\n"), paragraphs, closing)
        return keep_recent(messages, situation.history), joined(actor, [advice, reminder])


def _parsed(form: ActionFormat, text: str) -> tuple[ParsedAnswer, Reading]:
    parsed = form.parse(text)
    return parsed, "mended" if parsed.mended else "ok"


def _answer(asked: Read[ParsedAnswer]) -> Answer:
    parsed = asked.value
    return Answer(
        parsed.action, asked.text, "ok" if asked.count == 1 else "reasked", parsed.thought, parsed.kept or None
    )


def _without_action(form: ActionFormat, asked: Unread) -> Answer:
    """The treatment that the environment wants for an answer that stays unreadable. Raises `EpisodeError`."""
    if form.unreadable == "pass":
        return Answer(Action(asked.text, form.passes_as), asked.text, "unreadable")
    if form.unreadable == "skip":
        kept = _kept(form, asked.text) or SKIPPED
        return Answer(Action("", UNREADABLE), asked.text, "unreadable", kept=None if kept == asked.text else kept)
    raise EpisodeError(
        "model",
        f"the actor's answer could not be read ({asked.problem}), re-asked {form.reasks} time(s)",
        failure="answer",
        reason="unreadable-answer",
    )


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
