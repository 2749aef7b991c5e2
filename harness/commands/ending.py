"""Ending of the quick-start: one game with and without a strategist side by side, and the answer in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.base.errors import BadInput
from harness.base.plaintext import plain
from harness.compare.answers import answer
from harness.compare.comparison import Family
from harness.compare.conclusions import interface_sentences
from harness.compare.doubts import interval_sentences
from harness.compare.questions import uplift
from harness.results.records import EpisodeRecord, TurnRecord
from leaderboard.pairs import SameGame, same_game, task_text

LONGEST = 200
"""Characters of an agent's or the world's text in the excerpt."""
MOST_TURNS, FIRST_TURNS = 3, 2
"""Turns of an episode that are shown: all, or the first two and the last."""


def uplift_of(folder: Path) -> tuple[Family, int] | None:
    """The run's family of comparisons and the number of the first row that holds a strategist, which is no control, against
    the reference, one with controls beside it first; None where the run has no such row."""
    try:
        family = uplift(str(folder))
    except BadInput:
        return None
    found = [number for number, row in enumerate(family.rows) if not row.b.role]
    best = next((number for number in found if family.beside.get(number)), found[0] if found else None)
    return None if best is None else (family, best)


def print_excerpt(console: Console, game: SameGame) -> None:
    """The two episodes beside each other, turn by turn; agents' words are plain text."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for record in (game.without, game.helped):
        table.add_column(f"{record.strategist} + {record.actor}", ratio=1, overflow="fold")
    left, right = (list(_turns(record)) for record in (game.without, game.helped))
    for number in range(max(len(left), len(right))):
        cells = [turns[number] if number < len(turns) else Text() for turns in (left, right)]
        table.add_row(*cells)
    table.add_row(*(_end(record) for record in (game.without, game.helped)))
    console.print(Text(f"\nThe same game twice: {plain(task_text(game.without))}", style="bold"))
    console.print(table)


def _turns(record: EpisodeRecord) -> Iterator[Text]:
    left_out = len(record.turns) - MOST_TURNS
    for number, turn in enumerate(record.turns):
        if left_out > 0 and FIRST_TURNS <= number < FIRST_TURNS + left_out:
            if number == FIRST_TURNS:
                yield Text(f"… {left_out} more", style="dim")
            continue
        text = Text()
        if turn.strategy:
            text.append(f"strategy: {_short(turn.strategy)}\n", style="italic")
        text.append(f"> {_short(turn.rendered)}", style="bold")
        answer = _answer(record, number)
        if answer:
            text.append(f"\n{_short(answer)}", style="dim")
        yield text


def _answer(record: EpisodeRecord, number: int) -> str:
    """The observation of the seat after its turn: the world's words, its own left out."""
    turn = record.turns[number]
    later = [each for each in record.turns[number + 1 :] if each.seat == turn.seat]
    seen = later[0].observation if later else record.seats[turn.seat].closing
    return " ".join(_worlds_words(seen, turn))


def _worlds_words(seen: list[str], turn: TurnRecord) -> list[str]:
    return [text for text in seen if text.strip() and text.strip() != turn.rendered.strip()]


def _short(text: str) -> str:
    line = plain(" ".join(text.split()))
    return line if len(line) <= LONGEST else line[:LONGEST] + "…"


def _end(record: EpisodeRecord) -> Text:
    if record.outcome is None:
        return Text("no outcome" if record.judge_background is None else "a judge scores it", style="dim")
    won = record.outcome.success
    return Text("goal reached" if won else "goal not reached", style="green" if won else "red")


def print_answer(console: Console, folder: Path) -> None:
    """Print the excerpt and the answer, where the run compares a strategist with the reference."""
    found = uplift_of(folder)
    if found is None:
        return
    family, number = found
    row = family.rows[number]
    game = same_game(folder, row.trainings[0] if row.trainings else row)
    if game is not None:
        print_excerpt(console, game)
    for line in (*interface_sentences(row.a, row.b), *interval_sentences(row)):
        console.print(Text(f"\n{plain(line)}"), soft_wrap=True)
    console.print(Text(f"\n{plain(answer(family, number))}", style="bold"), soft_wrap=True)
