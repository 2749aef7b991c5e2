"""`harness evaluate` at work: an experiment made of its options, played by the usual machinery, and the verdict at its end."""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

import environments
from agents.models import make_model
from agents.strategists import REFERENCE, control_kinds, kind_of, training_kinds
from environments.base import Environment
from harness.base.errors import BadInput
from harness.base.invocation import as_called
from harness.commands import EXIT_INTERRUPTED, EXIT_OK, EXIT_UNFINISHED
from harness.commands.evaluated_weights import with_revisions
from harness.commands.named_models import base_model, base_of, named_model, with_key_for_one_host
from harness.commands.printing import say
from harness.commands.run_experiment import advising, after_lines, play, run_folder, show_forecast, stopped_lines
from harness.compare.comparison import Family, compare_all
from harness.compare.conclusions import WORDS, conclusions, finding
from harness.compare.trained import ONE
from harness.experiment.experiment import Experiment, apply_override, checked_experiment
from harness.experiment.manifest_form import AXES, SEPARATOR
from harness.results.leaks import CARD, cards_of, read_training_tasks
from harness.results.store import read_manifest
from harness.runs.manifest import folder_name
from harness.runs.progress import Progress
from harness.runs.run import INTERRUPTED, Run, RunSummary

SCRIPTS = ("random", "rule", "expert", "oracle")
"""Scripted agents that a trained actor stands between, where the environment has them."""
FOLLOW = "script:follow"
"""The actor of a strategist that is given none: it does what the strategy says, so that the strategist is the policy."""


TASKS = 60
"""Tasks of an environment that are played where nobody says how many."""


def evaluate_run(arguments: argparse.Namespace) -> int:
    """Play as `harness evaluate`'s arguments say, and print the verdict. Raises `BadInput`."""
    with _naming_the_options():
        return _evaluate(arguments)


def _evaluate(arguments: argparse.Namespace) -> int:
    pair = Pair.of(arguments)
    experiment = evaluation(arguments, pair)
    name = folder_name(experiment, arguments.results) if arguments.name is None else arguments.name
    run = Run(
        experiment,
        run_folder(arguments.results, name),
        allow_leak=arguments.allow_leak,
        check=not arguments.no_check,
    )
    if arguments.dry_run:
        run.look()
        return show_forecast(run.plan, name, arguments.results)
    if not arguments.no_check:
        asyncio.run(refuse_one_model(pair))
    with advising():
        summary = play(run, arguments.results, Progress())
    _print_end(summary, pair, arguments)
    if summary.stopped == INTERRUPTED:
        return EXIT_INTERRUPTED
    return EXIT_OK if summary.complete else EXIT_UNFINISHED


async def refuse_one_model(pair: Pair) -> None:
    """Raise `BadInput` where trained model and base are at one address that lists a single model: such a server (llama.cpp's)
    answers with that one whatever it is called, and the model would be held against itself."""
    address = pair.trained_config.get("base_url")
    if address is None or address != pair.base_config.get("base_url"):
        return
    model = make_model(pair.trained, pair.trained_config)
    try:
        probe = getattr(model, "probe_models", None)
        listed = await probe() if probe is not None else None
    finally:
        await model.close()
    if listed is not None and len(listed) == 1:
        raise BadInput(
            f"the server at {address} has one model, {listed[0]}: it lacks one of {pair.trained} and {pair.base}, or answers "
            "as that one for both. Load both there, serve the base at another address, or name its folder or file with --base"
        )


HERE = {
    "base_url": "the address is what stands before the #",
    "`model`": "the model's name is what stands behind the #",
    "api_key_env": "--key-env NAME names that variable",
    "tasks`": "--tasks N says how many tasks",
    "`tasks:": "--tasks N says how many tasks",
    "episodes_at_once": "--at-once N says how many episodes",
}
"""Key of an experiment's file, as advice names it -> where this command has it."""


@contextmanager
def _naming_the_options() -> Iterator[None]:
    """Say where this command has what a message calls by its key in a file."""
    try:
        yield
    except BadInput as problem:
        named = list(dict.fromkeys(words for key, words in HERE.items() if key in str(problem)))
        if not named:
            raise
        raise BadInput(f"{problem}\nHere, {'; '.join(named)}.") from None


