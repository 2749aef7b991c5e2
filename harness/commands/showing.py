"""A run or one episode in a terminal: the ranking and what failed, or the dialogue with strategies, the world's answers, and how
the models' answers were read. Agents' words are printed as plain text (`say`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from harness.base.counts import counted
from harness.base.errors import BadInput
from harness.base.invocation import as_called
from harness.base.money import price_text
from harness.commands.printing import say
from harness.results.index import latest_episodes, latest_judgements, latest_process_rewards
from harness.results.ledger import call_row, is_unreadable, turn_row, without_effect
from harness.results.scalars import COST_FIELDS, call_costs
from harness.results.soundness import check_run
from harness.results.store import EPISODES, JUDGEMENTS, PROCESS_REWARDS, read_record
from harness.runs.failures import failure_lines, grouped_failures
from harness.runs.summary import cost_lines, costs_in

if TYPE_CHECKING:
    from harness.results.records import (
        CallRecord,
        EpisodeRecord,
        JudgementRecord,
        ProcessRewardRecord,
        StrategyReward,
        TurnRecord,
    )

SHOWN = 1000
"""Characters of a world's answer, or of an unreadable one, that are shown without --full."""


def find_episode(run: Path, prefix: str) -> EpisodeRecord:
    """The episode whose id begins so. Raises `BadInput` when there is none, or several."""
    from harness.results.records import EpisodeRecord

    check_run(run)
    rows = latest_episodes(run)
    matches = [key for key in rows if key.startswith(prefix)]
    if len(matches) != 1:
        raise BadInput(
            f"{run} has {len(matches) or 'no'} episodes whose id begins with {prefix!r}; `harness show {run}` lists the "
            f"first of all {len(rows)}, `harness export {run} --to csv --out FILE` every one"
        )
    return read_record(run / EPISODES, rows[matches[0]]["offset"], EpisodeRecord)


def show_episode(console: Console, run: Path, prefix: str, full: bool = False) -> None:
    """The dialogue with the judges' reasons. `full`: with the models' reasoning, and no text cut. Raises `BadInput` for an
    unknown id."""
    from harness.results.records import JudgementRecord

    record = find_episode(run, prefix)
    label = f" ({record.task_label})" if record.task_label else ""
    say(console, f"episode {record.episode_id}: {record.cell}\ntask {record.task_id}{label}, seed {record.seed}")
    for number, seat in enumerate(record.seats):
        mark = " (tested)" if seat.tested else ""
        say(console, f"\nseat {number}, {seat.name}{mark}: {seat.strategist} + {seat.actor}\n{seat.background.strip()}")
    process = process_rewards_of(run, record)
    rewards = [(each.label, reward) for each in process for reward in each.rewards or []]
    page = _Page(console, record, full)
    for number, turn in enumerate(record.turns):
        page.turn(number, [(name, reward) for name, reward in rewards if reward.turn == turn.index])
    page.unfinished()
    _show_end(console, record)
    for each in process:
        if each.error:
            say(console, f"\nprocess reward {each.label}: unscored, {each.error.kind}: {each.error.message}")
        _say_flags(console, each.flags)
    for row in latest_judgements(run).values():
        if row["episode_id"] == record.episode_id:
            judgement = read_record(run / JUDGEMENTS, row["offset"], JudgementRecord)
            show_judgement(console, record, judgement, full)


def _show_end(console: Console, record: EpisodeRecord) -> None:
    end = (
        f"failed, {record.error.kind}: {record.error.message}"
        if record.error
        else f"ended: {record.end_reason.strip('; ')}"
    )
    costs = call_costs([call.model_dump(include=COST_FIELDS) for call in record.calls])
    price = price_text(costs["usd_known"], "spent", costs["usd_unknown_calls"])
    say(console, f"\n{end}; {counted(len(record.calls), 'model call')}, USD {price}, {record.duration_s:.1f} s")
    if record.outcome:
        say(console, f"outcome: score {record.outcome.score:g}, success {record.outcome.success}")


