"""The leaderboard as one self-contained HTML page: no server, no script that it needs, nothing fetched.

`harness leaderboard RUNS --html DIR` writes `DIR/index.html`. The page's policy (a `Content-Security-Policy` of hashes)
forbids a browser everything but the page's own style and its one optional script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

from agents.strategists import REFERENCE
from harness.base.errors import BadInput
from harness.compare.conclusions import SHOWN
from harness.results.targets import LARGEST, Target, descriptor_of, file_target, read_start
from leaderboard.board import Board, plain_rows, rows_of
from leaderboard.costs import cost_rows
from leaderboard.matrix import matrix
from leaderboard.page.again import again_parts
from leaderboard.page.answer import NOT_ASKED, QUESTION, Episode, answer_parts, pair_parts, said_in_short
from leaderboard.page.curves import curve_parts
from leaderboard.page.headings import HEADINGS
from leaderboard.page.markup import Content, node
from leaderboard.page.others import others
from leaderboard.page.people import people
from leaderboard.page.provenance import provenance
from leaderboard.page.sections import (
    compared,
    cost,
    dimensions,
    grid,
    interface,
    left_out,
    over,
    places_of,
    ranking,
    scope,
    uplift,
)
from leaderboard.page.shell import whole_page
from leaderboard.page.words import word_parts

TITLE = "Strategist leaderboard"
MEASURED = "Measured with strategist-harness; the method under test is EPO (Explicit Policy Optimization, ACL 2025)."
READING = (
    "Rank 2 (1 to 3): second by its mean, but with these data it could be anything from first to third. Arms that a "
    "bracket joins cannot be told apart. An arm with too few outcomes gets no rank.",
    "All intervals are 95 % intervals. They count groups of tasks (a SOTOPIA scenario, an ALFWorld scene) and characters that "
    "appear in several groups, not episodes. Few tasks make wide intervals.",
    f"A difference from {REFERENCE} is paired: the same tasks with the same seeds. Its p value is corrected for all "
    "the questions of its run (Holm). “No difference shown” does not mean that there is none. " + SHOWN,
    "A goal is worth as much as the answers it was reached with: “How answers were read” counts those that could not be "
    "used, and turns after which nothing had changed. “?” stands where older records do not say.",
    "Open marks are controls and references. Rows in italics are references, floor and ceiling, and are not ranked: scripted "
    "agents, and agents that a rule advises.",
    "SOTOPIA’s goal is what a judge model said, 0 to 10; ALFWorld’s is success, WebShop’s the reward, both verified, 0 to 1.",
)
MADE = "Made by the strategist harness. This page fetches nothing."
EARLIER = ("`harness leaderboard --html`", "<code>harness leaderboard --html</code>")
"""Makers that earlier pages name."""
SIGNS = (MADE, *(f"Made by {maker}. This page fetches nothing." for maker in EARLIER))
"""Lines one of which a page of ours has."""
HTML = "--html"
CLASSES = {"published": "published"}
"""Sections that look apart."""


def page_target(folder: Path) -> Target:
    """The place of the page in a folder that the user named, or the stream in its place. Raises `BadInput`."""
    stream = descriptor_of(folder) is not None or (folder.exists() and not folder.is_dir() and not folder.is_file())
    if stream:
        return file_target(folder, HTML, is_page)
    if folder.is_file() or (folder.is_symlink() and not folder.exists()):
        raise BadInput(f"{HTML} {folder}: a file stands there; give a folder, in which the page is index.html.")
    return file_target(folder / "index.html", HTML, is_page)


def is_page(path: Path) -> bool:
    """True if a file is a page of ours."""
    start = read_start(path, LARGEST)
    return any(sign in start for sign in SIGNS)


def write_page(board: Board, folder: Path, verdict: Sequence[str] = ()) -> Path:
    """Write `folder/index.html`, whole or not at all; returns its path. `verdict`: sentences that stand first. Raises `BadInput`
    where that cannot be."""
    target = page_target(folder)
    target.write(render(board, verdict=verdict))
    return target.path


@dataclass(frozen=True, slots=True)
class Picture:
    """The picture that other sites show beside a link to the page."""

    address: str
    """Its address; sites that show links want the whole one, with https."""
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """Addresses of what lies beside the page."""

    records: Mapping[str, str] = field(default_factory=dict)
    """A run's name -> the folder of its records."""
    transcripts: Mapping[Episode, str] = field(default_factory=dict)