class Pair:
    """The trained model and its base, named and with their configs."""

    def __init__(self, role: str, trained: tuple[str, dict[str, Any]], base: tuple[str, dict[str, Any]]) -> None:
        self.role = role
        (self.trained, self.trained_config), (self.base, self.base_config) = trained, base

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Pair:
        """Find both. Raises `BadInput` where one cannot be asked, nobody names the base, or both are the same."""
        config = named_model(arguments.model, arguments.base, arguments.key_env)
        named = arguments.base or base_of(arguments.model)
        if named is None:
            raise BadInput(
                f"{arguments.model} does not say what it was trained from: name that with --base, as the model itself"
            )
        base = base_model(named, gguf=config["provider"] == "llamacpp", key_env=arguments.key_env)
        if base == config:
            raise BadInput(f"--base {named} is the model itself: there is nothing to compare it with")
        if arguments.trained_on is not None:
            config["trained_on"] = str(arguments.trained_on)
        name, other = short_name(arguments.model), short_name(named)
        return cls(arguments.role, (name, config), (other if other != name else f"{other}-base", base))


def short_name(text: str) -> str:
    """A model's name in tables: what stands behind the #, or the last part of a path; what a cell's name cannot hold goes."""
    last = text.partition("#")[2] or text.rstrip("/").rpartition("/")[2] or text
    return re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip("-.")[:60] or "model"


def evaluation(arguments: argparse.Namespace, pair: Pair) -> Experiment:
    """The experiment that the options stand for. Raises `BadInput`."""
    names = list(dict.fromkeys(arguments.environment)) or ["alfworld"]
    options = _options(arguments.option, names)
    worlds = {name: environments.make(name, options[name]) for name in names}
    if arguments.actor is not None and pair.role == "actor":
        raise BadInput("--actor names who acts on a strategist's words: add --as strategist, or leave --actor out")
    if arguments.judge is None and any(world.seats > 1 for world in worlds.values()):
        raise BadInput("dialogues need somebody who scores them: add --judge MODEL")
    asking = {"temperature": arguments.temperature, "max_tokens": arguments.max_tokens}
    raw: dict[str, Any] = {
        "name": f"evaluate-{pair.trained}"[:70],
        "description": f"{pair.trained} as {pair.role}, held against its base {pair.base}",
        "seed": arguments.seed,
        "repeats": arguments.repeats,
        "environments": [
            {
                "name": name,
                "split": arguments.split,
                "tasks": _count(arguments.tasks, worlds[name], arguments.split),
                "options": options[name],
            }
            for name in names
        ],
        "models": {pair.trained: pair.trained_config, pair.base: pair.base_config},
        "judge": None,
        "limits": {"episodes_at_once": arguments.at_once},
    }
    if arguments.judge is not None:
        raw["models"]["judge"] = named_model(arguments.judge, key_env=arguments.key_env)
        raw["judge"] = {"model": "judge"}
    if any(world.seats > 1 for world in worlds.values()):
        raw["partners"] = [{"name": "partner", "model": pair.base, **asking}]
        raw["pairings"] = [{"actor": "partner"}]
    raw |= _as_actor(pair, asking, worlds) if pair.role == "actor" else _as_strategist(pair, asking, worlds, arguments)
    models = with_key_for_one_host(raw["models"])
    raw["models"] = asyncio.run(with_revisions(models, arguments.results))
    return checked_experiment(raw, "harness evaluate")


def _count(asked: int | None, world: Environment, split: str) -> int:
    """The number of tasks to play. Raises `BadInput` for a split that is not there."""
    return min(TASKS, len(environments.tasks_of(world, split))) if asked is None else asked


