"""Output of `harness list`: every part that a run can use, with its own description."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rich.console import Console

import environments
from agents.models import REGISTRY as PROVIDERS
from agents.prompts import ACTOR_FIELDS
from agents.strategists import REGISTRY as STRATEGISTS
from agents.strategists import kind_of
from harness.base.errors import BadInput
from harness.commands.printing import say
from harness.judging.rewards.process import REGISTRY as PROCESS_METHODS
from harness.judging.rewards.process import process_kind
from harness.results.judge_kinds import REGISTRY as JUDGES
from harness.results.judge_kinds import judge_kind


def print_parts() -> int:
    """Print every environment, strategist, provider, judge and process reward."""
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
    lines += [f"  scripted strategist {name}: {entry.description}" for name, entry in environment.advisers.items()]
    return lines


def _say_part(console: Console, head: str, lines: Callable[[], list[str]]) -> None:
    """Print a part and what it says of itself; one that does not load here does not hide the others."""
    try:
        first, *rest = lines()
    except (ImportError, AttributeError, BadInput) as error:
        first, rest = f"not usable here ({error})", []
    say(console, "\n".join([f"{head}: {first}", *rest]))
