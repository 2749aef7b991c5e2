"""One episode of ALFWorld behind the contract of `environments.base`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from environments.alfworld.actions import ANSWER, in_other_words
from environments.alfworld.engine import TextGame, rules, texts
from environments.alfworld.engine.state import State
from environments.alfworld.engine.world import CURRENT, OLD, TextFormat, World
from environments.alfworld.log import Log, LoggedView
from environments.alfworld.notes import Seen, notes
from environments.alfworld.options import MAX_STEPS
from environments.alfworld.planner import remaining_actions
from environments.base import NOT_READ, SKIPPED, Action, Outcome, Progress, StepResult, View
from harness.reading import version_0_1 as reading_0_1

NAME = "agent"
ERROR_INPUT = "Error Input. Your input must contains 'Action: '"
"""The words of the paper's wrapper for an answer without an action."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """Differences between the protocols."""

    name: str
    text: TextFormat
    max_steps: int
    short_texts: bool
    """As in the paper's code: the welcome line and "You arrive at loc N. " are left out."""


@dataclass(frozen=True, slots=True)
class Wording:
    """Treatment of commands that are right but for their wording."""

    accept: bool
    """Do them, and note it; else they are only noted."""
    put_only: bool = False
    """As in version 0.1: know the other text format's word for putting down, and nothing else."""

    def in_words_of(self, command: str, text: TextFormat) -> str | None:
        """The command in the text format's own words; None where that changes nothing."""
        if self.put_only:
            return reading_0_1.alfworld_put(command, text.put_verb, text.put_preposition)
        return in_other_words(command, text)


PROTOCOLS = {
    "alfworld-0.4.2": Protocol("alfworld-0.4.2", CURRENT, max_steps=MAX_STEPS["alfworld-0.4.2"], short_texts=False),
    "epo": Protocol("epo", OLD, max_steps=MAX_STEPS["epo"], short_texts=True),
}


