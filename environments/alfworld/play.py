"""One episode of ALFWorld behind the contract of `environments.base`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from environments.alfworld.actions import in_other_format
from environments.alfworld.engine import TextGame, rules, texts
from environments.alfworld.engine.state import State
from environments.alfworld.engine.world import CURRENT, OLD, TextFormat, World
from environments.alfworld.planner import remaining_actions
from environments.base import Action, Event, Outcome, Progress, StepResult, View

NAME = "agent"


@dataclass(frozen=True, slots=True)
class Protocol:
    """What the protocols differ in."""

    name: str
    text: TextFormat
    max_steps: int
    short_texts: bool
    """As in the paper's code: the welcome line and "You arrive at loc N. " are left out."""


PROTOCOLS = {
    "alfworld-0.4.2": Protocol("alfworld-0.4.2", CURRENT, max_steps=50, short_texts=False),
    "epo": Protocol("epo", OLD, max_steps=40, short_texts=True),
}


class AlfworldPlay:
    """A game in one seat. Every step counts, also a malformed one; the last allowed step still acts."""

    __slots__ = ("_accept_other_put", "_background", "_distance", "_events", "_game", "_max_steps", "_protocol")

    def __init__(
        self,
        world: World,
        protocol: Protocol,
        max_steps: int,
        accept_other_put: bool,
        before: tuple[World, str] | None = None,
        brief: bool = False,
    ) -> None:
        """`before`: the world as it began, and what was done since: the first observation is then of that beginning.
        `brief`: the background is the task and what was done, without the room and the last answer."""
        self._protocol = protocol
        self._max_steps = max_steps
        self._accept_other_put = accept_other_put
        self._game = TextGame(world, max_steps)
        self._background = self._shown(self._game.observation)
        if before is not None and before[1]:
            self._background = f"{self._shown(TextGame(before[0]).observation)}\n\n{before[1]}"
        if brief:
            done = before[1].splitlines()[:1] if before else []
            self._background = "\n".join([world.sentence, *done])
        self._events: tuple[Event, ...] = ()
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
        return View(
            seat=0,
            name=NAME,
            partner=None,
            turn=self._game.steps,
            max_turns=self._max_steps,
            background=self._background,
            events=self._events,
            available=tuple(self._game.admissible_commands),
        )

    def step(self, seat: int, action: Action) -> StepResult:
        """Do a command. What is no admissible command is answered "Nothing happens." and marked in `info`:
        `malformed: true`, with `other_format: <the command as this protocol says it>` where it was right but for the
        text format's word."""
        if seat != 0 or self.done:
            raise ValueError("the episode is over" if self.done else f"ALFWorld has one seat, 0; {seat} can not act")
        command = action.text
        info: dict[str, Any] = {}
        translated = self._in_this_format(command)
        if translated is not None and self._accept_other_put:
            command, info = translated, {"translated": translated}
        elif translated is not None:
            info = {"other_format": translated}
        answer = self._game.step(command)
        if not self._game.admissible:
            info = {"malformed": True, **info}
        self._events += (Event(0, action.text), Event(None, self._shown(answer)))
        return StepResult(rendered=action.text, reward=float(self._game.won), info=info)

    def _in_this_format(self, command: str) -> str | None:
        """What a command in the other text format means here, if it is one and could be done now."""
        translated = in_other_format(command, self.world.text)
        if translated is None or rules.apply(self.world, self.state.copy(), translated) is None:
            return None
        return translated

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
