"""`harness list` and `harness show RUN`: read records, print them. Agents' words are printed as plain text (`say`).
What needs pandas is imported when it is due."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

import environments
from agents.models import REGISTRY as PROVIDERS
from agents.prompts import ACTOR_FIELDS
from agents.strategists import REGISTRY as STRATEGISTS
from agents.strategists import kind_of
from harness.base.errors import BadInput
from harness.base.invocation import as_called
from harness.commands.printing import say
from harness.judging.rewards.process import REGISTRY as PROCESS_METHODS
from harness.judging.rewards.process import process_kind
from harness.results.index import latest_episodes
from harness.results.judge_kinds import REGISTRY as JUDGES
from harness.results.judge_kinds import judge_kind
from harness.results.soundness import check_run
from harness.runs.failures import failure_lines, grouped_failures
from harness.runs.summary import cost_lines, costs_in


def list_command() -> int:
    console = Console()
    for name in environments.REGISTRY.names():
        _say_part(console, f"environment {name}", partial(_environment_lines, name))
    say(console, f"actor MODEL: a model of the experiment\n  fields of its prompt: {ACTOR_FIELDS}")
    for name in STRATEGISTS.names():
        _say_part(console, f"strategist {name}", partial(_strategist_lines, name))
    for name in PROVIDERS.names():
        say(console, f"provider {name}")
    for name in JUDGES.names():
        _say_part(console, f"judge {name}", partial(_judge_lines, name))
    for name in PROCESS_METHODS.names():
        _say_part(console, f"process reward {name}", partial(lambda part: [process_kind(part).description], name))
    return 0


def _strategist_lines(name: str) -> list[str]:
    kind = kind_of(name)
    return [kind.description, *([f"  fields of its prompt: {kind.prompt_fields}"] if kind.needs_model else [])]


def _judge_lines(name: str) -> list[str]:
    kind = judge_kind(name)
    return [
        kind.description,
        *([] if kind.prompt_fields is None else [f"  fields of its prompt: {kind.prompt_fields}"]),
    ]


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


LISTED = 10
"""Episodes of a run that `show` lists."""


def show_command(run: Path, episode: str | None, full: bool = False) -> int:
    """A run's ranking, how its models' replies were read, and why things failed; or one episode."""
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
            say(console, as_called(f"\n{len(rows)} episodes{first}; `harness show {run} EPISODE` shows one:"))
        for row in list(rows)[:LISTED]:
            say(console, f"  {row['episode_id']}  {row['status']:8}  {row['cell']}  {row['task_id']}")
        print_ledgers(console, loaded.arms.arms)
        say_failures(console, run)
        return 0
    from harness.commands.showing import show_episode

    show_episode(console, run, episode, full)
    return 0


def say_failures(console: Console, run: Path) -> None:
    """Why things failed in a run; nothing where nothing did."""
    lines = failure_lines(grouped_failures(run))
    if lines:
        say(console, "\n".join(["\nWhy things failed:", *lines]))
