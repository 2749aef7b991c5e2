"""The command line: finds the commands, parses, calls one, and makes its errors exit codes. The commands' files import little
until they are called, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import os
import sys
from importlib import import_module
from types import ModuleType

from harness.base.errors import BadInput, Damaged, HarnessError
from harness.base.invocation import as_called
from harness.base.own_packages import check_packages
from harness.base.plaintext import plain
from harness.commands import COMMANDS, EXIT_BAD_INPUT, EXIT_CODES, EXIT_INTERRUPTED, EXIT_OK, EXIT_UNFINISHED

GARBAGE = 200_000
"""New objects until those are searched for cycles: after every 700, as Python has it, a fifth of a short command went there."""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    gc.set_threshold(GARBAGE)
    os.environ.setdefault(
        "PYDANTIC_DISABLE_PLUGINS", "__all__"
    )  # searching every installed package for some takes 20 ms
    atexit.register(gc.freeze)  # what the process still has when it ends is not searched for cycles once more
    arguments = None
    try:
        check_packages()
        arguments = parse(sys.argv[1:] if argv is None else argv)
        return int(arguments.do(arguments))
    except Damaged as error:
        print(f"harness: {plain(as_called(str(error)))}", file=sys.stderr)
        return EXIT_UNFINISHED if getattr(arguments, "reads", False) else EXIT_BAD_INPUT
    except BadInput as error:
        print(f"harness: {plain(as_called(str(error)))}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except HarnessError as error:
        print(f"harness: {plain(as_called(str(error)))}", file=sys.stderr)
        return EXIT_UNFINISHED
    except KeyboardInterrupt:
        print("harness: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_OK


def parse(argv: list[str]) -> argparse.Namespace:
    """Parse a command line. `do` of the result is the command's function. Raises `SystemExit` for one that is wrong."""
    commands = _commands()
    for command in commands:
        if hasattr(command, "two_words"):
            argv = command.two_words(argv)
    return _parser(commands).parse_args(argv)


def parser() -> argparse.ArgumentParser:
    """Build the parser of the whole command line, as the documentation reads it."""
    return _parser(_commands())


def _commands() -> list[ModuleType]:
    return [import_module(f"harness.commands.{name}") for name in COMMANDS]


def _parser(commands: list[ModuleType]) -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="harness",
        description="Does a separate strategist model make an LLM agent reach its goal more often?",
        epilog=EXIT_CODES,
    )
    places = top.add_subparsers(metavar="COMMAND", required=True)
    for command in commands:
        command.add_parser(places)
    return top


if __name__ == "__main__":
    raise SystemExit(main())
