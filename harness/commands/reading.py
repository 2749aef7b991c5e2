"""`harness list` and `harness show`: read records, print them. Agents' words are printed as plain text (`say`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

import environments
from agents.models import REGISTRY as PROVIDERS
from agents.strategists import REGISTRY as STRATEGISTS
from agents.strategists import kind_of
from harness.commands.printing import say
from harness.commands.ranking import print_leaderboard
from harness.errors import BadInput
from harness.failures import failure_lines, grouped_failures
from harness.index import latest_episodes, latest_judgements, latest_process_rewards
from harness.judging import REGISTRY as JUDGES
from harness.judging import judge_kind
from harness.judging.process import REGISTRY as PROCESS_METHODS
from harness.judging.process import process_kind
from harness.records import EpisodeRecord, JudgementRecord, ProcessRewardRecord, StrategyReward
from harness.store import EPISODES, JUDGEMENTS, PROCESS_REWARDS, read_manifest, read_record


def list_command() -> int:
    console = Console()
    for name in environments.REGISTRY.names():
        _say_part(console, f"environment {name}", partial(_environment_lines, name))
    for name in STRATEGISTS.names():
        _say_part(console, f"strategist {name}", partial(lambda part: [kind_of(part).description], name))
    for name in PROVIDERS.names():
        say(console, f"provider {name}")
    for name in JUDGES.names():
        _say_part(console, f"judge {name}", partial(lambda part: [judge_kind(part).description], name))
    for name in PROCESS_METHODS.names():
        _say_part(console, f"process reward {name}", partial(lambda part: [process_kind(part).description], name))
    return 0


def _environment_lines(name: str) -> list[str]:
    environment = environments.make(name)
    lines = [f"{environment.seats} seat(s), protocol {environment.protocol}"]
    lines += [f"  split {split}: {line}" for split, line in environment.splits().items()]
    lines += [f"  scripted agent {script}: {entry.description}" for script, entry in environment.baselines.items()]
    return lines


def _say_part(console: Console, head: str, lines: Callable[[], list[str]]) -> None:
    """Print a part and what it says of itself; one that does not load here does not hide the others."""
    try:
        first, *rest = lines()
    except (ImportError, AttributeError, BadInput) as error:
        first, rest = f"not usable here ({error})", []
    say(console, "\n".join([f"{head}: {first}", *rest]))


def show_command(run: Path, episode: str | None) -> int:
    console = Console()
    if episode is None:
        manifest = read_manifest(run)
        say(console, f"run {manifest['run']}, made {manifest['created_at']}, judge {manifest['judge'] or 'none'}")
        print_leaderboard([run], "table", None, console)
        rows = latest_episodes(run).values()
        say(console, f"\n{len(rows)} episodes; `harness show {run} EPISODE` shows one:")
        for row in list(rows)[:10]:
            say(console, f"  {row['episode_id']}  {row['status']:8}  {row['cell']}  {row['task_id']}")
        say_failures(console, run)
        return 0
    show_episode(console, run, episode)
    return 0


def say_failures(console: Console, run: Path) -> None:
    """Why things failed in a run; nothing where nothing did."""
    lines = failure_lines(grouped_failures(run))
    if lines:
        say(console, "\n".join(["\nWhy things failed:", *lines]))


def show_episode(console: Console, run: Path, prefix: str) -> None:
    """The dialogue with strategies, actions and the judges' reasons. Raises `BadInput` for an unknown id."""
    read_manifest(run)
    rows = latest_episodes(run)
    matches = [key for key in rows if key.startswith(prefix)]
    if len(matches) != 1:
        raise BadInput(
            f"{run} has {len(matches)} episodes whose id begins with {prefix!r}; `harness show {run}` lists them"
        )
    record = read_record(run / EPISODES, rows[matches[0]]["offset"], EpisodeRecord)
    label = f" ({record.task_label})" if record.task_label else ""
    say(console, f"episode {record.episode_id}: {record.cell}\ntask {record.task_id}{label}, seed {record.seed}")
    for number, seat in enumerate(record.seats):
        mark = " (tested)" if seat.tested else ""
        say(console, f"\nseat {number}, {seat.name}{mark}: {seat.strategist} + {seat.actor}\n{seat.background.strip()}")
    process = process_rewards_of(run, record)
    rewards = [(each.label, reward) for each in process for reward in each.rewards or []]
    for turn in record.turns:
        say(console, f"\nturn {turn.index}, {record.seats[turn.seat].name}")
        if turn.strategy is not None:
            say(console, f"  strategy ({turn.strategy_source}): {turn.strategy}", "italic")
        for label, reward in rewards:
            if reward.turn == turn.index:
                say(console, f"  {_reward_line(label, reward)}", "cyan")
        say(console, f"  {turn.rendered}" + ("" if turn.parse == "ok" else f"   [{turn.parse}]"), "bold")
    end = f"failed, {record.error.kind}: {record.error.message}" if record.error else f"ended: {record.end_reason}"
    say(console, f"\n{end}; {len(record.calls)} model calls, {record.duration_s:.1f} s")
    if record.outcome:
        say(console, f"outcome: score {record.outcome.score:g}, success {record.outcome.success}")
    for each in process:
        if each.error:
            say(console, f"\nprocess reward {each.label}: unscored, {each.error.kind}: {each.error.message}")
        _say_flags(console, each.flags)
    for row in latest_judgements(run).values():
        if row["episode_id"] == record.episode_id:
            judgement = read_record(run / JUDGEMENTS, row["offset"], JudgementRecord)
            show_judgement(console, record, judgement)


def show_judgement(console: Console, record: EpisodeRecord, judgement: JudgementRecord) -> None:
    say(console, f"\njudge {judgement.judge}: {judgement.status}")
    if judgement.error:
        say(console, f"  {judgement.error.kind}: {judgement.error.message}")
    _say_flags(console, judgement.flags)
    for seat, scores, reasons in zip(record.seats, judgement.scores or [], judgement.reasons or [], strict=False):
        say(console, f"  {seat.name}: overall {scores['overall']:.2f}")
        for name, reason in reasons.items():
            say(console, f"    {name} {scores[name]:g}: {reason}")


def process_rewards_of(run: Path, record: EpisodeRecord) -> list[ProcessRewardRecord]:
    """The process rewards of an episode's last attempt, one record per method."""
    rows = latest_process_rewards(run).values()
    mine = [row for row in rows if (row["episode_id"], row["episode_attempt"]) == (record.episode_id, record.attempt)]
    return [read_record(run / PROCESS_REWARDS, row["offset"], ProcessRewardRecord) for row in mine]


def _reward_line(label: str, reward: StrategyReward) -> str:
    line = f"reward {reward.reward:+.2f} ({label})"
    return line + (f": {reward.reason}" if reward.reason else "")


def _say_flags(console: Console, flags: Sequence[str]) -> None:
    if flags:
        say(console, f"  texts that try to instruct the judge: {'; '.join(flags)}", "red")
