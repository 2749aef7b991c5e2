"""Replay recordings of the original engine and compare every word.

    python -m tests.parity.alfworld RECORDINGS.jsonl.gz ... --games DIR

Each line of a recordings file is one game (its fields: `game`, `names`, `initial`, `runs` of `steps`), or one
game played through the gym interface with its 50-step limit (`game`, `mode`, `initial`, `steps`). Compared are
display names, observations, admissible commands, won, score and done. The last line is `N steps, M mismatches`;
the first ten mismatches are shown, and the exit status is 1 if there is any.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from environments.alfworld.engine import TextGame
from harness.base.errors import BadInput

GYM_LIMIT = 50
"""Steps after which the original's gym environment is done."""


@dataclass(slots=True)
class Comparison:
    """Steps replayed and what differed."""

    games: int = 0
    steps: int = 0
    mismatches: int = 0
    shown: list[str] = field(default_factory=list)
    """The first ten."""

    def check(self, where: str, what: str, expected: Any, actual: Any) -> None:
        if expected != actual:
            self.mismatches += 1
            if len(self.shown) < 10:
                self.shown.append(f"{where}: {what}\n  expected {expected!r}\n  actual   {actual!r}")


def replay_file(path: Path, game_folders: Sequence[Path], comparison: Comparison) -> None:
    """Replay all lines of a recordings file. Raises `BadInput` for an unreadable file or a missing game."""
    for number, line in enumerate(_lines(path), start=1):
        try:
            record = json.loads(line)
            game_id = record["game"]
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{path}, line {number}: expected a JSON object with a field 'game' ({error!r})") from error
        game_path = find_game(game_id, game_folders)
        comparison.games += 1
        try:
            if "runs" in record:
                _replay_runs(record, TextGame.load(game_path), comparison)
            else:
                _replay_gym(record, TextGame.load(game_path, max_steps=GYM_LIMIT), comparison)
        except KeyError as error:
            raise BadInput(f"{path}, line {number} ({game_id}): the recording lacks the field {error}") from error


def _lines(path: Path) -> Iterator[str]:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as lines:
            yield from (line for line in lines if line.strip())
    except (OSError, EOFError) as error:
        raise BadInput(f"{path}: cannot be read as a recordings file ({error})") from error


def find_game(game_id: str, folders: Sequence[Path]) -> Path:
    """The file of the game `SPLIT/TASK/TRIAL` below one of the folders (or below one that is SPLIT itself)."""
    parts = Path(game_id).parts
    if ".." not in parts and not Path(game_id).is_absolute():
        for folder in folders:
            for candidate in (folder.joinpath(*parts), folder.joinpath(*parts[1:]), folder.joinpath("games", *parts)):
                if (candidate / "game.tw-pddl").is_file():
                    return candidate / "game.tw-pddl"
    where = ", ".join(str(folder) for folder in folders)
    raise BadInput(f"game {game_id!r} of the recordings is not below {where}; pass the right folder with --games")


def _replay_runs(record: dict[str, Any], game: TextGame, comparison: Comparison) -> None:
    where = record["game"]
    names = dict(game.world.ids)
    for identifier, name in record.get("names", {}).items():
        comparison.check(where, f"display name of {identifier}", name, names.get(identifier))
    for number, run in enumerate(record["runs"]):
        game.reset()
        _check_start(where, record["initial"], game, comparison)
        for at, step in enumerate(run["steps"]):
            game.step(step["cmd"])
            comparison.steps += 1
            place = f"{where}, run {number} ({run['kind']}), step {at}, {step['cmd']!r}"
            _check_step(place, step, step["reward"], game, comparison)


def _replay_gym(record: dict[str, Any], game: TextGame, comparison: Comparison) -> None:
    _check_start(record["game"], record["initial"], game, comparison)
    for at, step in enumerate(record["steps"]):
        game.step(step["cmd"])
        comparison.steps += 1
        place = f"{record['game']}, gym, step {at}, {step['cmd']!r}"
        _check_step(place, step, step["score"], game, comparison)


def _check_start(where: str, initial: dict[str, Any], game: TextGame, comparison: Comparison) -> None:
    comparison.check(where, "first observation", initial["obs"], game.observation)
    comparison.check(where, "admissible commands at the start", initial["adm"], game.admissible_commands)
    comparison.check(where, "won at the start", initial["won"], game.won)


def _check_step(where: str, step: dict[str, Any], score: float, game: TextGame, comparison: Comparison) -> None:
    comparison.check(where, "observation", step["obs"], game.observation)
    comparison.check(where, "admissible commands", step["adm"], game.admissible_commands)
    comparison.check(where, "won", step["won"], game.won)
    comparison.check(where, "score", score, game.score)
    comparison.check(where, "done", step["done"], game.done)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.parity.alfworld", description=__doc__.splitlines()[0])
    parser.add_argument("recordings", nargs="+", type=Path, help="recordings file, JSON lines, gzipped or not")
    where = "folder with SPLIT/TASK/TRIAL/game.tw-pddl; may be given several times"
    parser.add_argument("--games", required=True, type=Path, action="append", metavar="DIR", help=where)
    options = parser.parse_args(arguments)
    comparison = Comparison()
    try:
        for path in options.recordings:
            replay_file(path, options.games, comparison)
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    for shown in comparison.shown:
        print(shown)
    print(f"{comparison.steps} steps, {comparison.mismatches} mismatches")
    return 1 if comparison.mismatches else 0


if __name__ == "__main__":
    sys.exit(main())
