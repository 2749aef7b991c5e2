"""One episode of shopping behind the common contract, and how near it is to its goal."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from environments.base import NOT_READ, SKIPPED, Action, Event, Outcome, Play, Progress, StepResult, View
from environments.webshop.action_format import ANSWER
from environments.webshop.options import ObservationMode
from environments.webshop.shop import planning
from environments.webshop.shop.simulator import Session, ShopFault

INVALID_FORMAT = "Invalid format"
"""Answer of the paper's protocol to an answer that holds no action; it costs a step."""

_LOOKS_LIKE_ACTION = re.compile(r"\s*(?:search|click)\[.+\]")


@dataclass(frozen=True, slots=True)
class PlaySettings:
    """Options of the environment that matter to an episode."""

    mode: ObservationMode
    max_steps: int
    observation_limit: int | None
    """Observations longer than this many characters are cut (None: never)."""


@dataclass
class WebShopPlay:
    """One episode in progress: one seat, one action a turn."""

    session: Session
    settings: PlaySettings
    turn: int = 0
    background: str = ""
    """The first observation."""
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.background = self.background or self._observe()

    @property
    def names(self) -> tuple[str, ...]:
        return ("Shopper",)

    @property
    def done(self) -> bool:
        return self.session.done or self.turn >= self.settings.max_steps

    @property
    def end_reason(self) -> str:
        if self.session.done:
            return "bought"
        return "step limit reached" if self.done else ""

    @property
    def current_seat(self) -> int:
        return 0

    def view(self, seat: int) -> View:
        return View(
            seat=seat,
            name=self.names[seat],
            partner=None,
            turn=self.turn,
            max_turns=self.settings.max_steps,
            background=self.background,
            events=tuple(self.events),
            available=self.available(),
        )

    def available(self) -> tuple[str, ...]:
        """Actions that are possible on the page now; "search[<words>]" stands for any search."""
        if self.done:
            return ()
        page = self.session.page
        search = ("search[<words>]",) if page.has_search_bar else ()
        return search + tuple(f"click[{name}]" for name in page.targets if name != "search")

    def step(self, seat: int, action: Action) -> StepResult:
        """Do an action. Raises `ValueError` when the episode is over or the seat does not exist.

        An action of kind "act" that is not of the form `search[…]` or `click[…]`, and every one of kind "answer", is an
        answer in which the original found no action: the page stays, the observation says so, a step is spent. Kind
        "command" goes to the shop whatever it says.
        """
        info: dict[str, Any]
        self._begin(seat)
        if action.kind == ANSWER or (action.kind == "act" and not _LOOKS_LIKE_ACTION.match(action.text)):
            info = {"malformed": True, "no_effect": True}
            return self._tell(action.text, action.text, INVALID_FORMAT, 0.0, info)
        info = {}
        try:
            if not self.session.act(action.text):
                info |= {"no_op": True, "no_effect": True}
        except ShopFault as fault:
            info["exception"] = {"type": fault.type, "message": fault.message}
        reward = 0.0
        if self.session.done and self.session.score is not None:
            reward = self.session.score.reward
            info |= {"end": "bought", "reward_parts": self.session.score.parts()}
        return self._tell(f"Action: {action.text}", action.text, self._observe(), reward, info)

    def skip(self, seat: int) -> StepResult:
        """Spend a step without an action: the answer could not be read. Raises `ValueError` like `step`."""
        self._begin(seat)
        return self._tell(SKIPPED, SKIPPED, NOT_READ, 0.0, {"malformed": True, "no_effect": True})

    def _begin(self, seat: int) -> None:
        if self.done or seat != 0:
            raise ValueError("the episode is over" if self.done else f"there is no seat {seat}")
        self.turn += 1

    def _tell(self, own: str, rendered: str, answer: str, reward: float, info: dict[str, Any]) -> StepResult:
        self.events += (Event(0, own), Event(None, answer))
        if self.done and "end" not in info:
            info["end"] = self.end_reason
        return StepResult(rendered, reward, info)

    def _observe(self) -> str:
        page = self.session.page
        text = page.text if self.settings.mode == "text" else page.rich_text
        limit = self.settings.observation_limit
        return text if limit is None or len(text) <= limit else f"{text[:limit].rstrip()} […]"

    def outcome(self) -> Outcome:
        """The reward of the purchase; 0 if nothing was bought."""
        session = self.session
        reward = session.reward or 0.0
        details: dict[str, Any] = {
            "bought": session.done,
            "goal": session.goal.id,
            "goal_broken": session.goal_broken,
        }
        if session.score is not None:
            details |= {"asin": session.asin, "options": dict(session.options), "parts": session.score.parts()}
        return Outcome(reward, reward == 1.0, details)

    def judge_background(self) -> None:
        """No judge is needed."""
        return None

    def progress(self) -> Progress:
        """The best of what can still be bought in the steps left: its reward, times the part of its way that is done.

        Once bought, the reward. Before, a bound: only the wanted product and those in sight are looked at.
        `remaining` counts the actions to that purchase.
        """
        if self.done:
            return Progress(self.session.reward or 0.0, 0, exact=True)
        found = planning.prospects(self.session, self.settings.max_steps - self.turn)
        if not found:
            return Progress(0.0, None, exact=False)
        best = max(found, key=lambda prospect: (prospect.earned, prospect.reward))
        return Progress(best.earned, best.remaining, exact=False)

    def copy(self) -> WebShopPlay:
        return replace(self, session=self.session.copy(), events=list(self.events))


def as_play(play: WebShopPlay) -> Play:
    """The same object, as the contract sees it (a type checker proves here that it fits)."""
    return play
