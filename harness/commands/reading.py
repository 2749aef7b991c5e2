"""`harness list`, `harness show` and `harness leaderboard`: read records, print them. Agents' words are printed as plain
text: no console markup, no control characters."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

import environments
from agents.models import REGISTRY as PROVIDERS
from agents.strategists import REGISTRY as STRATEGISTS
from agents.strategists import kind_of
from harness.errors import BadInput
from harness.index import latest_episodes, latest_judgements, latest_process_rewards
from harness.judging import REGISTRY as JUDGES
from harness.judging import judge_kind
from harness.judging.process import REGISTRY as PROCESS_METHODS
from harness.judging.process import process_kind
from harness.records import EpisodeRecord, JudgementRecord, ProcessRewardRecord, StrategyReward
from harness.store import EPISODES, JUDGEMENTS, PROCESS_REWARDS, read_manifest, read_record
from leaderboard.ranks import MIN_COVERAGE, ranked_table
from leaderboard.tables import PROCESS, find_runs, render_plain


def list_command() -> int:
    console = Console()
    for name in environments.REGISTRY.names():
        _say_part(console, f"environment {name}", partial(_environment_lines, name))
    for name in STRATEGISTS.names():
        _say_part(console, f"strategist {name}", partial(lambda part: [kind_of(part).description], name))
    for name in PROVIDERS.names():
        _say(console, f"provider {name}")
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
    _say(console, "\n".join([f"{head}: {first}", *rest]))


def show_command(run: Path, episode: str | None) -> int:
    console = Console()
    if episode is None:
        manifest = read_manifest(run)
        _say(console, f"run {manifest['run']}, made {manifest['created_at']}, judge {manifest['judge'] or 'none'}")
        print_leaderboard([run], "table", None, console)
        rows = latest_episodes(run).values()
        _say(console, f"\n{len(rows)} episodes; `harness show {run} EPISODE` shows one:")
        for row in list(rows)[:10]:
            _say(console, f"  {row['episode_id']}  {row['status']:8}  {row['cell']}  {row['task_id']}")
        return 0
    show_episode(console, run, episode)
    return 0


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
    _say(console, f"episode {record.episode_id}: {record.cell}\ntask {record.task_id}{label}, seed {record.seed}")
    for number, seat in enumerate(record.seats):
        mark = " (tested)" if seat.tested else ""
        _say(
            console, f"\nseat {number}, {seat.name}{mark}: {seat.strategist} + {seat.actor}\n{seat.background.strip()}"
        )
    process = process_rewards_of(run, record)
    rewards = [(each.label, reward) for each in process for reward in each.rewards or []]
    for turn in record.turns:
        _say(console, f"\nturn {turn.index}, {record.seats[turn.seat].name}")
        if turn.strategy is not None:
            _say(console, f"  strategy ({turn.strategy_source}): {turn.strategy}", "italic")
        for label, reward in rewards:
            if reward.turn == turn.index:
                _say(console, f"  {_reward_line(label, reward)}", "cyan")
        _say(console, f"  {turn.rendered}" + ("" if turn.parse == "ok" else f"   [{turn.parse}]"), "bold")
    end = f"failed, {record.error.kind}: {record.error.message}" if record.error else f"ended: {record.end_reason}"
    _say(console, f"\n{end}; {len(record.calls)} model calls, {record.duration_s:.1f} s")
    if record.outcome:
        _say(console, f"outcome: score {record.outcome.score:g}, success {record.outcome.success}")
    for each in process:
        if each.error:
            _say(console, f"\nprocess reward {each.label}: unscored, {each.error.kind}: {each.error.message}")
        _say_flags(console, each.flags)
    for row in latest_judgements(run).values():
        if row["episode_id"] == record.episode_id:
            judgement = read_record(run / JUDGEMENTS, row["offset"], JudgementRecord)
            show_judgement(console, record, judgement)


def show_judgement(console: Console, record: EpisodeRecord, judgement: JudgementRecord) -> None:
    _say(console, f"\njudge {judgement.judge}: {judgement.status}")
    if judgement.error:
        _say(console, f"  {judgement.error.kind}: {judgement.error.message}")
    _say_flags(console, judgement.flags)
    for seat, scores, reasons in zip(record.seats, judgement.scores or [], judgement.reasons or [], strict=False):
        _say(console, f"  {seat.name}: overall {scores['overall']:.2f}")
        for name, reason in reasons.items():
            _say(console, f"    {name} {scores[name]:g}: {reason}")


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
        _say(console, f"  texts that try to instruct the judge: {'; '.join(flags)}", "red")


def leaderboard_command(arguments: argparse.Namespace) -> int:
    from leaderboard.tables import check_judge

    if arguments.published and arguments.runs == [Path("results")] and not any(Path("results").glob("*/manifest.json")):
        runs = []
    else:
        runs = find_runs(arguments.runs)
    if arguments.judge is not None:
        check_judge(runs, arguments.judge)
    if arguments.published:
        from harness.commands.published import print_published, published_json

        if arguments.format == "json":
            print(published_json(runs, arguments.judge, arguments.min_coverage))
            return 0
        if arguments.format == "csv" or not runs:
            print_published(arguments.format, bool(runs))
            return 0
    print_leaderboard(runs, arguments.format, arguments.judge, Console(), arguments.min_coverage)
    if arguments.published:
        print_published(arguments.format, True)
    if arguments.html is not None:
        from leaderboard.board import open_board
        from leaderboard.page import write_page

        page = write_page(open_board(runs, arguments.judge, arguments.min_coverage), arguments.html)
        # standard output is the table's alone
        _say(Console(stderr=True), f"page: {page}")
    return 0


COLUMNS = (
    "environment", "split", "pairing", "assisted", "actor", "strategist", "rank", "tied_with", "goal", "interval",
    "overall", "planned", "finished", "failed", "unscored", "tasks", "groups", "calls", "tokens", "usd",
)  # fmt: skip
HEADINGS = {"interval": "95 %", "usd": "USD", "tied_with": "tied with"}


def print_leaderboard(
    runs: Sequence[Path], form: str, judge: str | None, console: Console, min_coverage: float = MIN_COVERAGE
) -> None:
    """The ranking in one of its forms; csv and json carry full precision."""
    table = ranked_table(runs, judge, min_coverage)
    if form == "csv":
        table.to_csv(sys.stdout, index=False)
    elif form == "json":
        print(json.dumps(json.loads(table.to_json(orient="records")), indent=2, ensure_ascii=False))
    else:
        rows = [_texts(row) for row in table.to_dict("records")]
        names = (["run"] if len(runs) > 1 else []) + list(COLUMNS)
        process = [str(name) for name in table.columns if str(name).startswith(PROCESS)]
        headings = HEADINGS | _process_headings(process)
        if form == "markdown":
            _print_markdown([*names, *process], rows, headings)
        else:
            _print_table(console, [*names, *process], rows, headings)


def _texts(row: dict[Any, Any]) -> dict[str, str]:
    texts = {str(key): render_plain(value) for key, value in row.items()}
    texts["interval"] = "–" if texts["goal"] == "–" else f"{row['low']:.2f} … {row['high']:.2f}"
    texts["usd"] = "unknown" if row["usd"] is None or row["usd"] != row["usd"] else f"{row['usd']:.4f}"
    texts["rank"] = _rank_text(row)
    for key in ("calls", "tokens"):
        texts[key] = "unknown" if row[key] is None or row[key] != row[key] else str(int(row[key]))
    return texts


def _rank_text(row: dict[Any, Any]) -> str:
    """`2 (1 to 3)`: by the mean, and the places it could have."""
    if pd.isna(row["rank"]):
        return "–"
    return f"{row['rank']} ({row['rank_low']} to {row['rank_high']})"


def _process_headings(columns: Sequence[str]) -> dict[str, str]:
    """`reward METHOD`, or the whole label where a method was used with several judges or options."""
    methods = [name.removeprefix(PROCESS).split("/")[0] for name in columns]
    return {
        name: f"reward {method if methods.count(method) == 1 else name.removeprefix(PROCESS)}"
        for name, method in zip(columns, methods, strict=True)
    }


def _print_table(console: Console, names: list[str], rows: list[dict[str, str]], headings: dict[str, str]) -> None:
    shared = {
        name: rows[0][name]
        for name in ("environment", "split", "pairing", "assisted", "actor")
        if len({r[name] for r in rows}) == 1
    }
    shown = [name for name in names if name not in shared]
    if shared:
        _say(console, ", ".join(f"{name} {value}" for name, value in shared.items()))
    table = Table(box=None, pad_edge=False)
    for name in shown:
        right = name not in ("run", "environment", "split", "pairing", "assisted", "actor", "strategist", "tied_with")
        table.add_column(headings.get(name, name), justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[name]) for name in shown))
    wide = console if console.is_terminal else Console(width=280)
    wide.print(table)


def _print_markdown(names: list[str], rows: list[dict[str, str]], headings: dict[str, str]) -> None:
    print("| " + " | ".join(headings.get(name, name) for name in names) + " |")
    print("|" + "---|" * len(names))
    for row in rows:
        print("| " + " | ".join(row[name].replace("|", "\\|") for name in names) + " |")


def _say(console: Console, text: str, style: str = "") -> None:
    """Print text that may hold agents' words: nothing in it is markup, control characters are shown as codes."""
    safe = "".join(char if char.isprintable() or char == "\n" else f"\\x{ord(char):02x}" for char in text)
    console.print(Text(safe, style=style), soft_wrap=True)
