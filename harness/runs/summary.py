"""Summary of a run, counted from its rows: episodes played, failures by reason, unfinished work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.base.counts import counted
from harness.base.money import broken_off_text, price_text
from harness.results.index import is_unplayed, latest_episodes, latest_judgements, latest_process_rewards
from harness.results.judge_panel import read_panel


@dataclass(frozen=True, slots=True)
class RunSummary:
    folder: Path
    planned: int
    finished: int
    failed: dict[str, int]
    """Error kind -> episodes whose last attempt failed so."""
    missing: int
    """Planned episodes that were not played."""
    unscored: int
    """Finished episodes that need a judge and have no score from the run's judge (a panel: from all of its judges)."""
    unrewarded: int
    """Finished episodes that lack a process reward the experiment asks for."""
    played_now: int
    judged_now: int
    torn: tuple[Path, ...]
    stopped: str | None
    """Reason the run ended early, in a line; a second one says what to do where the same command cannot go on as things are.
    None when it went through."""
    judge: str | None
    """Label of the run's judge; None where the experiment has none: then no score is missing."""
    later: tuple[str, ...] = ()
    """Sentences: how much is left for when an endpoint's quota opens."""

    @property
    def complete(self) -> bool:
        owed = self.unscored if self.judge is not None else 0
        return not self.failed and not self.missing and not owed and not self.unrewarded


@dataclass(frozen=True, slots=True)
class Costs:
    """Sums over the last rows of a run's episodes, judgements and process rewards."""

    calls: int = 0
    tokens: int = 0
    """Prompts, answers and reasoning, as far as they were counted."""
    reasoning: int = 0
    uncounted: bool = False
    """True where a row does not know all its tokens."""
    usd: float = 0.0
    """Known part of the money."""
    unpriced: int = 0
    """Calls that `usd` leaves out."""
    broken_off: int = 0
    """Attempts that were broken off."""


def costs_in(folder: Path) -> Costs:
    """Add up what a run's folder says was spent."""
    judgements = latest_judgements(folder, every=True)
    rows = [*latest_episodes(folder, SUMMED).values(), *judgements.values(), *latest_process_rewards(folder).values()]
    sums = {name: sum(row[name] or 0 for row in rows) for name in SUMMED}
    return Costs(
        calls=int(sums["n_calls"]),
        tokens=int(sums["prompt_tokens"] + sums["completion_tokens"]),
        reasoning=int(sums["reasoning_tokens"]),
        uncounted=any(row[name] is None for row in rows for name in ("prompt_tokens", "completion_tokens")),
        usd=sums["usd_known"],
        unpriced=int(sums["usd_unknown_calls"]),
        broken_off=int(sums["broken_off"]),
    )


SUMMED = (
    "n_calls", "prompt_tokens", "completion_tokens", "reasoning_tokens", "usd_known", "usd_unknown_calls", "broken_off",
)  # fmt: skip


def cost_lines(costs: Costs, unkept: int = 0) -> list[str]:
    """The costs for a person. `unkept`: attempts that were broken off beyond those that rows know."""
    if not costs.calls and not unkept:
        return []
    tokens = f"{'≥ ' if costs.uncounted else ''}{counted(costs.tokens, 'token')}"
    if costs.reasoning:
        tokens += f", {costs.reasoning:,} of them reasoning"
    broken_off = costs.broken_off + unkept
    lines = [f"Spent: USD {price_text(costs.usd, 'spent', costs.unpriced + unkept)}; {tokens}."]
    return lines + ([f"{broken_off_text(broken_off)}."] if broken_off else [])


def summarise(
    folder: Path,
    planned: Iterable[str],
    judge: str | None,
    played: int = 0,
    judged: int = 0,
    torn: tuple[Path, ...] = (),
    stopped: str | None = None,
) -> RunSummary:
    """Count a run's planned episodes (their ids) by what became of them. What was not played is the plan minus the rows:
    the ids are gone through once and not kept, however many they are."""
    episodes = latest_episodes(folder, ("status", "error", "n_turns", "n_calls", "needs_judge"))
    scored = _scored_by(folder, judge)
    failed: Counter[str] = Counter()
    count = finished = missing = unscored = 0
    for row in map(episodes.get, planned):
        count += 1
        if row is None or is_unplayed(row):
            missing += 1
        elif row["status"] == "failed":
            failed[row["error"]] += 1
        else:
            finished += 1
            unscored += row["needs_judge"] and row["episode_id"] not in scored
    return RunSummary(
        folder=folder,
        planned=count,
        finished=finished,
        failed=dict(failed),
        missing=missing,
        unscored=unscored,
        unrewarded=0,
        played_now=played,
        judged_now=judged,
        torn=torn,
        stopped=stopped,
        judge=judge,
    )


def _scored_by(folder: Path, judge: str | None) -> set[str]:
    """Ids of the episodes that a judge (or every judge of a panel) scored; None: that any judge did."""
    rows = [row for row in latest_judgements(folder).values() if row["status"] == "scored"]
    if judge is None:
        return {row["episode_id"] for row in rows}
    members, _ = read_panel(judge)
    by_judge = [{row["episode_id"] for row in rows if row["judge"] == member} for member in members]
    return set.intersection(*by_judge)
