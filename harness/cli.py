"""The command line: parses, calls, prints. Heavy imports happen inside the commands, so that `--help` is quick."""

from __future__ import annotations

import argparse
import atexit
import gc
import sys
from pathlib import Path

from harness.base.errors import BadInput, Damaged, HarnessError
from harness.base.invocation import as_called
from harness.base.spreadsheets import RAW_HELP
from harness.commands import export, models, repair, spread, train, viewer

EXIT_OK, EXIT_BAD_INPUT, EXIT_OWED, EXIT_INTERRUPTED = 0, 2, 4, 130
GARBAGE = 20_000
"""New objects until those are searched for cycles: after every 700, as Python has it, a fifth of a short command went there."""
EPILOG = (
    "exit codes: 0 all finished · 2 bad input · 4 finished with failed or owed episodes, or a damaged run was left out · "
    "130 interrupted"
)


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    gc.set_threshold(GARBAGE)
    atexit.register(gc.freeze)  # what the process still has when it ends is not searched for cycles once more
    arguments = parser().parse_args(_two_words(sys.argv[1:] if argv is None else argv))
    try:
        return int(arguments.do(arguments))
    except Damaged as error:
        print(f"harness: {as_called(str(error))}", file=sys.stderr)
        return EXIT_OWED if getattr(arguments, "reads", False) else EXIT_BAD_INPUT
    except BadInput as error:
        print(f"harness: {as_called(str(error))}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except HarnessError as error:
        print(f"harness: {as_called(str(error))}", file=sys.stderr)
        return EXIT_OWED
    except KeyboardInterrupt:
        print("harness: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_OK


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="harness",
        description="Does a separate strategist model make an LLM agent reach its goal more often?",
        epilog=EPILOG,
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    _run_parser(commands)
    _judge_parser(commands)
    _reading_parsers(commands)
    _compare_parser(commands)
    _check_parser(commands)
    spread.add_parser(commands)
    _data_parser(commands)
    train.add_parser(commands)
    models.add_parser(commands)
    export.add_parser(commands)
    repair.add_parser(commands)
    viewer.add_parser(commands)
    return top


def _run_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = commands.add_parser(
        "run",
        help="play an experiment, or continue it",
        description="Play an experiment (YAML); without one, the built-in quick-start. The same command continues a run.",
        epilog=EPILOG,
    )
    run.add_argument("config", nargs="?", type=Path, help="experiment file; the built-in quick-start when left out")
    run.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="change one value"
    )
    run.add_argument("--name", help="name of the run's folder; made from the config when left out")
    run.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="where runs lie (results)")
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
    where = run.add_argument_group("where episodes are played (in this process, when nothing is said)")
    where.add_argument("--workers", type=int, default=0, metavar="N", help="in N worker processes")
    where.add_argument(
        "--recycle", type=int, default=1000, metavar="N", help="a fresh worker after so many episodes (1000)"
    )
    where.add_argument("--executor", choices=["local", "ray"], default="local", help="local, or a Ray cluster")
    where.add_argument("--address", metavar="ADDRESS", help="of the Ray cluster; one on this machine when left out")
    run.set_defaults(do=_do_run)


def _judge_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
        "--copies", metavar="NAMES", help="judge planted copies, too: swapped,padded,renamed,silenced or all"
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
    judge.set_defaults(do=_do_judge)
    report = commands.add_parser(REPORT)
    report.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders, or a folder of runs")
    report.add_argument("--format", choices=["table", "markdown", "json"], default="table")
    report.set_defaults(do=_do_judge_report, reads=True)


REPORT = "judge report"


def _two_words(argv: list[str]) -> list[str]:
    """`judge report`, `train prepare` and the like as one word, unless a run or file of that name is meant."""
    if argv[:2] == ["judge", "report"] and not Path("report", "manifest.json").exists():
        return [REPORT, *argv[2:]]
    return train.two_words(argv)


def _reading_parsers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    listing = commands.add_parser("list", help="environments, splits, strategists, providers, judges")
    listing.set_defaults(do=_do_list)
    schema = commands.add_parser("schema", help="the JSON schema of an experiment file")
    schema.set_defaults(do=_do_schema)
    show = commands.add_parser("show", help="a run's cells, or one episode")
    show.add_argument("run", type=Path, help="the run's folder")
    show.add_argument("episode", nargs="?", help="episode id, or the beginning of one")
    show.add_argument("--full", action="store_true", help="with the models' reasoning, and long texts whole")
    show.set_defaults(do=_do_show, reads=True)
    board = commands.add_parser("leaderboard", help="the ranking over runs")
    where = "run folders, or folders of runs (results/)"
    board.add_argument("runs", nargs="*", type=Path, default=[Path("results")], metavar="PATH", help=where)
    board.add_argument(
        "--published", action="store_true", help="also print what others have published, apart from the ranking"
    )
    board.add_argument("--html", type=Path, metavar="DIR", help="also write one self-contained page, DIR/index.html")
    board.add_argument("--format", choices=["table", "markdown", "csv", "json"], default="table")
    board.add_argument("--raw", action="store_true", help=RAW_HELP)
    board.add_argument(
        "--min-coverage", type=float, default=0.8, metavar="SHARE", help="no rank with fewer outcomes than this (0.8)"
    )
    board.add_argument("--judge", help="use this judge's scores (its label) instead of each run's own judge")
    board.set_defaults(do=_do_leaderboard, reads=True)