@dataclass(frozen=True, slots=True)
class _Page:
    """Prints the turns of one episode."""

    console: Console
    record: EpisodeRecord
    full: bool

    def turn(self, number: int, rewards: Iterable[tuple[str, StrategyReward]]) -> None:
        turn, record = self.record.turns[number], self.record
        calls = [call for call in record.calls if call.turn == turn.index]
        self._say(f"\nturn {turn.index}, {record.seats[turn.seat].name}")
        self._thinking(calls, "strategist")
        if turn.strategy is not None:
            self._say(f"  strategy ({turn.strategy_source}): {turn.strategy}", "italic")
        for label, reward in rewards:
            self._say(f"  {_reward_line(label, reward)}", "cyan")
        self._thinking(calls, "actor")
        marks = "".join(f"   [{mark}]" for mark in marks_of(record, turn, calls))
        self._say(f"  {turn.rendered}{marks}", "bold")
        if turn.raw is not None and turn.raw != turn.rendered:
            self._say(f"  the answer: {self._cut(turn.raw)}", "yellow")
        for text in answers_of_world(record, number):
            self._say(f"  world: {self._cut(text)}")

    def unfinished(self) -> None:
        """Calls behind the last turn: those of a turn that came to nothing."""
        done = {turn.index for turn in self.record.turns}
        for number in sorted({call.turn for call in self.record.calls if call.turn is not None} - done):
            calls = [call for call in self.record.calls if call.turn == number]
            self._say(f"\nturn {number}, {self.record.seats[calls[0].seat].name}: not finished")
            for role in dict.fromkeys(call.role for call in calls):
                self._thinking(calls, role)
                for call in calls:
                    if call.role == role and call.text is not None and not is_unreadable(call_row(call)):
                        self._say(f"  {role}: {self._cut(call.text)}")

    def _thinking(self, calls: Sequence[CallRecord], role: str) -> None:
        """The reasoning before each answer of a role, folded, and those of its answers that could not be read."""
        for call in calls:
            if call.role != role:
                continue
            if call.reasoning:
                self._say(f"  {reasoning_line(call.reasoning, role, self.full)}", "dim")
            if call.text is not None and is_unreadable(call_row(call)):
                self._say(f"  could not be read ({role}): {self._cut(call.text)}", "yellow")

    def _cut(self, text: str) -> str:
        if self.full or len(text) <= SHOWN:
            return text
        return f"{text[:SHOWN]} […, {counted(len(text), 'character')}; --full shows them]"

    def _say(self, text: str, style: str = "") -> None:
        say(self.console, text, style)


def reasoning_line(text: str, role: str, full: bool) -> str:
    """The reasoning, or how long it is."""
    return (
        f"reasoning ({role}): {text}"
        if full
        else f"reasoning ({role}): {counted(len(text), 'character')} (--full shows it)"
    )


def marks_of(record: EpisodeRecord, turn: TurnRecord, calls: Iterable[CallRecord]) -> Iterator[str]:
    """The marks of a turn: how its answer was read, and that it had no effect."""
    if turn.parse != "ok":
        yield {"reasked": "asked again"}.get(turn.parse, turn.parse)
    elif any(call.read == "mended" for call in calls if call.role == "actor"):
        yield "mended"
    if without_effect(record.environment, turn_row(turn)):
        yield "no effect"


def answers_of_world(record: EpisodeRecord, number: int) -> list[str]:
    """The texts that the seat of a turn saw after its act, up to its next one: without its own act, and without the acts of
    other seats, which stand in their own turns."""
    turn = record.turns[number]
    later = record.turns[number + 1 :]
    following = next((each.observation for each in later if each.seat == turn.seat), None)
    texts = record.seats[turn.seat].closing if following is None else following
    if texts and any(_is_echo(texts[0], own) for own in (turn.action, turn.rendered)):
        texts = texts[1:]
    others = [each.rendered for each in [turn, *later]] if len(record.seats) > 1 else []
    return [text for text in texts if text.strip() and not any(other and other in text for other in others)]