class AlfworldPlay:
    """A game in one seat. Every step counts, also a malformed one; the last allowed step still acts."""

    __slots__ = (
        "_background",
        "_distance",
        "_game",
        "_length",
        "_log",
        "_max_steps",
        "_protocol",
        "_seen",
        "_view",
        "_wording",
    )

    def __init__(
        self,
        world: World,
        protocol: Protocol,
        max_steps: int,
        wording: Wording,
        before: tuple[World, str] | None = None,
        brief: bool = False,
        notes: bool = False,
    ) -> None:
        """`before`: the world as it began, and what was done since: the first observation is then of that beginning.
        `brief`: the background is the task and what was done, without the room and the last answer.
        `notes`: keep notes of what was seen, for prompts that hold nothing else."""
        self._protocol = protocol
        self._max_steps = max_steps
        self._wording = wording
        self._game = TextGame(world, max_steps)
        self._background = self._shown(self._game.observation)
        if before is not None and before[1]:
            self._background = f"{self._shown(TextGame(before[0]).observation)}\n\n{before[1]}"
        if brief:
            done = before[1].splitlines()[:1] if before else []
            self._background = "\n".join([world.sentence, *done])
        self._log, self._length = Log(), 0
        """The log of what was seen, and how much of it is of this game."""
        self._seen = Seen({}).and_now(world, self._game.state) if notes else None
        self._view: View | None = None
        """The view of the state as it is; None until it is asked for."""
        self._distance: int | None = None
        """Plan length from the start, once it was asked for."""

    @property
    def world(self) -> World:
        return self._game.world

    @property
    def state(self) -> State:
        """The whole state of the world; for planners and scripted agents, which must not change it."""
        return self._game.state

    @property
    def names(self) -> tuple[str, ...]:
        return (NAME,)

    @property
    def done(self) -> bool:
        return self._game.done

    @property
    def end_reason(self) -> str:
        if self._game.won:
            return "goal reached"
        return f"limit of {self._max_steps} steps" if self.done else ""

    @property
    def current_seat(self) -> int:
        return 0

    def view(self, seat: int) -> View:
        """The only seat's view. `available` are the admissible commands, sorted; the original offers them too."""
        if seat != 0:
            raise ValueError(f"ALFWorld has one seat, 0; asked for {seat}")
        if self._view is None:
            self._view = self._make_view()
        return self._view

    def _make_view(self) -> View:
        game = self._game
        return LoggedView.of(
            NAME,
            game.steps,
            self._max_steps,
            self._background,
            self._log,
            self._length,
            rules.admissible_commands(game.world, game.state),
            None if self._seen is None else notes(self.world, self.state, self._seen),
        )

    def step(self, seat: int, action: Action) -> StepResult:
        """Do a command. What is no admissible command is answered "Nothing happens." and marked in `info`:
        `malformed: true`, with `other_format: <the command as this protocol says it>` where it was right but for its
        wording. Kind "answer" is an answer in which the original's wrapper found no action. Raises `ValueError`."""
        game, command = self._game, action.text
        if seat != 0 or game.done:
            self._check(seat)
        if action.kind == ANSWER:
            return self._spend(command, ERROR_INPUT)
        self._view = None
        info: dict[str, Any] = {}
        answer = game.attempt(command)
        if answer is None:
            answer, info = self._do_otherwise(command)
        if self._seen is not None:
            self._seen = self._seen.and_now(self.world, self.state)
        shown = self._shown(answer) if self._protocol.short_texts else answer
        self._write_down(command, shown)
        return StepResult(command, 1.0 if game.won else 0.0, info)

    def _do_otherwise(self, command: str) -> tuple[str, dict[str, Any]]:
        """Do a command that is not admissible as it is written: the answer, and what is to be noted about it."""
        translated = self._in_own_words(command)
        if translated is not None and self._wording.accept:
            return self._game.step(translated), {"translated": translated}
        noted = {} if translated is None else {"other_format": translated}
        return self._game.step(command), {"malformed": True, "no_effect": True, **noted}

    def skip(self, seat: int) -> StepResult:
        """Spend a step without a command: the answer could not be read. Raises `ValueError` like `step`."""
        self._check(seat)
        return self._spend(SKIPPED, NOT_READ)

    def _check(self, seat: int) -> None:
        if seat != 0 or self.done:
            raise ValueError("the episode is over" if self.done else f"ALFWorld has one seat, 0; {seat} cannot act")

    def _spend(self, own: str, answer: str) -> StepResult:
        """Let a step pass in which the game is sent nothing."""
        self._view = None
        self._game.skip()
        self._write_down(own, answer)
        return StepResult(rendered=own, reward=float(self._game.won), info={"malformed": True, "no_effect": True})

    def _write_down(self, own: str, answer: str) -> None:
        self._log = self._log.add(self._length, own, answer)
        self._length += 2

    def _in_own_words(self, command: str) -> str | None:
        """The command that one in other words, which cannot be done, means here, if that could be done now."""
        translated = self._wording.in_words_of(command, self.world.text)
        return translated if translated is not None and self._could_do(translated) else None

    def _could_do(self, command: str) -> bool:
        return rules.apply(self.world, self.state.copy(), command) is not None

    def _shown(self, answer: str) -> str:
        if not self._protocol.short_texts:
            return answer
        if answer.startswith(texts.WELCOME):
            return "\n".join(answer.split("\n\n")[1:])
        return answer[answer.find(". ") + 2 :] if answer.startswith("You arrive at loc ") else answer

    def outcome(self) -> Outcome:
        won = self._game.won
        return Outcome(score=float(won), success=won, details={"steps": self._game.steps})

    def judge_background(self) -> str | None:
        return None

    def progress(self) -> Progress:
        """1 - remaining / plan length at the start, at least 0. Exact: `remaining` is the length of a shortest plan
        (None where none exists any more: a thing that fits nowhere was picked up)."""
        if self._game.won:
            return Progress(1.0, 0)
        remaining = remaining_actions(self.world, self.state)
        if self._distance is None:
            self._distance = remaining_actions(self.world, self.world.start) or 0
        if remaining is None or self._distance == 0:
            return Progress(0.0, remaining)
        return Progress(max(0.0, 1.0 - remaining / self._distance), remaining)

    def copy(self) -> AlfworldPlay:
        """An independent copy; only the world, which never changes, is shared."""
        other = AlfworldPlay.__new__(AlfworldPlay)
        for name in self.__slots__:
            setattr(other, name, getattr(self, name))
        other._game = self._game.copy()
        return other