def _compare_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    compare = commands.add_parser(
        "compare",
        help="two runs or arms side by side, or every strategist's uplift over vanilla",
        description="B against A, paired by task and seed. Without B: every strategist of A against vanilla.",
    )
    arm = "a run's folder, or arms in it: RUN#strategist=epo,actor=NAME (axes: environment, split, pairing, actor, "
    compare.add_argument("first", metavar="A", help=arm + "strategist; values with * and ?)")
    compare.add_argument("second", metavar="B", nargs="?", help="the same; a baseline file will do, too")
    compare.add_argument("--metric", default="goal", help="goal, success or overall (goal)")
    compare.add_argument("--judge", help="use this judge's scores (its label) instead of each run's own judge")
    _allow(compare)
    compare.add_argument("--format", choices=["table", "markdown", "csv", "json"], default="table")
    compare.add_argument("--raw", action="store_true", help=RAW_HELP)
    compare.set_defaults(do=_do_compare, reads=True)


def _check_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    check = commands.add_parser(
        "check",
        help="the CI gate: has a candidate run dropped below a baseline?",
        description="Judge a candidate run against a baseline, cell by cell. docs/ci.md has a whole workflow.",
        epilog="exit codes: 0 pass · 1 regressed · 2 bad input · 3 too few episodes to tell",
    )
    check.add_argument("--baseline", type=Path, metavar="FILE", help="a run's folder, or what --make-baseline made")
    check.add_argument("--candidate", type=Path, metavar="RUN", help="the run's folder")
    check.add_argument("--metric", default="goal", help="goal or success (goal)")
    check.add_argument(
        "--max-drop", type=float, default=0.0, metavar="X", help="allowed drop, as a share of the metric's range (0)"
    )
    check.add_argument(
        "--tolerance",
        type=float,
        default=0.05,
        metavar="T",
        help="without --max-drop: pass when a drop of T would have been seen at 80 %% power and none was (0.05)",
    )
    check.add_argument("--judge", help="use this judge's scores (its label) instead of each run's own judge")
    _allow(check)
    for form in ("markdown", "junit", "json"):
        check.add_argument(f"--{form}", type=Path, metavar="FILE", help=f"write a {form} report")
    check.add_argument(
        "--make-baseline", type=Path, metavar="RUN", help="write a baseline of this run to --out instead"
    )
    check.add_argument("--out", type=Path, metavar="FILE")
    check.set_defaults(do=_do_check)


def _allow(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="WHAT",
        help="what may differ: tasks, seeds, data, judge, protocol, actor, serving (may be given again)",
    )


def _data_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    data = commands.add_parser("data", help="fetch, import or generate the environments' data")
    parts = data.add_subparsers(metavar="ACTION", required=True)
    fetch = parts.add_parser("fetch", help="download published data from its declared sources, and import it")
    fetch.add_argument("environment")
    fetch.set_defaults(do=_do_fetch)
    bring = parts.add_parser("import", help="import a folder or archive that lies on this machine")
    bring.add_argument("path", type=Path)
    bring.add_argument("--env", metavar="ENVIRONMENT", help="whose data it is; found out when left out")
    bring.set_defaults(do=_do_import)
    make = parts.add_parser("generate", help="generate data of our own in the published format")
    make.add_argument("environment")
    make.add_argument("--n", type=int, required=True, help="how many")
    make.add_argument("--seed", type=int, default=0)
    make.add_argument("--out", type=Path, required=True, metavar="DIR")
    make.set_defaults(do=_do_generate)


def _do_run(arguments: argparse.Namespace) -> int:
    again = arguments.retry_failed
    if (
        isinstance(again, str)
        and arguments.config is None
        and (Path(again).is_file() or again.endswith((".yaml", ".yml")))
    ):
        # `--retry-failed my.yaml`: the file is the experiment's, not a reason.
        arguments.config, arguments.retry_failed = Path(again), True
    from harness.commands.run import run_command

    return run_command(arguments)


def _do_judge(arguments: argparse.Namespace) -> int:
    from harness.commands.judge import judge_command

    return judge_command(arguments)


def _do_judge_report(arguments: argparse.Namespace) -> int:
    from harness.commands.report import report_command

    return report_command(arguments.runs, arguments.format)


def _do_list(arguments: argparse.Namespace) -> int:
    from harness.commands.reading import list_command

    return list_command()


def _do_schema(arguments: argparse.Namespace) -> int:
    import json

    from harness.experiment.experiment import Experiment

    print(json.dumps(Experiment.model_json_schema(), indent=2))
    return EXIT_OK


def _do_show(arguments: argparse.Namespace) -> int:
    from harness.commands.reading import show_command

    return show_command(arguments.run, arguments.episode, arguments.full)


def _do_leaderboard(arguments: argparse.Namespace) -> int:
    from harness.commands.ranking import leaderboard_command

    return leaderboard_command(arguments)


def _do_compare(arguments: argparse.Namespace) -> int:
    from harness.commands.compare import compare_command

    return compare_command(arguments)


def _do_check(arguments: argparse.Namespace) -> int:
    from harness.commands.check import check_command

    return check_command(arguments)


def _do_fetch(arguments: argparse.Namespace) -> int:
    from harness.commands.data import fetch_command

    return fetch_command(arguments.environment)


def _do_import(arguments: argparse.Namespace) -> int:
    from harness.commands.data import import_command

    return import_command(arguments.path, arguments.env)


def _do_generate(arguments: argparse.Namespace) -> int:
    from harness.commands.data import generate_command

    return generate_command(arguments.environment, arguments.n, arguments.seed, arguments.out)


if __name__ == "__main__":
    raise SystemExit(main())
