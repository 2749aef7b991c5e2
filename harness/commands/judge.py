"""`harness judge` and `harness judge report`: arguments, and what they call."""

from __future__ import annotations

import argparse
from pathlib import Path

REPORT = "judge report"


def two_words(argv: list[str]) -> list[str]:
    """Join `judge report` to one word, unless a run of that name is meant."""
    if argv[:2] == ["judge", "report"] and not Path("report", "manifest.json").exists():
        return [REPORT, *argv[2:]]
    return argv


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    judge = commands.add_parser(
        "judge",
        help="score a run's stored episodes; `judge report RUN …`: how good the judges are",
        description="Score stored episodes again, or give their strategies process rewards (--process). "
        "`harness judge report RUN …` prints the judges' report card.",
    )
    judge.add_argument("run", type=Path, help="the run's folder")
    judge.add_argument("--judge", metavar="MODEL", help="a model of the run's config, or provider:model")
    judge.add_argument("--kind", default="sotopia", help="the kind of judge (sotopia)")
    judge.add_argument("--model-config", type=Path, metavar="FILE", help="YAML with `models:` to take MODEL from")
    judge.add_argument("--max-tokens", type=int, metavar="N", help="longest answer (as in the run's config, else 1500)")
    judge.add_argument(
        "--answer-chars",
        type=int,
        metavar="N",
        help="cap on each reason in an answer, for small models that do not stop",
    )
    judge.add_argument("--again", type=int, default=0, metavar="K", help="ask K times more (test-retest)")
    judge.add_argument(
        "--copies",
        metavar="NAMES",
        help="judge planted copies, too: swapped,padded,renamed,silenced,last-line,pleading,other-goal,own-style or all",
    )
    process = judge.add_argument_group("process rewards")
    process.add_argument("--process", metavar="METHOD", help="critical, utterance, progress, replay or a plug-in's")
    process.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="an option of the method")
    process.add_argument("--environment", action="append", default=[], metavar="NAME", help="only this environment's")
    process.add_argument("--max-episodes", type=int, metavar="N", help="at most N episodes of each cell")
    process.add_argument("--outcome", metavar="LABEL", help="whose scores are the outcome (the run's own judge)")
    judge.add_argument(
        "--allow-leak", action="store_true", help="ask models that were trained on the tasks; the manifest says so"
    )
    judge.set_defaults(do=judge_command)
    report = commands.add_parser(REPORT)
    report.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders, or a folder of runs")
    report.add_argument("--format", choices=["table", "markdown", "json"], default="table")
    report.set_defaults(do=report_command, reads=True)


def judge_command(arguments: argparse.Namespace) -> int:
    """Score a run's stored episodes, or give their strategies process rewards."""
    if arguments.process is not None:
        from harness.commands.process import reward_run

        return reward_run(arguments)
    from harness.commands.judge_run import judge_run

    return judge_run(arguments)


def report_command(arguments: argparse.Namespace) -> int:
    """Print the judges' report card."""
    from harness.commands.report import print_report

    return print_report(arguments.runs, arguments.format)