def _options(given: Sequence[str], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Options by environment. Raises `BadInput` for one of an environment that is not played."""
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    for each in given:
        name, _, rest = each.partition(".")
        if name not in found or "=" not in rest:
            raise BadInput(f"--option {each!r}: expected ENVIRONMENT.KEY=VALUE, with one of {', '.join(names)}")
        apply_override(found[name], rest)
    return found


def _as_actor(pair: Pair, asking: dict[str, Any], worlds: dict[str, Environment]) -> dict[str, Any]:
    """Trained model and base act alone, between the scripted agents."""
    scripts = [script for script in SCRIPTS if any(script in world.baselines for world in worlds.values())]
    models = [{"name": name, "model": name, **asking} for name in (pair.base, pair.trained)]
    return {
        "actors": [*models, *(f"script:{script}" for script in scripts)],
        "strategists": [REFERENCE],
    }


def _as_strategist(
    pair: Pair, asking: dict[str, Any], worlds: dict[str, Environment], arguments: argparse.Namespace
) -> dict[str, Any]:
    """Trained model and base advise one actor, beside the actor alone and the controls. Raises `BadInput`."""
    acting = arguments.actor or FOLLOW
    lacking = [name for name, world in worlds.items() if acting == FOLLOW and "follow" not in world.baselines]
    if lacking:
        raise BadInput(f"{', '.join(lacking)} has no scripted agent that follows strategies: add --actor MODEL")
    models: dict[str, Any] = {pair.trained: pair.trained_config, pair.base: pair.base_config}
    actor: dict[str, Any] = {"script": acting.removeprefix("script:")}
    if not acting.startswith("script:"):
        models["actor"] = named_model(acting, key_env=arguments.key_env)
        actor = {"name": "actor", "model": "actor", **asking}
    if arguments.judge is not None:
        models["judge"] = named_model(arguments.judge, key_env=arguments.key_env)
    untrained, trained = training_kinds()
    controls: list[dict[str, Any]] = [
        {"kind": kind, **({"model": pair.trained, **asking} if kind_of(kind).needs_model else {})}
        for kind in control_kinds()
    ]
    return {
        "models": models,
        "actors": [actor],
        "strategists": [
            {"kind": REFERENCE},
            {"kind": untrained, "name": pair.base, "model": pair.base, **asking},
            {"kind": trained, "name": pair.trained, "model": pair.trained, **asking},
            *controls,
        ],
    }


def verdict_lines(folder: Path, pair: Pair) -> list[str]:
    """The verdict on a finished run: the finding in each environment first, then the sentences behind it, what the references
    reached, and what is known of the leak check."""
    against_base = compare_all(
        [_two(folder, pair, pair.base, pair.trained)], allow=[pair.role] * (pair.role == "actor")
    )
    found = [(row.a.axes["environment"], WORDS[finding(row)]) for row in against_base.rows]
    several = len(found) > 1
    told = "; ".join(f"{words} in {where}" if several else words for where, words in found)
    lines = [f"Verdict on {pair.trained} as {pair.role}, against its base {pair.base}: {told}."]
    lines += conclusions(against_base)
    if not any(ONE in line for line in lines):
        lines.append(f"{pair.trained} is {ONE}.")
    return [*lines, *_references(folder, pair), *leak_lines(folder, pair)]


def _two(folder: Path, pair: Pair, one: str, other: str) -> tuple[str, str]:
    return f"{folder}#{pair.role}={one}", f"{folder}#{pair.role}={other}"


def _references(folder: Path, pair: Pair) -> list[str]:
    """Sentences on the trained model beside every other arm of its place: one table would say the same."""
    others = [name for name in _arms(folder, pair.role) if name not in (pair.base, pair.trained)]
    couples = [_two(folder, pair, name, pair.trained) for name in others]
    if not couples:
        return []
    family: Family = compare_all(couples, allow=["actor"] * (pair.role == "actor"))
    lines = []
    for row in family.rows:
        d = row.result.estimate
        where = row.a.axes["environment"]
        lines.append(
            f"{where}: beside {row.a.axes[pair.role]} ({row.mean_a:.2f}) it reaches {row.mean_b:.2f}: {d.mean:+.2f} "
            f"({d.low:+.2f} to {d.high:+.2f}), {WORDS[finding(row)]}."
        )
    return lines


def _arms(folder: Path, role: str) -> list[str]:
    place = AXES.index(role)
    return list(dict.fromkeys(cell.split(SEPARATOR)[place] for cell in read_manifest(folder)["cells"]))


def leak_lines(folder: Path, pair: Pair) -> list[str]:
    """Say whether the tasks are held out, as far as somebody says what the model was trained on."""
    cards = cards_of(pair.trained_config)
    if not cards:
        return [
            f"Nobody says what {pair.trained} was trained on (there is no {CARD} beside it, and none is named with "
            "--trained-on): whether these tasks were among it cannot be told."
        ]
    met = [leak for leak in read_manifest(folder).get("leaks", []) if leak["model"] == pair.trained]
    if met:
        count = sum(len(leak["tasks"]) for leak in met)
        return [
            f"It was trained on {count} of these tasks ({', '.join(card.name for card in cards)} says so): the result is no "
            "result on held-out tasks."
        ]
    return [
        f"None of these tasks is among the {len(read_training_tasks(card)):,} that it was trained on ({card.name})."
        for card in cards
    ]


def _print_end(summary: RunSummary, pair: Pair, arguments: argparse.Namespace) -> None:
    """The ranking, the verdict, the page, and what is left."""
    from harness.commands.ranking import print_leaderboard
    from leaderboard.board import open_board
    from leaderboard.page import write_page

    console = Console()
    print_leaderboard([summary.folder], "table", None, console)
    lines = [*stopped_lines(summary), *after_lines(summary)]
    if summary.finished:
        try:
            verdict = verdict_lines(summary.folder, pair)
        except BadInput as problem:
            verdict = [f"No verdict yet: {problem}"]
        page = write_page(open_board([summary.folder]), arguments.html or summary.folder, verdict)
        say(console, "\n" + "\n".join(verdict))
        lines = [f"The page to share: {page.resolve()}", *lines]
    say(console, as_called("\n".join(["", *lines, f"Records: {summary.folder}"])))
