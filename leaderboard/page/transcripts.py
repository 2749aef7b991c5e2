"""Transcripts as pages of a folder: a list that is searched in the browser, and the episodes, some to a page. No server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from harness.results.index import latest_episodes
from leaderboard.board import Board
from leaderboard.cells import NOTHING, amount
from leaderboard.episodes import Conversation, Judgement, read_conversation
from leaderboard.page.answer import NAMELESS, Episode
from leaderboard.page.markup import Content, node
from leaderboard.page.pair import outcome_text, turn_parts
from leaderboard.page.shell import whole_page
from leaderboard.pairs import task_text

EACH = 20
"""Episodes on one page."""
FOLDER = "transcripts"
PART = 60
"""Characters of a run's name in the name of a file."""
SEARCHED = 4_000
"""Characters of an episode's strategies and acts that the list searches."""


@dataclass(frozen=True, slots=True)
class Line:
    """One episode in the list."""

    shown: Conversation
    page: str


def write_transcripts(board: Board, folder: Path) -> dict[Episode, str]:
    """Write every episode of a board's runs, and the list, into `folder/transcripts`. Returns each one's address as seen from
    `folder`. Raises `OSError`."""
    place = folder / FOLDER
    place.mkdir()
    rows: list[Element] = []
    found: dict[Episode, str] = {}
    count = 0
    for name, run in board.names.items():
        some: list[Line] = []
        for row in latest_episodes(run).values():
            page = f"{file_part(name)}-{count // EACH + 1:04d}.html"
            some.append(Line(read_conversation(run, name, row["offset"]), page))
            rows.append(_row(some[-1], len(board.names) > 1))
            found[name, row["episode_id"]] = f"{FOLDER}/{page}#{row['episode_id']}"
            count += 1
            if count % EACH == 0:
                _write_page(place, some)
                some = []
        _write_page(place, some)
        count += -count % EACH  # the next run begins a page of its own
    _write_list(place, rows)
    return found


def _write_page(place: Path, lines: list[Line]) -> None:
    if not lines:
        return
    body: list[Content] = [
        node(
            "header",
            node(
                "p", node("a", "All episodes", href="index.html"), " · ", node("a", "The answer", href="../index.html")
            ),
        ),
        node("main", *(_episode(line.shown) for line in lines)),
    ]
    text = whole_page("Transcripts", [], body, "page.js")
    (place / lines[0].page).write_text(text, encoding="utf-8")


def _write_list(place: Path, rows: list[Element]) -> None:
    search = node(
        "input", type="search", id="search", aria_label="Search", placeholder="task, arm, ending, words that were said"
    )
    head = node("tr", *(node("th", name, scope="col") for name in ("Task", "Strategist", "Actor", "Ending", "Goal")))
    table = node("table", node("caption", "Episodes"), node("thead", head), node("tbody", *rows), id="episodes")
    body = [
        node("header", node("h1", "Transcripts"), node("p", node("a", "The answer", href="../index.html"))),
        node(
            "main",
            node("p", search, " ", node("span", id="found", role="status")),
            node("div", table, class_="scroll", tabindex=0, role="region", aria_label="Episodes"),
            node("p", node("button", "Show more", type="button", id="more")),
        ),
    ]
    (place / "index.html").write_text(whole_page("Transcripts", [], body, "transcripts.js"), encoding="utf-8")


def _row(line: Line, several: bool) -> Element:
    record, head = line.shown.record, line.shown.head
    said = " ".join(filter(None, (part for turn in record.turns for part in (turn.strategy, turn.rendered))))
    link = node("a", task_text(record), href=f"{line.page}#{record.episode_id}")
    under = node("span", f"{record.task_id}{f' · {line.shown.run}' if several else ''}", class_="under")
    return node(
        "tr",
        node("td", link, under, class_="name"),
        node("td", record.strategist),
        node("td", record.actor),
        node("td", head["error"] or record.end_reason),
        node("td", amount(head["score"]) if head["score"] is not None else NOTHING, class_="n"),
        data_said=f"{record.episode_id} {said}"[:SEARCHED].lower(),
    )


def _episode(shown: Conversation) -> Element:
    record = shown.record
    turns = node("ol", class_="turns")
    for turn in record.turns:
        who = node("div", f"{turn.index} · ", node("b", record.seats[turn.seat].name), class_="who")
        turns.append(node("li", who, *turn_parts(turn, shown)))
    return node(
        "section",
        node("h2", task_text(record)),
        node("p", f"{record.strategist} + {record.actor}. {outcome_text(shown.head)}"),
        node("p", f"{record.task_id} · episode {record.episode_id} of {shown.run}", class_="note"),
        *(_told(seat.name, seat.background) for seat in record.seats),
        turns,
        *(part for each in shown.judgements for part in _judged(each)),
        id=record.episode_id,
    )


def _told(name: str, text: str) -> Element:
    return node(
        "details",
        node("summary", f"What {NAMELESS.get(name, name)} was told"),
        node("div", text.strip(), class_="seen"),
    )


def _judged(judgement: Judgement) -> Iterator[Element]:
    yield node("p", node("b", f"{judgement.judge}: {judgement.status}"), class_="note")
    for seat in judgement.seats:
        scores = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in seat.scores.items())
        yield node("p", f"{seat.name}: {scores}", class_="note")


def file_part(name: str) -> str:
    """A run's name as part of a file's name and of an address: ASCII letters, digits, `-` and `_`, at most `PART` of them."""
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "-_") else "-" for char in name)
    return kept[:PART] or "run"