def _is_echo(text: str, act: str) -> bool:
    """True if a text is only the act itself, if with a word such as `Action:` before it."""
    return bool(act.strip()) and text.strip().endswith(act.strip()) and len(text.strip()) <= len(act.strip()) + 12


def show_judgement(console: Console, record: EpisodeRecord, judgement: JudgementRecord, full: bool = False) -> None:
    """A judgement with its reasons."""
    say(console, f"\njudge {judgement.judge}: {judgement.status}")
    if judgement.error:
        say(console, f"  {judgement.error.kind}: {judgement.error.message}")
    _say_flags(console, judgement.flags)
    for call in judgement.calls:
        if call.reasoning:
            say(console, f"  {reasoning_line(call.reasoning, 'judge', full)}", "dim")
        if call.text is not None and is_unreadable(call_row(call)):
            say(console, f"  could not be read (judge): {call.text if full else call.text[:SHOWN]}", "yellow")
    for seat, scores, reasons in zip(record.seats, judgement.scores or [], judgement.reasons or [], strict=False):
        shown = [name for name in scores if name == "overall" or name not in reasons]
        say(console, f"  {seat.name}: " + (", ".join(f"{name} {scores[name]:.2f}" for name in shown) or "judged"))
        for name, reason in reasons.items():
            say(console, f"    {name} {scores[name]:g}: {reason}" if name in scores else f"    {name}: {reason}")


def process_rewards_of(run: Path, record: EpisodeRecord) -> list[ProcessRewardRecord]:
    """The process rewards of an episode's last attempt, one record per method."""
    from harness.results.records import ProcessRewardRecord

    rows = latest_process_rewards(run).values()
    mine = [row for row in rows if (row["episode_id"], row["episode_attempt"]) == (record.episode_id, record.attempt)]
    return [read_record(run / PROCESS_REWARDS, row["offset"], ProcessRewardRecord) for row in mine]


def _reward_line(label: str, reward: StrategyReward) -> str:
    line = f"reward {reward.reward:+.2f} ({label})"
    return line + (f": {reward.reason}" if reward.reason else "")


def _say_flags(console: Console, flags: Sequence[str]) -> None:
    if flags:
        say(console, f"  texts that try to instruct the judge: {'; '.join(flags)}", "red")


LISTED = 10
"""Episodes of a run that `show` lists."""


def show_run(run: Path, episode: str | None, full: bool = False) -> int:
    """Print a run's ranking, how its models' replies were read, and why things failed; or one episode."""
    console = Console()
    if episode is None:
        from harness.commands.interface import print_ledgers
        from harness.commands.ranking import print_leaderboard

        manifest = check_run(run)
        say(console, f"run {manifest['run']}, made {manifest['created_at']}, judge {manifest['judge'] or 'none'}")
        (loaded,) = print_leaderboard([run], "table", None, console)
        rows = latest_episodes(run).values()
        for line in cost_lines(costs_in(run)):
            say(console, line)
        if rows:
            first = f", the first {LISTED} of them" if len(rows) > LISTED else ""
            say(
                console, as_called(f"\n{counted(len(rows), 'episode')}{first}; `harness show {run} EPISODE` shows one:")
            )
        for row in list(rows)[:LISTED]:
            say(console, f"  {row['episode_id']}  {row['status']:8}  {row['cell']}  {row['task_id']}")
        print_ledgers(console, loaded.arms.arms)
        say_failures(console, run)
        return 0
    show_episode(console, run, episode, full)
    return 0


def say_failures(console: Console, run: Path) -> None:
    """Print why things failed in a run; nothing if nothing did."""
    lines = failure_lines(grouped_failures(run))
    if lines:
        say(console, "\n".join(["\nWhy things failed:", *lines]))
