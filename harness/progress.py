"""What a person sees while a run is at work: a live table on a terminal, plain lines elsewhere. Draws, decides nothing.

Names and counts only: no agent's words are printed, so nothing they write can act as console markup.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.invocation import as_called
from harness.metering import Meter
from harness.money import UNKNOWN
from harness.plan import Unit
from harness.scoring import Scored

PLAIN_EVERY_S = 10.0


class Progress:
    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.meter = Meter()
        self._cells: dict[str, dict[str, int]] = {}
        self._total = self._left = self._already = 0
        self._begun = self._last_line = 0.0
        self._live: Live | None = None
        self._waits: list[tuple[str, float]] = []
        """Models whose endpoint's quota is being waited for, and for how many seconds yet."""
        self._said_wait = 0.0

    @contextmanager
    def showing(self, meter: Meter, planned: int, jobs: Sequence[Any]) -> Iterator[None]:
        """Show progress over the jobs of a run that has `planned` episodes."""
        self.meter, self._total, self._left = meter, planned, len(jobs)
        self._already = planned - len(jobs)
        self._begun = self._last_line = time.monotonic()
        for job in jobs:
            self._counts(job.unit.cell)["waiting"] += 1
        if not jobs:
            yield
        elif self.console.is_terminal:
            with Live(
                get_renderable=self._table, console=self.console, refresh_per_second=4, transient=True
            ) as self._live:
                yield
        else:
            self.say(self._line())
            yield
            self.say(self._line())

    def say(self, text: str) -> None:
        """Print one line of our own words."""
        self.console.print(Text(as_called(text)), soft_wrap=True)

    def waits(self, waits: list[tuple[str, float]]) -> None:
        """Take over whose quotas are being waited for; where there is no table, say so at once, and now and then."""
        now = time.monotonic()
        new = {name for name, _ in waits} - {name for name, _ in self._waits}
        self._waits = waits
        if waits and not self.console.is_terminal and (new or now - self._said_wait > PLAIN_EVERY_S):
            self._said_wait = now
            self.say(self._waiting().removeprefix("; "))

    def _waiting(self) -> str:
        return "".join(f"; waiting for {name}'s quota, {left:.0f} s" for name, left in self._waits)

    def started(self, unit: Unit) -> None:
        counts = self._counts(unit.cell)
        counts["waiting"] -= 1
        counts["running"] += 1

    def scored(self, unit: Unit, got: Scored) -> None:
        if any(each.status == "unscored" for each in got.judgements) or any(
            each.status == "unscored" for each in got.rewards
        ):
            self._counts(unit.cell)["unscored"] += 1

    def ended(self, unit: Unit, *, failed: bool) -> None:
        counts = self._counts(unit.cell)
        counts["running"] -= 1
        counts["failed" if failed else "done"] += 1
        self._left -= 1
        if not self.console.is_terminal and time.monotonic() - self._last_line > PLAIN_EVERY_S:
            self._last_line = time.monotonic()
            self.say(self._line())

    def _counts(self, cell: str) -> dict[str, int]:
        return self._cells.setdefault(cell, dict.fromkeys(("waiting", "running", "done", "failed", "unscored"), 0))

    def _sum(self, key: str) -> int:
        return sum(counts[key] for counts in self._cells.values())

    def _eta(self) -> str:
        done = self._sum("done") + self._sum("failed")
        if not done:
            return "?"
        return clock((time.monotonic() - self._begun) / done * self._left)

    def _line(self) -> str:
        meter = self.meter
        recorded = f" ({meter.from_record} from the record)" if meter.from_record else ""
        return (
            f"{self._total - self._left}/{self._total} episodes"
            f" ({self._already} were there), {self._sum('running')} running, {self._sum('failed')} failed,"
            f" {self._sum('unscored')} unscored; {meter.calls} calls{recorded}, {meter.calls_per_second():.1f}/s,"
            f" {meter.prompt_tokens + meter.completion_tokens} tokens, {_money(meter)}; left {self._eta()}"
            f"{self._waiting()}"
        )

    def _table(self) -> Table:
        table = Table(title=None, box=None, pad_edge=False)
        table.add_column("cell", overflow="fold")
        for name in ("waiting", "running", "done", "failed", "unscored"):
            table.add_column(name, justify="right")
        for cell, counts in self._cells.items():
            table.add_row(
                Text(cell), *(str(counts[name]) for name in ("waiting", "running", "done", "failed", "unscored"))
            )
        table.caption = self._line()
        table.caption_justify = "left"
        return table


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _money(meter: Meter) -> str:
    told = meter.money_text()
    return "price unknown" if told == UNKNOWN else f"USD {told}"
