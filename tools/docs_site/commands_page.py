"""The page of all commands, made from the command line's own parser."""

from __future__ import annotations

import argparse
import html
import os
import re
from collections.abc import Iterator

from harness.cli import parser
from harness.commands import EXIT_CODES

INTRODUCTION = """# Commands

Every command with all its options, made from the program itself; `harness COMMAND --help` prints the same.
[commands.md](../commands.md) shows the lines that people use, on one experiment.
"""
WIDTH = "96"
"""Columns of a usage line."""


def commands_page() -> str:
    """Markdown: a section for each command, in the order of `harness --help`."""
    os.environ["COLUMNS"] = WIDTH
    top = parser()
    return "\n".join([INTRODUCTION, sentence(plain(top.epilog or "")), *sections(top, "harness")]).replace(
        f"{plain(EXIT_CODES)}\n", ""
    )


def sections(whole: argparse.ArgumentParser, program: str) -> Iterator[str]:
    """Yield the sections of a parser's subcommands; of a family such as `data`, those of its members."""
    for name, (below, text) in subcommands(whole).items():
        called = f"{program} {name}"
        yield from sections(below, called) if subcommands(below) else section(called, below, text)


def subcommands(whole: argparse.ArgumentParser) -> dict[str, tuple[argparse.ArgumentParser, str]]:
    """Name -> (parser, its line in the list of commands)."""
    found: dict[str, tuple[argparse.ArgumentParser, str]] = {}
    for action in whole._actions:
        if isinstance(action, argparse._SubParsersAction):
            lines = {choice.dest: choice.help or "" for choice in action._choices_actions}
            found |= {name: (below, lines.get(name, "")) for name, below in action.choices.items()}
    return found


def section(name: str, command: argparse.ArgumentParser, line: str) -> Iterator[str]:
    """Describe a command: usage, description, arguments and options."""
    yield f"\n## {name}\n"
    yield "```text\n" + command.format_usage().removeprefix("usage: ").rstrip() + "\n```\n"
    yield plain(command.description or sentence(line)) + "\n"
    shown = [action for action in command._actions if action.help != argparse.SUPPRESS and action.dest != "help"]
    for action in shown:
        yield f"{label(action)}\n:   {plain(explained(command, action)) or '–'}\n"
    if command.epilog:
        yield plain(command.epilog) + "\n"


def label(action: argparse.Action) -> str:
    """`--set KEY=VALUE`, or an argument's name, in code marks."""
    takes = "" if action.nargs == 0 else placeholder(action)
    names = ", ".join(action.option_strings)
    return f"`{' '.join(filter(None, [names, takes]))}`"


def placeholder(action: argparse.Action) -> str:
    if action.metavar is not None:
        return action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar)
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    return action.dest.upper() if action.option_strings else action.dest


def explained(command: argparse.ArgumentParser, action: argparse.Action) -> str:
    """An option's help with its %(default)s filled in."""
    return command._get_formatter()._expand_help(action) if action.help else ""


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "." if text else ""


def plain(text: str) -> str:
    """A text as Markdown shows it: nothing in it is markup except `code`."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(
        part if part.startswith("`") and part.endswith("`") and len(part) > 1 else escaped(part) for part in parts
    )


def escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]{}|#])", r"\\\1", html.escape(text, quote=False))