def render(
    board: Board,
    labels: bool = False,
    verdict: Sequence[str] = (),
    beside: Sequence[Content] = (),
    picture: Picture | None = None,
    bundle: Bundle | None = None,
) -> str:
    """The page. The same records give the same bytes. `labels`: with what people's labels say; raises `BadInput`
    where no run has any. `verdict`: sentences that stand first. `beside`: elements below the page's title.
    `bundle`: what lies beside the page."""
    sections = [*_verdict(verdict), *_sections(board, labels, bool(verdict), bundle or Bundle())]
    return whole_page(TITLE, _card(board, picture), _body(sections, beside), "page.js")


def _card(board: Board, picture: Picture | None) -> list[Element]:
    """The texts and the picture that other sites show beside a link to the page."""
    told = said_in_short(board) or MEASURED
    facts = {"og:type": "website", "og:title": QUESTION, "og:description": told, "og:site_name": TITLE}
    named = {"description": told}
    if picture is not None:
        facts |= {
            "og:image": picture.address,
            "og:image:type": "image/png",
            "og:image:width": str(picture.width),
            "og:image:height": str(picture.height),
            "og:image:alt": told,
        }
        named["twitter:card"] = "summary_large_image"
    return [
        *(node("meta", name=name, content=text) for name, text in named.items()),
        *(node("meta", property=name, content=text) for name, text in facts.items()),
    ]


Section = tuple[str, str, list[Content]]
"""Anchor, heading and content."""


def _body(sections: Sequence[Section], beside: Sequence[Content]) -> list[Content]:
    links = (node("li", node("a", heading, href=f"#{name}")) for name, heading, _ in sections)
    top = node(
        "header",
        node("h1", QUESTION),
        node("p", MEASURED, class_="note"),
        *beside,
        node(
            "nav",
            node("details", node("summary", "Parts of this page"), node("ul", *links)),
            aria_label="Parts of this page",
        ),
    )
    main = node("main")
    for name, heading, parts in sections:
        main.append(node("section", node("h2", heading), *parts, id=name, class_=CLASSES.get(name)))
    return [top, main, node("footer", MADE)]


def _verdict(lines: Sequence[str]) -> list[Section]:
    """The verdict as a section of its own; none where nobody was asked for one."""
    if not lines:
        return []
    first, *others = lines
    return [
        ("verdict", "Verdict", [node("p", node("strong", first)), node("ul", *(node("li", line) for line in others))])
    ]


def _not_asked() -> list[Content]:
    return [node("p", f"{NOT_ASKED} ", node("code", "harness run"), ".")]


def _sections(board: Board, labels: bool, judged: bool, bundle: Bundle) -> list[Section]:
    """The sections; those for which the runs have nothing are left out. `judged`: a verdict stands first."""
    rows = rows_of(board)
    places = places_of(board, rows)
    answer = answer_parts(board)
    first: dict[str, list[Content]] = {
        "answer": [*answer, *word_parts(board)] if answer else ([] if judged else _not_asked()),
        "ranking": [node("p", *scope(board), class_="note"), *over(ranking, places, board)],
        "learning": curve_parts(board),
        "dialogues": pair_parts(board, whole=bundle.transcripts.get),
        "cost": over(cost, places_of(board, cost_rows(rows)), board),
        "interface": over(interface, places, board),
        "left-out": left_out(places, board),
        "again": again_parts(board.names, bundle.records),
        "compared": compared(places, board),
    }
    found: list[Section] = [
        *((name, heading, first[name]) for name, heading in HEADINGS.items()),
        ("uplift", "What a strategist adds", over(uplift, places_of(board, plain_rows(matrix(board))), board)),
        ("people", "With people’s labels", people(board) if labels else []),
        ("matrix", "Matrix", grid(places, board)),
        ("dimensions", "The judge’s dimensions", over(dimensions, places, board)),
        ("published", "Published figures of others", others(board)),
        ("reading", "How to read this", [node("ul", *(node("li", line) for line in READING))]),
        ("provenance", "Where the numbers come from", provenance(board.names)),
    ]
    return [each for each in found if each[2]]
