"""`harness play` at work: an experiment made of its options, with a person's seat as the actor, played by the usual machinery."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

import environments
from agents.person.writing import WRITINGS
from agents.strategists import REFERENCE, training_kinds
from harness.base.counts import counted
from harness.base.errors import BadInput
from harness.base.invocation import as_called
from harness.commands import EXIT_INTERRUPTED, EXIT_OK, EXIT_UNFINISHED
from harness.commands.named_models import named_model, with_key_for_one_host
from harness.commands.printing import say
from harness.commands.run_experiment import advising, play, run_folder
from harness.experiment.experiment import Experiment, apply_override, checked_experiment
from harness.results.records import EpisodeRecord, JudgementRecord, ProcessRewardRecord
from harness.runs.manifest import folder_name
from harness.runs.metering import Meter
from harness.runs.plan import Unit
from harness.runs.progress import Progress
from harness.runs.run import INTERRUPTED, Run, RunSummary
from harness.runs.runner import Stop
from harness.runs.standing import Standing

HUMAN = "human"
BESIDE = ("random", "rule", "expert", "oracle")
"""Scripted agents that play the same tasks, as floor and ceiling, where the environment has them."""
NO_HURRY_S = 1e8
"""A person may think for as long as they like."""


def play_run(arguments: argparse.Namespace) -> int:
    """Play as `harness play`'s arguments say. Raises `BadInput`."""
    experiment = played_experiment(arguments)
    name = folder_name(experiment, arguments.results) if arguments.name is None else arguments.name
    run = Run(experiment, run_folder(arguments.results, name))
    with advising():
        summary = play(run, arguments.results, ToPerson(), AtOnce())
    _print_end(summary)
    if summary.stopped == INTERRUPTED:
        return EXIT_INTERRUPTED
    return EXIT_OK if summary.complete else EXIT_UNFINISHED


def played_experiment(arguments: argparse.Namespace) -> Experiment:
    """The experiment that the options stand for. Raises `BadInput`."""
    options: dict[str, Any] = {}
    for each in arguments.option:
        apply_override(options, each)
    world = environments.make(arguments.environment, options)
    if arguments.task and arguments.tasks is not None:
        raise BadInput("--task names tasks, --tasks counts them: give one of the two")
    if world.seats == 1 and (arguments.partner or arguments.seat != 1):
        raise BadInput(f"{arguments.environment} has one seat: --partner and --seat are for two")
    models: dict[str, Any] = {
        HUMAN: {"provider": "scripted", "model": HUMAN, "function": _function(arguments.environment)}
    }
    strategist: dict[str, Any] = {"kind": REFERENCE}
    if arguments.strategist:
        models["strategist"] = named_model(arguments.strategist, key_env=arguments.key_env)
        strategist = {"kind": training_kinds()[0], "model": "strategist"}
    if arguments.judge:
        models["judge"] = named_model(arguments.judge, key_env=arguments.key_env)
    raw: dict[str, Any] = {
        "name": f"play-{arguments.environment}" if arguments.environment.isidentifier() else "play",
        "environments": [
            {
                "name": arguments.environment,
                "split": arguments.split,
                "tasks": arguments.task or arguments.tasks or 1,
                "options": options,
            }
        ],
        "models": models,
        "actors": [_actor(arguments)],
        "strategists": [strategist],
        "judge": {"model": "judge"} if arguments.judge else None,
        "limits": {
            "episodes_at_once": 1,
            "turn_seconds": NO_HURRY_S,
            "episode_seconds": NO_HURRY_S,
            "stuck_seconds": NO_HURRY_S,
        },
    }
    if world.seats == 1:
        beside = [] if arguments.alone else [script for script in BESIDE if script in world.baselines]
        raw["actors"] += [f"script:{script}" for script in beside]
    else:
        _seat_partner(raw, arguments)
    raw["models"] = with_key_for_one_host(raw["models"])
    return checked_experiment(raw, "harness play")


def _function(environment: str) -> str:
    return f"agents.person.seat:{environment if environment in WRITINGS else 'as_typed'}"


def _actor(arguments: argparse.Namespace) -> dict[str, Any]:
    own = {} if arguments.prompt is None else {"prompt": str(arguments.prompt)}
    return {"name": HUMAN, "model": HUMAN, **own}


def _seat_partner(raw: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Put the partner opposite."""
    named = arguments.partner or "script:small-talk"
    partner = {"name": "partner", "script": named.removeprefix("script:")}
    if not named.startswith("script:"):
        raw["models"]["partner"] = named_model(named, key_env=arguments.key_env)
        partner = {"name": "partner", "model": "partner"}
    raw["partners"] = [partner]
    raw["pairings"] = [{"actor": "partner", "orders": "first" if arguments.seat == 1 else "second"}]


class AtOnce(Stop):
    """Ends the game at play with the first Ctrl-C: what was typed is on record, so that nothing is lost."""

    told = "\nStopped."

    def drain(self, reason: str) -> None:
        """Take no new game, and end the one at play."""
        super().drain(reason)
        self.cancel_running()


class ToPerson(Progress):
    """Says nothing while a person plays but how their games ended."""

    @contextmanager
    def showing(self, meter: Meter, standing: Standing) -> Iterator[None]:
        """Show nothing: the terminal is the person's."""
        self.meter, self.standing = meter, standing
        yield

    def tick(self) -> None:
        """Print no line."""

    def recorded(self, unit: Unit, record: EpisodeRecord | JudgementRecord | ProcessRewardRecord) -> None:
        """Tell the person how their game ended."""
        super().recorded(unit, record)
        if isinstance(record, EpisodeRecord) and record.actor == HUMAN:
            say(Console(), _ended(record))


def _ended(record: EpisodeRecord) -> str:
    """The world's last words to the person, and the outcome."""
    seat = next(seat for seat in record.seats if seat.tested)
    if record.error is not None:
        return f"\nThe game ended: {record.error.message}."
    acts = sum(turn.seat == record.seats.index(seat) for turn in record.turns)
    told = f"{record.end_reason}, after {counted(acts, 'turn')} of yours"
    if record.outcome is not None:
        reached = "goal reached" if record.outcome.success else "goal not reached"
        told = f"{reached}, score {record.outcome.score:g} ({told})"
    return "\n".join(["", *(text.strip() for text in seat.closing if text.strip()), f"The game ended: {told}.", ""])


def _print_end(summary: RunSummary) -> None:
    from harness.commands.ranking import print_leaderboard

    console = Console()
    if summary.finished:
        print_leaderboard([summary.folder], "table", None, console)
    lines = [
        f"\n{summary.finished} of {counted(summary.planned, 'planned episode')} finished. Records: {summary.folder}",
        f"`harness show {summary.folder}` shows them; `harness leaderboard {summary.folder} OTHER_RUN …` ranks you beside "
        "models.",
    ]
    if not summary.complete and summary.missing:
        lines.append("The same command goes on where you stopped.")
    say(console, as_called("\n".join(lines)))
