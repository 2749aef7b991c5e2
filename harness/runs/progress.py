"""Display of a run at work: a live panel on a terminal, plain lines elsewhere. It decides nothing. Agents' words stand in the
panel only, escaped (`harness.base.plaintext`); lines hold names and counts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from harness.base.counts import counted
from harness.base.invocation import as_called
from harness.base.money import UNKNOWN
from harness.base.plaintext import one_line
from harness.results.records import EpisodeRecord, JudgementRecord, ProcessRewardRecord
from harness.runs.metering import Meter
from harness.runs.panel import RunPanel, arm_of, failed_by, goal_text, place_of
from harness.runs.plan import Unit
from harness.runs.standing import Standing

PLAIN_EVERY_S = 10.0
REFRESHED = 2.0
"""Times a second that the panel is drawn."""
NAMED = 6
"""Arms whose goal stands in a plain line."""


class Progress:
    """Shows one run at a time; told of everything that happens in it."""

    def __init__(self, console: Console | None = None, title: str = "", what: str = "episodes") -> None:
        """`title`: what the panel is called, where that is not the run's name. `what`: what is counted, in the plural."""
        self.console = console or Console(stderr=True)
        self.meter = Meter()
        self.standing = Standing()
        self._title, self._what = title, what
        self._begun = self._last_line = 0.0
        self._waits: list[tuple[str, float]] = []
        """Models whose endpoint's quota is being waited for, and for how many seconds yet."""
        self._said_wait = 0.0

    @contextmanager
    def showing(self, meter: Meter, standing: Standing) -> Iterator[None]:
        """Show progress while this lasts."""
        self.meter, self.standing = meter, standing
        self._begun = self._last_line = time.monotonic()
        if not standing.left:
            yield
        elif self.console.is_terminal:
            panel = RunPanel(standing, self._title or standing.title, self.parts)
            with Live(panel, console=self.console, refresh_per_second=REFRESHED, transient=True):
                yield
        elif self.console.is_jupyter:  # who waits for the run draws the panel there
            yield
        else:
            self.say(self.line())
            yield
            self.say(self.line())

    def say(self, text: str) -> None:
        """Print one line of our own words."""
        self.console.print(Text(as_called(text)), soft_wrap=True)

    def waits(self, waits: list[tuple[str, float]]) -> None:
        """Take over whose quotas are being waited for; where there is no panel, say so at once, and now and then."""
        now = time.monotonic()
        new = {name for name, _ in waits} - {name for name, _ in self._waits}
        self._waits = waits
        if waits and not self.console.is_terminal and (new or now - self._said_wait > PLAIN_EVERY_S):
            self._said_wait = now
            self.say("; ".join(self._waiting()))

    def _waiting(self) -> list[str]:
        return [f"waiting for {name}'s quota, {left:.0f} s" for name, left in self._waits]

    def started(self, unit: Unit) -> None:
        """An episode is played (or scored) from now on."""
        self.standing.started(unit.cell)

    def recorded(self, unit: Unit, record: EpisodeRecord | JudgementRecord | ProcessRewardRecord) -> None:
        """A record of that episode was written."""
        self.standing.recorded(unit.cell, record)

    def ended(self, unit: Unit, *, failed: bool) -> None:
        """An episode has all that it will get now."""
        self.standing.ended(unit.cell, failed=failed)
        self.tick()

    def tick(self) -> None:
        """Print a line from time to time if there is no panel."""
        panel = self.console.is_terminal or self.console.is_jupyter
        if not panel and time.monotonic() - self._last_line > PLAIN_EVERY_S:
            self._last_line = time.monotonic()
            self.say(self.line())

    def _eta(self) -> str:
        standing = self.standing
        done = standing.planned - standing.left - standing.there
        return clock((time.monotonic() - self._begun) / done * standing.left) if done else "?"

    def parts(self) -> list[str]:
        """Counts, calls, tokens and money: each a few words."""
        standing, meter = self.standing, self.meter
        there = f" ({standing.there} were there)" if standing.there or not self.console.is_terminal else ""
        recorded = f" ({meter.from_record} from the record)" if meter.from_record else ""
        return [
            f"{standing.planned - standing.left}/{standing.planned} {self._what}{there}",
            f"{standing.sum('running')} running",
            f"{standing.sum('failed')} failed",
            f"{standing.sum('unscored')} unscored",
            *([f"left {self._eta()}"] if standing.left else []),
            f"{counted(meter.calls, 'call')}{recorded}",
            f"{meter.calls_per_second():.1f}/s",
            counted(meter.prompt_tokens + meter.completion_tokens, "token"),
            _money(meter),
            *self._waiting(),
        ]

    def line(self) -> str:
        """The same as one plain line, with failures by reason and the goal so far."""
        reasons, goals = failed_by(self.standing), goals_text(self.standing)
        return "; ".join(
            [
                ", ".join(self.parts()),
                *([f"failed by reason: {', '.join(reasons)}"] if reasons else []),
                *([f"goal so far: {goals}"] if goals else []),
            ]
        )


def goals_text(standing: Standing) -> str:
    """`0.29 actor + strategist`, one behind the other, for the first arms that have a goal, by place where there are several;
    empty where none has one."""
    arms = list(standing.arms.items())
    known = [(cell, arm.goal) for cell, arm in arms if arm.goal is not None]
    several = len({place_of(cell) for cell, _ in arms}) > 1
    by_place: dict[str, list[str]] = {}
    for cell, goal in known[:NAMED]:
        by_place.setdefault(place_of(cell), []).append(f"{goal_text(goal)} {one_line(arm_of(cell))}")
    told = [f"{one_line(place)}: {', '.join(each)}" if several else ", ".join(each) for place, each in by_place.items()]
    more = len(known) - NAMED
    return "; ".join(told) + (f" and {more} more" if more > 0 else "")


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _money(meter: Meter) -> str:
    told = meter.money_text()
    return "price unknown" if told == UNKNOWN else f"USD {told}"
