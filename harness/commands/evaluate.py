"""`harness evaluate`: arguments, and what they call."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands import EXIT_CODES
from harness.commands.key_env import add_key_env


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="a trained model against its base and the references, on held-out tasks: one verdict, one page",
        description="Rank a trained model on held-out tasks beside its base and the references, paired task by task. The same "
        "command continues; its end is a verdict and a page.",
        epilog=EXIT_CODES,
    )
    evaluate.add_argument(
        "model",
        metavar="CHECKPOINT_OR_ADDRESS",
        help="a Hugging Face or PEFT folder, a .gguf file, an address with a model's name (http://HOST:PORT/v1#NAME), or "
        "provider:model",
    )
    evaluate.add_argument("--base", metavar="MODEL", help="what it was trained from (as its folder says)")
    evaluate.add_argument(
        "--as", dest="role", choices=["actor", "strategist"], default="actor", help="its role (actor)"
    )
    evaluate.add_argument(
        "--actor",
        metavar="MODEL",
        help="as a strategist: who acts on what it says, a model or a script (script:follow)",
    )
    where = evaluate.add_argument_group("on which tasks")
    where.add_argument(
        "--environment", action="append", default=[], metavar="NAME", help="alfworld, webshop, … (alfworld; repeatable)"
    )
    where.add_argument("--split", default="builtin-test", help="the held-out split (builtin-test)")
    where.add_argument("--tasks", type=int, metavar="N", help="its first N tasks (60, or all where there are fewer)")
    where.add_argument("--repeats", type=int, default=1, metavar="K", help="each task K times (1)")
    where.add_argument("--seed", type=int, default=0, help="of the run (0)")
    where.add_argument(
        "--option", action="append", default=[], metavar="ENVIRONMENT.KEY=VALUE", help="an option of an environment"
    )
    where.add_argument("--judge", metavar="MODEL", help="who scores dialogues (SOTOPIA)")
    asking = evaluate.add_argument_group("how both are asked")
    asking.add_argument("--temperature", type=float, default=0.7, help="(0.7)")
    asking.add_argument("--max-tokens", type=int, default=256, metavar="N", help="longest answer (256)")
    asking.add_argument("--at-once", type=int, default=16, metavar="N", help="episodes at once (16)")
    add_key_env(asking)
    leaks = evaluate.add_argument_group("what it was trained on")
    leaks.add_argument(
        "--trained-on", type=Path, metavar="FILE", help="its training_tasks.json, where none lies in the checkpoint"
    )
    leaks.add_argument(
        "--allow-leak", action="store_true", help="play tasks that it was trained on; verdict and run say so"
    )
    evaluate.add_argument(
        "--no-check", action="store_true", help="do not ask the models a short question before playing"
    )
    evaluate.add_argument("--name", help="name of the run's folder; made from the options when left out")
    evaluate.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="results folder (results)"
    )
    evaluate.add_argument("--html", type=Path, metavar="DIR", help="where the page is written (the run's folder)")
    evaluate.add_argument("--dry-run", action="store_true", help="print cells, episodes and a forecast; play nothing")
    evaluate.set_defaults(do=evaluate_command)


def evaluate_command(arguments: argparse.Namespace) -> int:
    """Rank a trained model against its base."""
    from harness.commands.evaluate_run import evaluate_run

    return evaluate_run(arguments)
