"""`harness run`: arguments, and what they call."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands import EXIT_CODES


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = commands.add_parser(
        "run",
        help="play an experiment, or continue it",
        description="Play an experiment (YAML); without one, the built-in quick-start. The same command continues a run. "
        "The folder of a run in place of the file plays that run's experiment again: give it a new --name.",
        epilog=EXIT_CODES,
    )
    run.add_argument(
        "config",
        nargs="?",
        type=Path,
        help="experiment file, or a run's folder; the built-in quick-start when left out",
    )
    run.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="change one value"
    )
    run.add_argument("--name", help="name of the run's folder; made from the config when left out")
    run.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="results folder (results)")
    run.add_argument("--dry-run", action="store_true", help="print cells, episodes and a forecast; play nothing")
    run.add_argument(
        "--retry-failed",
        nargs="?",
        const=True,
        default=False,
        metavar="REASON",
        help="play every failed episode again, whatever its kind, or those of one reason (`harness show RUN` names them)",
    )
    run.add_argument("--no-check", action="store_true", help="do not ask the models a short question before playing")
    run.add_argument("--max-usd", type=float, metavar="USD", help="stop the run at this much money")
    run.add_argument("--max-tokens", type=int, metavar="N", help="stop the run at this many tokens")
    run.add_argument("--max-hours", type=float, metavar="H", help="stop this command after so many hours")
    run.add_argument(
        "--probe", type=int, metavar="N", help="play the first N blocks (all arms on one task), then forecast"
    )
    run.add_argument(
        "--replay", type=Path, metavar="RUN", help="answer every model call from that run's record, ask none"
    )
    run.add_argument(
        "--no-cache", action="store_true", help="do not record the models' replies (a kill then loses some)"
    )
    run.add_argument(
        "--allow-leak", action="store_true", help="play tasks that a model was trained on; the manifest says so"
    )
    look = run.add_argument_group("playing no more than it takes")
    look.add_argument(
        "--until-decided",
        action="store_true",
        help="stop when every strategist's difference to the reference is decided",
    )
    look.add_argument(
        "--question",
        action="append",
        default=[],
        metavar="STRATEGIST",
        help="decide only this strategist's question (repeatable)",
    )
    look.add_argument(
        "--smallest-difference",
        type=float,
        metavar="X",
        help="also stop once the difference is shown to be below X points",
    )
    where = run.add_argument_group("where episodes are played (in this process, when nothing is said)")
    where.add_argument("--workers", type=int, default=0, metavar="N", help="in N worker processes")
    where.add_argument(
        "--recycle", type=int, default=1000, metavar="N", help="a fresh worker after so many episodes (1000)"
    )
    where.add_argument("--executor", choices=["local", "ray"], default="local", help="local, or a Ray cluster")
    where.add_argument("--address", metavar="ADDRESS", help="of the Ray cluster; one on this machine when left out")
    run.set_defaults(do=run_command)


def run_command(arguments: argparse.Namespace) -> int:
    """Play an experiment, or continue it."""
    again = arguments.retry_failed
    if (
        isinstance(again, str)
        and arguments.config is None
        and (Path(again).is_file() or again.endswith((".yaml", ".yml")))
    ):
        # `--retry-failed my.yaml`: the file is the experiment's, not a reason.
        arguments.config, arguments.retry_failed = Path(again), True
    from harness.commands.run_experiment import run_experiment

    return run_experiment(arguments)
