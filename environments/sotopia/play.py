"""One dialogue in progress."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from environments.base import Action, Event, Outcome, Progress, StepResult, View
from environments.sotopia import texts
from environments.sotopia.profiles import Character, Scenario
from environments.sotopia.rules import NONE, Rules, end_reason


@dataclass(frozen=True, slots=True)
class Scene:
    """Parts of an episode that never change; shared between copies of a play."""

    names: tuple[str, str]
    openings: tuple[str, str]
    """The first observation of each seat."""
    judge_context: str


def make_scene(scenario: Scenario, cast: tuple[Character, Character]) -> Scene:
    """The start of an episode: what each seat is told, and the judge."""
    first, second = (texts.opening(texts.seat_context(scenario, cast, seat)) for seat in (0, 1))
    return Scene((cast[0].name, cast[1].name), (first, second), texts.judge_context(scenario, cast))


@dataclass(slots=True)
class SotopiaPlay:
    """Seats take turns, seat 0 first. All state is the list of actions."""

    scene: Scene
    rules: Rules
    max_turns: int
    actions: list[Action] = field(default_factory=list)
    end_reason: str = ""
    """The original's words, reasons that fall together one after the other; empty while it runs."""

    @property
    def names(self) -> tuple[str, ...]:
        return self.scene.names

    @property
    def done(self) -> bool:
        return bool(self.end_reason)

    @property
    def current_seat(self) -> int:
        return len(self.actions) % 2

    def view(self, seat: int) -> View:
        return View(
            seat=seat,
            name=self.scene.names[seat],
            partner=self.scene.names[1 - seat],
            turn=len(self.actions),
            max_turns=self.rules.action_limit(self.max_turns),
            background=self.scene.openings[seat],
            events=tuple(self._event(turn) for turn in range(len(self.actions))),
            available=self.rules.kinds if seat == self.current_seat else (NONE,),
        )

    def _event(self, turn: int) -> Event:
        action, seat = self.actions[turn], turn % 2
        rendered = texts.render_action(action.kind, action.text)
        return Event(seat, texts.turn_text(turn, self.scene.names[seat], action.kind, rendered))

    def step(self, seat: int, action: Action) -> StepResult:
        if self.done:
            raise ValueError(f"the dialogue is over: {self.end_reason.strip()}")
        if seat != self.current_seat:
            raise ValueError(f"it is the turn of seat {self.current_seat}, not of seat {seat}")
        if action.kind not in self.rules.kinds:
            raise ValueError(f"no action type {action.kind!r} here; there are {', '.join(self.rules.kinds)}")
        self.actions.append(action)
        self.end_reason = end_reason(self.rules, [each.kind for each in self.actions], self.max_turns)
        info: dict[str, Any] = {"end_reason": self.end_reason} if self.done else {}
        if action.kind == NONE:
            info["no_effect"] = True
        return StepResult(texts.render_action(action.kind, action.text), info=info)

    def outcome(self) -> Outcome | None:
        """None: only a judge can tell."""
        return None

    def judge_background(self) -> str:
        return self.scene.judge_context

    def progress(self) -> Progress | None:
        """None: the world does not measure it."""
        return None

    def copy(self) -> SotopiaPlay:
        return replace(self, actions=list(self.actions))
